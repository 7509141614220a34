//! Batches: where the rows of a fit come from.

use std::ops::Range;

use rand_chacha::ChaCha12Rng;

use super::{MaxLikelihood, Objective};
use crate::{
    bijection::{Batch, Replay},
    density::Density,
    error::{Error, Result},
    placement::{Placement, values},
    random::{Purpose, stream},
};

/// Rows that the default [`Batches::pass`] reads of a stream without an end.
const STREAM_ROWS: u64 = 1 << 14;
/// Steps between two validations on a stream without an end.
const STREAM_STEPS: u64 = 100;
/// The most rows that are evaluated at once. Wide rows, such as images, are evaluated fewer at a time.
pub(crate) const EVALUATION_ROWS: usize = 2048;
/// Draws of the true values of each row in an evaluation of validation rows that were measured with errors.
pub(super) const VALIDATION_DRAWS: usize = 64;
/// The first step of a pass. No fit takes so many steps, so the random numbers of a pass are not those of a fit.
const PASS: u64 = 1 << 55;

/// The batch that a step of a fit asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The seed of the fit.
    pub seed: u64,
    /// The steps before this one, over all epochs.
    pub step: u64,
    /// The positions of the rows in the order of the epoch, counted from 0.
    pub rows: Range<u64>,
    /// The standard deviation of the normal noise to add to the rows, as [`super::FitConfig::noise`] sets it.
    pub noise: f64,
    /// How many true values to draw of each row that was measured with errors, as [`super::FitConfig::error_draws`] sets it.
    pub draws: usize,
}

impl Step {
    /// A generator for what is random in this batch. It depends on the seed of the fit and on the step alone.
    pub fn rng(&self) -> ChaCha12Rng {
        stream(self.seed, Purpose::Noise, self.step)
    }

    /// The number of rows asked for.
    pub fn len(&self) -> usize {
        (self.rows.end - self.rows.start) as usize
    }

    /// Whether no rows are asked for.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The batches of one epoch: a function of the step.
///
/// A fit calls it for one step after another, beginning anywhere in the epoch. What it holds is a cache only, such as a shuffled order or an
/// open file: equal steps get equal batches.
pub type EpochBatches<'a> = Box<dyn FnMut(&Step) -> Result<Batch> + Send + 'a>;

/// Where the rows of a fit come from: rows in memory ([`super::Dataset`]), a file larger than memory, a simulator, draws of a model.
///
/// A simulator implements the three methods without a default. Every method is a function of its arguments, so that an interrupted fit
/// resumes to the same bytes. A data-dependent start reads `&batches` as a [`Replay`].
///
/// The example `own_batches.rs` learns a posterior from a simulator that draws fresh rows at every step:
///
/// ```no_run
#[doc = include_str!("../../examples/own_batches.rs")]
/// ```
pub trait Batches: Sync {
    /// The number of columns.
    fn dim(&self) -> usize;

    /// The number of context columns.
    fn context_dim(&self) -> usize {
        0
    }

    /// The device and the precision of the batches.
    fn placement(&self) -> &Placement;

    /// The number of rows of an epoch. `None` is a stream without an end, of which 100 steps count as an epoch.
    fn epoch_rows(&self) -> Option<u64> {
        None
    }

    /// The batches of an epoch, counted from 0, of a fit with this seed.
    ///
    /// Give each batch a seed of its own ([`Batch::seed`], for example from [`Step::rng`]) if the density or the objective draws random
    /// numbers.
    ///
    /// # Errors
    /// Those of the place that the rows come from.
    fn epoch(&self, seed: u64, epoch: u64) -> Result<EpochBatches<'_>>;

    /// Visits the rows in an order that is always the same: the evaluation of validation rows. `seed` seeds noise, such as that of
    /// dequantisation.
    ///
    /// By default these are the rows of one epoch, or 16,384 rows of a stream without an end, which no step of a fit has seen.
    ///
    /// # Errors
    /// Those of `visit`, and those of the place that the rows come from.
    fn pass(&self, seed: u64, visit: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        let mut batches = self.epoch(seed, u64::MAX)?;
        let (end, size) = (self.epoch_rows().unwrap_or(STREAM_ROWS), evaluation_rows(self.dim()) as u64);
        (0..end.div_ceil(size)).try_for_each(|k| {
            let rows = k * size..end.min((k + 1) * size);
            visit(batches(&Step { seed, step: PASS + k, rows, noise: 0.0, draws: VALIDATION_DRAWS })?)
        })
    }

    /// Visits the training rows that data-dependent starts and statistics are made from, the same rows at every call. They have to fit into
    /// memory. By default they are those of [`Batches::pass`]; return a sample of a file that is larger than memory.
    ///
    /// # Errors
    /// Those of `visit`, and those of the place that the rows come from.
    fn sample(&self, visit: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        self.pass(0, visit)
    }

    /// What is added to a mean log-likelihood to carry it to the units of the data, such as the mean log-determinant of a standardisation.
    fn offset(&self) -> f64 {
        0.0
    }
}

impl<B: Batches + ?Sized> Replay for &B {
    fn each(&mut self, visit: &mut dyn FnMut(&Batch) -> Result<()>) -> Result<()> {
        self.sample(&mut |batch| visit(&batch))
    }
}

/// How many rows of `dim` columns are evaluated at once, since activations are many times as wide as the rows.
pub(super) fn evaluation_rows(dim: usize) -> usize {
    ((1 << 18) / dim.max(1)).clamp(16, EVALUATION_ROWS)
}

/// The log-likelihoods of rows ([`super::log_likelihood`]), in the order of [`Batches::pass`] and without [`Batches::offset`]. Every evaluation is
/// seeded by `seed`.
///
/// # Errors
/// Those of the density and of the batches.
pub fn evaluate<D: Density>(density: &D, data: &(impl Batches + ?Sized), seed: u64) -> Result<Vec<f64>> {
    score_rows(&MaxLikelihood, density, data, seed)
}

/// The scores of rows by an objective, in the order of [`Batches::pass`].
pub(super) fn score_rows<D: Density>(
    objective: &impl Objective<D>,
    density: &D,
    data: &(impl Batches + ?Sized),
    seed: u64,
) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    data.pass(seed, &mut |batch| {
        batch.check(density.dim(), density.context_dim())?;
        let start = all.len();
        let scores = objective.scores(density, &Batch { seed, ..batch });
        all.extend(values(scores.map_err(|e| e.renumbered(|row| start + row))?));
        Ok(())
    })?;
    Ok(all)
}

/// The weighted mean of the scores of rows, plus the offset.
pub(super) fn mean_score<D: Density>(objective: &impl Objective<D>, density: &D, data: &(impl Batches + ?Sized), seed: u64) -> Result<f64> {
    let (mut sum, mut rows) = (0.0, 0);
    data.pass(seed, &mut |batch| {
        batch.check(density.dim(), density.context_dim())?;
        let batch = Batch { seed, ..batch };
        let scores = values(objective.scores(density, &batch)?);
        rows += batch.x.dims()[0];
        // A row of weight 0 has no say, even where its score is not finite.
        let weighted = scores.iter().enumerate().map(|(row, score)| (batch.weight(row), score)).filter(|(weight, _)| *weight > 0.0);
        weighted.for_each(|(weight, score)| sum += weight * score);
        Ok(())
    })?;
    Ok(sum / rows as f64 + data.offset())
}

/// The steps of an epoch, in batches of a size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    size: u64,
    rows: Option<u64>,
    /// Steps of an epoch.
    pub steps: u64,
}

impl Plan {
    /// The plan for batches of `size` rows, of a set that must not be empty.
    pub fn new(data: &(impl Batches + ?Sized), size: usize) -> Result<Self> {
        let (size, rows) = (size.max(1) as u64, data.epoch_rows());
        let Some(rows) = rows else { return Ok(Plan { size, rows, steps: STREAM_STEPS }) };
        if rows == 0 {
            return Err(Error::shape("training rows", "at least one row", rows));
        }
        let size = size.min(rows);
        // A last row alone joins the batch before it: a batch of one has no variance for batch norm to divide by.
        let alone = rows % size == 1 && rows > size;
        Ok(Plan { size, rows: Some(rows), steps: rows.div_ceil(size) - u64::from(alone) })
    }

    /// The positions of the rows of a step of the epoch.
    pub fn rows(&self, at: u64) -> Range<u64> {
        let end = if at + 1 == self.steps { self.rows } else { None };
        at * self.size..end.unwrap_or((at + 1) * self.size)
    }
}
