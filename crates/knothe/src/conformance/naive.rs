//! The plain road that a conditioner's incremental form shortens: one pass of the whole network per coordinate.

use burn::tensor::Tensor;

use crate::{
    bijection::Given,
    conditioner::{AutoregressiveConditioner, by_passes},
    error::Result,
    placement::Placement,
};

/// What [`AutoregressiveConditioner::solve`] returns, by D passes: the parameters of every coordinate are computed anew before each
/// step, and the parameters of one coordinate are used. This is the reference that a network's own `solve` is tested and timed against.
///
/// # Errors
/// Those of [`AutoregressiveConditioner::solve`].
pub fn naive_solve<C: AutoregressiveConditioner>(
    conditioner: &C,
    rows: usize,
    given: &Given,
    place: &Placement,
    step: impl FnMut(usize, Tensor<3>) -> Result<Tensor<2>>,
) -> Result<Tensor<2>> {
    by_passes(conditioner, rows, given, place, step)
}
