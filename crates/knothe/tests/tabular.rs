//! Densities of tables: files, context, masses, on the project's own data.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use knothe::{
    Exactness, Placement, Precision,
    events::table::{Column, MissingPolicy, Need, Overrides, Roles, Rows, Schema, Table},
    families::{Architecture, Model},
    fit::FitConfig,
    tabular::{FitTable, LogLikelihood, Scoring, Split, TableModel, Weighting, fit_table},
};

fn magic() -> Table {
    Table::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/magic.parquet"))).unwrap()
}

fn fitted(table: &Table, roles: Roles, model: Model, precision: Precision, epochs: u64) -> (TableModel, Rows) {
    let (mut schema, _) = Schema::infer(table, &Overrides::default(), &roles, MissingPolicy::Reject).unwrap();
    if model == Model::MadeBinary {
        schema.make_binary().unwrap();
    }
    let split = Split::random(&table.path, &schema.rows(table, Need::Fit).unwrap(), &schema, 0).unwrap();
    schema.fit(&split.train).unwrap();
    let architecture =
        Architecture { hidden: vec![32, 32], components: 3, ..Architecture::new(model, schema.dim(), schema.context_dim(), 0) };
    let config = FitConfig { epochs, learning_rate: 3e-3, ..FitConfig::default() };
    let place = Placement::cpu(precision);
    let job = FitTable {
        table: "test",
        split: &split,
        schema: &schema,
        architectures: &[architecture],
        weighting: Weighting::Uniform,
        config: &config,
        place: &place,
    };
    let model = fit_table(&job, None, None, &mut ()).unwrap().unwrap();
    (model, split.judge().clone())
}

#[test]
fn the_class_of_an_event_tells_something_of_its_image() {
    let table = magic();
    let context = Roles { context: vec!["class".into()], ..Roles::default() };
    let without = Roles { drop: vec!["class".into()], ..Roles::default() };
    let (conditional, _) = fitted(&table, context, Model::Maf, Precision::F32, 25);
    let (unconditional, _) = fitted(&table, without, Model::Maf, Precision::F32, 25);
    assert!(conditional.record.held_out.mean > unconditional.record.held_out.mean);
    let gaussian = conditional.record.gaussian.unwrap();
    assert!(conditional.record.held_out.mean > gaussian.mean + 1.0, "{:?}", conditional.record);
}

#[test]
fn a_file_gives_back_the_same_numbers_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let table = magic();
    for (model, precision) in [(Model::MafMog, Precision::F32), (Model::RealNvp, Precision::F64), (Model::Gaussian, Precision::F64)] {
        let (before, rows) = fitted(&table, Roles { context: vec!["class".into()], ..Roles::default() }, model, precision, 1);
        let path = folder.path().join("model.safetensors");
        before.save(&path).unwrap();
        let after = TableModel::load(&path, "cpu").unwrap();
        assert_eq!(before.log_prob(&rows, Scoring::default()).unwrap(), after.log_prob(&rows, Scoring::default()).unwrap());
        let context = vec![1.0; 7];
        assert_eq!(before.sample(7, &context, 5).unwrap(), after.sample(7, &context, 5).unwrap());
        assert_eq!((&before.schema, &before.members[0].architecture), (&after.schema, &after.members[0].architecture));
    }
}

#[test]
fn masses_of_zeros_and_ones_are_exact() {
    // y is x most of the time, z is the other bit: a model of three independent bits misses log 2 and more.
    let bit = |i: u64| f64::from((i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 2 == 1);
    let column = |name: &str, value: &dyn Fn(u64) -> f64| Column {
        name: name.into(),
        values: (0..2_000).map(value).collect(),
        integral_dtype: true,
    };
    let columns = vec![column("x", &bit), column("y", &|i| if i % 8 == 0 { 1.0 - bit(i) } else { bit(i) }), column("z", &|i| 1.0 - bit(i))];
    let table = Table { path: "bits.csv".into(), columns, first_row: 0 };
    let (model, _) = fitted(&table, Roles::default(), Model::MadeBinary, Precision::F64, 100);
    assert_eq!(model.exactness(), Exactness::Exact);
    let all = Rows { n: 8, x: (0..24).map(|k| f64::from((k / 3) >> (k % 3) & 1)).collect(), index: (0..8).collect(), ..Rows::default() };
    let masses: f64 = model.log_prob(&all, Scoring::default()).unwrap().iter().map(|l| l.exp()).sum();
    // Eight products of three sigmoids in 64 bits.
    assert!((masses - 1.0).abs() < 1e-12, "{masses}");
    // The entropy of (x, y, z) is that of x and of a bit that is 1 in 8.
    let entropy = 2f64.ln() - 0.125 * 0.125f64.ln() - 0.875 * 0.875f64.ln();
    assert!((model.record.held_out.mean + entropy).abs() < 0.1, "{:?} {entropy}", model.record.held_out);
    let samples = model.sample(100, &[], 3).unwrap();
    assert!(samples.iter().all(|c| c.integral_dtype && c.values.iter().all(|v| *v == 0.0 || *v == 1.0)));
}

#[test]
fn rows_of_weight_zero_have_no_say() {
    let of = LogLikelihood::of(&[1.0, f64::NEG_INFINITY, 3.0], Some(&[1.0, 0.0, 3.0]));
    assert_eq!((of.mean, of.rows), (2.5, 3));
    assert!(LogLikelihood::of(&[1.0], None).two_se.is_nan());
    let json = serde_json::to_string(&LogLikelihood::of(&[f64::NEG_INFINITY, 1.0], None)).unwrap();
    let back: LogLikelihood = serde_json::from_str(&json).unwrap();
    assert_eq!(back.mean, f64::NEG_INFINITY);
}
