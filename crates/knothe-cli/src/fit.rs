//! `knothe fit`: from events to a model file.

pub mod job;
pub mod members;
pub mod progress;
pub mod report;
mod room;

use std::path::{Path, PathBuf};

use knothe::{
    Error, Placement,
    events::{image::Pixels, table::Schema},
    fit::Checkpoints,
    model::{Fitting, Resume, check_checkpoints, remove_checkpoints},
};
use serde_json::Value;

use crate::{
    failure::{Failure, say},
    fit_arguments::FitArguments,
    kind::{Kind, Opened, refuse_others},
    output::{check_writable, is_stdout},
};

/// Seconds between two checkpoints.
const CHECKPOINT_EVERY: f64 = 15.0;

/// Runs the command on the kind of event that the data hold.
pub fn run(arguments: &FitArguments) -> Result<(), Failure> {
    if members::is_images(arguments) { fit::<Pixels>(arguments) } else { fit::<Schema>(arguments) }
}

fn fit<C: Kind>(arguments: &FitArguments) -> Result<(), Failure> {
    let found =
        if C::NOUN == "images" { "images".into() } else { format!("{} {}", C::NOUN.replace("a ", "the "), arguments.data.display()) };
    refuse_others::<C>(&found, &arguments.supplied())?;
    let families = members::families::<C>(arguments)?;
    let precision = arguments.precision.into();
    let place = Placement::named(&arguments.runtime.device, precision)?;
    let checkpoint = checkpoint_path(&arguments.out);
    check_outputs(arguments, &checkpoint, families.len())?;
    let Opened { coding, split } = C::open(arguments, members::law(&families)?)?;
    let recipes = members::recipes(arguments, &families, &coding)?;
    members::check(arguments, &recipes)?;
    room::check(&recipes, &split, &coding, precision, &arguments.out)?;
    let own = recipes.first().map(|recipe| recipe.family().fitting()).unwrap_or_default();
    let (config, weighting) = (arguments.config(own), arguments.ensemble_weights.into());
    let fitting = Fitting { split: &split, coding: &coding, recipes: &recipes, weighting, config: &config, place: &place };
    let job = job::describe(&fitting, precision)?;
    let resume = if arguments.resume { Some(resumed(&checkpoint, recipes.len(), &job)?) } else { None };
    note_replaced(resume.is_none(), &checkpoint);
    report::start(&fitting);
    let checkpoints = Checkpoints { path: checkpoint.clone(), every: CHECKPOINT_EVERY, job };
    let names = recipes.iter().map(|recipe| recipe.name()).collect();
    let mut progress = progress::Bar::new(&coding, config.batch, names);
    let model = fitting.run(Some(&checkpoints), resume, &mut progress)?;
    progress.finish();
    let model = model.ok_or_else(|| interrupted(&checkpoint))?;
    let checks = model.check(split.judge(), arguments.seed)?;
    model.save(&arguments.out).map_err(|e| not_saved(e, &checkpoint, recipes.len()))?;
    // The model is safe now, whatever happens to the report.
    remove_checkpoints(&checkpoint, recipes.len());
    report::finish(&model, &checks, &split, arguments)
}

/// Checks before any work that the outputs can be written, and that they destroy no other file.
fn check_outputs(arguments: &FitArguments, checkpoint: &Path, members: usize) -> Result<(), Failure> {
    let out = &arguments.out;
    if is_stdout(out) {
        return Err(Failure::usage("--out -: expected a file, because checkpoints are written beside it", ""));
    }
    let others = [&arguments.validation, &arguments.schema].into_iter().flatten().map(PathBuf::as_path);
    let named = [&arguments.labels, &arguments.weights].into_iter().flatten().map(Path::new);
    let inputs: Vec<&Path> = std::iter::once(arguments.data.as_path()).chain(others).chain(named).collect();
    check_writable(out, &inputs)?;
    check_writable(checkpoint, &inputs)?;
    Ok(check_checkpoints(checkpoint, members)?)
}

/// A model that could not be written, and what the checkpoint has of it.
fn not_saved(error: Error, checkpoint: &Path, members: usize) -> Failure {
    let path = checkpoint.display();
    match Resume::read(checkpoint, members) {
        Ok(left) if left.finished() == members => {
            say(format_args!("note: the fit is saved in {path}; once the model can be written, repeat the command with --resume"));
        }
        Ok(left) => {
            let (finished, steps) = (left.finished(), left.steps());
            say(format_args!(
                "note: {path} holds {finished} of {members} members and {steps} steps of the next; --resume continues from there"
            ));
        }
        Err(_) => say(format_args!("note: there is no checkpoint, so the fit is lost")),
    }
    error.into()
}

/// Says that a new fit will write over the checkpoint of another.
fn note_replaced(starts: bool, checkpoint: &Path) {
    if starts && checkpoint.exists() {
        let path = checkpoint.display();
        say(format_args!("note: {path} is the checkpoint of an earlier fit, which this fit replaces; --resume continues it instead"));
    }
}

/// Says where a fit that was stopped can go on.
fn interrupted(checkpoint: &Path) -> Failure {
    say(format_args!("stopped; run the same command with --resume to continue from {}", checkpoint.display()));
    Failure::Interrupted
}

/// What an interrupted fit of the same job has left.
fn resumed(checkpoint: &Path, members: usize, job: &Value) -> Result<Resume, Failure> {
    let read = Resume::read(checkpoint, members)?;
    read.jobs().try_for_each(|(path, found)| job::check_same(path, found, job))?;
    let done = match read.finished() {
        0 => format!("{} steps", read.steps()),
        finished if finished == members => "the last step".into(),
        finished => format!("{finished} of {members} members, and {} steps", read.steps()),
    };
    say(format_args!("resuming {} after {done}", checkpoint.display()));
    Ok(read)
}

/// `F.checkpoint` beside `F`.
fn checkpoint_path(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".checkpoint");
    name.into()
}
