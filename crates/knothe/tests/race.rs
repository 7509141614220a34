//! Races of candidates: the better half goes on, the result is a mixture, and a race that was stopped goes on where it was.
#![cfg(feature = "tables")]
#![allow(clippy::unwrap_used)]

use knothe::events::Coding;
use knothe::events::table::{Column, MissingPolicy, Need, Overrides, Roles, Schema, Table, TableRows};
use knothe::families::{Gaussian, GaussianMixture, MadeMog, Maf, Nsf, Recipe};
use knothe::fit::{Checkpoints, FitConfig, Observer, Progress};
use knothe::model::race::{Budget, Candidate, Race, RaceObserver, Raced, Standing, candidates};
use knothe::model::{Resume, Scoring, Split, remove_checkpoints};
use knothe::{Placement, Precision, Result};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};

/// Rows of x ~ N(0, 1), y given x ~ N(x², 1/4), and whole numbers k; or of independent normals.
fn table(bent: bool) -> Table {
    let mut normal = StandardNormal.sample_iter(ChaCha12Rng::seed_from_u64(1));
    let mut draw = || -> Vec<f64> { normal.by_ref().take(600).collect() };
    let x = draw();
    let y: Vec<f64> = draw().iter().zip(&x).map(|(e, x)| if bent { x * x + 0.5 * e } else { *e }).collect();
    let column = |(name, values): (&str, Vec<f64>)| Column::numbers(name, values, false);
    Table { path: "rows".into(), columns: [("x", x), ("y", y)].into_iter().map(column).collect(), first_row: 0, notes: Vec::new() }
}

fn schema_and_split(bent: bool) -> (Schema, Split<TableRows>) {
    let table = table(bent);
    let (mut schema, _) = Schema::infer(&table, &Overrides::default(), &Roles::default(), MissingPolicy::Reject).unwrap();
    let split = Split::random(&table.path, &schema.rows(&table, Need::Fit).unwrap(), 0).unwrap();
    schema.fit(&split.train).unwrap();
    (schema, split)
}

/// Two candidates without steps and four with them.
fn field() -> Vec<Candidate> {
    let space = schema_and_split(true).0.space();
    let small = |recipe: Recipe| recipe.hidden([16]);
    let recipes = [
        Gaussian::new(space.clone()),
        GaussianMixture::new(space.clone()).components(3),
        small(Maf::new(space.clone()).layers(2)),
        small(MadeMog::new(space.clone()).components(3)),
        small(Nsf::new(space.clone()).layers(2)),
        small(Maf::new(space).layers(1)),
    ];
    recipes.into_iter().map(|recipe| Candidate { recipe, config: FitConfig { batch: 64, ..FitConfig::default() } }).collect()
}

fn race(
    budget: Budget,
    candidates: &[Candidate],
    checkpoints: Option<&Checkpoints>,
    resume: Option<Resume>,
    observer: &mut dyn RaceObserver,
) -> Result<Option<Raced<Schema>>> {
    let (coding, split) = schema_and_split(true);
    let place = Placement::cpu(Precision::F64);
    Race { split: &split, coding: &coding, candidates, budget, place: &place }.run(checkpoints, resume, observer)
}

/// Stops after some steps, and notes the runs.
#[derive(Default)]
struct Watch {
    steps: Option<usize>,
    runs: Vec<usize>,
}

impl Observer for Watch {
    fn step(&mut self, _: &Progress) -> bool {
        self.steps = self.steps.map(|steps| steps - 1);
        self.steps != Some(0)
    }
}

impl RaceObserver for Watch {
    fn standings(&mut self, _: &[Standing], next: Option<usize>) {
        self.runs.extend(next);
    }
}

#[test]
fn the_better_half_goes_on_and_the_best_have_the_weight() {
    let mut watch = Watch::default();
    let Raced { model, standings } = race(Budget::Steps(600), &field(), None, None, &mut watch).unwrap().unwrap();
    // Two without steps, four in the first rung, two in the second, and one.
    assert_eq!(watch.runs[..6], [0, 1, 2, 3, 4, 5]);
    assert_eq!(watch.runs.len(), 9);
    assert_eq!(standings.iter().map(|s| s.rungs).collect::<Vec<_>>().iter().sum::<usize>(), 9);
    // Each rung has 200 steps.
    let steps: Vec<u64> = standings.iter().map(|s| s.steps).collect();
    assert!(steps[..2] == [0, 0] && steps.iter().sum::<u64>() == 600, "{steps:?}");
    let weights: Vec<f64> = standings.iter().map(|s| s.weight).collect();
    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9 && weights[0] < 0.02, "{weights:?}");
    assert_eq!(model.members.len(), weights.iter().filter(|w| **w > 0.0).count());
    // No candidate is better on the validation rows than the mixture.
    let (_, split) = schema_and_split(true);
    let scores = model.log_prob(&split.validation, Scoring::default()).unwrap();
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    for standing in &standings {
        let own = standing.validation.unwrap().mean;
        // Four nats on 60 rows for the simplest candidate, the tolerance of the weights, and the candidates of small weight that were left out.
        assert!(mean > own - 4.0 / 60.0 - 1e-3, "{standing:?}: {mean}");
    }
}

#[test]
fn a_race_that_was_stopped_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let checkpoints = Checkpoints { path: path.clone(), every: 1e9, job: serde_json::json!({ "a": "job" }) };
    let whole = race(Budget::Steps(240), &field(), None, None, &mut ()).unwrap().unwrap();
    let (_, split) = schema_and_split(true);
    let scores = |raced: &Raced<Schema>| raced.model.log_prob(&split.validation, Scoring::default()).unwrap();
    // In the first rung, in the second, in the third.
    for steps in [3, 25, 70, 130, 239] {
        let mut stop = Watch { steps: Some(steps), ..Watch::default() };
        assert!(race(Budget::Steps(240), &field(), Some(&checkpoints), None, &mut stop).unwrap().is_none(), "{steps}");
        let left = Resume::read(&path, 20).unwrap();
        assert!(left.jobs().all(|(_, job)| job["a"] == "job"));
        let mut watch = Watch::default();
        let resumed = race(Budget::Steps(240), &field(), Some(&checkpoints), Some(left), &mut watch).unwrap().unwrap();
        assert_eq!(stop.runs.len() + watch.runs.len(), 10, "{steps}: one run is in both");
        assert_eq!((scores(&resumed), &resumed.standings), (scores(&whole), &whole.standings), "{steps}");
        remove_checkpoints(&path, 20);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_shortest_budget_ends_with_a_model() {
    for budget in [Budget::Steps(1), Budget::Seconds(1e-6), Budget::Seconds(0.5)] {
        let Raced { model, standings } = race(budget, &field(), None, None, &mut ()).unwrap().unwrap();
        assert!(!model.members.is_empty() && standings[0].validation.is_some(), "{budget:?}");
    }
    for budget in [Budget::Steps(0), Budget::Seconds(0.0), Budget::Seconds(f64::NAN)] {
        assert!(race(budget, &field(), None, None, &mut ()).unwrap_err().to_string().starts_with("budget: expected"));
    }
    assert!(race(Budget::Steps(9), &[], None, None, &mut ()).is_err());
}

#[test]
fn a_candidate_that_fails_leaves_the_race() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let checkpoints = Checkpoints { path: path.clone(), every: 1e9, job: serde_json::json!({ "a": "job" }) };
    let mut all = field();
    // One bin is no marginal.
    all[2].recipe = all[2].recipe.clone().marginals(1);
    let Raced { standings, model } = race(Budget::Steps(240), &all, None, None, &mut ()).unwrap().unwrap();
    assert!(standings[2].validation.is_none() && standings[2].weight == 0.0 && standings[2].rungs == 1, "{standings:?}");
    assert!((standings.iter().map(|s| s.weight).sum::<f64>() - 1.0).abs() < 1e-9);
    let mut stop = Watch { steps: Some(130), ..Watch::default() };
    assert!(race(Budget::Steps(240), &all, Some(&checkpoints), None, &mut stop).unwrap().is_none());
    let left = Resume::read(&path, 20).unwrap();
    let resumed = race(Budget::Steps(240), &all, Some(&checkpoints), Some(left), &mut ()).unwrap().unwrap();
    let (_, split) = schema_and_split(true);
    let scores = |model: &knothe::Model<Schema>| model.log_prob(&split.validation, Scoring::default()).unwrap();
    assert_eq!(scores(&resumed.model), scores(&model));
    // A race of nothing else says why.
    let error = race(Budget::Steps(240), &all[2..3], None, None, &mut ()).unwrap_err();
    assert!(error.to_string().contains("bins"), "{error}");
}

#[test]
fn independent_normals_are_left_to_the_gaussian() {
    let (coding, split) = schema_and_split(false);
    let place = Placement::cpu(Precision::F32);
    let all = candidates(&coding.space(), 0, split.train.n, true, 0);
    let race = Race { split: &split, coding: &coding, candidates: &all, budget: Budget::Steps(400), place: &place };
    let Raced { model, .. } = race.run(None, None, &mut ()).unwrap().unwrap();
    let gaussian = model.record.gaussian.unwrap();
    // 60 held-out rows: what the weights of the mixture cost.
    assert!(model.record.held_out.mean > gaussian.mean - 0.05, "{:?} {gaussian:?}", model.record.held_out);
}
