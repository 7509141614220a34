//! The standard logistic source.

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

/// p(z) = Π_j σ(z_j) σ(−z_j), σ(z) = 1/(1 + e⁻ᶻ): tails lighter than a power, heavier than a Gaussian.
#[derive(Module, Debug)]
pub struct Logistic {
    dim: usize,
    /// Carries the device and the precision; never trained.
    anchor: Tensor<1>,
}

impl Logistic {
    /// A standard logistic law in `dim` dimensions.
    pub fn new(dim: usize, place: &Placement) -> Self {
        Logistic { dim, anchor: place.zeros([1]) }
    }
}

impl Density for Logistic {
    fn dim(&self) -> usize {
        self.dim
    }

    fn check_absent(&self) -> Result<()> {
        Ok(())
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        check_input("z", &x, self.dim, self.anchor.dtype())?;
        given.check_present(x.dims(), x.dtype())?;
        Ok(sum_coordinates(given.masked(Standard::Logistic.log_prob(x))))
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        given.check_present([n, self.dim], self.anchor.dtype())?;
        Ok(given.masked(Standard::Logistic.quantile(Placement::of(&self.anchor).open_uniform([n, self.dim], rng))))
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        check_input("z", &x, self.dim, self.anchor.dtype())?;
        given.check_present(x.dims(), x.dtype())?;
        Ok(given.filled(Standard::Logistic.cdf(x), 0.5))
    }
}
