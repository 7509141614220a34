//! The learning rate over the steps of a fit.

use serde::{Deserialize, Serialize};

/// A schedule of the learning rate, as a factor of the one asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Always 1.
    Constant,
    /// (1 + cos(π t/T))/2, from 1 to 0 over the T steps of the fit.
    #[default]
    Cosine,
    /// 1, halved whenever a quarter of the patience has passed without a better validation.
    Plateau,
}

impl Schedule {
    /// The factor at step `step` of `steps`, after `halvings` plateaus.
    pub(crate) fn factor(self, step: u64, steps: u64, halvings: u32) -> f64 {
        match self {
            Schedule::Constant => 1.0,
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos()),
            Schedule::Plateau => 0.5f64.powi(i32::try_from(halvings).unwrap_or(i32::MAX)),
        }
    }
}

/// The factor of a warm-up at step t, counted from 0: (t + 1)/W for the first W steps, then 1. W is at most a tenth of all steps.
///
/// The first steps of Adam are as long as the learning rate whatever the gradient, in the direction of one batch, and a deep flow that is
/// still near its start can explode from one of them (Goyal et al. 2017, §2.2; Liu et al. 2020).
pub(super) fn warm_up(step: u64, steps: u64, warm_up: u64) -> f64 {
    let length = warm_up.min(steps / 10);
    if step < length { (step + 1) as f64 / length as f64 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_its_full_value() {
        let factors = |steps, length| [0, 1, 4, 5, 90].map(|step| warm_up(step, steps, length));
        assert_eq!(factors(1_000, 5), [0.2, 0.4, 1.0, 1.0, 1.0]);
        assert_eq!(factors(50, 100), factors(1_000, 5), "a short fit warms up for a tenth of its steps");
        assert_eq!(factors(1_000, 0), [1.0; 5]);
        assert_eq!(factors(5, 100), [1.0; 5]);
    }
}
