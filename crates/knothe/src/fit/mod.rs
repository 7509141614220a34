//! The fit: maximum likelihood by stochastic gradients, with early stopping, checkpoints and exact resumption.

mod adam;
mod average;
mod checkpoint;
mod dataset;
pub mod objective;
mod run;
mod schedule;

pub use crate::bijection::Batch;
pub use adam::Adam;
pub use checkpoint::Checkpoint;
pub use dataset::Dataset;
pub use run::{evaluate, fit};
pub use schedule::Schedule;

pub(crate) use dataset::EVALUATION_ROWS;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How to fit.
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
    /// Skipped steps in a row after which the fit goes back to its best parameters and on with half the learning rate; where there are none, the
    /// steps are all since the start or since it last went back, or it did so 5 times, it gives up with [`crate::Error::Diverged`].
    pub skipped_limit: u64,
    /// Seeds shuffling and noise.
    pub seed: u64,
}

impl Default for FitConfig {
    fn default() -> Self {
        FitConfig {
            epochs: 100,
            steps: None,
            batch: 512,
            learning_rate: 2e-3,
            weight_decay: 0.0,
            schedule: Schedule::Cosine,
            clip: 5.0,
            patience: 20,
            average: None,
            noise: 0.0,
            skipped_limit: 50,
            seed: 0,
        }
    }
}

/// One pass over the training set, in nats a row in the units of the data set.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Epoch {
    /// The mean training log-likelihood, as the parameters moved.
    pub train: f64,
    /// The validation log-likelihood at its end.
    #[serde(with = "crate::number")]
    pub validation: f64,
}

/// What an [`Observer`] is told after every step.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Passes over the training set begun.
    pub epoch: u64,
    /// The mean training log-likelihood of this epoch so far.
    pub train: f64,
    /// The latest validation log-likelihood.
    pub validation: Option<f64>,
    /// The best validation log-likelihood.
    pub best: Option<f64>,
    /// Steps skipped because their loss or gradient was not finite.
    pub skipped: u64,
}

/// Watches a fit, and may stop it.
pub trait Observer {
    /// Called after every step; `false` stops the fit, with a checkpoint where there is a path for one.
    fn step(&mut self, progress: &Progress) -> bool;

    /// Called before the fit of each member of an ensemble of `members`, `index` from 0.
    fn member(&mut self, _index: usize, _members: usize) {}

    /// Called when something failed that the fit can do without, such as writing one checkpoint of many.
    fn warn(&mut self, _problem: &crate::Error) {}
}

impl Observer for () {
    fn step(&mut self, _: &Progress) -> bool {
        true
    }
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
    /// The best validation log-likelihood and its epoch, from 1.
    pub best: Option<(f64, u64)>,
    /// Steps skipped because their loss or gradient was not finite.
    pub skipped: u64,
    /// How often the fit went back to its best parameters, for half the learning rate.
    #[serde(default)]
    pub retreats: u32,
    /// Seconds, over all resumptions.
    pub seconds: f64,
    /// Why it ended.
    pub stopped: Stopped,
}
