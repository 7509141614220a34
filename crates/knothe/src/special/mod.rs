//! Special functions of tensors, exact in both precisions: what univariate maps and densities need and Burn lacks.
//!
//! Each function here works on each element (or along one dimension), on every device, and has an exact gradient.

mod logarithms;
mod normal;

pub use logarithms::{log_cosh, logsumexp, softplus};
pub(crate) use normal::{
    cdf_and_density, log_gamma_half_step, normal_cdf, normal_log_cdf, normal_log_hazard, normal_quantile, normal_quantile_of_log, quantile,
};
