//! Fused operations of the CPU backend, with gradients derived by hand.
//!
//! Each operation has a composed form, made of tensor operations, in the module that calls it. Other devices use the composed form,
//! and tests compare the two. A kernel only ever replaces a composed form.
//!
//! The engine knows no univariate map: a [`LaneMap`] stands beside its map, in `univariate/NAME_lanes.rs`.

mod activation;
mod adam;
mod bias;
mod cell;
mod chain;
mod columns;
mod conditioned;
#[cfg(test)]
mod conditioned_tests;
mod convolution;
mod elementwise;
mod fused;
mod gate;
mod gemm;
mod lanes;
mod lines;
mod moved;
mod network;
mod product;
mod program;
mod real;
mod recurrence;
mod solve;
mod spare;
mod stairs;
mod steps;
mod streams;
mod substitution;
mod table;
mod taps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod throughput;
mod tile;
mod transpose;

pub use activation::Activation;
pub(crate) use adam::{AdamStep, Flat, Parameter, adam_step, sum_of_squares};
pub(crate) use cell::cell;
pub use columns::Window;
pub(crate) use conditioned::Conditioned;
pub(crate) use convolution::{ConvolutionLayer, convolve};
pub(crate) use elementwise::value;
pub(crate) use fused::{has_kernels, join_graphs};
pub(crate) use gate::gate;
pub(crate) use lanes::{LANES, Lanes, vectorised};
pub(crate) use lines::Lines;
pub(crate) use moved::moved;
pub(crate) use network::{FAR, Network};
pub(crate) use program::{Operation, Program};
pub(crate) use real::Real;
pub(crate) use recurrence::{followed, recur};
pub(crate) use stairs::Stairs;
pub use steps::Step;
pub(crate) use steps::{run, run_of};
pub(crate) use streams::{GROUP, GatedLayer, Matrix, Stack, Streams, padded};
pub(crate) use substitution::substitute;
#[cfg(test)]
pub(crate) use tests::agree;
pub use tile::Kernel;
pub(crate) use tile::{LaneMap, Theta, ThetaGradient};
