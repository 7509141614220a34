//! Posteriors of targets in shared libraries.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::knothe;

/// A library of `knothe-target`, which Cargo builds with the tests of the workspace.
fn library(name: &str) -> String {
    let file = format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let path = PathBuf::from(env!("CARGO_BIN_EXE_knothe")).parent().unwrap().join("examples").join(file);
    assert!(path.exists(), "{} is not there: test with `cargo test --release --workspace`", path.display());
    path.display().to_string()
}

fn json(folder: &Path, arguments: &str) -> Value {
    let run = knothe(folder, arguments);
    assert_eq!(run.code, 0, "{arguments}: {}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

fn number(document: &Value, name: &str) -> f64 {
    document[name].as_f64().unwrap()
}

/// By 2-D quadrature, log Z is 9.088253.
#[test]
fn the_evidence_and_the_draws_of_bod() {
    let folder = tempfile::tempdir().unwrap();
    let found = json(
        folder.path(),
        &format!("posterior {} -n 2000 --maps 1 --degree 5 --finish importance --out draws.csv --json", library("bod")),
    );
    let (evidence, error) = (number(&found, "log_evidence"), number(&found, "log_evidence_two_se"));
    // The error does not see a tail that no draw has reached.
    assert!((evidence - 9.088253).abs() < 0.05 && error < 0.05, "{found:#}");
    assert!(number(&found, "lower_bound") < evidence && number(&found, "k_hat") < 1.5, "{found:#}");
    let draws = std::fs::read_to_string(folder.path().join("draws.csv")).unwrap();
    assert_eq!((draws.lines().count(), draws.lines().next().unwrap()), (2001, "x.1,x.2"));
    // Both finishes draw from one posterior: within five standard errors of 2,000 draws, of which HMC's may count half.
    let other = json(
        folder.path(),
        &format!("posterior {} -n 2000 --maps 1 --degree 2 --map-draws 100 --finish hmc --out other.parquet --json", library("bod")),
    );
    assert_eq!((&found["finish"], &other["finish"]), (&Value::from("importance"), &Value::from("hmc")));
    for k in 0..2 {
        let [one, two] = [&found, &other].map(|document| &document["parameters"][k]);
        let deviation = number(one, "standard_deviation");
        assert!((number(one, "mean") - number(two, "mean")).abs() < 0.2 * deviation, "{one:#} {two:#}");
        assert!((number(two, "standard_deviation") / deviation - 1.0).abs() < 0.15 && number(two, "r_hat") < 1.05, "{one:#} {two:#}");
    }
}

#[test]
fn equal_seeds_give_equal_draws_and_names_are_those_of_the_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let data = r#"{"y":[28,8,-3,7,-1,1,18,12],"sigma":[15,10,16,11,9,11,10,18]}"#;
    std::fs::write(folder.path().join("schools.json"), data).unwrap();
    let small = "-n 100 --degree 2 --maps 1 --map-draws 50";
    let run = |out: &str, threads: u32| {
        let command = format!("posterior {} --data schools.json {small} --threads {threads} --out {out}", library("eight_schools"));
        let run = knothe(folder.path(), &command);
        assert_eq!(run.code, 0, "{}", run.stderr);
        (run.stdout, std::fs::read_to_string(folder.path().join(out)).unwrap())
    };
    let ((report, first), (_, second)) = (run("a.csv", 1), run("b.csv", 2));
    assert_eq!(first, second);
    assert!(first.starts_with("theta.1,theta.2,theta.3,theta.4,theta.5,theta.6,theta.7,theta.8,mu,tau\n"), "{first}");
    assert!(report.contains("log evidence") && report.contains("k̂") && report.contains("theta.8"), "{report}");
    // JSON text, and draws on standard output.
    let piped = knothe(folder.path(), &format!("posterior {} --data {data} {small} --out -", library("eight_schools")));
    assert!(piped.stdout == first && piped.stderr.contains("log evidence"), "{}", piped.stderr);
}

#[test]
fn what_is_no_target_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text.so"), "no library").unwrap();
    std::fs::write(folder.path().join("short.json"), r#"{"y": [1, 2], "sigma": [1]}"#).unwrap();
    let schools = library("eight_schools");
    let refused = [
        ("posterior none.so --out x.csv".to_owned(), 1, "none.so"),
        ("posterior text.so --out x.csv".to_owned(), 1, "expected a shared library"),
        (format!("posterior {} --out x.csv", library("incomplete")), 1, "expected a library with the function 'bs_model_destruct'"),
        (format!("posterior {schools} --data none.json --out x.csv"), 1, "none.json"),
        (format!("posterior {schools} --data short.json --out x.csv"), 1, "expected one positive sigma for each y, found 1 and 2"),
        (format!("posterior {schools} --out x.csv"), 1, "expected a list of numbers 'y', found none"),
        (format!("posterior {} --out x.png", library("bod")), 2, "--out"),
        ("posterior text.so --out text.so".to_owned(), 2, "expected a file other than the input text.so"),
    ];
    for (command, code, expected) in refused {
        let run = knothe(folder.path(), &command);
        assert!(run.code == code && run.error().contains(expected), "{command}: {} {}", run.code, run.stderr);
        assert!(run.stdout.is_empty() && !folder.path().join("x.csv").exists(), "{command}");
    }
}
