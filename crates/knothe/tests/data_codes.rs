//! Codes, counts and slips: what is inferred of columns with few values or with a few texts.

use std::path::{Path, PathBuf};

use knothe::Hint;
use knothe::events::table::{Bounds, Column, Form, Kind, Label, MissingPolicy, Need, Notice, Overrides, Roles, Schema, Spaced, Table};

fn table(columns: &[(&str, &[f64], bool)]) -> Table {
    let column = |(name, values, whole): &(&str, &[f64], bool)| Column::numbers(*name, values.to_vec(), *whole);
    Table { path: PathBuf::from("t.csv"), columns: columns.iter().map(column).collect(), ..Table::default() }
}

fn roles(context: &[&str], drop: &[&str]) -> Roles {
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    Roles { context: owned(context), drop: owned(drop), ..Roles::default() }
}

fn infer(table: &Table, overrides: &str, roles: &Roles) -> knothe::Result<(Schema, Vec<Notice>)> {
    Schema::infer(table, &Overrides::parse(overrides)?, roles, MissingPolicy::Reject)
}

/// Each value as often as it says, in whole numbers.
fn repeated(counts: &[(f64, usize)]) -> Vec<f64> {
    counts.iter().flat_map(|&(value, count)| std::iter::repeat_n(value, count)).collect()
}

fn kind_of(values: &[f64], whole: bool) -> (Kind, Vec<f64>) {
    let (schema, _) = infer(&table(&[("n", values, whole)]), "{}", &Roles::default()).unwrap();
    (schema.columns[0].kind.clone(), schema.columns[0].special.clone())
}

#[test]
fn codes_that_are_not_equally_spaced_are_categories() {
    let labels = |values: &[f64]| Kind::Categorical(values.iter().map(|v| Label::Number(*v)).collect());
    let powers = [1.0, 2.0, 4.0, 8.0, 16.0];
    assert_eq!(kind_of(&repeated(&powers.map(|v| (v, 400))), true).0, labels(&powers));
    // Multiples of 0.5 as well.
    let halves = powers.map(|v| v / 2.0);
    assert_eq!(kind_of(&repeated(&halves.map(|v| (v, 25))), false).0, labels(&halves));
    // Equally spaced codes lie on a lattice of their own.
    let (kind, _) = kind_of(&repeated(&[(10.0, 100), (20.0, 90), (30.0, 110)]), true);
    assert_eq!(kind, Kind::Lattice(Spaced { step: 10.0, offset: 0.0, low: Some(10.0), high: Some(30.0) }));
}

#[test]
fn counts_with_a_thin_tail_are_no_codes() {
    let tail: Vec<(f64, usize)> = (0..=12).map(|k| (f64::from(k), 400 >> (k / 2))).chain([(14.0, 2), (15.0, 1), (17.0, 1)]).collect();
    assert_eq!(kind_of(&repeated(&tail), true).0, Kind::Integer(Bounds { low: Some(0.0), high: None }));
    // One rare value is enough to doubt that the others are all there are.
    assert!(matches!(kind_of(&repeated(&[(1.0, 900), (2.0, 600), (4.0, 400), (16.0, 3)]), true).0, Kind::Integer(_)));
}

#[test]
fn zeros_in_excess_are_special_where_values_share_parameters() {
    let counts = [(0.0, 630), (1.0, 55), (2.0, 68), (3.0, 62), (4.0, 53), (5.0, 38), (6.0, 25), (7.0, 16), (8.0, 9), (10.0, 3)];
    assert_eq!(kind_of(&repeated(&counts), true), (Kind::Integer(Bounds { low: Some(1.0), high: None }), vec![0.0]));
    // In a rating each value has its own mass, and the zeros of a Poisson law are no excess.
    let rating = [(1.0, 700), (2.0, 80), (3.0, 70), (4.0, 80), (5.0, 70)];
    assert_eq!(kind_of(&repeated(&rating), true), (Kind::Integer(Bounds { low: Some(1.0), high: Some(5.0) }), vec![]));
    let poisson = [(0.0, 819), (1.0, 164), (2.0, 16), (3.0, 1)];
    assert_eq!(kind_of(&repeated(&poisson), true), (Kind::Integer(Bounds { low: Some(0.0), high: None }), vec![]));
}

#[test]
fn slips_among_repeated_numbers_and_dates_are_named() {
    let text = |name: &str, texts: &[String]| {
        let mut labels: Vec<String> = Vec::new();
        let code = |text: &String| {
            labels.iter().position(|known| known == text).unwrap_or_else(|| {
                labels.push(text.clone());
                labels.len() - 1
            }) as f64
        };
        let values = texts.iter().map(code).collect();
        Column { name: name.into(), values, form: Form::Text(labels) }
    };
    let mut numbers: Vec<String> = (0..2000).map(|i| format!("{}.25", i % 40)).collect();
    numbers[1234] = "1O".into();
    let mut dates: Vec<String> = (0..2000).map(|i| format!("2026-11-{:02}", 1 + i % 30)).collect();
    (dates[9], dates[999]) = ("oops".into(), "oops".into());
    let colours: Vec<String> = (0..2000).map(|i| ["red", "blue", "7"][i % 3].into()).collect();
    let columns = vec![text("m", &numbers), text("day", &dates), text("colour", &colours)];
    let t = Table { path: PathBuf::from("t.csv"), columns, ..Table::default() };
    let expected = [
        ("'m' holds 1999 numbers and '1O' in row 1235, so it is text with 41 categories", "1O"),
        ("'day' holds 1998 dates and 'oops' in rows 10 and 1000, so it is text with 31 categories", "oops"),
    ];
    let expected = expected.map(|(message, slip)| Notice { message: message.into(), hint: Some(Hint::NotNumbers(vec![slip.into()])) });
    assert_eq!(infer(&t, "{}", &Roles::default()).unwrap().1, expected);
    // A context column is named as well, and what is declared is meant.
    assert_eq!(infer(&t, "{}", &roles(&["day"], &["m"])).unwrap().1, expected[1..]);
    assert_eq!(infer(&t, r#"{"m": "categorical", "day": "categorical"}"#, &Roles::default()).unwrap().1, []);
}

#[test]
fn a_value_beyond_the_reach_of_a_fit_is_named() {
    let [x, y] = [7, 11].map(|k| (0..50).map(|i| f64::from(i * k % 50) / 50.0 + 0.003).collect::<Vec<_>>());
    let t = table(&[("x", &x, false), ("y", &y, false)]);
    let (mut schema, _) = infer(&t, "{}", &roles(&["y"], &[])).unwrap();
    schema.fit(&schema.rows(&t, Need::Fit).unwrap()).unwrap();
    let check = |x: [f64; 2], y: [f64; 2]| {
        let rows = schema.rows(&table(&[("x", &x, false), ("y", &y, false)]), Need::Fit).unwrap();
        schema.check_reach(&rows, Path::new("v.csv")).map_err(|e| e.to_string())
    };
    assert_eq!(check([0.5, 1e12], [0.5, -1e12]), Ok(()));
    let problem = "expected a number within 1e15 standard deviations of the training rows, found";
    assert_eq!(check([0.5, 1e30], [0.5, 0.5]), Err(format!("v.csv, column 'x', row 2: {problem} 1e30")));
    assert_eq!(check([0.5, 0.5], [-1e30, 0.5]), Err(format!("v.csv, column 'y', row 1: {problem} -1e30")));
}
