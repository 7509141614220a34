//! The affine map T(x; t, s) = σ(s) x + t, with log σ bounded by its parameterisation.

use burn::tensor::{Tensor, activation::log_sigmoid};
use serde::{Deserialize, Serialize};

use super::{Inverted, MonotoneMap, Polynomial, check_theta, part, special::softplus};
use crate::{error::Result, kernels::Kernel};

/// How far a log-scale can go: |log σ| < 7, so one layer stretches by less than 1,100.
pub(crate) const BOUND: f64 = 7.0;
/// (7/s)²/2 is below half an ulp of 64 bits, and s² far from the largest number of 32.
pub(crate) const SATURATED: f64 = 1e9;
/// log(e − 1), where softplus is 1.
pub(crate) const SOFTPLUS_START: f64 = 0.541_324_854_612_918_1;
/// What Glow adds to the raw scale of a sigmoid.
pub(crate) const SIGMOID_START: f64 = 2.0;

/// b(s) = s / √(1 + (s/7)²): a log-scale that stays within (−7, 7), with b(0) = 0 and b′(0) = 1.
pub(crate) fn bounded<const D: usize>(s: Tensor<D>) -> Tensor<D> {
    // Beyond SATURATED b is ±7 up to rounding at either precision, and the square of s might overflow.
    let s = s.clamp(-SATURATED, SATURATED);
    // A product: the gradient of a quotient by a number has 32 bits in Burn, whatever the tensor has.
    let share = s.clone() * BOUND.recip();
    s / (share.clone() * share + 1.0).sqrt()
}

/// The s with b(s) = `log_scale`, for |`log_scale`| < 7.
pub(crate) fn unbounded(log_scale: f64) -> f64 {
    log_scale / (1.0 - (log_scale / BOUND).powi(2)).sqrt()
}

/// How the raw parameter s becomes the scale σ; s = 0 gives σ = 1 unless it says otherwise. Each first bounds it: b(s) = s / √(1 + (s/7)²).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// σ = exp(b(s)).
    #[default]
    Exp,
    /// σ = softplus(b(s) + log(e − 1)).
    Softplus,
    /// σ = 1/(1 + exp(−b(s) − 2)), below 1, as the code of Glow has it; s = 0 gives 0.88.
    Sigmoid,
    #[serde(rename = "additive")]
    /// σ = 1: an additive map with one parameter, as NICE has it.
    One,
}

/// T(x; t, s) = σ(s) x + t. Parameters: the shift t, then (unless additive) the raw scale s.
///
/// ```
/// use knothe::{Placement, Precision, univariate::{Affine, MonotoneMap}};
/// let cpu = Placement::cpu(Precision::F64);
/// let (x, theta) = (cpu.tensor(vec![3.0], [1, 1]), cpu.tensor(vec![0.5, 0.0], [1, 2, 1]));
/// let (y, ladj) = Affine::default().value(x, theta)?;
/// assert_eq!((y.into_scalar::<f64>(), ladj.into_scalar::<f64>()), (3.5, 0.0));
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Affine {
    /// The parameterisation of the scale.
    pub scale: Scale,
}

impl Affine {
    /// t and log σ.
    fn shift_and_log_scale(&self, theta: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let shift = part(&theta, 0);
        let log_scale = match self.scale {
            Scale::Exp => bounded(part(&theta, 1)),
            Scale::Softplus => softplus(bounded(part(&theta, 1)) + SOFTPLUS_START).log(),
            Scale::Sigmoid => log_sigmoid(bounded(part(&theta, 1)) + SIGMOID_START),
            Scale::One => shift.zeros_like(),
        };
        (shift, log_scale)
    }
}

impl MonotoneMap for Affine {
    fn parameters(&self) -> usize {
        if self.scale == Scale::One { 1 } else { 2 }
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        check_theta(&x, &theta, self.parameters())?;
        let (shift, log_scale) = self.shift_and_log_scale(theta);
        Ok((x * log_scale.clone().exp() + shift, log_scale))
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        check_theta(&y, &theta, self.parameters())?;
        let (shift, log_scale) = self.shift_and_log_scale(theta);
        Ok(((y - shift) * log_scale.clone().neg().exp(), log_scale.neg()))
    }

    fn kernel(&self) -> Option<Kernel> {
        Some(Kernel::new(*self))
    }

    fn inverse_kernel(&self) -> Option<Kernel> {
        Some(Kernel::new(Inverted(*self)))
    }

    fn polynomial(&self) -> Option<Polynomial> {
        Some(Polynomial { degree: 1, bound: None })
    }

    fn inverse_polynomial(&self) -> Option<Polynomial> {
        self.polynomial()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Placement, Precision, values};

    #[test]
    fn log_scales_stay_bounded_however_large_their_parameters() {
        for precision in [Precision::F32, Precision::F64] {
            let place = Placement::cpu(precision);
            let far = [1e10, 1e20, 1e30, f64::from(f32::MAX), f64::INFINITY];
            let s = far.iter().flat_map(|s| [*s, -s]).collect::<Vec<_>>();
            // A square, a sum, a root and two quotients round once each.
            let rounding = BOUND * if precision == Precision::F32 { 5.0 * f64::from(f32::EPSILON) } else { 5.0 * f64::EPSILON };
            for (found, s) in values(bounded(place.tensor(s.clone(), [10]))).into_iter().zip(s) {
                assert!((found - BOUND.copysign(s)).abs() <= rounding, "{s:e}: {found}");
            }
            assert!(values(bounded(place.tensor(vec![f64::NAN], [1])))[0].is_nan(), "what is no number has to show");
        }
    }

    #[test]
    fn unbounded_is_the_inverse_of_bounded() {
        let place = Placement::cpu(Precision::F64);
        for log_scale in [0.0, -0.3, 1.0, 5.0, -6.9] {
            let found = values(bounded(place.tensor(vec![unbounded(log_scale)], [1])))[0];
            // s carries a rounding, and 1 − (b/7)² ten of them at 6.9.
            assert!((found - log_scale).abs() < 1e-14 * (1.0 + log_scale.abs()), "{log_scale}: {found}");
        }
    }
}
