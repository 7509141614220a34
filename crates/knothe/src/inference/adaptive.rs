//! Adaptive importance sampling: a proposal that is fitted to its own weighted draws.

use burn::module::Module;

use super::{Estimate, LogWeights, Reliability, Smoothed, Target, WeightedDraws};
use crate::{
    bijection::Given,
    density::Density,
    error::{Error, Result},
    fit::{Dataset, Fit},
    placement::Placement,
    random::{Purpose, stream},
};

/// The share of the draws of a round that validate its fit.
const VALIDATION: f64 = 0.2;

/// The settings of adaptive importance sampling.
///
/// Each round draws from the proposal and weighs the draws. If k̂ is good, the rounds end. Otherwise the proposal is fitted to the draws by weighted maximum likelihood, which minimises
/// KL(π ‖ q) (Cappé, Douc, Guillin, Marin and Robert 2008, *Adaptive importance sampling in general mixture classes*). Where few draws carry most of the weight, all weights are raised to a
/// power below 1 first, so that the effective sample size does not fall below a share of the draws. So the proposal reaches a target that is far away step by step.
///
/// ```
/// use knothe::{Placement, Precision, families::Gaussian, inference::{AdaptiveProposal, Reliability, TensorTarget}, burn::tensor::Tensor};
/// // N(3, 0.5²), six standard deviations from where the proposal starts.
/// let target = TensorTarget::new(1, |x: Tensor<2>| Ok(((x - 3.0).square() * -2.0).squeeze_dim(1)));
/// let start = Gaussian::new(1).flow(&Placement::cpu(Precision::F64))?;
/// let found = AdaptiveProposal::default().run(&target, start)?;
/// assert_eq!(found.smoothed.reliability(), Reliability::Good);
/// // Z = ½ √(2π).
/// let evidence = found.draws.weights.log_evidence();
/// assert!((evidence.value - (0.5 * std::f64::consts::TAU.sqrt()).ln()).abs() < 4.0 * evidence.standard_error + 1e-9);
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveProposal {
    /// The maximum number of rounds.
    pub rounds: usize,
    /// Draws of a round.
    pub draws: usize,
    /// The minimum effective sample size that a fit sees, as a share of the draws.
    pub least: f64,
    /// The maximum number of epochs of a fit. It ends early when its validation no longer improves.
    pub epochs: u64,
    /// Seeds draws and fits.
    pub seed: u64,
}

impl Default for AdaptiveProposal {
    /// 30 rounds of 4,000 draws, a tenth of which is the minimum effective sample size, and 50 epochs.
    fn default() -> Self {
        AdaptiveProposal { rounds: 30, draws: 4000, least: 0.1, epochs: 50, seed: 0 }
    }
}

/// A round of adaptive importance sampling.
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveRound {
    /// k̂ of the weights of the proposal.
    pub shape: f64,
    /// Their effective sample size.
    pub effective: f64,
    /// The estimate of log Z.
    pub log_evidence: Estimate,
    /// The power to which the weights of the fit are raised; none if no fit follows.
    pub power: Option<f64>,
}

/// A proposal and how it was found.
#[derive(Clone, Debug)]
pub struct Adapted<D> {
    /// The proposal of the last round.
    pub proposal: D,
    /// The draws of the last round. No fit has seen them.
    pub draws: WeightedDraws,
    /// Their smoothed weights, with k̂.
    pub smoothed: Smoothed,
    /// All rounds.
    pub rounds: Vec<AdaptiveRound>,
}

impl AdaptiveProposal {
    /// Adapts a density to a target.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a setting of 0, and the errors of the target, of [`WeightedDraws::of`] and of [`Fit::run`].
    pub fn run<D: Density + Module>(&self, target: &(impl Target + ?Sized), proposal: D) -> Result<Adapted<D>> {
        self.observed(target, proposal, &mut |_| {})
    }

    /// The same. `observe` sees each round.
    ///
    /// # Errors
    /// Those of [`AdaptiveProposal::run`].
    pub fn observed<D: Density + Module>(
        &self,
        target: &(impl Target + ?Sized),
        mut proposal: D,
        observe: &mut dyn FnMut(&AdaptiveRound),
    ) -> Result<Adapted<D>> {
        Error::check_count("rounds", self.rounds)?;
        Error::check_count("draws", self.draws)?;
        if !(self.least > 0.0 && self.least <= 1.0) {
            return Err(Error::invalid("least effective share", "a number above 0 and up to 1", self.least));
        }
        let place = Placement::of(&proposal.sample(1, &Given::default(), &mut stream(self.seed, Purpose::Sample, 0))?);
        let mut rounds = Vec::new();
        loop {
            let seed = self.seed.wrapping_add(rounds.len() as u64);
            let draws = WeightedDraws::of(&proposal, target, self.draws, seed)?;
            let smoothed = Smoothed::of(&draws.weights);
            let ends = smoothed.reliability() == Reliability::Good || rounds.len() + 1 == self.rounds;
            let power = (!ends).then(|| power(&smoothed.weights, self.least * self.draws as f64));
            let round = AdaptiveRound {
                shape: smoothed.shape,
                effective: draws.weights.effective_sample_size(),
                log_evidence: draws.weights.log_evidence(),
                power,
            };
            observe(&round);
            rounds.push(round);
            let Some(power) = power else { return Ok(Adapted { proposal, draws, smoothed, rounds }) };
            proposal = self.fitted(proposal, &draws, &raised(&smoothed.weights, power), seed, &place)?;
        }
    }

    /// The proposal after a fit to weighted draws.
    fn fitted<D: Density + Module>(
        &self,
        proposal: D,
        draws: &WeightedDraws,
        weights: &LogWeights,
        seed: u64,
        place: &Placement,
    ) -> Result<D> {
        let (dim, weights) = (draws.dim, weights.normalised());
        let train = (weights.len() as f64 * (1.0 - VALIDATION)).ceil() as usize;
        let set = |x: &[f64], weights: &[f64]| Dataset::new(x.to_vec(), dim, place)?.with_weights(weights.to_vec());
        let (first, rest) = draws.x.split_at(train * dim);
        let [fitted, judged] = [set(first, &weights[..train])?, set(rest, &weights[train..])?];
        let fit = Fit::new().epochs(self.epochs).batch(256).learning_rate(3e-3).patience(5).seed(seed).as_it_is(true);
        Ok(fit.run(proposal, &fitted, &judged)?.0)
    }
}

/// Weights raised to a power.
fn raised(weights: &LogWeights, power: f64) -> LogWeights {
    // A weight of 0 stays 0, also at the power 0.
    LogWeights::trusted(weights.logs().iter().map(|log| if log.is_finite() { power * log } else { *log }).collect())
}

/// The largest power up to 1 that leaves an effective sample size of `least`, by bisection.
fn power(weights: &LogWeights, least: f64) -> f64 {
    let leaves = |power: f64| raised(weights, power).effective_sample_size() >= least;
    if leaves(1.0) {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if leaves(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_power_leaves_the_effective_sample_size() {
        // Weights 1 and w: (1 + w)²/(1 + w²) = 1.6 at w = ⅓, so 9^(−p) = ⅓ at p = ½.
        let weights = LogWeights::new(vec![0.0, -(9f64.ln())]).unwrap();
        assert!((power(&weights, 1.6) - 0.5).abs() < 1e-12);
        assert_eq!(power(&weights, 1.0), 1.0);
        // No power makes a draw without weight count.
        let half = LogWeights::new(vec![0.0, f64::NEG_INFINITY]).unwrap();
        assert_eq!(raised(&half, power(&half, 1.5)).logs(), [0.0, f64::NEG_INFINITY]);
    }
}
