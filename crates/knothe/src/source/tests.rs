//! Laws that every source obeys, run over all of them.
#![allow(clippy::unwrap_used, clippy::panic)]

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use statrs::distribution::{Continuous, StudentsT};

use super::*;
use crate::{Error, Placement, Precision, values};

fn rng() -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(5)
}

/// Adds noise to what is trained.
struct Jitter(ChaCha12Rng);

impl ModuleMapper for Jitter {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|t| {
            let noise = Placement::of(&t.clone().inner()).normal(t.dims(), &mut self.0);
            Tensor::from_inner(t.inner() + noise * 0.4).require_grad()
        })
    }
}

/// Every source in two dimensions, away from its start.
fn all(precision: Precision) -> Vec<Source> {
    let place = Placement::cpu(precision);
    let mixture = |covariance| GaussianMixture::new(2, 4, covariance, &place, &mut rng()).unwrap();
    [
        Source::Normal(Normal::new(2, &place)),
        Source::Uniform(Uniform::new(2, -0.5, 2.0, &place).unwrap()),
        Source::Logistic(Logistic::new(2, &place)),
        Source::StudentT(StudentT::new(2, 4.0, &place).unwrap()),
        Source::FullNormal(FullNormal::new(2, &place)),
        Source::GaussianMixture(mixture(Covariance::Diagonal)),
        Source::GaussianMixture(mixture(Covariance::Full)),
    ]
    .into_iter()
    .map(|s| s.map(&mut Jitter(rng())).valid())
    .collect()
}

#[test]
fn densities_integrate_to_one() {
    let place = Placement::cpu(Precision::F64);
    for source in all(Precision::F64) {
        // x = sinh(t) reaches the tails of Student's t; the midpoint rule in t.
        let (n, span) = (800, 9.0);
        let t: Vec<f64> = (0..n).map(|i| span * ((2 * i + 1) as f64 / n as f64 - 1.0)).collect();
        let step = 2.0 * span / n as f64;
        let mut total = 0.0;
        for a in &t {
            let rows = t.iter().flat_map(|b| [a.sinh(), b.sinh()]).collect();
            let log_prob = values(source.log_prob(place.tensor(rows, [n, 2]), &Given::default()).unwrap());
            total += log_prob.iter().zip(&t).map(|(l, b)| l.exp() * a.cosh() * b.cosh() * step * step).sum::<f64>();
        }
        // The uniform law's edge costs half a cell a side; Student's t beyond sinh 9 = 4,051 at ν = 2 has 1e-7.
        let tolerance = if matches!(source, Source::Uniform(_)) { 0.05 } else { 1e-5 };
        assert!((total - 1.0).abs() < tolerance, "{source:?}: {total}");
    }
}

#[test]
fn samples_follow_the_density() {
    let n = 20_000;
    // Kolmogorov–Smirnov: the 1 − 1e-6 quantile of √n D is 2.7.
    let bound = 2.7 / (n as f64).sqrt();
    for precision in [Precision::F64, Precision::F32] {
        for source in all(precision) {
            let x = source.sample(n, &Given::default(), &mut rng()).unwrap();
            let u = values(source.to_uniform(x, &Given::default()).unwrap());
            let mut correlation = 0.0;
            for column in 0..2 {
                let mut v: Vec<f64> = u.iter().skip(column).step_by(2).copied().collect();
                v.sort_by(f64::total_cmp);
                let distance = v.iter().enumerate().map(|(i, u)| (u - (i as f64 + 0.5) / n as f64).abs()).fold(0.0, f64::max);
                assert!(distance < bound, "{source:?} column {column}: {distance}");
            }
            for pair in u.chunks_exact(2) {
                correlation += 12.0 * (pair[0] - 0.5) * (pair[1] - 0.5) / n as f64;
            }
            // Standard deviation 1/√n; five of them.
            assert!(correlation.abs() < 5.0 / (n as f64).sqrt(), "{source:?}: {correlation}");
        }
    }
}

#[test]
fn to_uniform_is_the_triangular_map_whose_jacobian_is_the_density() {
    // det ∂u/∂x of a triangular map is p(x); this ties to_uniform to log_prob exactly.
    let place = Placement::cpu(Precision::F64);
    for source in all(Precision::F64) {
        for (a, b) in [(0.3, -0.2), (1.1, 0.4), (-0.4, 1.7)] {
            let h = 1e-5;
            let rows = vec![a + h, b, a - h, b, a, b + h, a, b - h];
            let u = values(source.to_uniform(place.tensor(rows, [4, 2]), &Given::default()).unwrap());
            let slope = ((u[0] - u[2]) / (2.0 * h)) * ((u[5] - u[7]) / (2.0 * h));
            let expected = values(source.log_prob(place.tensor(vec![a, b], [1, 2]), &Given::default()).unwrap())[0].exp();
            // h² times third derivatives and ε/h.
            assert!((slope - expected).abs() < 1e-7 * (1.0 + expected), "{source:?}: {slope} against {expected}");
            assert!(u[4] == u[6], "the first coordinate does not read the second");
        }
    }
}

struct Gradients<'a>(&'a burn::tensor::Gradients, Vec<f64>);

impl ModuleVisitor for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        self.1.extend(value.grad(self.0).map_or_else(|| vec![0.0; value.shape().num_elements()], values));
    }
}

struct Move(usize, f64);

impl ModuleMapper for Move {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|t| {
            let (shape, place) = (t.dims(), Placement::of(&t.clone().inner()));
            let mut v = values(t.inner());
            if let Some(v) = v.get_mut(self.0) {
                *v += self.1;
            }
            self.0 = self.0.wrapping_sub(v.len());
            place.tensor(v, shape)
        })
    }
}

#[test]
fn gradients_equal_finite_differences() {
    let x = Placement::cpu(Precision::F64).normal::<2>([5, 2], &mut rng()) * 0.5 + 0.5;
    for source in all(Precision::F64) {
        let tracked = source.clone().train();
        let value = tracked.log_prob(x.clone(), &Given::default()).unwrap().sum();
        if !value.is_tracked() {
            continue; // Nothing to train.
        }
        let grads = value.backward();
        let mut found = Gradients(&grads, Vec::new());
        tracked.visit(&mut found);
        assert!(found.1.iter().any(|g| *g != 0.0));
        for (i, found) in found.1.iter().enumerate() {
            let at = |d| values(source.clone().map(&mut Move(i, d)).log_prob(x.clone(), &Given::default()).unwrap().sum())[0];
            let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((found - expected).abs() < 1e-7 * (1.0 + expected.abs()), "{source:?} {i}: {found} against {expected}");
        }
    }
}

#[test]
fn student_t_equals_statrs() {
    for (precision, tolerance) in [(Precision::F64, 1e-12), (Precision::F32, 2e-5)] {
        let place = Placement::cpu(precision);
        for nu in [1.2, 2.0, 5.5, 30.0, 3000.0] {
            let source = StudentT::new(1, nu, &place).unwrap();
            for x in [0.0, -1.3, 8.0, 1e4] {
                let found = values(source.log_prob(place.tensor(vec![x], [1, 1]), &Given::default()).unwrap())[0];
                let expected = StudentsT::new(0.0, 1.0, nu).unwrap().ln_pdf(x);
                assert!((found - expected).abs() < tolerance * (1.0 + expected.abs()), "ν {nu}, x {x}: {found} against {expected}");
            }
        }
    }
}

#[test]
fn the_uniform_source_has_no_density_outside() {
    let place = Placement::cpu(Precision::F64);
    let source = Uniform::new(2, 1.0, 3.0, &place).unwrap();
    let x = place.tensor(vec![1.0, 3.0, 2.0, 3.1, 0.9, 2.0, f64::NAN, 2.0], [4, 2]);
    let found = values(source.log_prob(x, &Given::default()).unwrap());
    let none = f64::NEG_INFINITY;
    assert_eq!(found, [-(4f64.ln()), none, none, none]);
}

#[test]
fn what_cannot_be_is_an_error() {
    let place = Placement::cpu(Precision::F64);
    assert!(matches!(Uniform::new(1, 2.0, 2.0, &place), Err(Error::Invalid { .. })));
    assert!(matches!(Uniform::new(1, f64::NAN, 2.0, &place), Err(Error::Invalid { .. })));
    assert!(matches!(StudentT::new(1, 1.0, &place), Err(Error::Invalid { .. })));
    assert!(matches!(GaussianMixture::new(2, 0, Covariance::Full, &place, &mut rng()), Err(Error::Invalid { .. })));
    for source in all(Precision::F64) {
        assert!(matches!(source.log_prob(place.zeros([3, 1]), &Given::default()), Err(Error::Shape { .. })));
        assert!(matches!(source.to_uniform(place.zeros([3, 5]), &Given::default()), Err(Error::Shape { .. })));
    }
}
