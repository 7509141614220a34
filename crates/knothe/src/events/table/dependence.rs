//! Finds exact linear relations between columns. The search uses robustly scaled rows; every row is then checked against the rounding of the numbers.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::rounding::Rounding;

/// The most rows used in the search. A relation is then checked in all rows.
const SOUGHT_IN: usize = 50_000;
/// The most products in the search: rows × columns².
const MOST_PRODUCTS: usize = 4_000_000_000;
/// The number of rows added to the search for a column that is constant in the others.
const RARE_ROWS: usize = 30;
/// The most columns: the work grows with their third power, and the memory with their second.
pub(super) const MOST_COLUMNS: usize = 4096;
/// Rows farther from the median than this many robust scales count less in the search.
const FAR: f64 = 10.0;
/// The largest rounding in an exact relation, as a share of the column's robust scale.
const MOST_ROUNDING: f64 = 0.05;
/// The decimal digits that the rows must confirm together, beyond those that any fit explains.
const CONFIRMED: f64 = 12.0;
/// The fewest rows beyond the number of coefficients.
const SPARE_ROWS: usize = 5;
/// The rounding of the search itself, as a share of the scale of a column.
const NOISE: f64 = 1e-12;

/// column = Σ coefficient · other + intercept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Relation {
    /// The column that the others determine.
    pub(super) column: usize,
    /// The others and their coefficients, in file units.
    pub(super) terms: Vec<(usize, f64)>,
    /// The constant term.
    pub(super) intercept: f64,
    /// Whether all these columns contain only whole numbers.
    pub(super) whole: bool,
}

/// A column with its robust location and scale, and how it was rounded.
struct Column {
    values: Vec<f64>,
    median: f64,
    /// The median distance from the median of the values that differ from it. One outlier cannot move it, and a frequent value does not make it 0.
    scale: f64,
    /// The number of values that differ from the median.
    varied: usize,
    rounding: Rounding,
}

/// A linear function of scaled columns: intercept and weights.
struct Fit {
    intercept: f64,
    terms: Vec<(usize, f64)>,
}

/// Finds the exact linear relations of row-major `[rows, dim]`. Relations among the first `given` columns are ignored.
///
/// The search orthogonalises the columns by Gram and Schmidt, with pivots (Golub and Van Loan 2013, §5.4.2): the given columns are taken first, and then
/// always the column with the largest residual. A row (1, z) is divided by its largest |z| / [`FAR`] if that is above 1. A relation also holds for the divided row, and no
/// outlier dominates. A relation counts if three things are true: the columns taken give the column in *every* row within the rounding of the stored numbers, this
/// rounding is small beside the column's robust scale, and there are enough rows to rule out chance.
pub(super) fn relations(rows: &[f64], dim: usize, given: usize) -> Vec<Relation> {
    let n = rows.len() / dim.max(1);
    if n < SPARE_ROWS || dim == 0 {
        return Vec::new();
    }
    let columns: Vec<Column> = (0..dim).into_par_iter().map(|j| Column::new(rows.iter().skip(j).step_by(dim).copied().collect())).collect();
    let sought = sought_rows(&columns, n);
    let mut weights = vec![1.0f64; sought.len()];
    for column in &columns {
        weights.iter_mut().zip(&sought).for_each(|(w, &i)| *w = w.min(FAR / column.scaled(i).abs()));
    }
    let mut rests: Vec<Vec<f64>> = columns.iter().map(|c| sought.iter().zip(&weights).map(|(&i, w)| w * c.scaled(i)).collect()).collect();
    // The upper triangular factor: for each column, the contributions of the intercept and then of each taken column.
    let mut factor: Vec<Vec<f64>> = vec![Vec::new(); dim];
    let mut taken: Vec<usize> = Vec::new();
    let mut open: Vec<bool> = columns.iter().map(|c| c.varied > 0).collect();
    let mut found = Vec::new();
    subtract(&weights, &mut rests, &mut factor, &open);
    while taken.len() + 1 < sought.len() {
        let norms: Vec<f64> = rests.par_iter().map(|r| r.iter().map(|v| v * v).sum()).collect();
        let largest = |range: std::ops::Range<usize>| range.filter(|&j| open[j]).max_by(|&a, &b| norms[a].total_cmp(&norms[b]));
        let Some(pivot) = largest(0..given).or_else(|| largest(given..dim)) else { break };
        open[pivot] = false;
        let rest = (norms[pivot] / sought.len() as f64).sqrt();
        let relation = if pivot < given { None } else { relation(&columns, &factor, &taken, pivot, rest) };
        if relation.is_some() {
            found.extend(relation);
        } else if rest > NOISE {
            factor[pivot].push(norms[pivot].sqrt());
            taken.push(pivot);
            let direction = std::mem::take(&mut rests[pivot]);
            subtract(&direction, &mut rests, &mut factor, &open);
        }
    }
    found.sort_by_key(|r| r.column);
    found
}

/// Subtracts the component along a direction from the open columns, and records its coefficient for the unit direction.
fn subtract(direction: &[f64], rests: &mut [Vec<f64>], factor: &mut [Vec<f64>], open: &[bool]) {
    let norm = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
    rests.par_iter_mut().zip(factor).zip(open).filter(|(_, open)| **open).for_each(|((rest, factor), _)| {
        let along = direction.iter().zip(rest.iter()).map(|(d, r)| d * r).sum::<f64>() / norm;
        rest.iter_mut().zip(direction).for_each(|(r, d)| *r -= along / norm * d);
        factor.push(along);
    });
}

/// Evenly spaced rows. For each column that is constant in them, some rows in which it varies are added.
fn sought_rows(columns: &[Column], n: usize) -> Vec<usize> {
    let dim = columns.len();
    let most = (MOST_PRODUCTS / (dim * dim)).max(2 * dim + 1000).min(SOUGHT_IN);
    let mut sought: Vec<usize> = (0..n).step_by(n.div_ceil(most)).collect();
    let rare = columns.iter().filter(|c| sought.iter().all(|&i| c.values[i] == c.median));
    let more: Vec<usize> = rare.flat_map(|c| (0..n).filter(|&i| c.values[i] != c.median).take(RARE_ROWS)).collect();
    sought.extend(more);
    sought.sort_unstable();
    sought.dedup();
    sought
}

/// The fit of one column to the columns taken, if it explains every row.
fn relation(columns: &[Column], factor: &[Vec<f64>], taken: &[usize], column: usize, rest: f64) -> Option<Relation> {
    let own = &columns[column];
    let mut weights = vec![0.0; taken.len()];
    for k in (0..taken.len()).rev() {
        let later: f64 = (k + 1..taken.len()).map(|l| weights[l] * factor[taken[l]][k + 1]).sum();
        weights[k] = (factor[column][k + 1] - later) / factor[taken[k]][k + 1];
    }
    let rounded = own.typical_rounding() + taken.iter().zip(&weights).map(|(&j, w)| w.abs() * columns[j].typical_rounding()).sum::<f64>();
    if rest.is_nan() || rest > 10.0 * rounded + NOISE {
        return None;
    }
    // A term below the rounding carries no information.
    let terms: Vec<(usize, f64)> = taken.iter().copied().zip(weights).filter(|(_, w)| w.abs() > rounded.max(NOISE)).collect();
    if terms.is_empty() {
        return None;
    }
    let mut fit = Fit { intercept: 0.0, terms };
    for _ in 0..3 {
        refine(columns, own, &mut fit);
    }
    let rounded = largest_rounding(columns, own, &fit)?;
    let digits = (0.5 / rounded.max(f64::EPSILON)).log10().min(own.digits_a_row());
    let n = own.values.len();
    let spare = own.varied.saturating_sub(fit.terms.len() + 1).min(n.saturating_sub(taken.len() + 1));
    if spare < SPARE_ROWS || spare as f64 * digits < CONFIRMED {
        return None;
    }
    let terms: Vec<(usize, f64)> = fit.terms.iter().map(|&(j, w)| (j, w * own.scale / columns[j].scale)).collect();
    let size = terms.iter().map(|(j, c)| (c * columns[*j].median).abs()).fold(own.median.abs(), f64::max);
    let intercept = own.median + own.scale * fit.intercept - terms.iter().map(|(j, c)| c * columns[*j].median).sum::<f64>();
    let negligible = intercept.abs() <= 2.0 * rounded * own.scale + 1e-12 * size;
    let whole = terms.iter().all(|(j, _)| columns[*j].rounding == Rounding::Whole) && own.rounding == Rounding::Whole;
    let finite = terms.iter().all(|(_, c)| c.is_normal()) && intercept.is_finite();
    finite.then_some(Relation { column, terms, intercept: if negligible { 0.0 } else { intercept }, whole })
}

/// The residual of a row and the residual that rounding allows, both in scales of the column.
fn left(columns: &[Column], own: &Column, fit: &Fit, i: usize) -> (f64, f64) {
    let (mut rest, mut allowed, mut size) = (own.scaled(i) - fit.intercept, own.rounded(i), own.size(i) + fit.intercept.abs());
    for &(j, w) in &fit.terms {
        rest -= w * columns[j].scaled(i);
        allowed += w.abs() * columns[j].rounded(i);
        size += w.abs() * columns[j].size(i);
    }
    (rest, allowed + 8.0 * f64::EPSILON * size)
}

/// One step of weighted least squares, min Σ (residual / allowed)². An exact relation fits every row, so far rows help.
fn refine(columns: &[Column], own: &Column, fit: &mut Fit) {
    let width = fit.terms.len() + 1;
    let rows = own.values.len();
    let stride = (rows * width * width).div_ceil(MOST_PRODUCTS);
    let mut gram: DMatrix<f64> = DMatrix::zeros(width, width);
    let mut right: DVector<f64> = DVector::zeros(width);
    let mut row = vec![0.0; width];
    for i in (0..rows).step_by(stride.max(1)) {
        let (rest, allowed) = left(columns, own, fit, i);
        row[0] = 1.0 / allowed;
        row[1..].iter_mut().zip(&fit.terms).for_each(|(v, &(j, _))| *v = columns[j].scaled(i) / allowed);
        for a in 0..width {
            right[a] += row[a] * rest / allowed;
            (0..=a).for_each(|b| gram[(a, b)] += row[a] * row[b]);
        }
    }
    let size: Vec<f64> = (0..width).map(|a| gram[(a, a)].sqrt()).collect();
    let scaled = DMatrix::from_fn(width, width, |a, b| gram[(a.max(b), a.min(b))] / (size[a] * size[b]));
    let Some(factor) = scaled.cholesky() else { return };
    let step = factor.solve(&DVector::from_fn(width, |a, _| right[a] / size[a]));
    if step.iter().all(|v| v.is_finite()) {
        fit.intercept += step[0] / size[0];
        fit.terms.iter_mut().enumerate().for_each(|(a, (_, w))| *w += step[a + 1] / size[a + 1]);
    }
}

/// The median residual that rounding allows, if neither a single row nor all rows together exceed it.
fn largest_rounding(columns: &[Column], own: &Column, fit: &Fit) -> Option<f64> {
    let n = own.values.len();
    // A copy with the same decimals was rounded in the same way, so a column that differs by one step in some rows is not a copy.
    let is_copy = fit
        .terms
        .iter()
        .all(|&(j, w)| columns[j].rounding.step() == own.rounding.step() && (w.abs() * own.scale / columns[j].scale - 1.0).abs() < 1e-3);
    let share = if fit.terms.len() == 1 && is_copy { 0.5 } else { 1.0 };
    let (mut squares, mut each) = (0.0, Vec::with_capacity(n));
    for i in 0..n {
        let (rest, allowed) = left(columns, own, fit, i);
        if rest.is_nan() || rest.abs() > 1.05 * share * allowed {
            return None;
        }
        squares += (rest / allowed).powi(2);
        each.push(allowed);
    }
    // The mean square of a sum of uniform roundings is at most a third of its largest square.
    let typical = median(&mut each);
    (squares / n as f64 <= 0.45 && typical <= MOST_ROUNDING).then_some(typical)
}

impl Column {
    fn new(values: Vec<f64>) -> Self {
        let middle = median(&mut values.clone());
        let mut distances: Vec<f64> = values.iter().filter(|&&v| v != middle).map(|v| (v - middle).abs()).collect();
        let varied = distances.len();
        let scale = if varied == 0 { 1.0 } else { median(&mut distances) };
        let rounding = Rounding::of(&values);
        Column { values, median: middle, scale, varied, rounding }
    }

    fn scaled(&self, i: usize) -> f64 {
        (self.values[i] - self.median) / self.scale
    }

    fn rounded(&self, i: usize) -> f64 {
        self.rounding.half_width(self.values[i]) / self.scale
    }

    fn size(&self, i: usize) -> f64 {
        self.values[i].abs().max(self.median.abs()) / self.scale
    }

    fn typical_rounding(&self) -> f64 {
        self.rounding.half_width(self.median.abs().max(self.scale)) / self.scale
    }

    /// The decimal digits of evidence in one row. A column with few distinct values gives few.
    fn digits_a_row(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        if 2 * sorted.len() > self.values.len() { f64::INFINITY } else { (sorted.len() as f64).log10() }
    }
}

/// The upper median of values; 0 if there are none.
fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(values.len() / 2, f64::total_cmp).1 }
}

#[cfg(test)]
#[path = "dependence_tests.rs"]
mod tests;
