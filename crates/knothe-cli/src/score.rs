//! `knothe score`: log q(x | context) of each row, in memory that does not depend on the table.

use knothe::{
    data::{Column, MissingPolicy, Need, Rows, Schema, Table, TableReader},
    tabular::TableModel,
};

use crate::{
    cli::ScoreArguments,
    failure::{Failure, say},
    given,
    output::Output,
};

/// Rows read, scored and written at a time.
const BATCH_ROWS: usize = 1 << 14;

/// Scores a table.
pub fn run(arguments: &ScoreArguments) -> Result<(), Failure> {
    arguments.runtime.start()?;
    let model = TableModel::load(&arguments.model, &arguments.runtime.device)?;
    given::check(&arguments.given, &model.schema)?;
    let mut skipped = given::skipped(&arguments.given, &model.schema);
    skipped.extend(model.schema.weights.clone());
    let mut batches = TableReader::open_skipping(&arguments.table, BATCH_ROWS, &skipped)?.peekable();
    // A table that cannot be read leaves no header on stdout.
    if let Some(Err(_)) = batches.peek() {
        batches.next().transpose()?;
    }
    let mut output = Output::open(arguments.out.as_deref(), &["log_prob"])?;
    let mut dropped = 0;
    for batch in batches {
        let mut batch = batch?;
        given::set(&mut batch, &arguments.given);
        let mut log_prob = vec![f64::NAN; batch.rows()];
        if let Some(rows) = complete(&batch, &model.schema)? {
            for (row, value) in rows.index.iter().zip(model.log_prob(&rows, arguments.noise.scoring())?) {
                log_prob[(row - batch.first_row) as usize] = value;
            }
            dropped += rows.dropped;
        } else {
            dropped += batch.rows();
        }
        output.rows(vec![Column { name: "log_prob".into(), values: log_prob, integral_dtype: false }])?;
    }
    output.finish()?;
    if dropped > 0 {
        say(format_args!("warning: {dropped} rows lack a value and have no log_prob (NaN)"));
    }
    Ok(())
}

/// The complete rows of a batch; nothing where there are none, which in a part of a table is no error.
fn complete(batch: &Table, schema: &Schema) -> Result<Option<Rows>, Failure> {
    if schema.missing == MissingPolicy::Drop {
        let names = schema.modelled().map(|c| &c.name).chain(schema.context.iter().map(|c| &c.name));
        let used: Option<Vec<&Column>> = names.map(|name| batch.column(name)).collect();
        if used.is_some_and(|used| (0..batch.rows()).all(|i| used.iter().any(|c| c.values[i].is_nan()))) {
            return Ok(None);
        }
    }
    Ok(Some(schema.rows(batch, Need::Score)?))
}
