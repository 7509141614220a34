//! How the learning rate goes over a fit.

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
