//! The dense deep sigmoidal map (DDSF) of neural autoregressive flows (Huang, Krueger, Lacoste & Courville 2018, equation 9):
//! layers of many sigmoidal units whose inputs and outputs are many numbers too,
//!
//! p_j = a_j Σ_i u_ji h_i + b_j,   h'_o = logit(Σ_j w_oj σ(p_j)),   a > 0, the rows of u and w positive of sum 1,
//!
//! from one number through d to one number. Each layer is computed as in [`super::Sigmoidal`], without a clip, and
//! its derivative in log space: with t_i = log ∂h_i/∂x,
//!
//! log ∂p_j/∂x = log a_j + log Σ_i u_ji exp t_i,   t'_o = log Σ_j π_oj ρ_oj / w_oj ∂p_j/∂x.

use burn::tensor::{Tensor, activation::log_softmax};

use super::{
    MonotoneMap, bounded, check_theta, root,
    sigmoidal::{logit_of_mixture, spread_offset, spread_offsets},
    special::logsumexp,
};
use crate::{
    error::{Error, Result},
    kernels::{self, Kernel},
    placement::Placement,
};

/// How far apart the offsets b of a layer start.
const SPREAD: f64 = 0.6;
/// How strongly the weights u and w prefer units of their own position at the start.
const PREFERENCE: f64 = 2.0;

/// A dense deep sigmoidal map of `layers` layers of d units, with d numbers between them. θ: layer by layer d raw log-slopes (bounded
/// to ±7 over all layers), d offsets, d × inputs logits of u (none where there is one input) and outputs × d logits of w.
///
/// θ = 0 is the identity within 0.03, with no two units equal. One layer is [`super::Sigmoidal`]. The inverse is [`root::inverse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeepSigmoidal {
    /// Units of a layer, d.
    pub units: usize,
    /// The number of layers.
    pub layers: usize,
}

impl Default for DeepSigmoidal {
    /// Two layers of eight units.
    fn default() -> Self {
        DeepSigmoidal { units: 8, layers: 2 }
    }
}

impl DeepSigmoidal {
    /// Inputs and outputs of a layer.
    pub(crate) fn widths(&self, layer: usize) -> (usize, usize) {
        (if layer == 0 { 1 } else { self.units }, if layer + 1 == self.layers { 1 } else { self.units })
    }

    /// Parameters of a layer: of a and b, of u, and of w.
    pub(crate) fn counts(&self, layer: usize) -> [usize; 3] {
        let (inputs, outputs) = self.widths(layer);
        [2 * self.units, if inputs == 1 { 0 } else { inputs * self.units }, outputs * self.units]
    }

    /// The logit by which the k-th of `rows` numbers prefers the i-th of `columns` at the start.
    pub(crate) fn preference_at(&self, k: usize, rows: usize, i: usize, columns: usize) -> f64 {
        let at = |i: usize, n: usize| (i as f64 + 0.5) / n as f64;
        -PREFERENCE * (at(k, rows) - at(i, columns)).powi(2)
    }

    /// Logits by which each of `rows` numbers prefers those of `columns` at its own position, `[1, rows, columns, 1]`.
    fn preference(&self, rows: usize, columns: usize, place: &Placement) -> Tensor<4> {
        let logits = (0..rows * columns).map(|k| self.preference_at(k / columns, rows, k % columns, columns)).collect();
        place.tensor(logits, [1, rows, columns, 1])
    }

    /// The offset at which the i-th unit of a layer starts.
    pub(crate) fn start(&self, i: usize) -> f64 {
        spread_offset(i, self.units, SPREAD)
    }

    fn check(&self) -> Result<()> {
        Error::check_count("units of a deep sigmoidal map", self.units)?;
        Error::check_count("layers of a deep sigmoidal map", self.layers)
    }
}

impl MonotoneMap for DeepSigmoidal {
    fn parameters(&self) -> usize {
        (0..self.layers).flat_map(|layer| self.counts(layer)).sum()
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        self.check()?;
        check_theta(&x, &theta, self.parameters())?;
        Ok(kernels::value(&Kernel::new(*self), &x, &theta).unwrap_or_else(|| self.composed(x, theta)))
    }

    fn kernel(&self) -> Option<Kernel> {
        self.check().is_ok().then(|| Kernel::new(*self))
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        root::inverse(self, y, theta)
    }
}

impl DeepSigmoidal {
    /// T and log T′ from tensor operations.
    fn composed(&self, x: Tensor<2>, theta: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let units = self.units;
        let [rows, dim] = x.dims();
        let place = Placement::of(&theta);
        let start = place.tensor(spread_offsets(units, SPREAD), [1, units, 1]);
        let mut next = 0;
        let mut take = |count: usize| {
            next += count;
            theta.clone().narrow(1, next - count, count)
        };
        // h and log ∂h/∂x, `[rows, inputs, dim]`.
        let mut h = x.unsqueeze_dim::<3>(1);
        let mut tangent = h.zeros_like();
        for layer in 0..self.layers {
            let (inputs, outputs) = self.widths(layer);
            // The slopes of all layers together stay within the bounds of one.
            let depth = self.layers as f64;
            let log_slope = bounded(take(units) * depth) * depth.recip();
            let offset = take(units) + start.clone();
            if inputs > 1 {
                let logits = take(units * inputs).reshape([rows, units, inputs, dim]);
                let log_u = log_softmax(logits + self.preference(units, inputs, &place), 2);
                h = (log_u.clone().exp() * h.unsqueeze_dim::<4>(1)).sum_dim(2).squeeze_dim(2);
                tangent = logsumexp(log_u + tangent.unsqueeze_dim::<4>(1), 2).squeeze_dim(2);
            }
            let p = h * log_slope.clone().exp() + offset;
            let logits = take(outputs * units).reshape([rows, outputs, units, dim]);
            let log_w = log_softmax(logits + self.preference(outputs, units, &place), 2);
            let (y, slope) = logit_of_mixture(log_w, p.unsqueeze_dim::<4>(1), (log_slope + tangent).unsqueeze_dim::<4>(1), 2);
            (h, tangent) = (y.squeeze_dim(2), slope.squeeze_dim(2));
        }
        (h.squeeze_dim(1), tangent.squeeze_dim(1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::placement::{Precision, values};

    #[test]
    fn it_is_the_published_formula_where_that_has_digits() {
        let map = DeepSigmoidal { units: 2, layers: 2 };
        // a₁, b₁, w₁ (2 × 2), a₂, b₂, u₂ (2 × 2), w₂ (1 × 2).
        let theta = [0.3, -0.6, 0.2, 1.0, 0.5, -0.2, 0.9, 0.1, -0.4, 0.8, -0.7, 0.4, 0.6, -0.3, 0.0, 1.2, -0.5, 0.25];
        assert_eq!(map.parameters(), theta.len());
        let sigma = |p: f64| 1.0 / (1.0 + (-p).exp());
        let logit = |s: f64| (s / (1.0 - s)).ln();
        // Each of the two layers has half of the bound.
        let a = |raw: f64| (raw / (1.0 + 4.0 * raw * raw / 49.0).sqrt()).exp();
        let mean = |logits: [f64; 2], v: [f64; 2]| (logits[0].exp() * v[0] + logits[1].exp() * v[1]) / (logits[0].exp() + logits[1].exp());
        // Positions are ¼ and ¾; a single output stands at ½.
        let (near, far) = (0.0, -PREFERENCE * 0.25);
        let f = |x: f64| {
            let b = [-SPREAD / 4.0, SPREAD / 4.0];
            let first = [sigma(a(theta[0]) * x + theta[2] + b[0]), sigma(a(theta[1]) * x + theta[3] + b[1])];
            let h = [logit(mean([theta[4] + near, theta[5] + far], first)), logit(mean([theta[6] + far, theta[7] + near], first))];
            let p = [mean([theta[12] + near, theta[13] + far], h), mean([theta[14] + far, theta[15] + near], h)];
            let second = [sigma(a(theta[8]) * p[0] + theta[10] + b[0]), sigma(a(theta[9]) * p[1] + theta[11] + b[1])];
            logit(mean([theta[16], theta[17]], second))
        };
        let place = Placement::cpu(Precision::F64);
        for x in [-2.0, -0.1, 1.4] {
            let (y, ladj) = map.value(place.tensor(vec![x], [1, 1]), place.tensor(theta.to_vec(), [1, theta.len(), 1])).unwrap();
            assert!((values(y)[0] - f(x)).abs() < 64.0 * f64::EPSILON, "at {x}");
            let slope = (f(x + 1e-5) - f(x - 1e-5)) / 2e-5;
            // h² times the third derivative, and ε/h.
            assert!((values(ladj)[0] - slope.ln()).abs() < 1e-9, "at {x}");
        }
    }

    #[test]
    fn the_kernel_is_the_composed_form() {
        for map in [DeepSigmoidal { units: 4, layers: 2 }, DeepSigmoidal { units: 3, layers: 3 }, DeepSigmoidal { units: 5, layers: 1 }] {
            // As for one layer: each magnifies the error of its inputs by its slopes, of up to e⁷ together.
            for (precision, extent, tolerance) in [(Precision::F64, 1.0, 1e-12), (Precision::F64, 8.0, 1e-8), (Precision::F32, 1.0, 1e-4)] {
                kernels::agree(|x, theta| Ok(map.composed(x, theta)), &map, precision, extent, tolerance);
            }
        }
    }
}
