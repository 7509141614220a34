//! True values of rows that were measured with errors, as a density tells them.

use rand::RngExt;

use super::{Dataset, objective::log_shares};
use crate::{
    bijection::{Batch, Replay},
    density::Density,
    error::Result,
    mixture::choose,
    placement::values,
    random::{Purpose, stream},
};

/// Draws of the true values of each row in a score.
pub(crate) const SCORE_DRAWS: usize = 256;
/// The same where a closed form is fitted, in each of its rounds.
const ROUND_DRAWS: usize = 32;
/// The most rounds, and the gain of the mean log-likelihood below which there is no other one.
const ROUNDS: usize = 50;
const LEAST_GAIN: f64 = 1e-5;

/// Draws of the true values of rows, each with the probability that a density gives it: the expectation step of an EM algorithm (Dempster, Laird & Rubin 1977), by importance
/// sampling.
struct Expected<'a, D> {
    data: &'a Dataset,
    density: &'a D,
    /// The sum of the weighted log-likelihoods, found on the way.
    sum: f64,
}

impl<D: Density> Replay for Expected<'_, D> {
    fn each(&mut self, visit: &mut dyn FnMut(&Batch) -> Result<()>) -> Result<()> {
        self.sum = 0.0;
        for batch in self.data.in_order(ROUND_DRAWS, 0) {
            let batch = batch?;
            let Some(draws) = &batch.draws else { continue };
            let mut weights = values(log_shares(self.density, &batch, draws)?);
            for (row, shares) in weights.chunks_mut(draws.number).enumerate() {
                let (sum, log) = normalised(shares);
                let weight = batch.weight(row);
                if weight > 0.0 {
                    self.sum += weight * log;
                }
                // Mean 1 over the draws of a row of weight 1.
                shares.iter_mut().for_each(|share| *share *= weight * draws.number as f64 / sum);
            }
            let context = batch.context.as_ref().map(|t| draws.beside(t));
            visit(&Batch { context, weights: Some(weights), seed: batch.seed, ..Batch::new(draws.x.clone()) })?;
        }
        Ok(())
    }
}

/// Shares from their logarithms, up to a factor; their sum, and the logarithm of the sum of the exponentials. Draws that are all impossible have equal shares.
fn normalised(shares: &mut [f64]) -> (f64, f64) {
    let most = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    shares.iter_mut().for_each(|share| *share = if most > f64::NEG_INFINITY { (*share - most).exp() } else { 1.0 });
    let sum: f64 = shares.iter().sum();
    (sum, if most > f64::NEG_INFINITY { most + sum.ln() } else { most })
}

/// Fits a density in closed form, with `fit`. For rows that were measured with errors, `fit` is the maximisation step of an EM algorithm. For a Gaussian this is extreme
/// deconvolution (Bovy, Hogg & Roweis 2011) with one component.
///
/// # Errors
/// Those of `fit` and of the density.
pub(crate) fn deconvolved<D: Density>(data: &Dataset, fit: impl Fn(&mut dyn Replay) -> Result<D>) -> Result<D> {
    let mut density = fit(&mut { data })?;
    if !data.has_errors() {
        return Ok(density);
    }
    let mut before = f64::NEG_INFINITY;
    for _ in 0..ROUNDS {
        let mut expected = Expected { data, density: &density, sum: 0.0 };
        let next = fit(&mut expected)?;
        let mean = expected.sum / data.rows() as f64;
        density = next;
        if mean - before < LEAST_GAIN {
            break;
        }
        before = mean;
    }
    Ok(density)
}

impl Dataset {
    /// The log-likelihood of each row with `draws` true values of each, without the offset.
    pub(crate) fn log_likelihoods<D: Density>(&self, density: &D, draws: usize, seed: u64) -> Result<Vec<f64>> {
        let mut all = Vec::with_capacity(self.rows());
        for batch in self.in_order(draws, seed) {
            let start = all.len();
            let found = super::log_likelihood(density, &Batch { seed, ..batch? });
            all.extend(values(found.map_err(|e| e.renumbered(|row| start + row))?));
        }
        Ok(all)
    }

    /// One draw of the true values of each row, given what was measured and a density of true values: row-major `[rows, dim]`. If the density is right, the draws
    /// follow it. Each is resampled from `draws` proposals by their probabilities (Rubin 1988), so more proposals make it more exact.
    pub(crate) fn true_values<D: Density>(&self, density: &D, draws: usize, seed: u64) -> Result<Vec<f64>> {
        let (dim, mut all) = (self.dim(), Vec::with_capacity(self.rows() * self.dim()));
        let mut rng = stream(seed, Purpose::Errors, u64::MAX);
        for batch in self.in_order(draws, seed) {
            let batch = Batch { seed, ..batch? };
            let Some(draws) = &batch.draws else {
                all.extend(values(batch.x));
                continue;
            };
            let start = all.len() / dim.max(1);
            let mut shares = values(log_shares(density, &batch, draws).map_err(|e| e.renumbered(|row| start + row))?);
            let x = values(draws.x.clone());
            for (row, shares) in shares.chunks_mut(draws.number).enumerate() {
                normalised(shares);
                let picked = row * draws.number + choose(shares, rng.random());
                all.extend_from_slice(&x[picked * dim..(picked + 1) * dim]);
            }
        }
        Ok(all)
    }
}
