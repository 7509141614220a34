//! Rows that were measured with errors: the density is that of the true values.

use knothe::{
    Density, Exactness, Given, Placement, Precision, TabularFlow,
    events::{
        Coding, Events,
        table::{Column, ErrorColumn, Form, MissingPolicy, Need, Overrides, Roles, Schema, Table, TableRows, diagnose},
    },
    families::{Family, Gaussian, Maf, MafMog, Recipe},
    fit::{Batches, Checkpoint, Checkpoints, Dataset, Errors, Fit, FitConfig, Observer, Progress, Stopped, evaluate},
    model::{Fitting, HeldOut, Model, Scoring, Split, Weighting},
    parameters::collect,
    values,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rand_distr::StandardNormal;

fn rng(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

fn normal(rng: &mut ChaCha12Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// x ~ N(0, 1), w = x + σ ε with σ uniform on [0.2, 1.5]: w and σ.
fn measured(n: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
    let mut rng = rng(seed);
    let one = |_| {
        let sigma = 0.2 + 1.3 * rng.random::<f64>();
        (normal(&mut rng) + sigma * normal(&mut rng), sigma)
    };
    (0..n).map(one).unzip()
}

fn table(columns: Vec<Column>) -> Table {
    Table { path: "measured.csv".into(), columns, first_row: 0, notes: Vec::new() }
}

fn roles(pairs: &[(&str, &str)]) -> Roles {
    let errors = pairs.iter().map(|(column, error)| ErrorColumn { column: (*column).into(), error: (*error).into() }).collect();
    Roles { errors, ..Roles::default() }
}

/// A model of a table whose rows all are fitted to, and judge.
fn fitted(
    table: &Table,
    overrides: &Overrides,
    roles: &Roles,
    family: &'static dyn Family,
    config: &FitConfig,
    p: Precision,
) -> (Model<Schema>, TableRows) {
    let (mut schema, _) = Schema::infer(table, overrides, roles, MissingPolicy::Model).unwrap();
    let rows = schema.rows(table, Need::Fit).unwrap();
    diagnose(&table.path, &schema, &rows).unwrap();
    schema.fit(&rows).unwrap();
    let split = Split { train: rows.clone(), validation: rows.clone(), held_out: HeldOut::Validation };
    let recipe = Recipe::new(family, schema.space()).context(schema.context_dim());
    let recipe = if family.option("hidden").is_some() { recipe.hidden([8]).layers(1) } else { recipe };
    let (recipes, place) = ([recipe], Placement::cpu(p));
    let fitting = Fitting { split: &split, coding: &schema, recipes: &recipes, weighting: Weighting::Uniform, config, place: &place };
    (fitting.run(None, None, &mut ()).unwrap().unwrap(), rows)
}

fn deviation(x: &[f64]) -> f64 {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64).sqrt()
}

fn short(epochs: u64) -> FitConfig {
    FitConfig { epochs, learning_rate: 1e-2, ..FitConfig::default() }
}

#[test]
fn the_deviation_of_true_values_is_recovered() {
    let (w, sigma) = measured(4_000, 1);
    // The information of a row on s² is 1/2(s² + σ²)²: four standard errors of s, and of a sample of 20,000.
    let information: f64 = sigma.iter().map(|s| 0.5 / (1.0 + s * s).powi(2)).sum();
    let tolerance = 4.0 * (0.25 / information + 0.5 / 20_000.0).sqrt();
    assert!(tolerance < 0.08, "{tolerance}");
    let table = table(vec![Column::real("x", w.clone()), Column::real("x_err", sigma)]);
    for (family, precision) in [(&Gaussian as &'static dyn Family, Precision::F64), (&Maf, Precision::F32)] {
        let (model, rows) = fitted(&table, &Overrides::default(), &roles(&[("x", "x_err")]), family, &short(15), precision);
        let found = deviation(&model.sample(20_000, &[], 3).unwrap().x);
        assert!((found - 1.0).abs() < tolerance, "{}: {found}, tolerated {tolerance}", family.name());
        assert_eq!((model.exactness(), model.exactness_of(&rows)), (Exactness::Exact, Exactness::LowerBound));
        // The Gaussian beside it is deconvolved too: here it is the truth.
        let gaussian = model.record.gaussian.unwrap().mean;
        assert!((model.record.held_out.mean - gaussian).abs() < 2e-3, "{:?}", model.record);
        let (plain, _) =
            fitted(&table, &Overrides::default(), &Roles { drop: vec!["x_err".into()], ..Roles::default() }, family, &short(15), precision);
        let found = deviation(&plain.sample(20_000, &[], 3).unwrap().x);
        assert!((found - deviation(&w)).abs() < 0.05 && found > 1.3, "{found}");
        // The draws of true values follow the model, and the measured values do not.
        let checks = model.check(&rows, 0).unwrap();
        assert!(checks.ks.largest < 0.03, "{:?}", checks.ks);
        let exact = TableRows { errors: None, ..rows };
        assert!(model.check(&exact, 0).unwrap().ks.largest > 0.05);
    }
}

/// Two components at (±1.2, 0) of standard deviations 0.3 and 0.6, and their log density.
fn blobs(n: usize, rng: &mut ChaCha12Rng) -> Vec<f64> {
    let mut row = |_| {
        let centre = if rng.random::<bool>() { 1.2 } else { -1.2 };
        [centre + 0.3 * normal(rng), 0.6 * normal(rng)]
    };
    (0..n).flat_map(&mut row).collect()
}

fn blobs_log_density(x: &[f64]) -> f64 {
    let one = |centre: f64| (-0.5 * ((x[0] - centre) / 0.3).powi(2)).exp();
    (0.5 * (one(1.2) + one(-1.2)) / (0.3 * 0.6 * std::f64::consts::TAU)).ln() - 0.5 * (x[1] / 0.6).powi(2)
}

#[test]
fn a_blurred_mixture_is_found_behind_its_noise() {
    let place = Placement::cpu(Precision::F32);
    let mut rng = rng(5);
    let (x, test) = (blobs(6_000, &mut rng), blobs(4_000, &mut rng));
    let sigma: Vec<f64> = x.iter().map(|_| 0.4 + 0.6 * rng.random::<f64>()).collect();
    let w: Vec<f64> = x.iter().zip(&sigma).map(|(x, s)| x + s * normal(&mut rng)).collect();
    let fit = |data: &Dataset| {
        let flow = MafMog::new(2).layers(1).components(4).hidden([16]).build(&place).unwrap();
        Fit::new().epochs(15).batch(128).learning_rate(5e-3).run(flow, data, data).unwrap().0
    };
    let plain = Dataset::new(&w, 2, &place).unwrap();
    let data = plain.clone().with_errors(Errors::of(&w, &sigma, 2).unwrap()).unwrap();
    let exact = Dataset::new(&test, 2, &place).unwrap();
    let mean = |l: &[f64]| l.iter().sum::<f64>() / l.len() as f64;
    let truth = mean(&test.chunks(2).map(blobs_log_density).collect::<Vec<_>>());
    let [with, without] = [&data, &plain].map(|data| mean(&evaluate(&fit(data), &exact, 0).unwrap()));
    assert!(truth - with < 0.2 && truth - without > 0.5, "truth {truth}, with errors {with}, without {without}");
}

fn model(place: &Placement) -> TabularFlow {
    let knothe::Network::Flow(flow) = Maf::new(1).layers(2).hidden([8]).build(place).unwrap() else { panic!("no flow") };
    flow
}

#[test]
fn errors_of_zero_change_no_byte() {
    let place = Placement::cpu(Precision::F32);
    let (w, mut sigma) = measured(300, 2);
    let run = |data: &Dataset| collect(&Fit::new().epochs(2).batch(50).run(model(&place), data, data).unwrap().0);
    let plain = Dataset::new(&w, 1, &place).unwrap();
    let with = |sigma: &[f64]| plain.clone().with_errors(Errors::of(&w, sigma, 1).unwrap()).unwrap();
    assert_eq!(run(&plain), run(&with(&[0.0; 300])));
    // A row without an error among others has the score of an exact row, up to rounding.
    sigma[7] = 0.0;
    let flow = model(&place);
    let [exact, found] = [&plain, &with(&sigma)].map(|data| evaluate(&flow, data, 0).unwrap());
    assert!((exact[7] - found[7]).abs() < 1e-6 && (exact[8] - found[8]).abs() > 1e-4, "{} {}", exact[7], found[7]);
}

#[test]
fn a_row_has_one_score_wherever_it_stands() {
    let (w, sigma) = measured(900, 3);
    let table = table(vec![Column::real("x", w), Column::real("x_err", sigma)]);
    let (model, rows) = fitted(&table, &Overrides::default(), &roles(&[("x", "x_err")]), &Maf, &short(1), Precision::F32);
    let all = model.log_prob(&rows, Scoring::default()).unwrap();
    for picked in [vec![3], vec![899, 3, 17], (0..900).rev().collect()] {
        let found = model.log_prob(&rows.pick(&picked), Scoring::default()).unwrap();
        assert_eq!(found, picked.iter().map(|&i| all[i]).collect::<Vec<_>>());
    }
    let other = model.log_prob(&rows, Scoring { seed: 1, samples: 1 }).unwrap();
    assert!(all.iter().zip(&other).any(|(a, b)| a != b));
    // More draws come nearer to one another.
    let spread = |samples: usize| {
        let of = |seed| model.log_prob(&rows, Scoring { seed, samples }).unwrap();
        of(10).iter().zip(of(20)).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
    };
    assert!(spread(4) < 0.6 * spread(1));
}

struct StopAt(u64);

impl Observer for StopAt {
    fn step(&mut self, progress: &Progress) -> bool {
        progress.step < self.0
    }
}

#[test]
fn an_interrupted_fit_resumes_to_the_same_bytes() {
    let (folder, place) = (tempfile::tempdir().unwrap(), Placement::cpu(Precision::F64));
    let (w, sigma) = measured(300, 4);
    let data = Dataset::new(&w, 1, &place).unwrap().with_errors(Errors::of(&w, &sigma, 1).unwrap()).unwrap();
    let fit = || Fit::new().epochs(3).batch(50).error_draws(5);
    let (whole, _) = fit().run(model(&place), &data, &data).unwrap();
    let checkpoints = Checkpoints { path: folder.path().join("checkpoint"), every: 1e9, job: serde_json::Value::Null };
    let mut observer = StopAt(8);
    let stopped = fit().checkpoints(checkpoints.clone()).observer(&mut observer).run(model(&place), &data, &data).unwrap().1;
    assert_eq!(stopped.stopped, Stopped::Interrupted);
    let (resumed, _) = fit().resume(Checkpoint::read(&checkpoints.path).unwrap()).run(model(&place), &data, &data).unwrap();
    assert_eq!(collect(&resumed), collect(&whole));
    let (other, _) = fit().error_draws(6).run(model(&place), &data, &data).unwrap();
    assert_ne!(collect(&other), collect(&whole));
    // Every step has fresh draws, and every pass the same.
    let draws = |step: u64| {
        let mut batches = data.epoch(0, 0).unwrap();
        let ask = knothe::fit::Step { seed: 0, step, rows: 0..4, noise: 0.0, draws: 3 };
        values(batches(&ask).unwrap().draws.unwrap().x)
    };
    assert_eq!(draws(1), draws(1));
    assert_ne!(draws(1), draws(2));
}

/// log x ~ N(0.5, 0.6²), measured with an error of 1: many values are below 0.
#[test]
fn positive_values_may_be_measured_below_zero() {
    let mut rng = rng(6);
    let x: Vec<f64> = (0..4_000).map(|_| (0.5 + 0.6 * normal(&mut rng)).exp()).collect();
    let w: Vec<f64> = x.iter().map(|x| x + normal(&mut rng)).collect();
    assert!(w.iter().filter(|w| **w < 0.0).count() > 100);
    let share: Vec<f64> = (0..4_000).map(|_| 1.0 / (1.0 + normal(&mut rng).exp())).collect();
    let noisy: Vec<f64> = share.iter().map(|s| s + 0.2 * normal(&mut rng)).collect();
    let table = table(vec![
        Column::real("x", w),
        Column::real("x_err", vec![1.0; 4_000]),
        Column::real("share", noisy),
        Column::real("share_err", vec![0.2; 4_000]),
    ]);
    let overrides = Overrides::parse(r#"{"x": "positive", "share": {"bounded": [0, 1]}}"#).unwrap();
    let roles = roles(&[("x", "x_err"), ("share", "share_err")]);
    for (family, epochs) in [(&Gaussian as &'static dyn Family, 0), (&Maf, 15)] {
        let (model, rows) = fitted(&table, &overrides, &roles, family, &short(epochs), Precision::F32);
        let samples = model.sample(20_000, &[], 1).unwrap().x;
        let logs: Vec<f64> = samples.iter().step_by(2).map(|x| x.ln()).collect();
        let logits: Vec<f64> = samples.iter().skip(1).step_by(2).map(|s| (s / (1.0 - s)).ln()).collect();
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        // A maximum-likelihood fit of 4,000 rows of this noise has standard errors of about 0.02 in both moments.
        assert!((mean(&logs) - 0.5).abs() < 0.08 && (deviation(&logs) - 0.6).abs() < 0.08, "{} {}", mean(&logs), deviation(&logs));
        assert!(mean(&logits).abs() < 0.08 && (deviation(&logits) - 1.0).abs() < 0.12, "{} {}", mean(&logits), deviation(&logits));
        assert!(model.log_prob(&rows, Scoring::default()).unwrap().iter().all(|l| l.is_finite()));
        assert!(model.check(&rows, 0).unwrap().ks.largest < 0.05);
        // As exact values they would be impossible.
        let exact = model.coding.rows_of(vec![-1.0, 0.5], Vec::new());
        assert_eq!(model.log_prob(&exact, Scoring::default()).unwrap(), [f64::NEG_INFINITY]);
    }
}

#[test]
fn the_likelihood_of_a_gaussian_is_that_of_the_sum() {
    let (w, sigma) = measured(500, 8);
    let table = table(vec![Column::real("x", w.clone()), Column::real("x_err", sigma.clone())]);
    let (model, rows) = fitted(&table, &Overrides::default(), &roles(&[("x", "x_err")]), &Gaussian, &short(0), Precision::F64);
    let samples = model.sample(100_000, &[], 1).unwrap().x;
    let (mean, s) = (samples.iter().sum::<f64>() / 100_000.0, deviation(&samples));
    let found = model.log_prob(&rows, Scoring::default()).unwrap();
    for ((found, w), sigma) in found.iter().zip(&w).zip(&sigma) {
        let variance = s * s + sigma * sigma;
        let expected = -0.5 * (w - mean).powi(2) / variance - 0.5 * (variance * std::f64::consts::TAU).ln();
        // The mean and the deviation of the samples are right to 0.005 each, and 256 draws of one number to about 0.01.
        assert!((found - expected).abs() < 0.06 * (1.0 + (w - mean).powi(2) / variance), "{w} ± {sigma}: {found} and not {expected}");
    }
}

#[test]
fn columns_that_are_no_real_numbers_have_no_errors() {
    let n = 200;
    let real = |seed: u64| {
        let mut rng = rng(seed);
        (0..n).map(|_| normal(&mut rng)).collect::<Vec<_>>()
    };
    let text =
        Column { name: "t".into(), values: (0..n).map(|i| (i % 2) as f64).collect(), form: Form::Text(vec!["a".into(), "b".into()]) };
    let mut sigma: Vec<f64> = real(2).iter().map(|v| v.abs()).collect();
    let columns = |sigma: &[f64]| {
        let whole = Column::whole("k", (0..n).map(|i| (i % 7) as f64).collect());
        table(vec![Column::real("x", real(1)), whole, text.clone(), Column::real("same", vec![2.5; n]), Column::real("e", sigma.to_vec())])
    };
    let infer = |roles: &Roles| Schema::infer(&columns(&sigma), &Overrides::default(), roles, MissingPolicy::Model);
    for (column, expected) in [("k", "whole numbers"), ("t", "categories"), ("same", "one value")] {
        let message = infer(&roles(&[(column, "e")])).unwrap_err().to_string();
        assert!(message.contains(&format!("'{column}'")) && message.contains(expected), "{message}");
    }
    for bad in [("x", "none"), ("none", "e"), ("x", "x")] {
        assert!(infer(&roles(&[bad])).is_err(), "{bad:?}");
    }
    assert!(infer(&Roles { context: vec!["x".into()], ..roles(&[("x", "e")]) }).is_err());
    assert!(infer(&Roles { drop: vec!["e".into()], ..roles(&[("x", "e")]) }).is_err());
    assert!(infer(&roles(&[("x", "e"), ("x", "k")])).is_err());
    let schema = infer(&roles(&[("x", "e")])).unwrap().0;
    assert_eq!(schema.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["x", "k", "t", "same"]);
    sigma[3] = f64::NAN;
    let rows = schema.rows(&columns(&sigma), Need::Fit).unwrap();
    assert_eq!(rows.errors.as_ref().map(|e| (e.len(), e[3])), Some((n, 0.0)));
    for (wrong, row) in [(-1.0, 5), (f64::INFINITY, 9)] {
        let mut sigma = sigma.clone();
        sigma[row] = wrong;
        let message = schema.rows(&columns(&sigma), Need::Score).unwrap_err().to_string();
        assert!(message.contains("'e'") && message.contains(&format!("row {}", row + 1)), "{message}");
    }
    // A table to score may lack them; one to fit to may not.
    let mut without = columns(&sigma);
    without.columns.pop();
    assert_eq!((schema.rows(&without, Need::Score).unwrap().errors, schema.exact(&without)), (None, vec!["x"]));
    assert!(schema.rows(&without, Need::Fit).is_err());
}

#[test]
fn an_objective_of_a_context_reads_it_for_every_draw() {
    let place = Placement::cpu(Precision::F64);
    let flow = Maf::new(1).context(1).layers(1).hidden([8]).build(&place).unwrap();
    let (w, sigma) = measured(50, 9);
    let context: Vec<f64> = (0..50).map(f64::from).collect();
    let errors = Errors::of(&w, &sigma, 1).unwrap();
    let data = Dataset::new(&w, 1, &place).unwrap().with_context(&context, 1).unwrap().with_errors(errors).unwrap();
    let found = evaluate(&flow, &data, 4).unwrap();
    let mut batches = Vec::new();
    data.pass(4, &mut |batch| {
        batches.push(batch);
        Ok(())
    })
    .unwrap();
    let draws = batches[0].draws.clone().unwrap();
    for row in [0, 49] {
        let x = draws.x.clone().narrow(0, row * draws.number, draws.number);
        let own = place.tensor(vec![context[row]; draws.number], [draws.number, 1]);
        let log_prob = values(flow.log_prob(x, &Given::context(Some(&own))).unwrap());
        let expected = (log_prob.iter().map(|l| l.exp()).sum::<f64>() / draws.number as f64).ln();
        assert!((found[row] - expected).abs() < 1e-12, "{} {expected}", found[row]);
    }
}
