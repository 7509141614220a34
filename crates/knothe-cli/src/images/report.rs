//! `knothe evaluate` and `knothe inspect` on a model of images.

use std::fmt::Write;

use knothe::families::ImageArchitecture;
use knothe::imaging::{BitsPerDim, PictureModel};
use knothe::{Preprocessing, file::FORMAT};
use serde_json::{Value, json};

use crate::{
    cli::{EvaluateArguments, InspectArguments},
    failure::Failure,
    inspect::course,
    output::{print, print_json},
};

/// Prints the bits per dimension of images.
pub fn evaluate(model: &PictureModel, arguments: &EvaluateArguments) -> Result<(), Failure> {
    if !arguments.given.is_empty() {
        return Err(Failure::usage("--given: expected a model of a table, found one of images", "--labels has the classes of images"));
    }
    if arguments.set.labels.is_some() && model.coding.classes.is_empty() {
        return Err(Failure::usage("--labels: expected a model of classes, and this one has none", "leave it out"));
    }
    let images = arguments.set.read(&arguments.table)?;
    let found = model.bits_per_dim(&images, arguments.noise.scoring())?;
    if arguments.json { print_json(&document(model, &found)) } else { print(&bits(model, &found)) }
}

/// The result for people.
pub fn bits(model: &PictureModel, found: &BitsPerDim) -> String {
    let (dim, coding) = (model.coding.shape.dim(), &model.coding);
    let of = if coding.bits < coding.depth { format!(", of the first {} of {} bits", coding.bits, coding.depth) } else { String::new() };
    format!(
        "bits/dim        {:.4} ± {:.4} (two standard errors) on {} images of {dim} numbers{of}\n{:<15} from a lower bound of log P: the model itself has these or fewer\n",
        found.mean, found.two_se, found.images, ""
    )
}

/// The result for programs.
pub fn document(model: &PictureModel, found: &BitsPerDim) -> Value {
    json!({
        "bits_per_dim": found,
        "exactness": "lower_bound",
        "dim": model.coding.shape.dim(),
        "bits": model.coding.bits,
        "depth": model.coding.depth,
        "fit": { "held_out": BitsPerDim::of(&model.record.held_out, model.coding.shape.dim()) },
    })
}

/// Prints what the file holds.
pub fn inspect(model: &PictureModel, arguments: &InspectArguments) -> Result<(), Failure> {
    if arguments.moments {
        return Err(Failure::usage("--moments: expected a model of a table, found one of images", ""));
    }
    if !arguments.json {
        return print(&contents(model));
    }
    print_json(&json!({
        "format": FORMAT,
        "kind": "images",
        "model": model.member.architecture.model.name(),
        "member": model.member,
        "parameters": model.parameters(),
        "precision": model.placement().precision,
        "exactness": "lower_bound",
        "coding": model.coding,
        "fit": model.record,
    }))
}

fn contents(model: &PictureModel) -> String {
    let (a, coding, record) = (&model.member.architecture, &model.coding, &model.record);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    line("model", format!("{}, of images ({})", a.model.name(), a.model.summary()));
    let ImageArchitecture { levels, steps, width, widening, .. } = a;
    let size = format!("levels {levels}, steps per level {steps}, width {width}, widening {widening}; {} parameters", model.parameters());
    line("size", size);
    line("fit", course(&model.member.report));
    let of_dim = |log_prob: f64| knothe::bits_per_dim(log_prob, coding.shape.dim());
    if let Some((best, epoch)) = model.member.report.best {
        line("validation", format!("{:.4} bits/dim at epoch {epoch}", of_dim(best)));
    }
    line("file", format!("format {FORMAT}, written by knothe {}", record.version));
    line("log_prob", "lower bound".into());
    let shape = coding.shape;
    line("images", format!("{} × {} × {} numbers (channels × height × width)", shape.channels, shape.height, shape.width));
    let through = match a.preprocessing {
        Preprocessing::Centred => "centred".to_owned(),
        Preprocessing::Logit { alpha } => format!("logit, α = {alpha}"),
    };
    line("numbers", format!("{} bits of {}; white is {}; {through}", coding.bits, coding.depth, coding.white));
    if !coding.classes.is_empty() {
        line("classes", coding.classes.iter().map(i64::to_string).collect::<Vec<_>>().join(", "));
    }
    let (train, validation, held_out) = record.rows;
    line("fitted to", format!("{}: {train} images, {validation} to choose the epoch, {held_out} held out", record.table));
    let found = BitsPerDim::of(&record.held_out, shape.dim());
    line("held out", format!("{:.4} ± {:.4} bits/dim", found.mean, found.two_se));
    text
}
