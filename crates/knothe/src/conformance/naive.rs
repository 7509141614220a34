//! The plain road that [`Made::solve`] shortens: one pass of the whole network a coordinate.

use burn::tensor::Tensor;

use crate::{conditioner::Made, error::Result, placement::Placement};

/// What [`Made::solve`] returns, by D passes: the parameters of every coordinate are computed anew before each step, and those
/// of one coordinate are used. The reference that the fast road is tested and timed against.
pub fn naive_solve(
    conditioner: &Made,
    rows: usize,
    context: Option<&Tensor<2>>,
    place: &Placement,
    mut step: impl FnMut(usize, Tensor<3>) -> Result<Tensor<2>>,
) -> Result<Tensor<2>> {
    let dim = conditioner.dim();
    let mut x = place.zeros([rows, dim]);
    for &column in conditioner.order().columns() {
        let theta = conditioner.parameters(x.clone(), context)?;
        let value = step(column, theta.narrow(2, column, 1))?;
        x = x.slice_assign([0..rows, column..column + 1], value);
    }
    Ok(x)
}
