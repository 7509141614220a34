//! Standard laws of one number, without parameters: what a univariate map pushes forward.

use burn::tensor::{Tensor, activation::log_sigmoid, activation::sigmoid};
use serde::{Deserialize, Serialize};

use crate::special::{self, normal_cdf, normal_log_cdf, normal_log_hazard, normal_quantile, normal_quantile_of_log};

/// A law p(z) of one number. Every method works on each element of a tensor of any shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standard {
    /// N(0, 1).
    #[default]
    Normal,
    /// The logistic law, F(z) = 1/(1 + e⁻ᶻ), of standard deviation π/√3.
    Logistic,
    /// The uniform law on (0, 1).
    Uniform,
}

impl Standard {
    /// log p(z); −∞ outside the support.
    pub fn log_prob<const D: usize>(self, z: Tensor<D>) -> Tensor<D> {
        match self {
            Standard::Normal => z.square() * -0.5 - 0.5 * (2.0 * std::f64::consts::PI).ln(),
            Standard::Logistic => log_sigmoid(z.clone()) + log_sigmoid(z.neg()),
            Standard::Uniform => {
                let inside = z.clone().greater_equal_scalar(0.0).bool_and(z.clone().lower_equal_scalar(1.0));
                z.zeros_like().mask_fill(inside.bool_not(), f64::NEG_INFINITY)
            }
        }
    }

    /// F(z) = P(Z ≤ z), to full relative accuracy in the lower tail.
    pub fn cdf<const D: usize>(self, z: Tensor<D>) -> Tensor<D> {
        match self {
            Standard::Normal => normal_cdf(z),
            Standard::Logistic => sigmoid(z),
            Standard::Uniform => z.clamp(0.0, 1.0),
        }
    }

    /// log F(z).
    pub fn log_cdf<const D: usize>(self, z: Tensor<D>) -> Tensor<D> {
        match self {
            Standard::Normal => normal_log_cdf(z),
            Standard::Logistic => log_sigmoid(z),
            Standard::Uniform => z.clamp(0.0, 1.0).log(),
        }
    }

    /// log(p(z)/F(z)).
    pub(crate) fn log_hazard<const D: usize>(self, z: Tensor<D>) -> Tensor<D> {
        match self {
            Standard::Normal => normal_log_hazard(z),
            Standard::Logistic => log_sigmoid(z.neg()),
            Standard::Uniform => self.log_prob(z.clone()) - self.log_cdf(z),
        }
    }

    /// F⁻¹(exp ℓ) for ℓ ≤ log ½, where exp ℓ may underflow.
    pub(crate) fn quantile_of_log<const D: usize>(self, log_u: Tensor<D>) -> Tensor<D> {
        match self {
            Standard::Normal => normal_quantile_of_log(log_u),
            Standard::Logistic => log_u.clone() - log_u.exp().neg().log1p(),
            Standard::Uniform => log_u.exp(),
        }
    }

    /// F⁻¹(u) for u in (0, 1).
    pub fn quantile<const D: usize>(self, u: Tensor<D>) -> Tensor<D> {
        match self {
            Standard::Normal => normal_quantile(u),
            Standard::Logistic => u.clone().log() - u.neg().log1p(),
            Standard::Uniform => u,
        }
    }

    /// The standard deviation.
    pub fn standard_deviation(self) -> f64 {
        match self {
            Standard::Normal => 1.0,
            Standard::Logistic => std::f64::consts::PI / 3f64.sqrt(),
            Standard::Uniform => 1.0 / 12f64.sqrt(),
        }
    }

    /// F(z) and p(z) of one number.
    pub(crate) fn cdf_and_density(self, z: f64) -> (f64, f64) {
        match self {
            Standard::Normal => special::cdf_and_density(z),
            Standard::Logistic => {
                let e = (-z.abs()).exp();
                let greater = 1.0 / (1.0 + e);
                (if z > 0.0 { greater } else { e * greater }, e * greater * greater)
            }
            Standard::Uniform => (z.clamp(0.0, 1.0), f64::from((0.0..=1.0).contains(&z))),
        }
    }

    /// F⁻¹(u) of one number.
    pub(crate) fn quantile_of(self, u: f64) -> f64 {
        match self {
            Standard::Normal => special::quantile(u),
            Standard::Logistic => u.ln() - (-u).ln_1p(),
            Standard::Uniform => u,
        }
    }
}
