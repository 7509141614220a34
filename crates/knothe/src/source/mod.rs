//! Source densities p(z).

mod normal;

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

pub use normal::Normal;

use crate::{
    bijection::Given,
    density::{Density, Exactness},
    error::Result,
    triangular::AutoregressiveDensity,
};

/// A built-in source. Any other density can be a source too: [`crate::Flow`] is generic over it.
#[derive(Module, Debug)]
pub enum Source {
    /// Independent standard normals.
    Normal(Normal),
    /// An autoregressive density, as MAF-MoG has it.
    Autoregressive(AutoregressiveDensity),
}

/// Calls the same method of whichever density it is.
macro_rules! each {
    ($self:ident, $density:ident => $call:expr) => {
        match $self {
            Source::Normal($density) => $call,
            Source::Autoregressive($density) => $call,
        }
    };
}

impl Density for Source {
    fn dim(&self) -> usize {
        each!(self, d => d.dim())
    }

    fn context_dim(&self) -> usize {
        each!(self, d => d.context_dim())
    }

    fn exactness(&self) -> Exactness {
        each!(self, d => d.exactness())
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        each!(self, d => d.log_prob(x, given))
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        each!(self, d => d.sample(n, given, rng))
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        each!(self, d => d.to_uniform(x, given))
    }
}
