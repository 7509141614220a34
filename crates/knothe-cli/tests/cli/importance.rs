//! Estimates from weighted draws.

use serde_json::Value;

use crate::{posterior::library, support::knothe};

fn number(document: &Value, name: &str) -> f64 {
    document[name].as_f64().unwrap()
}

/// π̃(x) = x on [0, 1] with draws at (i + ½)/400 from the uniform law: Z = ½, the mean of x is ⅔ and its variance 1/18.
#[test]
fn a_table_of_weighted_draws() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<String> = (0..400).map(|i| (f64::from(i) + 0.5) / 400.0).map(|x| format!("{x},{},a", x.ln())).collect();
    std::fs::write(folder.path().join("draws.csv"), format!("x,log_weight,name\n{}\n", rows.join("\n"))).unwrap();
    let run = knothe(folder.path(), "importance draws.csv --log-weights log_weight --out picked.csv -n 3000 --json");
    let found: Value = serde_json::from_str(&run.stdout).unwrap();
    assert!((number(&found, "log_evidence") - 0.5f64.ln()).abs() < 1e-5, "{found:#}");
    let x = &found["columns"][0];
    // Smoothing changes the largest weights by little.
    assert!((number(x, "mean") - 2.0 / 3.0).abs() < 2e-3 && (number(x, "standard_deviation") - 18f64.sqrt().recip()).abs() < 2e-3, "{x}");
    assert_eq!((found["reliability"].as_str(), found["columns"].as_array().unwrap().len()), (Some("good"), 1));
    let picked = std::fs::read_to_string(folder.path().join("picked.csv")).unwrap();
    let values: Vec<f64> = picked.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    assert!(values.len() == 3000 && (values.iter().sum::<f64>() / 3000.0 - 2.0 / 3.0).abs() < 2e-3);
    let text = knothe(folder.path(), "importance draws.csv --log-weights log_weight").stdout;
    assert!(text.contains("good: k̂") && text.contains("log evidence    -0.6931"), "{text}");
    for (arguments, code, expected) in [
        ("importance draws.csv", 2, "--log-weights"),
        ("importance draws.csv --log-weights z", 2, "expected a column of draws.csv, found 'z'"),
        ("importance draws.csv --log-weights name", 2, "expected a column of numbers, found 'name'"),
        ("importance draws.csv --log-weights log_weight --out draws.csv", 2, "expected a file other than the input"),
        ("importance none.csv --log-weights z", 1, "none.csv"),
    ] {
        let run = knothe(folder.path(), arguments);
        assert!(run.code == code && run.stderr.contains(expected), "{arguments}: {}", run.stderr);
    }
}

/// A model of draws of a target is its proposal. By 2-D quadrature, log Z is 9.088253.
#[test]
fn a_model_as_the_proposal() {
    let folder = tempfile::tempdir().unwrap();
    let bod = library("bod");
    let succeeds = |arguments: &str| {
        let run = knothe(folder.path(), arguments);
        assert_eq!(run.code, 0, "{arguments}: {}", run.stderr);
        run.stdout
    };
    succeeds(&format!("posterior {bod} -n 4000 --map-draws 128 --degree 3 --maps 1 --unconstrained --out draws.csv"));
    succeeds("fit draws.csv --model nsf --layers 2 --hidden 32 --epochs 30 --out proposal.safetensors");
    let report = succeeds(&format!("importance proposal.safetensors --target {bod} --out weighted.csv --json"));
    let found: Value = serde_json::from_str(&report).unwrap();
    // A proposal that was fitted by maximum likelihood covers the target.
    assert!((number(&found, "log_evidence") - 9.088253).abs() < 0.05 && number(&found, "effective_sample_size") > 5_000.0, "{found:#}");
    let weighted = std::fs::read_to_string(folder.path().join("weighted.csv")).unwrap();
    assert!(weighted.starts_with("x.1,x.2\n") && weighted.lines().count() == 20_001);
    let run = knothe(folder.path(), &format!("importance proposal.safetensors --target {}", library("regression")));
    assert!(run.code == 1 && run.stderr.contains("libregression"), "{}", run.stderr);
    succeeds("fit draws.csv --drop x.2 --model gaussian --out other.safetensors");
    let run = knothe(folder.path(), &format!("importance other.safetensors --target {bod}"));
    assert!(run.code == 2 && run.stderr.contains("expected the unconstrained parameters of the target as columns"), "{}", run.stderr);
}
