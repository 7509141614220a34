//! Estimates from weighted draws.

use serde_json::Value;

use crate::{
    posterior::library,
    support::{knothe, numbers},
};

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

/// π̃(x) = x on [0, 1] with draws from the uniform law on [0, 2]: Z = ½, and the mean of x is ⅔.
#[test]
fn weights_in_a_table_may_be_0() {
    let folder = tempfile::tempdir().unwrap();
    let weight = |x: f64| if x < 1.0 { (2.0 * x).ln() } else { f64::NEG_INFINITY };
    let rows: Vec<String> = (0..400).map(|i| (f64::from(i) + 0.5) / 200.0).map(|x| format!("{x},{}", weight(x))).collect();
    std::fs::write(folder.path().join("draws.csv"), format!("x,log_weight\n{}\n", rows.join("\n"))).unwrap();
    // The draws take standard output.
    let run = knothe(folder.path(), "importance draws.csv --log-weights log_weight --out - --json");
    let found: Value = serde_json::from_str(&run.stderr).unwrap();
    assert!((number(&found, "log_evidence") - 0.5f64.ln()).abs() < 1e-5, "{found:#}");
    assert!((number(&found["columns"][0], "mean") - 2.0 / 3.0).abs() < 5e-3 && found["log_evidence_is_reliable"] == true, "{found:#}");
    let picked = numbers(&run.stdout);
    assert!(picked.len() == 400 && picked.iter().all(|row| row[0] < 1.0), "{}", run.stdout);
    // Only weights may be infinite, and only below.
    for (text, expected) in [
        ("x,log_weight\n-inf,0.5\n1.5,0.5\n", "column 'x', row 1: expected a finite number, found -inf"),
        ("x,log_weight\n0.5,0.5\n1.5,inf\n", "column 'log_weight', row 2: expected a finite number, found inf"),
    ] {
        std::fs::write(folder.path().join("wrong.csv"), text).unwrap();
        let run = knothe(folder.path(), "importance wrong.csv --log-weights log_weight");
        assert!(run.code == 1 && run.error().contains(expected), "{}", run.stderr);
    }
}

/// Weights u^(−0.9) for uniform u have a tail with k = 0.9.
#[test]
fn the_error_of_the_evidence_of_weights_with_a_heavy_tail_is_no_interval() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<String> = (0..400).map(|i| (f64::from(i) + 0.5) / 400.0).map(|u| format!("{u},{}", -0.9 * u.ln())).collect();
    std::fs::write(folder.path().join("draws.csv"), format!("u,log_weight\n{}\n", rows.join("\n"))).unwrap();
    let found: Value = serde_json::from_str(&knothe(folder.path(), "importance draws.csv --log-weights log_weight --json").stdout).unwrap();
    assert!(found["reliability"] != "good" && found["log_evidence_is_reliable"] == false, "{found:#}");
    let text = knothe(folder.path(), "importance draws.csv --log-weights log_weight").stdout;
    assert!(text.contains("(unreliable, see importance; two standard errors are "), "{text}");
}

#[test]
fn a_target_need_not_be_defined_at_all_draws_of_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let odd = |is: &str| format!("{} --data {{\"is\":\"{is}\"}}", library("odd"));
    let run = |arguments: &str| knothe(folder.path(), arguments);
    let made = run(&format!("posterior {} -n 1000 --map-draws 64 --maps 0 --unconstrained --out draws.csv", odd("refused_somewhere")));
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert_eq!(run("fit draws.csv --model gaussian --out q.safetensors").code, 0);
    let weighed = |is: &str, more: &str| run(&format!("importance q.safetensors --target {} --draws 2000 {more}", odd(is)));
    let refused = weighed("refused_somewhere", "");
    assert!(refused.stdout.contains("of 2000 weighted draws have no density: a is above 1.5"), "{} {}", refused.stdout, refused.stderr);
    let undefined = weighed("undefined_somewhere", "--json");
    let found: Value = serde_json::from_str(&undefined.stdout).unwrap_or_default();
    assert!((1.0..500.0).contains(&number(&found, "undefined_draws")), "{found:#} {}", undefined.stderr);
    // It has no parameters where it has no density. The mean of the other half of a normal law is √(2/π).
    let bounded = weighed("bounded_parameters", "--out picked.csv --json");
    let found: Value = serde_json::from_str(&bounded.stdout).unwrap_or_default();
    let mean = number(&found["columns"][0], "mean");
    assert!((mean - std::f64::consts::FRAC_2_PI.sqrt()).abs() < 0.2 && number(&found, "undefined_draws") == 0.0, "{found:#}");
    let picked = numbers(&std::fs::read_to_string(folder.path().join("picked.csv")).unwrap());
    assert!(picked.len() == 2000 && picked.iter().all(|row| row[0] >= 0.0));
    for (is, expected) in [
        ("panic", "odd"),
        ("panic", "expected a density at some of 2000 draws from the proposal, found none"),
        ("panic", "the target says: the target panicked at "),
        ("infinite_somewhere", "expected a log density below infinity, found inf at x = ("),
    ] {
        let run = weighed(is, "");
        assert!(run.code == 1 && run.stderr.contains(expected) && run.stdout.is_empty(), "{is}: {} {}", run.code, run.stderr);
    }
}
