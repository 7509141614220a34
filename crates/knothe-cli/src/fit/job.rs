//! What a checkpoint must agree on with the command that resumes it.

use std::path::Path;

use knothe::data::{Rows, Schema};
use knothe::fit::FitConfig;
use knothe::models::Architecture;
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

fn checksum(rows: &Rows) -> Value {
    let mut hasher = crc32fast::Hasher::new();
    let weights = rows.weights.iter().flatten();
    for value in rows.x.iter().chain(&rows.context).chain(weights) {
        hasher.update(&value.to_le_bytes());
    }
    json!({ "rows": rows.n, "crc32": hasher.finalize() })
}
