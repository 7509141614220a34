//! `knothe inspect`: what a model file holds.

mod moments;

use std::fmt::Write;

use knothe::{
    Exactness, SavedModel,
    events::table::{Kind, SchemaColumn},
    families::{Architecture, Model},
    file::FORMAT,
    fit::{FitReport, Stopped},
    tabular::{LogLikelihood, Member, TableModel, Weighting},
};
use serde_json::{Value, json};

use crate::{
    cli::InspectArguments,
    failure::Failure,
    images,
    output::{print, print_json},
};

/// Prints what a model file holds.
pub fn run(arguments: &InspectArguments) -> Result<(), Failure> {
    let model = match SavedModel::load(&arguments.model, "cpu")? {
        SavedModel::Table(model) => model,
        SavedModel::Images(model) => return images::inspect(&model, arguments),
    };
    if arguments.moments {
        return moments::run(&model, arguments.at.as_deref(), arguments.json);
    }
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
        "model": families(model.members.iter().map(|m| &m.architecture)),
        "members": model.members,
        "member_weights": model.mixture().weights(),
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

/// The names of the models that members take in turn, as `--model` has them.
pub fn families<'a>(architectures: impl IntoIterator<Item = &'a Architecture>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for architecture in architectures {
        let name = architecture.model.name();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(",")
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

/// How a fit went, in a line.
pub fn course(report: &FitReport) -> String {
    let stopped = match report.stopped {
        Stopped::Finished => "all steps taken",
        Stopped::Patience => "no better validation for a while",
        Stopped::Interrupted => "interrupted",
    };
    let (epochs, skipped) = (report.history.len(), report.skipped);
    format!("{} steps in {:.0} s, {epochs} epochs, {skipped} skipped; {stopped}", report.steps, report.seconds)
}

/// What a member is and how its fit went, line by line.
fn part(member: &Member, parameters: usize) -> Vec<(&'static str, String)> {
    let (a, report) = (&member.architecture, &member.report);
    let hidden: Vec<String> = a.hidden.iter().map(usize::to_string).collect();
    let degree = if a.model == Model::Sos { format!(", degree {} within ±{}", a.degree, a.bound) } else { String::new() };
    let size = format!("layers {}, hidden {}, components {}{degree}; {parameters} parameters", a.layers, hidden.join(","), a.components);
    let fit = course(report);
    let mut lines = vec![("model", format!("{} ({})", a.model.name(), a.model.summary()))];
    let (triangular, form) = a.product();
    lines.extend(a.model.leaves_product_open().then(|| ("product", format!("{}, {} form", triangular.name(), form.name()))));
    lines.extend((a.marginals > 0).then(|| ("marginals", format!("of the columns, {} bins", a.marginals))));
    lines.extend([("size", size), ("fit", fit)]);
    lines.extend(report.best.map(|(best, epoch)| ("validation", format!("{best:.4} nats a row at epoch {epoch}"))));
    lines
}

fn report(model: &TableModel) -> String {
    let record = &model.record;
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
    for (k, ((member, weight), flow)) in model.members.iter().zip(model.mixture().weights()).zip(model.mixture().members()).enumerate() {
        if ensemble {
            let order = if member.architecture.random_order { ", random order of columns" } else { "" };
            line(&format!("member {}", k + 1), format!("weight {weight:.4}, seed {}{order}", member.architecture.seed));
        }
        let parameters = knothe::parameters::count(flow);
        part(member, parameters).into_iter().for_each(|(name, value)| line(name, value));
        if ensemble {
            line("held out", nats(&member.held_out));
        }
    }
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
    line("held out", nats(&record.held_out));
    if let Some(gaussian) = &record.gaussian {
        line("Gaussian", format!("{} on the same rows", nats(gaussian)));
    }
    text
}
