//! The uniform source.

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    bijection::{Given, check_input},
    density::Density,
    error::{Error, Result},
    placement::Placement,
    triangular::sum_coordinates,
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

    fn check_absent(&self) -> Result<()> {
        Ok(())
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let rows = check_input("z", &x, self.dim, self.anchor.dtype())?;
        // Stated so that NaN is outside.
        let inside = x.clone().greater_equal_scalar(self.lower).bool_and(x.clone().lower_equal_scalar(self.upper));
        given.check_present(x.dims(), x.dtype())?;
        let (log_width, zeros) = ((self.upper - self.lower).ln(), Placement::of(&x).zeros([rows]));
        let (outside, log_prob) = match given.present {
            Some(present) => {
                let outside = inside.bool_not().bool_and(present.clone().not_equal_scalar(0.0));
                (outside, zeros - sum_coordinates(present.clone()) * log_width)
            }
            None => (inside.bool_not(), zeros - self.dim as f64 * log_width),
        };
        let outside = outside.any_dim(1).squeeze_dim(1);
        Ok(log_prob.mask_fill(outside, f64::NEG_INFINITY))
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        given.check_present([n, self.dim], self.anchor.dtype())?;
        Ok(given.masked(Placement::of(&self.anchor).open_uniform([n, self.dim], rng) * (self.upper - self.lower) + self.lower))
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        check_input("z", &x, self.dim, self.anchor.dtype())?;
        given.check_present(x.dims(), x.dtype())?;
        Ok(given.filled(((x - self.lower) * (self.upper - self.lower).recip()).clamp(0.0, 1.0), 0.5))
    }
}
