//! What is inferred of a table, what is refused, and how rows are matched to it.
#![cfg(feature = "tables")]
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};

use knothe::Hint;
use knothe::events::Coding;
use knothe::events::table::{Bounds, Column, Kind, Label, MissingPolicy, Need, Notice, Overrides, Roles, Schema, Table, diagnose};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

const NAN: f64 = f64::NAN;

fn table(columns: &[(&str, &[f64], bool)]) -> Table {
    let column = |(name, values, whole): &(&str, &[f64], bool)| Column::numbers(*name, values.to_vec(), *whole);
    Table { path: PathBuf::from("t.csv"), columns: columns.iter().map(column).collect(), first_row: 0, notes: Vec::new() }
}

fn roles(context: &[&str], weights: Option<&str>, drop: &[&str]) -> Roles {
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    Roles { context: owned(context), weights: weights.map(Into::into), drop: owned(drop) }
}

fn infer(table: &Table, overrides: &str, roles: &Roles) -> knothe::Result<(Schema, Vec<Notice>)> {
    Schema::infer(table, &Overrides::parse(overrides)?, roles, MissingPolicy::Reject)
}

fn kinds(schema: &Schema) -> Vec<Kind> {
    schema.columns.iter().map(|c| c.kind.clone()).collect()
}

fn uniform(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random()).collect()
}

/// The hint that declares one column.
fn declare(column: &str, kind: &str, only_seen: bool) -> Option<Hint> {
    Some(Hint::DeclareKind { columns: vec![column.into()], kind: kind.into(), only_seen })
}

/// The schema fitted and the table's rows, diagnosed.
fn diagnosed(table: &Table, overrides: &str, roles: &Roles) -> knothe::Result<(Schema, Vec<Notice>)> {
    let (mut schema, _) = infer(table, overrides, roles)?;
    let rows = schema.rows(table, Need::Fit)?;
    let notices = diagnose(&table.path, &schema, &rows)?;
    schema.fit(&rows)?;
    Ok((schema, notices))
}

#[test]
fn only_type_integrality_and_constancy_are_inferred() {
    let t = table(&[
        ("price", &[1.5, 2.5, 9.0], false),
        ("share", &[0.1, 0.5, 0.9], false),
        ("count", &[0.0, 3.0, 1.0], true),
        ("whole", &[0.0, 3.0, 1.0], false),
        ("same", &[4.0, 4.0, 4.0], true),
    ]);
    let (schema, notices) = infer(&t, "{}", &Roles::default()).unwrap();
    let (c, i) = (Kind::Continuous, Kind::Integer(Bounds::default()));
    let counts = Kind::Integer(Bounds { low: Some(0.0), high: None });
    assert_eq!(kinds(&schema), [c.clone(), c.clone(), counts, c.clone(), Kind::Constant(Label::Number(4.0))]);
    assert_eq!(schema.width(), 4);
    assert!(notices[0].message.starts_with("'same' is 4 in every row"));
    assert_eq!(notices[1].hint, declare("price", r#""positive""#, true));
    assert_eq!(notices[2].hint, declare("share", r#"{"bounded": [0, 1]}"#, true));
    let said = r#"{"price": "positive", "share": {"bounded": [0, 1]}, "count": "continuous", "whole": "integer"}"#;
    let (schema, notices) = infer(&t, said, &Roles::default()).unwrap();
    assert_eq!(kinds(&schema), [Kind::Positive, Kind::Bounded([0.0, 1.0]), c, i, Kind::Constant(Label::Number(4.0))]);
    assert_eq!(notices.len(), 1);
}

#[test]
fn the_schema_file_is_checked() {
    let t = table(&[("price", &[1.0, 2.5], false), ("b", &[1.0, 3.0], false)]);
    let error = infer(&t, r#"{"prise": "positive"}"#, &Roles::default()).unwrap_err();
    assert_eq!(error.to_string(), "t.csv: the schema names a column 'prise', but the table has 'price' and 'b'");
    assert_eq!(error.hint(), Some(&Hint::DidYouMean(vec!["price".into()])));
    for bad in [
        r#""log""#,
        "3",
        r#"{"bounded": [1, 0]}"#,
        r#"{"bounded": [1]}"#,
        r#"{"lattice": {"step": 0}}"#,
        r#"{"lattice": {"stop": 1}}"#,
        r#"{"constant": 3}"#,
    ] {
        let message = Overrides::parse(&format!(r#"{{"price": {bad}}}"#)).unwrap_err().to_string();
        assert!(message.starts_with("schema, column 'price': expected \"continuous\", \"positive\""), "{message}");
    }
    for bad in ["", "[]", "{", "3"] {
        assert!(Overrides::parse(bad).unwrap_err().to_string().starts_with("schema: expected a JSON object"));
    }
}

#[test]
fn values_that_contradict_the_schema_are_named_by_row() {
    let t = table(&[("x", &[0.5, 0.36, -0.2], false), ("y", &[1.0, 2.0, 4.0], false)]);
    for (kind, row, expected) in [
        (r#""positive""#, 3, "a number above 0, found -0.2"),
        (r#"{"bounded": [0, 0.5]}"#, 1, "a number strictly between 0 and 0.5, found 0.5"),
        (r#""integer""#, 1, "a whole number below 2^52 in magnitude, found 0.5"),
        (r#"{"lattice": {"step": 0.18}}"#, 1, "0 + a multiple of 0.18, found 0.5"),
    ] {
        let (schema, _) = infer(&t, &format!(r#"{{"x": {kind}}}"#), &Roles::default()).unwrap();
        let message = schema.rows(&t, Need::Fit).unwrap_err().to_string();
        assert_eq!(message, format!("t.csv, column 'x', row {row}: expected {expected}"));
    }
}

#[test]
fn missing_values_are_counted_or_left_out() {
    let t = table(&[("x", &[0.5, NAN, 1.0, 2.0], false), ("y", &[NAN, NAN, 4.0, 3.0], false), ("c", &[1.0, 2.0, 3.0, 4.0], false)]);
    let with_context = roles(&["c"], None, &[]);
    let error = infer(&t, "{}", &with_context).unwrap_err();
    assert_eq!(error.to_string(), "t.csv: expected complete rows, found missing values: 'x' 1, 'y' 2 (of 4 rows)");
    assert_eq!(error.hint(), Some(&Hint::AllowMissing));
    let (schema, _) = Schema::infer(&t, &Overrides::default(), &with_context, MissingPolicy::Drop).unwrap();
    let rows = schema.rows(&t, Need::Fit).unwrap();
    assert_eq!((rows.n, rows.dropped, rows.index.as_slice()), (2, 2, [2, 3].as_slice()));
    assert_eq!((rows.x, rows.context), (vec![1.0, 4.0, 2.0, 3.0], vec![3.0, 4.0]));
    // A column that is not used may lack anything.
    assert!(infer(&t, "{}", &roles(&[], None, &["x", "y"])).is_ok());
    let empty = table(&[("x", &[0.5, 1.0], false), ("y", &[NAN, NAN], false)]);
    assert!(infer(&empty, "{}", &Roles::default()).unwrap_err().to_string().contains("found only missing ones"));
}

#[test]
fn columns_are_matched_by_name() {
    let t = table(&[
        ("x", &[0.5, 1.0], false),
        ("k", &[7.0, 7.0], false),
        ("w", &[1.0, 2.0], false),
        ("y", &[3.0, 5.0], false),
        ("id", &[1.0, 2.0], true),
    ]);
    let (schema, _) = infer(&t, "{}", &roles(&["y"], Some("w"), &["id"])).unwrap();
    let other = table(&[("y", &[9.0], false), ("x", &[4.0], false)]);
    let rows = schema.rows(&other, Need::Score).unwrap();
    assert_eq!((rows.x, rows.context, rows.weights), (vec![4.0], vec![9.0], None));
    assert_eq!(schema.rows(&t, Need::Fit).unwrap().weights, Some(vec![1.0, 2.0]));
    assert_eq!(schema.rows(&t, Need::Evaluate).unwrap().weights, Some(vec![1.0, 2.0]));
    assert_eq!(schema.rows(&other, Need::Evaluate).unwrap().weights, None);
    assert!(schema.rows(&other, Need::Fit).unwrap_err().to_string().contains("expected a column 'w'"));
    let missing = table(&[("X", &[9.0], false), ("y", &[9.0], false)]);
    let error = schema.rows(&missing, Need::Score).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.hint()),
        ("t.csv: expected a column 'x', found 'X' and 'y'", Some(&Hint::DidYouMean(vec!["X".into()])))
    );
    assert_eq!(schema.rows(&missing, Need::Context).unwrap().context, [9.0]);
    let extra = table(&[("x", &[9.0], false), ("y", &[9.0], false), ("z", &[1.0], false)]);
    assert!(schema.rows(&extra, Need::Score).unwrap_err().to_string().ends_with("found also 'z'"));
}

#[test]
fn weights_are_checked() {
    for (weights, expected) in [
        ([1.0, -1.0], ", row 2: expected weights of at least 0 that are not all 0, found -1"),
        ([NAN, 1.0], ", row 1: expected weights of at least 0 that are not all 0, found none"),
        ([0.0, 0.0], ": expected weights of at least 0 that are not all 0, found only 0"),
    ] {
        let t = table(&[("x", &[0.5, 1.0], false), ("w", &weights, false)]);
        let (schema, _) = infer(&t, "{}", &roles(&[], Some("w"), &[])).unwrap();
        for need in [Need::Fit, Need::Evaluate] {
            assert_eq!(schema.rows(&t, need).unwrap_err().to_string(), format!("t.csv, column 'w'{expected}"));
        }
        // A part of a table may well have weights that are all 0, and a score does not depend on them.
        assert_eq!(schema.rows(&t, Need::Score).unwrap().weights, None);
    }
    let t = table(&[("x", &[0.5, 1.0, 4.0], false), ("w", &[1.0, 1.0, 0.0], false)]);
    let (schema, _) = diagnosed(&t, "{}", &roles(&[], Some("w"), &[])).unwrap();
    assert_eq!((schema.columns[0].shift, schema.columns[0].scale), (0.75, 0.25));
}

#[test]
fn roles_and_empty_tables_are_refused() {
    let t = table(&[("x", &[0.5, 1.0], false), ("y", &[3.0, 5.0], false)]);
    assert!(infer(&t, "{}", &roles(&["z"], None, &[])).unwrap_err().to_string().contains("names a column 'z'"));
    assert!(infer(&t, "{}", &roles(&["x"], Some("x"), &[])).unwrap_err().to_string().contains("found 'x' twice"));
    assert!(infer(&t, "{}", &roles(&["x"], None, &["y"])).unwrap_err().to_string().contains("at least one column"));
    let one = table(&[("x", &[0.5], false)]);
    assert!(infer(&one, "{}", &Roles::default()).unwrap_err().to_string().contains("at least 2 rows"));
    let constant = table(&[("x", &[0.5, 0.5], false)]);
    assert!(infer(&constant, "{}", &Roles::default()).unwrap_err().to_string().contains("only constant ones: 'x'"));
}

#[test]
fn samples_come_back_in_the_files_order() {
    let n = 4000;
    let u = uniform(n, 1);
    let positive: Vec<f64> = uniform(n, 2).iter().map(|u| (3.0 * u).exp()).collect();
    let count: Vec<f64> = uniform(n, 3).iter().map(|u| (u * 30.0).floor()).collect();
    let grid: Vec<f64> = uniform(n, 4).iter().map(|u| 0.5 + 0.18 * (u * 90.0).floor()).collect();
    let t = table(&[
        ("k", &vec![7.0; n], true),
        ("p", &positive, false),
        ("n", &count, true),
        ("g", &grid, false),
        ("c", &u, false),
        ("s", &u, false),
    ]);
    let said = r#"{"p": "positive", "g": {"lattice": {"step": 0.18, "offset": 0.5}}, "s": {"bounded": [0, 1]}}"#;
    let (schema, notices) = diagnosed(&t, said, &roles(&[], None, &["c"])).unwrap();
    assert_eq!(notices, []);
    let schema: Schema = serde_json::from_str(&serde_json::to_string(&schema).unwrap()).unwrap();
    let rows = schema.rows(&t, Need::Fit).unwrap();
    let (model, ladj, _) = schema.to_model(&rows, 3);
    for j in 0..4 {
        let column: Vec<f64> = model.iter().skip(j).step_by(4).copied().collect();
        let mean = column.iter().sum::<f64>() / n as f64;
        let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
        // Exact for a column without noise. With it, the noise's mean and its covariance with the column have standard deviations below 1/√n = 0.016 each.
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.1, "column {j}: {mean} {variance}");
    }
    let back = schema.columns_of(&schema.decode(model, rows.context.clone()).unwrap());
    assert_eq!(back.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["k", "p", "n", "g", "s"]);
    for (column, original) in back.iter().zip(["k", "p", "n", "g", "s"].map(|n| t.column(n).unwrap())) {
        let close = column.values.iter().zip(&original.values).all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs().max(1.0));
        assert!(close, "{}", column.name);
    }
    assert_eq!(back.iter().map(|c| c.form.is_whole()).collect::<Vec<_>>(), [true, false, true, false, false]);
    // log_prob's change: 1/(x · scale) for p, cells of 1 and 0.18, the logit's slope for s.
    let row = &rows.x[..4];
    let scales: f64 = schema.modelled().map(|c| c.scale.ln()).sum();
    let expected = -row[0].ln() + 0.18f64.ln() - (row[3] * (1.0 - row[3])).ln() - scales;
    assert!((ladj[0] - expected).abs() < 1e-12);
}

#[test]
fn what_has_no_density_is_named() {
    let n = 3000;
    let (a, b, c) = (uniform(n, 1), uniform(n, 2), uniform(n, 3));
    let sum: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    let repeat: Vec<f64> = c.iter().map(|c| f64::from((100.0 - 7.0 * c) as f32)).collect();
    let t = table(&[("a", &a, false), ("b", &b, false), ("sum", &sum, false), ("c", &c, false), ("repeat", &repeat, false)]);
    let error = diagnosed(&t, "{}", &Roles::default()).unwrap_err();
    let message = error.to_string();
    for name in ["'a'", "'b'", "'sum'", "'c'", "'repeat'", "is an exact linear function of", "repeats"] {
        assert!(message.contains(name), "{message}");
    }
    let Some(Hint::DropColumns(dropped)) = error.hint() else { panic!("{error:?}") };
    let dropped: Vec<&str> = dropped.iter().map(String::as_str).collect();
    assert_eq!(dropped.len(), 2);
    assert!(diagnosed(&t, "{}", &roles(&[], None, &dropped)).is_ok());
    // A column that the context gives has no density either, and one that is a product has none on the scale of logarithms.
    assert!(diagnosed(&t, "{}", &roles(&["c"], None, &["sum"])).unwrap_err().to_string().contains("'repeat' repeats 'c'"));
    let product: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a * b * b).collect();
    let t = table(&[("a", &a, false), ("b", &b, false), ("p", &product, false)]);
    assert!(diagnosed(&t, "{}", &Roles::default()).is_ok());
    let all_positive = r#"{"a": "positive", "b": "positive", "p": "positive"}"#;
    assert!(diagnosed(&t, all_positive, &Roles::default()).unwrap_err().to_string().contains("on the scale of their logarithms"));
}

#[test]
fn atoms_and_lattices_are_noticed_with_what_mends_them() {
    let n = 3000;
    let a = uniform(n, 1);
    let atom: Vec<f64> = uniform(n, 2).iter().map(|u| if *u < 0.05 { 0.25 } else { *u }).collect();
    let grid: Vec<f64> = uniform(n, 3).iter().map(|u| f64::from(0.18f32 * (u * 90.0).floor() as f32)).collect();
    let whole: Vec<f64> = uniform(n, 4).iter().map(|u| (u * 50.0).floor()).collect();
    let t = table(&[("a", &a, false), ("atom", &atom, false), ("fAlpha", &grid, false), ("whole", &whole, false)]);
    let (_, notices) = diagnosed(&t, "{}", &Roles::default()).unwrap();
    assert_eq!(notices.len(), 3, "{notices:?}");
    assert!(notices[0].message.starts_with("'atom' is 0.25 in 5"), "{notices:?}");
    let line = r#"{"fAlpha": {"lattice": {"step": 0.18, "offset": 0}}}"#;
    assert_eq!(notices[0].hint, Some(Hint::SplitOrDrop { column: "atom".into(), value: 0.25 }));
    assert_eq!(notices[1].hint, declare("fAlpha", r#"{"lattice": {"step": 0.18, "offset": 0}}"#, false));
    assert!(notices[1].hint.as_ref().unwrap().to_string().ends_with(line), "{notices:?}");
    assert_eq!(notices[2].hint, declare("whole", r#""integer""#, false));
    // The line mends it.
    let (_, notices) = diagnosed(&t, line, &roles(&[], None, &["atom", "whole"])).unwrap();
    assert_eq!(notices, []);
}

#[test]
fn what_only_looks_like_a_repeat_is_said_as_what_it_is() {
    // One placeholder in both columns.
    let (mut a, mut b) = (uniform(1000, 1), uniform(1000, 2));
    (a[5], b[5]) = (1e20, 1e20);
    let (_, notices) = diagnosed(&table(&[("a", &a, false), ("b", &b, false)]), "{}", &Roles::default()).unwrap();
    let messages: Vec<&str> = notices.iter().map(|n| n.message.as_str()).collect();
    let expected = ["'a' is 1e20 in row 6, 2e20 times the scale of the other values: a placeholder for a missing value?"; 2];
    assert_eq!(messages, [expected[0].to_owned(), expected[1].replace("'a'", "'b'")]);
    // The begin and the end of a span.
    let begin: Vec<f64> = uniform(2000, 3).iter().map(|u| ((1.7e9 + 3.15e7 * u) * 1e3).round() / 1e3).collect();
    let end: Vec<f64> = begin.iter().zip(uniform(2000, 4)).map(|(b, u)| ((b - 30.0 * (1.0 - u).ln()) * 1e3).round() / 1e3).collect();
    let (_, notices) = diagnosed(&table(&[("begin", &begin, false), ("end", &end, false)]), "{}", &Roles::default()).unwrap();
    let near: Vec<&Notice> = notices.iter().filter(|n| n.message.starts_with("'end' is nearly equal to 'begin'")).collect();
    assert_eq!((near.len(), notices.len()), (1, 1), "{notices:?}");
    assert_eq!(near[0].hint.as_ref().unwrap().to_string(), "a column end − begin in the place of 'end' would be the better one");
    // Fewer rows than columns.
    let names: Vec<String> = (0..40).map(|j| format!("c{j}")).collect();
    let values: Vec<Vec<f64>> = (0..40).map(|j| uniform(20, j)).collect();
    let columns: Vec<(&str, &[f64], bool)> = names.iter().zip(&values).map(|(n, v)| (n.as_str(), v.as_slice(), false)).collect();
    let (_, notices) = diagnosed(&table(&columns), "{}", &Roles::default()).unwrap();
    assert_eq!(notices.iter().map(|n| n.message.as_str()).collect::<Vec<_>>(), ["20 rows, 40 columns: fewer rows than columns"]);
}

#[test]
fn whole_numbers_have_lattices_atoms_and_sums_too() {
    let n = 5000;
    let salary: Vec<f64> = uniform(n, 1).iter().map(|u| 1000.0 * (20.0 + 60.0 * u).floor()).collect();
    let gains = [2174.0, 3103.0, 7688.0, 15024.0, 99999.0];
    let gain: Vec<f64> = uniform(n, 2).iter().map(|u| if *u < 0.92 { 0.0 } else { gains[((u - 0.92) / 0.016) as usize % 5] }).collect();
    let age: Vec<f64> = uniform(n, 3).iter().map(|u| (18.0 + 50.0 * u).floor()).collect();
    let total: Vec<f64> = salary.iter().zip(&age).map(|(s, a)| s + a).collect();
    let t = table(&[("salary", &salary, true), ("gain", &gain, true), ("age", &age, true), ("total", &total, true)]);
    let (_, notices) = diagnosed(&t, "{}", &Roles::default()).unwrap();
    assert_eq!(notices.len(), 3, "{notices:?}");
    assert!(notices[0].message.contains("is an exact linear function of"), "{notices:?}");
    assert_eq!(notices[1].hint, declare("salary", r#"{"lattice": {"step": 1000, "offset": 0}}"#, false));
    assert!(notices[2].message.starts_with("'gain' is 0 in 92.") && notices[2].message.contains(" and 99999 in 1."), "{notices:?}");
    // The same sum among real numbers leaves no density.
    let real = r#"{"salary": "continuous", "age": "continuous", "total": "continuous"}"#;
    assert!(diagnosed(&t, real, &Roles::default()).unwrap_err().to_string().contains("there is no density"));
}

#[test]
fn the_projects_own_tables_are_as_described() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    let magic = Table::read(&data.join("magic.parquet")).unwrap();
    assert_eq!((magic.rows(), magic.columns.len()), (19_020, 11));
    assert_eq!(magic.column("class").unwrap().values.iter().sum::<f64>(), 12_332.0);
    let (schema, notices) = diagnosed(&magic, "{}", &roles(&["class"], None, &[])).unwrap();
    assert_eq!((schema.width(), schema.context_dim()), (10, 1));
    let messages: Vec<&str> = notices.iter().map(|n| n.message.as_str()).collect();
    assert_eq!(messages, ["115 of 19020 rows repeat an earlier row exactly"]);

    let flights = Table::read(&data.join("flights.parquet")).unwrap();
    assert_eq!((flights.rows(), flights.columns.len()), (50_000, 5));
    assert!(infer(&flights, "{}", &Roles::default()).unwrap_err().to_string().contains("'dep_delay' "));
    let (schema, _) = Schema::infer(&flights, &Overrides::default(), &Roles::default(), MissingPolicy::Drop).unwrap();
    assert_eq!(kinds(&schema), [Kind::Integer; 5]);
    let rows = schema.rows(&flights, Need::Fit).unwrap();
    assert_eq!(rows.n + rows.dropped, 50_000);
    assert_eq!(diagnose(&flights.path, &schema, &rows).unwrap(), []);
}
