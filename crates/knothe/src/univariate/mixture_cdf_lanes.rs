//! The logistic mixture-CDF map in one pass; see [`super::MixtureCdf`] for the parameters.
//!
//! T = logit Σ w_i σ(p_i) with p_i = (x − μ_i)/σ_i is the deep sigmoidal map in other parameters. With ∂L/∂p_i and h κ_i as
//! [`super::sigmoidal_lanes`] has them: ∂L/∂μ_i = −∂L/∂p_i / σ_i, ∂L/∂ log σ_i = −(p_i ∂L/∂p_i + h κ_i) and ∂L/∂x = −Σ_i ∂L/∂μ_i.

use super::{
    affine_lanes::bounded,
    sigmoidal_lanes::{AT, BY_RAW, LOG_SLOPE, LOGIT, Odds, PARTS, SLOPE, odds},
};
use crate::kernels::{LaneMap, Lanes, Real, Theta, ThetaGradient};

/// The map of the logistic law.
#[derive(Clone, Debug)]
pub(crate) struct LogisticCdf {
    /// The means and the log-scale at θ = 0.
    pub means: Vec<f64>,
    pub log_scale: f64,
}

impl LogisticCdf {
    #[inline(always)]
    fn odds<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, work: &mut [Lanes<T>]) -> Odds<T> {
        let count = self.means.len();
        for i in 0..count {
            let (bounded, by_raw) = bounded(theta.get(2 * count + i));
            let log_slope = -(bounded + T::of(self.log_scale));
            let slope = log_slope.exp();
            work[LOGIT * count + i] = theta.get(i);
            work[AT * count + i] = (x - (theta.get(count + i) + T::of(self.means[i]))) * slope;
            work[LOG_SLOPE * count + i] = log_slope;
            work[SLOPE * count + i] = slope;
            work[BY_RAW * count + i] = by_raw;
        }
        odds(count, work)
    }
}

impl LaneMap for LogisticCdf {
    fn scratch(&self) -> usize {
        PARTS * self.means.len()
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
        let count = self.means.len();
        let odds = self.odds(x, theta, scratch);
        let mut gx = Lanes::of(0.0);
        for i in 0..count {
            let [by_p, by_logit, by_slope] = odds.pull(count, i, scratch, g, h);
            let through = by_p * scratch[SLOPE * count + i];
            into.set(i, by_logit);
            into.set(count + i, -through);
            into.set(2 * count + i, -(by_p.fused(scratch[AT * count + i], by_slope) * scratch[BY_RAW * count + i]));
            gx = gx + through;
        }
        gx
    }
}
