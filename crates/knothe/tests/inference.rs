//! Importance sampling and maps fitted to targets: evidence that is known, proposals that are bad, and targets in shared libraries.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use knothe::{
    Bijection, Compose, Error, Flow, Given, Layer, Placement, Precision, Result,
    conditioner::{Order, PolynomialConditioner},
    families::Gaussian,
    fit::{Batch, Batches, Fit, Objective, Schedule},
    inference::{
        LibraryTarget, LogRatioVariance, LogWeights, MapDiagnostic, Reliability, ReverseKl, Smoothed, SourceDraws, Target, WeightedDraws,
    },
    source::{Normal, StudentT},
    triangular::Autoregressive,
    univariate::RectifiedPolynomial,
    values,
};

/// An equal mixture of two normal laws with standard deviation s and means ±m in each of `dim` coordinates, times e³.
struct Mixture {
    dim: usize,
    mean: f64,
    deviation: f64,
}

impl Target for Mixture {
    fn dim(&self) -> usize {
        self.dim
    }

    fn log_density_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let s2 = self.deviation * self.deviation;
        let of = |mean: f64| x.iter().map(|x| -0.5 * (x - mean).powi(2) / s2 - 0.5 * (TAU * s2).ln()).sum::<f64>();
        let (a, b) = (of(self.mean), of(-self.mean));
        let share = 1.0 / (1.0 + (b - a).exp());
        for (g, x) in gradient.iter_mut().zip(x) {
            *g = -(x - self.mean * (2.0 * share - 1.0)) / s2;
        }
        Ok(3.0 + 0.5f64.ln() + a.max(b) + (-(a - b).abs()).exp().ln_1p())
    }
}

/// Checks a gradient against central differences.
fn check_gradient(target: &impl Target, x: &[f64]) {
    let mut gradient = vec![0.0; x.len()];
    target.log_density_and_gradient(x, &mut gradient).unwrap();
    for j in 0..x.len() {
        let at = |by: f64| {
            let mut moved = x.to_vec();
            moved[j] += by;
            target.log_density(&moved).unwrap()
        };
        let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
        // The error of the difference is about 1e-10 times the third derivative, and 1e-11 times the value.
        assert!((gradient[j] - difference).abs() < 1e-5 * (1.0 + difference.abs()), "{j}: {} against {difference}", gradient[j]);
    }
}

#[test]
fn two_standard_errors_cover_the_evidence_in_ten_dimensions() {
    let (place, target) = (Placement::cpu(Precision::F64), Mixture { dim: 10, mean: 0.4, deviation: 0.8 });
    check_gradient(&target, &[0.3; 10]);
    let proposal = Normal::new(10, &place);
    let covers = |seed: u64| {
        let draws = WeightedDraws::of(&proposal, &target, 2_000, seed).unwrap();
        let evidence = draws.weights.log_evidence();
        (evidence.value - 3.0).abs() < 2.0 * evidence.standard_error
    };
    // 95.4 of 100 are expected, and 5 more or fewer are 2.4 standard deviations.
    let covered = (0..100).filter(|&seed| covers(seed)).count();
    assert!((90..=100).contains(&covered), "{covered}");
}

#[test]
fn bad_proposals_are_called_bad() {
    let place = Placement::cpu(Precision::F64);
    let proposal = Normal::new(10, &place);
    let of = |mean: f64, deviation: f64| {
        let draws = WeightedDraws::of(&proposal, &Mixture { dim: 10, mean, deviation }, 5_000, 1).unwrap();
        Smoothed::of(&draws.weights).reliability()
    };
    assert_eq!(of(0.2, 0.9), Reliability::Good);
    // The modes are elsewhere, or the tails too long.
    for (mean, deviation) in [(2.5, 0.5), (0.0, 2.0)] {
        assert!(matches!(of(mean, deviation), Reliability::Biased | Reliability::Useless), "{mean}, {deviation}");
    }
}

/// A wide density in the mixture bounds the weights, so the tail is light and the evidence right.
#[test]
fn a_defensive_mixture_bounds_the_weights() {
    let place = Placement::cpu(Precision::F64);
    let target = Mixture { dim: 1, mean: 0.0, deviation: 2.0 };
    let (narrow, wide) = (Normal::new(1, &place), StudentT::new(1, 3.0, &place).unwrap());
    let alone = WeightedDraws::of(&narrow, &target, 20_000, 2).unwrap();
    let defended = WeightedDraws::defended(&narrow, (&wide, 0.2), &target, 20_000, 2).unwrap();
    assert!(Smoothed::of(&alone.weights).shape > 0.5 && Smoothed::of(&defended.weights).shape < 0.5);
    let evidence = defended.weights.log_evidence();
    assert!((evidence.value - 3.0).abs() < 4.0 * evidence.standard_error && evidence.standard_error < 0.02, "{evidence:?}");
    // The mean of x² is 4.
    let squares: Vec<f64> = defended.x.iter().map(|x| x * x).collect();
    let variance = defended.weights.expectation(&squares).unwrap();
    assert!((variance.value - 4.0).abs() < 4.0 * variance.standard_error, "{variance:?}");
    // A share of 0 is the proposal alone, and a share of 1 the wide density.
    let same = WeightedDraws::defended(&narrow, (&wide, 0.0), &target, 500, 3).unwrap();
    assert_eq!(same.x, WeightedDraws::of(&narrow, &target, 500, 3).unwrap().x);
    let other = Normal::new(1, &Placement::cpu(Precision::F32));
    for error in [
        WeightedDraws::defended(&narrow, (&wide, 1.5), &target, 10, 0).err(),
        WeightedDraws::defended(&narrow, (&other, 0.5), &target, 10, 0).err(),
        WeightedDraws::of(&Normal::new(2, &place), &target, 10, 0).err(),
    ] {
        assert!(matches!(error, Some(Error::Invalid { .. } | Error::Shape { .. })), "{error:?}");
    }
}

/// A target with a bound: draws outside have no weight.
struct Positive;

impl Target for Positive {
    fn dim(&self) -> usize {
        1
    }

    fn log_density_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        gradient[0] = -2.0 * x[0];
        Ok(if x[0] < 0.0 { f64::NEG_INFINITY } else { -x[0] * x[0] })
    }
}

#[test]
fn a_bounded_target_is_weighed() {
    let place = Placement::cpu(Precision::F64);
    let draws = WeightedDraws::of(&Normal::new(1, &place), &Positive, 50_000, 1).unwrap();
    let evidence = draws.weights.log_evidence();
    // Half of √π.
    let truth = (std::f64::consts::PI.sqrt() / 2.0).ln();
    assert!((evidence.value - truth).abs() < 4.0 * evidence.standard_error, "{evidence:?}");
    let diagnostic = MapDiagnostic::of(&draws.weights);
    assert_eq!((diagnostic.variance, diagnostic.bound.value), (f64::INFINITY, f64::NEG_INFINITY));
}

/// N((1, −2), Σ) with a correlation of 0.8 and standard deviations 0.5 and 3, times e^{−1}.
struct Correlated;

impl Target for Correlated {
    fn dim(&self) -> usize {
        2
    }

    fn log_density_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let (a, b) = ((x[0] - 1.0) / 0.5, (x[1] + 2.0) / 3.0);
        let one = 1.0 - 0.64f64;
        gradient.copy_from_slice(&[-(a - 0.8 * b) / one / 0.5, -(b - 0.8 * a) / one / 3.0]);
        Ok(-1.0 - 0.5 * (a * a - 1.6 * a * b + b * b) / one - (TAU * 0.5 * 3.0 * one.sqrt()).ln())
    }
}

/// A map that can be the target's own becomes it: first by reverse KL, then by the variance of the log-ratios.
#[test]
fn an_affine_map_becomes_a_gaussian_target() {
    let place = Placement::cpu(Precision::F64);
    check_gradient(&Correlated, &[0.2, 1.0]);
    let conditioner = PolynomialConditioner::of_degree(Order::natural(2), 0, 1, &place).unwrap();
    let map = Autoregressive::of(conditioner, Arc::new(RectifiedPolynomial { degree: 1, bound: 4.0 })).unwrap();
    let map = Compose::new(2, vec![Layer::Polynomial(map)]).unwrap();
    let flow = Flow::new(Normal::new(2, &place), map, 0).unwrap();
    let draws = SourceDraws::new(2, &place);
    let fit = |rate: f64, steps: u64| Fit::new().steps(steps).batch(64).learning_rate(rate).schedule(Schedule::Cosine);
    let (flow, _) = fit(0.1, 300).objective(ReverseKl(&Correlated)).run(flow, &draws, &draws).unwrap();
    let of = |weights: &LogWeights| MapDiagnostic::of(weights);
    let first = of(&WeightedDraws::of(&flow, &Correlated, 2_000, 1).unwrap().weights);
    assert!(first.variance < 0.02 && (first.log_evidence.value + 1.0).abs() < 0.02, "{first:?}");
    let fixed = SourceDraws::new(2, &place).fixed(64, 7);
    let second = fit(0.02, 500).objective(LogRatioVariance(&Correlated)).as_it_is(true).run(flow, &fixed, &fixed).unwrap().0;
    let second = of(&WeightedDraws::of(&second, &Correlated, 2_000, 1).unwrap().weights);
    assert!(second.variance < 1e-4 * first.variance.max(1e-4) + 1e-6, "{first:?} then {second:?}");
    assert!((second.log_evidence.value + 1.0).abs() < 1e-3, "{second:?}");
}

/// x = z + b.
#[derive(Module, Debug)]
struct Shift {
    by: Param<Tensor<1>>,
}

impl Bijection for Shift {
    fn dim(&self) -> usize {
        2
    }

    fn forward_and_ladj(&self, z: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let ladj = z.clone().sum_dim(1).squeeze_dim::<1>(1) * 0.0;
        Ok((z + self.by.val().unsqueeze(), ladj))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let ladj = x.clone().sum_dim(1).squeeze_dim::<1>(1) * 0.0;
        Ok((x - self.by.val().unsqueeze(), ladj))
    }
}

/// The gradient of an objective is the derivative of its value, although the target is no tensor operation.
#[test]
fn objectives_have_the_gradient_of_their_value() {
    let place = Placement::cpu(Precision::F64);
    let flow = |by: f64| {
        let shift = Shift { by: Param::from_tensor(place.tensor(vec![0.3 + by, -0.5], [2])) };
        Flow::new(Normal::new(2, &place), shift, 0).unwrap()
    };
    let batch = Batch { seed: 5, ..Batch::new(place.zeros([50, 2])) };
    let check = |objective: &dyn Objective<Flow<Normal, Shift>>| {
        let value = |by: f64| values(objective.loss(&flow(by), &batch).unwrap())[0];
        let difference = (value(1e-5) - value(-1e-5)) / 2e-5;
        let tracked = flow(0.0).train();
        let gradients = objective.loss(&tracked, &batch).unwrap().backward();
        let found = values(tracked.bijection().by.val().grad(&gradients).unwrap())[0];
        // Both objectives are quadratic or of the fourth degree in b, so the error of the difference is its rounding.
        assert!((found - difference).abs() < 1e-7 * (1.0 + difference.abs()), "{found} against {difference}");
        // Without a graph the value is the same.
        assert!((values(objective.loss(&tracked, &batch).unwrap().inner())[0] - value(0.0)).abs() < 1e-12);
    };
    check(&ReverseKl(&Correlated));
    check(&LogRatioVariance(&Correlated));
}

#[test]
fn batches_of_draws_are_as_many_as_they_say() {
    let place = Placement::cpu(Precision::F64);
    let fixed = SourceDraws::new(3, &place).fixed(10_000, 4);
    let step = |k: u64| knothe::fit::Step { seed: 1, step: k, rows: 0..64, noise: 0.0, draws: 1 };
    let [first, second] = [0, 1].map(|k| fixed.epoch(1, 0).unwrap()(&step(k)).unwrap());
    assert_eq!((first.x.dims(), first.seed), ([10_000, 3], second.seed));
    let fresh = SourceDraws::new(3, &place);
    let [first, second] = [0, 1].map(|k| fresh.epoch(1, 0).unwrap()(&step(k)).unwrap());
    assert_eq!(first.x.dims(), [64, 3]);
    assert_ne!(first.seed, second.seed);
    // A start that reads data gets numbers whose covariance is positive definite.
    let flow = Gaussian::new(2).flow(&place).unwrap();
    let draws = SourceDraws::new(2, &place);
    Fit::new().objective(ReverseKl(&Correlated)).steps(1).run(flow, &draws, &draws).unwrap();
}

/// A library of `knothe-target`, which Cargo builds with the tests of the workspace.
fn library(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let file = format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let path = tests.parent().and_then(Path::parent).unwrap().join("examples").join(file);
    assert!(path.exists(), "{} is not there: test with `cargo test --release --workspace`", path.display());
    path
}

const SCHOOLS: &str = r#"{"y": [28, 8, -3, 7, -1, 1, 18, 12], "sigma": [15, 10, 16, 11, 9, 11, 10, 18], "centred": CENTRED}"#;

#[test]
fn targets_in_libraries_have_their_gradients() {
    let bod = LibraryTarget::load(&library("bod"), "", 0).unwrap();
    assert_eq!((bod.dim(), bod.unconstrained_names()), (2, &["x.1".to_owned(), "x.2".to_owned()][..]));
    check_gradient(&bod, &[0.7, -0.3]);
    for centred in ["false", "true"] {
        let schools = LibraryTarget::load(&library("eight_schools"), &SCHOOLS.replace("CENTRED", centred), 0).unwrap();
        assert_eq!((schools.dim(), schools.names()[8..].join(" ")), (10, "mu tau".to_owned()));
        check_gradient(&schools, &[0.5, -1.0, 0.2, 0.0, 1.1, -0.7, 0.4, 2.0, 3.0, 0.8]);
        let parameters = schools.constrain(&[0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 2f64.ln()]).unwrap();
        let first = if centred == "true" { 0.5 } else { 4.0 };
        assert!((parameters[0] - first).abs() < 1e-14 && (parameters[9] - 2.0).abs() < 1e-14, "{parameters:?}");
    }
    let data = r#"{"kid_score": [65, 98, 85], "mom_hs": [1, 1, 0], "mom_iq": [121, 89, 115]}"#;
    check_gradient(&LibraryTarget::load(&library("regression"), data, 0).unwrap(), &[1.0, 2.0, 0.5, -0.1, 3.0]);
}

/// The non-centred form is the centred one in other coordinates: the densities differ by the Jacobian determinant τ⁸.
#[test]
fn both_forms_of_eight_schools_are_one_posterior() {
    let of = |centred: &str| LibraryTarget::load(&library("eight_schools"), &SCHOOLS.replace("CENTRED", centred), 0).unwrap();
    let (other, own) = ([0.5, -1.0, 0.2, 0.0, 1.1, -0.7, 0.4, 2.0], [3.0, 0.8]);
    let theta: Vec<f64> = other.iter().map(|z| 3.0 + 0.8f64.exp() * z).chain(own).collect();
    let free: Vec<f64> = other.into_iter().chain(own).collect();
    let difference = of("false").log_density(&free).unwrap() - of("true").log_density(&theta).unwrap();
    assert!((difference - 8.0 * 0.8).abs() < 1e-10, "{difference}");
}

/// By 2-D quadrature, log Z of the BOD model is 9.088253.
#[test]
fn the_evidence_of_bod_is_that_of_quadrature() {
    let place = Placement::cpu(Precision::F64);
    let bod = LibraryTarget::load(&library("bod"), "", 0).unwrap();
    assert!(bod.is_parallel());
    // The prior as the proposal.
    let draws = WeightedDraws::of(&Normal::new(2, &place), &bod, 200_000, 1).unwrap();
    let evidence = draws.weights.log_evidence();
    assert!((evidence.value - 9.088253).abs() < 4.0 * evidence.standard_error && evidence.standard_error < 0.03, "{evidence:?}");
    // Grid points from −5 to 5 by the trapezoidal rule.
    let axis: Vec<f64> = (-250..=250).map(|k| f64::from(k) / 50.0).collect();
    let points: Vec<f64> = axis.iter().flat_map(|a| axis.iter().flat_map(move |b| [*a, *b])).collect();
    let (logs, _) = bod.log_densities_and_gradients(&points).unwrap();
    let sum: f64 = logs.iter().map(|l| l.exp()).sum::<f64>() / 2500.0;
    assert!((sum.ln() - 9.088253).abs() < 1e-4, "{}", sum.ln());
}

#[test]
fn libraries_that_are_no_targets_are_refused() {
    let refused = |path: &Path, data: &str| LibraryTarget::load(path, data, 0).err().unwrap().to_string();
    assert!(refused("no_such.so".as_ref(), "").contains("no_such.so"));
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.so");
    std::fs::write(&text, "no library").unwrap();
    assert!(refused(&text, "").contains("expected a shared library"), "{}", refused(&text, ""));
    let incomplete = refused(&library("incomplete"), "");
    assert!(incomplete.contains("'bs_model_destruct'"), "{incomplete}");
    assert!(refused(&library("bod"), "no_such.json").contains("no_such.json"));
    let wrong = refused(&library("eight_schools"), r#"{"y": [1, 2], "sigma": [1]}"#);
    assert!(wrong.contains("expected one positive sigma for each y, found 1 and 2"), "{wrong}");
    assert!(refused(&library("eight_schools"), "[").contains("expected a JSON document"));
    let bod = LibraryTarget::load(&library("bod"), "", 0).unwrap();
    assert!(matches!(bod.log_density(&[1.0]), Err(Error::Shape { .. })));
    assert!(matches!(bod.constrain(&[1.0]), Err(Error::Shape { .. })));
}
