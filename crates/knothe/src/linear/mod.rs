//! Affine maps of all coordinates together, which mix what triangular maps keep apart, or standardise what they get.
//!
//! Each is x = T(z) with exact ladj and gradients in both directions. The direction from the data, z = T⁻¹(x), is the
//! explicit one where the two differ in cost, since that is what maximum likelihood evaluates.

mod actnorm;
mod batch_norm;
mod incomplete;
mod lu;
mod marginal;
mod matrix;
mod moments;
mod permutation;
mod regression;
mod rotation;
pub(crate) mod substitution;
mod triangular_affine;
mod whitening;

pub use actnorm::ActNorm;
pub use batch_norm::BatchNorm;
pub use lu::Lu;
pub use matrix::Matrix;
pub use permutation::Permutation;
pub use rotation::{Rotation, RotationStart};
pub use triangular_affine::TriangularAffine;

use burn::module::Param;
use burn::tensor::Tensor;

pub(crate) use crate::placement::assign;
use crate::{
    bijection::Given,
    placement::{Placement, values},
};

/// The identity matrix.
pub(crate) fn identity(dim: usize, place: &Placement) -> Tensor<2> {
    place.tensor_of([dim, dim], || (0..dim * dim).map(|k| f64::from(k / dim == k % dim)).collect())
}

/// A constant of the model that is saved with it and never trained.
pub(crate) fn constant<const D: usize>(value: Tensor<D>) -> Param<Tensor<D>> {
    Param::from_tensor(value).set_require_grad(false)
}

/// Whether a flag that is saved with the model has been raised.
pub(crate) fn is_raised(flag: &Param<Tensor<1>>) -> bool {
    values(flag.val().inner()).first().is_some_and(|v| *v != 0.0)
}

/// The ladj of an affine map of each coordinate: the sum of the log-slopes, of a row that lacks some coordinates over the others.
fn of_present(rows: usize, log_slope: Tensor<1>, given: &Given) -> Tensor<1> {
    match given.present {
        Some(present) => (present.clone() * log_slope.unsqueeze()).sum_dim(1).squeeze_dim(1),
        None => same_for_all(rows, log_slope),
    }
}

/// The same ladj for each of `rows` rows: the sum of one value a coordinate.
fn same_for_all(rows: usize, ladj: Tensor<1>) -> Tensor<1> {
    // A sum and not an expansion, which Burn refuses for no row.
    Placement::of(&ladj).zeros([rows]) + ladj.sum()
}

#[cfg(test)]
mod tests;
