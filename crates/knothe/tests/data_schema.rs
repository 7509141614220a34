//! What is inferred of a table, what is refused, and how rows are matched to it.

use std::path::{Path, PathBuf};

use knothe::Hint;
use knothe::events::Coding;
use knothe::events::table::{
    Bounds, Column, Form, Kind, Label, MissingPolicy, Need, Notice, Overrides, Roles, Schema, Spaced, Table, Unit, diagnose,
};
use knothe::space::Law;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

const NAN: f64 = f64::NAN;

pub fn table(columns: &[(&str, &[f64], bool)]) -> Table {
    let column = |(name, values, whole): &(&str, &[f64], bool)| Column::numbers(*name, values.to_vec(), *whole);
    Table { path: PathBuf::from("t.csv"), columns: columns.iter().map(column).collect(), first_row: 0, notes: Vec::new() }
}

fn roles(context: &[&str], weights: Option<&str>, drop: &[&str]) -> Roles {
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    Roles { context: owned(context), weights: weights.map(Into::into), drop: owned(drop), ..Roles::default() }
}

pub fn infer(table: &Table, overrides: &str, roles: &Roles) -> knothe::Result<(Schema, Vec<Notice>)> {
    Schema::infer(table, &Overrides::parse(overrides)?, roles, MissingPolicy::Reject)
}

fn kinds(schema: &Schema) -> Vec<Kind> {
    schema.columns.iter().map(|c| c.kind.clone()).collect()
}

pub fn uniform(n: usize, seed: u64) -> Vec<f64> {
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
        (r#"{"lattice": {"step": 0.18}}"#, 1, "a multiple of 0.18, found 0.5"),
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
    assert_eq!((schema.rows(&extra, Need::Score).unwrap().x, schema.ignored(&extra)), (vec![9.0], vec!["z".to_owned()]));
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
    assert!(infer(&t, "{}", &roles(&["x"], Some("x"), &[])).unwrap_err().to_string().contains("found 'x' in two"));
    assert!(infer(&t, "{}", &roles(&["x"], None, &["y"])).unwrap_err().to_string().contains("at least one column"));
    let one = table(&[("x", &[0.5], false)]);
    assert!(infer(&one, "{}", &Roles::default()).unwrap_err().to_string().contains("at least 2 rows"));
    let constant = table(&[("x", &[0.5, 0.5], false)]);
    assert!(infer(&constant, "{}", &Roles::default()).unwrap_err().to_string().contains("only constant ones: 'x'"));
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
fn rows_come_back_in_the_files_order() {
    let n = 4000;
    let u = uniform(n, 1);
    let positive: Vec<f64> = uniform(n, 2).iter().map(|u| (3.0 * u).exp()).collect();
    let count: Vec<f64> = uniform(n, 3).iter().map(|u| (u * 300.0).floor()).collect();
    let grid: Vec<f64> = uniform(n, 4).iter().map(|u| 0.5 + 0.18 * (u * 90.0).floor()).collect();
    let amount: Vec<f64> = uniform(n, 5).iter().zip(&positive).map(|(u, p)| if *u < 0.3 { 0.0 } else { *p }).collect();
    let some: Vec<f64> = uniform(n, 6).iter().zip(&u).map(|(v, u)| if *v < 0.2 { NAN } else { *u }).collect();
    let month: Vec<f64> = uniform(n, 7).iter().map(|u| 1.0 + (u * 12.0).floor()).collect();
    let mut t = table(&[
        ("k", &vec![7.0; n], true),
        ("p", &positive, false),
        ("n", &count, true),
        ("g", &grid, false),
        ("c", &u, false),
        ("a", &amount, false),
        ("s", &some, false),
        ("m", &month, true),
    ]);
    let texts = Form::Text(vec!["b".into(), "a".into()]);
    t.columns.push(Column { name: "t".into(), values: u.iter().map(|u| f64::from(*u < 0.7)).collect(), form: texts.clone() });
    t.columns.push(Column { name: "d".into(), values: count.iter().map(|k| 18_000.0 + k).collect(), form: Form::Time(Unit::Day) });
    let said = Overrides::parse(r#"{"p": "positive", "s": {"bounded": [0, 1]}}"#).unwrap();
    let (mut schema, _) = Schema::infer(&t, &said, &roles(&[], None, &["c"]), MissingPolicy::Model).unwrap();
    let integer = |low, high| Kind::Integer(Bounds { low: Some(low), high });
    let lattice = Kind::Lattice(Spaced { step: 0.18, offset: 0.5, low: Some(0.5), high: Some(0.5 + 0.18 * 89.0) });
    let labels = Kind::Categorical(vec![Label::Text("a".into()), Label::Text("b".into())]);
    let expected = [
        Kind::Constant(Label::Number(7.0)),
        Kind::Positive,
        integer(0.0, Some(299.0)),
        lattice,
        Kind::Positive,
        Kind::Bounded([0.0, 1.0]),
        integer(1.0, Some(12.0)),
        labels,
        Kind::Time(Unit::Day),
    ];
    let close = |a: &Kind, b: &Kind| match (a, b) {
        (Kind::Lattice(a), Kind::Lattice(b)) => {
            let shift = (a.offset - b.offset) / b.step;
            (a.step - b.step).abs() < 1e-9 && (shift - shift.round()).abs() < 1e-9 && a.low == b.low
        }
        // An upper edge needs rows enough on it, which these have by chance.
        (Kind::Integer(a), Kind::Integer(b)) => a.low == b.low && (a.high == b.high || b.high == Some(299.0)),
        _ => a == b,
    };
    assert!(kinds(&schema).iter().zip(&expected).all(|(a, b)| close(a, b)), "{:?}", kinds(&schema));
    let special = |name: &str| schema.columns.iter().find(|c| c.name == name).map(|c| (c.special.clone(), c.missing)).unwrap();
    assert_eq!([special("a"), special("s"), special("p")], [(vec![0.0], false), (vec![], true), (vec![], false)]);
    let rows = schema.rows(&t, Need::Fit).unwrap();
    schema.fit(&rows).unwrap();
    let schema: Schema = serde_json::from_str(&serde_json::to_string(&schema).unwrap()).unwrap();
    let coded = schema.encode(&rows).unwrap();
    let space = schema.space();
    let names = ["n", "g", "a (special or missing)", "s (special or missing)", "m", "t", "d", "p", "a", "s"];
    assert_eq!((schema.elements(), coded.codes, coded.values.len()), (names.map(str::to_owned).to_vec(), 7, 10 * n));
    assert_eq!([8, 9].map(|j| space.parent(j)), [Some(2), Some(3)]);
    for j in [0, 1, 6, 7] {
        let column: Vec<f64> = coded.values.iter().skip(j).step_by(10).copied().collect();
        let mean = column.iter().sum::<f64>() / n as f64;
        let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
        // A lattice is shifted by one of its values, at most one step off the mean.
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 1e-9, "column {j}: {mean} {variance}");
    }
    let back = schema.columns_of(&schema.decode(coded.values, rows.context.clone()).unwrap());
    assert_eq!(back.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["k", "p", "n", "g", "a", "s", "m", "t", "d"]);
    for column in &back {
        let original = t.column(&column.name).unwrap();
        let same = (0..n).all(|i| match (column.values[i], original.values[i]) {
            (a, b) if a.is_nan() || b.is_nan() => a.is_nan() && b.is_nan(),
            (a, b) if matches!(column.form, Form::Real) => (a - b).abs() <= 1e-12 * b.abs().max(1.0),
            _ => column.text(i) == original.text(i),
        });
        assert!(same, "{}", column.name);
    }
    // log_prob's change: 1/(x · scale) for what is positive, and the logit's slope; masses have none.
    let scale = |name: &str| schema.modelled().find(|c| c.name == name).unwrap().scale.ln();
    for i in 0..100 {
        let [p, a, s] = ["p", "a", "s"].map(|name| t.column(name).unwrap().values[i]);
        let mut expected = -p.ln() - scale("p");
        expected += if a == 0.0 { 0.0 } else { -a.ln() - scale("a") };
        expected += if s.is_nan() { 0.0 } else { -(s * (1.0 - s)).ln() - scale("s") };
        assert!((coded.ladj[i] - expected).abs() < 1e-12, "row {i}");
    }
}

#[test]
fn what_a_row_cannot_be_is_outside_the_support() {
    let n = 200;
    let mut t = table(&[("x", &uniform(n, 1), false), ("five", &vec![5.0; n], true)]);
    let city = |values: Vec<f64>, texts: &[&str]| Column {
        name: "city".into(),
        values,
        form: Form::Text(texts.iter().map(|&text| text.into()).collect()),
    };
    t.columns.push(city((0..n).map(|i| (i % 3) as f64).collect(), &["Graz", "Linz", "Wien"]));
    let schema = {
        let overrides = Overrides::parse(r#"{"x": "positive"}"#).unwrap();
        let (mut schema, _) = Schema::infer(&t, &overrides, &Roles::default(), MissingPolicy::Model).unwrap();
        schema.fit(&schema.rows(&t, Need::Fit).unwrap()).unwrap();
        schema
    };
    let mut other = table(&[("x", &[1.0, -1.0, 2.0, 3.0, NAN], false), ("five", &[5.0, 5.0, 7.0, 5.0, 5.0], true)]);
    // The labels of another file have an order of their own.
    other.columns.push(city(vec![0.0, 0.0, 1.0, 2.0, 1.0], &["Wien", "Graz", "Bern"]));
    let rows = schema.rows(&other, Need::Score).unwrap();
    assert_eq!((rows.outside.clone(), rows.impossible()), (vec![false, true, true, true, true], 4));
    let named: Vec<(&str, &str, u64)> = rows.contradictions.iter().map(|c| (c.column.as_str(), c.found.as_str(), c.row)).collect();
    assert_eq!(named, [("x", "-1", 2), ("city", "'Bern'", 4), ("five", "7", 3)]);
    let coded = schema.encode(&rows).unwrap();
    assert!(coded.values.iter().all(|v| v.is_finite()) && coded.ladj[0].is_finite());
    assert!(coded.ladj[1..].iter().all(|l| *l == f64::NEG_INFINITY));
    assert!(schema.rows(&other, Need::Fit).unwrap_err().to_string().contains("expected a number above 0, found -1"));
}

#[test]
fn text_that_identifies_rows_is_left_out() {
    let n = 60;
    let mut t = table(&[("x", &uniform(n, 1), false)]);
    let names: Vec<String> = (0..n).map(|i| format!("name {i}")).collect();
    t.columns.push(Column { name: "who".into(), values: (0..n).map(|i| i as f64).collect(), form: Form::Text(names) });
    let (schema, notices) = infer(&t, "{}", &Roles::default()).unwrap();
    assert_eq!(
        (schema.dropped, notices[0].message.as_str()),
        (vec!["who".to_owned()], "'who' has 60 different texts in 60 rows: it identifies rows, so it is left out")
    );
    // Texts that repeat do not identify rows.
    let mut often = t.clone();
    often.columns[1].values[59] = 0.0;
    let (schema, notices) = infer(&often, "{}", &Roles::default()).unwrap();
    assert_eq!(
        (schema.dropped, notices[0].message.as_str()),
        (vec!["who".to_owned()], "'who' has 59 different texts in 60 rows, too many for categories: it is left out")
    );
    let (schema, _) = infer(&t, r#"{"who": "categorical"}"#, &Roles::default()).unwrap();
    assert_eq!(schema.columns[1].kind.labels().unwrap().len(), n);
    assert!(infer(&t, r#"{"who": "positive"}"#, &Roles::default()).unwrap_err().to_string().contains("expected numbers, found 'name 0'"));
}

#[test]
fn values_that_many_rows_hold_get_masses() {
    let n = 5000;
    let atom: Vec<f64> = uniform(n, 2).iter().map(|u| if *u < 0.05 { 0.25 } else { *u }).collect();
    let salary: Vec<f64> = uniform(n, 1).iter().map(|u| 1000.0 * (20.0 + 60.0 * u).floor()).collect();
    let mut far = uniform(n, 3);
    far[5] = 1e20;
    let t = table(&[("atom", &atom, false), ("salary", &salary, true), ("far", &far, false)]);
    let (schema, notices) = infer(&t, "{}", &Roles::default()).unwrap();
    assert_eq!(schema.columns[0].special, [0.25]);
    assert!(matches!(&schema.columns[1].kind, Kind::Lattice(Spaced { step: 1000.0, offset: 0.0, .. })), "{:?}", schema.columns[1]);
    assert_eq!((&schema.columns[2].kind, schema.columns[2].special.as_slice()), (&Kind::Continuous, [1e20].as_slice()));
    assert!(notices[0].message.starts_with("'far' is 1e20 in row 6"), "{notices:?}");
}

#[test]
fn what_only_looks_like_a_repeat_is_said_as_what_it_is() {
    // The begin and the end of a span.
    let begin: Vec<f64> = uniform(2000, 3).iter().map(|u| ((1.7e9 + 3.15e7 * u) * 1e3).round() / 1e3).collect();
    let end: Vec<f64> = begin.iter().zip(uniform(2000, 4)).map(|(b, u)| ((b - 30.0 * (1.0 - u).ln()) * 1e3).round() / 1e3).collect();
    let (_, notices) = diagnosed(&table(&[("begin", &begin, false), ("end", &end, false)]), "{}", &Roles::default()).unwrap();
    let near: Vec<&Notice> = notices.iter().filter(|n| n.message.starts_with("'end' is nearly equal to 'begin'")).collect();
    assert_eq!((near.len(), notices.len()), (1, 1), "{notices:?}");
    assert_eq!(near[0].hint.as_ref().unwrap().to_string(), "replace 'end' with a column that holds end − begin");
    // Fewer rows than columns.
    let names: Vec<String> = (0..40).map(|j| format!("c{j}")).collect();
    let values: Vec<Vec<f64>> = (0..40).map(|j| uniform(20, j)).collect();
    let columns: Vec<(&str, &[f64], bool)> = names.iter().zip(&values).map(|(n, v)| (n.as_str(), v.as_slice(), false)).collect();
    let (_, notices) = diagnosed(&table(&columns), "{}", &Roles::default()).unwrap();
    assert!(
        notices.len() == 1 && notices[0].message.starts_with("20 rows, 40 columns: there are not more rows than columns"),
        "{notices:?}"
    );
    // A sum of whole numbers has a mass, and one of real numbers no density.
    let (a, b) = (uniform(2000, 5), uniform(2000, 6));
    let counts = |u: &[f64]| u.iter().map(|u| (u * 300.0).floor()).collect::<Vec<f64>>();
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f64>>();
    let (ka, kb) = (counts(&a), counts(&b));
    assert!(diagnosed(&table(&[("a", &ka, true), ("b", &kb, true), ("c", &sum(&ka, &kb), true)]), "{}", &Roles::default()).is_ok());
    let real = diagnosed(&table(&[("a", &a, false), ("b", &b, false), ("c", &sum(&a, &b), false)]), "{}", &Roles::default());
    assert!(real.unwrap_err().to_string().contains("there is no density"));
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
    assert!(kinds(&schema).iter().all(Kind::is_discrete), "{:?}", kinds(&schema));
    let rows = schema.rows(&flights, Need::Fit).unwrap();
    assert_eq!(rows.n + rows.dropped, 50_000);
    assert_eq!(diagnose(&flights.path, &schema, &rows).unwrap(), []);
}

#[test]
fn labels_are_the_same_in_every_spelling_and_precision() {
    let n = 60;
    let text = |values: Vec<f64>, texts: &[&str]| Column {
        name: "c".into(),
        values,
        form: Form::Text(texts.iter().map(|&text| text.into()).collect()),
    };
    let with = |column: Column| {
        let mut t = table(&[("x", &uniform(n, 1), false)]);
        t.columns.push(column);
        t
    };
    let half = |i: usize| (i % 2) as f64;
    let outside = |train: Column, other: Column| {
        let declared = Overrides::parse(r#"{"c": "categorical"}"#).unwrap();
        let (schema, _) = Schema::infer(&with(train), &declared, &Roles::default(), MissingPolicy::Model).unwrap();
        schema.rows(&with(other), Need::Score).unwrap().impossible()
    };
    let flags = Column { name: "c".into(), values: (0..n).map(half).collect(), form: Form::Boolean };
    // A batch with another text in it is text.
    assert_eq!(outside(flags.clone(), text((0..n).map(half).collect(), &["False", "true"])), 0);
    assert_eq!(outside(flags, text((0..n).map(half).collect(), &["no", "true"])), n / 2);
    let numbers = Column::real("c", (0..n).map(|i| [0.5, 3.7][i % 2]).collect());
    assert_eq!(outside(numbers.clone(), text((0..n).map(half).collect(), &["0.50", "3.7e0"])), 0);
    assert_eq!(outside(numbers, Column::real("c", (0..n).map(|i| f64::from([0.5f32, 3.7f32][i % 2])).collect())), 0);
    let day = Column { name: "c".into(), values: vec![19_000.0; n], form: Form::Time(Unit::Day) };
    let seconds = Column { name: "c".into(), values: vec![19_000.0 * 86_400.0; n], form: Form::Time(Unit::Second) };
    assert_eq!(outside(day.clone(), seconds), 0);
    assert_eq!(outside(day, text(vec![0.0; n], &["2022/01/08"])), 0);
}

#[test]
fn a_constant_that_lacks_a_value_is_no_constant() {
    let n = 100;
    let mut three = vec![3.0; n];
    three[0] = NAN;
    let t = table(&[("v", &three, false), ("x", &uniform(n, 1), false)]);
    let (schema, _) = Schema::infer(&t, &Overrides::default(), &Roles::default(), MissingPolicy::Drop).unwrap();
    let rows = schema.rows(&t, Need::Fit).unwrap();
    assert_eq!((rows.n, rows.impossible()), (n - 1, 0));
    let other = table(&[("v", &vec![4.0; n], false), ("x", &uniform(n, 1), false)]);
    assert!(schema.rows(&other, Need::Fit).unwrap_err().to_string().contains("expected 3, found 4"));
    assert_eq!(schema.rows(&other, Need::Score).unwrap().impossible(), n);
}

#[test]
fn a_special_value_has_one_mass() {
    // Zeros beside whole numbers above them, and a frequent value within a lattice.
    let n = 4_000;
    let zeros: Vec<f64> = uniform(n, 1).iter().map(|u| if *u < 0.7 { 0.0 } else { 1.0 + (u * 7_000.0).floor() % 900.0 }).collect();
    let within: Vec<f64> = uniform(n, 2).iter().map(|u| if *u < 0.6 { 120.0 } else { (u * 9_000.0).floor() % 300.0 }).collect();
    let t = table(&[("zeros", &zeros, true), ("within", &within, true)]);
    let declared = r#"{"within": {"kind": "integer", "special": [120]}}"#;
    let (schema, _) = infer(&t, declared, &Roles::default()).unwrap();
    let [zeros, within] = &schema.columns[..] else { panic!("expected two columns") };
    let (_, bounds) = zeros.kind.lattice().unwrap();
    // Zeros have a flag, and the law of the others starts above them.
    assert!(zeros.special == [0.0] && zeros.flags() == 1 && bounds.low == Some(1.0), "{zeros:?}");
    // A value among the others is an atom of their law, and has no flag.
    assert!(within.special == [120.0] && within.flags() == 0, "{within:?}");
    let space = schema.space();
    let atoms: usize =
        (0..space.discrete()).map(|j| if let Law::Lattice(cells) = space.law_of(j) { cells.atoms().count() } else { 0 }).sum();
    assert_eq!(atoms, 1);
    // Whole numbers of the order of 10^12 are told apart.
    let ids: Vec<f64> = (0..2_000).map(|i| 1e12 + f64::from(i % 200)).collect();
    let (schema, _) = infer(&table(&[("id", &ids, true)]), "{}", &Roles::default()).unwrap();
    assert!(schema.columns[0].special.is_empty() && matches!(schema.columns[0].kind, Kind::Integer(_)), "{:?}", schema.columns[0]);
    for bad in ["[0, 0]", "[1e300]", &format!("{:?}", (0..65).collect::<Vec<_>>())] {
        assert!(Overrides::parse(&format!(r#"{{"k": {{"kind": "continuous", "special": {bad}}}}}"#)).is_err(), "{bad}");
    }
}
