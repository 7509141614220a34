//! The autoregressive map x_j = T(z_j; θ_j(z_<j)), which reads its own inputs.
//!
//! Forward is one pass; inverse goes through the coordinates one after another, for the arithmetic of about one pass
//! ([`Made::solve`]). [`crate::Inverse`] of this, z_j = T(x_j; θ_j(x_<j)), has its density in one pass: the masked
//! autoregressive flow (Papamakarios et al. 2017). Without it, sampling is one pass: the inverse autoregressive flow
//! (Kingma et al. 2016).

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use super::{
    sum_coordinates,
    tiles::{context_of, in_tiles, rows_of},
};
use crate::{
    bijection::{Bijection, Given, check_input},
    conditioner::{Made, MadeConfig, check_context},
    error::Result,
    kernels::{Step, run},
    placement::Placement,
    univariate::MonotoneMap,
};

/// x_j = T(z_j; θ_j(z_<j, context)), a triangular map in the order of its conditioner.
#[derive(Module, Debug)]
pub struct Autoregressive {
    conditioner: Made,
    #[module(skip)]
    map: Arc<dyn MonotoneMap>,
}

impl Autoregressive {
    /// Joins a masked network, made by `config` with the map's number of parameters, to a univariate map.
    pub fn new(mut config: MadeConfig, map: Arc<dyn MonotoneMap>, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        config.parameters = map.parameters();
        Ok(Autoregressive { conditioner: Made::new(config, place, rng)?, map })
    }

    /// The conditioner.
    pub fn conditioner(&self) -> &Made {
        &self.conditioner
    }

    /// This map, or its inverse, for fused operations.
    pub(crate) fn step(&self, forward: bool, x: &Tensor<2>, given: &Given) -> Result<Option<Step>> {
        let kernel = if forward { self.map.kernel() } else { self.map.inverse_kernel() };
        kernel.map_or(Ok(None), |kernel| self.conditioner.step(kernel, !forward, x, given.context))
    }

    /// The univariate map.
    pub fn univariate(&self) -> &Arc<dyn MonotoneMap> {
        &self.map
    }
}

impl Bijection for Autoregressive {
    fn dim(&self) -> usize {
        self.conditioner.dim()
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        if let Some(step) = self.step(true, &z, given)?
            && let Some(found) = run(&z, vec![step])
        {
            return Ok(found);
        }
        let theta = self.conditioner.parameters(z.clone(), given.context)?;
        let (x, ladj) = self.map.value(z, theta)?;
        Ok((x, sum_coordinates(ladj)))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let dtype = self.conditioner.placement().dtype();
        let rows = check_input("x", &x, self.dim(), dtype)?;
        check_context(given.context, rows, self.conditioner.context_dim(), dtype)?;
        if rows == 0 {
            let ladj = Placement::of(&x).zeros([0]);
            return Ok((x, ladj));
        }
        if let Some(step) = self.step(false, &x, given)?
            && let Some(found) = run(&x, vec![step])
        {
            return Ok(found);
        }
        let tracked = x.is_autodiff() || self.conditioner.placement().device.is_autodiff();
        let tiles = in_tiles(rows, tracked, |tile| self.inverse_tile(rows_of(&x, &tile), context_of(given, &tile).as_ref()))?;
        let (z, ladj) = tiles.into_iter().unzip();
        Ok((Tensor::cat(z, 0), Tensor::cat(ladj, 0)))
    }
}

impl Autoregressive {
    /// The inverse of some rows, column after column.
    fn inverse_tile(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Result<(Tensor<2>, Tensor<1>)> {
        let [rows, dim] = x.dims();
        // One column after another is read, so columns are laid out in one piece each.
        let columns = x.transpose().reshape([dim, rows, 1]);
        let mut ladjs = Vec::with_capacity(dim);
        let place = Placement::of(&columns);
        let z = self.conditioner.solve(rows, context, &place, |column, theta| {
            let (z, ladj) = self.map.inverse(columns.clone().narrow(0, column, 1).squeeze_dim(0), theta)?;
            ladjs.push(ladj);
            Ok(z)
        })?;
        let ladj = sum_coordinates(Tensor::cat(ladjs, 1));
        Ok((z, ladj))
    }
}
