//! The affine triangular map. It is the Knothe–Rosenblatt map of a Gaussian, so that fitted alone it is the `gaussian` model.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use nalgebra::{Cholesky, DMatrix, DVector};

use super::{
    assign, constant, identity, is_raised,
    marginal::marginal_factors,
    regression::LeastSquares,
    same_for_all,
    substitution::{lower_triangular, solve_lower},
    whitening::whitening,
};
use crate::{
    bijection::{Bijection, Given, Replay, check_input},
    conditioner::check_context,
    error::{Error, Result},
    given::refused,
    order::{Order, index},
    placement::{Placement, values},
    univariate::bounded,
};

/// The fewest rows for each column of the context of which a whitening reads the slope.
const ROWS_PER_CONTEXT: f64 = 10.0;

/// The share of a column's variance of which less has to be its own for the data to be whitened. Networks find 0.1 standard deviations by themselves.
const NEARLY_DEPENDENT: f64 = 0.01;

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
    #[module(skip)]
    role: Role,
}

/// What the map is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    /// It is trained after its start.
    Trained,
    /// It stays at its start.
    Fixed,
    /// It stays at its start, which only whitens the data for the layers after it.
    Whitens,
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
            role: Role::Trained,
        }
    }

    /// The same, but never trained. Only such a map has a place for absent coordinates: those that are present follow the marginal of the Gaussian, x_o = b_o + C_o c + L_o z_o with
    /// L_o the Cholesky factor of (L Lᵀ)_oo, in the order of the coordinates. Its start maximises the likelihood of what is present, by the EM algorithm.
    ///
    /// If elements are absent, a column with too few rows to estimate its dependence on others is only standardised.
    pub fn fixed(order: &Order, context_dim: usize, place: &Placement) -> Self {
        TriangularAffine {
            shift: constant(place.zeros([order.dim()])),
            slope: (context_dim > 0).then(|| constant(place.zeros([context_dim, order.dim()]))),
            strict: constant(place.zeros([order.dim(), order.dim()])),
            raw_diagonal: constant(place.zeros([order.dim()])),
            role: Role::Fixed,
            ..TriangularAffine::new(order, context_dim, place)
        }
    }

    /// The map that whitens a training set whose columns are nearly linear in one another or in the context, so that the layers after it see rows of mean 0 and
    /// covariance I. Its start sets it where less than 1 % of a column's variance is left by the columns before it, or where elements are absent, since a network would have to
    /// learn a Gaussian for each pattern of absence. It stays the identity for other data, which layers of networks fit as well or better by themselves.
    ///
    /// It is [`fixed`](TriangularAffine::fixed): a step of an optimiser in L would be one of 1/L_kk in z. It also works where
    /// [`TriangularAffine::new`] fails. Columns that depend linearly on others up to rounding are only standardised, and so are columns with too few rows to estimate
    /// their dependence on others.
    pub fn whitening(order: &Order, context_dim: usize, place: &Placement) -> Self {
        TriangularAffine { role: Role::Whitens, ..TriangularAffine::fixed(order, context_dim, place) }
    }

    /// Starts at the Gaussian N(mean, F Fᵀ) in place of the data's. None unless F is invertible.
    pub(crate) fn at(mut self, mean: &[f64], factor: &DMatrix<f64>) -> Option<Self> {
        let (dim, columns) = (self.dim(), self.order.columns());
        // F = L Q with an orthogonal Q has the same covariance.
        let mut lower = DMatrix::from_fn(dim, dim, |k, l| factor[(columns[l], k)]).qr().r().transpose();
        for k in 0..dim {
            if lower[(k, k)] < 0.0 {
                lower.column_mut(k).neg_mut();
            }
        }
        if !lower.iter().all(|v| v.is_finite()) || lower.diagonal().min() <= 0.0 {
            return None;
        }
        assign(&mut self.initialised, vec![1.0]);
        self.set(mean.to_vec(), &lower);
        Some(self)
    }

    /// Sets b and L, in the order of the coordinates.
    fn set(&mut self, shift: Vec<f64>, factor: &DMatrix<f64>) {
        assign(&mut self.shift, shift);
        assign(&mut self.strict, factor.transpose().iter().copied().collect());
        assign(&mut self.raw_diagonal, vec![0.0; self.order.dim()]);
        assign(&mut self.start, factor.diagonal().iter().map(|d| d.ln()).collect());
    }

    /// The order of the coordinates in which L is lower triangular.
    pub(crate) fn order(&self) -> &Order {
        &self.order
    }

    /// The diagonal of L, in the order of the columns of a row.
    pub(crate) fn diagonal(&self) -> Vec<f64> {
        values(self.log_diagonal().exp().select(0, self.ranks.clone()).inner())
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

    /// z of present coordinates x, or x of z, with 0 for absent ones, and the ladj. L is never trained where this is called.
    fn marginal(&self, of: Tensor<2>, given: &Given, present: &Tensor<2>, inverse: bool) -> Result<(Tensor<2>, Tensor<1>)> {
        self.check_absent()?;
        given.check_present(of.dims(), of.dtype())?;
        let ([rows, dim], mean) = (of.dims(), self.mean(of.dims()[0], given)?);
        if rows == 0 {
            return Ok((of.clone(), same_for_all(0, self.shift.val())));
        }
        let factor = DMatrix::from_row_slice(dim, dim, &values(self.factor().0.inner()));
        let (matrix, log_diagonal) = marginal_factors(&factor, &self.order, present, inverse);
        let times = |v: Tensor<2>| (matrix.clone() * given.masked(v).unsqueeze_dim::<3>(1)).sum_dim(2).squeeze_dim::<2>(2);
        Ok(if inverse { (times(of - mean), log_diagonal.neg()) } else { (given.masked(times(of) + mean), log_diagonal) })
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

    fn check_absent(&self) -> Result<()> {
        if self.role == Role::Trained { refused::<Self>() } else { Ok(()) }
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_input("z", &z, self.dim(), self.shift.val().dtype())?;
        if let Some(present) = given.present {
            return self.marginal(z, given, present, false);
        }
        let mean = self.mean(rows, given)?;
        let (factor, log_diagonal) = self.factor();
        let x = z.select(1, self.columns.clone()).matmul(factor.transpose()).select(1, self.ranks.clone()) + mean;
        Ok((x, same_for_all(rows, log_diagonal)))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_input("x", &x, self.dim(), self.shift.val().dtype())?;
        if let Some(present) = given.present {
            return self.marginal(x, given, present, true);
        }
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
        let lacks = lacks_elements(data)?;
        if lacks {
            self.check_absent()?;
        }
        let whitens = self.role == Role::Whitens;
        let fit = LeastSquares::of(data, dim, context_dim, if whitens || lacks { ROWS_PER_CONTEXT } else { 0.0 })?;
        let columns = self.order.columns();
        let covariance = DMatrix::from_fn(dim, dim, |k, l| fit.covariance[(columns[k], columns[l])]);
        let in_order = |values: &DVector<f64>| DVector::from_fn(dim, |k, _| values[columns[k]]);
        let (variance, rows) = (in_order(&fit.variance), in_order(&fit.rows));
        let factor = if whitens || lacks {
            whitening(&covariance, &variance, &rows, context_dim, Placement::of(&self.shift.val()).precision)
        } else {
            cholesky(&covariance).ok_or_else(|| {
                let expected = "columns with a positive-definite covariance";
                Error::invalid("training set", expected, "one that is constant or a combination of others")
            })?
        };
        assign(&mut self.initialised, vec![1.0]);
        let own = |k: usize| factor[(k, k)].powi(2) / variance[k];
        if whitens && !lacks && !(0..dim).any(|k| own(k) < NEARLY_DEPENDENT) {
            return Ok(());
        }
        if let Some(slope) = &mut self.slope {
            // nalgebra is column-major, a tensor row-major.
            assign(slope, fit.slope.transpose().iter().copied().collect());
        }
        self.set(fit.shift.iter().copied().collect(), &factor);
        Ok(())
    }
}

/// Whether elements of the training set are absent.
fn lacks_elements(data: &mut dyn Replay) -> Result<bool> {
    let mut lacks = false;
    data.each(&mut |batch| {
        lacks |= batch.present.is_some();
        Ok(())
    })?;
    Ok(lacks)
}

/// The Cholesky factor, unless a pivot is no more than rounding.
fn cholesky(covariance: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let floor = 64.0 * covariance.nrows() as f64 * f64::EPSILON;
    let factor = Cholesky::new(covariance.clone())?.l();
    let sound = factor.diagonal().iter().zip(covariance.diagonal().iter()).all(|(l, v)| l * l > floor * v);
    sound.then_some(factor)
}
