//! The autoregressive density q(x) = Π_j q(x_j | θ_j(x_<j)): one masked network and a conditional law.
//!
//! MADE with Gaussian or mixture conditionals, binary MADE and categorical columns are this one type. Sampling is
//! x_j = F⁻¹(u_j | x_<j): a triangular map of uniforms, though for discrete laws not an invertible one.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use super::{
    sum_coordinates,
    tiles::{context_of, in_tiles, rows_of},
};
use crate::{
    bijection::Given,
    conditioner::{Made, MadeConfig},
    density::Density,
    error::Result,
    placement::Placement,
    random::{Purpose, stream},
    univariate::Conditional,
};

/// q(x | context) = Π_j q(x_j | θ_j(x_<j, context)).
#[derive(Module, Debug)]
pub struct AutoregressiveDensity {
    conditioner: Made,
    context_dim: usize,
    #[module(skip)]
    conditional: Arc<dyn Conditional>,
}

impl AutoregressiveDensity {
    /// Joins a masked network, made by `config` with the law's number of parameters, to a conditional law.
    pub fn new(mut config: MadeConfig, conditional: Arc<dyn Conditional>, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        config.parameters = conditional.parameters();
        let context_dim = config.context_dim;
        Ok(AutoregressiveDensity { conditioner: Made::new(config, place, rng)?, context_dim, conditional })
    }
}

impl Density for AutoregressiveDensity {
    fn dim(&self) -> usize {
        self.conditioner.dim()
    }

    fn context_dim(&self) -> usize {
        self.context_dim
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        given.check(x.dims()[0], self.context_dim)?;
        if let Some(kernel) = self.conditional.kernel()
            && let Some((_, log_prob)) = self.conditioner.fused(&kernel, &x, given.context)?
        {
            return Ok(log_prob);
        }
        let theta = self.conditioner.parameters(x.clone(), given.context)?;
        Ok(sum_coordinates(self.conditional.log_prob(x, theta)?))
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        given.check(n, self.context_dim)?;
        let place = self.conditioner.placement();
        if n == 0 {
            return Ok(place.zeros([0, self.dim()]));
        }
        let u = place.open_uniform([n, self.dim()], rng);
        let tiles = in_tiles(n, place.device.is_autodiff(), |tile| {
            let u = rows_of(&u, &tile);
            self.conditioner.solve(tile.len(), context_of(given, &tile).as_ref(), &place, |column, theta| {
                self.conditional.quantile(u.clone().narrow(1, column, 1), theta)
            })
        })?;
        Ok(Tensor::cat(tiles, 0))
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        given.check(x.dims()[0], self.context_dim)?;
        let theta = self.conditioner.parameters(x.clone(), given.context)?;
        let above = self.conditional.cdf(x.clone(), theta.clone())?;
        if !self.conditional.is_discrete() {
            return Ok(above);
        }
        // Between F(x−) and F(x), at random: uniform for a law of masses too (Brockwell 2007).
        let place = Placement::of(&x);
        let v = place.uniform(x.dims(), &mut stream(given.seed, Purpose::Check, 1));
        Ok(above - v * self.conditional.log_prob(x, theta)?.exp())
    }
}
