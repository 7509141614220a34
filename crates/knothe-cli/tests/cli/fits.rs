//! `knothe fit`: killed, interrupted, resumed; threads; what it says of a table; a real table of integers with gaps.

use std::path::Path;
use std::process::{Child, Command};

use serde_json::Value;

use crate::support::{knothe, numbers, started, succeeds, table};

const LONG: &str = "fit table.csv --drop same --layers 2 --hidden 16 --epochs 60 --batch 16 --patience 0 --threads 1";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("table.csv"), table(400)).unwrap();
    folder
}

/// A long fit that has left its first checkpoint.
fn long(folder: &Path) -> Child {
    started(folder, &format!("{LONG} --out cut.safetensors"), "cut.safetensors.checkpoint")
}

#[test]
fn a_killed_fit_resumes_to_the_same_file() {
    let folder = folder();
    let mut child = long(folder.path());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "ended by the signal, in mid-fit");
    assert!(!folder.path().join("cut.safetensors").exists());
    succeeds(folder.path(), &format!("{LONG} --out cut.safetensors --resume"));
    succeeds(folder.path(), &format!("{LONG} --out whole.safetensors"));
    let [cut, whole] = ["cut", "whole"].map(|name| std::fs::read(folder.path().join(name).with_extension("safetensors")).unwrap());
    assert!(cut == whole, "files hold the data, the options and the seed, and no reading of a clock");
    assert!(!folder.path().join("cut.safetensors.checkpoint").exists(), "a finished fit needs no checkpoint");
}

#[cfg(unix)]
#[test]
fn control_c_leaves_a_checkpoint_that_only_the_same_fit_resumes() {
    let folder = folder();
    let mut child = long(folder.path());
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!folder.path().join("cut.safetensors").exists());
    let other = knothe(folder.path(), &format!("{LONG} --out cut.safetensors --resume --lr 0.5"));
    assert_eq!(other.code, 1);
    assert!(other.error().contains("learning_rate is 0.002 there and 0.5 here"), "{}", other.stderr);
    succeeds(folder.path(), &format!("{LONG} --out cut.safetensors --resume"));
    let nothing = knothe(folder.path(), &format!("{LONG} --out cut.safetensors --resume"));
    assert!(nothing.error().contains("there is no checkpoint to resume from"), "{}", nothing.stderr);
}

#[test]
fn threads_do_not_change_the_result() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("table.csv"), table(3_000)).unwrap();
    // Wide and tall enough for matrix products to be shared out among threads.
    let held_out = |threads: usize| {
        let fit = "fit table.csv --model maf --layers 2 --hidden 512 --epochs 1 --batch 2048";
        let fit = format!("{fit} --threads {threads} --out m{threads}.safetensors --json");
        let report: Value = serde_json::from_str(&succeeds(folder.path(), &fit)).unwrap();
        report["log_likelihood"]["mean"].as_f64().unwrap()
    };
    assert!((held_out(1) - held_out(2)).abs() < 1e-4);
}

#[test]
fn the_gaussian_stands_beside_the_model_and_a_worse_model_is_said_to_be_worse() {
    let folder = folder();
    let run = knothe(folder.path(), "fit table.csv --drop k,same --hidden 8 --epochs 1 --batch 400 --out m.safetensors");
    assert!(run.stderr.contains("does NOT beat it"), "one step cannot beat the Gaussian on Gaussian data: {}", run.stderr);
    assert!(run.stdout.is_empty(), "stdout is data");
}

#[test]
fn what_has_no_density_is_named_with_the_line_that_mends_it() {
    let folder = folder();
    let mut text = String::from("constant,atom,lattice,x\n");
    for (i, row) in numbers(&table(2_000)).iter().enumerate() {
        let atom = if i % 20 == 0 { 0.5 } else { row[1] };
        text += &format!("7.5,{atom},{},{}\n", 0.18 * (5.0 * row[2]).round(), row[2] * row[1]);
    }
    std::fs::write(folder.path().join("odd.csv"), text).unwrap();
    let run = knothe(folder.path(), "fit odd.csv --hidden 8 --epochs 1 --out m.safetensors");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let expected = [
        "columns: 'atom' continuous, with special values 0.5; 'lattice' multiples of 0.18; 'x' continuous",
        "'constant' is 7.5 in every row",
        "hint: --drop constant leaves it out of the samples too",
    ];
    expected.iter().for_each(|line| assert!(run.stderr.contains(line), "{line}: {}", run.stderr));
    let samples = succeeds(folder.path(), "sample m.safetensors -n 1000");
    assert!(samples.starts_with("constant,atom,lattice,x\n"));
    let (rows, on_lattice) = (numbers(&samples), |v: f64| (v / 0.18 - (v / 0.18).round()).abs() < 1e-9);
    assert!(rows.iter().all(|row| row[0] == 7.5 && on_lattice(row[2])));
    let atoms = rows.iter().filter(|row| row[1] == 0.5).count();
    assert!((20..100).contains(&atoms), "{atoms} of 1,000, of which 50 are expected");
    let schema = succeeds(folder.path(), "schema odd.csv --drop x --out -");
    assert_eq!(
        schema,
        "{\n  \"atom\": {\"kind\":\"continuous\",\"special\":[0.5]},\n  \"lattice\": {\"lattice\":{\"offset\":0.0,\"step\":0.18}}\n}\n"
    );
}

#[test]
fn flights_have_gaps_and_whole_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let flights = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/flights.parquet");
    let fit = format!("fit {flights} --model made --hidden 16 --epochs 1 --out flights.safetensors");
    let refused = knothe(folder.path(), &format!("{fit} --missing reject"));
    assert_eq!(refused.code, 1);
    assert!(refused.error().contains("missing values: 'dep_delay' "), "{}", refused.stderr);
    assert!(refused.error().contains("'air_time' ") && refused.stderr.contains("--missing drop"), "{}", refused.stderr);
    assert!(!folder.path().join("flights.safetensors").exists());

    succeeds(folder.path(), &fit);
    let missing = succeeds(folder.path(), "sample flights.safetensors -n 2000");
    assert!(missing.lines().any(|line| line.starts_with(",,")), "cancelled flights have no delays");
    succeeds(folder.path(), &format!("{fit} --missing drop"));
    let samples = succeeds(folder.path(), "sample flights.safetensors -n 200 --seed 3");
    assert!(!samples.contains('.'), "integers are written as integers");
    assert_eq!(numbers(&samples).len(), 200);
    let report: Value = serde_json::from_str(&succeeds(folder.path(), &format!("evaluate flights.safetensors {flights} --json"))).unwrap();
    assert_eq!(report["exactness"], "exact");
    assert!(report["units"].as_str().unwrap().contains("mass"));
}

#[test]
fn flows_of_universal_maps_go_from_fit_to_samples() {
    let folder = folder();
    let forms = ["--form generative", "--triangular coupling", "--triangular coupling --form generative --mixing lu"];
    let maps = ["nsf", "naf", "naf_ddsf", "sos --degree 2", "mixture_cdf"].map(str::to_owned).into_iter();
    let copulas = ["nsf --marginals 16".to_owned()];
    for model in maps.chain(forms.map(|form| format!("sos {form}"))).chain(forms.map(|form| format!("mixture_cdf {form}"))).chain(copulas) {
        let fit = format!("fit table.csv --drop same --layers 2 --hidden 16 --components 4 --epochs 2 --out m.safetensors --model {model}");
        succeeds(folder.path(), &fit);
        assert_eq!(succeeds(folder.path(), "sample m.safetensors -n 20").lines().count(), 21, "{model}");
        let scores = numbers(&succeeds(folder.path(), "score m.safetensors table.csv"));
        assert!(scores.len() == 400 && scores.iter().flatten().all(|l| l.is_finite()), "{model}");
        let inspected = succeeds(folder.path(), "inspect m.safetensors");
        assert!(inspected.contains("components 4"), "{model}");
        assert_eq!(inspected.contains("marginals 16"), model.contains("marginals"), "{inspected}");
    }
}
