//! The affine triangular map. It is the Knothe–Rosenblatt map of a Gaussian, so that fitted alone it is the `gaussian` model.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use nalgebra::{Cholesky, DMatrix, DVector};

use super::{
    assign, constant, identity, is_raised, same_for_all,
    substitution::{lower_triangular, solve_lower},
};
use crate::{
    bijection::{Bijection, Given, Replay, check_dim, check_input},
    conditioner::check_context,
    error::{Error, Result},
    order::{Order, index},
    placement::{Placement, values},
    univariate::bounded,
};

/// x = b + C c + L z, c the context and L lower triangular in the given order of the coordinates, with diagonal
/// L_kk = e^{s_k + b(r_k)}: s fixed by the data, r trained and bounded as in [`crate::univariate::Affine`].
///
/// The first [`Bijection::initialise`] sets the maximum-likelihood solution in closed form: C by least squares, L the
/// Cholesky factor of the covariance of the residuals. Later ones change nothing.
#[derive(Module, Debug)]
pub struct TriangularAffine {
    shift: Param<Tensor<1>>,
    /// C, `[context_dim, dim]`.
    slope: Option<Param<Tensor<2>>>,
    /// The strict lower part of L, in the order of the coordinates.
    strict: Param<Tensor<2>>,
    raw_diagonal: Param<Tensor<1>>,
    start: Param<Tensor<1>>,
    initialised: Param<Tensor<1>>,
    columns: Tensor<1, Int>,
    ranks: Tensor<1, Int>,
    identity: Tensor<2>,
    #[module(skip)]
    order: Order,
}

impl TriangularAffine {
    /// The identity, until the data are seen.
    pub fn new(order: &Order, context_dim: usize, place: &Placement) -> Self {
        let dim = order.dim();
        TriangularAffine {
            shift: Param::from_tensor(place.zeros([dim])),
            slope: (context_dim > 0).then(|| Param::from_tensor(place.zeros([context_dim, dim]))),
            strict: Param::from_tensor(place.zeros([dim, dim])),
            raw_diagonal: Param::from_tensor(place.zeros([dim])),
            start: constant(place.zeros([dim])),
            initialised: constant(place.zeros([1])),
            columns: index(order.columns(), &place.device),
            ranks: index(order.inverse().columns(), &place.device),
            identity: identity(dim, place),
            order: order.clone(),
        }
    }

    fn context_dim(&self) -> usize {
        self.slope.as_ref().map_or(0, |slope| slope.dims()[0])
    }

    fn log_diagonal(&self) -> Tensor<1> {
        bounded(self.raw_diagonal.val()) + self.start.val()
    }

    /// L in the order of the coordinates, and the logarithm of its diagonal.
    pub(super) fn factor(&self) -> (Tensor<2>, Tensor<1>) {
        let log_diagonal = self.log_diagonal();
        (lower_triangular(self.strict.val(), log_diagonal.clone(), &self.identity), log_diagonal)
    }

    /// b + C c, `[1 or rows, dim]`.
    fn mean(&self, rows: usize, given: &Given) -> Result<Tensor<2>> {
        let shift = self.shift.val().unsqueeze::<2>();
        let context = check_context(given.context, rows, self.context_dim(), shift.dtype())?;
        Ok(match (&self.slope, context) {
            (Some(slope), Some(context)) => context.clone().matmul(slope.val()) + shift,
            _ => shift,
        })
    }
}

impl Bijection for TriangularAffine {
    fn dim(&self) -> usize {
        self.shift.dims()[0]
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.refuse_absent("TriangularAffine")?;
        let rows = check_input("z", &z, self.dim(), self.shift.val().dtype())?;
        let mean = self.mean(rows, given)?;
        let (factor, log_diagonal) = self.factor();
        let x = z.select(1, self.columns.clone()).matmul(factor.transpose()).select(1, self.ranks.clone()) + mean;
        Ok((x, same_for_all(rows, log_diagonal)))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.refuse_absent("TriangularAffine")?;
        let rows = check_input("x", &x, self.dim(), self.shift.val().dtype())?;
        let mean = self.mean(rows, given)?;
        let (factor, log_diagonal) = self.factor();
        let z = solve_lower(&factor, (x - mean).select(1, self.columns.clone())).select(1, self.ranks.clone());
        Ok((z, same_for_all(rows, log_diagonal.neg())))
    }

    fn starts_from_data(&self) -> bool {
        true
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        if is_raised(&self.initialised) {
            return Ok(());
        }
        let (dim, context_dim) = (self.dim(), self.context_dim());
        let fit = LeastSquares::of(data, dim, context_dim)?;
        let columns = self.order.columns();
        let covariance = DMatrix::from_fn(dim, dim, |k, l| fit.covariance[(columns[k], columns[l])]);
        let factor = cholesky(&covariance).ok_or_else(|| {
            Error::invalid("training set", "columns with a positive-definite covariance", "one that is constant or a combination of others")
        })?;
        assign(&mut self.shift, fit.shift.iter().copied().collect());
        if let Some(slope) = &mut self.slope {
            // nalgebra is column-major, a tensor row-major.
            assign(slope, fit.slope.transpose().iter().copied().collect());
        }
        assign(&mut self.strict, factor.transpose().iter().copied().collect());
        assign(&mut self.raw_diagonal, vec![0.0; dim]);
        assign(&mut self.start, factor.diagonal().iter().map(|d| d.ln()).collect());
        assign(&mut self.initialised, vec![1.0]);
        Ok(())
    }
}

/// The regression x = shift + slopeᵀ c + residual.
struct LeastSquares {
    shift: DVector<f64>,
    slope: DMatrix<f64>,
    covariance: DMatrix<f64>,
}

impl LeastSquares {
    /// One pass in 64 bits, weighted. Products are summed about the first row, so that means far from 0 cost no digits.
    fn of(data: &mut dyn Replay, dim: usize, context_dim: usize) -> Result<Self> {
        let width = context_dim + dim;
        let (mut count, mut centre) = (0.0, None);
        let (mut sum, mut gram) = (DVector::zeros(width), DMatrix::zeros(width, width));
        data.each(&mut |batch| {
            let rows = check_dim("x", &batch.x, dim)?;
            batch.given().check(rows, context_dim)?;
            batch.given().refuse_absent("TriangularAffine")?;
            let mut joint = DMatrix::zeros(rows, width);
            let mut fill = |t: &Tensor<2>, from: usize, columns: usize| {
                let block = DMatrix::from_row_slice(rows, columns, &values(t.clone().inner()));
                joint.view_mut((0, from), (rows, columns)).copy_from(&block);
            };
            if let Some(context) = batch.context.as_ref().filter(|_| context_dim > 0) {
                fill(context, 0, context_dim);
            }
            fill(&batch.x, context_dim, dim);
            if rows == 0 {
                return Ok(());
            }
            let centre = centre.get_or_insert_with(|| joint.row(0).clone_owned());
            // Rows scaled by √w have the weighted products; the sum and the count take the other half of w.
            for (i, mut row) in joint.row_iter_mut().enumerate() {
                let root = batch.weight(i).sqrt();
                row -= &*centre;
                row *= root;
                sum += root * row.transpose();
                count += root * root;
            }
            gram += joint.tr_mul(&joint);
            Ok(())
        })?;
        let centre = centre.ok_or_else(|| Error::invalid("training set", "at least one row", 0))?;
        if !gram.iter().all(|v: &f64| v.is_finite()) {
            return Err(Error::NotFinite { what: "training set".into(), rows: Vec::new() });
        }
        let mean = sum / count;
        let covariance = gram / count - &mean * mean.transpose();
        let mean = mean + centre.transpose();
        let block = |row: usize, column: usize, rows: usize, columns: usize| covariance.view((row, column), (rows, columns)).clone_owned();
        let cross = block(0, context_dim, context_dim, dim);
        let slope = regression(&block(0, 0, context_dim, context_dim), &cross)?;
        let explained = slope.tr_mul(&cross);
        let shift = mean.rows(context_dim, dim) - slope.tr_mul(&mean.rows(0, context_dim));
        Ok(LeastSquares { shift, covariance: block(context_dim, context_dim, dim, dim) - explained, slope })
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

/// The Cholesky factor, unless a pivot is no more than rounding.
fn cholesky(covariance: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let floor = 64.0 * covariance.nrows() as f64 * f64::EPSILON;
    let factor = Cholesky::new(covariance.clone())?.l();
    let sound = factor.diagonal().iter().zip(covariance.diagonal().iter()).all(|(l, v)| l * l > floor * v);
    sound.then_some(factor)
}
