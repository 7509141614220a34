//! Conditioners θ_j(·): networks that give each coordinate's univariate map its parameters.
//!
//! A conditioner knows nothing of what its outputs mean; [`crate::triangular`] joins the two. Its outputs are
//! `[rows, count, dim]`: parameter `p` of coordinate `j` stands at `[.., p, j]`, and all of them are about 0 at the start.

mod activation;
mod degrees;
mod dense;
mod linear;
mod made;
mod order;
mod solve;

pub use activation::Activation;
pub use degrees::Degrees;
pub use dense::{Dense, DenseConfig};
pub use linear::Linear;
pub use made::{Made, MadeConfig};
pub use order::Order;
pub(crate) use order::index;

use burn::tensor::{DType, Tensor};

use crate::{
    bijection::{Given, check_input},
    error::Result,
};

/// Gain of an output layer: small enough for ten layers of affine maps on [−3, 3] to start within 0.05 of the identity.
pub(crate) const OUTPUT_GAIN: f64 = 0.001;

/// The context that a conditioner of width `context_dim` reads: one row a row of the call in the precision of the weights, and
/// none for width 0.
pub(crate) fn check_context(context: Option<&Tensor<2>>, rows: usize, context_dim: usize, dtype: DType) -> Result<Option<&Tensor<2>>> {
    if context_dim == 0 {
        return Ok(None);
    }
    Given::context(context).check(rows, context_dim)?;
    context.map(|c| check_input("context", c, context_dim, dtype).map(|_| c)).transpose()
}
