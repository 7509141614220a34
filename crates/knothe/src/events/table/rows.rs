//! A table as the rows of a schema.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::{
    column::{Column, Form, is_same},
    errors,
    kind::{Kind, Label, in_words},
    moment::{self, is_moment},
    quoted,
    reader::Table,
    reading::Reading,
    schema::{ContextColumn, MissingPolicy, Schema, SchemaColumn},
    text::{boolean, is_mark, way_of_most},
};
use crate::{
    error::{Error, Result},
    hint::Hint,
};

/// The longest names, in bytes, that are compared with others.
const LONGEST_COMPARED: usize = 200;
/// The most names that a hint lists.
const MOST_NEAR: usize = 5;

/// The purpose of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Fitting: all columns and the weights.
    Fit,
    /// Evaluating a model: all columns, and the weights if the table has them.
    Evaluate,
    /// Scoring row by row: all columns. Weights have no influence, so they are not read.
    Score,
    /// Conditioning: only the context columns.
    Context,
    /// Conditionals: any columns, with any of their values. A modelled column may be absent, and its values may be missing.
    Partial,
}

/// Rows of numbers in the units of the file. A value of a categorical column is the index of its label, and a missing value is NaN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableRows {
    /// The number of rows.
    pub n: usize,
    /// Row-major `[n, width]`, with [`Schema::width`] columns; empty for [`Need::Context`].
    pub x: Vec<f64>,
    /// Row-major, one column for each context column.
    pub context: Vec<f64>,
    /// The weights.
    pub weights: Option<Vec<f64>>,
    /// The standard deviations of the measurement errors, row-major with one column per entry of [`Schema::errors`]. Exact values have 0. `None` if the table has no such
    /// column.
    pub errors: Option<Vec<f64>>,
    /// The number of rows that were left out because they lack a value.
    pub dropped: usize,
    /// The number of each row in the file, from 0.
    pub index: Vec<u64>,
    /// Which rows are outside the support. Empty if all are inside.
    pub outside: Vec<bool>,
    /// What makes these rows impossible, column by column.
    pub contradictions: Vec<Contradiction>,
}

/// Values that contradict the schema of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Contradiction {
    /// The column.
    pub column: String,
    /// The possible values, in words.
    pub expected: String,
    /// The first other value.
    pub found: String,
    /// The first row with such a value, counted from 1.
    pub row: u64,
    /// The number of rows with such a value.
    pub rows: usize,
    /// Why the first value is impossible.
    pub reason: Reason,
}

/// Why a value is impossible, as far as another schema can help.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is not whole, and the column has whole numbers.
    NotWhole,
    /// It is a whole number outside the bounds of a column of whole numbers.
    OutOfBounds,
    /// Anything else, such as an unknown category.
    Other,
}

impl TableRows {
    /// The weight of a row.
    pub(super) fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    /// Whether a row lies outside the support.
    pub(super) fn is_outside(&self, row: usize) -> bool {
        self.outside.get(row).copied().unwrap_or(false)
    }

    /// The number of rows outside the support.
    pub fn impossible(&self) -> usize {
        self.outside.iter().filter(|outside| **outside).count()
    }
}

/// A column of a table and its entry in the schema.
struct Matched<'a> {
    found: &'a Column,
    column: &'a SchemaColumn,
    /// The values in the units of the schema: moments in its unit, labels by their index, and ∞ for a label that it lacks.
    values: Cow<'a, [f64]>,
}

impl<'a> Matched<'a> {
    fn of(table: &Table, column: &'a SchemaColumn, found: &'a Column) -> Result<Self> {
        Ok(Matched { found, column, values: values_of(table, found, &column.kind)? })
    }
}

impl Contradiction {
    /// The contradiction in one row, before such rows are counted.
    fn at(table: &Table, column: &Column, row: usize, expected: String, reason: Reason) -> Self {
        Contradiction { column: column.name.clone(), expected, found: column.shown(row), row: table.number(row), rows: 0, reason }
    }
}

impl Reason {
    /// Why a kind does not have a value that contradicts it.
    fn of(kind: &Kind, value: f64) -> Self {
        match kind {
            Kind::Integer(_) if value.is_finite() && value.fract() == 0.0 => Reason::OutOfBounds,
            Kind::Integer(_) if value.is_finite() => Reason::NotWhole,
            _ => Reason::Other,
        }
    }
}

impl Schema {
    /// Matches a table's columns by name, in any order. Other columns are ignored; see [`Schema::ignored`].
    ///
    /// For [`Need::Fit`], a value that the schema does not allow is an error. For [`Need::Evaluate`] and [`Need::Score`], its row is marked as outside the support.
    ///
    /// # Errors
    /// A missing column (dropped, constant and weight columns are optional), a missing value that the schema rejects, text in a numeric column, an impossible
    /// value of the context and, if weights are needed, weights that are missing, negative or all 0.
    pub fn rows(&self, table: &Table, need: Need) -> Result<TableRows> {
        if need == Need::Partial {
            return self.matched(&self.filled(table), need).map_err(without_declaration);
        }
        self.matched(table, need).map_err(|e| if need == Need::Fit { e } else { without_declaration(e) })
    }

    fn matched(&self, table: &Table, need: Need) -> Result<TableRows> {
        let columns: HashMap<&str, &Column> = table.columns.iter().map(|c| (c.name.as_str(), c)).collect();
        let find = |name: &str| columns.get(name).copied().ok_or_else(|| missing_column(table, name));
        let modelled = match need {
            Need::Context => Vec::new(),
            _ => self.modelled().map(|c| Matched::of(table, c, find(&c.name)?)).collect::<Result<Vec<_>>>()?,
        };
        let constant = self.columns.iter().filter(|c| need != Need::Context && matches!(c.kind, Kind::Constant(_)));
        let constant = constant.filter_map(|c| Some(Matched::of(table, c, columns.get(c.name.as_str())?))).collect::<Result<Vec<_>>>()?;
        let context = self.context.iter().map(|c| context_values(table, find(&c.name)?, c)).collect::<Result<Vec<_>>>()?;
        let weights = match &self.weights {
            Some(name) if need == Need::Fit => Some(find(name)?),
            Some(name) if need == Need::Evaluate => table.column(name),
            _ => None,
        };
        if let Some(other) = weights.filter(|column| !column.is_numeric()) {
            return Err(not_numbers(table, other));
        }
        let used = modelled
            .iter()
            .chain(&constant)
            .map(|m| (m.found, &m.values[..], m.column.missing || self.missing == MissingPolicy::Model || need == Need::Partial));
        let used = used
            .chain(context.iter().zip(&self.context).filter_map(|(values, c)| Some((*columns.get(c.name.as_str())?, &values[..], false))));
        let kept = complete_rows(table, &used.collect::<Vec<_>>(), self.missing)?;
        self.errors.iter().filter(|_| need == Need::Fit).try_for_each(|e| find(&e.error).map(drop))?;
        let errors = if need == Need::Context { None } else { errors::sigmas(self, table, &kept)? };
        if need == Need::Fit {
            errors::check_spread(self, table, &kept)?;
        }
        let places = errors::places(self);
        let sigma = |at: usize, place: Option<&Option<usize>>| match (&errors, place) {
            (Some(errors), Some(Some(place))) => errors[at * self.errors.len() + place],
            _ => 0.0,
        };
        let mut contradictions = Vec::new();
        let mut is_outside = vec![false; kept.len()];
        for (j, m) in modelled.iter().chain(&constant).enumerate() {
            let mut first = None;
            for (at, (is_outside, &i)) in is_outside.iter_mut().zip(&kept).enumerate() {
                if m.column.is_measured(m.values[i], sigma(at, places.get(j))) {
                    continue;
                }
                if need == Need::Partial && m.values[i].is_nan() {
                    continue;
                }
                let Some(expected) = m.column.contradiction(m.values[i]) else { continue };
                *is_outside = true;
                let reason = Reason::of(&m.column.kind, m.values[i]);
                first.get_or_insert_with(|| Contradiction::at(table, m.found, i, expected, reason)).rows += 1;
            }
            contradictions.extend(first);
        }
        if need == Need::Fit && !contradictions.is_empty() {
            return Err(contradicts(contradictions.swap_remove(0), table));
        }
        Ok(TableRows {
            n: kept.len(),
            x: kept.iter().flat_map(|&i| modelled.iter().map(move |m| m.values[i])).collect(),
            context: kept.iter().flat_map(|&i| context.iter().map(move |values| values[i])).collect(),
            weights: weights.map(|w| checked_weights(table, w, &kept)).transpose()?,
            errors,
            dropped: table.rows() - kept.len(),
            index: kept.iter().map(|&i| table.first_row + i as u64).collect(),
            outside: if contradictions.is_empty() { Vec::new() } else { is_outside },
            contradictions,
        })
    }

    /// Rows from numbers in the units of [`TableRows`]. Rows with an impossible value are marked.
    pub fn rows_of(&self, x: Vec<f64>, context: Vec<f64>) -> TableRows {
        let columns: Vec<&SchemaColumn> = self.modelled().collect();
        let outside = |row: &[f64]| row.iter().zip(&columns).any(|(&value, c)| c.contradiction(value).is_some());
        let outside: Vec<bool> = x.chunks_exact(columns.len().max(1)).map(outside).collect();
        TableRows { n: outside.len(), index: (0..outside.len() as u64).collect(), x, context, outside, ..TableRows::default() }
    }

    /// Settings to read a table for this schema. Dropped columns and those in `skip` are not read, and labels are read as text. A first line that holds most names of the
    /// schema is a header, and no column of the schema is left out as an index.
    pub fn reading(&self, skip: impl IntoIterator<Item = String>) -> Reading {
        let kinds = self.columns.iter().map(|c| match &c.kind {
            Kind::Constant(label) => (&c.name, std::slice::from_ref(label)),
            kind => (&c.name, kind.labels().unwrap_or_default()),
        });
        let all: Vec<(&String, &[Label])> = kinds.chain(self.context.iter().map(|c| (&c.name, &c.labels[..]))).collect();
        let skip: Vec<String> = self.dropped.iter().cloned().chain(skip).collect();
        let names = all.iter().map(|(name, _)| *name).chain(&self.weights).filter(|name| !skip.contains(name)).cloned().collect();
        Reading { names, skip, ..Reading::default() }.with_labels(all)
    }

    /// The columns of a table that the schema does not know.
    pub fn ignored(&self, table: &Table) -> Vec<String> {
        let own = self.columns.iter().map(|c| &c.name).chain(self.context.iter().map(|c| &c.name));
        let own = own.chain(self.errors.iter().map(|e| &e.error));
        let known: HashSet<&String> = own.chain(&self.weights).chain(&self.dropped).collect();
        table.columns.iter().map(|c| &c.name).filter(|name| !known.contains(name)).cloned().collect()
    }
}

impl SchemaColumn {
    /// Whether a value is possible.
    pub(super) fn allows(&self, value: f64) -> bool {
        self.contradiction(value).is_none()
    }

    /// Describes the possible values, if this value is neither one of them nor special.
    fn contradiction(&self, value: f64) -> Option<String> {
        match &self.kind {
            _ if self.flag(value).is_some() => None,
            // The index of a constant is 0.
            Kind::Constant(label) => (value != 0.0).then(|| label.to_string()),
            _ if value.is_nan() => Some("a value".into()),
            kind => kind.contradiction(value),
        }
    }
}

/// The values of a column in the units of a kind.
fn values_of<'a>(table: &Table, column: &'a Column, kind: &Kind) -> Result<Cow<'a, [f64]>> {
    match kind {
        Kind::Categorical(labels) | Kind::Ordered(labels) => Ok(indices(column, labels).into()),
        Kind::Constant(label) => Ok(indices(column, std::slice::from_ref(label)).into()),
        Kind::Time(unit) => match column.form {
            Form::Time(found) if found == *unit => Ok(Cow::Borrowed(&column.values)),
            _ if column.is_missing() => Ok(Cow::Borrowed(&column.values)),
            Form::Time(found) => {
                let (found, unit) = (found.microseconds(), unit.microseconds());
                // One of them is a multiple of the other, so that whole counts stay whole.
                let scaled = |v: &f64| if found > unit { v * (found / unit) as f64 } else { v / (unit / found) as f64 };
                Ok(column.values.iter().map(scaled).collect())
            }
            _ => Err(not_moments(table, column)),
        },
        _ if column.is_numeric() => Ok(Cow::Borrowed(&column.values)),
        _ => Err(not_numbers(table, column)),
    }
}

/// The values of a context column: numbers or indices of labels.
fn context_values<'a>(table: &Table, found: &'a Column, column: &ContextColumn) -> Result<Cow<'a, [f64]>> {
    if column.labels.is_empty() {
        return if found.is_numeric() { Ok(Cow::Borrowed(&found.values)) } else { Err(not_numbers(table, found)) };
    }
    let indices = indices(found, &column.labels);
    match indices.iter().position(|index| index.is_infinite()) {
        None => Ok(indices.into()),
        Some(i) => {
            let expected = format!("one of {}", in_words(&column.labels));
            Err(contradicts(Contradiction::at(table, found, i, expected, Reason::Other), table))
        }
    }
}

/// The index of each value's label, NaN for a missing value, and ∞ for an unknown label.
fn indices(column: &Column, labels: &[Label]) -> Vec<f64> {
    let of = |same: &dyn Fn(&Label) -> bool| labels.iter().position(same).map_or(f64::INFINITY, |k| k as f64);
    let text = |text: &str| {
        let moment = moment::parse(text);
        // The same text before another spelling of it.
        let exact = of(&|label| matches!(label, Label::Text(known) if known == text));
        if exact.is_finite() {
            return exact;
        }
        of(&|label| match label {
            Label::Text(known) => (moment.is_some() && moment::parse(known) == moment) || is_spelling(known, text),
            Label::Number(number) => text.parse().ok().or(boolean(text.as_bytes())).is_some_and(|value| is_same(*number, value)),
            Label::Flag(flag) => boolean(text.as_bytes()).or(text.parse().ok()) == Some(f64::from(*flag)),
        })
    };
    match &column.form {
        Form::Text(texts) => {
            let known: Vec<f64> = texts.iter().map(|t| text(t)).collect();
            column.values.iter().map(|&v| if v.is_nan() { v } else { known.get(v as usize).copied().unwrap_or(f64::INFINITY) }).collect()
        }
        form => {
            let mut known: HashMap<u64, f64> = HashMap::new();
            let find = |v: f64| {
                let number = of(&|label| match label {
                    Label::Number(number) => is_same(*number, v),
                    Label::Flag(flag) => f64::from(*flag) == v,
                    Label::Text(_) => false,
                });
                match form {
                    _ if number.is_finite() => number,
                    Form::Boolean => text(if v == 1.0 { "true" } else { "false" }),
                    Form::Time(unit) => text(&unit.text(v).unwrap_or_default()),
                    _ => text(&v.to_string()),
                }
            };
            column.values.iter().map(|&v| if v.is_nan() { v } else { *known.entry(v.to_bits()).or_insert_with(|| find(v)) }).collect()
        }
    }
}

/// Whether two texts are spellings of one value: `1` and `1.0`, as a table of floats writes it, or `true`, `True` and `1`.
fn is_spelling(a: &str, b: &str) -> bool {
    let [a, b] = [a, b].map(|text| match text.strip_suffix(".0") {
        Some(whole) if whole.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) => whole,
        _ => text,
    });
    let [first, second] = [a, b].map(|text| boolean(text.as_bytes()));
    let flag = |text: &str| text.parse().ok().filter(|v| matches!(v, 0.0 | 1.0));
    a == b || ((first.is_some() || second.is_some()) && first.or_else(|| flag(a)) == second.or_else(|| flag(b)))
}

/// An error without the hint to declare or drop a column, which only a fit can do.
fn without_declaration(error: Error) -> Error {
    match error {
        Error::Table { path, column, row, problem, hint: Some(hint) } if matches!(*hint, Hint::DeclareOrDrop(_)) => {
            Error::Table { path, column, row, problem, hint: None }
        }
        other => other,
    }
}

/// How often each text of a column occurs.
pub(super) fn counts(column: &Column) -> Vec<usize> {
    let Form::Text(texts) = &column.form else { return Vec::new() };
    let mut counts = vec![0; texts.len()];
    column.values.iter().filter(|v| !v.is_nan()).for_each(|v| counts.get_mut(*v as usize).into_iter().for_each(|count| *count += 1));
    counts
}

/// The error for a column that should hold numbers.
pub(super) fn not_numbers(table: &Table, column: &Column) -> Error {
    let texts = if let Form::Text(texts) = &column.form { &texts[..] } else { &[] };
    let is_number = way_of_most(counts(column).into_iter().zip(texts).map(|(count, text)| (text.as_str(), count)));
    other_form(table, column, "numbers", |text| is_number(text) || is_mark(text.as_bytes()))
}

/// The error for a column that should hold dates or times.
pub(super) fn not_moments(table: &Table, column: &Column) -> Error {
    other_form(table, column, "dates or times", is_moment)
}

/// The error for a column whose form does not fit its kind. `fits` says of a text whether it does.
pub(super) fn other_form(table: &Table, column: &Column, expected: &str, fits: impl Fn(&str) -> bool) -> Error {
    // The first value that does not fit is to blame, if there is one.
    let is_other = |&i: &usize| !column.values[i].is_nan() && !fits(&column.text(i));
    let row = (0..column.values.len()).find(is_other).or_else(|| column.values.iter().position(|v| !v.is_nan()));
    let found = row.map_or_else(|| "nothing".into(), |i| column.shown(i));
    Error::Table {
        path: table.path.clone(),
        column: Some(column.name.clone()),
        row: row.map(|i| table.number(i)),
        problem: format!("expected {expected}, found {found}"),
        hint: Some(Hint::DeclareOrDrop(column.name.clone()).into()),
    }
}

/// The error for a value that its column cannot have.
fn contradicts(Contradiction { column, expected, found, row, .. }: Contradiction, table: &Table) -> Error {
    let problem = format!("expected {expected}, found {found}");
    Error::Table { path: table.path.clone(), column: Some(column), row: Some(row), problem, hint: None }
}

fn missing_column(table: &Table, name: &str) -> Error {
    let found: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    Error::table(&table.path, format!("expected a column '{name}', found {}", quoted(&found)), near(name, &found))
}

/// A hint with the names that resemble `name`, if there are any. Long names are not compared, because the work grows with the product of the lengths.
pub(super) fn near<S: AsRef<str>>(name: &str, known: &[S]) -> Option<Hint> {
    let edits = name.chars().count() / 3;
    let is_near = |other: &&str| {
        let short = name.len().max(other.len()) <= LONGEST_COMPARED && name.len().abs_diff(other.len()) <= 4 * edits;
        short && strsim::levenshtein(&name.to_lowercase(), &other.to_lowercase()) <= edits
    };
    let close: Vec<String> = known.iter().map(AsRef::as_ref).filter(is_near).take(MOST_NEAR).map(str::to_owned).collect();
    (!close.is_empty()).then_some(Hint::DidYouMean(close))
}

/// The rows that have all required values. Columns that model missing values require none. If the policy rejects missing values, they are an error that
/// counts them. Each column comes with its values and whether it models missing ones.
pub(super) fn complete_rows(table: &Table, used: &[(&Column, &[f64], bool)], policy: MissingPolicy) -> Result<Vec<usize>> {
    let needed: Vec<(&str, &[f64])> = used.iter().filter(|(.., models)| !models).map(|(c, values, _)| (c.name.as_str(), *values)).collect();
    let counts = needed.iter().map(|(name, values)| (*name, values.iter().filter(|v| v.is_nan()).count()));
    let counts: Vec<(&str, usize)> = counts.filter(|(_, n)| *n > 0).collect();
    let all: Vec<String> = counts.iter().map(|(name, n)| format!("'{name}' {n}")).collect();
    if let Some((name, _)) = counts.iter().find(|(_, n)| *n == table.rows()) {
        let hint = Hint::DropColumns(vec![(*name).into()]);
        return Err(Error::table(&table.path, format!("expected values in column '{name}', found only missing ones"), hint));
    }
    if policy == MissingPolicy::Reject && !counts.is_empty() {
        let problem = format!("expected complete rows, found missing values: {} (of {} rows)", all.join(", "), table.rows());
        return Err(Error::table(&table.path, problem, Hint::AllowMissing));
    }
    let kept: Vec<usize> = (0..table.rows()).filter(|&i| needed.iter().all(|(_, values)| !values[i].is_nan())).collect();
    if kept.is_empty() && !counts.is_empty() {
        return Err(Error::table(&table.path, format!("expected complete rows, found none: {} missing", all.join(", ")), None));
    }
    Ok(kept)
}

fn checked_weights(table: &Table, weights: &Column, kept: &[usize]) -> Result<Vec<f64>> {
    let refuse = |row: Option<usize>, found: String| Error::Table {
        path: table.path.clone(),
        column: Some(weights.name.clone()),
        row: row.map(|i| table.number(i)),
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
