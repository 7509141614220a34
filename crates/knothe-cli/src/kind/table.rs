//! Tables on the command line.

use std::path::{Path, PathBuf};

use knothe::{
    Model,
    events::{
        Coding, Events,
        table::{
            Bounds, Column, ErrorColumn, Kind as ColumnKind, Label, MissingPolicy, Need, Overrides, Reading, Roles, Schema, SchemaColumn,
            Table, TableReader, TableRows, Unit, counted, diagnose, quoted,
        },
    },
    families::{Family, Takes},
    model::{ERROR_DRAWS, HeldOut, Split},
    plot::Picture,
    space::Law,
};
use serde_json::{Value as Json, json};

use super::{Kind, Opened, Part, Parts, Read, Sink};
use crate::{
    cli::{InspectArguments, PlotArguments, SampleArguments},
    columns::{named, pairs},
    context::Context,
    drawing::{self, Facet},
    failure::{Failure, say},
    fit_arguments::FitArguments,
    given::{self, Value, given_column, set},
    hints::{file_for_shell, for_shell},
    moments,
    notices::{lacking, note_contradictions, say_notices},
    options::Input,
    output::{Output, check_ending},
    text_files::TextFiles,
};

/// Rows read and scored at a time.
const BATCH_ROWS: usize = 1 << 14;
/// The most columns of one kind that a message names.
const MOST_NAMED: usize = 12;

fn note_dropped(rows: &TableRows) {
    if rows.dropped > 0 {
        say(format_args!("note: {}", lacking(rows.dropped, "is left out", "are left out")));
    }
}

/// The tables that a fit reads.
fn tables(arguments: &FitArguments) -> Vec<&Path> {
    [Some(&arguments.data), arguments.validation.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect()
}

/// Splits rows into training and held-out rows.
fn split(schema: &Schema, rows: TableRows, arguments: &FitArguments, seed: u64) -> Result<Split<TableRows>, Failure> {
    Ok(match &arguments.validation {
        None => Split::random(&arguments.data, &rows, seed)?,
        Some(path) => {
            let validation = schema.rows(&arguments.text_files.of(path, schema.reading([])).read(path)?, Need::Fit)?;
            Split { train: rows, validation, held_out: HeldOut::Validation }
        }
    })
}

impl Kind for Schema {
    const NOUN: &'static str = "a table";
    const FAMILIES: &'static str = "tables";
    const FAMILY: &'static str = "maf_mog";
    #[rustfmt::skip]
    const OPTIONS: &'static [&'static str] = &[
        "context", "drop", "known", "asked", "errors", "error-draws", "schema", "missing", "columns",
        "delimiter", "decimal", "thousands", "quote", "comment", "header", "encoding", "missing-values", "text", "keep-index",
    ];

    fn takes(family: &dyn Family) -> bool {
        matches!(family.description().takes, Takes::Reals | Takes::Binary)
    }

    fn open(arguments: &FitArguments, law: Law) -> Result<Opened<Self>, Failure> {
        let (data, text_files) = (&arguments.data, &arguments.text_files);
        text_files.check(&tables(arguments))?;
        let plain = text_files.beside(Reading::default());
        let [context, dropped] = named(data, [&arguments.context, &arguments.drop], &plain);
        let overrides = arguments.schema.as_deref().map(Overrides::read).transpose()?.unwrap_or_default();
        let known = overrides.reading();
        let errors = pairs(data, &arguments.errors, &plain)?;
        // What the user names is there, so a first line that holds it is a header.
        let named = [&known.names[..], &context, &dropped].concat().into_iter().chain(arguments.weights.clone());
        let names = named.chain(errors.iter().flat_map(|e| [e.column.clone(), e.error.clone()])).collect();
        let table = text_files.of(data, Reading { skip: dropped.clone(), names, ..known }).read(data)?;
        let roles = Roles { context, weights: arguments.weights.clone(), drop: dropped, errors };
        check_draws(arguments, &roles.errors)?;
        let policy = arguments.missing.map_or(MissingPolicy::Model, Into::into);
        let (mut schema, mut notices) = Schema::infer(&table, &overrides, &roles, policy)?;
        schema.declare(law)?;
        let rows = schema.rows(&table, Need::Fit)?;
        drop(table);
        note_dropped(&rows);
        notices.extend(diagnose(&arguments.data, &schema, &rows)?);
        say_notices(&notices);
        let split = split(&schema, rows, arguments, arguments.seed.unwrap_or(0))?;
        schema.learn(&split.train)?;
        schema.check_reach(&split.validation, arguments.validation.as_ref().unwrap_or(&arguments.data))?;
        Ok(Opened { coding: schema, split })
    }

    fn split(&self, arguments: &FitArguments, seed: u64) -> Result<Split<TableRows>, Failure> {
        if arguments.weights.is_some() && arguments.weights != self.weights {
            let known = self.weights.as_deref().map_or("none".into(), |name| format!("'{name}'"));
            return Err(Failure::usage(format!("--weights: expected the weight column of the model, {known}"), "leave it out"));
        }
        check_draws(arguments, &self.errors)?;
        arguments.text_files.check(&tables(arguments))?;
        let asked = arguments.text_files.of(&arguments.data, self.reading([]));
        let rows = self.rows(&asked.read(&arguments.data)?, Need::Fit)?;
        note_dropped(&rows);
        let split = split(self, rows, arguments, seed)?;
        self.check_reach(&split.validation, arguments.validation.as_ref().unwrap_or(&arguments.data))?;
        Ok(split)
    }

    fn kinds(&self) -> Option<String> {
        Some(kinds(self))
    }

    fn described(&self, n: usize) -> String {
        let given = self.given();
        let given = if given.is_empty() { String::new() } else { format!(" given {}", given.join(", ")) };
        format!("{} of {}{given}", counted(n, "row", "rows"), counted(self.width(), "column", "columns"))
    }

    fn read(&self, path: &Path, input: &Input) -> Result<Read<TableRows>, Failure> {
        input.text_files.check(&[path])?;
        let mut table = input.text_files.of(path, self.reading(names(&input.given))).read(path)?;
        set(&mut table, &input.given, self)?;
        note_ignored(self, &table);
        note_exact(self, &table);
        let rows = self.rows(&table, Need::Evaluate)?;
        note_contradictions(&rows.contradictions);
        Ok(Read { dropped: rows.dropped, events: rows })
    }

    fn parts<'a>(&'a self, path: &Path, input: &'a Input) -> Result<Parts<'a, TableRows>, Failure> {
        let reading = self.reading(names(&input.given).chain(self.weights.clone()));
        input.text_files.check(&[path])?;
        let asked = input.text_files.of(path, Reading { batch_rows: BATCH_ROWS, ..reading });
        let batches = TableReader::open_with(path, &asked.reading)?;
        Ok(Box::new(batches.map(move |batch| {
            let mut batch = batch?;
            if batch.first_row == 0 {
                asked.check(&batch)?;
                note_ignored(self, &batch);
                note_exact(self, &batch);
                note_draws(self, &batch);
            }
            set(&mut batch, &input.given, self)?;
            let events = complete(&batch, self)?;
            let positions = events.iter().flat_map(|rows| &rows.index).map(|row| (row - batch.first_row) as usize).collect();
            let contradictions = events.iter().flat_map(|rows| rows.contradictions.clone()).collect();
            Ok(Part { rows: batch.rows(), positions, events, contradictions })
        })))
    }

    fn note_given(&self, given: &[Value]) {
        for Value { column, text, value, .. } in given {
            let range = self.context.iter().find(|c| c.name == *column).and_then(|c| c.range);
            if let Some([low, high]) = range.filter(|[low, high]| value < low || value > high) {
                let [low, high] = [low, high].map(|v| Label::Number(v).to_string());
                say(format_args!("note: --given {column}: {text} is outside the range of the training rows, {low} to {high}"));
            }
        }
    }

    fn conditions(&self) -> Vec<String> {
        self.modelled().map(|c| c.name.clone()).collect()
    }

    fn log_prob_given(model: &Model<Self>, rows: &TableRows, known: &[String], asked: &[String]) -> Result<Vec<f64>, Failure> {
        let mask = |names: &[String]| -> Vec<bool> {
            let row: Vec<bool> = model.coding.modelled().map(|c| names.contains(&c.name)).collect();
            row.repeat(rows.n)
        };
        Ok(model.log_prob_given(rows, &mask(known), &mask(asked))?)
    }

    fn sample_given(
        model: &Model<Self>,
        known: &[Value],
        context: &[f64],
        first: usize,
        n: usize,
        seed: u64,
    ) -> Result<TableRows, Failure> {
        let schema = &model.coding;
        let one = known_row(schema, known)?;
        let index = (first..first + n).map(|row| row as u64).collect();
        let rows = TableRows { n, x: one.x.repeat(n), context: context.to_vec(), index, ..TableRows::default() };
        let known: Vec<bool> = schema.modelled().map(|c| known.iter().any(|value| value.column == c.name)).collect::<Vec<_>>().repeat(n);
        let asked: Vec<bool> = known.iter().map(|known| !known).collect();
        Ok(model.sample_given(&rows, [&known, &asked], true, 1, seed)?)
    }

    fn context(&self, given: &[Value], table: Option<&Path>, text_files: &TextFiles) -> Result<Context, Failure> {
        text_files.check(&table.into_iter().collect::<Vec<_>>())?;
        let mut table = match table {
            Some(_) if self.context.is_empty() => {
                return Err(Failure::usage("--context: expected a model with context columns, and this one has none", ""));
            }
            Some(path) => {
                // Only the context columns are read.
                let errors = self.errors.iter().map(|e| e.error.clone());
                let known = self.reading(names(given).chain(self.columns.iter().map(|c| c.name.clone())).chain(errors));
                text_files.of(path, known).read(path)?
            }
            None => {
                given::check_complete(given, self)?;
                let columns = given.iter().map(|value| given_column(value, 1, self)).collect::<Result<Vec<_>, _>>()?;
                Table { path: "--given".into(), columns, ..Table::default() }
            }
        };
        set(&mut table, given, self)?;
        let rows = self.rows(&table, Need::Context)?;
        if rows.dropped > 0 {
            say(format_args!("warning: in the context, {}", lacking(rows.dropped, "is left out", "are left out")));
        }
        let whole = self.context.iter().map(|c| table.column(&c.name).is_some_and(|column| column.form.is_whole())).collect();
        Ok(Context { values: rows.context, width: self.context.len(), whole })
    }

    fn sink<'a>(&'a self, arguments: &'a SampleArguments, context: &'a Context) -> Result<Box<dyn Sink<TableRows> + 'a>, Failure> {
        Ok(Box::new(Rows { schema: self, whole: &context.whole, output: open(arguments.out.as_deref(), self)? }))
    }

    fn one(&self, name: &Path, input: &Input) -> Result<TableRows, Failure> {
        let (file, row) = given::indexed(name, "table.csv")?;
        let Read { events, dropped } = self.read(&file, input)?;
        match (0..events.n).find(|&i| events.index[i] + 1 == row as u64) {
            Some(at) => Ok(events.pick(&[at])),
            None => {
                let rows = events.n + dropped;
                let found = if row > rows { row.to_string() } else { format!("{row}, which lacks a value") };
                Err(Failure::usage(format!("{}: expected a complete row from 1 to {rows}, found {found}", name.display()), ""))
            }
        }
    }

    fn both(&self, [a, b]: [TableRows; 2], _: &[Value]) -> Result<TableRows, Failure> {
        Ok(TableRows { n: 2, x: [a.x, b.x].concat(), context: [a.context, b.context].concat(), index: vec![0, 1], ..TableRows::default() })
    }

    fn check_out(out: &Path) -> Result<(), Failure> {
        check_ending(out)
    }

    fn write(&self, events: &TableRows, _: usize, out: &Path) -> Result<(), Failure> {
        let whole = vec![false; self.context.len()];
        let mut rows = Box::new(Rows { schema: self, whole: &whole, output: open(Some(out), self)? });
        rows.take(events.clone())?;
        rows.finish()
    }

    fn write_pairs(&self, _: &TableRows, others: &TableRows, out: &Path) -> Result<(), Failure> {
        self.write(others, 1, out)
    }

    fn shown(&self) -> Vec<(String, String)> {
        let named = |first: &str, j: usize| if j == 0 { first.to_owned() } else { String::new() };
        let columns = self
            .columns
            .iter()
            .enumerate()
            .map(|(j, c)| (named("columns", j), format!("{} ({}; {}{})", c.name, words(c), units(c), errors(self, c))));
        let context = self.context.iter().enumerate().map(|(j, c)| (named("context", j), c.name.clone()));
        columns.chain(context).collect()
    }

    fn document(&self) -> Json {
        let column = |c: &SchemaColumn| {
            let (special, missing) = (&c.special, c.missing);
            json!({ "name": c.name, "kind": c.kind, "special": special, "missing": missing, "units": units(c), "shift": c.shift, "scale": c.scale })
        };
        json!({
            "columns": self.columns.iter().map(column).collect::<Vec<_>>(),
            "context": self.context,
            "weights": self.weights,
            "errors": self.errors,
            "dropped": self.dropped,
            "missing": self.missing,
        })
    }

    fn next(&self, arguments: &FitArguments) -> Vec<(String, &'static str)> {
        let ([out, data], how) = ([&arguments.out, &arguments.data].map(|path| file_for_shell(path)), arguments.text_files.typed());
        let given: String = self.context.iter().map(|c| format!(" --given {}=…", for_shell(&c.name))).collect();
        vec![
            (format!("knothe score {out} {data}{how}"), "log_prob of each row"),
            (format!("knothe sample {out} -n 1000{given}"), "new rows"),
            (format!("knothe evaluate {out} TABLE{how}"), "log-likelihood and checks on other rows"),
        ]
    }

    fn picture(model: &Model<Self>, arguments: &PlotArguments) -> Result<Picture, Failure> {
        let needs = arguments.data.is_none() && !model.coding.context.is_empty();
        let given = if needs { model.coding.context(&arguments.input.given, None, &TextFiles::default())?.values } else { Vec::new() };
        arguments.input.text_files.check(&arguments.data.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
        drawing::density(model, arguments, &given)
    }

    fn facets(&self, rows: &TableRows) -> Vec<Facet> {
        drawing::facets(self, rows)
    }

    fn moments(model: &Model<Self>, arguments: &InspectArguments) -> Result<(), Failure> {
        moments::run(model, arguments)
    }
}

/// A row of the columns that are given. Its other values are missing.
pub fn known_row(schema: &Schema, known: &[Value]) -> Result<TableRows, Failure> {
    let columns = known.iter().map(|value| given_column(value, 1, schema)).collect::<Result<Vec<_>, _>>()?;
    let table = Table { path: "--given".into(), columns, ..Table::default() };
    // The context is known.
    let row = Schema { context: Vec::new(), ..schema.clone() }.rows(&table, Need::Partial)?;
    match row.contradictions.first() {
        Some(c) => Err(Failure::usage(format!("--given {}: expected {}, found {}", c.column, c.expected, c.found), "")),
        None => Ok(row),
    }
}

/// Rows on their way to a file.
struct Rows<'a> {
    schema: &'a Schema,
    /// Whether each context column contains whole numbers.
    whole: &'a [bool],
    output: Output,
}

/// Opens the output of rows with the columns of a schema, then its context.
fn open(out: Option<&Path>, schema: &Schema) -> Result<Output, Failure> {
    let columns = schema.columns.iter().map(|c| c.name.as_str());
    let names: Vec<&str> = columns.chain(schema.context.iter().map(|c| c.name.as_str())).collect();
    Output::open(out, &names)
}

impl Sink<TableRows> for Rows<'_> {
    fn take(&mut self, rows: TableRows) -> Result<(), Failure> {
        let mut columns = self.schema.columns_of(&rows);
        columns.extend(self.schema.context_columns(&rows.context, self.whole));
        self.output.rows(&columns)
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        self.output.finish()
    }
}

/// The columns that are given on the command line, so the table need not have them.
fn names(given: &[Value]) -> impl Iterator<Item = String> + '_ {
    given.iter().map(|v| v.column.clone())
}

/// The complete rows of a batch. A batch without any is not an error, because it is only a part of a table.
fn complete(batch: &Table, schema: &Schema) -> Result<Option<TableRows>, Failure> {
    let modelled = schema.modelled().filter(|_| schema.missing == MissingPolicy::Drop).map(|c| &c.name);
    let names = modelled.chain(schema.context.iter().filter(|_| schema.missing != MissingPolicy::Reject).map(|c| &c.name));
    let used: Option<Vec<&Column>> = names.map(|name| batch.column(name)).collect();
    if used.is_some_and(|used| (0..batch.rows()).all(|i| used.iter().any(|c| c.values[i].is_nan()))) {
        return Ok(None);
    }
    Ok(Some(schema.rows(batch, Need::Score)?))
}

/// Prints which columns of a table are not in the model.
fn note_ignored(schema: &Schema, table: &Table) {
    let ignored = schema.ignored(table);
    if !ignored.is_empty() {
        say(format_args!("note: not in the model, so ignored: {}", quoted(&ignored)));
    }
}

/// Says which columns with errors have none in a table.
fn note_exact(schema: &Schema, table: &Table) {
    let exact = schema.exact(table);
    if !exact.is_empty() {
        say(format_args!("note: the table lacks the errors of {}, so their values count as exact", quoted(&exact)));
    }
}

/// Says what the log_prob of rows with errors is.
fn note_draws(schema: &Schema, table: &Table) {
    if schema.exact(table).len() < schema.errors.len() {
        say(format_args!(
            "note: log_prob is the log-likelihood of the measured values, a lower bound from {ERROR_DRAWS} draws per row; --samples K takes K times as many"
        ));
    }
}

/// Refuses a number of draws where there is nothing to draw.
fn check_draws(arguments: &FitArguments, errors: &[ErrorColumn]) -> Result<(), Failure> {
    match arguments.error_draws {
        Some(_) if errors.is_empty() => {
            Err(Failure::usage("--error-draws means nothing without measurement errors", "add --errors COLUMN=ERROR"))
        }
        _ => Ok(()),
    }
}

/// The errors of a column, in words.
fn errors(schema: &Schema, column: &SchemaColumn) -> String {
    let own = schema.errors.iter().find(|e| e.column == column.name);
    own.map_or_else(String::new, |e| format!("; errors in {}", e.error))
}

/// The contribution of a column to log_prob: a density, a mass, or nothing for a constant.
fn units(column: &SchemaColumn) -> &'static str {
    match column.kind {
        ColumnKind::Constant(_) => "constant",
        ref kind if kind.is_discrete() => "mass",
        _ => "density",
    }
}

/// A column in words: its kind, its special values, and whether values may be missing.
fn words(c: &SchemaColumn) -> String {
    let bounded = |what: &str, bounds: &Bounds| match (bounds.low, bounds.high) {
        (None, None) => what.to_owned(),
        (Some(low), None) => format!("{what} from {low}"),
        (None, Some(high)) => format!("{what} up to {high}"),
        (Some(low), Some(high)) => format!("{what} from {low} to {high}"),
    };
    let kind = match &c.kind {
        ColumnKind::Continuous => "continuous".into(),
        ColumnKind::Positive => "positive".into(),
        ColumnKind::Bounded([a, b]) => format!("between {a} and {b}"),
        ColumnKind::Periodic([a, b]) => format!("periodic from {a} to {b}"),
        ColumnKind::Integer(bounds) => bounded("integer", bounds),
        ColumnKind::Lattice(l) => {
            let what = if l.offset == 0.0 { format!("multiples of {}", l.step) } else { format!("{} + multiples of {}", l.offset, l.step) };
            bounded(&what, &Bounds { low: l.low, high: l.high })
        }
        ColumnKind::Categorical(labels) => counted(labels.len(), "category", "categories"),
        ColumnKind::Ordered(labels) => counted(labels.len(), "ordered category", "ordered categories"),
        ColumnKind::Time(Unit::Day) => "date".into(),
        ColumnKind::Time(unit) => format!("time in {unit:?}s").to_lowercase(),
        ColumnKind::Constant(value) => format!("always {value}"),
    };
    let special: Vec<String> = c.special.iter().map(|&value| Label::Number(value).to_string()).collect();
    let special = if special.is_empty() { String::new() } else { format!(", with special values {}", special.join(", ")) };
    format!("{kind}{special}{}", if c.missing { ", may be missing" } else { "" })
}

/// The kinds of the columns in one line, grouped by kind.
fn kinds(schema: &Schema) -> String {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for column in schema.modelled() {
        let words = words(column);
        match groups.iter_mut().find(|(known, _)| *known == words) {
            Some((_, names)) => names.push(&column.name),
            None => groups.push((words, vec![&column.name])),
        }
    }
    let named = |names: &[&str]| match names {
        [first @ .., last] if first.len() >= MOST_NAMED => format!("{}, … and '{last}'", quoted_few(&first[..MOST_NAMED - 1])),
        names => quoted(names),
    };
    let groups: Vec<String> = groups.iter().map(|(words, names)| format!("{} {words}", named(names))).collect();
    format!("columns: {}", groups.join("; "))
}

/// Names with commas between them.
fn quoted_few(names: &[&str]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}
