//! Laws that every [`Conditional`] obeys, run over all of them.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use burn::tensor::Tensor;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::{Placement, Precision, values};

fn continuous() -> Vec<Box<dyn Conditional>> {
    let push = |source, map: Arc<dyn MonotoneMap>| Box::new(Pushforward { source, map });
    vec![
        Box::new(GaussianMixture(1)),
        Box::new(GaussianMixture(5)),
        Box::new(LogisticMixture(3)),
        push(Standard::Normal, Arc::new(Affine::default())),
        push(Standard::Logistic, Arc::new(Inverted(Affine { scale: Scale::Softplus }))),
        push(Standard::Uniform, Arc::new(Affine { scale: Scale::One })),
    ]
}

/// θ for `rows` equal rows of two coordinates.
fn theta(parameters: usize, rows: usize, seed: u64) -> Tensor<3> {
    let place = Placement::cpu(Precision::F64);
    (place.normal::<3>([1, parameters, 2], &mut ChaCha12Rng::seed_from_u64(seed)) * 0.8).expand([rows, parameters, 2])
}

fn both(v: &[f64]) -> Tensor<2> {
    let twice = v.iter().flat_map(|&v| [v, v]).collect();
    Placement::cpu(Precision::F64).tensor(twice, [v.len(), 2])
}

#[test]
fn quantile_and_cdf_are_inverse_also_in_the_tails() {
    let u = [1e-300, 1e-10, 1e-3, 0.2, 0.5, 0.500001, 0.83, 1.0 - 1e-3, 1.0 - 1e-10];
    for law in continuous() {
        // A shift absorbs what a law of bounded support has in its tail.
        let u = if format!("{law:?}").contains("Uniform") { &u[2..8] } else { &u[..] };
        let theta = theta(law.parameters(), u.len(), 3);
        let x = law.quantile(both(u), theta.clone()).unwrap();
        let back = values(law.cdf(x, theta).unwrap());
        for (back, u) in back.into_iter().zip(values(both(u))) {
            // x carries a rounding of |x| ε, which is |x| f(x)/F(x) ε ≤ 2 |log u| ε relative in u; a mixture adds its components'.
            assert!(
                (back - u).abs() < 64.0 * f64::EPSILON * u * (1.0 - u.ln()) + 8.0 * f64::EPSILON * f64::from(u > 0.01),
                "{law:?} at {u:e}: {back:e}"
            );
        }
    }
}

#[test]
fn densities_integrate_to_one_and_to_their_cdf() {
    let (n, span) = (40_001, 60.0);
    let grid: Vec<f64> = (0..n).map(|i| span * (2.0 * i as f64 / (n - 1) as f64 - 1.0)).collect();
    for law in continuous() {
        // The trapezoidal rule needs a smooth integrand.
        if format!("{law:?}").contains("Uniform") {
            continue;
        }
        let theta = theta(law.parameters(), n, 8);
        let density = values(law.log_prob(both(&grid), theta.clone()).unwrap().exp());
        let cdf = values(law.cdf(both(&grid), theta).unwrap());
        let step = grid[1] - grid[0];
        for column in 0..2 {
            let mut sum = 0.0;
            let mut worst = 0f64;
            for i in 1..n {
                sum += 0.5 * step * (density[2 * i + column] + density[2 * i - 2 + column]);
                worst = worst.max((sum - cdf[2 * i + column]).abs());
            }
            // The whole integral converges exponentially; running sums have the rule's step² f′/12 = 7.5e-7 f′ with σ ≥ 0.1.
            assert!((sum - 1.0).abs() < 1e-9, "{law:?}: {sum}");
            assert!(worst < 5e-5, "{law:?}: {worst}");
        }
    }
}

type Loss<'a> = &'a dyn Fn(Tensor<2>, Tensor<3>) -> Tensor<1>;

#[test]
fn gradients_equal_finite_differences_also_through_the_quantile() {
    let place = Placement::cpu(Precision::F64);
    for law in continuous() {
        let p = law.parameters();
        let (input, theta) = ([0.3, 0.62, 0.9], values(theta(p, 3, 5)));
        let quantile = |u: Tensor<2>, theta: Tensor<3>| law.quantile(u, theta).unwrap().sin().sum();
        let cdf = |u: Tensor<2>, theta: Tensor<3>| law.cdf(u, theta).unwrap().sum();
        let log_prob = |u: Tensor<2>, theta: Tensor<3>| law.log_prob(u, theta).unwrap().sum();
        let losses: [(&str, Loss); 3] = [("quantile", &quantile), ("cdf", &cdf), ("log_prob", &log_prob)];
        for (name, loss) in losses {
            let u = both(&input).autodiff().require_grad();
            let t: Tensor<3> = place.tensor(theta.clone(), [3, p, 2]).autodiff().require_grad();
            let value = loss(u.clone(), t.clone());
            if !value.is_tracked() {
                assert!(format!("{law:?}").contains("Uniform") && name == "log_prob");
                continue;
            }
            let grads = value.backward();
            let found: Vec<f64> = [u.grad(&grads).map(values), t.grad(&grads).map(values)].into_iter().flatten().flatten().collect();
            let start: Vec<f64> = values(both(&input)).into_iter().chain(theta.clone()).collect();
            let at = |v: &[f64]| values(loss(place.tensor(v[..6].to_vec(), [3, 2]), place.tensor(v[6..].to_vec(), [3, p, 2])))[0];
            let h = 1e-5;
            for i in 0..start.len() {
                let moved = |d: f64| {
                    let mut v = start.clone();
                    v[i] += d;
                    at(&v)
                };
                let (up, down) = (moved(h), moved(-h));
                if !up.is_finite() || !down.is_finite() {
                    continue;
                }
                let expected = (up - down) / (2.0 * h);
                // h² times third derivatives of order 10³ (narrow components), and ε/h.
                assert!((found[i] - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{law:?} {name} {i}: {} against {expected}", found[i]);
            }
        }
    }
}

#[test]
fn a_mixture_starts_near_the_standard_normal_with_its_components_apart() {
    let grid: Vec<f64> = (-20..=20).map(|i| f64::from(i) / 10.0).collect();
    for count in [1, 2, 5, 10, 40] {
        let law = GaussianMixture(count);
        let x = both(&grid);
        let theta = Placement::cpu(Precision::F64).zeros([grid.len(), 3 * count, 2]).autodiff().require_grad();
        let log_prob = law.log_prob(x.clone(), theta.clone()).unwrap();
        let worst = values((log_prob.clone().inner() - Standard::Normal.log_prob(x)).abs()).into_iter().fold(0.0, f64::max);
        // Zero for one component; the tails of more are shorter than those of the normal.
        assert!(worst < if count == 1 { 1e-14 } else { 0.5 }, "{count}: {worst}");
        let grads = log_prob.sum().backward();
        let mean = values(theta.grad(&grads).unwrap().sum_dim(0));
        let mut slopes: Vec<f64> = (0..count).map(|k| mean[2 * (count + k)]).collect();
        slopes.sort_by(f64::total_cmp);
        assert!(slopes.windows(2).all(|w| w[1] - w[0] > 1e-6), "equal gradients: {slopes:?}");
    }
}

#[test]
fn single_precision_quantiles_converge() {
    let place = Placement::cpu(Precision::F32);
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let law = GaussianMixture(20);
    let u = place.open_uniform::<2>([1000, 1], &mut rng);
    let theta = place.normal([1000, 60, 1], &mut rng) * 1.5;
    let x = law.quantile(u.clone(), theta.clone()).unwrap();
    for (back, u) in values(law.cdf(x, theta).unwrap()).into_iter().zip(values(u)) {
        // |x| f(x) ≤ 60 for scales ≥ 0.02 and |x| ≤ 3, times the rounding of x.
        assert!((back - u).abs() < 60.0 * f64::from(f32::EPSILON), "{back} against {u}");
    }
}

#[test]
fn discrete_laws_sum_to_one_and_their_quantiles_invert_the_cdf() {
    let place = Placement::cpu(Precision::F64);
    let laws: [(Box<dyn Conditional>, usize); 3] = [(Box::new(Bernoulli), 2), (Box::new(Categorical(2)), 2), (Box::new(Categorical(7)), 7)];
    for (law, classes) in laws {
        let theta = theta(law.parameters(), classes, 2);
        let x: Vec<f64> = (0..classes).map(|c| c as f64).collect();
        let masses = values(law.log_prob(both(&x), theta.clone()).unwrap().exp());
        let cdf = values(law.cdf(both(&x), theta.clone()).unwrap());
        for column in 0..2 {
            let mut sum = 0.0;
            for c in 0..classes {
                sum += masses[2 * c + column];
                assert!((sum - cdf[2 * c + column]).abs() < 1e-14);
            }
            assert_eq!(cdf[2 * (classes - 1) + column], 1.0);
        }
        // Just inside each step of F the quantile is its class.
        let inside: Vec<f64> = cdf.iter().zip(&masses).map(|(f, m)| f - 0.5 * m).collect();
        assert_eq!(values(law.quantile(place.tensor(inside, [classes, 2]), theta.clone()).unwrap()), values(both(&x)));
        // The greatest u below 1 is still a class.
        let last = values(law.quantile(both(&vec![1.0 - f64::EPSILON / 2.0; classes]), theta.clone()).unwrap());
        assert!(last.iter().all(|&c| c == classes as f64 - 1.0));
        for outside in [-1.0, 0.5, classes as f64] {
            let log_prob = values(law.log_prob(both(&vec![outside; classes]), theta.clone()).unwrap());
            assert!(log_prob.iter().all(|&l| l == f64::NEG_INFINITY), "{law:?} at {outside}");
        }
    }
}

#[test]
fn bad_input_is_an_error() {
    let place = Placement::cpu(Precision::F64);
    let x = both(&[0.1, 0.4]);
    for law in continuous() {
        let wrong = place.zeros([2, law.parameters() + 1, 2]);
        assert!(matches!(law.log_prob(x.clone(), wrong.clone()), Err(Error::Shape { .. })), "{law:?}");
        assert!(matches!(law.quantile(x.clone(), wrong), Err(Error::Shape { .. })), "{law:?}");
    }
    assert!(GaussianMixture(0).log_prob(x.clone(), place.zeros([2, 0, 2])).is_err());
    assert!(Categorical(0).log_prob(x, place.zeros([2, 0, 2])).is_err());
    match GaussianMixture(2).quantile(both(&[0.2, 1.0]), place.zeros([2, 6, 2])) {
        Err(Error::NotInvertible { rows, .. }) => assert_eq!(rows, [1]),
        other => panic!("expected NotInvertible, found {other:?}"),
    }
}
