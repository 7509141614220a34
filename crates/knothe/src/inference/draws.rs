//! Weighted draws: a density as the proposal for a target.

use burn::tensor::Tensor;

use super::{LogWeights, Target};
use crate::{
    bijection::Given,
    density::Density,
    error::{Error, Result},
    hint::Hint,
    placement::values,
    random::{Purpose, stream},
    special::log_add,
};

/// Draws that are made and weighed at a time.
const PART: usize = 2048;

/// The coordinates of a point that a message shows.
const SHOWN: usize = 8;

/// Draws from a proposal with their importance weights for a target.
#[derive(Clone, Debug)]
pub struct WeightedDraws {
    /// The draws, row-major `[n, dim]`.
    pub x: Vec<f64>,
    /// The number of coordinates.
    pub dim: usize,
    /// log π̃(x) − log q(x) of each draw, where q is the density that all draws come from: the proposal, or the defensive mixture.
    pub weights: LogWeights,
    /// The number of draws at which the target is not defined: its log density is NaN. Their weights are 0.
    pub undefined: usize,
}

impl WeightedDraws {
    /// `n` draws from the proposal q.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of coordinates, and the errors of the density and of [`WeightedDraws::weighed`].
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
        let (mut x, mut log_q): (Vec<f64>, Vec<f64>) = (Vec::with_capacity(n * dim), Vec::with_capacity(n));
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
            if share == 0.0 {
                log_q.extend(own);
            } else {
                let other = values(wide.log_prob(draws.clone(), &given)?);
                log_q.extend(own.into_iter().zip(other).map(|(q, w)| log_add(q + (1.0 - share).ln(), w + share.ln())));
            }
            x.extend(values(draws));
        }
        Self::weighed(x, &log_q, target)
    }

    /// Weighs draws x, row-major `[n, dim]`. `log_q` has their log densities under the density that they come from.
    ///
    /// A draw at which the target is not defined has no weight.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one log density per draw, [`Error::Unsupported`] with the name of the target if its density is infinite at a draw or if no draw has a density, and the
    /// errors of the target and of [`LogWeights::new`].
    pub fn weighed(x: Vec<f64>, log_q: &[f64], target: &(impl Target + ?Sized)) -> Result<Self> {
        let (dim, n) = (target.dim(), log_q.len());
        if x.len() != n * dim {
            return Err(Error::shape("draws", format!("{n} rows of {dim} numbers, one row per log density"), x.len()));
        }
        let mut logs: Vec<f64> = Vec::with_capacity(n);
        for part in x.chunks(PART * dim.max(1)) {
            logs.extend(target.log_densities(part)?);
        }
        let refused = |reason: String, hint: Option<Hint>| Error::Unsupported { what: target.name(), reason, hint: hint.map(Box::new) };
        if let Some(at) = logs.iter().position(|log| *log == f64::INFINITY) {
            let point = shown(&x[at * dim..(at + 1) * dim]);
            return Err(refused(format!("expected a log density below infinity, found inf at x = {point}"), None));
        }
        let undefined = logs.iter().filter(|log| log.is_nan()).count();
        if n > 0 && logs.iter().all(|log| !log.is_finite()) {
            let reason = format!("expected a density at some of {n} draws from the proposal, found none; it is NaN at {undefined} of them");
            return Err(refused(reason, target.first_message().map(|text| Hint::Other(format!("the target says: {text}").into()))));
        }
        let weight = |(log, q): (f64, &f64)| if log.is_finite() { log - q } else { f64::NEG_INFINITY };
        let weights = LogWeights::new(logs.into_iter().zip(log_q).map(weight).collect())?;
        Ok(WeightedDraws { x, dim, weights, undefined })
    }

    /// One coordinate of all draws.
    pub fn coordinate(&self, j: usize) -> Vec<f64> {
        self.x.iter().skip(j).step_by(self.dim.max(1)).copied().collect()
    }
}

/// The first coordinates of a point, for a message.
fn shown(x: &[f64]) -> String {
    let first: Vec<String> = x.iter().take(SHOWN).map(|x| format!("{x:?}")).collect();
    format!("({}{})", first.join(", "), if x.len() > SHOWN { ", …" } else { "" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Placement, Precision, source::Normal};

    /// A standard normal law, with another log density beyond a bound.
    struct Odd {
        bound: f64,
        beyond: f64,
    }

    impl Target for Odd {
        fn dim(&self) -> usize {
            1
        }

        fn log_density_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
            gradient[0] = -x[0];
            Ok(if x[0] > self.bound { self.beyond } else { -0.5 * x[0] * x[0] })
        }

        fn name(&self) -> String {
            "odd".into()
        }

        fn first_message(&self) -> Option<String> {
            Some("too far".into())
        }
    }

    fn drawn(bound: f64, beyond: f64) -> Result<WeightedDraws> {
        WeightedDraws::of(&Normal::new(1, &Placement::cpu(Precision::F64)), &Odd { bound, beyond }, 5_000, 1)
    }

    #[test]
    fn draws_at_which_the_target_is_not_defined_have_no_weight() {
        let found = drawn(1.0, f64::NAN).unwrap();
        assert!(found.undefined > 500 && found.undefined == found.x.iter().filter(|x| **x > 1.0).count(), "{}", found.undefined);
        let mut rows = found.x.iter().zip(found.weights.logs());
        assert!(rows.all(|(x, log)| (*x > 1.0) == (*log == f64::NEG_INFINITY)));
        // A density of 0 is a density that is defined.
        let bounded = drawn(1.0, f64::NEG_INFINITY).unwrap();
        assert_eq!((bounded.undefined, bounded.weights), (0, found.weights));
    }

    #[test]
    fn a_target_without_density_or_with_an_infinite_one_is_named() {
        let none = drawn(-10.0, f64::NAN).unwrap_err();
        assert!(none.to_string().starts_with("odd: expected a density at some of 5000 draws"), "{none}");
        assert_eq!(none.hint().unwrap().to_string(), "the target says: too far");
        let infinite = drawn(1.0, f64::INFINITY).unwrap_err();
        assert!(infinite.to_string().starts_with("odd: expected a log density below infinity, found inf at x = ("), "{infinite}");
        assert_eq!(shown(&[0.5, -1e300, 2.0]), "(0.5, -1e300, 2.0)");
        assert!(shown(&[0.0; 9]).ends_with("0.0, …)"));
        let short = WeightedDraws::weighed(vec![0.0; 3], &[0.0; 2], &Odd { bound: 0.0, beyond: 0.0 });
        assert!(matches!(short, Err(Error::Shape { .. })), "{short:?}");
    }
}
