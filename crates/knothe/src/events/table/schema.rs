//! The schema of a table, which the model file keeps.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    column::{is_same, shown},
    kind::{Kind, Label},
    reader::LARGEST,
    reading::check_names,
    rows::TableRows,
};
use crate::{
    error::{Error, Result},
    fit::MOST_STANDARDISED,
    hint::Hint,
    space::Cells,
};

/// The most special values of a column.
pub(super) const MOST_SPECIAL: usize = 64;

/// Whether these can be the special values of a column.
pub(super) fn may_be_special(special: &[f64]) -> bool {
    let differ = || special.iter().enumerate().all(|(k, value)| !special[..k].contains(value));
    special.len() <= MOST_SPECIAL && differ() && special.iter().all(|v| v.abs() <= LARGEST)
}

/// The limits of special values in words, for an error message.
pub(super) fn special_expected() -> String {
    format!("at most {MOST_SPECIAL} different special values between -1e30 and 1e30")
}

/// What columns are for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roles {
    /// Columns that the density is conditional on.
    pub context: Vec<String>,
    /// The column of the weights of rows.
    pub weights: Option<String>,
    /// Columns to leave out.
    pub drop: Vec<String>,
    /// Columns that were measured with errors, and the columns of the errors.
    pub errors: Vec<ErrorColumn>,
}

/// A column that was measured with errors: w = x + σ ε, where ε is standard normal and another column holds σ for each row. The model is the density of x.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorColumn {
    /// The column of w.
    pub column: String,
    /// The column of σ, in the units of w. A missing σ is 0.
    pub error: String,
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
    /// Give "missing" a probability of its own, so that the density covers incomplete rows and samples have missing values. Rows that lack a value of the context are
    /// left out.
    Model,
}

/// A warning or a suggestion about a table; never an error, and never acted on by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The observation.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<Hint>,
}

impl Notice {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<Option<Hint>>) -> Self {
        Notice { message: message.into(), hint: hint.into() }
    }

    /// A notice without a hint.
    pub(super) fn plain(message: impl Into<String>) -> Self {
        Notice::new(message, None)
    }
}

/// A modelled (or constant) column. Its special values and, if `missing` is set, its missing values have their own probabilities. A special value that the kind of a lattice can have too is one of its
/// [atoms](crate::space::Cells::atoms). The other values are the image
/// under the kind of v = shift + scale · u, with a standardised u.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SchemaColumn {
    /// The name.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// Values with a probability of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub special: Vec<f64>,
    /// Whether a missing value has a probability of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// The mean of v; the seam of a circle.
    pub shift: f64,
    /// The standard deviation of v.
    pub scale: f64,
}

impl SchemaColumn {
    /// A column that is not standardised yet.
    pub(super) fn new(name: &str, kind: Kind) -> Self {
        SchemaColumn { name: name.into(), kind, special: Vec::new(), missing: false, shift: 0.0, scale: 1.0 }
    }

    /// Whether a special value is an atom of the lattice of the ordinary ones.
    fn is_atom(&self, special: f64) -> bool {
        self.kind.has_atoms() && self.kind.contradiction(special).is_none()
    }

    /// The special values that are atoms.
    pub(super) fn atoms(&self) -> impl Iterator<Item = f64> + '_ {
        self.special.iter().copied().filter(|v| self.is_atom(*v))
    }

    /// The special values that are none.
    pub(super) fn apart(&self) -> impl Iterator<Item = f64> + '_ {
        self.special.iter().copied().filter(|v| !self.is_atom(*v))
    }

    /// The number of special values apart from the ordinary ones, with the missing one.
    pub fn flags(&self) -> usize {
        self.apart().count() + usize::from(self.missing)
    }

    /// The index of a value that is apart. A missing value is the last.
    pub(super) fn flag(&self, value: f64) -> Option<usize> {
        if value.is_nan() {
            return self.missing.then(|| self.apart().count());
        }
        let at = self.special.iter().position(|&special| is_same(special, value)).filter(|at| !self.is_atom(self.special[*at]))?;
        Some(self.special[..at].iter().filter(|v| !self.is_atom(**v)).count())
    }
}

/// A context column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContextColumn {
    /// The name.
    pub name: String,
    /// The labels of a categorical column, empty for numbers. The network reads one column of 0 and 1 per label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// The mean.
    pub shift: f64,
    /// The standard deviation. A number is read as (value − shift) / scale.
    pub scale: f64,
    /// The smallest and the largest number of the training rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
}

impl ContextColumn {
    /// The number of columns that the network reads.
    pub(super) fn width(&self) -> usize {
        self.labels.len().max(1)
    }
}

/// The columns of a table in order, with their kinds and roles.
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
    /// Columns that were measured with errors. A table to score may lack the columns of the errors, and its values then count as exact.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorColumn>,
    /// What to do with a row that lacks a value.
    pub missing: MissingPolicy,
}

impl Schema {
    /// The columns of the density: all but the constant ones.
    pub fn modelled(&self) -> impl Iterator<Item = &SchemaColumn> {
        self.columns.iter().filter(|c| !matches!(c.kind, Kind::Constant(_)))
    }

    /// The number of columns of the density.
    pub fn width(&self) -> usize {
        self.modelled().count()
    }

    /// Checks a schema from an untrusted file: names must be present and differ, and kinds and standardisations must be possible.
    ///
    /// # Errors
    /// [`Error::Table`] for a name and [`Error::Invalid`] for the rest, which names the column.
    pub fn check(&self) -> Result<()> {
        let names =
            self.columns.iter().map(|c| &c.name).chain(self.context.iter().map(|c| &c.name)).chain(&self.weights).chain(&self.dropped);
        check_names("schema".as_ref(), &names.cloned().collect::<Vec<_>>())?;
        if let Some(e) = self.errors.iter().find(|e| !self.columns.iter().any(|c| c.name == e.column && !c.kind.is_discrete())) {
            return Err(Error::invalid("schema, errors", "a modelled column of real numbers", format!("'{}'", e.column)));
        }
        let wrong = |name: &str, expected: &str, found: String| Err(Error::invalid(format!("schema, column '{name}'"), expected, found));
        if let Some(c) = self.columns.iter().find(|c| !c.kind.is_possible()) {
            return wrong(&c.name, "a possible kind of column", format!("{:?}", c.kind));
        }
        if let Some(c) = self.columns.iter().find(|c| !may_be_special(&c.special)) {
            return wrong(&c.name, &special_expected(), format!("{:?}", c.special));
        }
        if let Some(c) = self.columns.iter().find(|c| c.atoms().count() > Cells::MOST_ATOMS) {
            let expected = format!("at most {} special values among the ordinary ones", Cells::MOST_ATOMS);
            return wrong(&c.name, &expected, c.atoms().count().to_string());
        }
        let possible = |c: &&ContextColumn| c.labels.is_empty() || Kind::Categorical(c.labels.clone()).is_possible();
        if let Some(c) = self.context.iter().find(|c| !possible(c)) {
            return wrong(&c.name, "distinct labels", format!("{} labels", c.labels.len()));
        }
        let scales =
            self.columns.iter().map(|c| (&c.name, c.shift, c.scale)).chain(self.context.iter().map(|c| (&c.name, c.shift, c.scale)));
        match scales.into_iter().find(|(_, shift, scale)| !shift.is_finite() || !scale.is_normal() || *scale <= 0.0) {
            Some((name, shift, scale)) => wrong(name, "a finite shift and a scale above 0", format!("{shift} and {scale}")),
            None => Ok(()),
        }
    }

    /// Sets the shift and scale of every column to the weighted mean and standard deviation of its ordinary values in `rows`. The shift of a lattice is rounded down to
    /// one of its values, and the seam of a circle lies in the middle of the widest gap.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a column whose squares are not finite in 64 bits.
    pub fn fit(&mut self, rows: &TableRows) -> Result<()> {
        let (width, given, x) = (self.width(), self.context.len(), self.standing(rows));
        for (j, column) in self.columns.iter_mut().filter(|c| !matches!(c.kind, Kind::Constant(_))).enumerate() {
            if column.kind.levels().is_some() {
                continue;
            }
            let ordinary = (0..rows.n).filter(|&i| !rows.is_outside(i)).map(|i| (rows.weight(i), x[i * width + j]));
            let ordinary: Vec<(f64, f64)> = ordinary.filter(|(_, x)| !x.is_nan() && column.flag(*x).is_none()).collect();
            if let Kind::Periodic([a, b]) = column.kind {
                column.shift = seam(ordinary.iter().map(|(_, x)| *x), a, b);
                continue;
            }
            let (mean, variance) = moments(ordinary.iter().map(|&(weight, x)| (weight, column.kind.to_real(x, 0.0))));
            if !mean.is_finite() || !variance.is_finite() {
                return Err(Error::invalid(format!("column '{}'", column.name), "numbers whose squares are finite", "larger ones"));
            }
            let lattice = column.kind.lattice().map(|(lattice, _)| lattice);
            // A lattice is counted from one of its values.
            column.shift = lattice.map_or(mean, |lattice| lattice.value(lattice.floor(mean)));
            column.scale = scale(variance, lattice.map_or(1.0, |lattice| lattice.step()));
        }
        for (j, column) in self.context.iter_mut().enumerate().filter(|(_, c)| c.labels.is_empty()) {
            let (mean, variance) = moments((0..rows.n).map(|i| (rows.weight(i), rows.context[i * given + j])));
            (column.shift, column.scale) = (mean, scale(variance, 1.0));
            let values = (0..rows.n).map(|i| rows.context[i * given + j]);
            let range = values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| [low.min(v), high.max(v)]);
            column.range = Some(range).filter(|[low, high]| low <= high);
        }
        Ok(())
    }

    /// Checks that a fit can compute with the values of rows of a file, such as those that validate it: none is more than 10¹⁵ standard deviations from the mean.
    ///
    /// # Errors
    /// [`Error::Table`], with the column and the row.
    pub fn check_reach(&self, rows: &TableRows, path: &Path) -> Result<()> {
        let is_far = |v: f64| v.abs() > MOST_STANDARDISED;
        let (width, given, columns) = (self.width(), self.context.len(), self.modelled().collect::<Vec<_>>());
        for i in 0..rows.n {
            let x = columns.iter().zip(&rows.x[i * width..(i + 1) * width]);
            let values = x.filter(|(c, x)| c.flag(**x).is_none() && !c.kind.is_discrete() && is_far(c.standardised(**x)));
            let context = self.context.iter().zip(&rows.context[i * given..(i + 1) * given]);
            let context = context.filter(|(c, x)| c.labels.is_empty() && is_far((**x - c.shift) / c.scale));
            if let Some((name, value)) = values.map(|(c, x)| (&c.name, *x)).chain(context.map(|(c, x)| (&c.name, *x))).next() {
                return Err(Error::Table {
                    path: path.to_owned(),
                    column: Some(name.clone()),
                    row: Some(rows.index[i] + 1),
                    problem: format!("expected a number within 1e15 standard deviations of the training rows, found {}", shown(value)),
                    hint: Some(Hint::other("an empty field marks a missing value").into()),
                });
            }
        }
        Ok(())
    }
}

/// The middle of the widest gap between points of the circle from a to b.
fn seam(values: impl Iterator<Item = f64>, a: f64, b: f64) -> f64 {
    let turn = b - a;
    let mut turned: Vec<f64> = values.map(|x| (x - a).rem_euclid(turn)).collect();
    turned.sort_by(f64::total_cmp);
    let Some((&first, &last)) = turned.first().zip(turned.last()) else { return a };
    // The gap that contains the ends comes first.
    let (mut widest, mut middle) = (first + turn - last, (last + first + turn) / 2.0);
    for pair in turned.windows(2) {
        if pair[1] - pair[0] > widest {
            (widest, middle) = (pair[1] - pair[0], f64::midpoint(pair[0], pair[1]));
        }
    }
    a + middle.rem_euclid(turn)
}

/// Weighted mean and variance of pairs of a weight and a value, in two passes so that a large mean costs no digits.
fn moments(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> (f64, f64) {
    let total: f64 = pairs.clone().map(|(weight, _)| weight).sum();
    if total <= 0.0 {
        return (0.0, 0.0);
    }
    let mean = pairs.clone().map(|(weight, value)| weight * value).sum::<f64>() / total;
    (mean, pairs.map(|(weight, value)| weight * (value - mean).powi(2)).sum::<f64>() / total)
}

/// The standard deviation, or `otherwise` if all rows of positive weight agree and there is no scale to learn.
fn scale(variance: f64, otherwise: f64) -> f64 {
    let scale = variance.sqrt();
    if scale.is_normal() { scale } else { otherwise }
}
