//! Tables with unknown values, as `predict` and `impute` read them.

use std::path::Path;

use knothe::{
    Model, Network,
    events::table::{Contradiction, Need, Reading, Schema, Table, TableReader, TableRows, counted, quoted},
    model::AnyModel,
};

use crate::{
    conditional_arguments::ConditionalArguments,
    failure::{Failure, say},
    given::{self, Value},
    kind::{Kind, known_row},
};

/// The model of a table, with the values that are given.
pub fn load(path: &Path, ConditionalArguments { given, runtime, .. }: &mut ConditionalArguments) -> Result<Model<Schema>, Failure> {
    runtime.start()?;
    let AnyModel::Table(model) = AnyModel::load(path, &runtime.device)? else {
        return Err(Failure::usage(format!("{}: expected a model of a table, found one of other events", path.display()), ""));
    };
    given::settle(given, &names(&*model));
    let known = model.coding.check_known(given, &conditions(&*model))?;
    known_row(&model.coding, &known)?;
    Ok(*model)
}

/// The names of the modelled columns that can be given; none unless the model gives every conditional.
pub fn conditions<C: Kind>(model: &Model<C>) -> Vec<String> {
    let all = model.mixture().members().iter().all(|network| matches!(network, Network::AnyOrder(_)));
    if all { model.coding.conditions() } else { Vec::new() }
}

/// The names of the columns that can be given.
pub fn names<C: Kind>(model: &Model<C>) -> Vec<String> {
    [model.coding.given(), conditions(model)].concat()
}

/// A part of a table, and the rows of it that have a context.
pub struct Part {
    pub table: Table,
    pub rows: TableRows,
}

impl Part {
    /// Sets the columns that are given, and matches the others by name.
    fn of(mut table: Table, given: &[Value], schema: &Schema) -> Result<Self, Failure> {
        if table.first_row == 0 {
            let lacks: Vec<&str> = schema.modelled().map(|c| c.name.as_str()).filter(|name| table.column(name).is_none()).collect();
            let lacks: Vec<&str> = lacks.into_iter().filter(|name| !given.iter().any(|value| value.column == *name)).collect();
            if !lacks.is_empty() {
                let columns = counted(lacks.len(), "column", "columns");
                say(format_args!("note: the table lacks {columns} of the model, whose values are unknown: {}", quoted(&lacks)));
            }
        }
        given::set(&mut table, given, schema)?;
        let context: Vec<_> = schema.context.iter().filter_map(|c| table.column(&c.name)).collect();
        let rows = if !context.is_empty() && (0..table.rows()).all(|i| context.iter().any(|c| c.values[i].is_nan())) {
            TableRows::default()
        } else {
            schema.rows(&table, Need::Partial)?
        };
        Ok(Part { table, rows })
    }
}

/// The parts of a table, in order. Modelled columns may be absent, and their values may be missing.
pub fn parts<'a>(
    schema: &'a Schema,
    path: &Path,
    ConditionalArguments { given, text_files, .. }: &'a ConditionalArguments,
    batch_rows: usize,
) -> Result<impl Iterator<Item = Result<Part, Failure>> + Send + 'a, Failure> {
    text_files.check(&[path])?;
    let known = schema.reading(given.iter().map(|v| v.column.clone()).chain(schema.weights.clone()));
    let asked = text_files.of(path, Reading { batch_rows, ..known });
    let batches = TableReader::open_with(path, &asked.reading)?;
    Ok(batches.map(move |batch| {
        let batch = batch?;
        if batch.first_row == 0 {
            asked.check(&batch)?;
        }
        Part::of(batch, given, schema)
    }))
}

/// A whole table with all of its columns, also those that the model does not know.
pub fn whole(schema: &Schema, path: &Path, ConditionalArguments { given, text_files, .. }: &ConditionalArguments) -> Result<Part, Failure> {
    text_files.check(&[path])?;
    let known = schema.reading([]);
    let names = known.names.iter().chain(&schema.dropped).chain(&schema.weights).cloned().collect();
    let table = text_files.of(path, Reading { skip: Vec::new(), names, keep_index: true, ..known }).read(path)?;
    Part::of(table, given, schema)
}

/// Says which values the model does not allow.
pub fn note_unknown(contradictions: &[Contradiction]) {
    for Contradiction { column, expected, found, row, rows, .. } in contradictions {
        let of = counted(*rows, "value counts", "values count");
        say(format_args!(
            "note: {of} as unknown, since the model does not allow them: in '{column}', expected {expected}, found {found} in row {row}"
        ));
    }
}
