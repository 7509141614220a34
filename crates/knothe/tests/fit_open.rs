//! What a caller can replace in a fit: the objective, the batches, the hook on gradients; and what the loop says of misuse.

use std::sync::Mutex;

use burn::module::Module;
use burn::tensor::Tensor;
use knothe::{
    Density, Error, Placement, Precision, Result, TabularFlow,
    families::Maf,
    fit::{
        Batch, Batches, Checkpoint, Checkpoints, Dataset, EpochBatches, Fit, FitConfig, FitReport, Gradient, MaxLikelihood, Objective,
        Observer, Progress, evaluate, loss,
    },
    parameters::collect,
    values,
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

fn place() -> Placement {
    Placement::cpu(Precision::F64)
}

fn model() -> TabularFlow {
    Maf::new(2).seed(1).layers(2).hidden([8]).standardise(false).whiten(false).flow(&place()).unwrap()
}

fn normal(rows: usize, seed: u64) -> Tensor<2> {
    place().normal([rows, 2], &mut ChaCha12Rng::seed_from_u64(seed))
}

fn data() -> Dataset {
    Dataset::new(normal(200, 1) + 1.0, 2, &place()).unwrap()
}

fn fit<'a>() -> Fit<'a> {
    Fit::new().epochs(3).batch(50).learning_rate(5e-3)
}

fn refused<T>(outcome: Result<T>, what: &str) {
    let message = outcome.err().unwrap().to_string();
    assert!(message.contains(what), "{message}");
}

/// An objective that makes a loss of the log-likelihoods.
struct Own(fn(Tensor<1>) -> Tensor<1>);

impl<D: Density> Objective<D> for Own {
    fn loss(&self, density: &D, batch: &Batch) -> Result<Tensor<1>> {
        Ok(self.0(density.log_prob(batch.x.clone(), &batch.given())?))
    }
}

#[test]
fn losses_and_batches_that_do_not_fit_are_named() {
    let rows = |dim| Batch::new(place().zeros([4, dim]));
    let density = model().train();
    refused(loss(&MaxLikelihood, &density.valid(), &rows(2)), ".train()");
    refused(loss(&Own(|l| l.mean().detach()), &density, &rows(2)), "without gradients");
    refused(loss(&Own(Tensor::neg), &density, &rows(2)), "one number");
    refused(loss(&MaxLikelihood, &density, &rows(3)), "[rows, 2]");
    refused(loss(&MaxLikelihood, &density, &Batch { weights: Some(vec![1.0; 3]), ..rows(2) }), "one per row");
    refused(loss(&MaxLikelihood, &density, &Batch { context: Some(place().zeros([4, 1])), ..rows(2) }), "context");
    refused(loss(&MaxLikelihood, &density, &Batch::new(place().zeros([0, 2]))), "at least one row");
    refused(fit().objective(Own(|l| l.mean().detach())).run(model(), &data(), &data()), "without gradients");
    let three = Dataset::new(place().zeros([4, 3]), 3, &place()).unwrap();
    refused(fit().run(model(), &three, &data()), "training rows: expected 2 columns");
    refused(fit().run(model(), &data(), &three), "validation rows: expected 2 columns");
    let single = Dataset::new(vec![0.5f32, 1.0], 2, &Placement::cpu(Precision::F32)).unwrap();
    refused(fit().run(model(), &single, &single), "F64");
    refused(Dataset::new(vec![1.0, 2.0, 3.0], 2, &place()), "rows of 2 values");
    refused(Dataset::new(place().zeros([4, 3]), 2, &place()), "expected 2 columns");
}

#[test]
fn an_objective_is_what_is_minimised_and_scored() {
    // Three times the likelihood: Adam's steps and the best epoch are the same but for ε.
    struct Thrice;
    impl<D: Density> Objective<D> for Thrice {
        fn loss(&self, density: &D, batch: &Batch) -> Result<Tensor<1>> {
            Ok(MaxLikelihood.loss(density, batch)? * 3.0)
        }
        fn scores(&self, density: &D, batch: &Batch) -> Result<Tensor<1>> {
            Ok(density.log_prob(batch.x.clone(), &batch.given())? * 3.0)
        }
    }
    // Clipping would see gradients of another length.
    let fit = || Fit::new().config(FitConfig { epochs: 3, batch: 50, clip: 1e9, ..FitConfig::default() });
    let (_, once) = fit().run(model(), &data(), &data()).unwrap();
    let (_, thrice) = fit().objective(Thrice).run(model(), &data(), &data()).unwrap();
    let ratio = |of: fn(&FitReport) -> f64| of(&thrice) / of(&once);
    for ratio in [ratio(|r| r.best.unwrap().0), ratio(|r| r.history[2].train), ratio(|r| r.history[2].validation)] {
        assert!((ratio - 3.0).abs() < 1e-4, "{ratio}");
    }
}

#[test]
fn a_warm_up_makes_the_first_steps_short() {
    let moved = |warm_up| {
        // The first of 200 steps; no more are taken.
        let (fitted, report) = fit().steps(200).warm_up(warm_up).observer(&mut StopAt(1)).run(model(), &data(), &data()).unwrap();
        assert_eq!(report.steps, 1);
        let numbers = |of: &TabularFlow| collect(of).values().flat_map(|data| data.iter::<f64>().collect::<Vec<_>>()).collect::<Vec<_>>();
        numbers(&fitted).iter().zip(numbers(&model())).map(|(after, before)| (after - before).abs()).fold(0.0, f64::max)
    };
    // The first step of Adam moves every parameter by the learning rate, up to ε over the gradient.
    for (warm_up, expected) in [(0, 5e-3), (10, 5e-4), (1_000, 2.5e-4)] {
        assert!((moved(warm_up) / expected - 1.0).abs() < 1e-2, "{warm_up}: {} against {expected}", moved(warm_up));
    }
}

#[test]
fn rows_come_from_slices_vectors_and_tensors() {
    let numbers = [0.5, -1.25, 3.0, 0.0, 2.0, 1.0];
    let single = numbers.map(|v| v as f32);
    for place in [place(), Placement::cpu(Precision::F32)] {
        let expected = Dataset::new(numbers.to_vec(), 3, &place).unwrap();
        let others = [
            Dataset::new(&numbers[..], 3, &place),
            Dataset::new(&single[..], 3, &place),
            Dataset::new(single.to_vec(), 3, &place),
            Dataset::new(place.tensor(numbers.to_vec(), [2, 3]), 3, &place),
        ];
        for other in others.map(Result::unwrap) {
            let all = |data: &Dataset| values(data.gather(&[1, 0], 0.0, 0, &mut ChaCha12Rng::seed_from_u64(0)).unwrap().x);
            assert_eq!(all(&other), all(&expected));
            assert_eq!(all(&other), [0.0, 2.0, 1.0, 0.5, -1.25, 3.0]);
        }
    }
}

/// Draws fresh rows at every step, for ever.
struct Stream(Placement);

impl Batches for Stream {
    fn dim(&self) -> usize {
        2
    }

    fn placement(&self) -> &Placement {
        &self.0
    }

    fn epoch(&self, _: u64, _: u64) -> Result<EpochBatches<'_>> {
        Ok(Box::new(|step| Ok(Batch::new(self.0.normal([step.len(), 2], &mut step.rng()) * 2.0 + 1.0))))
    }
}

/// Stops after some steps.
struct StopAt(u64);

impl Observer for StopAt {
    fn step(&mut self, progress: &Progress) -> bool {
        progress.step < self.0
    }
}

#[test]
fn a_fit_of_a_stream_resumes_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let stream = Stream(place());
    fn fit<'a>() -> Fit<'a> {
        Fit::new().steps(250).batch(32).learning_rate(5e-3)
    }
    let (whole, report) = fit().run(model(), &stream, &stream).unwrap();
    assert_eq!((report.steps, report.history.len()), (250, 3), "validations after 100, 200 and 250 steps");
    let checkpoints = Checkpoints { path: folder.path().join("checkpoint"), every: 1e9, job: serde_json::Value::Null };
    fit().checkpoints(checkpoints.clone()).observer(&mut StopAt(130)).run(model(), &stream, &stream).unwrap();
    let checkpoint = Checkpoint::read(&checkpoints.path).unwrap();
    let (resumed, _) = fit().resume(checkpoint).run(model(), &stream, &stream).unwrap();
    assert_eq!(collect(&resumed), collect(&whole));
    // What judges is not what was learned from, and is the same each time.
    let judged = evaluate(&whole, &stream, 0).unwrap();
    assert_eq!((judged.len(), &judged), (16_384, &evaluate(&whole, &stream, 0).unwrap()));
    assert_ne!(judged, evaluate(&whole, &stream, 1).unwrap());
}

#[test]
fn a_hook_sees_the_gradients_and_may_change_them() {
    let (plain, _) = fit().run(model(), &data(), &data()).unwrap();
    let mut shapes = Vec::new();
    let watch = |gradients: &mut [Gradient]| {
        shapes.push(gradients.iter().map(Gradient::len).collect::<Vec<_>>());
        Ok(())
    };
    let (watched, report) = fit().hook(watch).run(model(), &data(), &data()).unwrap();
    assert_eq!(collect(&watched), collect(&plain), "a hook that changes nothing");
    assert_eq!(shapes.len() as u64, report.steps);
    // In the order in which the module is visited.
    let mut lengths = Lengths(Vec::new());
    model().train().visit(&mut lengths);
    assert!(shapes.iter().all(|found| *found == lengths.0) && lengths.0.len() > 4, "{shapes:?}");

    let still = |gradients: &mut [Gradient]| {
        for gradient in gradients {
            let Gradient::F64(numbers) = gradient else { panic!("{gradient:?}") };
            numbers.fill(0.0);
        }
        Ok(())
    };
    let (stood, _) = fit().hook(still).run(model(), &data(), &data()).unwrap();
    assert_eq!(collect(&stood), collect(&model()));
    refused(fit().hook(|_| Err(Error::invalid("peer", "an answer", "none"))).run(model(), &data(), &data()), "peer");
}

#[test]
fn a_hook_is_told_of_steps_that_are_not_finite() {
    // The seventh row alone gets a loss that is not finite.
    let calls = Mutex::new(Vec::new());
    let watch = |gradients: &mut [Gradient]| {
        let all_nan = |g: &Gradient| matches!(g, Gradient::F64(g) if g.iter().all(|v| v.is_nan()));
        calls.lock().unwrap().push(gradients.iter().all(all_nan));
        Ok(())
    };
    let breaks = Own(|l| if values(l.clone().inner()).iter().any(|l| *l < -1e3) { l.mean() * f64::INFINITY } else { l.mean().neg() });
    let mut rows = values(normal(200, 1));
    rows[12] = 1e3;
    let train = Dataset::new(rows, 2, &place()).unwrap();
    let (_, report) = fit().objective(breaks).hook(watch).run(model(), &train, &data()).unwrap();
    let calls = calls.into_inner().unwrap();
    assert_eq!(report.skipped, 3, "one batch in each of 3 epochs");
    assert_eq!((calls.len() as u64, calls.iter().filter(|nan| **nan).count()), (report.steps, 3));
}

struct Lengths(Vec<usize>);

impl burn::module::ModuleVisitor for Lengths {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        self.0.push(param.dims().iter().product());
    }
}
