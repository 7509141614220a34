//! The laws of bijections and densities, as functions to run on your own maps.
//!
//! Each returns `Ok(())`, or the first [`Violation`] with the law, the row, what was expected and what was found. None of
//! them takes a tolerance: a law compares two roads to the same number, so it allows what rounding can do to either.
//! That is `ROUNDING · ε · condition`, where ε is the machine epsilon of the tensors' precision and the condition is
//! measured at the row: how much the road's result moves when its input moves by a small relative step. Statistical laws
//! allow what a sample of that size can do, at a false-alarm rate below one in a million.
//!
//! ```
//! use std::sync::Arc;
//! use knothe::{Given, Order, Placement, Precision, conformance, triangular::Elementwise, univariate::Affine};
//! let cpu = Placement::cpu(Precision::F64);
//! let map = Elementwise::new(2, 0, Arc::new(Affine::default()), &cpu);
//! let z = cpu.tensor(vec![0.3, -1.0, 30.0, -8.0], [2, 2]);
//! let given = Given::default();
//! conformance::round_trip(&map, z.clone(), &given)?;
//! // Or all of them:
//! conformance::obeys_laws(&map, Some(&Order::natural(2)), z, &given)?;
//! # Ok::<(), conformance::Violation>(())
//! ```
//!
//! [`univariate`] has the laws of one univariate map.

mod density;
mod jacobian;
mod map;
mod masses;
mod measure;
mod naive;
pub mod univariate;

pub use density::{
    Quadrature, entropy_agrees, integrates_to_one, is_invariant, sample_and_log_prob_agree, samples_agree, samples_are_uniform,
};
pub use jacobian::{is_triangular, jacobian, ladj_is_finite_difference, ladj_is_jacobian};
pub use map::{handles_empty_batch, is_batch_invariant, is_near_identity, ladj_sums_to_zero, leaves_absent, obeys_laws, round_trip};
pub use masses::{masses_sum_to_one, samples_have_masses};
pub use naive::naive_solve;

use crate::error::Error;

/// A law by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// T⁻¹(T(z)) = z and T(T⁻¹(x)) = x.
    RoundTrip,
    /// The ladj of T at z and of T⁻¹ at T(z) add to 0.
    LadjSum,
    /// ladj = log|det J|, J from automatic differentiation.
    LadjJacobian,
    /// ladj = log|det J|, J from central differences.
    LadjFiniteDifference,
    /// ∂x_i/∂z_j is exactly 0 when j comes after i in the order, and positive when j is i.
    Triangular,
    /// |T(z) − z| ≤ 0.05 for a fresh map and z in [−3, 3].
    NearIdentity,
    /// A row's result does not depend on the other rows.
    BatchInvariance,
    /// Absent coordinates stay 0, with log-slope 0.
    LeavesAbsent,
    /// A batch without rows gives a result without rows.
    EmptyBatch,
    /// ∫ q(x) dx = 1, or Σ q(x) = 1.
    Normalised,
    /// The probability integral transform of samples is uniform.
    SamplesUniform,
    /// E_q[p(x)/q(x)] = 1 over samples, for a narrower density p.
    SamplesAgree,
    /// −mean log q over samples is −∫ q log q.
    Entropy,
    /// The log density returned beside a sample is that of the sample.
    SampleAndLogProb,
    /// Columns and order permuted together leave log_prob as it was.
    Invariant,
    /// A univariate map rises with x and is finite.
    Increasing,
    /// The log-slope of a univariate map is the logarithm of its derivative.
    LogSlope,
    /// The gradients of a univariate map are those of finite differences.
    Gradient,
    /// No two parameters of a univariate map have equal gradients at its start.
    UnitsApart,
    /// Parameters of a wrong shape are an error, and NaN does not become a number.
    BadInput,
}

impl Law {
    /// The law in words.
    pub fn statement(self) -> &'static str {
        match self {
            Law::RoundTrip => "inverse and forward undo each other",
            Law::LadjSum => "the ladj of both directions add to 0",
            Law::LadjJacobian => "ladj is log|det| of the Jacobian",
            Law::LadjFiniteDifference => "ladj is log|det| of the Jacobian by central differences",
            Law::Triangular => "the Jacobian is triangular in the declared order with a positive diagonal",
            Law::NearIdentity => "a fresh map is near the identity",
            Law::BatchInvariance => "a row does not depend on the other rows of its batch",
            Law::LeavesAbsent => "absent coordinates stay 0 with log-slope 0",
            Law::EmptyBatch => "a batch without rows gives a result without rows",
            Law::Normalised => "the density integrates to 1",
            Law::SamplesUniform => "the probability integral transform of samples is uniform",
            Law::SamplesAgree => "samples follow log_prob",
            Law::Entropy => "the entropy of samples is that of the density",
            Law::SampleAndLogProb => "the log density beside a sample is that of the sample",
            Law::Invariant => "permuting columns and order together changes nothing",
            Law::Increasing => "a univariate map is finite and rises",
            Law::LogSlope => "the log-slope is the logarithm of the derivative",
            Law::Gradient => "gradients are those of finite differences",
            Law::UnitsApart => "no two parameters start with equal gradients",
            Law::BadInput => "a wrong shape is an error, and NaN stays NaN",
        }
    }
}

/// How a law was broken.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// A number that is not what the law says.
    #[error("{}: {at}: expected {expected}, found {found} (tolerance {tolerance:.1e})", law.statement())]
    Differs {
        /// The law.
        law: Law,
        /// The row of the batch, counted from 0; 0 for a law about the whole batch.
        row: usize,
        /// The place in words: the row, and the column or the direction.
        at: String,
        /// What the law says.
        expected: f64,
        /// What came.
        found: f64,
        /// The difference that rounding, or chance, would explain.
        tolerance: f64,
    },
    /// The map or the density refused to answer.
    #[error("{}: {source}", law.statement())]
    Failed {
        /// The law.
        law: Law,
        /// The reason.
        source: Error,
    },
}

impl Violation {
    /// The law that was broken.
    pub fn law(&self) -> Law {
        match self {
            Violation::Differs { law, .. } | Violation::Failed { law, .. } => *law,
        }
    }
}

/// Turns a refusal into a violation of `law`.
fn failed(law: Law) -> impl Fn(Error) -> Violation {
    move |source| Violation::Failed { law, source }
}

/// Checks one number; NaN differs from everything.
fn check(law: Law, row: usize, at: impl FnOnce() -> String, expected: f64, found: f64, tolerance: f64) -> Result<(), Violation> {
    let same = expected == found || (found - expected).abs() <= tolerance;
    if same { Ok(()) } else { Err(Violation::Differs { law, row, at: at(), expected, found, tolerance }) }
}
