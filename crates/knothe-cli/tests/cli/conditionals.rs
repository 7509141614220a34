//! Predictions, imputations, and draws and scores of some columns given others.

use std::fmt::Write;

use crate::support::{knothe, numbers, succeeds};

/// Rows of a: 0 or 1, b: "low" where a is 0 and "high" where it is 1, and x: about 10 a.
fn rows(n: usize, row: impl Fn(usize, u8, f64) -> String) -> String {
    (0..n).fold(String::new(), |mut text, i| {
        let a = u8::from(i * 7 % 10 < 5);
        writeln!(text, "{}", row(i, a, 10.0 * f64::from(a) + (i * 13 % 17) as f64 / 17.0)).unwrap();
        text
    })
}

fn label(a: u8) -> &'static str {
    if a == 0 { "low" } else { "high" }
}

/// A folder with a model of such rows.
fn fitted() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let table = rows(600, |i, a, x| format!("{i},{a},{},{x}", label(a)));
    std::fs::write(folder.path().join("table.csv"), format!("id,a,b,x\n{table}")).unwrap();
    succeeds(
        folder.path(),
        "fit table.csv --drop id --model any_order --width 32 --layers 1 --epochs 150 --batch 32 --out model.safetensors",
    );
    folder
}

#[test]
fn a_column_is_predicted_from_any_others() {
    let folder = fitted();
    // One row lacks x, and the table has no column b.
    std::fs::write(folder.path().join("new.csv"), "x,a,other\n0,0,7\n,1,7\n10,9,7\n").unwrap();
    let run = knothe(folder.path(), "predict model.safetensors new.csv --column b");
    assert!(run.code == 0 && run.stderr.contains("the table lacks 1 column of the model"), "{}", run.stderr);
    assert!(run.stderr.contains("1 value counts as unknown") && run.stderr.contains("in 'a', expected"), "{}", run.stderr);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines[0], "b,b=high,b=low");
    let labels: Vec<&str> = lines[1..].iter().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(labels, ["low", "high", "high"]);
    for line in &lines[1..] {
        let p: Vec<f64> = line.split(',').skip(1).map(|p| p.parse().unwrap()).collect();
        assert!((p[0] + p[1] - 1.0).abs() < 1e-6 && p[0].max(p[1]) > 0.9, "{line}");
    }
    let found = numbers(&succeeds(folder.path(), "predict model.safetensors new.csv --column x --quantiles 0.1,0.9"));
    // The second row has its own x, which is not used.
    assert!((found[0][0] - 0.5).abs() < 0.5 && (found[1][0] - 10.5).abs() < 0.5, "{found:?}");
    assert!(found.iter().take(2).all(|row| row[2] < row[0] && row[0] < row[3] && row[1] > 0.0), "{found:?}");
    let again = knothe(folder.path(), "predict model.safetensors new.csv --column x --quantiles 0.1,0.9 --given a=1");
    assert!(numbers(&again.stdout).iter().all(|row| (row[0] - 10.5).abs() < 0.5), "{}", again.stdout);
}

#[test]
fn missing_values_are_drawn_and_all_others_stay() {
    let folder = fitted();
    let table = rows(40, |i, a, x| match i % 4 {
        0 => format!("{i},,{},{x:.3}", label(a)),
        1 => format!("{i},{a},,{x:.3}"),
        2 => format!("{i},{a},{},", label(a)),
        _ => format!("{i},{a},{},{x:.3}", label(a)),
    });
    std::fs::write(folder.path().join("holes.csv"), format!("id,a,b,x\n{table}")).unwrap();
    let run = knothe(folder.path(), "impute model.safetensors holes.csv");
    assert!(run.code == 0 && run.stderr.contains("30 values were imputed"), "{}", run.stderr);
    let (mut lines, mut right) = (run.stdout.lines(), 0);
    assert_eq!(lines.next(), Some("id,a,b,x"));
    for (i, (line, before)) in lines.zip(table.lines()).enumerate() {
        let (cells, old): (Vec<&str>, Vec<&str>) = (line.split(',').collect(), before.split(',').collect());
        let same = |new: &str, old: &str| new == old || new.parse::<f64>().ok().zip(old.parse::<f64>().ok()).is_some_and(|(a, b)| a == b);
        assert!(cells.iter().zip(&old).all(|(new, old)| !new.is_empty() && (old.is_empty() || same(new, old))), "{line}");
        let a = u8::from(i * 7 % 10 < 5);
        let x: f64 = cells[3].parse().unwrap();
        right += usize::from(cells[1] == a.to_string() && cells[2] == label(a) && (x - 10.0 * f64::from(a)).abs() < 2.0);
    }
    // The columns decide one another, and the model has learned it to some hundredths.
    assert!(right >= 36, "{right} of 40 rows: {}", run.stdout);
    // The same seed gives the same bytes, and copies have a number.
    assert_eq!(succeeds(folder.path(), "impute model.safetensors holes.csv"), run.stdout);
    let copies = succeeds(folder.path(), "impute model.safetensors holes.csv --draws 2");
    assert!(copies.starts_with("draw,id,a,b,x\n1,0,") && copies.lines().count() == 81, "{copies}");
    succeeds(folder.path(), "impute model.safetensors holes.csv --out whole.parquet");
    assert_eq!(succeeds(folder.path(), "score model.safetensors whole.parquet").lines().count(), 41);
}

#[test]
fn draws_and_scores_are_given_any_columns() {
    let folder = fitted();
    let drawn = succeeds(folder.path(), "sample model.safetensors -n 100 --given b=high");
    let rows: Vec<Vec<&str>> = drawn.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert!(rows.len() == 100 && rows.iter().all(|row| row[1] == "high"), "{drawn}");
    assert!(rows.iter().filter(|row| row[0] == "1" && row[2].parse::<f64>().unwrap() > 8.0).count() >= 90, "{drawn}");
    // Part by part, draws are the same.
    let few = succeeds(folder.path(), "sample model.safetensors -n 10 --given b=high");
    assert!(drawn.starts_with(&few));
    let score =
        |options: &str| -> Vec<f64> { numbers(&succeeds(folder.path(), &format!("score model.safetensors table.csv {options}"))).concat() };
    let (joint, known, rest) = (score(""), score("--asked a"), score("--known a"));
    // The order of the elements begins with a, so this one factorisation is exact; 32 bits.
    assert!((0..joint.len()).all(|i| (known[i] + rest[i] - joint[i]).abs() < 1e-4));
    assert_eq!(score("--known a --asked b,x"), rest);
    // With the same values in each row, the density depends on x alone, and is high near 10.
    let given = score("--asked x --given a=1 --given b=high");
    assert!((0..joint.len()).all(|i| (given[i] > -5.0) == (i * 7 % 10 < 5)), "{given:?}");
}

#[test]
fn what_cannot_be_known_or_asked_for_is_refused() {
    let folder = fitted();
    succeeds(folder.path(), "fit table.csv --drop id --model gaussian --out gaussian.safetensors");
    for (arguments, code, expected) in [
        ("predict model.safetensors table.csv --column z", 2, "--column: expected a modelled column, found 'z'"),
        (
            "predict model.safetensors table.csv --column x --quantiles 0.5,0.5",
            2,
            "--quantiles: expected each quantile once, found 'x 0.5' twice",
        ),
        ("predict model.safetensors table.csv --column x --given b=middle", 2, "--given b: expected"),
        ("predict gaussian.safetensors table.csv --column x", 1, "a conditional of some columns given others"),
        ("sample model.safetensors -n 3 --given z=1", 2, "--given: expected a column of the model, found 'z'"),
        ("sample model.safetensors -n 3 --given b=middle", 2, "--given b: expected"),
        ("sample model.safetensors -n 3 --given x=a", 2, "--given x: expected a number after the '=', found 'a'"),
        (
            "sample model.safetensors -n 3 --given a=1 --temperature 0.5",
            2,
            "--temperature: expected 1 with --given for a modelled column, found 0.5",
        ),
        ("score model.safetensors table.csv --known z", 2, "--known: expected modelled columns, found 'z'"),
        ("score model.safetensors table.csv --known a --asked a", 2, "--asked: expected columns that are not known, found 'a'"),
        ("evaluate model.safetensors table.csv --given a=1", 2, "--given a: expected a context column, and this model has none"),
        ("impute model.safetensors table.csv --draws 0", 2, "expected a whole number from 1 to 10^4"),
    ] {
        let run = knothe(folder.path(), arguments);
        assert!(run.code == code && run.stderr.contains(expected), "{arguments}: {} {}", run.code, run.stderr);
        assert!(run.stdout.is_empty(), "{arguments}: {}", run.stdout);
    }
    let error = knothe(folder.path(), "score gaussian.safetensors table.csv --known a");
    assert!(error.stderr.contains("fit with --model any_order"), "{}", error.stderr);
}
