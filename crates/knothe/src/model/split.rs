//! Which events are fitted to, which choose the epoch, and which judge the result.

use std::path::Path;

use crate::{
    error::{Error, Result},
    events::Events,
    hint::Hint,
    order::Order,
    random::{Purpose, stream},
};

/// The events that a fit reads, those that choose its epoch, and those held out of both.
#[derive(Clone, Debug)]
pub struct Split<E> {
    /// Fitted to.
    pub train: E,
    /// Choose the epoch.
    pub validation: E,
    /// Judge the result.
    pub held_out: HeldOut<E>,
}

/// Where the held-out log-likelihood comes from.
#[derive(Clone, Debug)]
pub enum HeldOut<E> {
    /// Events that nothing else has seen.
    Events(E),
    /// The validation events, which have chosen the epoch; the likelihood is then on the side of the optimist.
    Validation,
}

impl<E: Events> Split<E> {
    /// A random split: 80 % to fit, 10 % to choose the epoch and 10 % held out, and at least one event each.
    ///
    /// # Errors
    /// [`Error::Table`] for fewer than 3 events; `path` names their file.
    pub fn random(path: &Path, events: &E, seed: u64) -> Result<Self> {
        let n = events.len();
        if n < 3 {
            let problem = format!("expected at least 3 {}, to fit, to validate and to hold out, found {n}", E::WORD);
            return Err(Error::table(path, problem, Hint::NameValidation));
        }
        let order = Order::random(n, &mut stream(seed, Purpose::Split, 0));
        let tenth = (n / 10).max(1);
        let pick = |positions: &[usize]| {
            let mut positions = positions.to_vec();
            positions.sort_unstable();
            events.pick(&positions)
        };
        let (rest, held_out) = order.columns().split_at(n - tenth);
        let (train, validation) = rest.split_at(rest.len() - tenth);
        let parts = [train, validation, held_out].map(pick);
        if parts.iter().any(|part| part.weights().is_some_and(|weights| weights.iter().sum::<f64>() <= 0.0)) {
            let word = E::WORD;
            let problem = format!(
                "expected {word} of positive weight to fit, to validate and to hold out, found only weights of 0 in one of these parts"
            );
            return Err(Error::table(path, problem, Hint::NameValidation));
        }
        let [train, validation, held_out] = parts;
        Ok(Split { train, validation, held_out: HeldOut::Events(held_out) })
    }

    /// The events that judge the result.
    pub fn judge(&self) -> &E {
        match &self.held_out {
            HeldOut::Events(events) => events,
            HeldOut::Validation => &self.validation,
        }
    }

    /// Events held out of both; none where the validation events judge.
    pub fn held_out_len(&self) -> usize {
        match &self.held_out {
            HeldOut::Events(events) => events.len(),
            HeldOut::Validation => 0,
        }
    }
}
