//! The standard normal source.

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    bijection::{Given, check_dim},
    density::Density,
    error::Result,
    placement::Placement,
    triangular::sum_coordinates,
};

/// p(z) = Π_j φ(z_j), φ the density of N(0, 1).
#[derive(Module, Debug)]
pub struct Normal {
    dim: usize,
    /// Carries the device and the precision; never trained.
    anchor: Tensor<1>,
}

impl Normal {
    /// A standard normal in `dim` dimensions.
    pub fn new(dim: usize, place: &Placement) -> Self {
        Normal { dim, anchor: place.zeros([1]) }
    }
}

impl Density for Normal {
    fn dim(&self) -> usize {
        self.dim
    }

    fn log_prob(&self, x: Tensor<2>, _: &Given) -> Result<Tensor<1>> {
        check_dim("z", &x, self.dim)?;
        let constant = 0.5 * self.dim as f64 * (2.0 * std::f64::consts::PI).ln();
        Ok(sum_coordinates(x.powi_scalar(2)) * -0.5 - constant)
    }

    fn sample(&self, n: usize, _: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        Ok(Placement::of(&self.anchor).normal([n, self.dim], rng))
    }

    fn to_uniform(&self, x: Tensor<2>, _: &Given) -> Result<Tensor<2>> {
        check_dim("z", &x, self.dim)?;
        Ok((x / std::f64::consts::SQRT_2).erf() * 0.5 + 0.5)
    }
}
