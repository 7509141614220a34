//! What a fit says before and after.

use knothe::evaluate::Checks;
use knothe::events::table::Schema;
use knothe::families::Architecture;
use knothe::fit::{FitReport, Stopped};
use knothe::tabular::{FitRecord, HeldOut, Member, Split, TableModel, Weighting};

use crate::evaluate;
use crate::failure::{Failure, say};
use crate::fit_arguments::FitArguments;
use crate::inspect::{families, nats};
use crate::output::print_json;

/// One line before the fit.
pub fn start(split: &Split, schema: &Schema, architectures: &[Architecture]) {
    let held_out = match &split.held_out {
        HeldOut::Rows(rows) => format!(", {} held out", rows.n),
        HeldOut::Validation => String::new(),
    };
    let given = if schema.context.is_empty() {
        String::new()
    } else {
        format!(" given {}", schema.context.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "))
    };
    say(format_args!(
        "fitting {} to {} rows of {} columns{given} ({} to validate{held_out})",
        match architectures {
            [one] => one.model.name().into(),
            all => format!("an ensemble of {} ({})", all.len(), families(all)),
        },
        split.train.n,
        schema.dim(),
        split.validation.n
    ));
}

/// Says how many steps were skipped, and how often a fit went back; returns the steps.
pub fn note_skipped(reports: &[&FitReport]) -> u64 {
    let sum = |count: fn(&FitReport) -> u64| reports.iter().map(|r| count(r)).sum::<u64>();
    let (steps, skipped, retreats) = (sum(|r| r.steps), sum(|r| r.skipped), sum(|r| r.retreats.into()));
    if skipped > 0 {
        say(format_args!("note: {skipped} of {steps} steps were skipped because their loss or gradient was not finite"));
    }
    if retreats > 0 {
        say(format_args!("note: the fit diverged {retreats} times, and went on from its best epoch with half the learning rate"));
    }
    steps
}

/// The result: held-out log-likelihood beside the Gaussian's, the checks, and what to run next.
pub fn finish(model: &TableModel, checks: &Checks, split: &Split, arguments: &FitArguments) -> Result<(), Failure> {
    let record = &model.record;
    let reports: Vec<&FitReport> = model.members.iter().map(|m| &m.report).collect();
    let steps = note_skipped(&reports);
    let what = match model.members.as_slice() {
        [one] => course(&one.report),
        all => format!("{} members, {steps} steps in {:.1} s", all.len(), all.iter().map(|m| m.report.seconds).sum::<f64>()),
    };
    say(format_args!("{what}; on the {}:\n", judged_on(split, record.weighting)));
    let text = evaluate::report(model, &record.held_out, checks);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    say(format_args!("{first}\n{}full Gaussian   {}\n{rest}", each_member(model), beside_gaussian(record)));
    let (out, table) = (arguments.out.display(), arguments.table.display());
    let given: String = model.schema.context.iter().map(|c| format!(" --given {}=…", c.name)).collect();
    say(format_args!(
        "wrote {out}; next:\n  \
         knothe score {out} {table}    log_prob of each row\n  \
         knothe sample {out} -n 1000{given}    new rows\n  \
         knothe evaluate {out} TABLE    log-likelihood and checks on other rows\n  \
         knothe inspect {out}    what the file holds"
    ));
    if arguments.json { print_json(&evaluate::document(model, &record.held_out, 0, checks)) } else { Ok(()) }
}

/// How a fit went.
pub fn course(report: &FitReport) -> String {
    let ended = if report.stopped == Stopped::Patience { ", stopped early" } else { "" };
    let best = report.best.map_or_else(String::new, |(_, epoch)| format!(", best epoch {epoch} of {}", report.history.len()));
    format!("{} steps in {:.1} s{best}{ended}", report.steps, report.seconds)
}

/// One line a member of an ensemble, with its own log-likelihood; nothing for a single model.
fn each_member(model: &TableModel) -> String {
    let line = |(k, (m, weight)): (usize, (&Member, &f64))| {
        let name = m.architecture.model.name();
        format!("{:<15} {}; {name}, weight {weight:.3}, {}\n", format!("member {}", k + 1), nats(&m.held_out), course(&m.report))
    };
    let members = if model.members.len() > 1 { model.members.as_slice() } else { &[] };
    members.iter().zip(model.mixture().weights()).enumerate().map(line).collect()
}

fn judged_on(split: &Split, weighting: Weighting) -> &'static str {
    match (&split.held_out, weighting) {
        (HeldOut::Rows(_), _) => "held-out rows",
        (HeldOut::Validation, Weighting::Uniform) => "validation rows, which chose the epoch",
        (HeldOut::Validation, Weighting::Validation) => "validation rows, which chose the epochs and the weights",
    }
}

/// The full Gaussian's log-likelihood, and whether the model beats it.
fn beside_gaussian(record: &FitRecord) -> String {
    let Some(gaussian) = &record.gaussian else { return "none: the training rows have no covariance of full rank".into() };
    let gain = record.held_out.mean - gaussian.mean;
    let verdict = if gain > 0.0 {
        format!("the model is {gain:.3} nats a row better")
    } else if gain == 0.0 {
        "which this model is".into()
    } else {
        format!("the model does NOT beat it: it is {:.3} nats a row worse", -gain)
    };
    format!("{}; {verdict}", nats(gaussian))
}
