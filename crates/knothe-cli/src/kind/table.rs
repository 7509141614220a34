//! Tables on the command line.

use std::path::Path;

use knothe::{
    Model,
    events::{
        Coding, Events,
        table::{
            Column, Kind as ColumnKind, MissingPolicy, Need, Overrides, Roles, Schema, SchemaColumn, Table, TableReader, TableRows,
            diagnose, ending,
        },
    },
    families::{Family, Takes},
    model::{HeldOut, Split},
    plot::Picture,
    space::Law,
};
use serde_json::{Value as Json, json};

use super::{Kind, Opened, Part, Parts, Read, Sink};
use crate::{
    cli::{InspectArguments, PlotArguments, SampleArguments},
    context::Context,
    drawing,
    failure::{Failure, say},
    fit_arguments::FitArguments,
    given::{self, Value},
    hints, moments,
    options::Input,
    output::{Output, is_stdout},
};

/// Rows read and scored at a time.
const BATCH_ROWS: usize = 1 << 14;

fn note_dropped(rows: &TableRows) {
    if rows.dropped > 0 {
        say(format_args!("note: {} rows lack a value and are left out", rows.dropped));
    }
}

/// The split of rows to fit to.
fn split(schema: &Schema, rows: TableRows, arguments: &FitArguments, seed: u64) -> Result<Split<TableRows>, Failure> {
    Ok(match &arguments.validation {
        None => Split::random(&arguments.data, &rows, seed)?,
        Some(path) => {
            let validation = schema.rows(&Table::read_skipping(path, &schema.dropped)?, Need::Fit)?;
            Split { train: rows, validation, held_out: HeldOut::Validation }
        }
    })
}

impl Kind for Schema {
    const NOUN: &'static str = "a table";
    const FAMILIES: &'static str = "tables";
    const FAMILY: &'static str = "maf_mog";
    const OPTIONS: &'static [&'static str] = &["context", "drop", "schema", "missing", "columns"];

    fn takes(family: &dyn Family) -> bool {
        matches!(family.description().takes, Takes::Reals | Takes::Binary)
    }

    fn open(arguments: &FitArguments, law: Law) -> Result<Opened<Self>, Failure> {
        let table = Table::read_skipping(&arguments.data, &arguments.drop)?;
        let overrides = arguments.schema.as_deref().map(Overrides::read).transpose()?.unwrap_or_default();
        let roles = Roles { context: arguments.context.clone(), weights: arguments.weights.clone(), drop: arguments.drop.clone() };
        let policy = arguments.missing.map_or(MissingPolicy::default(), Into::into);
        let (mut schema, mut notices) = Schema::infer(&table, &overrides, &roles, policy)?;
        schema.declare(law)?;
        let rows = schema.rows(&table, Need::Fit)?;
        drop(table);
        note_dropped(&rows);
        notices.extend(diagnose(&arguments.data, &schema, &rows)?);
        for notice in &notices {
            say(format_args!("note: {}", notice.message));
            if let Some(hint) = &notice.hint {
                say(format_args!("hint: {}", hints::worded(hint)));
            }
        }
        let split = split(&schema, rows, arguments, arguments.seed.unwrap_or(0))?;
        schema.learn(&split.train)?;
        Ok(Opened { coding: schema, split })
    }

    fn split(&self, arguments: &FitArguments, seed: u64) -> Result<Split<TableRows>, Failure> {
        if arguments.weights.is_some() && arguments.weights != self.weights {
            let known = self.weights.as_deref().map_or("none".into(), |name| format!("'{name}'"));
            return Err(Failure::usage(format!("--weights: expected the column of the model's weights, {known}"), "leave it out"));
        }
        let rows = self.rows(&Table::read_skipping(&arguments.data, &self.dropped)?, Need::Fit)?;
        note_dropped(&rows);
        split(self, rows, arguments, seed)
    }

    fn described(&self, n: usize) -> String {
        let given = self.given();
        let given = if given.is_empty() { String::new() } else { format!(" given {}", given.join(", ")) };
        format!("{n} rows of {} columns{given}", self.dim())
    }

    fn read(&self, path: &Path, input: &Input) -> Result<Read<TableRows>, Failure> {
        let mut table = Table::read_skipping(path, &skipped(&input.given, self))?;
        set(&mut table, &input.given);
        let rows = self.rows(&table, Need::Evaluate)?;
        Ok(Read { dropped: rows.dropped, events: rows })
    }

    fn parts<'a>(&'a self, path: &Path, input: &'a Input) -> Result<Parts<'a, TableRows>, Failure> {
        let mut skipped = skipped(&input.given, self);
        skipped.extend(self.weights.clone());
        let batches = TableReader::open_skipping(path, BATCH_ROWS, &skipped)?;
        Ok(Box::new(batches.map(|batch| {
            let mut batch = batch?;
            set(&mut batch, &input.given);
            let events = complete(&batch, self)?;
            let positions = events.iter().flat_map(|rows| &rows.index).map(|row| (row - batch.first_row) as usize).collect();
            Ok(Part { rows: batch.rows(), positions, events })
        })))
    }

    fn context(&self, given: &[Value], table: Option<&Path>) -> Result<Context, Failure> {
        let mut table = match table {
            Some(_) if self.context.is_empty() => {
                return Err(Failure::usage("--context: expected a model with context columns, and this one has none", ""));
            }
            Some(path) => {
                // Nothing but the context is looked into.
                let mut skipped = skipped(given, self);
                skipped.extend(self.columns.iter().map(|c| c.name.clone()));
                Table::read_skipping(path, &skipped)?
            }
            None => {
                given::check_complete(given, self)?;
                let columns = given.iter().map(|v| Column::real(v.column.clone(), vec![v.value]));
                Table { path: "--given".into(), columns: columns.collect(), first_row: 0, notes: Vec::new() }
            }
        };
        set(&mut table, given);
        let rows = self.rows(&table, Need::Context)?;
        if rows.dropped > 0 {
            say(format_args!("warning: {} rows of the context lack a value and are left out", rows.dropped));
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
        if is_stdout(out) { Ok(()) } else { ending(out).map(drop).map_err(|e| Failure::usage(format!("--out {e}"), "")) }
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
        let columns =
            self.columns.iter().enumerate().map(|(j, c)| (named("columns", j), format!("{} ({}; {})", c.name, words(c.kind), units(c))));
        let context = self.context.iter().enumerate().map(|(j, c)| (named("context", j), c.name.clone()));
        columns.chain(context).collect()
    }

    fn document(&self) -> Json {
        let column = |c: &SchemaColumn| json!({ "name": c.name, "kind": c.kind, "units": units(c), "shift": c.shift, "scale": c.scale });
        json!({
            "columns": self.columns.iter().map(column).collect::<Vec<_>>(),
            "context": self.context,
            "weights": self.weights,
            "dropped": self.dropped,
            "missing": self.missing,
        })
    }

    fn next(&self, out: &Path, data: &Path) -> Vec<(String, &'static str)> {
        let (out, data) = (out.display(), data.display());
        let given: String = self.context.iter().map(|c| format!(" --given {}=…", c.name)).collect();
        vec![
            (format!("knothe score {out} {data}"), "log_prob of each row"),
            (format!("knothe sample {out} -n 1000{given}"), "new rows"),
            (format!("knothe evaluate {out} TABLE"), "log-likelihood and checks on other rows"),
        ]
    }

    fn picture(model: &Model<Self>, arguments: &PlotArguments) -> Result<Picture, Failure> {
        let needs = arguments.data.is_none() && !model.coding.context.is_empty();
        let given = if needs { model.coding.context(&arguments.input.given, None)?.values } else { Vec::new() };
        drawing::density(model, arguments, &given)
    }

    fn moments(model: &Model<Self>, arguments: &InspectArguments) -> Result<(), Failure> {
        moments::run(model, arguments.at.as_deref(), arguments.json)
    }
}

/// Rows on their way to a file.
struct Rows<'a> {
    schema: &'a Schema,
    /// Which context columns hold whole numbers.
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
        let width = self.whole.len();
        columns.extend(
            self.schema.context.iter().enumerate().map(|(j, c)| {
                Column::numbers(c.name.clone(), rows.context.iter().skip(j).step_by(width).copied().collect(), self.whole[j])
            }),
        );
        self.output.rows(&columns)
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        self.output.finish()
    }
}

/// The columns of a table that need not be looked into: those that the model leaves out, and those that are given.
fn skipped(given: &[Value], schema: &Schema) -> Vec<String> {
    schema.dropped.iter().cloned().chain(given.iter().map(|v| v.column.clone())).collect()
}

/// Sets the given columns in every row.
fn set(table: &mut Table, given: &[Value]) {
    given.iter().for_each(|v| table.set(&v.column, v.value));
}

/// The complete rows of a batch; nothing where there are none, which in a part of a table is no error.
fn complete(batch: &Table, schema: &Schema) -> Result<Option<TableRows>, Failure> {
    if schema.missing == MissingPolicy::Drop {
        let names = schema.modelled().map(|c| &c.name).chain(schema.context.iter().map(|c| &c.name));
        let used: Option<Vec<&Column>> = names.map(|name| batch.column(name)).collect();
        if used.is_some_and(|used| (0..batch.rows()).all(|i| used.iter().any(|c| c.values[i].is_nan()))) {
            return Ok(None);
        }
    }
    Ok(Some(schema.rows(batch, Need::Score)?))
}

/// What log_prob counts in a column: density, mass, or nothing where it is constant.
fn units(column: &SchemaColumn) -> &'static str {
    match column.kind {
        ColumnKind::Constant(_) => "constant",
        kind if kind.lattice().is_some() => "mass",
        _ => "density",
    }
}

fn words(kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Continuous => "continuous".into(),
        ColumnKind::Positive => "positive".into(),
        ColumnKind::Bounded([a, b]) => format!("between {a} and {b}"),
        ColumnKind::Integer => "integer".into(),
        ColumnKind::Binary => "0 or 1".into(),
        ColumnKind::Lattice(l) => format!("{} + multiples of {}", l.offset, l.step),
        ColumnKind::Constant(value) => format!("always {value}"),
    }
}
