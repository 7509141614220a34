//! What a checkpoint must agree on with the command that resumes it.

use std::{collections::BTreeMap, path::Path};

use knothe::{
    Error, Hint, Model, Precision, Result,
    events::{Coding, Events},
    families::Setting,
    model::{
        Fitting, Resume,
        race::{Candidate, Race},
    },
};
use serde_json::{Value, json};

/// Everything that decides the fit: the members, the settings, the coding, the events (by a checksum), and the model that it goes on with (by the steps taken
/// and the likelihood reached, to the last digit).
pub fn describe<C: Coding>(fitting: &Fitting<C>, precision: Precision, from: Option<&Model<C>>) -> Result<Value> {
    let mut job = json!({
        "ensemble": { "members": fitting.recipes.len(), "weights": fitting.weighting },
        "settings": fitting.config,
        "precision": precision,
        "start": from.map(|model| json!({ "steps": steps(model), "log-likelihood": model.record.held_out })),
        "coding": fitting.coding,
        "training rows": checksum(fitting.coding, &fitting.split.train)?,
        "validation rows": checksum(fitting.coding, &fitting.split.validation)?,
    });
    for (k, recipe) in fitting.recipes.iter().enumerate() {
        let key = if k == 0 { "model".into() } else { format!("model of member {}", k + 1) };
        let mut recipe = json!(recipe);
        // The space is that of the coding, and options are told one by one.
        let options = recipe["options"].take();
        let own = ["family", "seed"].map(|part| (part.to_owned(), recipe[part].take()));
        job[key] = own.into_iter().chain(options.as_object().cloned().into_iter().flatten()).collect();
    }
    Ok(job)
}

/// Everything that decides a race: the candidates, the budget, the coding and the events.
pub fn describe_race<C: Coding>(race: &Race<C>) -> Result<Value> {
    let (coding, split) = (race.coding, race.split);
    let candidate = |candidate: &Candidate| {
        let settings: BTreeMap<&str, &Setting> = candidate.recipe.settings().collect();
        json!({ "model": candidate.recipe.name(), "options": settings, "settings": candidate.config })
    };
    Ok(json!({
        "candidates": race.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "budget": race.budget,
        "precision": race.place.precision,
        "coding": coding,
        "training rows": checksum(coding, &split.train)?,
        "validation rows": checksum(coding, &split.validation)?,
    }))
}

/// The number of events, and a checksum of what a fit reads of them.
fn checksum<C: Coding>(coding: &C, events: &C::Events) -> Result<Value> {
    let crc32 = coding.encode(events)?.checksum();
    Ok(json!({ "rows": events.len(), "crc32": crc32 }))
}

/// The batch of the fit that left a checkpoint.
pub fn batch(left: &Resume) -> Option<usize> {
    left.jobs().find_map(|(_, job)| job["settings"]["batch"].as_u64()?.try_into().ok())
}

fn steps<C: Coding>(model: &Model<C>) -> Vec<u64> {
    model.members.iter().map(|member| member.report.steps).collect()
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
            if inner.is_empty() || part == "coding" { part.clone() } else { inner.iter().map(show).collect::<Vec<_>>().join(", ") }
        })
        .collect();
    let reason = format!("the checkpoint belongs to another fit; the differences are: {}", each.join("; "));
    Err(Error::model_file(path, reason, Hint::ResumeSame))
}
