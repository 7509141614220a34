//! What a checkpoint must agree on with the command that resumes it.

use std::path::Path;

use knothe::events::table::{Rows, Schema, images::ImageSet};
use knothe::families::Architecture;
use knothe::fit::FitConfig;
use knothe::imaging::FitImages;
use knothe::tabular::{Split, Weighting};
use knothe::{Error, Precision, Result};
use serde_json::{Value, json};

/// Everything that decides the fit: the model, the settings, the columns and the rows (by a checksum).
pub fn describe(
    architectures: &[Architecture],
    weighting: Weighting,
    config: &FitConfig,
    schema: &Schema,
    split: &Split,
    precision: Precision,
) -> Value {
    let mut job = json!({
        "ensemble": { "members": architectures.len(), "weights": weighting },
        "settings": config,
        "precision": precision,
        "columns": schema,
        "training rows": checksum(&split.train),
        "validation rows": checksum(&split.validation),
    });
    for (k, architecture) in architectures.iter().enumerate() {
        let key = if k == 0 { "model".into() } else { format!("model of member {}", k + 1) };
        job[key] = json!(architecture);
    }
    job
}

/// Refuses a checkpoint of another fit, and says in what it differs.
pub fn check_same(path: &Path, found: &Value, expected: &Value) -> Result<()> {
    let differs = |a: &Value, b: &Value| {
        let keys = a.as_object().into_iter().flatten().filter(|(key, value)| b[key.as_str()] != **value);
        keys.map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    let mut parts = differs(expected, found);
    // Ensembles of different sizes differ in their members as well.
    if parts.iter().any(|part| part == "ensemble") {
        parts = vec!["ensemble".into()];
    }
    if parts.is_empty() {
        return Ok(());
    }
    let each: Vec<String> = parts
        .iter()
        .map(|part| {
            let inner = differs(&expected[part], &found[part]);
            let show = |key: &String| format!("{key} is {} there and {} here", found[part][key], expected[part][key]);
            if inner.is_empty() || part == "columns" { part.clone() } else { inner.iter().map(show).collect::<Vec<_>>().join(", ") }
        })
        .collect();
    let reason = format!("the checkpoint is of another fit: {} differ", each.join("; "));
    Err(Error::model_file(path, reason, "repeat the command that was interrupted, with --resume; or leave out --resume to start anew"))
}

/// As [`describe`], of a fit to images.
pub fn describe_images(job: &FitImages, precision: Precision) -> Value {
    json!({
        "model": job.architecture,
        "settings": job.config,
        "precision": precision,
        "coding": job.coding,
        "training rows": checksum_images(&job.split.train),
        "validation rows": checksum_images(&job.split.validation),
    })
}

fn checksum(rows: &Rows) -> Value {
    let numbers = rows.x.iter().chain(&rows.context).chain(rows.weights.iter().flatten());
    checksum_of(rows.n, numbers.map(|v| v.to_le_bytes()))
}

fn checksum_images(images: &ImageSet) -> Value {
    let labels = images.labels.iter().flatten().map(|l| l.to_le_bytes());
    let (eights, rest) = images.pixels.as_chunks();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    checksum_of(images.len(), eights.iter().copied().chain([last]).chain(labels))
}

fn checksum_of(rows: usize, numbers: impl Iterator<Item = [u8; 8]>) -> Value {
    let mut hasher = crc32fast::Hasher::new();
    numbers.for_each(|bytes| hasher.update(&bytes));
    json!({ "rows": rows, "crc32": hasher.finalize() })
}
