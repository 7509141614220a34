//! Source densities p(z).

mod autoregressive_density;
mod full_normal;
mod gaussian_mixture;
mod logistic;
mod maximisation;
mod normal;
mod pixel_mixture;
mod student_t;
mod uniform;

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

pub use autoregressive_density::AutoregressiveDensity;
pub use full_normal::FullNormal;
pub use gaussian_mixture::{Covariance, GaussianMixture};
pub use logistic::Logistic;
pub use normal::Normal;
pub use pixel_mixture::PixelMixture;
pub use student_t::StudentT;
pub use uniform::Uniform;

use crate::{
    bijection::{Given, Replay},
    density::{Density, Exactness},
    error::Result,
};

/// A built-in source, as the families choose one by name. A source of your own needs no place in this list: [`crate::Flow`] takes
/// any [`Density`].
#[derive(Module, Debug)]
pub enum Source {
    /// Independent standard normals.
    Normal(Normal),
    /// Uniform on a cube.
    Uniform(Uniform),
    /// Independent standard logistic laws.
    Logistic(Logistic),
    /// Independent Student's t laws with trained tails.
    StudentT(StudentT),
    /// A normal with trained mean and covariance.
    FullNormal(FullNormal),
    /// A joint mixture of Gaussians.
    GaussianMixture(GaussianMixture),
    /// An autoregressive density, as MAF-MoG has it.
    Autoregressive(AutoregressiveDensity),
}

/// Calls the same method of whichever density it is.
macro_rules! each {
    ($self:ident, $density:ident => $call:expr) => {
        match $self {
            Source::Normal($density) => $call,
            Source::Uniform($density) => $call,
            Source::Logistic($density) => $call,
            Source::StudentT($density) => $call,
            Source::FullNormal($density) => $call,
            Source::GaussianMixture($density) => $call,
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

    fn check_absent(&self) -> Result<()> {
        each!(self, d => d.check_absent())
    }

    fn starts_from_data(&self) -> bool {
        each!(self, d => d.starts_from_data())
    }

    fn has_statistics(&self) -> bool {
        each!(self, d => d.has_statistics())
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        each!(self, d => d.initialise(data))
    }

    fn collect_statistics(&mut self, data: &mut dyn Replay) -> Result<()> {
        each!(self, d => d.collect_statistics(data))
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

#[cfg(test)]
mod tests;
