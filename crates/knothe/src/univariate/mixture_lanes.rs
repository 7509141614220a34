//! The log-density of a mixture in one pass; see [`super::GaussianMixture`] for the parameters.
//!
//! With t_k = (x − μ_k)/σ_k, log q = log Σ_k w_k p(t_k)/σ_k and the shares r_k ∝ w_k p(t_k)/σ_k of sum 1, for a loss L with
//! ∂L/∂ log q = h and v(t) = −d log p/dt, which is t for the normal law and σ(t) − σ(−t) for the logistic one,
//!
//! - the logit of w_k gets h (r_k − w_k),
//! - ∂L/∂μ_k = h r_k v(t_k)/σ_k, ∂L/∂ log σ_k = h r_k (t_k v(t_k) − 1) and ∂L/∂x = −Σ_k ∂L/∂μ_k.

use super::{Standard, affine_lanes::bounded};
use crate::kernels::{LaneMap, Lanes, Real, Theta, ThetaGradient};

/// y = x, and log q(x | θ) in the place of log T′.
#[derive(Clone, Debug)]
pub(crate) struct MixtureDensity {
    pub law: Standard,
    /// The means and the log-scale at θ = 0.
    pub means: Vec<f64>,
    pub log_scale: f64,
}

impl MixtureDensity {
    /// log p(t).
    #[inline(always)]
    fn log_density<T: Real>(&self, t: Lanes<T>) -> Lanes<T> {
        if self.law == Standard::Normal {
            return t * t * T::of(-0.5) - T::of(0.5 * std::f64::consts::TAU.ln());
        }
        let far = t.magnitude();
        -far - (-far).softplus() * T::of(2.0)
    }

    /// v(t).
    #[inline(always)]
    fn pull<T: Real>(&self, t: Lanes<T>) -> Lanes<T> {
        if self.law == Standard::Normal {
            return t;
        }
        let (below, above) = t.sigmoids();
        below - above
    }

    /// log q(x) and two scales. `work` then has five parts of one length: w_k and r_k, each to be multiplied by its scale, t_k, 1/σ_k, and the
    /// derivative of log σ_k by its raw parameter.
    #[inline(always)]
    fn density<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, work: &mut [Lanes<T>]) -> (Lanes<T>, [Lanes<T>; 2]) {
        let count = self.means.len();
        let (weight, rest) = work.split_at_mut(count);
        let (share, rest) = rest.split_at_mut(count);
        let (at, rest) = rest.split_at_mut(count);
        let (inverse, by_raw) = rest.split_at_mut(count);
        let (mut most, mut likeliest) = (Lanes::of(f64::NEG_INFINITY), Lanes::of(f64::NEG_INFINITY));
        for k in 0..count {
            let logit = theta.get(k);
            let (bounded, slope) = bounded(theta.get(2 * count + k));
            let log_scale = bounded + T::of(self.log_scale);
            let narrow = (-log_scale).exp();
            let t = (x - (theta.get(count + k) + T::of(self.means[k]))) * narrow;
            let each = self.log_density(t) - log_scale + logit;
            (most, likeliest) = (most.larger(logit), likeliest.larger(each));
            (weight[k], share[k], at[k], inverse[k], by_raw[k]) = (logit, each, t, narrow, slope);
        }
        let (mut weights, mut sum) = (Lanes::of(0.0), Lanes::of(0.0));
        // Where no component has any density the largest is −∞, which has no difference from itself.
        let likeliest = likeliest.larger(Lanes::of(f64::from(f32::MIN)));
        for k in 0..count {
            let (w, r) = ((weight[k] - most).moderate_exp(), (share[k] - likeliest).moderate_exp());
            (weights, sum) = (weights + w, sum + r);
            (weight[k], share[k]) = (w, r);
        }
        let one = Lanes::of(1.0);
        ((sum / weights).log() + (likeliest - most), [one / weights, one / sum])
    }
}

impl LaneMap for MixtureDensity {
    fn scratch(&self) -> usize {
        5 * self.means.len()
    }

    #[inline(always)]
    fn value<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, scratch: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        (x, self.density(x, theta, scratch).0)
    }

    #[inline(always)]
    fn gradient<T: Real>(
        &self,
        x: Lanes<T>,
        theta: Theta<'_, T>,
        g: Lanes<T>,
        h: Lanes<T>,
        mut into: ThetaGradient<'_, T>,
        scratch: &mut [Lanes<T>],
    ) -> Lanes<T> {
        let count = self.means.len();
        let (_, [of_weight, of_share]) = self.density(x, theta, scratch);
        let mut gx = g;
        for k in 0..count {
            let (weight, share, t) = (scratch[k] * of_weight, scratch[count + k] * of_share, scratch[2 * count + k]);
            let (narrow, by_raw) = (scratch[3 * count + k], scratch[4 * count + k]);
            let pull = self.pull(t);
            let by_mean = h * share * pull * narrow;
            into.set(k, h * (share - weight));
            into.set(count + k, by_mean);
            into.set(2 * count + k, h * share * (t * pull - Lanes::of(1.0)) * by_raw);
            gx = gx - by_mean;
        }
        gx
    }
}
