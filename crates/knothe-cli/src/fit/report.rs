//! What a fit says before and after.

use knothe::data::Schema;
use knothe::fit::Stopped;
use knothe::models::Architecture;
use knothe::tabular::{HeldOut, Split, TableModel};

use crate::cli::FitArguments;
use crate::evaluate;
use crate::failure::Failure;
use crate::output;

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
    eprintln!(
        "fitting {} to {} rows of {} columns{given} ({} to validate{held_out})",
        architecture.model.name(),
        split.train.n,
        schema.dim(),
        split.validation.n
    );
}

/// The result: held-out log-likelihood beside the Gaussian's, the checks, and what to run next.
pub fn finish(model: &TableModel, split: &Split, arguments: &FitArguments) -> Result<(), Failure> {
    let record = &model.record;
    let checks = evaluate::checks(model, split.judge(), arguments.seed)?;
    let report = &record.report;
    if report.skipped > 0 {
        eprintln!("note: {} of {} steps were skipped because their loss or gradient was not finite", report.skipped, report.steps);
    }
    let ended = if report.stopped == Stopped::Patience { ", stopped early" } else { "" };
    let best = report.best.map_or_else(String::new, |(_, epoch)| format!(", best epoch {epoch} of {}", report.history.len()));
    eprintln!("{} steps in {:.1} s{best}{ended}", report.steps, report.seconds);
    evaluate::print_log_likelihood(model, &record.held_out, judged_on(split));
    let gain = record.held_out.mean - record.gaussian.mean;
    let verdict = if gain > 0.0 { format!("the model is {gain:.3} nats a row better") } else { "the model does NOT beat it".into() };
    eprintln!("full Gaussian of the same rows: {:.4} ± {:.4} nats; {verdict}", record.gaussian.mean, record.gaussian.two_se);
    evaluate::print_checks(&checks);
    let out = arguments.out.display();
    let given: String = model.schema.context.iter().map(|c| format!(" --given {}=…", c.name)).collect();
    eprintln!("\nwrote {out}; next:");
    eprintln!("  knothe score {out} {}      log q of each row", arguments.table.display());
    eprintln!("  knothe sample {out} -n 1000{given}      new rows");
    eprintln!("  knothe evaluate {out} TABLE      log-likelihood and checks on other rows");
    eprintln!("  knothe inspect {out}      what the file holds");
    if arguments.json {
        output::json(&evaluate::report(model, &record.held_out, &checks))?;
    }
    Ok(())
}

fn judged_on(split: &Split) -> &'static str {
    match split.held_out {
        HeldOut::Rows(_) => "held-out rows",
        HeldOut::Validation => "validation rows, which chose the epoch",
    }
}
