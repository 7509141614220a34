//! The triangular factor that whitens rows, for any number of rows and any rank.

use nalgebra::{DMatrix, DVector};

use crate::placement::Precision;

/// L of x = L z for centred rows x of this covariance: lower triangular, with a positive diagonal. With many rows and full rank it is the Cholesky factor, the
/// maximum of the likelihood.
///
/// Row j of L⁻¹ is the regression of x_j on x_<j, over the standard deviation of what it leaves of new rows: the criterion S_p = RSS / ((n − p − 1)(n − p − 2))
/// of n rows and p regressors is in proportion to its square (Hocking 1976). A column is left as it is, but for its standard deviation,
/// - where it depends linearly on those before it up to the rounding of the data, since a fit to what is left would be one to rounding;
/// - where the regression would predict new rows worse than the mean.
///
/// `covariance` is the covariance of the residuals after a regression on `given` context columns. `variance` holds the
/// variances of the columns before it, and `rows` the number of rows that have each column.
pub(super) fn whitening(
    covariance: &DMatrix<f64>,
    variance: &DVector<f64>,
    rows: &DVector<f64>,
    given: usize,
    precision: Precision,
) -> DMatrix<f64> {
    let dim = covariance.nrows();
    let floor = floor(dim, precision);
    let deviation = |v: f64| if v.is_normal() && v > 0.0 { v.sqrt() } else { 1.0 };
    let scale = covariance.diagonal().zip_map(variance, |rest, whole| deviation(if rest > floor * whole { rest } else { whole }));
    // The transposes of the Cholesky factor of the correlations and of the result, since columns are contiguous.
    let (mut cholesky, mut factor) = (DMatrix::<f64>::identity(dim, dim), DMatrix::<f64>::identity(dim, dim));
    let mut dependent = vec![false; dim];
    for j in 0..dim {
        for k in (0..j).filter(|&k| !dependent[k]) {
            let before = cholesky.view((0, j), (k, 1)).dot(&cholesky.view((0, k), (k, 1)));
            cholesky[(k, j)] = (covariance[(j, k)] / (scale[j] * scale[k]) - before) / cholesky[(k, k)];
        }
        let rest = 1.0 - cholesky.view((0, j), (j, 1)).norm_squared();
        dependent[j] = rest <= floor;
        if !dependent[j] {
            cholesky[(j, j)] = rest.sqrt();
        }
        // What the regression would leave of new rows, as a share of the variance.
        let left = rest * s_p(rows[j], given + j) / s_p(rows[j], given);
        if !dependent[j] && left < 1.0 {
            let mut row = DVector::zeros(dim);
            for (m, slope) in slopes(&cholesky, j).into_iter().enumerate() {
                row.axpy(slope, &factor.column(m), 1.0);
            }
            row[j] = left.sqrt();
            factor.set_column(j, &row);
        }
    }
    DMatrix::from_diagonal(&scale) * factor.transpose()
}

/// The share of a column's variance that rounding of the data makes: each of the columns in a combination is off by ε of its standard deviation, and eight times
/// that is where nothing else is left to see.
fn floor(columns: usize, precision: Precision) -> f64 {
    let of_data = precision.epsilon().powi(2);
    // Sums of products are in 64 bits.
    64.0 * columns as f64 * of_data.max(f64::EPSILON)
}

/// What the residual sum of squares is multiplied by in S_p; infinite where the rows are too few.
fn s_p(rows: f64, regressors: usize) -> f64 {
    let free = rows - regressors as f64;
    if free > 2.0 { 1.0 / ((free - 1.0) * (free - 2.0)) } else { f64::INFINITY }
}

/// The coefficients of the regression of the j-th column on those before it.
fn slopes(cholesky: &DMatrix<f64>, j: usize) -> Vec<f64> {
    let mut slopes = cholesky.view((0, j), (j, 1)).column(0).clone_owned();
    for k in (0..j).rev() {
        slopes[k] /= cholesky[(k, k)];
        let slope = slopes[k];
        slopes.rows_mut(0, k).axpy(-slope, &cholesky.view((0, k), (k, 1)).column(0), 1.0);
    }
    slopes.iter().copied().collect()
}

#[cfg(test)]
#[path = "whitening_tests.rs"]
mod tests;
