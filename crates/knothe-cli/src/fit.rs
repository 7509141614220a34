//! `knothe fit`: from events to a model file.

pub mod job;
pub mod members;
pub mod progress;
pub mod race;
pub mod report;
mod room;

use std::path::{Path, PathBuf};

use knothe::{
    Error, Model, Placement,
    events::{Coding, Events, audio::Waveform, image::Pixels, table::Schema},
    families::Recipe,
    fit::{Checkpoints, FitConfig},
    model::{Fitting, Resume, Split, Weighting, check_checkpoints, remove_checkpoints},
};
use serde_json::Value;

use crate::{
    failure::{Failure, say},
    fit_arguments::FitArguments,
    kind::{Kind, Opened, refuse_others},
    output::{check_report, check_writable, is_stdout},
};

/// Seconds between two checkpoints.
const CHECKPOINT_EVERY: f64 = 15.0;

/// Runs the command on the kind of event that the data hold.
pub fn run(arguments: &FitArguments) -> Result<(), Failure> {
    if members::is_recordings(arguments) {
        fit::<Waveform>(arguments)
    } else if members::is_images(arguments) {
        fit::<Pixels>(arguments)
    } else {
        fit::<Schema>(arguments)
    }
}

fn fit<C: Kind>(arguments: &FitArguments) -> Result<(), Failure> {
    let found = if C::QUANTITIES { format!("{} {}", C::NOUN.replace("a ", "the "), arguments.data.display()) } else { C::NOUN.to_owned() };
    refuse_others::<C>(&found, &arguments.supplied())?;
    if race::is_asked(arguments)? {
        return race::run::<C>(arguments);
    }
    let checkpoint = checkpoint_path(&arguments.out);
    let Plan { coding, split, recipes, weighting, mut config, place, from } = match &arguments.from {
        None => anew::<C>(arguments, &checkpoint)?,
        Some(path) => further::<C>(arguments, path, &checkpoint)?,
    };
    members::check(arguments, &recipes)?;
    room::check(&recipes, &split, &coding, place.precision, &arguments.out)?;
    let left = if arguments.resume { Some(Resume::read(&checkpoint, recipes.len())?) } else { None };
    if let Some(batch) = left.as_ref().and_then(job::batch).filter(|_| arguments.batch.is_none()) {
        config.batch = batch;
    }
    let fitting = Fitting { split: &split, coding: &coding, recipes: &recipes, weighting, config: &config, place: &place };
    let job = job::describe(&fitting, place.precision, from.as_ref())?;
    let resume = left.map(|left| resumed(left, &checkpoint, recipes.len(), &job)).transpose()?;
    note_replaced(resume.is_none(), &checkpoint);
    report::start(&fitting);
    let checkpoints = Checkpoints { path: checkpoint.clone(), every: CHECKPOINT_EVERY, job };
    let names = recipes.iter().map(|recipe| recipe.name().to_owned()).collect();
    let mut progress = progress::Bar::new(&coding, config.batch, names);
    let model = match &from {
        None => fitting.run(Some(&checkpoints), resume, &mut progress)?,
        Some(model) => fitting.proceed(model, Some(&checkpoints), resume, &mut progress)?,
    };
    progress.finish();
    let model = model.ok_or_else(|| interrupted(&checkpoint))?;
    let checks = model.check(split.judge(), config.seed)?;
    model.save(&arguments.out).map_err(|e| not_saved(e, &checkpoint, recipes.len()))?;
    // The model is safe now, whatever happens to the report.
    remove_checkpoints(&checkpoint, recipes.len());
    report::finish(&model, &checks, &split, arguments, None)
}

/// What a fit needs.
struct Plan<C: Coding> {
    coding: C,
    split: Split<C::Events>,
    recipes: Vec<Recipe>,
    weighting: Weighting,
    config: FitConfig,
    place: Placement,
    /// The model that is trained further.
    from: Option<Model<C>>,
}

/// A fit of new members.
fn anew<C: Kind>(arguments: &FitArguments, checkpoint: &Path) -> Result<Plan<C>, Failure> {
    let families = members::families::<C>(arguments)?;
    let place = Placement::named(&arguments.runtime.device, arguments.precision.into())?;
    check_outputs(arguments, checkpoint, families.len())?;
    let Opened { coding, split } = C::open(arguments, members::law(&families)?)?;
    let recipes = members::recipes(arguments, &families, &coding)?;
    let own = recipes.first().map(|recipe| recipe.family().fitting(split.train.len())).unwrap_or_default();
    Ok(Plan { coding, split, recipes, weighting: arguments.ensemble_weights.into(), config: arguments.config(own), place, from: None })
}

/// A fit that goes on with the members of a model.
fn further<C: Kind>(arguments: &FitArguments, path: &Path, checkpoint: &Path) -> Result<Plan<C>, Failure> {
    let given = arguments.family.given();
    if !given.is_empty() {
        let options = given.join(", ");
        let message = format!("{options}: expected no family options with --continue, because they are fixed in {}", path.display());
        return Err(Failure::usage(message, "leave it out, or fit a new model without --continue"));
    }
    let model = Model::<C>::load(path, &arguments.runtime.device)?;
    check_outputs(arguments, checkpoint, model.members.len())?;
    let recipes: Vec<Recipe> = model.members.iter().map(|member| member.recipe.clone()).collect();
    let first = model.members.first();
    // The same seed gives the same split: no row that the model was fitted to judges it.
    let seed = arguments.seed.or(first.map(|member| member.config.seed)).unwrap_or(0);
    let split = model.coding.split(arguments, seed)?;
    let own = first.map(|member| FitConfig { batch: member.config.batch, ..member.recipe.family().fitting(split.train.len()) });
    let config = FitConfig { seed, ..arguments.config(own.unwrap_or_default()) };
    let (coding, place) = (model.coding.clone(), model.placement().clone());
    Ok(Plan { coding, split, recipes, weighting: model.record.weighting, config, place, from: Some(model) })
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
    let outputs = [out.as_path(), checkpoint];
    let from = arguments.from.as_deref();
    check_report(&inputs.iter().copied().chain(outputs).chain(from).collect::<Vec<_>>())?;
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
fn resumed(read: Resume, checkpoint: &Path, members: usize, job: &Value) -> Result<Resume, Failure> {
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
