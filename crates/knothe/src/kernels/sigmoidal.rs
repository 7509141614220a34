//! The deep sigmoidal map in one pass; see [`crate::univariate::Sigmoidal`] for the formula.
//!
//! With p_i = a_i x + b_i, shares π_i ∝ w_i σ(p_i) and ρ_i ∝ w_i σ(−p_i), each of sum 1, and κ_i ∝ a_i π_i ρ_i / w_i, for a loss L with
//! ∂L/∂y = g and ∂L/∂ log T′ = h,
//!
//! - ∂L/∂p_i = (g − h) π_i σ(−p_i) + (g + h) ρ_i σ(p_i) + h κ_i (σ(−p_i) − σ(p_i)),
//! - ∂L/∂ log w_i = (g − h) π_i − (g + h) ρ_i + h κ_i. These sum to −h, so that the logit of w_i gets ∂L/∂ log w_i + h w_i,
//! - ∂L/∂ log a_i = x a_i ∂L/∂p_i + h κ_i, ∂L/∂b_i = ∂L/∂p_i and ∂L/∂x = Σ_i a_i ∂L/∂p_i.

use super::{Real, elementwise::ScalarMap};
use crate::univariate::{Sigmoidal, bounded_with_slope};

/// The largest term m, and log Σ exp(x − m).
fn largest_and_rest<T: Real>(terms: &[T]) -> (T, T) {
    let most = terms.iter().copied().fold(T::of(f64::from(f32::MIN)), T::max);
    (most, terms.iter().fold(T::of(0.0), |sum, &t| sum + (t - most).exp()).ln())
}

/// log Σ exp; −∞ where each term is.
fn log_sum_exp<T: Real>(terms: &[T]) -> T {
    let (most, rest) = largest_and_rest(terms);
    rest + most
}

/// x − log Σ exp in the place of each x, and log Σ exp. As a difference from the largest, it keeps the digits of small differences.
fn log_softmax<T: Real>(terms: &mut [T]) -> T {
    let (most, rest) = largest_and_rest(terms);
    terms.iter_mut().for_each(|t| *t = (*t - most) - rest);
    rest + most
}

impl Sigmoidal {
    /// y and log T′; log π, log ρ and log(a π ρ / w) go to a third of `work` each. `keep(i, …)` gets a_i, the derivative of log a_i by
    /// its raw parameter, and p_i.
    fn shares<T: Real>(&self, x: T, theta: &[T], log_total: T, work: &mut [T], mut keep: impl FnMut(usize, [T; 3])) -> (T, T) {
        let units = self.0;
        let (below, rest) = work.split_at_mut(units);
        let (above, slope) = rest.split_at_mut(units);
        for i in 0..units {
            let (log_slope, bounded) = bounded_with_slope(theta[units + i]);
            let a = log_slope.exp();
            let at = x * a + theta[2 * units + i] + T::of(self.start(i));
            keep(i, [a, bounded, at]);
            let rest = (-at.abs()).exp().ln_1p();
            below[i] = theta[i] - log_total + (at.min(T::of(0.0)) - rest);
            above[i] = theta[i] - log_total + ((-at).min(T::of(0.0)) - rest);
            slope[i] = log_slope;
        }
        let y = log_softmax(below) - log_softmax(above);
        for i in 0..units {
            slope[i] = slope[i] + below[i] + above[i] - (theta[i] - log_total);
        }
        (y, log_sum_exp(slope))
    }
}

impl ScalarMap for Sigmoidal {
    fn value<T: Real>(&self, x: T, theta: &[T], work: &mut [T]) -> (T, T) {
        self.shares(x, theta, log_sum_exp(&theta[..self.0]), work, |_, _| ())
    }

    fn gradient<T: Real>(&self, x: T, theta: &[T], g: T, h: T, into: &mut [T], work: &mut [T]) -> T {
        let units = self.0;
        let log_total = log_sum_exp(&theta[..units]);
        let keep = |i, of: [T; 3]| (0..3).for_each(|third| into[third * units + i] = of[third]);
        let (_, ladj) = self.shares(x, theta, log_total, work, keep);
        let mut gx = T::of(0.0);
        for i in 0..units {
            let (pi, rho, kappa) = (work[i].exp(), work[units + i].exp(), (work[2 * units + i] - ladj).exp());
            let [a, bounded, p] = [into[i], into[units + i], into[2 * units + i]];
            let far = (-p.abs()).exp();
            let (small, large) = (far / (T::of(1.0) + far), T::of(1.0) / (T::of(1.0) + far));
            let (below, above) = if p > T::of(0.0) { (large, small) } else { (small, large) };
            let gp = (g - h) * pi * above + (g + h) * rho * below + h * kappa * (above - below);
            into[i] = (g - h) * pi - (g + h) * rho + h * kappa + h * (theta[i] - log_total).exp();
            into[units + i] = (x * a * gp + h * kappa) * bounded;
            into[2 * units + i] = gp;
            gx += a * gp;
        }
        gx
    }
}
