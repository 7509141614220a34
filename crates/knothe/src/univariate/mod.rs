//! Increasing univariate maps T_j(·; θ) and conditional laws, elementwise over `[rows, dim]` with parameters
//! θ of `[rows, parameters, dim]`. None of them knows where θ comes from.
//!
//! - A [`MonotoneMap`] is y = T(x; θ) with its log-derivative and its inverse: [`Affine`], [`Spline`],
//!   [`Sigmoidal`], [`DeepSigmoidal`], [`SumOfSquares`], [`RectifiedPolynomial`], [`MixtureCdf`]; [`Composed`], one after another, and [`Inverted`],
//!   which swaps the two directions. A map without a closed inverse takes [`root::inverse`].
//! - A [`Conditional`] is a law q(x | θ) with distribution and quantile function: [`GaussianMixture`], [`LogisticMixture`],
//!   [`Bernoulli`], [`Categorical`], [`DiscretisedLogistics`], and [`Pushforward`], which makes one of a [`Standard`] law and any map.
//!
//! θ = 0 is the start of both: about the identity, or about the standard law, with the components of a mixture apart.
//!
//! [`all`] is the one list of maps, over which every law runs. To add a map, copy `examples/add_a_map.rs` and follow CONTRIBUTING.md.

mod affine;
mod affine_lanes;
mod composed;
mod coupled;
mod deep_sigmoidal;
mod deep_sigmoidal_lanes;
mod discrete;
mod discrete_lanes;
mod discretised;
mod discretised_root;
mod inverted;
mod list;
mod mixture;
mod mixture_cdf;
mod mixture_cdf_lanes;
mod mixture_lanes;
mod mixture_root;
mod pushforward;
mod rectified;
pub mod root;
mod sigmoidal;
mod sigmoidal_lanes;
mod sos;
mod sos_lanes;
pub(crate) mod spline;
mod spline_lanes;
mod standard;

use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::Tensor;

pub use affine::{Affine, Scale};
pub(crate) use affine::{BOUND, bounded, unbounded};
pub use composed::Composed;
pub use coupled::CoupledLogistics;
pub use deep_sigmoidal::DeepSigmoidal;
pub use discrete::{Bernoulli, Categorical};
pub use discretised::DiscretisedLogistics;
pub use inverted::Inverted;
pub use list::all;
pub use mixture::{GaussianMixture, LogisticMixture};
pub use mixture_cdf::MixtureCdf;
pub use pushforward::Pushforward;
pub use rectified::RectifiedPolynomial;
pub(crate) use rectified::hermite;
pub use sigmoidal::Sigmoidal;
pub use sos::SumOfSquares;
pub use spline::Spline;
pub use standard::Standard;

use crate::error::{Error, Result};
pub use crate::kernels::Kernel;
pub(crate) use crate::special;

/// An increasing map of the real line, T(·; θ). All-zero parameters are (nearly) the identity.
pub trait MonotoneMap: Debug + Send + Sync {
    /// Parameters a coordinate.
    fn parameters(&self) -> usize;

    /// y = T(x; θ) and log ∂T/∂x, for x of `[rows, dim]` and θ of `[rows, parameters, dim]`.
    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)>;

    /// x = T⁻¹(y; θ) and log ∂x/∂y. Rows without a root are [`crate::Error::NotInvertible`].
    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)>;

    /// T in one operation of the CPU, if there is one; it is what [`MonotoneMap::value`] computes.
    fn kernel(&self) -> Option<Kernel> {
        None
    }

    /// T⁻¹ in one operation of the CPU, if there is one; it is what [`MonotoneMap::inverse`] computes.
    fn inverse_kernel(&self) -> Option<Kernel> {
        None
    }

    /// Which polynomial of x T(x; θ) is, for every θ, if it is one: its moments are then exact ([`crate::moments`]).
    fn polynomial(&self) -> Option<Polynomial> {
        None
    }

    /// Which polynomial of y T⁻¹(y; θ) is, if it is one.
    fn inverse_polynomial(&self) -> Option<Polynomial> {
        None
    }
}

/// A polynomial of one number, on the whole line or on a part of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Polynomial {
    /// Its degree, or more.
    pub degree: usize,
    /// `Some(B)`: a polynomial on [−B, B] that goes on as straight lines outside.
    pub bound: Option<f64>,
}

impl MonotoneMap for Arc<dyn MonotoneMap> {
    fn parameters(&self) -> usize {
        self.as_ref().parameters()
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        self.as_ref().value(x, theta)
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        self.as_ref().inverse(y, theta)
    }

    fn kernel(&self) -> Option<Kernel> {
        self.as_ref().kernel()
    }

    fn inverse_kernel(&self) -> Option<Kernel> {
        self.as_ref().inverse_kernel()
    }

    fn polynomial(&self) -> Option<Polynomial> {
        self.as_ref().polynomial()
    }

    fn inverse_polynomial(&self) -> Option<Polynomial> {
        self.as_ref().inverse_polynomial()
    }
}

/// A law of one number given parameters θ: what one column of an [`crate::source::AutoregressiveDensity`] follows.
pub trait Conditional: Debug + Send + Sync {
    /// Parameters a coordinate.
    fn parameters(&self) -> usize;

    /// Whether the law is one of probability masses; `log_prob` is then that of the mass.
    fn is_discrete(&self) -> bool {
        false
    }

    /// log q(x | θ), −∞ outside the support.
    fn log_prob(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>>;

    /// F(x | θ) = P(X ≤ x).
    fn cdf(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>>;

    /// The smallest x with F(x | θ) ≥ u, for u in (0, 1).
    fn quantile(&self, u: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>>;

    /// x ↦ x in one operation of the CPU, with log q(x | θ) in the place of its log-derivative, if there is one; it is what
    /// [`Conditional::log_prob`] computes.
    fn kernel(&self) -> Option<Kernel> {
        None
    }
}

/// Checks that x is `[rows, dim]` and θ `[rows, parameters, dim]`, both of one precision. Every map calls it first.
///
/// # Errors
/// [`Error::Shape`] with what was expected and what was found.
pub fn check_theta(x: &Tensor<2>, theta: &Tensor<3>, parameters: usize) -> Result<()> {
    let ([rows, dim], found) = (x.dims(), theta.dims());
    if found != [rows, parameters, dim] {
        return Err(Error::shape("theta", format!("[{rows}, {parameters}, {dim}]"), found));
    }
    if x.dtype() == theta.dtype() { Ok(()) } else { Err(Error::shape("theta", format!("numbers of type {:?}", x.dtype()), theta.dtype())) }
}

/// Parameter `index` of every coordinate, `[rows, dim]`.
pub(crate) fn part(theta: &Tensor<3>, index: usize) -> Tensor<2> {
    theta.clone().narrow(1, index, 1).squeeze_dim(1)
}

#[cfg(test)]
mod laws_tests;
#[cfg(test)]
mod maps_tests;
