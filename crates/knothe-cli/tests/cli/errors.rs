//! `knothe fit --errors`: rows that were measured with errors.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::support::{knothe, numbers, started, succeeds, table};

/// The table of `support` with errors of 0.8 in x, some of them missing, and of 0.3 in y; with weights.
fn measured(rows: u64) -> String {
    let (x_err, y_err) = (0.8, 0.3);
    let noise = table(rows + 7);
    let noise: Vec<f64> = noise.lines().skip(8).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect();
    let mut text = String::from("class,x,y,k,x_err,y_err,w\n");
    for (i, (line, noise)) in table(rows).lines().skip(1).zip(noise).enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        let (x, y): (f64, f64) = (fields[1].parse().unwrap(), fields[2].parse().unwrap());
        let (x, error) = match i % 10 {
            // No error, or no value.
            0 => (x.to_string(), String::new()),
            1 => (String::new(), x_err.to_string()),
            _ => ((x + x_err * (noise - 0.5)).to_string(), x_err.to_string()),
        };
        writeln!(text, "{},{x},{},{},{error},{y_err},{}", fields[0], y + y_err * (0.5 - noise), fields[3], 1 + i % 3).unwrap();
    }
    text
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.csv"), measured(400)).unwrap();
    folder
}

const FIT: &str = "fit t.csv --errors x=x_err,y=y_err --context class --weights w --model maf --layers 1 --hidden 8 --batch 64 --threads 1";

fn json(folder: &Path, arguments: &str) -> Value {
    serde_json::from_str(&succeeds(folder, arguments)).unwrap()
}

#[test]
fn a_table_with_errors_is_fitted_scored_and_evaluated() {
    let folder = folder();
    let f = folder.path();
    let run = knothe(f, &format!("{FIT} --ensemble 2 --epochs 2 --error-draws 4 --out m.safetensors"));
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
    assert!(run.stderr.contains("a lower bound") && run.stderr.contains("\nerrors "), "{}", run.stderr);
    assert!(run.stderr.contains("400 rows of") || run.stderr.contains("320 rows of 3 columns given class"), "{}", run.stderr);
    let inspected = json(f, "inspect m.safetensors --json");
    assert_eq!(inspected["errors"][1], serde_json::json!({ "column": "y", "error": "y_err" }));
    assert_eq!(inspected["members"][0]["config"]["error_draws"], 4);
    assert!(succeeds(f, "inspect m.safetensors").contains("errors in x_err"));
    // Samples are true values, without columns of errors.
    assert_eq!(succeeds(f, "sample m.safetensors -n 3 --given class=1").lines().next(), Some("x,y,k,class"));

    let run = knothe(f, "score m.safetensors t.csv");
    assert!(run.code == 0 && run.stderr.contains("256 draws"), "{}", run.stderr);
    let all = numbers(&run.stdout).concat();
    assert!(all.len() == 400 && all.iter().all(|l| l.is_finite()));
    // The same rows in another order, with more rows before them.
    let text = measured(400);
    let (head, rows) = text.split_once('\n').unwrap();
    let reversed: Vec<&str> = rows.lines().rev().collect();
    std::fs::write(f.join("reversed.csv"), format!("{head}\n{}\n", reversed.join("\n"))).unwrap();
    let mut found = numbers(&succeeds(f, "score m.safetensors reversed.csv")).concat();
    found.reverse();
    assert_eq!(found, all);
    assert_ne!(numbers(&succeeds(f, "score m.safetensors t.csv --seed 1")).concat(), all);

    // Without the columns of errors the values are exact, and a note says so.
    let plain: Vec<String> = text.lines().map(|line| line.split(',').take(4).collect::<Vec<_>>().join(",")).collect();
    std::fs::write(f.join("plain.csv"), plain.join("\n")).unwrap();
    let run = knothe(f, "score m.safetensors plain.csv");
    assert!(run.code == 0 && run.stderr.contains("lacks the errors of 'x' and 'y'") && !run.stderr.contains("draws"), "{}", run.stderr);
    assert_ne!(numbers(&run.stdout).concat(), all);
    for (data, exactness, errors) in [("t.csv", "lower_bound", true), ("plain.csv", "exact", false)] {
        let found = json(f, &format!("evaluate m.safetensors {data} --json"));
        assert_eq!((&found["exactness"], &found["measurement_errors"]), (&exactness.into(), &errors.into()));
    }
    // A table to fit to needs them.
    let kept: Vec<String> = text
        .lines()
        .map(|line| line.split(',').enumerate().filter(|(j, _)| *j != 4).map(|(_, v)| v).collect::<Vec<_>>().join(","))
        .collect();
    std::fs::write(f.join("plain.csv"), kept.join("\n")).unwrap();
    let run = knothe(f, "fit plain.csv --continue m.safetensors --epochs 1 --out n.safetensors");
    assert!(run.code == 1 && run.error().contains("'x_err'"), "{}", run.stderr);
    // The model's own errors are found again.
    let found = json(f, "fit t.csv --validation t.csv --continue m.safetensors --epochs 1 --error-draws 4 --out n.safetensors --json");
    assert_eq!(found["measurement_errors"], true);
}

#[test]
fn a_killed_fit_with_errors_resumes_to_the_same_bytes() {
    let folder = folder();
    let fit = format!("{FIT} --epochs 30 --patience 0 --error-draws 4");
    let mut child = started(folder.path(), &format!("{fit} --out cut.safetensors"), "cut.safetensors.checkpoint");
    child.kill().unwrap();
    child.wait().unwrap();
    let other = knothe(folder.path(), &format!("{FIT} --epochs 30 --patience 0 --error-draws 5 --out cut.safetensors --resume"));
    assert!(other.code == 1 && other.error().contains("error_draws is 4 there and 5 here"), "{}", other.stderr);
    std::fs::write(folder.path().join("t.csv"), measured(400).replace(",0.3,", ",0.31,")).unwrap();
    let other = knothe(folder.path(), &format!("{fit} --out cut.safetensors --resume"));
    assert!(other.code == 1 && other.error().contains("crc32"), "{}", other.stderr);
    std::fs::write(folder.path().join("t.csv"), measured(400)).unwrap();
    succeeds(folder.path(), &format!("{fit} --out cut.safetensors --resume"));
    succeeds(folder.path(), &format!("{fit} --out whole.safetensors"));
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("cut.safetensors") == read("whole.safetensors"));
}

#[test]
fn errors_that_cannot_be_are_refused() {
    let folder = folder();
    let fit = "fit t.csv --epochs 1 --out m.safetensors";
    let cases = [
        ("--errors x", 2, "--errors: expected COLUMN=ERROR, found 'x'"),
        ("--errors x=x_err,y", 2, "found 'y'"),
        ("--error-draws 8", 2, "--error-draws means nothing without measurement errors"),
        ("--errors x=x_err --error-draws 0", 2, "'0'"),
        ("--errors x=xerr", 1, "'xerr'"),
        ("--errors k=x_err", 1, "column 'k'"),
        ("--errors x=x_err --drop x_err", 2, "'x_err' in two"),
        ("--errors x=x_err --context x", 2, "'x' in two"),
        ("--errors x=y", 1, "column 'y', row 3"),
    ];
    for (options, code, expected) in cases {
        let run = knothe(folder.path(), &format!("{fit} {options}"));
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{options}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{options}: {}", run.stderr);
    }
    let run = knothe(folder.path(), &format!("fit {}/../../data/digits.npz --errors a=b --out m.safetensors", env!("CARGO_MANIFEST_DIR")));
    assert!(run.code == 2 && run.error().contains("--errors: expected a table"), "{}", run.stderr);
    assert!(!folder.path().join("m.safetensors").exists());
}

#[test]
fn an_error_far_above_the_spread_is_refused_and_hints_are_ones_of_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("x,e\n");
    (0..40).for_each(|i| writeln!(text, "{},{}", f64::from(i * i % 17) * 0.37, if i == 12 { "9999" } else { "0.3" }).unwrap());
    std::fs::write(folder.path().join("t.csv"), &text).unwrap();
    std::fs::write(folder.path().join("s.json"), r#"{"x": "continuous"}"#).unwrap();
    let run = knothe(folder.path(), "fit t.csv --schema s.json --errors x=e --out m.safetensors");
    let expected = "column 'e', row 13: expected an error of at most 100 times the interquartile range";
    assert!(run.code == 1 && run.stderr.contains(expected), "{}", run.stderr);
    succeeds(folder.path(), "fit t.csv --drop e --epochs 1 --out m.safetensors");
    std::fs::write(folder.path().join("s.csv"), "x\ngone\n").unwrap();
    let run = knothe(folder.path(), "score m.safetensors s.csv");
    assert!(run.code == 1 && run.stderr.contains("expected numbers, found 'gone'") && !run.stderr.contains("--drop"), "{}", run.stderr);
}
