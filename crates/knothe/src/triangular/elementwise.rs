//! The elementwise map x_j = T(z_j; θ_j) with free parameters: a triangular map that reads no other column.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::of_rows;
use crate::{
    bijection::{Bijection, Given, check_input},
    conditioner::check_context,
    error::Result,
    placement::Placement,
    univariate::MonotoneMap,
};

/// x_j = T(z_j; θ_j) with θ = b + c W of the context c; b and W are trained.
#[derive(Module, Debug)]
pub struct Elementwise {
    parameters: Param<Tensor<2>>,
    /// W, of `[context columns, parameters · dim]`.
    of_context: Option<Param<Tensor<2>>>,
    #[module(skip)]
    map: Arc<dyn MonotoneMap>,
}

impl Elementwise {
    /// Parameters that start at 0, which is the identity, and `context_dim` columns of context.
    pub fn new(dim: usize, context_dim: usize, map: Arc<dyn MonotoneMap>, place: &Placement) -> Self {
        let count = map.parameters();
        let of_context = (context_dim > 0).then(|| Param::from_tensor(place.zeros([context_dim, count * dim])));
        Elementwise { parameters: Param::from_tensor(place.zeros([count, dim])), of_context, map }
    }

    fn theta(&self, rows: usize, given: &Given) -> Result<Tensor<3>> {
        let parameters = self.parameters.val();
        let [count, dim] = parameters.dims();
        let width = self.of_context.as_ref().map_or(0, |weight| weight.dims()[0]);
        let context = check_context(given.context, rows, width, parameters.dtype())?;
        // Burn expands to no size of 0.
        if rows == 0 {
            return Ok(Placement::of(&parameters).zeros([0, count, dim]));
        }
        let free = parameters.unsqueeze_dim::<3>(0);
        Ok(match self.of_context.as_ref().zip(context) {
            Some((weight, c)) => c.clone().matmul(weight.val()).reshape([rows, count, dim]) + free,
            None => free.expand([rows, count, dim]),
        })
    }
}

impl Bijection for Elementwise {
    fn dim(&self) -> usize {
        self.parameters.dims()[1]
    }

    fn check_absent(&self) -> Result<()> {
        Ok(())
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_input("z", &z, self.dim(), self.parameters.val().dtype())?;
        given.check_present(z.dims(), z.dtype())?;
        Ok(of_rows(self.map.value(z, self.theta(rows, given)?)?, given))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_input("x", &x, self.dim(), self.parameters.val().dtype())?;
        given.check_present(x.dims(), x.dtype())?;
        Ok(of_rows(self.map.inverse(x, self.theta(rows, given)?)?, given))
    }
}
