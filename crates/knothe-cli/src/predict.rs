//! `knothe predict`: the distribution of one column given the others, row by row.

use std::path::Path;

use knothe::{
    Model,
    events::table::{Column, Contradiction, Form, Kind, Schema, SchemaColumn, TableRows, counted, quoted},
};

use crate::{
    ahead::ahead,
    conditional_arguments::PredictArguments,
    failure::{Failure, say},
    output::{Output, check_table_writable},
    partial::{self, Part},
    score::add,
};

/// Rows read at a time, and the largest number of values that are drawn for them.
const BATCH_ROWS: usize = 1 << 12;
const NUMBERS: usize = 1 << 22;

/// Predicts a column.
pub fn run(mut arguments: PredictArguments) -> Result<(), Failure> {
    let model = partial::load(&arguments.model, &mut arguments.common)?;
    let columns: Vec<&SchemaColumn> = model.coding.modelled().collect();
    let Some(at) = columns.iter().position(|c| c.name == arguments.column) else {
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        return Err(Failure::usage(
            format!("--column: expected a modelled column, found '{}'", arguments.column),
            format!("the modelled columns are {}", quoted(&names)),
        ));
    };
    if let Kind::Periodic(_) = columns[at].kind {
        let message = format!("--column: expected a column that is not periodic, found '{}'", arguments.column);
        return Err(Failure::usage(message, "use knothe impute to draw its values"));
    }
    let out = arguments.common.out.as_deref().unwrap_or(Path::new("-"));
    check_table_writable(out, &[&arguments.model, &arguments.data])?;
    let prediction = Prediction { model: &model, at, column: columns[at], arguments: &arguments };
    let names = prediction.names();
    if let Some(twice) = (1..names.len()).find(|&k| names[..k].contains(&names[k])) {
        return Err(Failure::usage(format!("--quantiles: expected each quantile once, found '{}' twice", names[twice]), ""));
    }
    let mut output = Output::open(arguments.common.out.as_deref(), &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let batch = (NUMBERS / (arguments.draws * columns.len())).clamp(1, BATCH_ROWS);
    let parts = partial::parts(&model.coding, &arguments.data, &arguments.common, batch)?;
    let (dropped, mut unknown) = std::thread::scope(|scope| {
        let parts = ahead(scope, parts);
        let (mut dropped, mut unknown) = (0, Vec::new());
        for part in ahead(scope, parts.into_iter().map(|part| prediction.of(part?))) {
            let Predicted { columns, without, contradictions } = part?;
            output.rows(&columns)?;
            dropped += without;
            add(&mut unknown, contradictions);
        }
        Ok::<_, Failure>((dropped, unknown))
    })?;
    output.finish()?;
    unknown.retain(|c| c.column != arguments.column);
    partial::note_unknown(&unknown);
    if dropped > 0 {
        let rows = counted(dropped, "row lacks a context value and has no prediction", "rows lack a context value and have no prediction");
        say(format_args!("warning: {rows}"));
    }
    Ok(())
}

/// The predictions of a part of a table.
struct Predicted {
    columns: Vec<Column>,
    /// The rows that lack a context value.
    without: usize,
    contradictions: Vec<Contradiction>,
}

/// The predicted column and the options of the prediction.
struct Prediction<'a> {
    model: &'a Model<Schema>,
    /// The place of the column among the modelled ones.
    at: usize,
    column: &'a SchemaColumn,
    arguments: &'a PredictArguments,
}

impl Prediction<'_> {
    /// The labels of a categorical column.
    fn labels(&self) -> Option<Vec<String>> {
        Some(self.column.kind.labels()?.iter().map(ToString::to_string).collect())
    }

    /// The names of the columns of the output.
    fn names(&self) -> Vec<String> {
        let name = &self.column.name;
        match self.labels() {
            Some(labels) => std::iter::once(name.clone()).chain(labels.iter().map(|label| format!("{name}={label}"))).collect(),
            None => {
                let quantiles = self.arguments.quantiles.iter().map(|q| format!("{name} {q}"));
                [format!("{name} mean"), format!("{name} sd")].into_iter().chain(quantiles).collect()
            }
        }
    }

    /// The predictions of a part.
    fn of(&self, Part { table, rows }: Part) -> Result<Predicted, Failure> {
        let width = self.model.coding.width();
        // A missing value of a column that models missing values is known to be missing, unless the whole column is unknown.
        let missing: Vec<bool> = self.model.coding.modelled().map(|c| c.missing && table.column(&c.name).is_some()).collect();
        let known: Vec<bool> =
            rows.x.iter().enumerate().map(|(k, x)| k % width != self.at && (!x.is_nan() || missing[k % width])).collect();
        let found = if self.labels().is_some() { self.categories(&rows, &known)? } else { self.numbers(&rows, &known)? };
        let place = |column: Column| {
            let mut values = vec![f64::NAN; table.rows()];
            rows.index.iter().zip(&column.values).for_each(|(row, value)| values[(row - table.first_row) as usize] = *value);
            Column { values, ..column }
        };
        let columns = found.into_iter().map(place).collect();
        Ok(Predicted { columns, without: table.rows() - rows.n, contradictions: rows.contradictions })
    }

    /// The most probable label, and the probability of each.
    fn categories(&self, rows: &TableRows, known: &[bool]) -> Result<Vec<Column>, Failure> {
        let (names, labels) = (self.names(), self.labels().unwrap_or_default());
        let probabilities = self.model.label_probabilities(rows, known, self.at)?;
        let count = labels.len();
        let best = |row: &[f64]| (0..count).fold(0, |best, k| if row[k] > row[best] { k } else { best }) as f64;
        // The labels as the table has them: numbers, flags or text.
        let best = TableRows { x: self.repeated(probabilities.chunks_exact(count).map(best)), n: rows.n, ..TableRows::default() };
        let mut columns = vec![self.column_of(&best)];
        columns.extend((0..count).map(|k| Column::real(&names[1 + k], probabilities.iter().skip(k).step_by(count).copied().collect())));
        Ok(columns)
    }

    /// The mean, the standard deviation and the quantiles.
    fn numbers(&self, rows: &TableRows, known: &[bool]) -> Result<Vec<Column>, Failure> {
        let (names, draws) = (self.names(), self.arguments.draws);
        let width = self.model.coding.width();
        let asked: Vec<bool> = (0..known.len()).map(|k| k % width == self.at).collect();
        let drawn = self.model.sample_given(rows, [known, &asked], false, draws, self.arguments.seed)?;
        let values: Vec<f64> = drawn.x.iter().skip(self.at).step_by(width).copied().collect();
        let mut found = vec![Vec::with_capacity(rows.n); names.len()];
        for own in values.chunks_exact(draws) {
            let mut own = own.to_vec();
            own.sort_by(f64::total_cmp);
            let mean = own.iter().sum::<f64>() / draws as f64;
            let variance = own.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / draws as f64;
            let quantile = |q: &f64| quantile(&own, *q, !self.column.kind.is_discrete());
            let all = [mean, variance.sqrt()].into_iter().chain(self.arguments.quantiles.iter().map(quantile));
            found.iter_mut().zip(all).for_each(|(column, value)| column.push(value));
        }
        let form = |k: usize| match self.column.kind {
            // A mean date is a date, and a deviation is a number of units.
            Kind::Time(unit) if k != 1 => Form::Time(unit),
            Kind::Integer(_) if k > 1 => Form::Whole,
            _ => Form::Real,
        };
        let whole = |k: usize, v: f64| if matches!(form(k), Form::Time(_)) { v.round() } else { v };
        let column = |(k, values): (usize, Vec<f64>)| Column {
            name: names[k].clone(),
            values: values.into_iter().map(|v| whole(k, v)).collect(),
            form: form(k),
        };
        Ok(found.into_iter().enumerate().map(column).collect())
    }

    /// Rows with these values of the column.
    fn repeated(&self, values: impl Iterator<Item = f64>) -> Vec<f64> {
        let width = self.model.coding.width();
        values.flat_map(|value| (0..width).map(move |j| if j == self.at { value } else { 0.0 })).collect()
    }

    /// The column of rows, as the table has it.
    fn column_of(&self, rows: &TableRows) -> Column {
        let all = self.model.coding.columns_of(rows);
        all.into_iter().find(|c| c.name == self.column.name).unwrap_or_else(|| Column::real(&self.column.name, Vec::new()))
    }
}

/// The quantile of sorted draws, of which the k-th is at (k + ½)/n; between two of them if `between` is set.
fn quantile(sorted: &[f64], q: f64, between: bool) -> f64 {
    let at = (q * sorted.len() as f64 - 0.5).clamp(0.0, sorted.len() as f64 - 1.0);
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    match between {
        true => low + (high - low) * at.fract(),
        false => sorted[at.round() as usize],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_between_the_draws() {
        let draws = [1.0, 2.0, 4.0, 8.0];
        // The draws are at 1/8, 3/8, 5/8 and 7/8.
        assert_eq!([0.01, 0.125, 0.25, 0.5, 0.875, 0.99].map(|q| quantile(&draws, q, true)), [1.0, 1.0, 1.5, 3.0, 8.0, 8.0]);
        assert_eq!([0.2, 0.3, 0.9].map(|q| quantile(&draws, q, false)), [1.0, 2.0, 8.0]);
        assert_eq!(quantile(&[5.0], 0.3, true), 5.0);
    }
}
