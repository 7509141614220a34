//! Columns that were measured with errors, whose standard deviations stand in other columns.

use std::{borrow::Cow, sync::Arc};

use super::{
    column::Column,
    elements::Part,
    kind::Kind,
    reader::Table,
    rows::{TableRows, other_form},
    schema::{ErrorColumn, Schema, SchemaColumn},
    text::is_number,
};
use crate::{
    error::{Error, Result},
    fit::{Curve, Errors},
    hint::Hint,
    measured::{is_within_reach, within},
};

/// The largest error of a row, in interquartile ranges of its column.
const MOST_SPREADS: f64 = 100.0;

impl Curve for SchemaColumn {
    fn support(&self) -> [f64; 2] {
        self.kind.support()
    }

    fn encoded(&self, x: f64) -> (f64, f64) {
        let u = self.standardised(x);
        (u, self.kind.log_slope(x, u) - self.scale.ln())
    }
}

impl Kind {
    /// The open interval of the values of a real column. On a circle every number is a point.
    fn support(&self) -> [f64; 2] {
        match self {
            Kind::Positive => [0.0, f64::INFINITY],
            Kind::Bounded(ends) => *ends,
            _ => [f64::NEG_INFINITY, f64::INFINITY],
        }
    }
}

impl SchemaColumn {
    /// Whether a value has an error of this standard deviation and a possible true value. Special and missing values have no errors.
    pub(super) fn is_measured(&self, value: f64, sigma: f64) -> bool {
        sigma > 0.0 && !self.kind.is_discrete() && self.flag(value).is_none() && is_within_reach(value, sigma, self.kind.support())
    }
}

/// The place of each modelled column among the columns that have errors.
pub(super) fn places(schema: &Schema) -> Vec<Option<usize>> {
    schema.modelled().map(|c| schema.errors.iter().position(|e| e.column == c.name)).collect()
}

/// The standard deviations of the errors of the rows `kept`, row-major with one per entry of [`Schema::errors`], and 0 where the table has none. `None` if the table has no
/// column of errors.
pub(super) fn sigmas(schema: &Schema, table: &Table, kept: &[usize]) -> Result<Option<Vec<f64>>> {
    let columns: Vec<Option<&Column>> = schema.errors.iter().map(|e| table.column(&e.error)).collect();
    for column in columns.iter().flatten() {
        check(table, column, kept)?;
    }
    let sigma = |column: &Option<&Column>, i: usize| column.map(|c| c.values[i]).filter(|v| !v.is_nan()).unwrap_or(0.0);
    let all = kept.iter().flat_map(|&i| columns.iter().map(move |column| sigma(column, i))).collect();
    Ok(columns.iter().any(Option::is_some).then_some(all))
}

/// Refuses negative and infinite standard deviations.
fn check(table: &Table, column: &Column, kept: &[usize]) -> Result<()> {
    if !column.is_numeric() {
        return Err(other_form(table, column, "standard deviations of errors", is_number));
    }
    match kept.iter().find(|&&i| column.values[i] < 0.0 || column.values[i].is_infinite()) {
        None => Ok(()),
        Some(&i) => Err(Error::Table {
            path: table.path.clone(),
            column: Some(column.name.clone()),
            row: Some(table.number(i)),
            problem: format!("expected the standard deviation of an error, a finite number of at least 0, found {}", column.shown(i)),
            hint: None,
        }),
    }
}

/// Refuses an error far above the spread of its column, such as a placeholder. Draws from such an error hardly ever meet the other values.
pub(super) fn check_spread(schema: &Schema, table: &Table, kept: &[usize]) -> Result<()> {
    for ErrorColumn { column, error } in &schema.errors {
        let (Some(values), Some(sigmas)) = (table.column(column), table.column(error)) else { continue };
        let mut sorted: Vec<f64> = kept.iter().map(|&i| values.values[i]).filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let quarter = |k: usize| sorted.get(k * sorted.len() / 4).copied().unwrap_or(0.0);
        let spread = quarter(3) - quarter(1);
        let is_wide = |i: &&usize| spread > 0.0 && sigmas.values[**i] > MOST_SPREADS * spread;
        if let Some(&i) = kept.iter().find(is_wide) {
            let expected = format!("an error of at most {MOST_SPREADS} times the interquartile range of '{column}', {spread}");
            return Err(Error::Table {
                path: table.path.clone(),
                column: Some(error.clone()),
                row: Some(table.number(i)),
                problem: format!("expected {expected}, found {}", sigmas.shown(i)),
                hint: Some(Hint::other("if the value is unknown, leave its field empty").into()),
            });
        }
    }
    Ok(())
}

/// Refuses errors of a column that is not one of real numbers.
pub(super) fn check_kinds(table: &Table, schema: &Schema) -> Result<()> {
    for ErrorColumn { column, .. } in &schema.errors {
        let found = schema.columns.iter().find(|c| c.name == *column);
        let found = match found.map(|c| &c.kind) {
            Some(Kind::Continuous | Kind::Positive | Kind::Bounded(_) | Kind::Periodic(_)) => continue,
            Some(Kind::Integer(_)) => "whole numbers",
            Some(Kind::Lattice(_)) => "equally spaced numbers",
            Some(Kind::Categorical(_) | Kind::Ordered(_)) => "categories",
            Some(Kind::Time(_)) => "dates or times",
            Some(Kind::Constant(_)) => "one value in every row",
            None => "a column that is left out",
        };
        let is_number = table.column(column).is_some_and(Column::is_numeric);
        let declare = Hint::DeclareKind { columns: vec![column.clone()], kind: r#""continuous""#.into(), only_seen: true };
        return Err(Error::Table {
            path: table.path.clone(),
            column: Some(column.clone()),
            row: None,
            problem: format!("expected a column of real numbers, because it has measurement errors, found {found}"),
            hint: is_number.then(|| declare.into()),
        });
    }
    Ok(())
}

impl Schema {
    /// The columns whose errors the table lacks. Their values count as exact.
    pub fn exact(&self, table: &Table) -> Vec<&str> {
        self.errors.iter().filter(|e| table.column(&e.error).is_none()).map(|e| e.column.as_str()).collect()
    }

    /// The values of rows. A measured value outside the support or close to its ends is replaced by a number inside it.
    pub(super) fn standing<'a>(&self, rows: &'a TableRows) -> Cow<'a, [f64]> {
        if rows.errors.is_none() {
            return Cow::Borrowed(&rows.x);
        }
        let (columns, places): (Vec<_>, _) = (self.modelled().collect(), places(self));
        let (width, mut x) = (columns.len(), rows.x.clone());
        for (j, c) in columns.iter().enumerate().filter(|(_, c)| matches!(c.kind, Kind::Positive | Kind::Bounded(_))) {
            for i in 0..rows.n {
                let (value, sigma) = (&mut x[i * width + j], rows.sigma(i, places[j]));
                if c.is_measured(*value, sigma) {
                    *value = within(*value, sigma, c.kind.support());
                }
            }
        }
        Cow::Owned(x)
    }

    /// Converts the errors of rows to errors of elements.
    pub(super) fn errors_of(&self, rows: &TableRows) -> Result<Option<Errors>> {
        if rows.errors.is_none() {
            return Ok(None);
        }
        let (columns, places): (Vec<_>, _) = (self.modelled().collect(), places(self));
        let mut errors = Errors::default();
        for (element, e) in self.layout().iter().enumerate().filter(|(_, e)| e.part == Part::Value && places[e.column].is_some()) {
            let c = columns[e.column];
            let values: Vec<f64> = rows.x.iter().skip(e.column).step_by(columns.len()).copied().collect();
            let sigma = |i: usize| {
                let sigma = rows.sigma(i, places[e.column]);
                if c.is_measured(values[i], sigma) && !rows.is_outside(i) { sigma } else { 0.0 }
            };
            let sigmas = (0..rows.n).map(sigma).collect();
            errors = errors.with(element, Arc::new(c.clone()), values, sigmas)?;
        }
        Ok((!errors.is_empty()).then_some(errors))
    }
}

impl TableRows {
    /// The standard deviation of the error of a value, by the place of its column among those that have errors; 0 without one.
    pub(super) fn sigma(&self, row: usize, place: Option<usize>) -> f64 {
        match (&self.errors, place) {
            (Some(errors), Some(place)) => errors[row * (errors.len() / self.n.max(1)) + place],
            _ => 0.0,
        }
    }
}
