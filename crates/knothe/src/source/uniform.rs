//! The uniform source.

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    bijection::{Given, check_input},
    density::Density,
    error::{Error, Result},
    placement::Placement,
};

/// p(z) = (b − a)^−dim on [a, b] in every coordinate, and 0 (log_prob −∞) elsewhere.
#[derive(Module, Debug)]
pub struct Uniform {
    dim: usize,
    lower: f64,
    upper: f64,
    /// Carries the device and the precision; never trained.
    anchor: Tensor<1>,
}

impl Uniform {
    /// Uniform on [lower, upper] in each of `dim` coordinates.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless lower < upper, both finite.
    pub fn new(dim: usize, lower: f64, upper: f64, place: &Placement) -> Result<Self> {
        if !(lower < upper && (upper - lower).is_finite()) {
            return Err(Error::invalid(
                "uniform source",
                "finite bounds, the lower one below the upper one",
                format!("({lower}, {upper})"),
            ));
        }
        Ok(Uniform { dim, lower, upper, anchor: place.zeros([1]) })
    }
}

impl Density for Uniform {
    fn dim(&self) -> usize {
        self.dim
    }

    fn log_prob(&self, x: Tensor<2>, _: &Given) -> Result<Tensor<1>> {
        let rows = check_input("z", &x, self.dim, self.anchor.dtype())?;
        // Stated so that NaN is outside.
        let inside = x.clone().greater_equal_scalar(self.lower).bool_and(x.clone().lower_equal_scalar(self.upper));
        let outside = inside.bool_not().any_dim(1).squeeze_dim(1);
        let log_prob = Placement::of(&x).zeros([rows]) - self.dim as f64 * (self.upper - self.lower).ln();
        Ok(log_prob.mask_fill(outside, f64::NEG_INFINITY))
    }

    fn sample(&self, n: usize, _: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        Ok(Placement::of(&self.anchor).open_uniform([n, self.dim], rng) * (self.upper - self.lower) + self.lower)
    }

    fn to_uniform(&self, x: Tensor<2>, _: &Given) -> Result<Tensor<2>> {
        check_input("z", &x, self.dim, self.anchor.dtype())?;
        Ok(((x - self.lower) * (self.upper - self.lower).recip()).clamp(0.0, 1.0))
    }
}
