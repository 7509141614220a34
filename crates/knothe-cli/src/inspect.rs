//! `knothe inspect`: the contents of a model file.

use std::fmt::Write;
use std::iter::once;
use std::path::{Path, PathBuf};

use knothe::{
    Model,
    file::FORMAT,
    model::{Member, Weighting},
};
use serde_json::{Value, json};

use crate::{
    cli::InspectArguments,
    failure::{Failure, printable},
    kind::{Kind, meaningless},
    output::{check_report, print, print_json},
    words::{course, exactness, families, likelihood, mean},
};

/// Prints the contents of a model file.
pub fn run<C: Kind>(model: &Model<C>, arguments: &InspectArguments) -> Result<(), Failure> {
    let inputs: Vec<&Path> = once(&arguments.model).chain(&arguments.at).map(PathBuf::as_path).collect();
    check_report(&inputs)?;
    if arguments.moments {
        return if C::QUANTITIES { C::moments(model, arguments) } else { Err(meaningless::<C>("--moments")) };
    }
    arguments.text_files.check(&[])?;
    if arguments.json { print_json(&document(model)) } else { print(&report(model)) }
}

fn document<C: Kind>(model: &Model<C>) -> Value {
    let mut document = json!({
        "format": FORMAT,
        "kind": C::KIND,
        "model": families(model.members.iter().map(|m| m.recipe.name())),
        "members": model.members,
        "member_weights": model.mixture().weights(),
        "parameters": model.parameters(),
        "precision": model.placement().precision,
        "exactness": exactness(model),
        "fit": model.record,
    });
    for (key, value) in model.coding.document().as_object().into_iter().flatten() {
        document[key] = value.clone();
    }
    document
}

/// A member and the course of its fit, line by line.
fn part<C: Kind>(coding: &C, member: &Member, parameters: usize) -> Vec<(&'static str, String)> {
    let (recipe, report) = (&member.recipe, &member.report);
    let options = recipe.family().options().iter().map(|option| format!("{} {}", option.name, recipe.get(option))).collect::<Vec<_>>();
    let mut lines = vec![("model", format!("{} ({})", recipe.name(), recipe.family().about()))];
    lines.extend((!options.is_empty()).then(|| ("options", options.join(", "))));
    lines.push(("size", format!("{parameters} parameters")));
    lines.push(("fit", course(report)));
    lines.extend(report.best.map(|(best, epoch)| ("validation", format!("{} at epoch {epoch}", mean(coding, best)))));
    lines
}

fn report<C: Kind>(model: &Model<C>) -> String {
    let (record, coding, [_, events]) = (&model.record, &model.coding, C::WORDS);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    let ensemble = model.members.len() > 1;
    if ensemble {
        let weights = if record.weighting == Weighting::Validation { "of the validation rows" } else { "uniform" };
        line("ensemble", format!("{} members, weights {weights}; {} parameters", model.members.len(), model.parameters()));
    }
    for (k, ((member, weight), network)) in model.members.iter().zip(model.mixture().weights()).zip(model.mixture().members()).enumerate() {
        if ensemble {
            line(&format!("member {}", k + 1), format!("weight {weight:.4}, seed {}", member.recipe.start_seed()));
        }
        part(coding, member, knothe::parameters::count(network)).into_iter().for_each(|(name, value)| line(name, value));
        if ensemble {
            line("held out", likelihood(coding, &member.held_out));
        }
    }
    line("file", format!("format {FORMAT}, kind {}, written by knothe {}", C::KIND, printable(&record.version, false)));
    line("log_prob", exactness(model).replace('_', " "));
    coding.shown().into_iter().for_each(|(name, value)| line(&name, value));
    let (train, validation, held_out) = record.rows;
    line("fitted to", format!("{train} {events}, {validation} to choose the epoch, {held_out} held out"));
    line("held out", likelihood(coding, &record.held_out));
    if let Some(gaussian) = &record.gaussian {
        line(
            if coding.baseline_name() == "full Gaussian" { "Gaussian" } else { "baseline" },
            format!("{} on the same {events}", likelihood(coding, gaussian)),
        );
    }
    text
}
