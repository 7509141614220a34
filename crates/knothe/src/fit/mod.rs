//! The fit: an [`Objective`], such as maximum likelihood, minimised by stochastic gradients, with early stopping, checkpoints and exact
//! resumption.

mod adam;
mod average;
mod batches;
mod builder;
mod checkpoint;
mod dataset;
mod deconvolve;
mod hook;
mod lbfgs;
mod matrix;
mod objective;
mod progress;
mod run;
mod schedule;

pub use crate::{
    bijection::{Batch, Draws},
    measured::{Curve, Errors},
};
pub use adam::Adam;
pub use batches::{Batches, EpochBatches, Step, evaluate};
pub use builder::Fit;
pub use checkpoint::Checkpoint;
pub use dataset::Dataset;
pub use hook::{Gradient, Hook};
pub use lbfgs::{Lbfgs, LbfgsReport};
pub use matrix::Numbers;
pub use objective::{MaxLikelihood, Objective, log_likelihood, loss};
pub use progress::{Observer, Progress};
pub use schedule::Schedule;

pub(crate) use batches::EVALUATION_ROWS;
pub(crate) use deconvolve::{SCORE_DRAWS, deconvolved};
#[cfg(feature = "tables")]
pub(crate) use matrix::LARGEST as MOST_STANDARDISED;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The settings of a fit, as a model file records them; [`Fit`] sets them by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FitConfig {
    /// Passes over the training set, unless `steps` is given. 0 leaves the model as its data-dependent start makes it.
    pub epochs: u64,
    /// Steps in all, in the place of `epochs`.
    pub steps: Option<u64>,
    /// Rows a step.
    pub batch: usize,
    /// The learning rate η of Adam.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises linearly to η, at most a tenth of all steps; 0 begins at η.
    pub warm_up: u64,
    /// The decoupled weight decay λ of weight matrices.
    pub weight_decay: f64,
    /// How the learning rate goes.
    pub schedule: Schedule,
    /// The largest global gradient norm; longer gradients are scaled down to it.
    pub clip: f64,
    /// Epochs without a better validation log-likelihood after which the fit stops; 0 never stops early.
    pub patience: u32,
    /// The decay of Polyak averaging; `None` keeps the last parameters.
    pub average: Option<f64>,
    /// Standard deviation of normal noise added to each training batch, in model space; a regulariser for small tables.
    pub noise: f64,
    /// Draws of true values per row and step, for rows that were measured with errors ([`Errors`]). With more draws the bound on the likelihood is tighter and a step takes longer.
    pub error_draws: usize,
    /// Skipped steps in a row after which the fit goes back to its best parameters and on with half the learning rate; where there are none, the
    /// steps are all since the start or since it last went back, or it did so 5 times, it gives up with [`crate::Error::Diverged`].
    pub skipped_limit: u64,
    /// Seeds shuffling and noise.
    pub seed: u64,
}

/// Rows per step of a fit to a large table, and the fewest of a fit to a small one.
const MOST_BATCH: usize = 512;
const LEAST_BATCH: usize = 32;
/// The steps that an epoch has at least, where the batch is not the smallest. With the 2 steps per epoch that 800 rows in batches of 512 leave, a fit ends before it has learned how
/// many zeros a column of counts has.
const STEPS: usize = 16;

impl FitConfig {
    /// The default settings of a fit to a table with this many training rows: the batch is the largest power of two that leaves 16 steps per epoch, from 32 to 512.
    pub fn of_rows(rows: usize) -> Self {
        let most = (rows / STEPS).clamp(LEAST_BATCH, MOST_BATCH);
        FitConfig { batch: 1 << most.ilog2(), ..FitConfig::default() }
    }
}

impl Default for FitConfig {
    fn default() -> Self {
        FitConfig {
            epochs: 100,
            steps: None,
            batch: MOST_BATCH,
            learning_rate: 2e-3,
            warm_up: 10,
            weight_decay: 0.0,
            schedule: Schedule::Cosine,
            clip: 5.0,
            patience: 20,
            average: None,
            noise: 0.0,
            error_draws: 16,
            skipped_limit: 50,
            seed: 0,
        }
    }
}

/// What one epoch found, in nats per row in the units of the data set.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Epoch {
    /// The mean training log-likelihood (the negative loss), as the parameters moved.
    pub train: f64,
    /// The validation log-likelihood (the mean score of the objective) at its end.
    #[serde(with = "crate::number")]
    pub validation: f64,
}

/// Where checkpoints go, and how often.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    /// The file.
    pub path: PathBuf,
    /// Seconds between two of them. The first is written after the first epoch.
    pub every: f64,
    /// The caller's own document, given back by [`Checkpoint::read`].
    pub job: serde_json::Value,
}

/// Why a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// All steps were taken.
    Finished,
    /// No better validation within the patience.
    Patience,
    /// The observer asked for it.
    Interrupted,
}

/// What a fit did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FitReport {
    /// Steps taken.
    pub steps: u64,
    /// Validations made, and what they found.
    pub history: Vec<Epoch>,
    /// The best validation log-likelihood and its epoch, from 1; 0 is the start.
    pub best: Option<(f64, u64)>,
    /// Steps skipped because their loss or gradient was not finite.
    pub skipped: u64,
    /// How often the fit went back to its best parameters, for half the learning rate.
    #[serde(default)]
    pub retreats: u32,
    /// Seconds, over all resumptions. They are not saved with a model, so that two equal fits give equal files.
    #[serde(skip)]
    pub seconds: f64,
    /// Why it ended.
    pub stopped: Stopped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_tables_have_small_batches() {
        let batches = [1, 400, 1_000, 1_024, 1_600, 4_000, 8_191, 8_192, 1_000_000].map(|rows| FitConfig::of_rows(rows).batch);
        assert_eq!(batches, [32, 32, 32, 64, 64, 128, 256, 512, 512]);
    }
}
