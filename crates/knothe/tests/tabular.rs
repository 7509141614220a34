//! Densities of tables: files, context, masses, on the project's own data.

use std::path::Path;

use knothe::{
    Error, Exactness, Placement, Precision,
    events::{
        Coding, Events,
        table::{Column, MissingPolicy, Need, Overrides, Roles, Schema, Table, TableRows},
    },
    families::{Family, Gaussian, MadeBinary, Maf, MafMog, RealNvp, Recipe},
    fit::FitConfig,
    model::{Fitting, Kept, LogLikelihood, Model, Scoring, Split, Weighting},
};

fn magic() -> Table {
    Table::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/magic.parquet"))).unwrap()
}

fn fitted(table: &Table, roles: Roles, family: &'static dyn Family, precision: Precision, epochs: u64) -> (Model<Schema>, TableRows) {
    let (mut schema, _) = Schema::infer(table, &Overrides::default(), &roles, MissingPolicy::Reject).unwrap();
    schema.declare(family.law()).unwrap();
    let split = Split::random(&table.path, &schema.rows(table, Need::Fit).unwrap(), 0).unwrap();
    schema.fit(&split.train).unwrap();
    let recipe = Recipe::new(family, schema.space()).context(schema.context_dim());
    let hidden = if family.option("hidden").is_some() { recipe.hidden([32, 32]) } else { recipe };
    let recipes = [if family.option("components").is_some() { hidden.components(3) } else { hidden }];
    let config = FitConfig { epochs, learning_rate: 3e-3, ..FitConfig::default() };
    let place = Placement::cpu(precision);
    let weighting = Weighting::Uniform;
    let fitting = Fitting { split: &split, coding: &schema, recipes: &recipes, weighting, config: &config, place: &place };
    let model = fitting.run(None, None, &mut ()).unwrap().unwrap();
    (model, split.judge().clone())
}

#[test]
fn the_class_of_an_event_tells_something_of_its_image() {
    let table = magic();
    let context = Roles { context: vec!["class".into()], ..Roles::default() };
    let without = Roles { drop: vec!["class".into()], ..Roles::default() };
    let (conditional, _) = fitted(&table, context, &Maf, Precision::F32, 25);
    let (unconditional, _) = fitted(&table, without, &Maf, Precision::F32, 25);
    assert!(conditional.record.held_out.mean > unconditional.record.held_out.mean);
    let gaussian = conditional.record.gaussian.unwrap();
    assert!(conditional.record.held_out.mean > gaussian.mean + 1.0, "{:?}", conditional.record);
}

#[test]
fn a_file_gives_back_the_same_numbers_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let table = magic();
    for (family, precision) in [(&MafMog as &dyn Family, Precision::F32), (&RealNvp, Precision::F64), (&Gaussian, Precision::F64)] {
        let (before, rows) = fitted(&table, Roles { context: vec!["class".into()], ..Roles::default() }, family, precision, 1);
        let path = folder.path().join("model.safetensors");
        before.save(&path).unwrap();
        let after = Model::<Schema>::load(&path, "cpu").unwrap();
        assert_eq!(before.log_prob(&rows, Scoring::default()).unwrap(), after.log_prob(&rows, Scoring::default()).unwrap());
        let context = vec![1.0; 7];
        assert_eq!(before.sample(7, &context, 5).unwrap(), after.sample(7, &context, 5).unwrap());
        assert_eq!((&before.coding, &before.members[0].recipe), (&after.coding, &after.members[0].recipe));
    }
}

#[test]
fn masses_of_zeros_and_ones_are_exact() {
    // y is x most of the time, z is the other bit: a model of three independent bits misses log 2 and more.
    let bit = |i: u64| f64::from((i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 2 == 1);
    let column = |name: &str, value: &dyn Fn(u64) -> f64| Column::whole(name, (0..2_000).map(value).collect());
    let columns = vec![column("x", &bit), column("y", &|i| if i % 8 == 0 { 1.0 - bit(i) } else { bit(i) }), column("z", &|i| 1.0 - bit(i))];
    let table = Table { path: "bits.csv".into(), columns, first_row: 0, notes: Vec::new() };
    let (model, _) = fitted(&table, Roles::default(), &MadeBinary, Precision::F64, 100);
    assert_eq!(model.exactness(), Exactness::Exact);
    let all = TableRows {
        n: 8,
        x: (0..24).map(|k| f64::from((k / 3) >> (k % 3) & 1)).collect(),
        index: (0..8).collect(),
        ..TableRows::default()
    };
    let masses: f64 = model.log_prob(&all, Scoring::default()).unwrap().iter().map(|l| l.exp()).sum();
    // Eight products of three sigmoids in 64 bits.
    assert!((masses - 1.0).abs() < 1e-12, "{masses}");
    // The entropy of (x, y, z) is that of x and of a bit that is 1 in 8.
    let entropy = 2f64.ln() - 0.125 * 0.125f64.ln() - 0.875 * 0.875f64.ln();
    assert!((model.record.held_out.mean + entropy).abs() < 0.1, "{:?} {entropy}", model.record.held_out);
    let samples = model.coding.columns_of(&model.sample(100, &[], 3).unwrap());
    assert!(samples.iter().all(|c| c.form.is_whole() && c.values.iter().all(|v| *v == 0.0 || *v == 1.0)));
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

/// x = T(T⁻¹(x)) in the units of the file.
#[test]
fn rows_come_back_from_their_coordinates() {
    let without = Roles { drop: vec!["class".into()], ..Roles::default() };
    let (model, rows) = fitted(&magic(), without, &Maf, Precision::F64, 1);
    let kept = Kept { parts: 1, temperature: 1.0 };
    let back = model.reconstruct(&rows, kept, 4).unwrap();
    assert_eq!(back.n, rows.n);
    let columns = model.coding.columns_of(&back).into_iter().zip(model.coding.columns_of(&rows));
    for (found, expected) in columns {
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
        assert!(found.values.iter().zip(&expected.values).all(close), "{}", found.name);
    }
    assert!(model.reconstruct(&rows, Kept { parts: 2, ..kept }, 4).is_err());
}

#[test]
fn a_log_prob_that_is_no_number_is_an_error_that_names_the_row() {
    let table = magic();
    let (mut model, rows) = fitted(&table, Roles { drop: vec!["class".into()], ..Roles::default() }, &Gaussian, Precision::F64, 0);
    assert!(model.log_prob(&rows, Scoring::default()).unwrap().iter().all(|l| l.is_finite()));
    model.coding.columns[0].shift = f64::NAN;
    let error = model.log_prob(&rows.pick(&[3, 5]), Scoring::default()).unwrap_err();
    assert!(
        matches!(&error, Error::NotFinite { rows: found, .. } if *found == [rows.index[3] as usize, rows.index[5] as usize]),
        "{error:?}"
    );
}
