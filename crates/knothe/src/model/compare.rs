//! Compares the log-likelihoods of two models on the same events.

use std::collections::HashMap;

use serde::Serialize;

use super::{LogLikelihood, Model, Scoring};
use crate::{
    error::{Error, Result},
    events::{Coding, Events},
};

/// The probability levels of [`Comparison::quantiles`].
pub const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// Whose log-likelihood is higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The first model's.
    First,
    /// The second model's.
    Second,
    /// The difference is within its error, or each model calls events impossible that the other does not.
    Neither,
}

/// The log-likelihoods of two models on the same events, and their difference d = log q₂(x) − log q₁(x) event by event.
///
/// The error of the mean of d is computed from the spread of d itself (Vehtari, Gelman and Gabry 2017, *Practical Bayesian model evaluation using leave-one-out cross-validation and
/// WAIC*, §5.2). It is usually far smaller than the errors of the two likelihoods, since an event that is rare under one model is rare under the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The log-likelihood of each model.
    pub log_likelihood: [LogLikelihood; 2],
    /// The mean of d over the events that are possible under both models.
    pub difference: LogLikelihood,
    /// The number of events that are impossible under the first model alone, and under the second alone.
    pub impossible_under_one: [usize; 2],
    /// The (weighted) share of the events whose log-likelihood under the second model is higher.
    pub second_is_higher: f64,
    /// The quantiles of d at [`QUANTILES`], over the events that are possible under both models.
    pub quantiles: [f64; 5],
    /// The better model: its mean is higher by more than two standard errors, or only the other model calls some events impossible.
    pub better: Better,
    /// The compared events: their positions among the first model's events, and among the second's.
    #[serde(skip)]
    pub positions: [Vec<usize>; 2],
    /// d of each of them. It is infinite if the event is impossible under one model, and 0 if it is impossible under both.
    #[serde(skip)]
    pub differences: Vec<f64>,
}

impl<C: Coding> Model<C> {
    /// Compares this model, the first, with another one. `events` holds the events as the coding of each model reads them. Events are paired by [`Events::number`], and only events of both sets are compared.
    ///
    /// # Errors
    /// As [`Coding::check_comparable`] and [`Model::log_prob`], and [`Error::Shape`] if no event of a weight above 0 is left.
    pub fn compare(&self, other: &Self, events: [&C::Events; 2], scoring: Scoring) -> Result<Comparison> {
        self.coding.check_comparable(&other.coding)?;
        let positions = common(events);
        let [first, second] = [(self, 0), (other, 1)].map(|(model, k)| model.log_prob(&events[k].pick(&positions[k]), scoring));
        Comparison::of(&first?, &second?, &events[0].pick(&positions[0]), positions)
    }
}

/// The positions of the events that both have, of a weight above 0.
fn common<E: Events>([first, second]: [&E; 2]) -> [Vec<usize>; 2] {
    let places: HashMap<u64, usize> = (0..second.len()).map(|j| (second.number(j), j)).collect();
    let counts = |i: &usize| first.weights().is_none_or(|weights| weights[*i] > 0.0);
    (0..first.len()).filter(counts).filter_map(|i| Some((i, *places.get(&first.number(i))?))).unzip::<_, _, Vec<_>, Vec<_>>().into()
}

impl Comparison {
    fn of<E: Events>(first: &[f64], second: &[f64], events: &E, positions: [Vec<usize>; 2]) -> Result<Self> {
        if events.is_empty() {
            return Err(Error::shape("events to compare", "at least one that both models can score", 0));
        }
        let weight = |i: usize| events.weights().map_or(1.0, |weights| weights[i]);
        let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| if a == b { 0.0 } else { b - a }).collect();
        let possible: Vec<usize> = (0..events.len()).filter(|&i| first[i].is_finite() && second[i].is_finite()).collect();
        let finite: Vec<f64> = possible.iter().map(|&i| differences[i]).collect();
        let difference = LogLikelihood::of_events(&finite, &events.pick(&possible));
        let count = |value: f64| differences.iter().filter(|d| **d == value).count();
        let impossible_under_one = [count(f64::INFINITY), count(f64::NEG_INFINITY)];
        let total: f64 = (0..events.len()).map(weight).sum();
        let higher: f64 = (0..events.len()).filter(|&i| differences[i] > 0.0).map(weight).sum();
        let better = match (impossible_under_one[0] > 0, impossible_under_one[1] > 0) {
            (false, false) if difference.mean > difference.two_se => Better::Second,
            (false, false) if difference.mean < -difference.two_se => Better::First,
            (true, false) => Better::Second,
            (false, true) => Better::First,
            _ => Better::Neither,
        };
        Ok(Comparison {
            log_likelihood: [first, second].map(|log_prob| LogLikelihood::of_events(log_prob, events)),
            difference,
            impossible_under_one,
            second_is_higher: higher / total,
            quantiles: quantiles(possible.iter().map(|&i| (differences[i], weight(i))).collect()),
            better,
            positions,
            differences,
        })
    }
}

/// The weighted quantiles of values: the first value up to which the weights sum to the share.
fn quantiles(mut values: Vec<(f64, f64)>) -> [f64; 5] {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = values.iter().map(|(_, weight)| weight).sum();
    QUANTILES.map(|share| {
        let mut sum = 0.0;
        let reached = |(_, weight): &&(f64, f64)| {
            sum += weight;
            sum >= share * total
        };
        values.iter().find(reached).or(values.last()).map_or(f64::NAN, |(value, _)| *value)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Events with numbers and weights, and nothing else.
    #[derive(Clone, Debug, Default)]
    struct Numbered {
        numbers: Vec<u64>,
        weights: Option<Vec<f64>>,
    }

    impl Events for Numbered {
        fn len(&self) -> usize {
            self.numbers.len()
        }

        fn pick(&self, positions: &[usize]) -> Self {
            let weights = self.weights.as_ref().map(|weights| positions.iter().map(|&i| weights[i]).collect());
            Numbered { numbers: positions.iter().map(|&i| self.numbers[i]).collect(), weights }
        }

        fn weights(&self) -> Option<&[f64]> {
            self.weights.as_deref()
        }

        fn number(&self, position: usize) -> u64 {
            self.numbers[position]
        }
    }

    fn numbered(numbers: impl IntoIterator<Item = u64>) -> Numbered {
        Numbered { numbers: numbers.into_iter().collect(), weights: None }
    }

    fn of(first: &[f64], second: &[f64]) -> Comparison {
        Comparison::of(first, second, &numbered(0..first.len() as u64), Default::default()).unwrap()
    }

    #[test]
    fn events_are_paired_by_their_number() {
        assert_eq!(common([&numbered([1, 4, 5, 9]), &numbered([0, 1, 5, 7, 9])]), [vec![0, 2, 3], vec![1, 2, 4]]);
        let weighted = Numbered { weights: Some(vec![1.0, 0.0]), ..numbered([1, 2]) };
        assert_eq!(common([&weighted, &numbered([1, 2])]), [vec![0], vec![0]]);
    }

    #[test]
    fn the_error_is_of_the_differences() {
        // Likelihoods that vary by 100 and differ by 1 ± 0.5.
        let first: Vec<f64> = (0..100).map(f64::from).collect();
        let second: Vec<f64> = (0..100).map(|i| f64::from(i) + if i % 2 == 0 { 0.5 } else { 1.5 }).collect();
        let found = of(&first, &second);
        // √(Σ 0.5²)/100 = 0.05, doubled.
        assert!((found.difference.mean - 1.0).abs() < 1e-12 && (found.difference.two_se - 0.1).abs() < 1e-12, "{found:?}");
        assert!(found.log_likelihood[0].two_se > 5.0);
        assert_eq!((found.better, found.second_is_higher, found.quantiles), (Better::Second, 1.0, [0.5, 0.5, 0.5, 1.5, 1.5]));
        assert_eq!(of(&second, &first).better, Better::First);
        // ±0.5 in turn is a difference of 0 within its error.
        let level: Vec<f64> = second.iter().map(|l| l - 1.0).collect();
        assert_eq!(of(&first, &level).better, Better::Neither);
        // One event says nothing.
        assert_eq!(of(&[1.0], &[2.0]).better, Better::Neither);
    }

    #[test]
    fn an_event_that_one_model_calls_impossible_decides() {
        let none = f64::NEG_INFINITY;
        let found = of(&[0.0, none, none, 0.0], &[-1.0, 5.0, none, -1.0]);
        assert_eq!((found.better, found.impossible_under_one, found.difference.rows), (Better::Second, [1, 0], 2));
        assert_eq!((found.difference.mean, found.differences[2], found.second_is_higher), (-1.0, 0.0, 0.25));
        assert_eq!(of(&[0.0, none], &[none, 0.0]).better, Better::Neither);
        assert!(Comparison::of(&[], &[], &numbered([]), Default::default()).is_err());
    }

    #[test]
    fn weights_count() {
        let events = Numbered { weights: Some(vec![3.0, 1.0]), ..numbered([0, 1]) };
        let found = Comparison::of(&[0.0, 0.0], &[1.0, -1.0], &events, Default::default()).unwrap();
        assert_eq!((found.difference.mean, found.second_is_higher, found.quantiles[1]), (0.5, 0.75, -1.0));
    }
}
