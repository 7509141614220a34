//! Targets: unnormalised log densities with their gradients.

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::{
    error::{Error, Result},
    placement::{Placement, values},
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
    ///
    /// # Errors
    /// If the target cannot be evaluated at x.
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
}

/// log π̃ and its gradient at rows of x, row-major `[n, dim]`. The results are `[n]` and `[n, dim]`.
///
/// # Errors
/// [`Error::Shape`] for numbers that make no whole rows, and the errors of the target.
pub fn log_densities_and_gradients(target: &(impl Target + ?Sized), x: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
    let dim = target.dim().max(1);
    if !x.len().is_multiple_of(dim) {
        return Err(Error::shape("x", format!("rows of {dim} numbers"), x.len()));
    }
    let mut gradients = vec![0.0; x.len()];
    let one = |(x, gradient): (&[f64], &mut [f64])| target.log_density_and_gradient(x, gradient);
    let logs: Result<Vec<f64>> = if target.is_parallel() {
        x.par_chunks_exact(dim).zip(gradients.par_chunks_exact_mut(dim)).map(one).collect()
    } else {
        x.chunks_exact(dim).zip(gradients.chunks_exact_mut(dim)).map(one).collect()
    };
    Ok((logs?, gradients))
}

/// log π̃ at rows of x without gradients.
pub(super) fn log_densities(target: &(impl Target + ?Sized), x: &[f64]) -> Result<Vec<f64>> {
    let rows = x.par_chunks_exact(target.dim().max(1));
    if target.is_parallel() {
        rows.map(|x| target.log_density(x)).collect()
    } else {
        x.chunks_exact(target.dim().max(1)).map(|x| target.log_density(x)).collect()
    }
}

/// log π̃ of the rows of a tensor, `[rows]`. Gradients pass through it to x, with the gradient of the target.
pub(super) fn log_density_of(target: &(impl Target + ?Sized), x: Tensor<2>) -> Result<Tensor<1>> {
    let ([rows, dim], place) = (x.dims(), Placement::of(&x));
    if !x.is_tracked() {
        return Ok(place.tensor(log_densities(target, &values(x))?, [rows]));
    }
    let (logs, mut gradients) = log_densities_and_gradients(target, &values(x.clone().inner()))?;
    // A row without density has no gradient, and its loss is not finite in any case.
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

    /// log π̃ of one row.
    fn one(&self, x: Tensor<2>) -> Result<Tensor<1>> {
        let found = (self.of)(x)?;
        if found.dims() == [1] { Ok(found) } else { Err(Error::shape("log density of a target", "[1], one number per row", found.dims())) }
    }
}

impl<F: Fn(Tensor<2>) -> Result<Tensor<1>> + Sync> Target for TensorTarget<F> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn log_density_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let place = Placement::cpu(crate::placement::Precision::F64);
        let x = place.autodiff().tensor(x.to_vec(), [1, self.dim]).require_grad();
        let found = self.one(x.clone())?;
        let log = values(found.clone().inner())[0];
        // A target that is constant in x has no graph.
        match found.is_tracked().then(|| x.grad(&found.sum().backward())).flatten() {
            Some(own) => gradient.copy_from_slice(&values(own)),
            None => gradient.fill(0.0),
        }
        Ok(log)
    }

    fn log_density(&self, x: &[f64]) -> Result<f64> {
        let place = Placement::cpu(crate::placement::Precision::F64);
        Ok(values(self.one(place.tensor(x.to_vec(), [1, self.dim]))?)[0])
    }
}
