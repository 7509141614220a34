//! `knothe score`: log q(x | context) of each row, in memory that does not depend on the table.

use knothe::{
    events::table::{Column, MissingPolicy, Need, Rows, Schema, Table, TableReader},
    tabular::TableModel,
};

use crate::{
    ahead::ahead,
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
    let dropped = std::thread::scope(|scope| {
        let batches = ahead(scope, batches);
        let mut dropped = 0;
        for part in ahead(scope, batches.into_iter().map(|batch| score(arguments, &model, batch?))) {
            let (log_prob, without) = part?;
            output.rows(&[log_prob])?;
            dropped += without;
        }
        Ok::<_, Failure>(dropped)
    })?;
    output.finish()?;
    if dropped > 0 {
        say(format_args!("warning: {dropped} rows lack a value and have no log_prob (NaN)"));
    }
    Ok(())
}

/// The log_prob of each row of a batch, and how many have none.
fn score(arguments: &ScoreArguments, model: &TableModel, mut batch: Table) -> Result<(Column, usize), Failure> {
    given::set(&mut batch, &arguments.given);
    let mut values = vec![f64::NAN; batch.rows()];
    let dropped = match complete(&batch, &model.schema)? {
        Some(rows) => {
            for (row, value) in rows.index.iter().zip(model.log_prob(&rows, arguments.noise.scoring())?) {
                values[(row - batch.first_row) as usize] = value;
            }
            rows.dropped
        }
        None => batch.rows(),
    };
    Ok((Column { name: "log_prob".into(), values, integral_dtype: false }, dropped))
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
