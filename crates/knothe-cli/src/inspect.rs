//! `knothe inspect`: what a model file holds.

use std::fmt::Write;

use knothe::{
    Exactness,
    data::{Kind, SchemaColumn},
    file::FORMAT,
    fit::Stopped,
    models::Model,
    tabular::{LogLikelihood, TableModel},
};
use serde_json::{Value, json};

use crate::{
    cli::InspectArguments,
    failure::Failure,
    output::{print, print_json},
};

/// Prints what a model file holds.
pub fn run(arguments: &InspectArguments) -> Result<(), Failure> {
    let model = TableModel::load(&arguments.model, "cpu")?;
    if arguments.json { print_json(&document(&model)) } else { print(&report(&model)) }
}

/// What log_prob counts in a column: density, mass, or nothing where it is constant.
fn units(column: &SchemaColumn) -> &'static str {
    match column.kind {
        Kind::Constant(_) => "constant",
        kind if kind.lattice().is_some() => "mass",
        _ => "density",
    }
}

/// "exact" or "lower_bound".
pub fn exactness(model: &TableModel) -> &'static str {
    match model.exactness() {
        Exactness::Exact => "exact",
        Exactness::LowerBound => "lower_bound",
    }
}

fn document(model: &TableModel) -> Value {
    let column = |c: &SchemaColumn| json!({ "name": c.name, "kind": c.kind, "units": units(c), "shift": c.shift, "scale": c.scale });
    json!({
        "format": FORMAT,
        "model": model.architecture.model.name(),
        "architecture": model.architecture,
        "parameters": model.parameters(),
        "precision": model.placement().precision,
        "exactness": exactness(model),
        "columns": model.schema.columns.iter().map(column).collect::<Vec<_>>(),
        "context": model.schema.context,
        "weights": model.schema.weights,
        "dropped": model.schema.dropped,
        "missing": model.schema.missing,
        "fit": model.record,
    })
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Continuous => "continuous".into(),
        Kind::Positive => "positive".into(),
        Kind::Bounded([a, b]) => format!("between {a} and {b}"),
        Kind::Integer => "integer".into(),
        Kind::Binary => "0 or 1".into(),
        Kind::Lattice(l) => format!("{} + multiples of {}", l.offset, l.step),
        Kind::Constant(value) => format!("always {value}"),
    }
}

/// A mean with its error.
pub fn nats(l: &LogLikelihood) -> String {
    format!("{:.4} ± {:.4} nats a row", l.mean, l.two_se)
}

fn report(model: &TableModel) -> String {
    let (a, record) = (&model.architecture, &model.record);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    let hidden: Vec<String> = a.hidden.iter().map(usize::to_string).collect();
    line("model", format!("{} ({})", a.model.name(), a.model.summary()));
    let degree = if a.model == Model::Sos { format!(", degree {}", a.degree) } else { String::new() };
    line(
        "size",
        format!("layers {}, hidden {}, components {}{degree}; {} parameters", a.layers, hidden.join(","), a.components, model.parameters()),
    );
    line("file", format!("format {FORMAT}, written by knothe {}", record.version));
    line("log_prob", exactness(model).replace('_', " "));
    for (j, c) in model.schema.columns.iter().enumerate() {
        line(if j == 0 { "columns" } else { "" }, format!("{} ({}; {})", c.name, kind(c.kind), units(c)));
    }
    for (j, c) in model.schema.context.iter().enumerate() {
        line(if j == 0 { "context" } else { "" }, c.name.clone());
    }
    let (train, validation, held_out) = record.rows;
    line("fitted to", format!("{}: {train} rows, {validation} to choose the epoch, {held_out} held out", record.table));
    let stopped = match record.report.stopped {
        Stopped::Finished => "all steps taken",
        Stopped::Patience => "no better validation for a while",
        Stopped::Interrupted => "interrupted",
    };
    let report = &record.report;
    line(
        "fit",
        format!(
            "{} steps in {:.0} s, {} epochs, {} skipped; {stopped}",
            report.steps,
            report.seconds,
            report.history.len(),
            report.skipped
        ),
    );
    if let Some((best, epoch)) = report.best {
        line("validation", format!("{best:.4} nats a row at epoch {epoch}"));
    }
    line("held out", nats(&record.held_out));
    if let Some(gaussian) = &record.gaussian {
        line("Gaussian", format!("{} on the same rows", nats(gaussian)));
    }
    text
}
