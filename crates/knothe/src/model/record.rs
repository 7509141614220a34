//! What is known of a fit, and how events are scored.

use serde::{Deserialize, Serialize};

use super::Weighting;
use crate::{dequantised::bits_per_dim, events::Events};

/// A mean log-likelihood with its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLikelihood {
    /// The (weighted) mean of log q, in nats per event.
    #[serde(with = "crate::number")]
    pub mean: f64,
    /// Two standard errors of the mean; NaN for a single event.
    #[serde(with = "crate::number")]
    pub two_se: f64,
    /// The events.
    pub rows: usize,
    /// The events of log q = −∞: the model says that they are impossible.
    #[serde(default)]
    pub impossible: usize,
    /// The mean over the other events.
    #[serde(with = "crate::number", default)]
    pub possible_mean: f64,
    /// The (weighted) mean number of elements per event, if this number can differ between events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elements: Option<f64>,
    /// Two standard errors of Σ w log q/Σ w n, the mean per element of events of n elements, where they differ in n.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub two_se_per_element: Option<f64>,
}

impl LogLikelihood {
    /// The weighted mean; its standard error is √(Σ w² (l − mean)²) / Σ w. Events of weight 0 have no say, whatever their value.
    pub fn of(log_prob: &[f64], weights: Option<&[f64]>) -> Self {
        let weight = |i: usize| weights.map_or(1.0, |w| w[i]);
        let counted = || log_prob.iter().enumerate().map(|(i, &l)| (weight(i), l)).filter(|(w, _)| *w > 0.0);
        let total: f64 = counted().map(|(w, _)| w).sum();
        let mean = counted().map(|(w, l)| w * l).sum::<f64>() / total;
        let square: f64 = counted().map(|(w, l)| (w * (l - mean)).powi(2)).sum();
        let two_se = if counted().count() < 2 { f64::NAN } else { 2.0 * square.sqrt() / total };
        let possible = || counted().filter(|(_, l)| *l > f64::NEG_INFINITY);
        let possible_mean = possible().map(|(w, l)| w * l).sum::<f64>() / possible().map(|(w, _)| w).sum::<f64>();
        let impossible = counted().count() - possible().count();
        LogLikelihood { mean, two_se, rows: log_prob.len(), impossible, possible_mean, elements: None, two_se_per_element: None }
    }

    /// The mean over events, with their weights and their numbers of elements.
    pub fn of_events(log_prob: &[f64], events: &impl Events) -> Self {
        let found = LogLikelihood::of(log_prob, events.weights());
        let Some(each) = events.elements() else { return found };
        let elements = LogLikelihood::of(&each, events.weights()).mean;
        // r is a ratio of means. Its error is that of the residuals log q − r n, whose mean is 0 (Cochran 1977, §2.11).
        let residuals: Vec<f64> = log_prob.iter().zip(&each).map(|(l, n)| l - found.mean / elements * n).collect();
        let two_se = LogLikelihood::of(&residuals, events.weights()).two_se / elements;
        LogLikelihood { elements: Some(elements), two_se_per_element: Some(two_se).filter(|two_se| two_se.is_finite()), ..found }
    }

    /// The same in bits per element of an event, −log₂ P/dim. A better model has fewer bits. If the number of elements differs between events, the bits of all events are divided
    /// by the number of all elements. Otherwise each event has `dim` elements.
    pub fn bits_per_dim(&self, dim: usize) -> Self {
        let scale = self.elements.map_or(1.0, |elements| dim as f64 / elements);
        let bits = |mean| bits_per_dim(mean, dim) * scale;
        let two_se = self.two_se_per_element.map_or(-bits(self.two_se), |two_se| two_se / std::f64::consts::LN_2);
        LogLikelihood { mean: bits(self.mean), two_se, possible_mean: bits(self.possible_mean), ..*self }
    }
}

/// How a model came to be, as its file records it. It is a function of data, options and seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FitRecord {
    /// The version of Knothe.
    pub version: String,
    /// Events fitted to, events that chose the epoch, and events held out of both.
    pub rows: (usize, usize, usize),
    /// Where the weights of the members come from.
    pub weighting: Weighting,
    /// The held-out log-likelihood.
    pub held_out: LogLikelihood,
    /// The held-out log-likelihood of the full Gaussian of the same events, where they have one.
    pub gaussian: Option<LogLikelihood>,
}

/// How to score.
#[derive(Clone, Copy, Debug)]
pub struct Scoring {
    /// Seeds dequantisation noise and the draws of true values.
    pub seed: u64,
    /// Noise samples for each event of a dequantised density: log (1/K) Σ q(x + u_k), a bound that tightens with K. For events with measurement errors, multiples of
    /// [`ERROR_DRAWS`](super::ERROR_DRAWS).
    pub samples: usize,
}

impl Default for Scoring {
    fn default() -> Self {
        Scoring { seed: 0, samples: 1 }
    }
}
