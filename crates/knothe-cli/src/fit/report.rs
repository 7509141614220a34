//! What a fit says before and after.

use knothe::data::Schema;
use knothe::evaluate::Checks;
use knothe::fit::Stopped;
use knothe::models::Architecture;
use knothe::tabular::{FitRecord, HeldOut, Split, TableModel};

use crate::evaluate;
use crate::failure::{Failure, say};
use crate::fit_arguments::FitArguments;
use crate::inspect::nats;
use crate::output::print_json;

/// One line before the fit.
pub fn start(split: &Split, schema: &Schema, architecture: &Architecture) {
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
        architecture.model.name(),
        split.train.n,
        schema.dim(),
        split.validation.n
    ));
}

/// The result: held-out log-likelihood beside the Gaussian's, the checks, and what to run next.
pub fn finish(model: &TableModel, checks: &Checks, split: &Split, arguments: &FitArguments) -> Result<(), Failure> {
    let (record, report) = (&model.record, &model.record.report);
    if report.skipped > 0 {
        say(format_args!("note: {} of {} steps were skipped because their loss or gradient was not finite", report.skipped, report.steps));
    }
    let ended = if report.stopped == Stopped::Patience { ", stopped early" } else { "" };
    let best = report.best.map_or_else(String::new, |(_, epoch)| format!(", best epoch {epoch} of {}", report.history.len()));
    say(format_args!("{} steps in {:.1} s{best}{ended}; on the {}:\n", report.steps, report.seconds, judged_on(split)));
    let text = evaluate::report(model, &record.held_out, checks);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    say(format_args!("{first}\nfull Gaussian   {}\n{rest}", beside_gaussian(record)));
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

fn judged_on(split: &Split) -> &'static str {
    match split.held_out {
        HeldOut::Rows(_) => "held-out rows",
        HeldOut::Validation => "validation rows, which chose the epoch",
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
