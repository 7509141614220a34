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

pub use activation::Activation;
pub use degrees::Degrees;
pub use dense::{Dense, DenseConfig};
pub use linear::Linear;
pub use made::{Made, MadeConfig};
pub use order::Order;
