//! The context of a call, and the seed of its randomness.

use burn::tensor::Tensor;

use crate::{error::Result, shape::check_context_shape};

/// What a call is given beside its rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// One row of context for each row of the call: `[rows, context_dim]`. `None` is a context of width 0.
    pub context: Option<&'a Tensor<2>>,
    /// Which elements of each row are there: 1, or 0 for an element that is absent, `[rows, dim]`. `None` where all of them are.
    pub present: Option<&'a Tensor<2>>,
    /// Seeds what is random inside an evaluation, such as dequantisation noise.
    pub seed: u64,
}

impl<'a> Given<'a> {
    /// Given a context, and seed 0.
    pub fn context(context: Option<&'a Tensor<2>>) -> Self {
        Given { context, ..Given::default() }
    }

    /// Checks that the context has one row for each row of the call and `context_dim` columns; `None` passes for width 0.
    pub fn check(&self, rows: usize, context_dim: usize) -> Result<()> {
        check_context_shape(self.context, rows, context_dim)
    }
}
