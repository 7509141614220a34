//! Weighted draws: a density as the proposal for a target.

use burn::tensor::Tensor;

use super::{LogWeights, Target};
use crate::{
    bijection::Given,
    density::Density,
    error::{Error, Result},
    placement::values,
    random::{Purpose, stream},
    special::log_add,
};

/// Draws that are made and weighed at a time.
const PART: usize = 2048;

/// Draws from a proposal with their importance weights for a target.
#[derive(Clone, Debug)]
pub struct WeightedDraws {
    /// The draws, row-major `[n, dim]`.
    pub x: Vec<f64>,
    /// The number of coordinates.
    pub dim: usize,
    /// log π̃(x) − log q(x) of each draw, where q is the density that all draws come from: the proposal, or the defensive mixture.
    pub weights: LogWeights,
}

impl WeightedDraws {
    /// `n` draws from the proposal q.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of coordinates, and the errors of the density, the target and [`LogWeights::new`].
    pub fn of<D: Density>(q: &D, target: &(impl Target + ?Sized), n: usize, seed: u64) -> Result<Self> {
        Self::defended(q, (q, 0.0), target, n, seed)
    }

    /// `n` draws from the defensive mixture (1 − α) q + α w, where q is the proposal and w is a wide density. `wide` is the pair (w, α). The share α of the draws comes from w (Owen and
    /// Zhou 2000, *Safe and effective importance sampling*). The weights are then at most π̃/(α w), so a w with heavy tails bounds them where q is too narrow.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an α that is not from 0 to 1, and those of [`WeightedDraws::of`].
    pub fn defended<D: Density, W: Density>(q: &D, wide: (&W, f64), target: &(impl Target + ?Sized), n: usize, seed: u64) -> Result<Self> {
        let ((wide, share), dim) = (wide, target.dim());
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::invalid("share of the wide density", "a number from 0 to 1", share));
        }
        if q.dim() != dim || wide.dim() != dim {
            return Err(Error::shape("proposal", format!("{dim} coordinates, as the target has"), [q.dim(), wide.dim()]));
        }
        let given = Given::default();
        let (mut x, mut logs) = (Vec::with_capacity(n * dim), Vec::with_capacity(n));
        for (part, start) in (0..n).step_by(PART).enumerate() {
            let mut rng = stream(seed, Purpose::Sample, part as u64);
            let rows = PART.min(n - start);
            // Each density gives its share of the draws up to here, to the nearest draw.
            let up_to = |k: usize| (share * k as f64).round() as usize;
            let from_wide = up_to(start + rows) - up_to(start);
            let mut drawn: Vec<Tensor<2>> = Vec::new();
            if from_wide > 0 {
                drawn.push(wide.sample(from_wide, &given, &mut rng)?);
            }
            if from_wide < rows {
                drawn.push(q.sample(rows - from_wide, &given, &mut rng)?);
            }
            if let [of_wide, of_q] = &drawn[..]
                && (of_wide.dtype() != of_q.dtype() || of_wide.device() != of_q.device())
            {
                let of = |t: &Tensor<2>| format!("numbers of type {:?} on {:?}", t.dtype(), t.device());
                return Err(Error::shape("wide density", of(of_q), of(of_wide)));
            }
            let draws = Tensor::cat(drawn, 0);
            let own = values(q.log_prob(draws.clone(), &given)?);
            let log_q: Vec<f64> = if share == 0.0 {
                own
            } else {
                let other = values(wide.log_prob(draws.clone(), &given)?);
                own.into_iter().zip(other).map(|(q, w)| log_add(q + (1.0 - share).ln(), w + share.ln())).collect()
            };
            let numbers = values(draws);
            let log_target = target.log_densities(&numbers)?;
            logs.extend(log_target.into_iter().zip(log_q).map(|(target, q)| target - q));
            x.extend(numbers);
        }
        Ok(WeightedDraws { x, dim, weights: LogWeights::new(logs)? })
    }

    /// One coordinate of all draws.
    pub fn coordinate(&self, j: usize) -> Vec<f64> {
        self.x.iter().skip(j).step_by(self.dim.max(1)).copied().collect()
    }
}
