//! Ensembles of tables: what their mixture is, and what an interrupted fit leaves.

use std::path::Path;

use knothe::events::Coding;
use knothe::events::table::{Column, MissingPolicy, Need, Overrides, Roles, Schema, Table, TableRows};
use knothe::families::{Family, MadeMog, Maf, Nsf, RealNvp, Recipe};
use knothe::fit::{Checkpoints, FitConfig, Observer, Progress};
use knothe::model::{Fitting, Model, Resume, Scoring, Split, Weighting, remove_checkpoints};
use knothe::{Given, Placement, Precision, Result, conditioner::Order, conformance};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};

const EPOCHS: u64 = 3;

/// Rows of x ~ N(0, 1), y given x ~ N(x², 1/4), z given y ~ N(y, 1), and whole numbers k; row weights 1 and 3 in turn.
fn table() -> Table {
    let mut normal = StandardNormal.sample_iter(ChaCha12Rng::seed_from_u64(1));
    let mut draw = || -> Vec<f64> { normal.by_ref().take(600).collect() };
    let x = draw();
    let y: Vec<f64> = draw().iter().zip(&x).map(|(e, x)| x * x + 0.5 * e).collect();
    let z = draw().iter().zip(&y).map(|(e, y)| y + e).collect();
    let k = draw().iter().map(|e| (2.0 * e).round()).collect();
    let w = (0..600).map(|i| if i % 2 == 0 { 1.0 } else { 3.0 }).collect();
    let column = |(name, values): (&str, Vec<f64>)| Column::numbers(name, values, name == "k");
    let columns = [("x", x), ("y", y), ("z", z), ("k", k), ("w", w)].into_iter().map(column).collect();
    Table { path: "rows".into(), columns, first_row: 0, notes: Vec::new() }
}

fn schema_and_split() -> (Schema, Split<TableRows>) {
    let table = table();
    let roles = Roles { weights: Some("w".into()), ..Roles::default() };
    let (mut schema, _) = Schema::infer(&table, &Overrides::default(), &roles, MissingPolicy::Reject).unwrap();
    let split = Split::random(&table.path, &schema.rows(&table, Need::Fit).unwrap(), 0).unwrap();
    schema.fit(&split.train).unwrap();
    (schema, split)
}

fn members() -> Vec<Recipe> {
    let member = |(seed, family): (u64, &'static dyn Family)| {
        let recipe = Recipe::new(family, schema_and_split().0.space()).seed(seed).hidden([16]).components(4).random_order(seed > 7);
        if family.option("layers").is_some() { recipe.layers(2) } else { recipe }
    };
    [(7, &MadeMog as &dyn Family), (8, &RealNvp), (9, &Nsf)].map(member).to_vec()
}

fn fit(
    recipes: &[Recipe],
    (weighting, seed): (Weighting, u64),
    checkpoints: Option<&Checkpoints>,
    resume: Option<Resume>,
    observer: &mut impl Observer,
) -> Result<Option<Model<Schema>>> {
    let (schema, split) = schema_and_split();
    let config = FitConfig { epochs: EPOCHS, batch: 64, seed, ..FitConfig::default() };
    let place = Placement::cpu(Precision::F64);
    let fitting = Fitting { split: &split, coding: &schema, recipes, weighting, config: &config, place: &place };
    fitting.run(checkpoints, resume, observer)
}

fn log_prob(model: &Model<Schema>) -> Vec<f64> {
    model.log_prob(&schema_and_split().1.validation, Scoring::default()).unwrap()
}

#[test]
fn an_ensemble_is_the_mean_of_the_densities_of_members_fitted_alone() {
    let uniform = (Weighting::Uniform, 7);
    let ensemble = fit(&members(), uniform, None, None, &mut ()).unwrap().unwrap();
    let alone = |(k, a): (u64, &Recipe)| fit(std::slice::from_ref(a), (Weighting::Uniform, 7 + k), None, None, &mut ());
    let alone: Vec<Model<Schema>> = (0..).zip(&members()).map(|m| alone(m).unwrap().unwrap()).collect();
    let each: Vec<Vec<f64>> = alone.iter().map(log_prob).collect();
    for (row, found) in log_prob(&ensemble).into_iter().enumerate() {
        let expected = (each.iter().map(|l| l[row].exp()).sum::<f64>() / 3.0).ln();
        // A few exponentials and logarithms in 64 bits, of numbers of the order of 10.
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
    for (member, alone) in ensemble.members.iter().zip(&alone) {
        assert_eq!(member.held_out, alone.record.held_out);
    }
    let mean = alone.iter().map(|m| m.record.held_out.mean).sum::<f64>() / 3.0;
    assert!(ensemble.record.held_out.mean > mean, "Jensen: {mean} {:?}", ensemble.record.held_out);
}

#[test]
fn validation_chooses_weights_that_no_others_beat_there() {
    let [uniform, chosen] =
        [Weighting::Uniform, Weighting::Validation].map(|w| fit(&members(), (w, 7), None, None, &mut ()).unwrap().unwrap());
    let rows = schema_and_split().1.validation;
    let likelihood = |log_prob: &[f64]| {
        let w = rows.weights.as_ref().unwrap();
        log_prob.iter().zip(w).map(|(l, w)| l * w).sum::<f64>() / w.iter().sum::<f64>()
    };
    let best = likelihood(&log_prob(&chosen));
    assert!(best > likelihood(&log_prob(&uniform)), "{:?}", chosen.mixture().weights());
    // Any step towards one member alone, by concavity, gains no more than the tolerance of the weights.
    let joint = log_prob(&chosen);
    for a in members().iter().enumerate() {
        let alone = fit(std::slice::from_ref(a.1), (Weighting::Uniform, 7 + a.0 as u64), None, None, &mut ()).unwrap().unwrap();
        let moved: Vec<f64> = joint.iter().zip(log_prob(&alone)).map(|(q, l)| (0.99 * q.exp() + 0.01 * l.exp()).ln()).collect();
        assert!(likelihood(&moved) < best + 1e-6);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    chosen.save(&path).unwrap();
    let back = Model::<Schema>::load(&path, "cpu").unwrap();
    assert_eq!(back.mixture().weights(), chosen.mixture().weights());
    assert_eq!((log_prob(&back), back.sample(9, &[], 1).unwrap()), (joint, chosen.sample(9, &[], 1).unwrap()));
}

#[test]
fn a_random_order_is_another_order_of_the_same_flow() {
    let place = Placement::cpu(Precision::F64);
    let z = place.tensor(vec![0.3, -0.7, 1.1, 0.2, 0.5], [1, 5]);
    let mut orders = Vec::new();
    for seed in 0..3 {
        let map = Maf::new(5).seed(seed).layers(1).random_order(true).flow(&place).unwrap();
        let jacobian = conformance::jacobian(map.bijection(), &z, &Given::default()).unwrap();
        // The k-th column of the order reads the k before it and itself.
        let ranks = jacobian[0].row_iter().map(|row| row.iter().filter(|d| **d != 0.0).count() - 1).collect();
        orders.push(Order::new(ranks).unwrap());
    }
    assert!(orders[0] != orders[1] && orders[1] != orders[2] && orders[0] != Order::natural(5), "{orders:?}");
}

/// Notes the members that are fitted, and stops after some steps.
struct Stop {
    steps: usize,
    fitted: Vec<usize>,
}

impl Observer for Stop {
    fn step(&mut self, _: &Progress) -> bool {
        self.steps -= 1;
        self.steps > 0
    }

    fn member(&mut self, index: usize, _: usize) {
        self.fitted.push(index);
    }
}

#[test]
fn an_interrupted_ensemble_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let uniform = (Weighting::Uniform, 7);
    let checkpoints = Checkpoints { path: path.clone(), every: 1e9, job: "a job".into() };
    // 480 rows in batches of 64 are 8 steps an epoch, so this is in the middle of the second member.
    let mut stop = Stop { steps: 8 * EPOCHS as usize + 11, fitted: vec![] };
    assert!(fit(&members(), uniform, Some(&checkpoints), None, &mut stop).unwrap().is_none());
    assert_eq!(stop.fitted, [0, 1]);
    let resume = Resume::read(&path, 3).unwrap();
    assert_eq!((resume.finished(), resume.steps()), (1, 11));
    assert!(resume.jobs().count() == 2 && resume.jobs().all(|(_, job)| job == "a job"));
    let mut watch = Stop { steps: 1_000, fitted: vec![] };
    let resumed = fit(&members(), uniform, Some(&checkpoints), Some(resume), &mut watch).unwrap().unwrap();
    assert_eq!(watch.fitted, [1, 2]);
    let whole = fit(&members(), uniform, None, None, &mut ()).unwrap().unwrap();
    assert_eq!(log_prob(&resumed), log_prob(&whole));

    // All are fitted and nothing is saved yet: no member is fitted again.
    let all = Resume::read(&path, 3).unwrap();
    assert_eq!(all.finished(), 3);
    let mut watch = Stop { steps: 1_000, fitted: vec![] };
    let again = fit(&members(), uniform, Some(&checkpoints), Some(all), &mut watch).unwrap().unwrap();
    assert_eq!((watch.fitted.len(), log_prob(&again)), (0, log_prob(&whole)));

    // A new fit leaves nothing of the old one's later members to be taken for its own.
    let mut stop = Stop { steps: 8 * EPOCHS as usize + 1, fitted: vec![] };
    let other = Checkpoints { job: "another job".into(), ..checkpoints };
    assert!(fit(&members(), uniform, Some(&other), None, &mut stop).unwrap().is_none());
    assert!(Resume::read(&path, 3).unwrap().jobs().all(|(_, job)| job == "another job"));
    remove_checkpoints(&path, 3);
    assert_eq!(left(folder.path()), 0);
    assert!(Resume::read(&path, 3).is_err());
}

fn left(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}
