//! Fits of maps to a target: the objectives, the batches, and the diagnostic.

use burn::{module::Module, tensor::Tensor};
use rand::Rng;

use super::{Estimate, LogWeights, Target, target::log_density_of};
use crate::{
    bijection::{Batch, Bijection},
    density::Density,
    error::{Error, Result},
    fit::{Batches, EpochBatches, Objective},
    flow::Flow,
    placement::Placement,
    random::{Purpose, stream},
};

/// Minimises KL(q ‖ π) = E_q[log q − log π̃] + log Z over flows q, with the draws of each batch (El Moselhy and Marzouk 2012, *Bayesian inference with optimal maps*).
///
/// The scores are log π̃(x) − log q(x) at draws x from q. Their mean is a lower bound on log Z, so a fit keeps the flow with the highest bound. Batches come from
/// [`SourceDraws`].
pub struct ReverseKl<'a, T: ?Sized>(pub &'a T);

/// Minimises the variance diagnostic ½ Var_q[log π̃ − log q] over flows q. It is 0 exactly if q is the target, for any draws, so fixed draws lead to the exact map where the family has
/// it. Where no flow of the family is the target, a flow onto a small part of it has a small variance as well. So start from a fit by [`ReverseKl`], and keep the result only if it
/// raises the lower bound on log Z.
pub struct LogRatioVariance<'a, T: ?Sized>(pub &'a T);

/// log π̃(x) − log q(x) of draws x from a flow, as many as the batch has rows. Their random numbers come from the batch's seed.
fn log_ratios<S, B, T>(target: &T, flow: &Flow<S, B>, batch: &Batch) -> Result<Tensor<1>>
where
    S: Density + Module,
    B: Bijection + Module,
    T: Target + ?Sized,
{
    if flow.dim() != target.dim() {
        return Err(Error::shape("target", format!("{} coordinates, as the density has", flow.dim()), target.dim()));
    }
    let (x, log_q) = flow.sample_and_log_prob(batch.x.dims()[0], &batch.given(), &mut batch.rng())?;
    Ok(log_density_of(target, x)? - log_q)
}

impl<S: Density + Module, B: Bijection + Module, T: Target + ?Sized> Objective<Flow<S, B>> for ReverseKl<'_, T> {
    fn loss(&self, flow: &Flow<S, B>, batch: &Batch) -> Result<Tensor<1>> {
        Ok(log_ratios(self.0, flow, batch)?.mean().neg())
    }

    fn scores(&self, flow: &Flow<S, B>, batch: &Batch) -> Result<Tensor<1>> {
        log_ratios(self.0, flow, batch)
    }
}

impl<S: Density + Module, B: Bijection + Module, T: Target + ?Sized> Objective<Flow<S, B>> for LogRatioVariance<'_, T> {
    fn loss(&self, flow: &Flow<S, B>, batch: &Batch) -> Result<Tensor<1>> {
        Ok(self.scores(flow, batch)?.mean().neg())
    }

    fn scores(&self, flow: &Flow<S, B>, batch: &Batch) -> Result<Tensor<1>> {
        Ok(spread(log_ratios(self.0, flow, batch)?).neg())
    }
}

/// Half the squared deviations of numbers from their mean, scaled so that their mean is half the unbiased estimate of the variance.
pub(super) fn spread(ratios: Tensor<1>) -> Tensor<1> {
    let [n] = ratios.dims();
    let mean = ratios.clone().mean();
    (ratios - mean).square() * (0.5 * n as f64 / n.saturating_sub(1).max(1) as f64)
}

/// Batches for fits to a target. They hold no data. A batch has one row of zeros per draw, and the seed of the draws.
///
/// Every step has new draws. With [`SourceDraws::fixed`] all steps have the same ones, so that the loss is a function of the parameters alone. A validation has 1,024 draws, or
/// as many as are fixed, from the seed of the fit.
#[derive(Clone, Debug)]
pub struct SourceDraws {
    dim: usize,
    place: Placement,
    fixed: Option<(usize, u64)>,
}

/// Draws of a validation.
const VALIDATION: usize = 1024;

impl SourceDraws {
    /// For densities of `dim` coordinates.
    pub fn new(dim: usize, place: &Placement) -> Self {
        SourceDraws { dim, place: place.clone(), fixed: None }
    }

    /// The same `rows` draws in every step, from a seed. The size of the fit's batches has no effect.
    pub fn fixed(self, rows: usize, seed: u64) -> Self {
        SourceDraws { fixed: Some((rows, seed)), ..self }
    }

    fn batch(&self, rows: usize, seed: u64) -> Batch {
        let (rows, seed) = self.fixed.unwrap_or((rows, seed));
        Batch { seed, ..Batch::new(self.place.zeros([rows, self.dim])) }
    }
}

impl Batches for SourceDraws {
    fn dim(&self) -> usize {
        self.dim
    }

    fn placement(&self) -> &Placement {
        &self.place
    }

    fn epoch(&self, _seed: u64, _epoch: u64) -> Result<EpochBatches<'_>> {
        Ok(Box::new(|step| Ok(self.batch(step.len(), step.rng().next_u64()))))
    }

    /// One batch: the draws of a batch come from its seed, which a validation sets.
    fn pass(&self, seed: u64, visit: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        visit(self.batch(VALIDATION, seed))
    }

    /// Starts that read data see draws from a standard normal distribution.
    fn sample(&self, visit: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        visit(Batch::new(self.place.normal([VALIDATION, self.dim], &mut stream(0, Purpose::Start, 0))))
    }
}

/// How far a density q is from a target, from log-ratios log π̃(x) − log q(x) at draws x from q. For draws from a [defensive mixture](super::WeightedDraws::defended), q is the mixture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapDiagnostic {
    /// ½ Var[log π̃ − log q], which equals KL(q ‖ π) to second order, and is 0 only if q is the target.
    pub variance: f64,
    /// The mean of the log-ratios, a lower bound on log Z in expectation.
    pub bound: Estimate,
    /// log Z by importance sampling with q as the proposal.
    pub log_evidence: Estimate,
}

impl MapDiagnostic {
    /// The diagnostic of importance weights whose proposal is the density.
    pub fn of(weights: &LogWeights) -> Self {
        let (logs, n) = (weights.logs(), weights.logs().len() as f64);
        // Where the target has no density, the density should have none either.
        if logs.contains(&f64::NEG_INFINITY) {
            let bound = Estimate { value: f64::NEG_INFINITY, standard_error: f64::INFINITY };
            return MapDiagnostic { variance: f64::INFINITY, bound, log_evidence: weights.log_evidence() };
        }
        let mean = logs.iter().sum::<f64>() / n;
        let sum = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>();
        // One draw says nothing about the spread.
        let variance = if n > 1.0 { sum / (n - 1.0) } else { f64::INFINITY };
        MapDiagnostic {
            variance: 0.5 * variance,
            bound: Estimate { value: mean, standard_error: (variance / n).sqrt() },
            log_evidence: weights.log_evidence(),
        }
    }
}
