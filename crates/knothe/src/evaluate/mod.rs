//! Whether a density can be trusted: checks that compare it with data it has not seen, with verdicts by size.
//!
//! A p-value says how sure one can be that a model is not exact; with enough rows no model is. What matters is how far off it is.
//! So each check states a size that it tolerates, and says [`Verdict::Undecided`] where the rows are too few to see that size.
//!
//! | check | asks | a failure means |
//! |---|---|---|
//! | [`KolmogorovSmirnov`] | is each u_j = F_j(x_j given x_<j) uniform? | the centre of a conditional density is off |
//! | [`Tails`] | how often is u_j beyond the source's 99.9 % point? | the tails are too heavy or too light |
//! | [`Energy`] | do samples look like data, all columns together? | shape, scale or dependence is off |

mod energy;
mod ks;
mod tails;

use serde::Serialize;

pub use energy::{ENERGY_ROWS, Energy, energy_distance};
pub use ks::{KolmogorovSmirnov, P_VALUE_ROWS, holm, ks_distance, ks_p_value};
pub use tails::{TAIL, TailShare, Tails};

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within the size that the check tolerates.
    Pass,
    /// Beyond it, and beyond what chance explains.
    Fail,
    /// Chance explains what was found, and would explain a wrong model too: there are too few rows to tell.
    Undecided,
}

/// The share of right models that a check may call wrong, over all its coordinates.
const FALSE_ALARMS: f64 = 1e-3;
