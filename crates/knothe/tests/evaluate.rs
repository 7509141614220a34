//! The checks on models that are right and on models that are wrong.

use knothe::evaluate::Verdict;
use knothe::events::Coding;
use knothe::events::table::{Column, MissingPolicy, Need, Overrides, Roles, Schema, Table, TableRows};
use knothe::families::Gaussian;
use knothe::fit::FitConfig;
use knothe::model::{Checks, Fitting, Model, Split, Weighting};
use knothe::{Placement, Precision};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};

/// Rows of x ~ N(3 c, 4), y given x ~ N(x / 2, s²) and c, which is 0 or 1; four normals z beside them.
fn table(rows: usize, scale: f64, seed: u64) -> Table {
    let mut normal = StandardNormal.sample_iter(ChaCha12Rng::seed_from_u64(seed));
    let mut draw = || -> Vec<f64> { normal.by_ref().take(rows).collect() };
    let c: Vec<f64> = (0..rows).map(|i| (i % 2) as f64).collect();
    let x: Vec<f64> = draw().iter().zip(&c).map(|(z, c)| 3.0 * c + 2.0 * z).collect();
    let y: Vec<f64> = draw().iter().zip(&x).map(|(z, x)| x / 2.0 + scale * z).collect();
    let mut columns = vec![("c", c), ("x", x), ("y", y)];
    columns.extend(["z1", "z2", "z3", "z4"].map(|name| (name, draw())));
    let column = |(name, values): (&str, Vec<f64>)| Column::numbers(name, values, name == "c");
    Table { path: "rows".into(), columns: columns.into_iter().map(column).collect(), first_row: 0, notes: Vec::new() }
}

/// The Gaussian given c, which here is the right model.
fn model() -> Model<Schema> {
    let table = table(40_000, 1.0, 1);
    let roles = Roles { context: vec!["c".into()], ..Roles::default() };
    let (mut schema, _) = Schema::infer(&table, &Overrides::default(), &roles, MissingPolicy::Reject).unwrap();
    let split = Split::random(&table.path, &schema.rows(&table, Need::Fit).unwrap(), 0).unwrap();
    schema.fit(&split.train).unwrap();
    let recipes = [Gaussian::new(schema.space()).context(schema.context_dim())];
    let (config, place) = (FitConfig::default(), Placement::cpu(Precision::F64));
    let weighting = Weighting::Uniform;
    let fitting = Fitting { split: &split, coding: &schema, recipes: &recipes, weighting, config: &config, place: &place };
    fitting.run(None, None, &mut ()).unwrap().unwrap()
}

fn checked(model: &Model<Schema>, rows: &TableRows) -> (Checks, [Verdict; 3]) {
    let checks = model.check(rows, 0).unwrap();
    let verdicts = checks.verdicts().map(|(_, verdict)| verdict);
    (checks, verdicts)
}

#[test]
fn the_right_model_passes_and_a_scale_that_is_off_fails() {
    let model = model();
    let rows = |scale: f64| model.coding.rows(&table(20_000, scale, 2), Need::Evaluate).unwrap();
    let (checks, verdicts) = checked(&model, &rows(1.0));
    assert_eq!(verdicts, [Verdict::Pass; 3], "{checks:?}");
    assert_eq!(checks, model.check(&rows(1.0), 0).unwrap(), "the same seed finds the same");
    // y given x is 30 % too wide: its distance is max |Φ(t) − Φ(t/1.3)| = 0.063, its tail holds 1.1 %. The energy distance sees all columns and six of seven are right.
    let (checks, verdicts) = checked(&model, &rows(1.3));
    assert_eq!([verdicts[0], verdicts[2]], [Verdict::Fail; 2], "{checks:?}");
    let worst = (0..6).max_by(|&a, &b| checks.ks.distances[a].total_cmp(&checks.ks.distances[b])).unwrap();
    assert_eq!(checks.columns[worst], "y");
}

#[test]
fn weights_choose_the_rows_that_are_checked() {
    let model = model();
    // Half of the rows are wrong, and weigh nothing.
    let mut rows = model.coding.rows(&table(20_000, 1.0, 3), Need::Evaluate).unwrap();
    rows.x.iter_mut().skip(10_000 * 6).for_each(|x| *x += 5.0);
    assert_eq!(checked(&model, &rows).1, [Verdict::Fail; 3]);
    rows.weights = Some((0..20_000).map(|i| if i < 10_000 { 2.0 } else { 0.0 }).collect());
    let (checks, verdicts) = checked(&model, &rows);
    assert_eq!(checks.rows, 10_000);
    assert!(!verdicts.contains(&Verdict::Fail), "{checks:?}");
}
