//! Uses of a density when the target is a formula rather than a table.
//!
//! Importance sampling draws x_1, …, x_S from a density q, the proposal, and weights the draws with w_s = π̃(x_s)/q(x_s). Here π̃ is an unnormalised density, the target:
//! π = π̃/Z. [`LogWeights`] holds the logarithms of the weights. It estimates the evidence Z and expectations under π. [`Smoothed`] says whether
//! the estimates can be trusted.
//!
//! A [`Target`] is an unnormalised log density with its gradient. [`ReverseKl`] and [`LogRatioVariance`] are [objectives](crate::fit::Objective) that fit a flow to a target, and
//! [`MapDiagnostic`] says how far the flow is from it.

mod chains;
mod draws;
#[cfg(feature = "targets")]
mod library;
mod optimal_map;
mod pareto;
mod reverse_kl;
mod smoothing;
mod source_hmc;
mod target;
mod weights;

pub use chains::{Chains, Convergence};
pub use draws::WeightedDraws;
#[cfg(feature = "targets")]
pub use library::LibraryTarget;
pub use optimal_map::{FittedMap, MapStep, OptimalMap};
pub use pareto::GeneralisedPareto;
pub use reverse_kl::{LogRatioVariance, MapDiagnostic, ReverseKl, SourceDraws};
pub use smoothing::{Reliability, Smoothed};
pub use source_hmc::{HmcDraws, SourceHmc};
pub use target::{Target, TensorTarget, log_densities_and_gradients};
pub use weights::{Estimate, LogWeights};
