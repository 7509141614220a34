//! `knothe sample`: rows drawn from a model, with the columns of its table.

use std::path::Path;

use knothe::{
    SavedModel,
    events::table::{Column, Need, Rows, Schema, Table, quoted},
    tabular::TableModel,
};

use crate::{
    ahead::ahead,
    cli::SampleArguments,
    failure::{Failure, say},
    given::{self, Value},
    images,
    output::Output,
};

/// Rows drawn and written at a time.
const BATCH_ROWS: usize = 32 * TableModel::SAMPLE_BLOCK;

/// Draws rows.
pub fn run(arguments: &SampleArguments) -> Result<(), Failure> {
    arguments.runtime.start()?;
    let model = match SavedModel::load(&arguments.model, &arguments.runtime.device)? {
        SavedModel::Table(model) => model,
        SavedModel::Images(model) => return images::sample(&model, arguments),
    };
    let own = [("--temperature", arguments.temperature.is_some()), ("--nearest", arguments.nearest.is_some())];
    if let Some((option, _)) = own.into_iter().find(|(_, given)| *given) {
        return Err(Failure::usage(format!("{option}: expected a model of images, found one of a table"), ""));
    }
    let schema = &model.schema;
    given::check(&arguments.given, schema)?;
    let context = Context::new(schema, &arguments.given, arguments.context.as_deref())?;
    if arguments.context.is_some() && context.rows.n < arguments.n {
        say(format_args!("note: the context has {} rows and is repeated to {}", context.rows.n, arguments.n));
    }
    let names: Vec<&str> = schema.columns.iter().map(|c| c.name.as_str()).chain(schema.context.iter().map(|c| c.name.as_str())).collect();
    let mut output = Output::open(arguments.out.as_deref(), &names)?;
    let draw = |first: usize| {
        let n = BATCH_ROWS.min(arguments.n - first);
        let given = context.part(first, n);
        let mut columns = model.sample_part(first, n, &given, arguments.seed)?;
        columns.extend(context.columns(schema, &given));
        Ok::<_, Failure>(columns)
    };
    std::thread::scope(|scope| {
        // An empty sample still has its columns.
        let mut parts = ahead(scope, (0..arguments.n.max(1)).step_by(BATCH_ROWS).map(draw)).into_iter();
        parts.try_for_each(|columns| output.rows(&columns?))
    })?;
    output.finish()
}

/// The context of the samples: the rows of a table over and over, or one row of given values.
pub struct Context {
    rows: Rows,
    width: usize,
    whole: Vec<bool>,
}

impl Context {
    /// From a table, with the columns that are given set, or from what is given alone.
    pub fn new(schema: &Schema, given: &[Value], table: Option<&Path>) -> Result<Self, Failure> {
        let mut table = match table {
            Some(_) if schema.context.is_empty() => {
                return Err(Failure::usage("--context: expected a model with context columns, and this one has none", ""));
            }
            Some(path) => {
                // Nothing but the context is looked into.
                let mut skipped = given::skipped(given, schema);
                skipped.extend(schema.columns.iter().map(|c| c.name.clone()));
                Table::read_skipping(path, &skipped)?
            }
            None => {
                let lacks = |name: &&str| !given.iter().any(|v| v.column == **name);
                let missing: Vec<&str> = schema.context.iter().map(|c| c.name.as_str()).filter(lacks).collect();
                if !missing.is_empty() {
                    let each: Vec<String> = missing.iter().map(|name| format!("--given {name}=VALUE")).collect();
                    let hint = format!("add {}, or --context TABLE", each.join(" "));
                    return Err(Failure::usage(
                        format!("expected a value for each context column, found none for {}", quoted(&missing)),
                        hint,
                    ));
                }
                let columns = given.iter().map(|v| Column { name: v.column.clone(), values: vec![v.value], integral_dtype: false });
                Table { path: "--given".into(), columns: columns.collect(), first_row: 0 }
            }
        };
        given::set(&mut table, given);
        let rows = schema.rows(&table, Need::Context)?;
        if rows.dropped > 0 {
            say(format_args!("warning: {} rows of the context lack a value and are left out", rows.dropped));
        }
        let whole = schema.context.iter().map(|c| table.column(&c.name).is_some_and(|column| column.integral_dtype)).collect();
        Ok(Context { rows, width: schema.context_dim(), whole })
    }

    /// The context of samples `first..first + n`, row-major.
    pub fn part(&self, first: usize, n: usize) -> Vec<f64> {
        let row = |i: usize| &self.rows.context[i % self.rows.n.max(1) * self.width..][..self.width];
        if self.width == 0 { Vec::new() } else { (first..first + n).flat_map(row).copied().collect() }
    }

    fn columns(&self, schema: &Schema, part: &[f64]) -> Vec<Column> {
        let column = |(j, c): (usize, &knothe::events::table::ContextColumn)| Column {
            name: c.name.clone(),
            values: part.iter().skip(j).step_by(self.width).copied().collect(),
            integral_dtype: self.whole[j],
        };
        schema.context.iter().enumerate().map(column).collect()
    }
}
