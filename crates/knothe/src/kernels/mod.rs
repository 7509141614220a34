//! Fused operations of the CPU backend, with gradients derived by hand.
//!
//! Each has a composed form in the place that calls it, made of tensor operations: other devices use it, and tests compare
//! the two. A kernel only ever replaces it.

mod adam;
mod affine;
mod chain;
mod columns;
mod conditioned;
#[cfg(test)]
mod conditioned_tests;
mod convolution;
mod deep_sigmoidal;
mod elementwise;
mod fused;
mod gemm;
mod lanes;
mod mixture;
mod mixture_cdf;
mod moved;
mod network;
mod product;
mod real;
mod sigmoidal;
mod solve;
mod sos;
mod spare;
mod spline;
mod stairs;
mod steps;
mod substitution;
mod table;
mod taps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod throughput;
mod tile;
mod transpose;

pub(crate) use adam::{AdamStep, Flat, Parameter, adam_step, sum_of_squares};
pub use columns::Window;
pub(crate) use conditioned::Conditioned;
pub(crate) use convolution::{ConvolutionLayer, convolve};
pub(crate) use elementwise::value;
pub(crate) use fused::{has_kernels, join_graphs};
pub(crate) use mixture::MixtureDensity;
pub(crate) use mixture_cdf::LogisticCdf;
pub(crate) use moved::moved;
pub(crate) use network::Network;
pub(crate) use real::Real;
pub(crate) use sos::SquaredPolynomials;
pub(crate) use stairs::Stairs;
pub use steps::Step;
pub(crate) use steps::{run, run_of};
pub(crate) use substitution::substitute;
#[cfg(test)]
pub(crate) use tests::agree;
pub use tile::Kernel;
