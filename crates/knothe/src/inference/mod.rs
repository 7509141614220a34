//! Uses of a density when the target is a formula rather than a table.
//!
//! Importance sampling draws x_1, …, x_S from a density q, the proposal, and weights the draws with w_s = π̃(x_s)/q(x_s). Here π̃ is an unnormalised density, the target:
//! π = π̃/Z. [`LogWeights`] holds the logarithms of the weights. It estimates the evidence Z and expectations under π. [`Smoothed`] says whether
//! the estimates can be trusted.
//!
//! A [`Target`] is an unnormalised log density with its gradient. [`ReverseKl`] and [`LogRatioVariance`] are [objectives](crate::fit::Objective) that fit a flow to a target, and
//! [`MapDiagnostic`] says how far the flow is from it.

mod adaptive;
mod at_draws;
mod chains;
mod draws;
mod fisher;
mod in_source;
mod laplace;
#[cfg(feature = "targets")]
mod library;
mod optimal_map;
mod pareto;
mod reverse_kl;
mod smoothing;
mod source_hmc;
mod target;
mod terms;
mod weights;

pub use adaptive::{Adapted, AdaptiveProposal, AdaptiveRound};
pub use chains::{Chains, Convergence};
pub use draws::WeightedDraws;
pub use fisher::FisherDivergence;
pub use in_source::{InSource, SourceCoordinates};
pub use laplace::Mode;
#[cfg(feature = "targets")]
pub use library::LibraryTarget;
pub use optimal_map::{FittedMap, MapStep, OptimalMap};
pub use pareto::GeneralisedPareto;
pub use reverse_kl::{LogRatioVariance, MapDiagnostic, ReverseKl, SourceDraws};
pub use smoothing::{Reliability, Smoothed};
pub use source_hmc::{HmcDraws, SourceHmc};
pub use target::{Counted, Target, TensorTarget};
pub use weights::{Estimate, LogWeights};
