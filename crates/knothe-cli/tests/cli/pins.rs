//! Seeded fits whose numbers must not change. A commit that changes them on purpose says so, and why.

use std::path::Path;

use serde_json::Value;

use crate::support::{numbers, succeeds};

/// In 64 bits, after a handful of steps, machines with other vector instructions differ by rounding alone: parameters by 1e-12, and likelihoods by no more than
/// this share.
const ROUNDING: f64 = 1e-8;

/// The held-out log-likelihood of a fit, and the mean of its scores.
fn found(folder: &Path, fit: &str, data: &str, options: &str) -> [f64; 2] {
    let report: Value = serde_json::from_str(&succeeds(folder, &format!("fit {data} {fit} --out m.safetensors --json"))).unwrap();
    let scores = numbers(&succeeds(folder, &format!("score m.safetensors {data} {options}"))).concat();
    [report["log_likelihood"]["mean"].as_f64().unwrap(), scores.iter().sum::<f64>() / scores.len() as f64]
}

/// Of each family held out and over all rows, without a warm-up of the learning rate.
const PINS: [(&str, [f64; 2]); 4] = [
    ("maf_mog", [-33.8524856646078, -33.79714841497586]),
    ("nsf", [-30.860060338710447, -30.833267997149793]),
    ("sos", [-33.00876852993238, -33.11557152367503]),
    ("real_nvp", [-32.319586374459824, -32.386887730844826]),
];
const ENSEMBLE: [f64; 2] = [-30.832877560875026, -30.505549529714393];
const GLOW: [f64; 2] = [-166.458623192105, -166.56033222178542];

fn data(name: &str) -> String {
    format!("{}/../../data/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn assert_pinned(what: &str, found: [f64; 2], expected: [f64; 2]) {
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((found - expected).abs() <= ROUNDING * expected.abs(), "{what}: {found} and not {expected}");
    }
}

#[test]
fn fits_of_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let small = "--drop class --steps 6 --precision f64 --warm-up 0 --seed 1 --whiten=false";
    for (family, expected) in PINS {
        assert_pinned(family, found(folder.path(), &format!("--model {family} {small}"), &data("magic.parquet"), ""), expected);
    }
    let ensemble = "--model maf_mog,nsf --ensemble-weights validation --context class --weights fSize --steps 6 --precision f64 --warm-up 0 --seed 1 --whiten=false";
    assert_pinned("an ensemble", found(folder.path(), ensemble, &data("magic.parquet"), ""), ENSEMBLE);
}

#[test]
fn fits_of_images() {
    let folder = tempfile::tempdir().unwrap();
    let small = "--labels labels --steps 4 --steps-per-level 1 --width 8 --precision f64 --warm-up 0 --seed 1";
    assert_pinned("glow", found(folder.path(), &format!("--model glow {small}"), &data("digits.npz"), "--labels labels"), GLOW);
}
