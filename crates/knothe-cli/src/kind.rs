//! The words, files and pictures of each kind of event: all that the command line adds to a [`Coding`].

mod audio;
mod images;
mod table;

pub use table::known_row;

use std::path::Path;

use knothe::{
    Error, Model,
    events::{
        Coding, Events,
        audio::Waveform,
        image::Pixels,
        table::{Contradiction, Schema},
    },
    families::Family,
    file::ending,
    model::{HeldOut, Split},
    plot::Picture,
    space::Law,
};
use serde_json::Value as Json;

use crate::{
    cli::{InspectArguments, PlotArguments, SampleArguments},
    context::Context,
    drawing::Facet,
    failure::Failure,
    fit_arguments::FitArguments,
    given::{self, Value},
    options::Input,
    output::is_stdout,
    text_files::TextFiles,
};

/// Events to fit to, with their coding.
pub struct Opened<C: Coding> {
    pub coding: C,
    pub split: Split<C::Events>,
}

/// Events that were read, and how many were left out because they lack a value.
pub struct Read<E> {
    pub events: E,
    pub dropped: usize,
}

/// A part of a file that is scored: `rows` rows, of which those at `positions` are complete.
pub struct Part<E> {
    pub rows: usize,
    pub positions: Vec<usize>,
    pub events: Option<E>,
    /// What makes some of them impossible.
    pub contradictions: Vec<Contradiction>,
}

/// Takes draws part by part; what it writes appears when it is complete.
pub trait Sink<E> {
    /// Takes the next draws.
    fn take(&mut self, events: E) -> Result<(), Failure>;

    /// Completes the output.
    fn finish(self: Box<Self>) -> Result<(), Failure>;
}

/// The parts of a file that is scored, in order.
pub type Parts<'a, E> = Box<dyn Iterator<Item = Result<Part<E>, Failure>> + Send + 'a>;

/// A kind of event on the command line.
pub trait Kind: Coding<Events: Send> + Send + Sync {
    /// The kind in a sentence: "a table", "images", "recordings".
    const NOUN: &'static str;
    /// The word for the events of this kind that families take: "tables", "images", "recordings".
    const FAMILIES: &'static str;
    /// The family that is fitted unless the user names another.
    const FAMILY: &'static str;
    /// The options that this kind alone has; every command refuses those of other kinds.
    const OPTIONS: &'static [&'static str];

    /// Whether a family takes events of this kind.
    fn takes(family: &dyn Family) -> bool;

    /// Reads the events to fit to, and says what the user should know of them.
    fn open(arguments: &FitArguments, law: Law) -> Result<Opened<Self>, Failure>;

    /// Reads the events to train a model of this coding further to.
    fn split(&self, arguments: &FitArguments, seed: u64) -> Result<Split<Self::Events>, Failure>;

    /// The kinds of the elements of an event in one line, where they differ.
    fn kinds(&self) -> Option<String> {
        None
    }

    /// What is fitted to: "15,216 rows of 10 columns given class".
    fn described(&self, n: usize) -> String;

    /// Reads events to judge a model by, with their weights.
    fn read(&self, path: &Path, input: &Input) -> Result<Read<Self::Events>, Failure>;

    /// Reads events to score, part by part.
    fn parts<'a>(&'a self, path: &Path, input: &'a Input) -> Result<Parts<'a, Self::Events>, Failure>;

    /// Says which values of the context are outside the range of the training events, where it has a range.
    fn note_given(&self, _given: &[Value]) {}

    /// Checks values of the context, and says which of them the model has not learned from.
    fn check_given(&self, given: &[Value]) -> Result<(), Failure> {
        self.check_known(given, &[]).map(drop)
    }

    /// The names of the modelled columns that `--given`, `--known` and `--asked` take.
    fn conditions(&self) -> Vec<String> {
        Vec::new()
    }

    /// Like [`Kind::check_given`], but also accepts these `own` columns of the model, and returns their values.
    fn check_known(&self, given: &[Value], own: &[String]) -> Result<Vec<Value>, Failure> {
        given::check(given, self, own)?;
        self.note_given(given);
        Ok(given.iter().filter(|value| own.contains(&value.column)).cloned().collect())
    }

    /// log q(asked columns | known columns, context) of each event, where the elements of an event are columns.
    fn log_prob_given(_: &Model<Self>, _events: &Self::Events, _known: &[String], _asked: &[String]) -> Result<Vec<f64>, Failure> {
        Err(meaningless::<Self>("--known"))
    }

    /// The draws `first..first + n` given some columns and the context.
    fn sample_given(
        _: &Model<Self>,
        _known: &[Value],
        _context: &[f64],
        _first: usize,
        _n: usize,
        _seed: u64,
    ) -> Result<Self::Events, Failure> {
        Err(meaningless::<Self>("--given"))
    }

    /// The context of samples.
    fn context(&self, given: &[Value], table: Option<&Path>, text_files: &TextFiles) -> Result<Context, Failure>;

    /// Where samples go.
    fn sink<'a>(&'a self, arguments: &'a SampleArguments, context: &'a Context) -> Result<Box<dyn Sink<Self::Events> + 'a>, Failure>;

    /// One event of a file by the user's name for it.
    fn one(&self, name: &Path, input: &Input) -> Result<Self::Events, Failure>;

    /// Two events as one set, with the context that is given for both or for each.
    fn both(&self, ends: [Self::Events; 2], given: &[Value]) -> Result<Self::Events, Failure>;

    /// Checks that events can be written to a file, before any work is done.
    fn check_out(out: &Path) -> Result<(), Failure>;

    /// Writes events, those of a picture in rows of `columns`.
    fn write(&self, events: &Self::Events, columns: usize, out: &Path) -> Result<(), Failure>;

    /// Writes events with what the model makes of them.
    fn write_pairs(&self, events: &Self::Events, others: &Self::Events, out: &Path) -> Result<(), Failure>;

    /// What a model file holds beside its members, line by line.
    fn shown(&self) -> Vec<(String, String)>;

    /// The same for programs.
    fn document(&self) -> Json;

    /// Commands to run after a fit, with what they do.
    fn next(&self, arguments: &FitArguments) -> Vec<(String, &'static str)>;

    /// Draws a model.
    fn picture(model: &Model<Self>, arguments: &PlotArguments) -> Result<Picture, Failure>;

    /// The quantities along which two models are compared, each with its value per event.
    fn facets(&self, events: &Self::Events) -> Vec<Facet>;

    /// Prints the conditional moments of each element, where they have a meaning.
    fn moments(_model: &Model<Self>, _arguments: &InspectArguments) -> Result<(), Failure> {
        Err(meaningless::<Self>("--moments"))
    }
}

/// The refusal of an operation that has a meaning only where each element is a quantity of its own.
pub fn meaningless<C: Kind>(option: &str) -> Failure {
    let [_, events] = C::WORDS;
    Failure::usage(format!("{option}: expected a model of columns with names and units, found one of {events}"), "")
}

/// The model of a kind, in words.
pub fn model_of<C: Kind>() -> String {
    format!("a model of {}", C::NOUN)
}

/// Refuses an option of another kind; `supplied` says of each option of any kind whether it is given.
pub fn refuse_others<C: Kind>(found: &str, supplied: &[(&'static str, bool)]) -> Result<(), Failure> {
    match supplied.iter().find(|(name, given)| *given && !C::OPTIONS.contains(name)) {
        Some((name, _)) => {
            let kinds = [(Schema::NOUN, Schema::OPTIONS), (Pixels::NOUN, Pixels::OPTIONS), (Waveform::NOUN, Waveform::OPTIONS)];
            let having: Vec<&str> = kinds.iter().filter(|(_, options)| options.contains(name)).map(|(noun, _)| *noun).collect();
            Err(Failure::usage(format!("--{name}: expected {}, found {found}", having.join(" or ")), ""))
        }
        None => Ok(()),
    }
}

/// Checks that the class of events is set once, and only for a model that has classes.
fn check_labels(input: &Input, has_classes: bool) -> Result<(), Failure> {
    if input.labels.is_some() && !has_classes {
        return Err(Failure::usage("--labels: expected a model with classes, found one without", "leave it out"));
    }
    if input.labels.is_some() && !input.given.is_empty() {
        return Err(Failure::usage("--given and --labels: expected one of them, since both set the class", ""));
    }
    Ok(())
}

/// An error about a row of a part, which begins at `start`, with the row of the whole.
fn in_whole(error: Error, start: usize) -> Error {
    match error {
        Error::Table { path, column, row, problem, hint } => {
            Error::Table { path, column, row: row.map(|row| row + start as u64), problem, hint }
        }
        other => other,
    }
}

/// Events in memory, `size` at a time. Events that do not fit the model are refused before anything is printed.
fn in_parts<'a, C: Kind<Events: 'a>>(coding: &C, events: C::Events, size: usize) -> Result<Parts<'a, C::Events>, Failure> {
    let starts = (0..events.len()).step_by(size);
    let part = move |start: usize| events.pick(&(start..events.len().min(start + size)).collect::<Vec<_>>());
    starts.clone().try_for_each(|start| coding.encode(&part(start)).map(drop).map_err(|e| in_whole(e, start)))?;
    Ok(Box::new(starts.map(move |start| {
        let events = part(start);
        Ok(Part { rows: events.len(), positions: (0..events.len()).collect(), events: Some(events), contradictions: Vec::new() })
    })))
}

/// The split of images or recordings to fit to. `read` reads the events of `--validation`.
fn split<E: Events>(
    events: E,
    arguments: &FitArguments,
    seed: u64,
    read: impl Fn(&Path, &FitArguments) -> Result<E, Failure>,
) -> Result<Split<E>, Failure> {
    Ok(match &arguments.validation {
        None => Split::random(&arguments.data, &events, seed)?,
        Some(path) => Split { train: events, validation: read(path, arguments)?, held_out: HeldOut::Validation },
    })
}

/// The context of samples of images or recordings: one class for all, or the `classes` in turn.
fn class_context<C: Coding>(coding: &C, class: Option<f64>, classes: usize) -> Context {
    let values = class.map_or_else(|| coding.usual_context(classes).unwrap_or_default(), |class| vec![class]);
    let width = coding.given().len();
    Context { values, width, whole: vec![true; width] }
}

/// One of the events of a file, by the user's `FILE:NUMBER`. `read` reads the file.
fn numbered<C: Coding>(name: &Path, example: &str, read: impl Fn(&Path) -> Result<C::Events, Failure>) -> Result<C::Events, Failure> {
    let (file, number) = given::indexed(name, example)?;
    let events = read(&file)?;
    if number > events.len() {
        let ([_, word], n) = (C::WORDS, events.len());
        return Err(Failure::usage(
            format!("{}: expected a number from 1 to {n}, the number of {word}, found {number}", name.display()),
            "",
        ));
    }
    Ok(events.pick(&[number - 1]))
}

/// Whether the name of a file asks for a picture.
fn is_picture(out: &Path) -> bool {
    is_stdout(out) || ending(out) == "png"
}
