//! The elementwise map x_j = T(z_j; θ_j) with free parameters: a triangular map that reads nothing.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::sum_coordinates;
use crate::{
    bijection::{Bijection, Given, check_input},
    error::Result,
    placement::Placement,
    univariate::MonotoneMap,
};

/// x_j = T(z_j; θ_j), θ trained.
#[derive(Module, Debug)]
pub struct Elementwise {
    parameters: Param<Tensor<2>>,
    #[module(skip)]
    map: Arc<dyn MonotoneMap>,
}

impl Elementwise {
    /// Parameters that start at 0, which is the identity.
    pub fn new(dim: usize, map: Arc<dyn MonotoneMap>, place: &Placement) -> Self {
        Elementwise { parameters: Param::from_tensor(place.zeros([map.parameters(), dim])), map }
    }

    fn theta(&self, rows: usize) -> Tensor<3> {
        let parameters = self.parameters.val();
        let [count, dim] = parameters.dims();
        // Burn expands to no size of 0.
        if rows == 0 {
            return Placement::of(&parameters).zeros([0, count, dim]);
        }
        parameters.unsqueeze_dim::<3>(0).expand([rows, count, dim])
    }
}

impl Bijection for Elementwise {
    fn dim(&self) -> usize {
        self.parameters.dims()[1]
    }

    fn forward_and_ladj(&self, z: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_input("z", &z, self.dim(), self.parameters.val().dtype())?;
        let (x, ladj) = self.map.value(z, self.theta(rows))?;
        Ok((x, sum_coordinates(ladj)))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_input("x", &x, self.dim(), self.parameters.val().dtype())?;
        let (z, ladj) = self.map.inverse(x, self.theta(rows))?;
        Ok((z, sum_coordinates(ladj)))
    }
}
