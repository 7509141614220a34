//! The dense deep sigmoidal map in one pass; see [`super::DeepSigmoidal`] for the formula.
//!
//! Each layer has inputs h_i with t_i = log ∂h_i/∂x, m_j = Σ_i u_ji h_i, q_j = log Σ_i u_ji exp t_i, p_j = a_j m_j + b_j and, for every output,
//! the mixture of sigmoids of [`super::sigmoidal_lanes`], which turns the gradients of h'_o and t'_o into those of its weights, of p_j and of
//! log ∂p_j/∂x = log a_j + q_j. Added up over the outputs, these are P_j and Q_j, and with the shares v_ji ∝ u_ji exp t_i of sum 1
//!
//! - ∂L/∂ log a_j = P_j a_j m_j + Q_j, ∂L/∂b_j = P_j,
//! - the logit of u_ji gets P_j a_j u_ji (h_i − m_j) + Q_j (v_ji − u_ji),
//! - ∂L/∂h_i = Σ_j P_j a_j u_ji and ∂L/∂t_i = Σ_j Q_j v_ji.
//!
//! Going back, the mixtures are computed once more: all of them together would not fit the fastest cache.

use super::{
    DeepSigmoidal,
    affine_lanes::bounded,
    sigmoidal_lanes::{AT, LOG_SLOPE, LOGIT, Odds, PARTS, odds},
};
use crate::kernels::{LaneMap, Lanes, Real, Theta, ThetaGradient};

/// The parts of the scratch of a layer, of a length of as many units each: h, t, p, log ∂p/∂x, and a with the derivative of log a.
const H: usize = 0;
const TANGENT: usize = 1;
const P: usize = 2;
const LOG_RISE: usize = 3;
const SLOPE: usize = 4;
const BY_RAW: usize = 5;
const KEPT: usize = 6;

/// Where the parameters of a layer are.
#[derive(Clone, Copy)]
struct Layer {
    inputs: usize,
    outputs: usize,
    /// Its first parameter, its first logit of u and of w.
    first: usize,
    u: usize,
    w: usize,
}

/// u_j and v_j, up to factors, are in `work` after this.
struct Means<T> {
    mean: Lanes<T>,
    log_rise: Lanes<T>,
    u: Lanes<T>,
    v: Lanes<T>,
}

impl DeepSigmoidal {
    fn layer(&self, layer: usize) -> Layer {
        let first = (0..layer).map(|l| self.counts(l).iter().sum::<usize>()).sum::<usize>();
        let ((inputs, outputs), [own, of_u, _]) = (self.widths(layer), self.counts(layer));
        Layer { inputs, outputs, first, u: first + own, w: first + own + of_u }
    }

    /// m_j and q_j. `work` has two parts.
    #[inline(always)]
    fn means<T: Real>(&self, at: Layer, j: usize, kept: &[Lanes<T>], theta: Theta<'_, T>, work: &mut [Lanes<T>]) -> Means<T> {
        let one = Lanes::of(1.0);
        if at.inputs == 1 {
            return Means { mean: kept[H * self.units], log_rise: kept[TANGENT * self.units], u: one, v: one };
        }
        let (mut most, mut steepest) = (Lanes::of(f64::NEG_INFINITY), Lanes::of(f64::NEG_INFINITY));
        for i in 0..at.inputs {
            let logit = theta.get(at.u + j * at.inputs + i) + T::of(self.preference_at(j, self.units, i, at.inputs));
            let rise = logit + kept[TANGENT * self.units + i];
            (most, steepest) = (most.larger(logit), steepest.larger(rise));
            (work[i], work[self.units + i]) = (logit, rise);
        }
        let (mut sum, mut mean, mut rises) = (Lanes::of(0.0), Lanes::of(0.0), Lanes::of(0.0));
        for i in 0..at.inputs {
            let (u, v) = ((work[i] - most).moderate_exp(), (work[self.units + i] - steepest).moderate_exp());
            (sum, rises) = (sum + u, rises + v);
            mean = u.fused(kept[H * self.units + i], mean);
            (work[i], work[self.units + i]) = (u, v);
        }
        let u = one / sum;
        Means { mean: mean * u, log_rise: (rises * u).log() + (steepest - most), u, v: one / rises }
    }

    /// p and what comes with it, of h and t.
    #[inline(always)]
    fn enter<T: Real>(&self, at: Layer, kept: &mut [Lanes<T>], theta: Theta<'_, T>, work: &mut [Lanes<T>]) {
        let (units, depth) = (self.units, self.layers as f64);
        for j in 0..units {
            let Means { mean, log_rise, .. } = self.means(at, j, kept, theta, work);
            let (log_slope, by_raw) = bounded(theta.get(at.first + j) * T::of(depth));
            let log_slope = log_slope * T::of(depth.recip());
            let slope = log_slope.moderate_exp();
            kept[P * units + j] = mean.fused(slope, theta.get(at.first + units + j) + T::of(self.start(j)));
            kept[LOG_RISE * units + j] = log_slope + log_rise;
            kept[SLOPE * units + j] = slope;
            kept[BY_RAW * units + j] = by_raw;
        }
    }

    /// h' and t' of an output.
    #[inline(always)]
    fn output<T: Real>(&self, at: Layer, o: usize, kept: &[Lanes<T>], theta: Theta<'_, T>, work: &mut [Lanes<T>]) -> Odds<T> {
        let units = self.units;
        for j in 0..units {
            let preference = T::of(self.preference_at(o, at.outputs, j, units));
            work[LOGIT * units + j] = theta.get(at.w + o * units + j) + preference;
            work[AT * units + j] = kept[P * units + j];
            work[LOG_SLOPE * units + j] = kept[LOG_RISE * units + j];
        }
        odds(units, work)
    }

    /// The map; every layer's part of `scratch` is then filled.
    #[inline(always)]
    fn forward<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, scratch: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        let units = self.units;
        let (all, work) = scratch.split_at_mut((self.layers + 1) * KEPT * units);
        (all[H * units], all[TANGENT * units]) = (x, Lanes::of(0.0));
        for layer in 0..self.layers {
            let at = self.layer(layer);
            let (kept, next) = all[layer * KEPT * units..].split_at_mut(KEPT * units);
            self.enter(at, kept, theta, work);
            for o in 0..at.outputs {
                let odds = self.output(at, o, kept, theta, work);
                (next[H * units + o], next[TANGENT * units + o]) = (odds.y, odds.ladj);
            }
        }
        let last = self.layers * KEPT * units;
        (all[last + H * units], all[last + TANGENT * units])
    }
}

impl LaneMap for DeepSigmoidal {
    fn scratch(&self) -> usize {
        ((self.layers + 1) * KEPT + PARTS + 4) * self.units
    }

    #[inline(always)]
    fn value<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, scratch: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        self.forward(x, theta, scratch)
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
        let (units, zero) = (self.units, Lanes::of(0.0));
        let _ = self.forward(x, theta, scratch);
        let (all, work) = scratch.split_at_mut((self.layers + 1) * KEPT * units);
        let (work, pulls) = work.split_at_mut(PARTS * units);
        let (of_h, rest) = pulls.split_at_mut(units);
        let (of_t, rest) = rest.split_at_mut(units);
        let (of_p, of_rise) = rest.split_at_mut(units);
        (of_h[0], of_t[0]) = (g, h);
        for layer in (0..self.layers).rev() {
            let at = self.layer(layer);
            let kept = &all[layer * KEPT * units..][..KEPT * units];
            for j in 0..units {
                (of_p[j], of_rise[j]) = (zero, zero);
            }
            for o in 0..at.outputs {
                let odds = self.output(at, o, kept, theta, work);
                for j in 0..units {
                    let [by_p, by_logit, by_rise] = odds.pull(units, j, work, of_h[o], of_t[o]);
                    into.set(at.w + o * units + j, by_logit);
                    (of_p[j], of_rise[j]) = (of_p[j] + by_p, of_rise[j] + by_rise);
                }
            }
            for i in 0..at.inputs {
                (of_h[i], of_t[i]) = (zero, zero);
            }
            for j in 0..units {
                let Means { mean, u, v, .. } = self.means(at, j, kept, theta, work);
                let through = of_p[j] * kept[SLOPE * units + j];
                into.set(at.first + j, through.fused(mean, of_rise[j]) * kept[BY_RAW * units + j]);
                into.set(at.first + units + j, of_p[j]);
                if at.inputs == 1 {
                    of_h[0] = of_h[0] + through;
                    continue;
                }
                for i in 0..at.inputs {
                    let (u, v) = (work[i] * u, work[units + i] * v);
                    let (by_mean, by_rise) = (through * u, of_rise[j] * v);
                    into.set(at.u + j * at.inputs + i, by_mean * (kept[H * units + i] - mean) + (by_rise - of_rise[j] * u));
                    (of_h[i], of_t[i]) = (of_h[i] + by_mean, of_t[i] + by_rise);
                }
            }
        }
        of_h[0]
    }
}
