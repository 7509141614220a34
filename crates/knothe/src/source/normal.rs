//! The standard normal source.

use std::f64::consts::PI;

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    bijection::{Given, check_input},
    density::Density,
    error::Result,
    placement::Placement,
    triangular::sum_coordinates,
    univariate::Standard,
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

    fn check_absent(&self) -> Result<()> {
        Ok(())
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        check_input("z", &x, self.dim, self.anchor.dtype())?;
        given.check_present(x.dims(), x.dtype())?;
        // The sum first: what follows it is of one number a row.
        let exponent = sum_coordinates(given.masked(x).square()) * -0.5;
        let constant = 0.5 * (2.0 * PI).ln();
        Ok(match given.present {
            Some(present) => exponent - sum_coordinates(present.clone()) * constant,
            None => exponent - constant * self.dim as f64,
        })
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        given.check_present([n, self.dim], self.anchor.dtype())?;
        Ok(given.masked(Placement::of(&self.anchor).normal([n, self.dim], rng)))
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        check_input("z", &x, self.dim, self.anchor.dtype())?;
        given.check_present(x.dims(), x.dtype())?;
        Ok(given.filled(Standard::Normal.cdf(x), 0.5))
    }
}
