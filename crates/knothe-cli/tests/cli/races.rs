//! `fit --model auto`: candidates inside a budget.

use serde_json::Value;

use crate::support::{knothe, started, succeeds, table, weights};

const RACE: &str = "fit table.csv --context class --model auto --budget 120steps --threads 1 --out auto.safetensors";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("table.csv"), table(400)).unwrap();
    folder
}

#[test]
fn a_race_reports_its_candidates_and_ends_with_their_mixture() {
    let folder = folder();
    let run = knothe(folder.path(), &format!("{RACE} --json"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let race = document["race"].as_array().unwrap();
    let weight: f64 = race.iter().map(|candidate| candidate["weight"].as_f64().unwrap()).sum();
    assert!((weight - 1.0).abs() < 1e-9, "{race:?}");
    assert_eq!(race[0]["model"], "gaussian");
    let steps: u64 = race.iter().map(|candidate| candidate["steps"].as_u64().unwrap()).sum();
    // Each run has a whole number of steps, at least 1.
    assert!((100..=140).contains(&steps), "{steps}");
    let gaussian = document["fit"]["gaussian"]["mean"].as_f64().unwrap();
    // The rows are Gaussian. 40 held-out rows: what the weights of the mixture cost.
    assert!(document["log_likelihood"]["mean"].as_f64().unwrap() > gaussian - 0.1, "{document}");
    assert!(run.stderr.contains("candidates, by their log-likelihood on the validation rows:\n"), "{}", run.stderr);
    assert!(!folder.path().join("auto.safetensors.checkpoint").exists());
    let text = succeeds(folder.path(), "inspect auto.safetensors");
    assert!(text.contains("gaussian"), "{text}");
}

#[test]
fn a_race_that_was_killed_ends_with_the_same_bytes() {
    let folder = folder();
    succeeds(folder.path(), RACE);
    let whole = std::fs::read(folder.path().join("auto.safetensors")).unwrap();
    // Six runs without steps, six flows in the first rung, three in the second, two in the third and one. The eighth run is in the first rung, the sixteenth has a checkpoint of its own.
    for run in [7, 15] {
        std::fs::remove_file(folder.path().join("auto.safetensors")).unwrap();
        let mut child = started(folder.path(), RACE, &format!("auto.safetensors.checkpoint.{run}"));
        child.kill().unwrap();
        child.wait().unwrap();
        let run = knothe(folder.path(), &format!("{RACE} --resume"));
        assert!(run.code == 0 && run.stderr.contains("resuming auto.safetensors.checkpoint after "), "{}", run.stderr);
        let resumed = std::fs::read(folder.path().join("auto.safetensors")).unwrap();
        assert!(resumed == whole && weights(&folder.path().join("auto.safetensors")).len() > 100);
        assert!(!folder.path().join("auto.safetensors.checkpoint.3").exists());
    }
    // The split of the rows is that of the race.
    succeeds(folder.path(), "fit table.csv --continue auto.safetensors --steps 1 --out more.safetensors");
    let record = |model: &str| -> Value { serde_json::from_str(&succeeds(folder.path(), &format!("inspect {model} --json"))).unwrap() };
    assert_eq!(record("more.safetensors")["gaussian"], record("auto.safetensors")["gaussian"]);
}

#[test]
fn a_short_budget_ends_with_a_model() {
    let folder = folder();
    let run = knothe(folder.path(), "fit table.csv --model auto --budget 0.01s --out auto.safetensors");
    assert!(run.code == 0 && run.stderr.contains("candidates not fitted because the budget is too short: "), "{}", run.stderr);
}

#[test]
fn options_of_one_fit_are_refused_in_a_race() {
    let folder = folder();
    for (options, expected) in [
        ("--model auto --hidden 8", "--hidden: expected no options of families, training or ensembles with --model auto"),
        ("--model auto --epochs 3 --noise 0.1", "--epochs, --noise: expected no options of families"),
        ("--model auto,maf", "--model: expected auto alone"),
        ("--model auto --ensemble 3", "--ensemble: expected no options of families"),
        ("--budget 5m", "--budget: expected --model auto"),
        ("--model auto --budget 5", "expected a time such as 90s, 5m or 1h"),
    ] {
        let run = knothe(folder.path(), &format!("fit table.csv {options} --out auto.safetensors"));
        assert!(run.code == 2 && run.stderr.contains(expected), "{options}: {}", run.stderr);
        assert!(!folder.path().join("auto.safetensors").exists());
    }
}
