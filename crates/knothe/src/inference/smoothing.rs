//! Pareto smoothing of importance weights, and the diagnostic k̂ of their reliability.

use super::{GeneralisedPareto, LogWeights};

/// Weights whose largest values are replaced by quantiles of a fitted tail (Vehtari, Simpson, Gelman, Yao and Gabry 2024, *Pareto smoothed importance sampling*).
#[derive(Clone, Debug)]
pub struct Smoothed {
    /// The smoothed weights.
    pub weights: LogWeights,
    /// k̂, the shape of the tail of the weights. Weights have a finite variance only for k < ½ and a finite mean only for k < 1. It is −∞ if the largest weights are equal, and +∞ if
    /// too few draws have weight for an estimate.
    pub shape: f64,
}

/// The reliability of estimates from weighted draws, as k̂ shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// k̂ is below the threshold of the sample size: estimates and their errors can be used.
    Good,
    /// k̂ is at or above the threshold, but below 0.7: more draws would help.
    TooFew,
    /// k̂ is from 0.7 to 1: estimates are biased, and more draws hardly help.
    Biased,
    /// k̂ is 1 or more: the weights may have no mean, and the estimates mean nothing.
    Useless,
}

/// Fewer draws have no tail of five.
const FEW: f64 = 21.0;

/// The largest k̂ at which estimates are useful for any number of draws that one can make.
const LARGEST: f64 = 0.7;

impl Smoothed {
    /// Smooths weights of independent draws. The tail has the ⌈min(0.2 S, 3 √S)⌉ largest of S weights.
    pub fn of(weights: &LogWeights) -> Self {
        let logs = weights.logs();
        let draws = logs.len() as f64;
        let positive = logs.iter().filter(|l| **l > f64::NEG_INFINITY).count();
        // A draw without weight has no place in the tail.
        let count = ((0.2 * draws).min(3.0 * draws.sqrt()).ceil() as usize).min(positive.saturating_sub(1));
        let mut order: Vec<usize> = (0..logs.len()).collect();
        order.sort_by(|&a, &b| logs[a].total_cmp(&logs[b]));
        if count < 5 {
            return Smoothed { weights: weights.clone(), shape: f64::INFINITY };
        }
        let (body, tail) = order.split_at(logs.len() - count);
        let largest = logs[tail[count - 1]];
        let threshold = (logs[body[body.len() - 1]] - largest).exp();
        let excesses: Vec<f64> = tail.iter().map(|&at| (logs[at] - largest).exp() - threshold).collect();
        // Equal up to rounding: nothing to smooth.
        if excesses[count - 1] <= 64.0 * f64::EPSILON {
            return Smoothed { weights: weights.clone(), shape: f64::NEG_INFINITY };
        }
        // Weights equal to the threshold are not beyond it.
        let beyond: Vec<f64> = excesses.iter().copied().filter(|y| *y > 0.0).collect();
        let Some(law) = GeneralisedPareto::fit(&beyond) else {
            return Smoothed { weights: weights.clone(), shape: f64::INFINITY };
        };
        let mut smoothed = logs.to_vec();
        for (i, &at) in tail.iter().enumerate() {
            let quantile = threshold + law.quantile((i as f64 + 0.5) / count as f64);
            // No weight becomes larger than the largest.
            smoothed[at] = largest + quantile.ln().min(0.0);
        }
        Smoothed { weights: LogWeights::trusted(smoothed), shape: law.shape }
    }

    /// The number of draws.
    fn draws(&self) -> f64 {
        self.weights.logs().len() as f64
    }

    /// The threshold min(1 − 1/log₁₀ S, 0.7) for S draws (Vehtari et al. 2024, §3.2.4). Estimates are good if k̂ is below it.
    pub fn threshold(&self) -> f64 {
        (1.0 - 1.0 / self.draws().log10()).min(LARGEST)
    }

    /// The number of draws from which this k̂ is good, 10^(1/(1 − max(k̂, 0))); +∞ for k̂ ≥ 1.
    pub fn draws_needed(&self) -> f64 {
        if self.shape < 1.0 { 10f64.powf(1.0 / (1.0 - self.shape.max(0.0))) } else { f64::INFINITY }
    }

    /// The rate at which errors shrink with more draws, relative to independent draws from the target (Vehtari et al. 2024, appendix C). 1 means the usual 1/√S,
    /// and 0 means that they do not shrink.
    pub fn convergence_rate(&self) -> f64 {
        let (k, s) = (self.shape, self.draws());
        match k {
            k if k < 0.0 => 1.0,
            k if k >= 1.0 => 0.0,
            // The limit of the fraction below, of which both parts tend to 0.
            k if (k - 0.5).abs() < 1e-6 => (s * (s.ln() - 1.0) + 1.0) / ((s - 1.0) * s.ln()),
            _ => {
                let rate = 2.0 * (k - 1.0) * s.powf(2.0 * k + 1.0) + (1.0 - 2.0 * k) * s.powf(2.0 * k) + s * s;
                (rate / ((s - 1.0) * (s - s.powf(2.0 * k)))).max(0.0)
            }
        }
    }

    /// The verdict.
    pub fn reliability(&self) -> Reliability {
        match self.shape {
            k if k < self.threshold() => Reliability::Good,
            k if k < LARGEST => Reliability::TooFew,
            k if k < 1.0 => Reliability::Biased,
            // More draws may show what the tail is.
            f64::INFINITY if self.draws() < FEW => Reliability::TooFew,
            _ => Reliability::Useless,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha12Rng;

    use super::*;

    /// log π̃/q of draws from Exp(a) for the target Exp(b), up to a constant: (a − b) x.
    fn exponential(a: f64, b: f64, draws: usize, seed: u64) -> LogWeights {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        LogWeights::new((0..draws).map(|_| -(-rng.random::<f64>()).ln_1p() / a * (a - b)).collect()).unwrap()
    }

    #[test]
    fn the_shape_of_exponential_weights_is_that_of_their_tail() {
        // P(w > t) = t^(−a/(a − b)), so k = (a − b)/a. One estimate varies by (1 + k)/√949, the mean of 20 by a quarter of that, less than 0.013.
        for b in [0.8, 0.5, 0.3] {
            let mean = (0..20).map(|seed| Smoothed::of(&exponential(1.0, b, 100_000, seed)).shape).sum::<f64>() / 20.0;
            assert!((mean - (1.0 - b)).abs() < 0.03, "{b}: {mean}");
        }
    }

    #[test]
    fn verdicts_follow_the_shape() {
        let verdict = |b: f64| Smoothed::of(&exponential(1.0, b, 100_000, 1)).reliability();
        assert_eq!([0.8, 0.5].map(verdict), [Reliability::Good; 2]);
        assert_eq!([verdict(0.15), verdict(-0.5)], [Reliability::Biased, Reliability::Useless]);
        let few = Smoothed::of(&LogWeights::new(vec![0.0, 1.0, 2.0]).unwrap());
        assert_eq!((few.shape, few.reliability()), (f64::INFINITY, Reliability::TooFew));
        // Three draws of a thousand have weight.
        let rare: Vec<f64> = (0..1000).map(|k| if k % 400 == 0 { 0.0 } else { f64::NEG_INFINITY }).collect();
        assert_eq!(Smoothed::of(&LogWeights::new(rare).unwrap()).reliability(), Reliability::Useless);
        // 950 weights of 1 and 50 of 2 have no heavy tail.
        let two: Vec<f64> = (0..1000).map(|k| if k < 50 { 2f64.ln() } else { 0.0 }).collect();
        assert_eq!(Smoothed::of(&LogWeights::new(two).unwrap()).reliability(), Reliability::Good);
        let equal = Smoothed::of(&LogWeights::new(vec![-3.0; 1000]).unwrap());
        assert_eq!((equal.shape, equal.reliability()), (f64::NEG_INFINITY, Reliability::Good));
    }

    #[test]
    fn thresholds_are_the_published_ones() {
        let with = |draws: usize, shape: f64| Smoothed { weights: LogWeights::new(vec![0.0; draws]).unwrap(), shape };
        assert!((with(100, 0.4).threshold() - 0.5).abs() < 1e-12);
        assert_eq!(with(100_000, 0.4).threshold(), 0.7);
        assert!((with(100, 0.5).draws_needed() - 100.0).abs() < 1e-9);
        assert!((with(100, 0.7).draws_needed() - 2154.4347).abs() < 1e-3);
        // Near ½ the general formula tends to the special one. It loses half of its digits there.
        let [at, near] = [0.5, 0.5 + 1e-5].map(|k| with(1000, k).convergence_rate());
        assert!((at - near).abs() < 1e-4, "{at}, {near}");
    }

    #[test]
    fn smoothing_keeps_the_order_and_the_largest_weight() {
        let raw = exponential(1.0, 0.3, 2000, 3);
        let smoothed = Smoothed::of(&raw);
        let (before, after) = (raw.logs(), smoothed.weights.logs());
        let largest = |logs: &[f64]| logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!(largest(after) <= largest(before));
        let mut order: Vec<usize> = (0..2000).collect();
        order.sort_by(|&a, &b| before[a].total_cmp(&before[b]));
        assert!(order.windows(2).all(|pair| after[pair[0]] <= after[pair[1]]));
        assert!(order[..1800].iter().all(|&at| before[at] == after[at]));
        // Quantiles of the fitted distribution replace the weights of the tail.
        assert!(order[1900..1990].iter().all(|&at| before[at] != after[at]));
    }

    #[test]
    fn draws_without_weight_keep_none() {
        let logs: Vec<f64> = (0..100).map(|k| if k < 84 { f64::NEG_INFINITY } else { f64::from(k) / 10.0 }).collect();
        let smoothed = Smoothed::of(&LogWeights::new(logs).unwrap());
        assert!(smoothed.weights.logs()[..84].iter().all(|l| *l == f64::NEG_INFINITY));
    }
}
