//! A table as the rows of a schema.

use std::collections::{HashMap, HashSet};

use super::{
    column::{Column, Form},
    quoted,
    reader::Table,
    schema::{MissingPolicy, Schema},
};
use crate::events::table::Kind;
use crate::{
    error::{Error, Result},
    hint::Hint,
};

/// The longest names, in bytes, that are compared with others.
const LONGEST_COMPARED: usize = 200;
/// The most names that a hint lists.
const MOST_NEAR: usize = 5;

/// What the rows are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// To learn from: all columns, and the weights.
    Fit,
    /// To judge a model by: all columns, and the weights where they are there.
    Evaluate,
    /// To score row by row: all columns. Weights have no say, so they are not looked at.
    Score,
    /// To be given: the context columns alone.
    Context,
}

/// Rows of numbers in the units of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableRows {
    /// The number of rows.
    pub n: usize,
    /// Row-major `[n, dim]`; empty for [`Need::Context`].
    pub x: Vec<f64>,
    /// Row-major `[n, context_dim]`.
    pub context: Vec<f64>,
    /// The weights.
    pub weights: Option<Vec<f64>>,
    /// How many rows were left out because they lack a value.
    pub dropped: usize,
    /// Which rows of the file these are, counted from 0.
    pub index: Vec<u64>,
}

impl Schema {
    /// Matches a table's columns by name, in any order.
    ///
    /// Fails on a missing or an extra column (dropped, constant and weight columns may be there or not), on a missing value where the schema rejects them,
    /// on a value that contradicts its column's kind, and, where weights are needed, on ones that are missing, negative or all 0.
    pub fn rows(&self, table: &Table, need: Need) -> Result<TableRows> {
        let columns: HashMap<&str, &Column> = table.columns.iter().map(|c| (c.name.as_str(), c)).collect();
        let find = |name: &str| columns.get(name).copied().ok_or_else(|| missing_column(table, name));
        let modelled: Vec<(&Column, Kind)> = match need {
            Need::Context => Vec::new(),
            _ => self.modelled().map(|c| Ok((find(&c.name)?, c.kind))).collect::<Result<_>>()?,
        };
        let context: Vec<&Column> = self.context.iter().map(|c| find(&c.name)).collect::<Result<_>>()?;
        if need != Need::Context {
            self.check_no_extra(table)?;
        }
        let weights = match &self.weights {
            Some(name) if need == Need::Fit => Some(find(name)?),
            Some(name) if need == Need::Evaluate => table.column(name),
            _ => None,
        };
        let used: Vec<&Column> = modelled.iter().map(|(c, _)| *c).chain(context.iter().copied()).collect();
        check_numbers(table, used.iter().copied().chain(weights))?;
        let kept = complete_rows(table, &used, self.missing)?;
        for (column, kind) in &modelled {
            check_kind(table, column, *kind, &kept)?;
        }
        Ok(TableRows {
            n: kept.len(),
            x: kept.iter().flat_map(|&i| modelled.iter().map(move |(c, _)| c.values[i])).collect(),
            context: kept.iter().flat_map(|&i| context.iter().map(move |c| c.values[i])).collect(),
            weights: weights.map(|w| checked_weights(table, w, &kept)).transpose()?,
            dropped: table.rows() - kept.len(),
            index: kept.iter().map(|&i| table.first_row + i as u64).collect(),
        })
    }

    fn check_no_extra(&self, table: &Table) -> Result<()> {
        let own = self.columns.iter().map(|c| &c.name).chain(self.context.iter().map(|c| &c.name));
        let known: HashSet<&String> = own.chain(&self.weights).chain(&self.dropped).collect();
        let extra: Vec<&String> = table.columns.iter().map(|c| &c.name).filter(|name| !known.contains(name)).collect();
        if extra.is_empty() {
            return Ok(());
        }
        let expected: Vec<&String> = self.columns.iter().map(|c| &c.name).chain(self.context.iter().map(|c| &c.name)).collect();
        let problem = format!("expected the columns {}, found also {}", quoted(&expected), quoted(&extra));
        Err(Error::table(&table.path, problem, Hint::other("leave the extra columns out of the table")))
    }
}

/// The columns hold numbers.
pub(super) fn check_numbers<'a>(table: &Table, columns: impl IntoIterator<Item = &'a Column>) -> Result<()> {
    for column in columns {
        let found = match &column.form {
            Form::Text(_) => "text",
            Form::Time(_) => "moments",
            _ => continue,
        };
        return Err(Error::Table {
            path: table.path.clone(),
            column: Some(column.name.clone()),
            row: None,
            problem: format!("expected numbers, found {found}"),
            hint: Some(Hint::EncodeOrDrop(column.name.clone()).into()),
        });
    }
    Ok(())
}

fn missing_column(table: &Table, name: &str) -> Error {
    let found: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    Error::table(&table.path, format!("expected a column '{name}', found {}", quoted(&found)), near(name, &found))
}

/// The names that look like `name`, as a hint; none where no name does. Long names are not compared, since the work grows with the product of the lengths.
pub(super) fn near<S: AsRef<str>>(name: &str, known: &[S]) -> Option<Hint> {
    let edits = name.chars().count() / 3;
    let is_near = |other: &&str| {
        let short = name.len().max(other.len()) <= LONGEST_COMPARED && name.len().abs_diff(other.len()) <= 4 * edits;
        short && strsim::levenshtein(&name.to_lowercase(), &other.to_lowercase()) <= edits
    };
    let close: Vec<String> = known.iter().map(AsRef::as_ref).filter(is_near).take(MOST_NEAR).map(str::to_owned).collect();
    (!close.is_empty()).then_some(Hint::DidYouMean(close))
}

/// The rows that have all values of `used`, or, where the policy says so, an error that counts what is missing.
pub(super) fn complete_rows(table: &Table, used: &[&Column], policy: MissingPolicy) -> Result<Vec<usize>> {
    let missing = |c: &Column| c.values.iter().filter(|v| v.is_nan()).count();
    let counts: Vec<(&str, usize)> = used.iter().map(|c| (c.name.as_str(), missing(c))).filter(|(_, n)| *n > 0).collect();
    let all: Vec<String> = counts.iter().map(|(name, n)| format!("'{name}' {n}")).collect();
    if let Some((name, _)) = counts.iter().find(|(_, n)| *n == table.rows()) {
        let hint = Hint::DropColumns(vec![(*name).into()]);
        return Err(Error::table(&table.path, format!("expected values in column '{name}', found only missing ones"), hint));
    }
    if policy == MissingPolicy::Reject && !counts.is_empty() {
        let problem = format!("expected complete rows, found missing values: {} (of {} rows)", all.join(", "), table.rows());
        return Err(Error::table(&table.path, problem, Hint::AllowMissing));
    }
    let kept: Vec<usize> = (0..table.rows()).filter(|&i| used.iter().all(|c| !c.values[i].is_nan())).collect();
    if kept.is_empty() && !counts.is_empty() {
        return Err(Error::table(&table.path, format!("expected complete rows, found none: {} missing", all.join(", ")), None));
    }
    Ok(kept)
}

fn check_kind(table: &Table, column: &Column, kind: Kind, kept: &[usize]) -> Result<()> {
    for &i in kept {
        if let Some(expected) = kind.contradiction(column.values[i]) {
            return Err(Error::Table {
                path: table.path.clone(),
                column: Some(column.name.clone()),
                row: Some(table.first_row + i as u64 + 1),
                problem: format!("expected {expected}, found {}", column.values[i]),
                hint: Some(Hint::other("the schema of the model declares the column so").into()),
            });
        }
    }
    Ok(())
}

fn checked_weights(table: &Table, weights: &Column, kept: &[usize]) -> Result<Vec<f64>> {
    let refuse = |row: Option<usize>, found: String| Error::Table {
        path: table.path.clone(),
        column: Some(weights.name.clone()),
        row: row.map(|i| table.first_row + i as u64 + 1),
        problem: format!("expected weights of at least 0 that are not all 0, found {found}"),
        hint: None,
    };
    let values: Vec<f64> = kept.iter().map(|&i| weights.values[i]).collect();
    if let Some(k) = values.iter().position(|w| w.is_nan() || *w < 0.0) {
        let found = if values[k].is_nan() { "none".into() } else { values[k].to_string() };
        return Err(refuse(Some(kept[k]), found));
    }
    if values.iter().sum::<f64>() > 0.0 { Ok(values) } else { Err(refuse(None, "only 0".into())) }
}
