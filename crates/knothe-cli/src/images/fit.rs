//! `knothe fit` on images.

use std::path::Path;

use knothe::events::table::{MissingPolicy, images::ImageSet};
use knothe::families::{ImageArchitecture, ImageModel, Mixing, SourceKind};
use knothe::fit::{Checkpoint, Checkpoints, FitConfig};
use knothe::imaging::{BitsPerDim, FitImages, PictureModel, PixelCoding, fit_images, split};
use knothe::tabular::{HeldOut, Split, Weighting};
use knothe::{Error, Placement};
use serde_json::Value;

use super::arguments::Noise;
use super::report::{bits, document};
use crate::failure::{Failure, say};
use crate::fit::report::{course, note_skipped};
use crate::fit::{CHECKPOINT_EVERY, check_writable, checkpoint_path, interrupted, job, note_replaced, progress::Bar, unless_unprinted};
use crate::fit_arguments::{ActivationName, FitArguments};
use crate::output::print_json;

/// Images a step, and the learning rate, unless the user has others: a Glow of MNIST's digits is at 1.83 bits per dimension after 1,200 steps with it, and at
/// 2.17 with a quarter of it.
const BATCH: usize = 32;
const LEARNING_RATE: f64 = 4e-3;

/// Channels of the network that learns the noise.
const NOISE_WIDTH: usize = 32;

/// Runs the command.
pub fn fit(arguments: &FitArguments) -> Result<(), Failure> {
    let model = model(arguments)?;
    let precision = arguments.precision.into();
    let place = Placement::named(&arguments.runtime.device, precision)?;
    check_writable(&arguments.out)?;
    let images = arguments.images.set.read(&arguments.table)?;
    let coding = PixelCoding::of(&images, arguments.images.bits.map(usize::from))?;
    let architecture = architecture(arguments, model, &coding);
    let split = parts(arguments, images)?;
    let (config, checkpoint) = (
        arguments.config(FitConfig { batch: BATCH, learning_rate: LEARNING_RATE, ..FitConfig::default() }),
        checkpoint_path(&arguments.out),
    );
    let name = arguments.table.display().to_string();
    let job = FitImages { name: &name, split: &split, coding: &coding, architecture: &architecture, config: &config, place: &place };
    let described = job::describe_images(&job, precision);
    let resume = if arguments.resume { Some(resumed(&checkpoint, &described)?) } else { None };
    note_replaced(resume.is_none(), &checkpoint);
    start(&job);
    let checkpoints = Checkpoints { path: checkpoint.clone(), every: CHECKPOINT_EVERY, job: described };
    let mut progress = Bar::new(config.batch.min(split.train.len()), vec![model.name()])?.of_images(coding.shape.dim());
    let fitted = fit_images(&job, Some(&checkpoints), resume, &mut progress)?;
    progress.finish();
    let fitted = fitted.ok_or_else(|| interrupted(&checkpoint))?;
    fitted.save(&arguments.out)?;
    unless_unprinted(&arguments.out, finish(&fitted, &split, arguments))?;
    // The model is safe now; a checkpoint that stays is only in the way.
    let _ = std::fs::remove_file(&checkpoint);
    Ok(())
}

/// The model of images; options of tables are an error.
fn model(arguments: &FitArguments) -> Result<ImageModel, Failure> {
    let name = match arguments.models.as_slice() {
        [] => ImageModel::Glow.name(),
        [one] => one,
        _ => return Err(Failure::usage("--model: expected one model for images, found an ensemble", "")),
    };
    let known = ImageModel::ALL.into_iter().find(|m| m.name() == name);
    let model = known.ok_or_else(|| {
        let message = format!("--model: expected glow or real_nvp for images, found {name}");
        Failure::usage(message, format!("{} is a set of images", arguments.table.display()))
    })?;
    let a = arguments;
    let of_tables = [
        ("--ensemble", a.ensemble.is_some()),
        ("--ensemble-weights", Weighting::from(a.ensemble_weights) != Weighting::Uniform),
        ("--context", !a.context.is_empty()),
        ("--drop", !a.drop.is_empty()),
        ("--weights", a.weights.is_some()),
        ("--schema", a.schema.is_some()),
        ("--missing", MissingPolicy::from(a.missing) != MissingPolicy::Reject),
        ("--layers", a.layers.is_some()),
        ("--hidden", a.hidden.is_some()),
        ("--components", a.components.is_some()),
        ("--degree", a.degree.is_some()),
        ("--triangular", a.triangular.is_some()),
        ("--form", a.form.is_some()),
        ("--mixing", Mixing::from(a.mixing) != Mixing::Reversed),
        ("--batch-norm", a.batch_norm),
        ("--marginals", a.marginals.is_some()),
        ("--source", SourceKind::from(a.source) != SourceKind::Normal),
        ("--residual", a.residual),
        ("--activation", !matches!(a.activation, ActivationName::Silu)),
        ("--noise", a.noise > 0.0),
    ];
    if let Some((option, _)) = of_tables.iter().find(|(_, given)| *given) {
        let hint = "the size of a model of images is --levels, --steps-per-level, --width and --widening; its context is --labels";
        return Err(Failure::usage(format!("{option}: expected a table, found images"), hint));
    }
    Ok(model)
}

fn architecture(arguments: &FitArguments, model: ImageModel, coding: &PixelCoding) -> ImageArchitecture {
    let own = ImageArchitecture::new(model, coding.shape, coding.classes.len(), arguments.seed);
    let options = &arguments.images;
    ImageArchitecture {
        bits: coding.bits,
        levels: options.levels.unwrap_or(own.levels),
        steps: options.steps_per_level.unwrap_or(own.steps),
        width: options.width.unwrap_or(own.width),
        widening: options.widening.unwrap_or(own.widening),
        scale: options.coupling.map_or(own.scale, Into::into),
        noise_width: if options.dequantisation == Noise::Variational { NOISE_WIDTH } else { 0 },
        ..own
    }
}

fn parts(arguments: &FitArguments, images: ImageSet) -> Result<Split<ImageSet>, Failure> {
    match &arguments.validation {
        None => Ok(split(&images, arguments.seed)?),
        Some(path) => {
            let validation = arguments.images.set.read(path)?;
            Ok(Split { train: images, validation, held_out: HeldOut::Validation })
        }
    }
}

fn resumed(path: &Path, job: &Value) -> Result<Checkpoint, Failure> {
    if !path.exists() {
        return Err(Error::model_file(path, "there is no checkpoint to resume from", "leave out --resume to start").into());
    }
    let read = Checkpoint::read(path)?;
    job::check_same(path, &read.job, job)?;
    say(format_args!("resuming {} after {} steps", path.display(), read.steps()));
    Ok(read)
}

/// One line before the fit.
fn start(job: &FitImages) {
    let PixelCoding { shape, depth, bits, classes, .. } = job.coding;
    let held_out = match &job.split.held_out {
        HeldOut::Rows(images) => format!(", {} held out", images.len()),
        HeldOut::Validation => String::new(),
    };
    let given = if classes.is_empty() { String::new() } else { format!(" given one of {} classes", classes.len()) };
    let of = if bits < depth { format!(" of {depth}") } else { String::new() };
    say(format_args!(
        "fitting {} to {} images of {} × {} × {} numbers (channels × height × width) of {bits}{of} bits{given} ({} to validate{held_out})",
        job.architecture.model.name(),
        job.split.train.len(),
        shape.channels,
        shape.height,
        shape.width,
        job.split.validation.len(),
    ));
}

/// The result, and what to run next.
fn finish(model: &PictureModel, split: &Split<ImageSet>, arguments: &FitArguments) -> Result<(), Failure> {
    let report = &model.member.report;
    note_skipped(&[report]);
    let judged = match &split.held_out {
        HeldOut::Rows(_) => "held-out images",
        HeldOut::Validation => "validation images, which chose the epoch",
    };
    let found = BitsPerDim::of(&model.record.held_out, model.coding.shape.dim());
    let (out, table) = (arguments.out.display(), arguments.table.display());
    let given = if model.coding.classes.is_empty() { "" } else { " --labels …" };
    say(format_args!(
        "{}; on the {judged}:\n\n{}\nwrote {out}; next:\n  \
         knothe sample {out} -n 64 --out grid.png    a picture of new images\n  \
         knothe evaluate {out} {table}{given}    bits per dimension\n  \
         knothe inspect {out}    what the file holds",
        course(report),
        bits(model, &found),
    ));
    if arguments.json { print_json(&document(model, &found)) } else { Ok(()) }
}
