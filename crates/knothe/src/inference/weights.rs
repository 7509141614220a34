//! Importance weights, and estimates from weighted draws.

use rand::{Rng, RngExt};

use crate::error::{Error, Result};

/// An estimate and its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its Monte-Carlo standard error.
    pub standard_error: f64,
}

/// The logarithms of importance weights, log w_s = log π̃(x_s) − log q(x_s) for draws x_s from q. π̃ need not be normalised, and a weight may be 0.
///
/// ```
/// use knothe::inference::LogWeights;
/// // π̃(x) = x on [0, 1] with draws at (i + ½)/100 from the uniform distribution: Z = ½, and the mean of x under π is ⅔.
/// let x: Vec<f64> = (0..100).map(|i| (f64::from(i) + 0.5) / 100.0).collect();
/// let weights = LogWeights::new(x.iter().map(|x| x.ln()).collect())?;
/// assert!((weights.log_evidence().value - 0.5f64.ln()).abs() < 1e-12);
/// assert!((weights.expectation(&x)?.value - 2.0 / 3.0).abs() < 1e-4);
/// assert!((weights.effective_sample_size() - 75.0).abs() < 0.1);
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LogWeights(Vec<f64>);

impl LogWeights {
    /// Takes the log-weight of each draw.
    ///
    /// # Errors
    /// [`Error::Shape`] for no weights, [`Error::NotFinite`] for NaN or +∞, and [`Error::Invalid`] if all weights are 0.
    pub fn new(logs: Vec<f64>) -> Result<Self> {
        if logs.is_empty() {
            return Err(Error::shape("weights", "at least one", 0));
        }
        let wrong: Vec<usize> = (0..logs.len()).filter(|&s| logs[s].is_nan() || logs[s] == f64::INFINITY).collect();
        if !wrong.is_empty() {
            return Err(Error::NotFinite { what: "a log-weight".into(), rows: wrong });
        }
        if logs.iter().all(|l| *l == f64::NEG_INFINITY) {
            return Err(Error::invalid("weights", "a draw that the target allows", "weights that are all 0"));
        }
        Ok(LogWeights(logs))
    }

    /// Takes log-weights that are known to be valid.
    pub(super) fn trusted(logs: Vec<f64>) -> Self {
        LogWeights(logs)
    }

    /// log w of each draw.
    pub fn logs(&self) -> &[f64] {
        &self.0
    }

    fn largest(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// w_s/Σ w.
    pub fn normalised(&self) -> Vec<f64> {
        let largest = self.largest();
        let weights: Vec<f64> = self.0.iter().map(|l| (l - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        weights.into_iter().map(|w| w / total).collect()
    }

    /// (Σ w)²/Σ w² (Kong 1992), from 1 to the number of draws. It is too large where draws miss a part of the target, so look at k̂ as well
    /// ([`Smoothed`](super::Smoothed)).
    pub fn effective_sample_size(&self) -> f64 {
        1.0 / self.normalised().iter().map(|w| w * w).sum::<f64>()
    }

    /// log Ẑ with Ẑ = (1/S) Σ w, the estimate of the evidence Z = ∫ π̃. Ẑ is unbiased. The standard error of log Ẑ is √(1/ESS − 1/S) to first order.
    pub fn log_evidence(&self) -> Estimate {
        let (largest, draws) = (self.largest(), self.0.len() as f64);
        let total: f64 = self.0.iter().map(|l| (l - largest).exp()).sum();
        let variance = (1.0 / self.effective_sample_size() - 1.0 / draws).max(0.0);
        // One draw says nothing about its error.
        let standard_error = if draws > 1.0 { (variance * draws / (draws - 1.0)).sqrt() } else { f64::INFINITY };
        Estimate { value: largest + (total / draws).ln(), standard_error }
    }

    /// E_π f ≈ Σ w_s f(x_s)/Σ w, from the values of f at the draws. The error is √(Σ w̄² (f − f̂)²) with normalised weights w̄ (Owen 2013, *Monte Carlo theory, methods and examples*,
    /// eq. 9.9).
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one value per draw.
    pub fn expectation(&self, values: &[f64]) -> Result<Estimate> {
        if values.len() != self.0.len() {
            return Err(Error::shape("values", format!("{}, one per draw", self.0.len()), values.len()));
        }
        let weights = self.normalised();
        // A draw without weight does not count, whatever its value.
        let counted = || weights.iter().zip(values).filter(|(w, _)| **w > 0.0);
        let value: f64 = counted().map(|(w, f)| w * f).sum();
        // One draw says nothing about its error.
        let alone = counted().count() < 2;
        let standard_error = if alone { f64::INFINITY } else { counted().map(|(w, f)| (w * (f - value)).powi(2)).sum::<f64>().sqrt() };
        Ok(Estimate { value, standard_error })
    }

    /// Independence Metropolis: a Markov chain through the draws in their order, with the target as its distribution in the limit (Tierney 1994). A draw with the weight w′ follows one with the weight w
    /// with the probability min(1, w′/w); otherwise the chain stays. Returns the position of each state, and the share of the draws that were accepted.
    ///
    /// Draws without weight are never accepted. The first with a weight is the start, and stands for those before it.
    pub fn metropolis(&self, rng: &mut impl Rng) -> (Vec<usize>, f64) {
        let mut at = self.0.iter().position(|log| log.is_finite()).unwrap_or(0);
        let (start, mut accepted) = (at, 0);
        let states = (0..self.0.len()).map(|next| {
            if next > start && rng.random::<f64>() < (self.0[next] - self.0[at]).exp() {
                at = next;
                accepted += 1;
            }
            at
        });
        let states = states.collect();
        (states, accepted as f64 / (self.0.len() - start).saturating_sub(1).max(1) as f64)
    }

    /// The positions of `n` draws with replacement, with probabilities w̄. The draws are systematic: each position comes ⌊n w̄⌋ or ⌈n w̄⌉ times (Kitagawa 1996).
    pub fn resample(&self, n: usize, rng: &mut impl Rng) -> Vec<usize> {
        let weights = self.normalised();
        let offset: f64 = rng.random();
        let last = weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
        let (mut at, mut up_to) = (0, weights[0]);
        let place = |k: usize| (k as f64 + offset) / n as f64;
        (0..n)
            .map(|k| {
                while place(k) >= up_to && at < last {
                    at += 1;
                    up_to += weights[at];
                }
                at
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    #[test]
    fn two_standard_errors_cover_evidence_and_mean() {
        // π̃ = 3 N(0.3, 1), q = N(0, 1.3²). Of 400 intervals of two standard errors 95.4 % cover; 3 √(0.954 · 0.046/400) is 3.1 %.
        let mut rng = ChaCha12Rng::seed_from_u64(4);
        let (mut of_evidence, mut of_mean) = (0, 0);
        for _ in 0..400 {
            let x: Vec<f64> = (0..500).map(|_| 1.3 * Distribution::<f64>::sample(&StandardNormal, &mut rng)).collect();
            let log = |x: f64| 3f64.ln() - (x - 0.3).powi(2) / 2.0 + (x / 1.3).powi(2) / 2.0 + 1.3f64.ln();
            let weights = LogWeights::new(x.iter().map(|&x| log(x)).collect()).unwrap();
            let covers = |found: Estimate, truth: f64| usize::from((found.value - truth).abs() < 2.0 * found.standard_error);
            of_evidence += covers(weights.log_evidence(), 3f64.ln());
            of_mean += covers(weights.expectation(&x).unwrap(), 0.3);
        }
        for covered in [of_evidence, of_mean] {
            assert!((369..=394).contains(&covered), "{covered} of 400");
        }
    }

    #[test]
    fn draws_without_weight_do_not_count() {
        let weights = LogWeights::new(vec![0.0, f64::NEG_INFINITY, 0.0]).unwrap();
        assert_eq!(weights.expectation(&[1.0, f64::NAN, 3.0]).unwrap().value, 2.0);
        assert_eq!(weights.effective_sample_size(), 2.0);
        assert!((weights.log_evidence().value - (2.0f64 / 3.0).ln()).abs() < 1e-12);
        let drawn = weights.resample(1000, &mut ChaCha12Rng::seed_from_u64(0));
        assert_eq!([0, 1, 2].map(|at| drawn.iter().filter(|&&k| k == at).count()), [500, 0, 500]);
    }

    #[test]
    fn metropolis_visits_draws_by_their_weights() {
        // Weights 0, 1 and 3, each as likely. In the limit, the share of the states with the weight 3 is ¾; of 60,000 states it has an error of about 0.003.
        let mut rng = ChaCha12Rng::seed_from_u64(2);
        let kinds: Vec<usize> = [1, 0].into_iter().chain((0..60_000).map(|_| rng.random_range(0..3))).collect();
        let weights = LogWeights::new(kinds.iter().map(|&k| [f64::NEG_INFINITY, 0.0, 3f64.ln()][k]).collect()).unwrap();
        let (states, accepted) = weights.metropolis(&mut rng);
        let share = states.iter().filter(|&&at| kinds[at] == 2).count() as f64 / states.len() as f64;
        assert!((share - 0.75).abs() < 0.012, "{share}");
        assert!(states.iter().all(|&at| kinds[at] > 0) && states[..2] == [0, 0]);
        // A draw with the weight 1 is accepted after ¼ of the states and a third of the others, and one with the weight 3 always: ⅓ (¼ + ¾ · ⅓) + ⅓ of all draws.
        assert!((accepted - 0.5).abs() < 0.01, "{accepted}");
    }

    #[test]
    fn large_weights_do_not_overflow() {
        let weights = LogWeights::new(vec![2000.0, 2000.0 + 3f64.ln()]).unwrap();
        assert!((weights.log_evidence().value - (2000.0 + 2f64.ln())).abs() < 1e-9);
        assert_eq!(weights.normalised().iter().map(|w| (w * 4.0).round()).collect::<Vec<_>>(), [1.0, 3.0]);
    }

    #[test]
    fn weights_that_are_none_are_refused() {
        for logs in [vec![], vec![f64::NAN, 0.0], vec![f64::INFINITY], vec![f64::NEG_INFINITY; 3]] {
            assert!(LogWeights::new(logs).is_err());
        }
        assert!(LogWeights::new(vec![0.0]).unwrap().expectation(&[1.0, 2.0]).is_err());
    }
}
