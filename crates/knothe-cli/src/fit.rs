//! `knothe fit`: from a table to a model file.

pub mod job;
pub mod progress;
pub mod report;

use std::path::{Path, PathBuf};

use knothe::Placement;
use knothe::evaluate::check;
use knothe::events::table::{Need, Notice, Overrides, Roles, Rows, Schema, Table, diagnose};
use knothe::families::Model;
use knothe::file::temporary;
use knothe::fit::{Checkpoints, FitConfig};
use knothe::tabular::{FitTable, HeldOut, Resume, Split, fit_table, remove_checkpoints};
use serde_json::Value;

use crate::failure::{Failure, say};
use crate::fit_arguments::FitArguments;
use crate::images;

/// Seconds between two checkpoints.
pub const CHECKPOINT_EVERY: f64 = 15.0;

/// Runs the command.
pub fn run(arguments: &FitArguments) -> Result<(), Failure> {
    if arguments.is_images() {
        return images::fit(arguments);
    }
    let models = arguments.members()?;
    let precision = arguments.precision.into();
    let place = Placement::named(&arguments.runtime.device, precision)?;
    check_writable(&arguments.out)?;
    let (schema, split, notices) = read(arguments, &models)?;
    for notice in &notices {
        say(format_args!("note: {}", notice.message));
        if !notice.hint.is_empty() {
            say(format_args!("hint: {}", notice.hint));
        }
    }
    let architectures = arguments.architectures(&models, &schema)?;
    let (config, weighting) = (arguments.config(FitConfig::default()), arguments.ensemble_weights.into());
    let checkpoint = checkpoint_path(&arguments.out);
    let job = job::describe(&architectures, weighting, &config, &schema, &split, precision);
    let resume = if arguments.resume { Some(resumed(&checkpoint, architectures.len(), &job)?) } else { None };
    note_replaced(resume.is_none(), &checkpoint);
    report::start(&split, &schema, &architectures);
    let checkpoints = Checkpoints { path: checkpoint.clone(), every: CHECKPOINT_EVERY, job };
    let table = arguments.table.display().to_string();
    let fit = FitTable {
        table: &table,
        split: &split,
        schema: &schema,
        architectures: &architectures,
        weighting,
        config: &config,
        place: &place,
    };
    let names = architectures.iter().map(|a| a.model.name()).collect();
    let mut progress = progress::Bar::new(config.batch.min(split.train.n), names)?;
    let model = fit_table(&fit, Some(&checkpoints), resume, &mut progress)?;
    progress.finish();
    let model = model.ok_or_else(|| interrupted(&checkpoint))?;
    let checks = check(&model, split.judge(), arguments.seed)?;
    model.save(&arguments.out)?;
    unless_unprinted(&arguments.out, report::finish(&model, &checks, &split, arguments))?;
    // The model is safe now.
    remove_checkpoints(&checkpoint);
    Ok(())
}

/// Says that a new fit will write over the checkpoint of another.
pub fn note_replaced(starts: bool, checkpoint: &Path) {
    if starts && checkpoint.exists() {
        let path = checkpoint.display();
        say(format_args!("note: {path} is a checkpoint of an earlier fit, which this one replaces; --resume goes on from it"));
    }
}

/// Says where a fit that was stopped can go on.
pub fn interrupted(checkpoint: &Path) -> Failure {
    say(format_args!("stopped; the checkpoint is {}: the same command with --resume goes on from it", checkpoint.display()));
    Failure::Interrupted
}

/// The outcome of a fit whose report could be printed or not: what fails leaves no file, and the checkpoint stays.
pub fn unless_unprinted(out: &Path, report: Result<(), Failure>) -> Result<(), Failure> {
    match report {
        // A reader that has gone away is no failure.
        Err(Failure::Output(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(failure) => {
            let _ = std::fs::remove_file(out);
            Err(failure)
        }
        Ok(()) => Ok(()),
    }
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

/// The schema, the rows in their parts, and what the user should know of them.
fn read(arguments: &FitArguments, models: &[Model]) -> Result<(Schema, Split, Vec<Notice>), Failure> {
    let table = Table::read_skipping(&arguments.table, &arguments.drop)?;
    let overrides = arguments.schema.as_deref().map(Overrides::read).transpose()?.unwrap_or_default();
    let roles = Roles { context: arguments.context.clone(), weights: arguments.weights.clone(), drop: arguments.drop.clone() };
    let (mut schema, mut notices) = Schema::infer(&table, &overrides, &roles, arguments.missing.into())?;
    if models.contains(&Model::MadeBinary) {
        schema.make_binary()?;
    }
    let rows = schema.rows(&table, Need::Fit)?;
    drop(table);
    if rows.dropped > 0 {
        say(format_args!("note: {} rows lack a value and are left out", rows.dropped));
    }
    notices.extend(diagnose(&arguments.table, &schema, &rows)?);
    let split = match &arguments.validation {
        None => Split::random(&arguments.table, &rows, &schema, arguments.seed)?,
        Some(path) => {
            let validation = validation(path, &schema)?;
            Split { train: rows, validation, held_out: HeldOut::Validation }
        }
    };
    schema.fit(&split.train)?;
    Ok((schema, split, notices))
}

fn validation(path: &Path, schema: &Schema) -> Result<Rows, Failure> {
    Ok(schema.rows(&Table::read_skipping(path, &schema.dropped)?, Need::Fit)?)
}

/// `F.checkpoint` beside `F`.
pub fn checkpoint_path(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".checkpoint");
    name.into()
}

/// Finds out before the work, and not after it, that its result cannot be written.
pub fn check_writable(out: &Path) -> Result<(), Failure> {
    Ok(temporary(out).map(drop)?)
}
