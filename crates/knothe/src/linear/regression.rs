//! The linear regression of rows on their context.

use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector, RowDVector};

use super::incomplete::incomplete;
use crate::{
    bijection::{Batch, Mapped, Replay, check_dim},
    error::{Error, Result},
    placement::values,
};

/// The most columns of a context that are regressed on: the work grows with their third power. A longer one, such as thousands of categories, has no say.
const MOST_CONTEXT: usize = 512;

/// The regression x = shift + slopeᵀ c + residual.
pub(super) struct LeastSquares {
    pub shift: DVector<f64>,
    /// `[context_dim, dim]`.
    pub slope: DMatrix<f64>,
    /// That of the residuals.
    pub covariance: DMatrix<f64>,
    /// The variance of each column of x.
    pub variance: DVector<f64>,
    /// How many rows of equal weights would tell as much of each column, (Σ w)² / Σ w² (Kish 1965).
    pub rows: DVector<f64>,
}

impl LeastSquares {
    /// One pass in 64 bits, weighted. Fewer than `least_rows` rows for each column of the context leave the slope at 0. Where elements are absent, the likelihood of the
    /// present ones is maximised.
    pub fn of(data: &mut dyn Replay, dim: usize, context_dim: usize, least_rows: f64) -> Result<Self> {
        if context_dim > MOST_CONTEXT {
            let own =
                LeastSquares::of(&mut Mapped { data, map: |batch: &Batch| Ok(Batch { context: None, ..batch.clone() }) }, dim, 0, 0.0)?;
            return Ok(LeastSquares { slope: DMatrix::zeros(context_dim, dim), ..own });
        }
        let width = context_dim + dim;
        let (mut products, mut lacks) = (Products::new(width), false);
        data.each(&mut |batch| {
            let rows = check_dim("x", &batch.x, dim)?;
            batch.given().check(rows, context_dim)?;
            batch.given().check_present([rows, dim], batch.x.dtype())?;
            lacks |= batch.present.is_some();
            if lacks {
                return Ok(());
            }
            let mut joint = DMatrix::zeros(rows, width);
            let mut fill = |t: &Tensor<2>, from: usize, columns: usize| {
                let block = DMatrix::from_row_slice(rows, columns, &values(t.clone().inner()));
                joint.view_mut((0, from), (rows, columns)).copy_from(&block);
            };
            if let Some(context) = batch.context.as_ref().filter(|_| context_dim > 0) {
                fill(context, 0, context_dim);
            }
            fill(&batch.x, context_dim, dim);
            products.add(joint, |i| batch.weight(i));
            Ok(())
        })?;
        if lacks { incomplete(data, dim, context_dim, least_rows) } else { products.fit(context_dim, least_rows) }
    }
}

/// Sums of products of the context and the elements of rows, about the first row, so that means far from 0 cost no digits.
pub(super) struct Products {
    centre: Option<RowDVector<f64>>,
    count: f64,
    squares: f64,
    sum: DVector<f64>,
    gram: DMatrix<f64>,
}

impl Products {
    /// Those of no row.
    pub fn new(width: usize) -> Self {
        Products { centre: None, count: 0.0, squares: 0.0, sum: DVector::zeros(width), gram: DMatrix::zeros(width, width) }
    }

    /// Adds rows.
    pub fn add(&mut self, mut joint: DMatrix<f64>, weight: impl Fn(usize) -> f64) {
        if joint.nrows() == 0 {
            return;
        }
        let centre = self.centre.get_or_insert_with(|| joint.row(0).clone_owned());
        // Rows scaled by √w have the weighted products; the sum and the count take the other half of w.
        for (i, mut row) in joint.row_iter_mut().enumerate() {
            let weight = weight(i);
            let root = weight.sqrt();
            row -= &*centre;
            row *= root;
            self.sum += root * row.transpose();
            self.count += weight;
            self.squares += weight * weight;
        }
        self.gram += joint.tr_mul(&joint);
    }

    /// Adds a covariance of the elements in some places, of rows of this weight.
    pub fn spread(&mut self, places: &[usize], covariance: &DMatrix<f64>, weight: f64) {
        for (i, &a) in places.iter().enumerate() {
            for (j, &b) in places.iter().enumerate() {
                self.gram[(a, b)] += weight * covariance[(i, j)];
            }
        }
    }

    /// The regression of the elements on the context, which stands before them.
    pub fn fit(self, context_dim: usize, least_rows: f64) -> Result<LeastSquares> {
        let Products { centre, count, squares, sum, gram } = self;
        let dim = sum.len() - context_dim;
        let centre = centre.ok_or_else(|| Error::invalid("training set", "at least one row", 0))?;
        if !gram.iter().all(|v: &f64| v.is_finite()) {
            return Err(Error::NotFinite { what: "training set".into(), rows: Vec::new() });
        }
        let mean = sum / count;
        let covariance = gram / count - &mean * mean.transpose();
        let mean = mean + centre.transpose();
        let block = |row: usize, column: usize, rows: usize, columns: usize| covariance.view((row, column), (rows, columns)).clone_owned();
        let cross = block(0, context_dim, context_dim, dim);
        let rows = count * count / squares;
        let enough = rows >= least_rows * context_dim as f64;
        let slope = if enough { regression(&block(0, 0, context_dim, context_dim), &cross)? } else { DMatrix::zeros(context_dim, dim) };
        let explained = slope.tr_mul(&cross);
        let shift = mean.rows(context_dim, dim) - slope.tr_mul(&mean.rows(0, context_dim));
        let covariance = block(context_dim, context_dim, dim, dim);
        let rows = DVector::from_element(dim, rows);
        Ok(LeastSquares { shift, variance: covariance.diagonal(), covariance: covariance - explained, slope, rows })
    }
}

/// The coefficients by the pseudo-inverse of the correlations, so that a constant or repeated context column has no say.
fn regression(covariance: &DMatrix<f64>, cross: &DMatrix<f64>) -> Result<DMatrix<f64>> {
    if covariance.is_empty() {
        return Ok(cross.clone());
    }
    let scale = DMatrix::from_diagonal(&covariance.diagonal().map(|v| if v > 0.0 { v.sqrt().recip() } else { 0.0 }));
    let correlation = &scale * covariance * &scale;
    let inverse = correlation.pseudo_inverse(1e-10).map_err(|reason| Error::invalid("context", "a covariance with an inverse", reason))?;
    Ok(&scale * inverse * &scale * cross)
}
