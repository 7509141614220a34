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
pub(crate) trait Real: nalgebra::RealField + burn::tensor::Element + Copy {
    /// A constant, rounded.
    fn of(value: f64) -> Self {
        nalgebra::convert(value)
    }
}

impl Real for f32 {}
impl Real for f64 {}
