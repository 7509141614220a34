//! `knothe fit --ensemble`: what the mixture is, and what is left when the fit is killed.

use serde_json::Value;

use crate::support::{fitted, knothe, numbers, started, succeeds, table, weights};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("table.csv"), table(400)).unwrap();
    folder
}

#[test]
fn scores_are_the_log_mean_exp_of_the_members_fitted_alone() {
    let folder = folder();
    // One column has one order, and a table to validate with leaves no split to the seed.
    let fit = "fit table.csv --drop x,k,same --context class --validation table.csv --hidden 8 --components 3 --epochs 2 --threads 1";
    let useless = knothe(folder.path(), &format!("{fit} --model made_mog,sos --degree 2 --out both.safetensors"));
    assert!(useless.code == 2 && useless.error().contains("--degree means nothing to the model made_mog"), "{}", useless.stderr);
    succeeds(folder.path(), &format!("{fit} --model made_mog,nsf --seed 5 --precision f64 --out both.safetensors"));
    succeeds(folder.path(), &format!("{fit} --model made_mog --seed 5 --precision f64 --out first.safetensors"));
    succeeds(folder.path(), &format!("{fit} --model nsf --seed 6 --precision f64 --out second.safetensors"));
    let scores = |model: &str| numbers(&succeeds(folder.path(), &format!("score {model}.safetensors table.csv"))).concat();
    let (both, first, second) = (scores("both"), scores("first"), scores("second"));
    assert_ne!(first, second);
    for ((both, a), b) in both.iter().zip(&first).zip(&second) {
        let expected = (0.5 * a.exp() + 0.5 * b.exp()).ln();
        // Two exponentials and a logarithm in 64 bits, of numbers of the order of 1.
        assert!((both - expected).abs() < 1e-12, "{both} {expected}");
    }
    let report: Value = serde_json::from_str(&succeeds(folder.path(), "evaluate both.safetensors table.csv --json")).unwrap();
    let members = report["fit"]["members"].as_array().unwrap();
    let names: Vec<&str> = members.iter().map(|m| m["model"].as_str().unwrap()).collect();
    assert_eq!(names, ["made_mog", "nsf"]);
    assert!(members.iter().all(|m| m["weight"] == 0.5 && m["held_out"]["mean"].is_f64()), "{report}");
    let text = succeeds(folder.path(), "inspect both.safetensors");
    assert!(
        text.contains("2 members") && text.contains("member 2     weight 0.5000, seed 6") && text.contains("random_order true"),
        "{text}"
    );
}

#[test]
fn an_ensemble_says_how_each_member_does_and_its_weights_are_the_likeliest() {
    let folder = folder();
    let fit = "fit table.csv --drop same --model maf,nsf --ensemble 3 --layers 1 --hidden 8 --epochs 3 --threads 1 --json";
    let fit = |weights: &str| {
        let run = knothe(folder.path(), &format!("{fit} --validation table.csv --ensemble-weights {weights} --out m.safetensors"));
        assert_eq!(run.code, 0, "{}", run.stderr);
        (serde_json::from_str::<Value>(&run.stdout).unwrap(), run.stderr)
    };
    let ((uniform, _), (validation, said)) = (fit("uniform"), fit("validation"));
    for line in ["an ensemble of 3 (maf,nsf)", "member 2 of 3: nsf", "member 3 of 3: maf", "\nmember 1  ", "\nmember 3  ", "baseline"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let mean = |report: &Value| report["log_likelihood"]["mean"].as_f64().unwrap();
    let members = |report: &Value| report["fit"]["members"].as_array().unwrap().clone();
    let numbers = |report: &Value, key: fn(&Value) -> f64| members(report).iter().map(key).collect::<Vec<f64>>();
    let (total, best) = (
        numbers(&validation, |m| m["weight"].as_f64().unwrap()).iter().sum::<f64>(),
        numbers(&validation, |m| m["held_out"]["mean"].as_f64().unwrap()).into_iter().fold(f64::NEG_INFINITY, f64::max),
    );
    // The weights are within 1e-6 nats of the likeliest of these very rows, in the 32 bits of the members.
    assert!(mean(&validation) > best.max(mean(&uniform)) - 2e-6 && (total - 1.0).abs() < 1e-9, "{validation} {uniform}");
    assert_ne!(numbers(&validation, |m| m["weight"].as_f64().unwrap()), [1.0 / 3.0; 3]);
    let single = fitted().join("model.safetensors");
    let single: Value = serde_json::from_str(&succeeds(folder.path(), &format!("inspect {} --json", single.display()))).unwrap();
    assert_eq!((single["members"].as_array().unwrap().len(), &single["member_weights"][0]), (1, &1.0.into()));
}

#[test]
fn an_ensemble_killed_in_its_second_member_resumes_to_the_same_weights() {
    let folder = folder();
    let fit = "fit table.csv --drop same --layers 2 --hidden 16 --epochs 30 --batch 16 --patience 0 --threads 1 --ensemble 2";
    let (first, second) = (folder.path().join("cut.safetensors.checkpoint"), folder.path().join("cut.safetensors.checkpoint.1"));
    let mut child = started(folder.path(), &format!("{fit} --out cut.safetensors"), "cut.safetensors.checkpoint.1");
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "ended by the signal, in mid-fit");
    assert!(first.exists() && !folder.path().join("cut.safetensors").exists());
    let other = knothe(folder.path(), &format!("{fit} --out cut.safetensors --resume --ensemble-weights validation"));
    assert!(other.error().contains("weights is \"uniform\" there and \"validation\" here"), "{}", other.stderr);
    let run = knothe(folder.path(), &format!("{fit} --out cut.safetensors --resume"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("after 1 of 2 members, and "), "{}", run.stderr);
    assert!(!run.stderr.contains("member 1 of 2") && run.stderr.contains("member 2 of 2"), "{}", run.stderr);
    succeeds(folder.path(), &format!("{fit} --out whole.safetensors"));
    assert!(weights(&folder.path().join("cut.safetensors")) == weights(&folder.path().join("whole.safetensors")));
    assert!(!first.exists() && !second.exists(), "a finished fit needs no checkpoint");
}
