//! Where a conditioner meets a univariate map: x_j = T_j(z_j; θ_j(z_<j)).

mod autoregressive;
mod coupling;
mod elementwise;
mod marginals;
pub(crate) mod tiles;

pub use autoregressive::Autoregressive;
pub use coupling::Coupling;
pub use elementwise::Elementwise;
pub use marginals::Marginals;

use burn::tensor::Tensor;

use crate::bijection::Given;

/// Σ_j over the coordinates, one value per row.
pub(crate) fn sum_coordinates(t: Tensor<2>) -> Tensor<1> {
    t.sum_dim(1).squeeze_dim(1)
}

/// The values and log-slopes of a map of each coordinate as a map of rows: 0 at what is absent, and the sum of the log-slopes.
pub(crate) fn of_rows((y, log_slope): (Tensor<2>, Tensor<2>), given: &Given) -> (Tensor<2>, Tensor<1>) {
    (given.masked(y), sum_coordinates(given.masked(log_slope)))
}
