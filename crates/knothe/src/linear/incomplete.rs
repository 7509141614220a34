//! Moments of rows of which some elements are absent, by the EM algorithm.

use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector};

use super::regression::{LeastSquares, Products};
use crate::{bijection::Replay, error::Result, placement::values};

/// The most steps of the algorithm. With a third of the elements absent, ten are usually enough.
const MOST_STEPS: usize = 100;
/// The change of a standardised covariance in one step at which the algorithm has converged.
const CONVERGED: f64 = 1e-4;
/// The most multiplications of a step. More rows than that are thinned out evenly.
const MOST_WORK: usize = 500_000_000;

/// Rows by the elements that are there.
type Patterns = BTreeMap<Vec<bool>, Pattern>;

/// Rows that lack the same elements.
#[derive(Default)]
struct Pattern {
    /// Row-major: the context, and then the elements with 0 where they are absent.
    joint: Vec<f64>,
    weights: Vec<f64>,
}

/// The maximum of the likelihood of x = shift + slopeᵀ c + e, e ~ N(0, Σ), given the present elements alone (Dempster, Laird & Rubin 1977; Little & Rubin 2019, §11.2). It is
/// consistent if elements are absent at random given the context and the present elements.
///
/// Each step replaces the products of each row by their expectations given its present elements, and then fits as if all rows were complete. Parameters that no row determines
/// stay at 0, such as the covariance of two columns that are never present together.
pub(super) fn incomplete(data: &mut dyn Replay, dim: usize, context_dim: usize, least_rows: f64) -> Result<LeastSquares> {
    let (patterns, rows) = patterns(data, dim, context_dim)?;
    let mut fit = start(&patterns, dim, context_dim);
    if patterns.is_empty() {
        return Ok(fit);
    }
    for _ in 0..MOST_STEPS {
        let mut next = expected(&patterns, &fit)?.fit(context_dim, least_rows)?;
        next.rows.clone_from(&rows);
        let scale = |j: usize| next.variance[j].max(f64::MIN_POSITIVE).sqrt();
        let change = (0..dim * dim).map(|k| {
            let (i, j) = (k / dim, k % dim);
            (next.covariance[(i, j)] - fit.covariance[(i, j)]).abs() / (scale(i) * scale(j))
        });
        let change = change.fold(0.0, f64::max);
        fit = next;
        if change < CONVERGED {
            break;
        }
    }
    Ok(fit)
}

/// The rows by what they lack, and how many rows of equal weights would tell as much of each column.
fn patterns(data: &mut dyn Replay, dim: usize, context_dim: usize) -> Result<(Patterns, DVector<f64>)> {
    let mut all = 0;
    data.each(&mut |batch| {
        all += batch.x.dims()[0];
        Ok(())
    })?;
    let width = context_dim + dim;
    let every = all.div_ceil((MOST_WORK / (dim.pow(3) + width.pow(2))).max(1)).max(1);
    let mut patterns: Patterns = BTreeMap::new();
    let (mut sums, mut squares, mut row) = (DVector::<f64>::zeros(dim), DVector::<f64>::zeros(dim), 0);
    data.each(&mut |batch| {
        let rows = batch.x.dims()[0];
        let of = |t: Option<&burn::tensor::Tensor<2>>| t.map(|t| values(t.clone().inner())).unwrap_or_default();
        let (x, context, present) = (of(Some(&batch.x)), of(batch.context.as_ref()), of(batch.present.as_ref()));
        for i in 0..rows {
            let there: Vec<bool> = (0..dim).map(|j| present.get(i * dim + j).is_none_or(|p| *p != 0.0)).collect();
            for j in (0..dim).filter(|&j| there[j]) {
                sums[j] += batch.weight(i);
                squares[j] += batch.weight(i).powi(2);
            }
            if row % every == 0 && there.contains(&true) {
                let element = |j: usize| if there[j] { x[i * dim + j] } else { 0.0 };
                let elements: Vec<f64> = (0..dim).map(element).collect();
                let pattern = patterns.entry(there).or_default();
                pattern.joint.extend(context[i * context_dim..(i + 1) * context_dim].iter().copied().chain(elements));
                pattern.weights.push(batch.weight(i));
            }
            row += 1;
        }
        Ok(())
    })?;
    Ok((patterns, sums.zip_map(&squares, |sum: f64, square: f64| if square > 0.0 { sum * sum / square } else { 0.0 })))
}

/// Independent columns with the mean and the variance of what is present.
fn start(patterns: &Patterns, dim: usize, context_dim: usize) -> LeastSquares {
    let width = context_dim + dim;
    let mean_of = |j: usize, of: &dyn Fn(f64) -> f64| {
        let of_pattern = |pattern: &Pattern| {
            let each = pattern.joint.iter().skip(context_dim + j).step_by(width).zip(&pattern.weights);
            each.fold((0.0, 0.0), |(sum, count), (x, weight)| (sum + weight * of(*x), count + weight))
        };
        let there = patterns.iter().filter(|(there, _)| there[j]).map(|(_, pattern)| of_pattern(pattern));
        let (sum, count) = there.fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        if count > 0.0 { sum / count } else { 0.0 }
    };
    let shift = DVector::from_fn(dim, |j, _| mean_of(j, &|x| x));
    let variance = DVector::from_fn(dim, |j, _| mean_of(j, &|x| (x - shift[j]).powi(2)));
    let (slope, covariance) = (DMatrix::zeros(context_dim, dim), DMatrix::from_diagonal(&variance));
    LeastSquares { shift, slope, covariance, variance, rows: DVector::zeros(dim) }
}

/// The products of rows as they are expected.
fn expected(patterns: &Patterns, fit: &LeastSquares) -> Result<Products> {
    let (dim, context_dim) = (fit.shift.len(), fit.slope.nrows());
    let width = context_dim + dim;
    let mut products = Products::new(width);
    for (there, pattern) in patterns {
        let rows = pattern.weights.len();
        let mut joint = DMatrix::from_row_slice(rows, width, &pattern.joint);
        let (known, lacking): (Vec<usize>, Vec<usize>) = (0..dim).partition(|&j| there[j]);
        let mean = joint.columns(0, context_dim) * &fit.slope;
        let residual =
            DMatrix::from_fn(rows, known.len(), |i, k| joint[(i, context_dim + known[k])] - mean[(i, known[k])] - fit.shift[known[k]]);
        let block = |a: &[usize], b: &[usize]| DMatrix::from_fn(a.len(), b.len(), |i, j| fit.covariance[(a[i], b[j])]);
        let cross = block(&known, &lacking);
        let slope = solve(&block(&known, &known), &cross);
        let guess = &residual * &slope;
        for (m, &j) in lacking.iter().enumerate() {
            for i in 0..rows {
                joint[(i, context_dim + j)] = fit.shift[j] + mean[(i, j)] + guess[(i, m)];
            }
        }
        products.add(joint, |i| pattern.weights[i]);
        let left = block(&lacking, &lacking) - cross.tr_mul(&slope);
        let places: Vec<usize> = lacking.iter().map(|j| context_dim + j).collect();
        products.spread(&places, &left, pattern.weights.iter().sum());
    }
    Ok(products)
}

/// S⁻¹ B for a covariance S; by the pseudo-inverse of the correlations where it has no inverse.
fn solve(covariance: &DMatrix<f64>, b: &DMatrix<f64>) -> DMatrix<f64> {
    let scale = covariance.diagonal().map(|v| if v > 0.0 { v.sqrt().recip() } else { 0.0 });
    let scale = DMatrix::from_diagonal(&scale);
    let correlation = &scale * covariance * &scale;
    let scaled = &scale * b;
    let solved = match correlation.clone().cholesky() {
        Some(factor) => factor.solve(&scaled),
        // A pseudo-inverse of tolerance above 0 is always there.
        None => correlation.pseudo_inverse(1e-10).map_or_else(|_| DMatrix::zeros(b.nrows(), b.ncols()), |inverse| inverse * scaled),
    };
    scale * solved
}

#[cfg(test)]
#[path = "incomplete_tests.rs"]
mod tests;
