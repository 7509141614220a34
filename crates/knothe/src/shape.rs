//! Checks of the shapes of tensors. Burn panics on a wrong shape or precision, so they are checked at the public boundary.

use burn::tensor::{DType, Tensor};

use crate::error::{Error, Result};

/// Checks that `x` is `[rows, dim]`; returns the rows.
pub(crate) fn check_dim(what: &str, x: &Tensor<2>, dim: usize) -> Result<usize> {
    let found = x.dims();
    if found[1] == dim { Ok(found[0]) } else { Err(Error::shape(what, format!("[rows, {dim}]"), found)) }
}

/// Checks that `x` is `[rows, dim]` in the precision of the parameters, and returns the number of rows. Burn panics where two
/// precisions meet.
///
/// # Errors
/// [`Error::Shape`] with the argument's name, `what`.
pub fn check_input(what: &str, x: &Tensor<2>, dim: usize, dtype: DType) -> Result<usize> {
    let rows = check_dim(what, x, dim)?;
    if x.dtype() == dtype { Ok(rows) } else { Err(Error::shape(what, format!("numbers of type {dtype:?}"), x.dtype())) }
}

/// Checks that a context is `[rows, context_dim]`; `None` passes for width 0.
pub(crate) fn check_context_shape(context: Option<&Tensor<2>>, rows: usize, context_dim: usize) -> Result<()> {
    match context.map(Tensor::dims) {
        None if context_dim == 0 => Ok(()),
        Some(found) if found == [rows, context_dim] => Ok(()),
        found => Err(Error::shape("context", format!("[{rows}, {context_dim}]"), found)),
    }
}
