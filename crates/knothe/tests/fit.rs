//! The fit: weights, determinism, resumption, early stopping, steps that are not finite.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use knothe::{
    Density, Error, Given, Placement, Precision, TabularFlow,
    families::{ALL, Family, Gaussian, MadeMog, Maf, Mixing, RealNvp, Recipe, Setting, SourceKind},
    fit::{
        Batch, Checkpoint, Checkpoints, Dataset, Fit, FitConfig, FitReport, MaxLikelihood, Observer, Progress, Schedule, Stopped, evaluate,
        loss,
    },
    parameters::collect,
    values,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

fn place() -> Placement {
    Placement::cpu(Precision::F64)
}

/// x₁ ~ N(1, 1), x₂ | x₁ ~ N(x₁², 1), so that there is something to learn.
fn banana(rows: usize, seed: u64) -> Vec<f64> {
    let z = values(place().normal([rows, 2], &mut ChaCha12Rng::seed_from_u64(seed)));
    z.chunks_exact(2).flat_map(|z| [z[0] + 1.0, z[1] + (z[0] + 1.0).powi(2)]).collect()
}

fn dataset(x: Vec<f64>, weights: Option<Vec<f64>>) -> Dataset {
    let data = Dataset::new(x, 2, &place()).unwrap();
    match weights {
        Some(weights) => data.with_weights(weights).unwrap(),
        None => data,
    }
}

fn fit<M: Density + Module>(density: M, train: &Dataset, validation: &Dataset, config: &FitConfig) -> knothe::Result<(M, FitReport)> {
    Fit::new().config(config.clone()).run(density, train, validation)
}

fn model(family: &'static dyn Family) -> TabularFlow {
    let small = [("layers", 2.into()), ("hidden", [8, 8].into()), ("components", 3.into())];
    let own = small.into_iter().filter(|(name, _)| family.option(name).is_some());
    own.fold(Recipe::new(family, 2).seed(1), |recipe, (name, value): (_, Setting)| recipe.set(name, value)).flow(&place()).unwrap()
}

fn config() -> FitConfig {
    FitConfig { epochs: 6, batch: 64, learning_rate: 5e-3, ..FitConfig::default() }
}

/// Stops after some steps.
struct StopAt(u64);

impl Observer for StopAt {
    fn step(&mut self, progress: &Progress) -> bool {
        progress.step < self.0
    }
}

fn gradients(density: &TabularFlow, data: &Dataset) -> Vec<Vec<f64>> {
    struct Gather<'a>(&'a burn::tensor::Gradients, Vec<Vec<f64>>);
    impl burn::module::ModuleVisitor for Gather<'_> {
        fn visit_float<const D: usize>(&mut self, p: &Param<Tensor<D>>) {
            self.1.extend(p.val().grad(self.0).map(values));
        }
    }
    let all: Vec<usize> = (0..data.rows()).collect();
    let batch: Batch = data.gather(&all, 0.0, 0, &mut ChaCha12Rng::seed_from_u64(0)).unwrap();
    let gradients = loss(&MaxLikelihood, density, &batch).unwrap().backward();
    let mut gather = Gather(&gradients, Vec::new());
    density.visit(&mut gather);
    gather.1
}

#[test]
fn weight_two_is_the_row_twice() {
    let x = banana(50, 3);
    let weights: Vec<f64> = (0..50).map(|i| f64::from(i % 3)).collect();
    let repeated = x.chunks_exact(2).zip(&weights).flat_map(|(row, w)| row.repeat(*w as usize)).collect();
    let density = model(&Maf).train();
    let weighted = gradients(&density, &dataset(x, Some(weights)));
    let twice = gradients(&density, &dataset(repeated, None));
    assert!(!weighted.is_empty());
    let pairs = weighted.iter().flatten().zip(twice.iter().flatten());
    // Sums of 50 terms of order 1 in another order differ by some 50 ε.
    assert!(pairs.clone().all(|(a, b)| (a - b).abs() < 1e-12), "{:?}", pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max));
}

#[test]
fn the_gaussian_is_the_weighted_mean_and_covariance() {
    let x = banana(200, 4);
    let weights: Vec<f64> = (0..200).map(|i| f64::from(i % 4)).collect();
    let data = dataset(x.clone(), Some(weights.clone()));
    let none = FitConfig { epochs: 0, ..config() };
    let (gaussian, _) = fit(model(&Gaussian), &data, &data, &none).unwrap();
    let total: f64 = weights.iter().sum();
    let rows = || x.chunks_exact(2).zip(&weights);
    let mean: Vec<f64> = (0..2).map(|j| rows().map(|(r, w)| w * r[j]).sum::<f64>() / total).collect();
    let cov = |j: usize, k: usize| rows().map(|(r, w)| w * (r[j] - mean[j]) * (r[k] - mean[k])).sum::<f64>() / total;
    let determinant = cov(0, 0) * cov(1, 1) - cov(0, 1).powi(2);
    // At the maximum of the likelihood its mean is −(D + log det(2πΣ))/2.
    let expected = -0.5 * (2.0 + 2.0 * (2.0 * std::f64::consts::PI).ln() + determinant.ln());
    let found = data.mean(&evaluate(&gaussian, &data, 0).unwrap());
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
}

/// The full Gaussian's log-likelihood of the validation rows: what a model reaches that learns means, scales and lines alone.
fn gaussian_of(train: &Dataset, validation: &Dataset) -> f64 {
    let none = FitConfig { epochs: 0, ..config() };
    let (gaussian, _) = fit(model(&Gaussian), train, validation, &none).unwrap();
    validation.mean(&evaluate(&gaussian, validation, 0).unwrap())
}

#[test]
fn every_model_learns_more_than_a_gaussian_can() {
    let (train, validation) = (dataset(banana(1_000, 5), None), dataset(banana(500, 6), None));
    let gaussian = gaussian_of(&train, &validation);
    // An additive coupling has one scale for the whole of a column, but the banana's shift is all that it needs;
    // conditionals that are linear cannot be better than the Gaussian by more than their scales give.
    // tests/any_order.rs fits any_order, which is no flow.
    let bent = ALL.iter().filter(|f| f.supports(&2usize.into()) && !matches!(f.name(), "gaussian" | "ar_gaussian" | "any_order"));
    for &family in bent {
        let settings = FitConfig { epochs: 60, ..config() };
        let (fitted, report) = fit(model(family), &train, &validation, &settings).unwrap();
        let after = validation.mean(&evaluate(&fitted, &validation, 0).unwrap());
        assert!(after > gaussian + 0.1, "{}: {after}, the Gaussian {gaussian}", family.name());
        assert_eq!(report.skipped, 0);
        assert_eq!(report.best.unwrap().0, after, "{}: the best state is the one returned", family.name());
    }
}

#[test]
fn every_mixing_source_and_marginal_learns_more_than_a_gaussian_can() {
    let (train, validation) = (dataset(banana(1_000, 5), None), dataset(banana(500, 6), None));
    let gaussian = gaussian_of(&train, &validation);
    let base = Maf::new(2).seed(1).layers(2).hidden([8]).components(3);
    let mixings = [Mixing::Random, Mixing::Lu, Mixing::Rotation].map(|mixing| base.clone().mixing(mixing).batch_norm(true));
    let sources = [SourceKind::Logistic, SourceKind::StudentT, SourceKind::GaussianMixture].map(|source| base.clone().source(source));
    let marginals = base.clone().marginals(16);
    for recipe in mixings.into_iter().chain(sources).chain([marginals]) {
        let settings = FitConfig { epochs: 60, ..config() };
        let (fitted, _) = fit(recipe.flow(&place()).unwrap(), &train, &validation, &settings).unwrap();
        let after = validation.mean(&evaluate(&fitted, &validation, 0).unwrap());
        assert!(after > gaussian, "{recipe:?}: {after}, the Gaussian {gaussian}");
    }
}

#[test]
fn components_part_and_stay_apart() {
    let train = dataset(banana(500, 14), None);
    let settings = FitConfig { steps: Some(100), ..config() };
    let (fitted, _) = fit(model(&MadeMog), &train, &train, &settings).unwrap();
    let parameters = collect(&fitted);
    let bias = parameters
        .iter()
        .filter(|(name, _)| name.ends_with("bias"))
        .map(|(_, data)| data.iter::<f64>().collect::<Vec<_>>())
        .max_by_key(Vec::len);
    let bias = bias.unwrap();
    // Outputs are logits, means and log-scales of 3 components for each of 2 columns.
    assert_eq!(bias.len(), 18);
    for kind in bias.chunks(6) {
        let component = |k: usize| &kind[2 * k..2 * k + 2];
        assert!((0..3).all(|k| (0..k).all(|l| component(k) != component(l))), "{kind:?}");
    }
}

#[test]
fn an_interrupted_fit_resumes_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (train, validation) = (dataset(banana(300, 7), None), dataset(banana(100, 8), None));
    for settings in [config(), FitConfig { average: Some(0.9), noise: 0.1, schedule: Schedule::Plateau, ..config() }] {
        let (whole, report) = fit(model(&Maf), &train, &validation, &settings).unwrap();
        // Step 7 of 30 is in the middle of the second epoch.
        let checkpoints = Checkpoints { path: folder.path().join("checkpoint"), every: 1e9, job: serde_json::json!({"a": 1}) };
        let stopped = Fit::new()
            .config(settings.clone())
            .checkpoints(checkpoints.clone())
            .observer(&mut StopAt(7))
            .run(model(&Maf), &train, &validation)
            .unwrap();
        assert_eq!(stopped.1.stopped, Stopped::Interrupted);
        let checkpoint = Checkpoint::read(&checkpoints.path).unwrap();
        assert_eq!((checkpoint.steps(), &checkpoint.job), (7, &checkpoints.job));
        let (resumed, again) = Fit::new().config(settings).resume(checkpoint).run(model(&Maf), &train, &validation).unwrap();
        assert_eq!(collect(&resumed), collect(&whole));
        assert_eq!(again.best, report.best);
        assert_eq!(again.history.len(), report.history.len());
    }
}

#[test]
fn a_checkpoint_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(banana(100, 9), None);
    let checkpoints = Checkpoints { path: folder.path().join("checkpoint"), every: 0.0, job: serde_json::Value::Null };
    Fit::new().config(config()).checkpoints(checkpoints.clone()).observer(&mut StopAt(3)).run(model(&Maf), &data, &data).unwrap();
    let checkpoint = Checkpoint::read(&checkpoints.path).unwrap();
    let refused = Fit::new().config(config()).resume(checkpoint).run(model(&RealNvp), &data, &data);
    assert!(matches!(refused, Err(Error::Invalid { .. } | Error::Shape { .. })));
}

#[test]
fn patience_stops_and_the_best_state_is_kept() {
    let (train, validation) = (dataset(banana(20, 10), None), dataset(banana(200, 11), None));
    // Twenty rows and a large rate: the validation soon gets worse.
    let settings = FitConfig { epochs: 1_000, batch: 20, learning_rate: 0.02, patience: 3, ..FitConfig::default() };
    let (fitted, report) = fit(model(&Maf), &train, &validation, &settings).unwrap();
    assert_eq!(report.stopped, Stopped::Patience);
    let (best, epoch) = report.best.unwrap();
    assert_eq!(epoch as usize + 3, report.history.len());
    assert_eq!(validation.mean(&evaluate(&fitted, &validation, 0).unwrap()), best);
}

/// A density that breaks at x₁ > 50: log q is not a number there.
#[derive(Module, Debug)]
struct Breaks {
    flow: TabularFlow,
}

impl Density for Breaks {
    fn dim(&self) -> usize {
        self.flow.dim()
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> knothe::Result<Tensor<1>> {
        let broken = (x.clone().narrow(1, 0, 1).neg() + 50.0).log().squeeze_dim::<1>(1) * 0.0;
        Ok(self.flow.log_prob(x, given)? + broken)
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> knothe::Result<Tensor<2>> {
        self.flow.sample(n, given, rng)
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> knothe::Result<Tensor<2>> {
        self.flow.to_uniform(x, given)
    }
}

#[test]
fn steps_that_are_not_finite_are_skipped_counted_and_too_many_are_an_error() {
    let mut x = banana(64, 12);
    x[10] = 60.0;
    let (train, validation) = (dataset(x, None), dataset(banana(50, 13), None));
    let breaks = || Breaks { flow: model(&Maf) };
    let settings = FitConfig { batch: 32, ..config() };
    let (fitted, report) = fit(breaks(), &train, &validation, &settings).unwrap();
    assert_eq!(report.skipped, 6, "one batch in each of 6 epochs");
    assert!(evaluate(&fitted, &validation, 0).unwrap().iter().all(|l| l.is_finite()));
    let all = FitConfig { batch: 64, skipped_limit: 4, ..settings.clone() };
    assert!(matches!(fit(breaks(), &train, &validation, &all), Err(Error::Diverged { steps: 4 })));
    let unjudged = fit(breaks(), &validation, &train, &settings);
    assert!(matches!(unjudged, Err(Error::NotFinite { rows, .. }) if rows == [5]), "no validation was finite, because of row 5");
}

/// A normal density of variance 1 whose mean must not be above 1.5.
#[derive(Module, Debug)]
struct Cliff {
    mean: Param<Tensor<1>>,
}

impl Density for Cliff {
    fn dim(&self) -> usize {
        1
    }

    fn log_prob(&self, x: Tensor<2>, _: &Given) -> knothe::Result<Tensor<1>> {
        let broken = (self.mean.val().neg() + 1.5).log() * 0.0;
        Ok((x.squeeze_dim::<1>(1) - self.mean.val()).powi_scalar(2) * -0.5 + broken)
    }

    fn sample(&self, n: usize, _: &Given, rng: &mut impl Rng) -> knothe::Result<Tensor<2>> {
        Ok(Placement::of(&self.mean.val()).normal([n, 1], rng) + self.mean.val().unsqueeze::<2>())
    }

    fn to_uniform(&self, x: Tensor<2>, _: &Given) -> knothe::Result<Tensor<2>> {
        Ok(x)
    }
}

#[test]
fn a_fit_that_diverges_goes_back_to_its_best_at_half_the_rate() {
    let data = Dataset::new(vec![1.4; 8], 1, &place()).unwrap();
    let cliff = || Cliff { mean: Param::from_tensor(place().autodiff().zeros([1])) };
    let settings =
        FitConfig { epochs: 400, batch: 8, learning_rate: 0.4, warm_up: 0, skipped_limit: 3, patience: 0, ..FitConfig::default() };
    let (fitted, report) = fit(cliff(), &data, &data, &settings).unwrap();
    assert!((1..=5).contains(&report.retreats) && report.skipped == 3 * u64::from(report.retreats), "{report:?}");
    assert!((values(fitted.mean.val())[0] - 1.4).abs() < 0.02, "{:?}", values(fitted.mean.val()));
    // Beyond the edge before anything was judged.
    let steep = FitConfig { learning_rate: 1e3, ..settings };
    let error = fit(cliff(), &data, &data, &steep);
    assert!(matches!(error, Err(Error::Diverged { steps: 3 })));
}

#[test]
fn data_that_cannot_be_fitted_are_refused() {
    let new = |x: Vec<f64>| Dataset::new(x, 2, &place());
    assert!(matches!(new(vec![0.0, 0.0, 1.0, f64::NAN]), Err(Error::NotFinite { rows, .. }) if rows == [1]));
    assert!(new(vec![1.0, 1e16]).is_err());
    assert!(new(vec![]).is_err());
    assert!(new(vec![1.0, 2.0, 3.0]).is_err());
    let one = || new(vec![1.0, 2.0]).unwrap();
    assert!(one().gather(&[1], 0.0, 0, &mut ChaCha12Rng::seed_from_u64(0)).is_err());
    assert!(one().with_weights(vec![-1.0]).is_err());
    assert!(one().with_weights(vec![0.0]).is_err());
    assert!(one().with_weights(vec![1.0, 1.0]).is_err());
    assert!(one().with_context(vec![1.0], 2).is_err());
    assert!(one().with_context(vec![1.0, 2.0], 1).is_err());
}
