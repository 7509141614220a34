//! The deep sigmoidal map in one pass; see [`crate::univariate::Sigmoidal`] for the formula.
//!
//! With p_i = a_i x + b_i, shares π_i ∝ w_i σ(p_i) and ρ_i ∝ w_i σ(−p_i), each of sum 1, and κ_i ∝ a_i π_i ρ_i / w_i, for a loss L with
//! ∂L/∂y = g and ∂L/∂ log T′ = h,
//!
//! - ∂L/∂p_i = (g − h) π_i σ(−p_i) + (g + h) ρ_i σ(p_i) + h κ_i (σ(−p_i) − σ(p_i)),
//! - ∂L/∂ log w_i = (g − h) π_i − (g + h) ρ_i + h κ_i. These sum to −h, so that the logit of w_i gets ∂L/∂ log w_i + h w_i,
//! - ∂L/∂ log a_i = x a_i ∂L/∂p_i + h κ_i, ∂L/∂b_i = ∂L/∂p_i and ∂L/∂x = Σ_i a_i ∂L/∂p_i.

use super::{
    Real,
    affine::bounded,
    lanes::Lanes,
    tile::{LaneMap, Theta, ThetaGradient},
};
use crate::univariate::Sigmoidal;

/// The largest of some terms, and log Σ exp(x − largest). Loops, for a closure that `fold` calls may not be inlined.
#[inline(always)]
pub(super) fn largest_and_rest<T: Real>(terms: &[Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
    let mut most = terms[0];
    for &t in &terms[1..] {
        most = most.larger(t);
    }
    let mut sum = Lanes::of(0.0);
    for &t in terms {
        sum = sum + (t - most).exp();
    }
    (most, sum.log())
}

/// x − log Σ exp in the place of each x, and log Σ exp. As a difference from the largest, it keeps the digits of small differences.
#[inline(always)]
pub(super) fn log_softmax<T: Real>(terms: &mut [Lanes<T>]) -> Lanes<T> {
    let (most, rest) = largest_and_rest(terms);
    for t in terms {
        *t = (*t - most) - rest;
    }
    rest + most
}

impl Sigmoidal {
    /// y and log T′. `work` has five parts of one length: log π, log ρ, log(a π ρ / w), log w, and p.
    #[inline(always)]
    fn shares<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, work: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        let units = self.0;
        let (below, rest) = work.split_at_mut(units);
        let (above, rest) = rest.split_at_mut(units);
        let (slope, rest) = rest.split_at_mut(units);
        let (log_weight, at) = rest.split_at_mut(units);
        for (i, weight) in log_weight.iter_mut().enumerate() {
            *weight = theta.get(i);
        }
        let _ = log_softmax(log_weight);
        for i in 0..units {
            let (log_slope, _) = bounded(theta.get(units + i));
            let p = x.fused(log_slope.exp(), theta.get(2 * units + i) + T::of(self.start(i)));
            let (zero, rest) = (Lanes::of(0.0), (-p.magnitude()).exp().log_1p());
            at[i] = p;
            below[i] = log_weight[i] + (p.smaller(zero) - rest);
            above[i] = log_weight[i] + ((-p).smaller(zero) - rest);
            slope[i] = log_slope;
        }
        let y = log_softmax(below) - log_softmax(above);
        for i in 0..units {
            slope[i] = slope[i] + below[i] + above[i] - log_weight[i];
        }
        let (most, rest) = largest_and_rest(slope);
        (y, rest + most)
    }
}

impl LaneMap for Sigmoidal {
    fn scratch(&self) -> usize {
        5 * self.0
    }

    #[inline(always)]
    fn value<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, scratch: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        self.shares(x, theta, scratch)
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
        let units = self.0;
        let (_, ladj) = self.shares(x, theta, scratch);
        let (up, down) = (g + h, g - h);
        let mut gx = Lanes::of(0.0);
        for i in 0..units {
            let (log_slope, by_raw) = bounded(theta.get(units + i));
            let a = log_slope.exp();
            let (pi, rho, kappa) = (scratch[i].exp(), scratch[units + i].exp(), (scratch[2 * units + i] - ladj).exp());
            let weight = scratch[3 * units + i].exp();
            let (below, above) = scratch[4 * units + i].sigmoids();
            let gp = down * pi * above + up * rho * below + h * kappa * (above - below);
            into.set(i, down * pi - up * rho + h * (kappa + weight));
            into.set(units + i, (x * a * gp + h * kappa) * by_raw);
            into.set(2 * units + i, gp);
            gx = a.fused(gp, gx);
        }
        gx
    }
}
