//! Special functions that univariate maps and densities need and Burn lacks. They are exact in both precisions.
//!
//! Functions of tensors work on each element (or along one dimension), on every device, and have an exact gradient.

mod companding;
mod logarithms;
mod normal;

pub use companding::{mu_law, mu_law_inverse};
pub(crate) use logarithms::log_add;
pub use logarithms::{log_cosh, logsumexp, softplus};
pub(crate) use normal::{
    cdf_and_density, log_gamma_half_step, normal_cdf, normal_log_cdf, normal_log_hazard, normal_quantile, normal_quantile_of_log, quantile,
};
