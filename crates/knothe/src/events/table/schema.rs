//! What a fit knows of its table, kept in the model file.

use serde::{Deserialize, Serialize};

use super::{kind::Kind, reading::check_names, rows::TableRows};
use crate::{
    error::{Error, Result},
    hint::Hint,
};

/// What columns are for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roles {
    /// Columns that are given, not modelled.
    pub context: Vec<String>,
    /// The column of the weights of rows.
    pub weights: Option<String>,
    /// Columns to leave out.
    pub drop: Vec<String>,
}

/// What to do with a row that lacks a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingPolicy {
    /// Refuse the table, with the number of missing values of each column.
    #[default]
    Reject,
    /// Leave the row out.
    Drop,
}

/// A warning or a suggestion about a table; never an error, and never acted on by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What was seen.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<Hint>,
}

impl Notice {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<Option<Hint>>) -> Self {
        Notice { message: message.into(), hint: hint.into() }
    }
}

/// A modelled (or constant) column: v = shift + scale · u carries a standardised u to v, and the kind carries v to x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchemaColumn {
    /// The name.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// The mean of v, dequantised.
    pub shift: f64,
    /// The standard deviation of v, dequantised.
    pub scale: f64,
}

/// A context column, standardised: (value − shift) / scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContextColumn {
    /// The name.
    pub name: String,
    /// The mean.
    pub shift: f64,
    /// The standard deviation.
    pub scale: f64,
}

/// The columns of a table in order, what they are and what they are for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The columns of the density and the constant ones, in the order of the file.
    pub columns: Vec<SchemaColumn>,
    /// The context columns, in the order in which they were asked for.
    pub context: Vec<ContextColumn>,
    /// The weights' column.
    pub weights: Option<String>,
    /// Columns left out of the fit; a table may still hold them.
    pub dropped: Vec<String>,
    /// What to do with a row that lacks a value.
    pub missing: MissingPolicy,
}

impl Schema {
    /// The columns of the density: all but the constant ones.
    pub fn modelled(&self) -> impl Iterator<Item = &SchemaColumn> {
        self.columns.iter().filter(|c| !matches!(c.kind, Kind::Constant(_)))
    }

    /// The number of coordinates of the density.
    pub fn dim(&self) -> usize {
        self.modelled().count()
    }

    /// The number of context columns.
    pub fn context_dim(&self) -> usize {
        self.context.len()
    }

    /// Checks what a file from elsewhere may claim: names that are there and differ, kinds that are possible, and standardisations that are.
    ///
    /// # Errors
    /// [`Error::Table`] for a name and [`Error::Invalid`] for the rest, which names the column.
    pub fn check(&self) -> Result<()> {
        let names =
            self.columns.iter().map(|c| &c.name).chain(self.context.iter().map(|c| &c.name)).chain(&self.weights).chain(&self.dropped);
        check_names("schema".as_ref(), &names.cloned().collect::<Vec<_>>())?;
        let wrong = |name: &str, expected: &str, found: String| Err(Error::invalid(format!("schema, column '{name}'"), expected, found));
        if let Some(c) = self.columns.iter().find(|c| !c.kind.is_possible()) {
            return wrong(&c.name, "a kind of column that is possible", format!("{:?}", c.kind));
        }
        let scales =
            self.columns.iter().map(|c| (&c.name, c.shift, c.scale)).chain(self.context.iter().map(|c| (&c.name, c.shift, c.scale)));
        match scales.into_iter().find(|(_, shift, scale)| !shift.is_finite() || !scale.is_normal() || *scale <= 0.0) {
            Some((name, shift, scale)) => wrong(name, "a finite shift and a scale above 0", format!("{shift} and {scale}")),
            None => Ok(()),
        }
    }

    /// Declares every modelled column binary, as a model of 0 and 1 needs them.
    ///
    /// Fails on the first column that is declared otherwise; values are checked by [`Schema::rows`].
    pub fn make_binary(&mut self) -> Result<()> {
        for column in self.columns.iter_mut().filter(|c| !matches!(c.kind, Kind::Constant(_))) {
            if column.kind != Kind::Integer {
                let found = format!("column '{}' of other numbers", column.name);
                return Err(Error::invalid("a model of 0 and 1", "whole numbers in every column", found));
            }
            column.kind = Kind::Binary;
        }
        Ok(())
    }

    /// Sets the shift and scale of every column to the weighted mean and standard deviation of `rows`.
    ///
    /// Those of a dequantised column with values offset + k · step are known in closed form: the uniform noise adds step/2 to the mean and step²/12 to the variance.
    pub fn fit(&mut self, rows: &TableRows) -> Result<()> {
        let (dim, context_dim) = (self.dim(), self.context_dim());
        let columns = self.columns.iter_mut().filter(|c| !matches!(c.kind, Kind::Constant(_)));
        for (j, column) in columns.enumerate().filter(|(_, c)| c.kind != Kind::Binary) {
            let (mean, variance) = moments(rows, |i| column.kind.to_real(rows.x[i * dim + j]));
            let step = column.kind.lattice().map_or(0.0, |l| l.step);
            column.shift = mean + step / 2.0;
            column.scale = scale(variance + step * step / 12.0);
        }
        for (j, column) in self.context.iter_mut().enumerate() {
            let (mean, variance) = moments(rows, |i| rows.context[i * context_dim + j]);
            (column.shift, column.scale) = (mean, scale(variance));
        }
        Ok(())
    }

    /// Standardises context, row-major `[n, context_dim]`, in file units.
    pub fn context_to_model(&self, mut context: Vec<f64>) -> Vec<f64> {
        for row in context.chunks_exact_mut(self.context.len().max(1)) {
            for (value, column) in row.iter_mut().zip(&self.context) {
                *value = (*value - column.shift) / column.scale;
            }
        }
        context
    }
}

/// Weighted mean and variance, in two passes so that a large mean costs no digits.
fn moments(rows: &TableRows, value: impl Fn(usize) -> f64) -> (f64, f64) {
    let weight = |i: usize| rows.weights.as_ref().map_or(1.0, |w| w[i]);
    let total: f64 = (0..rows.n).map(weight).sum();
    let mean = (0..rows.n).map(|i| weight(i) * value(i)).sum::<f64>() / total;
    let variance = (0..rows.n).map(|i| weight(i) * (value(i) - mean).powi(2)).sum::<f64>() / total;
    (mean, variance)
}

/// The standard deviation; 1 where rows of positive weight all agree, since nothing can be learned of a scale there.
fn scale(variance: f64) -> f64 {
    let scale = variance.sqrt();
    if scale.is_normal() { scale } else { 1.0 }
}
