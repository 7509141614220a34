//! `knothe evaluate`: the log-likelihood of a table, and whether the density can be trusted.

use std::fmt::Write;

use knothe::{
    Exactness, SavedModel,
    evaluate::{Checks, Verdict, check},
    events::table::{Need, Table},
    tabular::{LogLikelihood, Member, TableModel},
};
use serde_json::json;

use crate::{
    cli::EvaluateArguments,
    failure::{Failure, say},
    given, images,
    inspect::{exactness, nats},
    output::{print, print_json},
};

/// Evaluates a model on a table.
pub fn run(arguments: &EvaluateArguments) -> Result<(), Failure> {
    arguments.runtime.start()?;
    let model = match SavedModel::load(&arguments.model, &arguments.runtime.device)? {
        SavedModel::Table(model) => model,
        SavedModel::Images(model) => return images::evaluate(&model, arguments),
    };
    if let Some(option) = arguments.set.given() {
        return Err(Failure::usage(format!("{option}: expected a model of images, found one of a table"), ""));
    }
    given::check(&arguments.given, &model.schema)?;
    let mut table = Table::read_skipping(&arguments.table, &given::skipped(&arguments.given, &model.schema))?;
    given::set(&mut table, &arguments.given);
    let rows = model.schema.rows(&table, Need::Evaluate)?;
    if rows.dropped > 0 {
        say(format_args!("warning: {} rows lack a value and are left out", rows.dropped));
    }
    let log_likelihood = LogLikelihood::of(&model.log_prob(&rows, arguments.noise.scoring())?, rows.weights.as_deref());
    let checks = check(&model, &rows, arguments.noise.seed)?;
    if arguments.json {
        print_json(&document(&model, &log_likelihood, rows.dropped, &checks))
    } else {
        print(&report(&model, &log_likelihood, &checks))
    }
}

/// The report for programs.
pub fn document(model: &TableModel, log_likelihood: &LogLikelihood, dropped: usize, checks: &Checks) -> serde_json::Value {
    json!({
        "log_likelihood": log_likelihood,
        "units": units(model),
        "exactness": exactness(model),
        "dropped": dropped,
        "checks": checks,
        "fit": { "held_out": model.record.held_out, "gaussian": model.record.gaussian, "members": members(model) },
    })
}

/// The members of the mixture, briefly.
fn members(model: &TableModel) -> Vec<serde_json::Value> {
    let one = |(m, weight): (&Member, &f64)| {
        let (name, seed) = (m.architecture.model.name(), m.architecture.seed);
        json!({ "model": name, "seed": seed, "weight": weight, "held_out": m.held_out })
    };
    model.members.iter().zip(model.mixture().weights()).map(one).collect()
}

/// What log_prob counts, in words.
pub fn units(model: &TableModel) -> String {
    let (mass, density): (Vec<_>, Vec<_>) = model.schema.modelled().partition(|c| c.kind.lattice().is_some());
    let names = |columns: &[&knothe::events::table::SchemaColumn]| columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    match (density.is_empty(), mass.is_empty()) {
        (_, true) => "nats a row: the log density, in the units of the columns".into(),
        (true, _) => "nats a row: the log mass".into(),
        _ => format!("nats a row: the log of a density in {} (in their units) times a mass in {}", names(&density), names(&mass)),
    }
}

/// The report for people; one line a check, and what to make of those that do not pass.
pub fn report(model: &TableModel, log_likelihood: &LogLikelihood, checks: &Checks) -> String {
    let mut text = String::new();
    let bound = if model.exactness() == Exactness::LowerBound { ", a lower bound" } else { "" };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "log-likelihood  {}{bound}; {} rows", nats(log_likelihood), log_likelihood.rows);
    let _ = writeln!(text, "units           {}", units(model));
    let _ = write!(text, "{}", report_checks(checks));
    text
}

/// One line a check, and what a failure means.
pub fn report_checks(checks: &Checks) -> String {
    let name = |j: Option<usize>| j.and_then(|j| checks.columns.get(j)).map_or("", String::as_str);
    let (ks, energy, tails) = (&checks.ks, &checks.energy, &checks.tails);
    let worst = name((0..ks.distances.len()).max_by(|&a, &b| ks.distances[a].total_cmp(&ks.distances[b])));
    let smallest = ks.p_values.iter().copied().fold(1.0, f64::min);
    let ks_line = format!(
        "largest distance to uniform {:.4}, in '{worst}'; tolerated {}, explained by chance {:.4}; smallest p-value {smallest:.1e}",
        ks.largest, ks.threshold, ks.chance
    );
    let energy_line = format!(
        "samples are {:.2} times as far from the data as the data from themselves; tolerated {:.2}; {} rows",
        energy.relative, energy.threshold, energy.rows
    );
    let odd: Vec<&str> = (0..tails.coordinates.len()).filter(|&j| !tails.coordinates[j].is_explained()).map(|j| name(Some(j))).collect();
    let of = if odd.is_empty() { String::new() } else { format!("; off in {}", odd.join(", ")) };
    let overall = &tails.overall;
    let tails_line = format!(
        "share of surprises {:.5}, expected {}, explained by chance {:.5} to {:.5}{of}",
        overall.share, tails.expected, overall.interval[0], overall.interval[1]
    );
    let meaning = |check: &str| match check {
        "ks" => "the centre of that column's conditional density is off: fit longer, or with more layers or components",
        "energy" => "shape, scale or dependence of the columns is off: do not rely on samples",
        _ => "the tails are too light (share too large) or too heavy: do not rely on log_prob of extreme rows",
    };
    let mut text = String::new();
    for ((check, verdict), line) in checks.verdicts().into_iter().zip([ks_line, energy_line, tails_line]) {
        let word = match verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::Undecided => "undecided",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{check:<15} {word}: {line}");
        let _ = match verdict {
            Verdict::Pass => Ok(()),
            Verdict::Fail => writeln!(text, "{:<15} {}", "", meaning(check)),
            Verdict::Undecided => writeln!(text, "{:<15} too few rows to tell", ""),
        };
    }
    text
}
