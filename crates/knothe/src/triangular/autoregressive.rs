//! The autoregressive map x_j = T(z_j; θ_j(z_<j)), which reads its own inputs.
//!
//! Forward is one pass; inverse goes through the coordinates one after another, for the arithmetic of about one pass
//! ([`AutoregressiveConditioner::solve`]). [`crate::Inverse`] of this, z_j = T(x_j; θ_j(x_<j)), has its density in one pass: the masked
//! autoregressive flow (Papamakarios et al. 2017). Without it, sampling is one pass: the inverse autoregressive flow
//! (Kingma et al. 2016).

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use super::{
    of_rows, sum_coordinates,
    tiles::{given_of, in_tiles, rows_of},
};
use crate::{
    bijection::{Bijection, Given, check_input},
    conditioner::{AutoregressiveConditioner, Made, MadeConfig, check_context, check_widths, checked_parameters},
    error::Result,
    kernels::{Step, run},
    placement::Placement,
    univariate::MonotoneMap,
};

/// x_j = T(z_j; θ_j(z_<j, context)), a triangular map in the order of its conditioner.
#[derive(Module, Debug)]
pub struct Autoregressive<C: Module = Made> {
    conditioner: C,
    #[module(skip)]
    map: Arc<dyn MonotoneMap>,
}

impl Autoregressive {
    /// Joins a masked network, made by `config` with the map's number of parameters, to a univariate map.
    pub fn new(mut config: MadeConfig, map: Arc<dyn MonotoneMap>, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        config.parameters = map.parameters();
        Self::of(Made::new(config, place, rng)?, map)
    }
}

impl<C: AutoregressiveConditioner + Module> Autoregressive<C> {
    /// Joins any conditioner to a univariate map.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where the conditioner's [widths](crate::conditioner::Conditioner::widths) do not fit
    /// its order or the map's number of parameters.
    pub fn of(conditioner: C, map: Arc<dyn MonotoneMap>) -> Result<Self> {
        let dim = conditioner.order().dim();
        check_widths(&conditioner, dim, map.parameters(), dim)?;
        Ok(Autoregressive { conditioner, map })
    }

    /// The conditioner.
    pub fn conditioner(&self) -> &C {
        &self.conditioner
    }

    /// This map, or its inverse, for fused operations.
    pub(crate) fn step(&self, forward: bool, x: &Tensor<2>, given: &Given) -> Result<Option<Step>> {
        let kernel = if forward { self.map.kernel() } else { self.map.inverse_kernel() };
        kernel.map_or(Ok(None), |kernel| self.conditioner.step(kernel, !forward, x, given))
    }

    /// The univariate map.
    pub fn univariate(&self) -> &Arc<dyn MonotoneMap> {
        &self.map
    }
}

impl<C: AutoregressiveConditioner + Module> Bijection for Autoregressive<C> {
    fn dim(&self) -> usize {
        self.conditioner.order().dim()
    }

    fn check_absent(&self) -> Result<()> {
        Ok(())
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.check_present(z.dims(), z.dtype())?;
        if let Some(step) = self.step(true, &z, given)?
            && let Some(found) = run(&z, vec![step], given.present)
        {
            return Ok(found);
        }
        let theta = checked_parameters(&self.conditioner, z.clone(), given)?;
        Ok(of_rows(self.map.value(z, theta)?, given))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let dtype = self.conditioner.dtype();
        let rows = check_input("x", &x, self.dim(), dtype)?;
        check_context(given.context, rows, self.conditioner.widths().context_dim, dtype)?;
        given.check_present(x.dims(), dtype)?;
        if rows == 0 {
            let ladj = Placement::of(&x).zeros([0]);
            return Ok((x, ladj));
        }
        if let Some(step) = self.step(false, &x, given)?
            && let Some(found) = run(&x, vec![step], given.present)
        {
            return Ok(found);
        }
        let tracked = x.is_autodiff() || self.conditioner.placement().device.is_autodiff();
        let tiles = in_tiles(rows, self.conditioner.tile(), tracked, |tile| {
            self.inverse_tile(rows_of(&x, &tile), &given_of(given, &tile).given())
        })?;
        let (z, ladj) = tiles.into_iter().unzip();
        Ok((Tensor::cat(z, 0), Tensor::cat(ladj, 0)))
    }
}

impl<C: AutoregressiveConditioner + Module> Autoregressive<C> {
    /// The inverse of some rows, column after column.
    fn inverse_tile(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let [rows, dim] = x.dims();
        // One column after another is read, so columns are laid out in one piece each.
        let columns = x.transpose().reshape([dim, rows, 1]);
        let mut ladjs = Vec::with_capacity(dim);
        let place = Placement::of(&columns);
        let z = self.conditioner.solve(rows, given, &place, |column, theta| {
            let (z, ladj) = self.map.inverse(columns.clone().narrow(0, column, 1).squeeze_dim(0), theta)?;
            ladjs.push(given.masked_column(ladj, column));
            Ok(given.masked_column(z, column))
        })?;
        // In the order of the coordinates' generation, which the sum forgets.
        let ladj = sum_coordinates(Tensor::cat(ladjs, 1));
        Ok((z, ladj))
    }
}
