//! Events: what a file holds, as rows of numbers for a network, and back.
//!
//! A new kind of event is one [`Coding`]. Everything else works for every kind: fitting, scoring, sampling, evaluation, ensembles, weights, context, and files of
//! a [`Model`](crate::Model).

#[cfg(feature = "audio")]
pub mod audio;
#[cfg(feature = "images")]
mod classes;
#[cfg(feature = "images")]
pub mod image;
mod rows;
#[cfg(feature = "tables")]
pub mod table;

pub use rows::Rows;
pub(crate) use rows::in_file;

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::Result,
    space::{Law, Space},
};

/// Events in the units of their file.
pub trait Events: Clone + Debug {
    /// The word for several of them.
    const WORD: &'static str = "events";

    /// The number of events.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The events at these positions, in this order.
    fn pick(&self, positions: &[usize]) -> Self;

    /// The weight of each event, where they have weights.
    fn weights(&self) -> Option<&[f64]> {
        None
    }

    /// Whether the events come with the errors of their measurement.
    fn has_errors(&self) -> bool {
        false
    }

    /// Whether an event is possible at all. One that is not, such as a row with a category that no training row had, has a log_prob of −∞.
    fn is_possible(&self, _position: usize) -> bool {
        true
    }

    /// The number of elements of each event, if it can differ between events.
    fn elements(&self) -> Option<Vec<f64>> {
        None
    }

    /// The place of an event in its file, from 0.
    fn number(&self, position: usize) -> u64 {
        position as u64
    }
}

/// What log_prob of a kind of event is told in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Units {
    /// Nats per event, with words for what the density or mass is of.
    Nats(String),
    /// Bits for each of the numbers of an event.
    BitsPerDim,
    /// Bits for each sample of a recording.
    BitsPerSample,
}

/// How events become rows of numbers, and back. This is all that a new kind of event brings.
///
/// A coding names its kind and its space, encodes and decodes. Everything else has a default. The test `own_events` defines a kind of event in this way.
///
/// Values are written in the order of the network: row-major `[n, dim]`. A context in the units of the file is row-major `[n, given().len()]`.
pub trait Coding: Clone + Debug + PartialEq + Serialize + DeserializeOwned {
    /// The events.
    type Events: Events;

    /// The name of the kind in model files.
    const KIND: &'static str;
    /// The word for one event and for several.
    const WORDS: [&'static str; 2] = ["event", "events"];
    /// Whether each element of an event is a quantity of its own, with a name and units, so that its moments and its marginal density have a meaning.
    const QUANTITIES: bool = false;
    /// Whether the coding standardises real numbers, so that a network need not.
    const STANDARDISES: bool = false;
    /// Events that share a stream of random numbers in a sample.
    const SAMPLE_BLOCK: usize = 2048;

    /// What one event is, to a network.
    fn space(&self) -> Space;

    /// The number of context columns of the network.
    fn context_dim(&self) -> usize {
        self.given().len()
    }

    /// The names of the values that the density is conditional on, in the units of the file.
    fn given(&self) -> Vec<String> {
        Vec::new()
    }

    /// The names of the elements of an event.
    fn elements(&self) -> Vec<String> {
        (1..=self.space().dim()).map(|k| format!("element {k}")).collect()
    }

    /// What log_prob is told in.
    fn units(&self) -> Units {
        Units::Nats(match self.space().law() {
            Some(Law::Codes(_)) => "the log mass".into(),
            _ => "the log density".into(),
        })
    }

    /// The mean number of elements per event. Likelihoods per element use it if the events are not at hand.
    fn mean_elements(&self) -> f64 {
        self.space().dim() as f64
    }

    /// The name of the family whose likelihood stands beside every model's, if there is one.
    fn baseline(&self) -> Option<&'static str> {
        None
    }

    /// What that family is for these events, in two words.
    fn baseline_name(&self) -> &'static str {
        "full Gaussian"
    }

    /// Checks what a model file says.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) where no coding can be so.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Checks that the likelihoods of two models can be compared: log_prob of both is of the same elements, in the same units.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) that names the difference.
    fn check_comparable(&self, other: &Self) -> Result<()> {
        if self.space() == other.space() {
            return Ok(());
        }
        Err(crate::Error::invalid(
            "models to compare",
            format!("two models of {:?}", self.space()),
            format!("a model of {:?}", other.space()),
        ))
    }

    /// Declares the law of every element, as a family needs it.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) where the events do not have it.
    fn declare(&mut self, law: Law) -> Result<()> {
        match (law, self.space().law()) {
            (Law::Codes(_), Some(found)) if found != law => {
                Err(crate::Error::invalid("law of the elements", format!("{law:?}"), format!("{found:?}")))
            }
            _ => Ok(()),
        }
    }

    /// Sets what the coding learns from the training events, such as shifts and scales.
    fn learn(&mut self, _train: &Self::Events) -> Result<()> {
        Ok(())
    }

    /// Events as rows.
    ///
    /// # Errors
    /// Where events do not fit the coding.
    fn encode(&self, events: &Self::Events) -> Result<Rows>;

    /// The context of events in the units of the file.
    fn context_of(&self, _events: &Self::Events) -> Vec<f64> {
        Vec::new()
    }

    /// A context in the units of the file as the network reads it, row-major `[n, context_dim]`.
    ///
    /// # Errors
    /// Where a value cannot be.
    fn encode_context(&self, given: &[f64]) -> Result<Vec<f64>> {
        Ok(given.to_vec())
    }

    /// The context of `n` draws where the user names none; none where there is no usual one.
    fn usual_context(&self, _n: usize) -> Option<Vec<f64>> {
        None
    }

    /// Values of the network, and their context in the units of the file, as events.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for a number of values that is no number of events.
    fn decode(&self, values: Vec<f64>, given: Vec<f64>) -> Result<Self::Events>;
}
