//! The deep sigmoidal map (DSF) of neural autoregressive flows (Huang, Krueger, Lacoste & Courville 2018, equation 8):
//!
//! T(x) = logit(Σ_i w_i σ(a_i x + b_i)), w > 0 of sum 1, a > 0.
//!
//! Published code clips the sum, which bounds the range of T to about ±14.5 and leaves it without an inverse beyond. With
//! p_i = a_i x + b_i, Σ w_i σ(−p_i) is the sum's complement, so that
//!
//! T = log Σ w_i σ(p_i) − log Σ w_i σ(−p_i)
//!
//! needs no clip: it is onto ℝ, and its slope tends to the least a_i of either tail. With the shares π_i ∝ w_i σ(p_i) and
//! ρ_i ∝ w_i σ(−p_i), each of sum 1, T′ = Σ_i a_i π_i ρ_i / w_i.

use burn::tensor::{
    Tensor,
    activation::{log_sigmoid, log_softmax},
};

use super::{MonotoneMap, bounded, check_theta, root, special::logsumexp};
use crate::{
    error::{Error, Result},
    kernels::{self, Kernel},
    placement::Placement,
};

/// How far apart the offsets b of the first and of the last unit start. Their variance, a twelfth of its square, is about
/// twice what the tails are then shifted by.
const SPREAD: f64 = 0.8;

/// A deep sigmoidal map of d units. θ: d logits of the weights, d raw log-slopes (bounded to ±7), d offsets.
///
/// θ = 0 has equal weights, slopes of 1 and offsets evenly spread over ±0.4: the identity within 0.03, with no two units equal.
/// The inverse is [`root::inverse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sigmoidal(pub usize);

/// logit Σ w σ(p) over `axis`, which keeps length 1, and its log-derivative, for log w and p of one shape; `log_slope` is
/// log ∂p/∂x.
pub(super) fn logit_of_mixture<const D: usize>(
    log_weights: Tensor<D>,
    p: Tensor<D>,
    log_slope: Tensor<D>,
    axis: usize,
) -> (Tensor<D>, Tensor<D>) {
    let below = log_weights.clone() + log_sigmoid(p.clone());
    let above = log_weights.clone() + log_sigmoid(p.neg());
    let y = logsumexp(below.clone(), axis) - logsumexp(above.clone(), axis);
    // Shares as softmaxes: a difference of two large logarithms would lose the digits of the slope in the tails.
    let shares = log_softmax(below, axis) + log_softmax(above, axis) - log_weights;
    (y, logsumexp(shares + log_slope, axis))
}

/// Offsets evenly spread over ±`spread`/2, `[units]`.
pub(super) fn spread_offsets(units: usize, spread: f64) -> Vec<f64> {
    (0..units).map(|i| spread_offset(i, units, spread)).collect()
}

pub(super) fn spread_offset(i: usize, units: usize, spread: f64) -> f64 {
    spread * ((i as f64 + 0.5) / units as f64 - 0.5)
}

impl MonotoneMap for Sigmoidal {
    fn parameters(&self) -> usize {
        3 * self.0
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        Error::check_count("units of a sigmoidal map", self.0)?;
        check_theta(&x, &theta, self.parameters())?;
        Ok(kernels::value(&Kernel::new(*self), &x, &theta).unwrap_or_else(|| self.composed(x, theta)))
    }

    fn kernel(&self) -> Option<Kernel> {
        Some(Kernel::new(*self))
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        root::inverse(self, y, theta)
    }
}

impl Sigmoidal {
    /// The offset at which the i-th unit starts.
    pub(crate) fn start(self, i: usize) -> f64 {
        spread_offset(i, self.0, SPREAD)
    }

    /// T and log T′ from tensor operations.
    fn composed(self, x: Tensor<2>, theta: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let units = self.0;
        let start = Placement::of(&theta).tensor(spread_offsets(units, SPREAD), [1, units, 1]);
        let third = |index: usize| theta.clone().narrow(1, index * units, units);
        let log_slope = bounded(third(1));
        let p = x.unsqueeze_dim::<3>(1) * log_slope.clone().exp() + third(2) + start;
        let (y, ladj) = logit_of_mixture(log_softmax(third(0), 1), p, log_slope, 1);
        (y.squeeze_dim(1), ladj.squeeze_dim(1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::placement::{Precision, values};

    /// T and log T′ of some points under one θ.
    fn at(units: usize, theta: &[f64], x: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let place = Placement::cpu(Precision::F64);
        let theta = place.tensor(theta.to_vec(), [1, theta.len(), 1]).expand([x.len(), theta.len(), 1]);
        let (y, ladj) = Sigmoidal(units).value(place.tensor(x.to_vec(), [x.len(), 1]), theta).unwrap();
        (values(y), values(ladj))
    }

    #[test]
    fn it_is_the_published_formula_where_that_has_digits() {
        let (theta, x) = ([0.2, -0.7, 0.4, 0.5, -1.0, 0.1, 2.0, -0.6, 0.3], 0.8);
        let (y, ladj) = at(3, &theta, &[x]);
        let sigma = |p: f64| 1.0 / (1.0 + (-p).exp());
        let total: f64 = theta[..3].iter().map(|w| w.exp()).sum();
        let (mut sum, mut slope) = (0.0, 0.0);
        for i in 0..3 {
            let raw = theta[3 + i];
            let (w, a) = (theta[i].exp() / total, (raw / (1.0 + raw * raw / 49.0).sqrt()).exp());
            let b = theta[6 + i] + 0.8 * ((i as f64 + 0.5) / 3.0 - 0.5);
            let s = sigma(a * x + b);
            (sum, slope) = (sum + w * s, slope + w * a * s * (1.0 - s));
        }
        assert!((y[0] - (sum / (1.0 - sum)).ln()).abs() < 32.0 * f64::EPSILON, "{}", y[0]);
        assert!((ladj[0] - (slope / (sum * (1.0 - sum))).ln()).abs() < 32.0 * f64::EPSILON, "{}", ladj[0]);
    }

    #[test]
    fn one_unit_is_an_affine_map_also_far_out() {
        let x = [-1e8, -1e4, -2.0, 0.0, 3.0, 1e4, 1e8];
        let (y, ladj) = at(1, &[4.0, 0.0, 0.5], &x);
        for k in 0..x.len() {
            assert!((y[k] - (x[k] + 0.5)).abs() <= 4.0 * f64::EPSILON * (1.0 + x[k].abs()), "{} at {}", y[k], x[k]);
            assert!(ladj[k].abs() < 8.0 * f64::EPSILON, "{} at {}", ladj[k], x[k]);
        }
    }

    #[test]
    fn tails_have_the_slope_of_their_flattest_unit() {
        let (_, ladj) = at(2, &[0.0, 0.0, -1.0, 2.0, 3.0, -3.0], &[-1e4, 1e4]);
        let flattest = -1.0 / (1.0f64 + 1.0 / 49.0).sqrt();
        // The other unit's share is below e^(−1e4).
        assert!(ladj.iter().all(|l| (l - flattest).abs() < 16.0 * f64::EPSILON), "{ladj:?}");
    }

    #[test]
    fn the_kernel_is_the_composed_form() {
        // The tensor operations of 64 bits err by up to 1e-13, and x a ∂L/∂p magnifies the error of p by up to 8 · 200.
        for (precision, extent, tolerance) in [(Precision::F64, 1.0, 1e-12), (Precision::F64, 8.0, 1e-9), (Precision::F32, 1.0, 1e-4)] {
            kernels::agree(|x, theta| Ok(Sigmoidal(5).composed(x, theta)), &Sigmoidal(5), precision, extent, tolerance);
        }
    }
}
