//! `knothe fit --continue`: a finished model is trained further.

use std::path::Path;

use serde_json::Value;

use crate::support::{knothe, numbers, started, succeeds, table};

const FIRST: &str = "fit table.csv --validation new.csv --context class --drop same --model maf --layers 2 --hidden 16 --batch 64 --seed 3";

/// A folder with two tables and a model of one epoch, and its likelihood on the validation rows.
fn folder() -> (tempfile::TempDir, f64) {
    let folder = tempfile::tempdir().unwrap();
    let all = table(900);
    let (train, new) = all.split_at(all.match_indices('\n').nth(700).unwrap().0 + 1);
    std::fs::write(folder.path().join("table.csv"), train).unwrap();
    std::fs::write(folder.path().join("new.csv"), format!("class,x,y,k,same\n{new}")).unwrap();
    let found = likelihood(folder.path(), &format!("{FIRST} --epochs 1 --out m.safetensors"));
    (folder, found)
}

fn likelihood(folder: &Path, fit: &str) -> f64 {
    let report: Value = serde_json::from_str(&succeeds(folder, &format!("{fit} --json"))).unwrap();
    report["log_likelihood"]["mean"].as_f64().unwrap()
}

fn inspected(folder: &Path, file: &str) -> Value {
    serde_json::from_str(&succeeds(folder, &format!("inspect {file} --json"))).unwrap()
}

#[test]
fn a_model_becomes_better_and_keeps_its_columns() {
    let (folder, before) = folder();
    let old = inspected(folder.path(), "m.safetensors");
    let further = "fit table.csv --validation new.csv --continue m.safetensors --batch 64";
    let after = likelihood(folder.path(), &format!("{further} --epochs 2 --out m.safetensors"));
    assert!(after > before, "{after} after {before}");
    let new = inspected(folder.path(), "m.safetensors");
    for part in ["columns", "context", "dropped", "precision"] {
        assert_eq!(old[part], new[part], "{part}");
    }
    assert_eq!(old["members"][0]["recipe"], new["members"][0]["recipe"]);
    assert_eq!(new["members"][0]["config"]["seed"], 3, "the seed of the split is that of the model");
    assert_eq!(numbers(&succeeds(folder.path(), "score m.safetensors new.csv")).len(), 200);
    // Steps that make a model worse are not kept.
    let worse = likelihood(folder.path(), &format!("{further} --epochs 1 --lr 10 --warm-up 0 --clip 1e9 --out w.safetensors"));
    assert!((worse - after).abs() < 1e-6 && inspected(folder.path(), "w.safetensors")["members"][0]["report"]["best"][1] == 0, "{worse}");
}

#[test]
fn what_belongs_to_the_model_cannot_be_set_and_other_data_are_refused() {
    let (folder, _) = folder();
    let further = |options: &str| knothe(folder.path(), &format!("fit --continue m.safetensors --epochs 1 --out n.safetensors {options}"));
    for option in ["--model nsf", "--ensemble 2", "--precision f64", "--context x", "--drop k", "--missing drop"] {
        let (run, name) = (further(&format!("table.csv {option}")), option.split(' ').next().unwrap());
        assert!(run.code == 2 && run.stderr.contains(name) && run.stderr.contains("--continue"), "{option}: {}", run.stderr);
    }
    let run = further("table.csv --layers 3 --hidden 8");
    assert!(run.code == 2 && run.error().contains("--hidden, --layers") && run.error().contains("--continue"), "{}", run.stderr);
    let run = further("table.csv --weights k");
    assert!(run.code == 2 && run.error().contains("--weights"), "{}", run.stderr);
    std::fs::write(folder.path().join("other.csv"), "class,x,k\n0,1,2\n1,1,2\n0,2,3\n").unwrap();
    let run = further("other.csv");
    assert!(run.code == 1 && run.error().contains("'y'"), "{}", run.stderr);
    assert!(!folder.path().join("n.safetensors").exists());
}

#[test]
fn an_ensemble_goes_on_after_a_signal_as_without_it() {
    let (folder, _) = folder();
    succeeds(folder.path(), &format!("{FIRST} --ensemble 2 --ensemble-weights validation --epochs 1 --out e.safetensors"));
    let further = "fit table.csv --validation new.csv --continue e.safetensors --epochs 40 --batch 16 --patience 0 --threads 1";
    let mut child = started(folder.path(), &format!("{further} --out cut.safetensors"), "cut.safetensors.checkpoint");
    child.kill().unwrap();
    child.wait().unwrap();
    let anew =
        knothe(folder.path(), &format!("{FIRST} --ensemble 2 --ensemble-weights validation --epochs 40 --out cut.safetensors --resume"));
    assert!(anew.code == 1 && anew.error().contains("start"), "{}", anew.stderr);
    succeeds(folder.path(), &format!("{further} --out cut.safetensors --resume"));
    succeeds(folder.path(), &format!("{further} --out whole.safetensors"));
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("cut.safetensors") == read("whole.safetensors"));
}

#[test]
fn images_go_on_too() {
    let folder = tempfile::tempdir().unwrap();
    let digits = format!("{}/../../data/digits.npz --labels labels --batch 16", env!("CARGO_MANIFEST_DIR"));
    let first = likelihood(folder.path(), &format!("fit {digits} --steps 2 --steps-per-level 1 --width 8 --levels 1 --out d.safetensors"));
    let next = likelihood(folder.path(), &format!("fit {digits} --continue d.safetensors --steps 4 --out d.safetensors"));
    assert!(next > first, "{next} after {first}");
}

/// A small table has small batches, and a fit that goes on keeps them.
#[test]
fn the_batch_depends_on_the_rows_and_is_kept() {
    let (folder, _) = folder();
    let batch = |fit: &str| {
        let report: Value = serde_json::from_str(&succeeds(folder.path(), &format!("{fit} --json"))).unwrap();
        report["fit"]["members"][0]["batch"].as_u64().unwrap()
    };
    let fit = "fit table.csv --model maf --layers 1 --hidden 8 --epochs 1 --drop same";
    assert_eq!(batch(&format!("{fit} --out a.safetensors")), 32);
    assert_eq!(batch(&format!("{fit} --batch 50 --out b.safetensors")), 50);
    let further = "fit table.csv --continue b.safetensors --epochs 1 --out c.safetensors";
    assert_eq!((batch(further), batch(&format!("{further} --batch 20"))), (50, 20));
    let run = knothe(folder.path(), &format!("{fit} --out a.safetensors"));
    assert!(run.stderr.contains(" steps of 32 rows in "), "{}", run.stderr);
    // A checkpoint keeps the batch that it was written with.
    let long = "fit table.csv --drop same --layers 2 --hidden 16 --epochs 60 --patience 0 --threads 1 --out d.safetensors";
    let mut child = started(folder.path(), &format!("{long} --batch 16"), "d.safetensors.checkpoint");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(batch(&format!("{long} --resume")), 16);
}
