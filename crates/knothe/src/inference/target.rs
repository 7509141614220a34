//! Targets: unnormalised log densities with their gradients.

use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::{
    error::{Error, Result},
    placement::{Placement, Precision, values},
};

/// An unnormalised log density log π̃ on ℝᵈ, with its gradient.
///
/// The example `own_target.rs` has one, and fits a map to it:
///
/// ```no_run
#[doc = include_str!("../../examples/own_target.rs")]
/// ```
pub trait Target: Sync {
    /// The number of coordinates.
    fn dim(&self) -> usize;

    /// Returns log π̃(x) and writes ∇ log π̃(x) into `gradient`. Both `x` and `gradient` have [`Target::dim`] numbers. Where π̃ is 0, the result is −∞ and the gradient does not matter.
    /// NaN says that π̃ is not defined at x, which then counts as a point without density.
    ///
    /// # Errors
    /// If the target cannot be evaluated at x. The work on the target ends with this error.
    fn log_density_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64>;

    /// log π̃(x) alone.
    ///
    /// # Errors
    /// If the target cannot be evaluated at x.
    fn log_density(&self, x: &[f64]) -> Result<f64> {
        self.log_density_and_gradient(x, &mut vec![0.0; x.len()])
    }

    /// Whether several threads may evaluate the target at once.
    fn is_parallel(&self) -> bool {
        true
    }

    /// The name of the target for messages.
    fn name(&self) -> String {
        "the target".into()
    }

    /// The target's own message about the first point at which it is not defined, if it gives any.
    fn first_message(&self) -> Option<String> {
        None
    }

    /// log π̃ and its gradient at rows of x, row-major `[n, dim]`. The results are `[n]` and `[n, dim]`. By default the rows are evaluated one by one, on all threads if
    /// [`Target::is_parallel`] allows that.
    ///
    /// # Errors
    /// [`Error::Shape`] for numbers that make no whole rows, and if the target cannot be evaluated at a row.
    fn log_densities_and_gradients(&self, x: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let dim = rows_of(self, x)?;
        let mut gradients = vec![0.0; x.len()];
        let one = |(x, gradient): (&[f64], &mut [f64])| self.log_density_and_gradient(x, gradient);
        let logs: Result<Vec<f64>> = if self.is_parallel() {
            x.par_chunks_exact(dim).zip(gradients.par_chunks_exact_mut(dim)).map(one).collect()
        } else {
            x.chunks_exact(dim).zip(gradients.chunks_exact_mut(dim)).map(one).collect()
        };
        Ok((logs?, gradients))
    }

    /// log π̃ at rows of x, without gradients.
    ///
    /// # Errors
    /// Those of [`Target::log_densities_and_gradients`].
    fn log_densities(&self, x: &[f64]) -> Result<Vec<f64>> {
        let dim = rows_of(self, x)?;
        if self.is_parallel() {
            x.par_chunks_exact(dim).map(|x| self.log_density(x)).collect()
        } else {
            x.chunks_exact(dim).map(|x| self.log_density(x)).collect()
        }
    }
}

/// The length of a row, checked.
pub(super) fn rows_of(target: &(impl Target + ?Sized), x: &[f64]) -> Result<usize> {
    let dim = target.dim().max(1);
    if x.len().is_multiple_of(dim) { Ok(dim) } else { Err(Error::shape("x", format!("rows of {dim} numbers"), x.len())) }
}

/// A target that counts its evaluations.
#[derive(Debug)]
pub struct Counted<'a, T: ?Sized> {
    target: &'a T,
    gradients: AtomicU64,
    values: AtomicU64,
}

impl<'a, T: Target + ?Sized> Counted<'a, T> {
    /// Counts from 0.
    pub fn new(target: &'a T) -> Self {
        Counted { target, gradients: AtomicU64::new(0), values: AtomicU64::new(0) }
    }

    /// Evaluations with the gradient.
    pub fn gradients(&self) -> u64 {
        self.gradients.load(Ordering::Relaxed)
    }

    /// Evaluations of the log density alone.
    pub fn values(&self) -> u64 {
        self.values.load(Ordering::Relaxed)
    }
}

impl<T: Target + ?Sized> Target for Counted<'_, T> {
    fn dim(&self) -> usize {
        self.target.dim()
    }

    fn log_density_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.gradients.fetch_add(1, Ordering::Relaxed);
        self.target.log_density_and_gradient(x, gradient)
    }

    fn log_density(&self, x: &[f64]) -> Result<f64> {
        self.values.fetch_add(1, Ordering::Relaxed);
        self.target.log_density(x)
    }

    fn is_parallel(&self) -> bool {
        self.target.is_parallel()
    }

    fn name(&self) -> String {
        self.target.name()
    }

    fn first_message(&self) -> Option<String> {
        self.target.first_message()
    }

    fn log_densities_and_gradients(&self, x: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let found = self.target.log_densities_and_gradients(x)?;
        self.gradients.fetch_add(found.0.len() as u64, Ordering::Relaxed);
        Ok(found)
    }

    fn log_densities(&self, x: &[f64]) -> Result<Vec<f64>> {
        let found = self.target.log_densities(x)?;
        self.values.fetch_add(found.len() as u64, Ordering::Relaxed);
        Ok(found)
    }
}

/// log π̃ of the rows of a tensor, `[rows]`. Gradients pass through it to x, with the gradient of the target.
pub(super) fn log_density_of(target: &(impl Target + ?Sized), x: Tensor<2>) -> Result<Tensor<1>> {
    let ([rows, dim], place) = (x.dims(), Placement::of(&x));
    if !x.is_tracked() {
        return Ok(place.tensor(target.log_densities(&values(x))?, [rows]));
    }
    let (logs, mut gradients) = target.log_densities_and_gradients(&values(x.clone().inner()))?;
    // A row without density has no gradient, and its loss is not finite in any case. Beside a finite density, a slope that is not finite would spoil the slopes of all rows: without it, the
    // fit follows the other rows, and held-out densities judge the map.
    gradients.iter_mut().filter(|g| !g.is_finite()).for_each(|g| *g = 0.0);
    // The gradient of Σ_j g_j x_j with constant g is g. Its value is exchanged for log π̃.
    let linear = (x * place.tensor(gradients, [rows, dim])).sum_dim(1).squeeze_dim::<1>(1);
    Ok(linear.clone() - linear.detach() + place.tensor(logs, [rows]))
}

/// A target written with tensors, whose gradient comes from automatic differentiation.
///
/// ```
/// use knothe::{inference::{Target, TensorTarget}, burn::tensor::Tensor};
/// // A banana: x_1 ~ N(0, 1), x_2 given x_1 ~ N(x_1², 1).
/// let banana = TensorTarget::new(2, |x: Tensor<2>| {
///     let (a, b) = (x.clone().narrow(1, 0, 1), x.narrow(1, 1, 1));
///     Ok(((a.clone().square() + (b - a.square()).square()) * -0.5).squeeze_dim(1))
/// });
/// let mut gradient = [0.0; 2];
/// assert_eq!(banana.log_density_and_gradient(&[1.0, 3.0], &mut gradient)?, -2.5);
/// assert_eq!(gradient, [3.0, -2.0]);
/// # Ok::<(), knothe::Error>(())
/// ```
pub struct TensorTarget<F> {
    dim: usize,
    of: F,
}

impl<F: Fn(Tensor<2>) -> Result<Tensor<1>> + Sync> TensorTarget<F> {
    /// `of` takes rows of 64-bit numbers, `[rows, dim]`, and returns their log densities, `[rows]`.
    pub fn new(dim: usize, of: F) -> Self {
        TensorTarget { dim, of }
    }

    /// log π̃ of rows.
    fn rows(&self, x: Tensor<2>) -> Result<Tensor<1>> {
        let [rows, _] = x.dims();
        let found = (self.of)(x)?;
        if found.dims() == [rows] {
            return Ok(found);
        }
        Err(Error::shape("log density of a target", format!("[{rows}], one number per row"), found.dims()))
    }
}

impl<F: Fn(Tensor<2>) -> Result<Tensor<1>> + Sync> Target for TensorTarget<F> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn log_density_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let (logs, found) = self.log_densities_and_gradients(x)?;
        gradient.copy_from_slice(&found);
        Ok(logs[0])
    }

    fn log_density(&self, x: &[f64]) -> Result<f64> {
        Ok(self.log_densities(x)?[0])
    }

    fn log_densities_and_gradients(&self, x: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        gradients_by_tensors(self, x, |x| self.rows(x))
    }

    fn log_densities(&self, x: &[f64]) -> Result<Vec<f64>> {
        let dim = rows_of(self, x)?;
        Ok(values(self.rows(Placement::cpu(Precision::F64).tensor(x.to_vec(), [x.len() / dim, dim]))?))
    }
}

/// log π̃ and its gradient at rows of x, where tensors compute log π̃.
pub(super) fn gradients_by_tensors(
    target: &(impl Target + ?Sized),
    x: &[f64],
    log_density: impl Fn(Tensor<2>) -> Result<Tensor<1>>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let dim = rows_of(target, x)?;
    let tracked = Placement::cpu(Precision::F64).autodiff().tensor(x.to_vec(), [x.len() / dim, dim]).require_grad();
    let found = log_density(tracked.clone())?;
    let logs = values(found.clone().inner());
    // A target that is constant in x has no graph.
    let gradient = found.is_tracked().then(|| tracked.grad(&found.sum().backward())).flatten();
    Ok((logs, gradient.map_or_else(|| vec![0.0; x.len()], values)))
}
