//! Fused operations of the CPU backend, with gradients derived by hand.
//!
//! Each has a composed form in the place that calls it, made of tensor operations: other devices use it, and tests compare
//! the two. A kernel only ever replaces it.

mod elementwise;
mod fused;
mod sigmoidal;
#[cfg(test)]
mod tests;

pub(crate) use elementwise::value;
#[cfg(test)]
pub(crate) use tests::agree;

/// What kernels compute with: `f32` or `f64`.
pub(crate) trait Real: num_traits::Float + bytemuck::Pod + burn::tensor::Element + Send + Sync {
    /// A constant, rounded.
    fn of(value: f64) -> Self;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
}
