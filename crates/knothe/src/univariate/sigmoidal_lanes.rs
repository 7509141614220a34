//! The deep sigmoidal map in one pass; see [`super::Sigmoidal`] for the formula.
//!
//! With p_i = a_i x + b_i, shares π_i ∝ w_i σ(p_i) and ρ_i ∝ w_i σ(−p_i), each of sum 1, and κ_i ∝ a_i π_i ρ_i / w_i, for a loss L with
//! ∂L/∂y = g and ∂L/∂ log T′ = h,
//!
//! - ∂L/∂p_i = (g − h) π_i σ(−p_i) + (g + h) ρ_i σ(p_i) + h κ_i (σ(−p_i) − σ(p_i)),
//! - ∂L/∂ log w_i = (g − h) π_i − (g + h) ρ_i + h κ_i. These sum to −h, so that the logit of w_i gets ∂L/∂ log w_i + h w_i,
//! - ∂L/∂ log a_i = x a_i ∂L/∂p_i + h κ_i, ∂L/∂b_i = ∂L/∂p_i and ∂L/∂x = Σ_i a_i ∂L/∂p_i.

use super::{Sigmoidal, affine_lanes::bounded};
use crate::kernels::{LaneMap, Lanes, Real, Theta, ThetaGradient};

/// The parts of `work` in [`odds`], of a length of as many units each: those that it reads,
pub(super) const LOGIT: usize = 0;
pub(super) const AT: usize = 1;
pub(super) const LOG_SLOPE: usize = 2;
/// those that are its caller's,
pub(super) const SLOPE: usize = 3;
pub(super) const BY_RAW: usize = 4;
/// and those that it writes: the greater and the smaller of σ(p) and σ(−p); π, ρ and κ up to a factor.
const GREATER: usize = 5;
const SMALLER: usize = 6;
const BELOW: usize = 7;
const ABOVE: usize = 8;
const KAPPA: usize = 9;
/// Their number.
pub(super) const PARTS: usize = 10;

/// logit Σ w σ(p) and its log-derivative, with the factors that what is in `work` still lacks.
pub(super) struct Odds<T> {
    pub y: Lanes<T>,
    pub ladj: Lanes<T>,
    weight: Lanes<T>,
    below: Lanes<T>,
    above: Lanes<T>,
    kappa: Lanes<T>,
}

/// logit Σ w σ(p), of the logits of w, p and log ∂p/∂x in `work`.
///
/// Logits may be off by any constant: it cancels in y, and Σ exp(logit) = Σ exp(logit) (σ(p) + σ(−p)) restores it in T′. Each sum is taken
/// relative to its largest term, so that differences of large numbers keep the digits of small ones.
#[inline(always)]
pub(super) fn odds<T: Real>(units: usize, work: &mut [Lanes<T>]) -> Odds<T> {
    let (zero, one) = (Lanes::of(0.0), Lanes::of(1.0));
    let mut most = work[LOGIT * units];
    for i in 1..units {
        most = most.larger(work[LOGIT * units + i]);
    }
    let (mut lower, mut upper) = (Lanes::of(f64::NEG_INFINITY), Lanes::of(f64::NEG_INFINITY));
    for i in 0..units {
        let (logit, p) = (work[LOGIT * units + i] - most, work[AT * units + i]);
        let far = (-p.magnitude()).moderate_exp();
        let greater = one / (far + T::of(1.0));
        let (below, above) = (logit + p.smaller(zero), logit + (-p).smaller(zero));
        (lower, upper) = (lower.larger(below), upper.larger(above));
        work[LOGIT * units + i] = logit;
        work[GREATER * units + i] = greater;
        work[SMALLER * units + i] = far * greater;
        work[BELOW * units + i] = below;
        work[ABOVE * units + i] = above;
    }
    let (mut below_sum, mut above_sum, mut steepest) = (zero, zero, Lanes::of(f64::NEG_INFINITY));
    for i in 0..units {
        let (below, above) = (work[BELOW * units + i] - lower, work[ABOVE * units + i] - upper);
        let kappa = work[LOG_SLOPE * units + i] + below + above - work[LOGIT * units + i];
        let greater = work[GREATER * units + i];
        let (below, above) = (below.moderate_exp() * greater, above.moderate_exp() * greater);
        (below_sum, above_sum, steepest) = (below_sum + below, above_sum + above, steepest.larger(kappa));
        work[BELOW * units + i] = below;
        work[ABOVE * units + i] = above;
        work[KAPPA * units + i] = kappa;
    }
    let mut kappa_sum = zero;
    for i in 0..units {
        let greater = work[GREATER * units + i];
        let kappa = (work[KAPPA * units + i] - steepest).moderate_exp() * greater * greater;
        kappa_sum = kappa_sum + kappa;
        work[KAPPA * units + i] = kappa;
    }
    let weights = below_sum * lower.moderate_exp() + above_sum * upper.moderate_exp();
    let (below, above) = (one / below_sum, one / above_sum);
    Odds {
        y: (below_sum * above).log() + (lower - upper),
        ladj: (weights * kappa_sum * below * above).log() + steepest,
        weight: one / weights,
        below,
        above,
        kappa: one / kappa_sum,
    }
}

impl<T: Real> Odds<T> {
    /// ∂L/∂p_i, ∂L/∂ of the logit of w_i, and h κ_i, for the i-th of the units in `work`.
    #[inline(always)]
    pub(super) fn pull(&self, units: usize, i: usize, work: &[Lanes<T>], g: Lanes<T>, h: Lanes<T>) -> [Lanes<T>; 3] {
        let (up, down) = (g + h, g - h);
        let zero = Lanes::of(0.0);
        let (p, greater, smaller) = (work[AT * units + i], work[GREATER * units + i], work[SMALLER * units + i]);
        let (below, above) = (p.below(zero, smaller, greater), p.below(zero, greater, smaller));
        let from_below = down * (work[BELOW * units + i] * self.below);
        let from_above = up * (work[ABOVE * units + i] * self.above);
        let from_slope = h * (work[KAPPA * units + i] * self.kappa);
        let weight = work[LOGIT * units + i].moderate_exp() * self.weight;
        [
            from_below * above + from_above * below + from_slope * (above - below),
            from_below - from_above + from_slope + h * weight,
            from_slope,
        ]
    }
}

impl Sigmoidal {
    #[inline(always)]
    fn odds<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, work: &mut [Lanes<T>]) -> Odds<T> {
        let units = self.0;
        for i in 0..units {
            let (log_slope, by_raw) = bounded(theta.get(units + i));
            let slope = log_slope.moderate_exp();
            work[LOGIT * units + i] = theta.get(i);
            work[AT * units + i] = x.fused(slope, theta.get(2 * units + i) + T::of(self.start(i)));
            work[LOG_SLOPE * units + i] = log_slope;
            work[SLOPE * units + i] = slope;
            work[BY_RAW * units + i] = by_raw;
        }
        odds(units, work)
    }
}

impl LaneMap for Sigmoidal {
    fn scratch(&self) -> usize {
        PARTS * self.0
    }

    #[inline(always)]
    fn value<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, scratch: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        let odds = self.odds(x, theta, scratch);
        (odds.y, odds.ladj)
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
        let odds = self.odds(x, theta, scratch);
        let mut gx = Lanes::of(0.0);
        for i in 0..units {
            let [by_p, by_logit, by_slope] = odds.pull(units, i, scratch, g, h);
            let through = by_p * scratch[SLOPE * units + i];
            into.set(i, by_logit);
            into.set(units + i, x.fused(through, by_slope) * scratch[BY_RAW * units + i]);
            into.set(2 * units + i, by_p);
            gx = gx + through;
        }
        gx
    }
}
