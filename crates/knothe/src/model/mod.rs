//! A fitted density of events: a coding, a mixture of networks, and the record of its fit. What model files hold.
//!
//! Everything here works for every kind of event, which is a [`Coding`].

#[cfg(feature = "tables")]
mod any;
mod check;
mod compare;
#[cfg(feature = "tables")]
mod conditional;
mod coordinates;
mod file;
mod fitting;
mod member;
#[cfg(feature = "tables")]
mod moments;
pub mod race;
mod record;
mod split;

#[cfg(feature = "tables")]
pub use any::AnyModel;
pub use check::Checks;
pub use compare::{Better, Comparison, QUANTILES};
pub use coordinates::Kept;
pub use fitting::Fitting;
pub use member::{Member, Resume, Weighting, check_checkpoints, remove_checkpoints};
#[cfg(feature = "tables")]
pub use moments::{ColumnMoments, TableMoments};
pub use record::{FitRecord, LogLikelihood, Scoring};
pub use split::{HeldOut, Split};

use burn::tensor::Tensor;

use crate::{
    bijection::Given,
    density::{Density, Exactness},
    error::{Error, Result},
    events::{Coding, Events, Rows, in_file},
    fit::SCORE_DRAWS,
    hint::Hint,
    mixture::Mixture,
    network::Network,
    parameters,
    placement::{Placement, values},
    random::{Purpose, stream},
    special::log_add,
};

/// Draws of the true values of an event with measurement errors, for each of [`Scoring::samples`].
pub const ERROR_DRAWS: usize = SCORE_DRAWS;

/// A density of events in the units of their files.
#[derive(Clone, Debug)]
pub struct Model<C: Coding> {
    /// What each member of the mixture is, and how it was fitted.
    pub members: Vec<Member>,
    /// How events become rows of numbers.
    pub coding: C,
    /// How it was fitted.
    pub record: FitRecord,
    mixture: Mixture<Network>,
    place: Placement,
}

impl<C: Coding> Model<C> {
    /// The networks in the order of the members, and their weights.
    pub fn mixture(&self) -> &Mixture<Network> {
        &self.mixture
    }

    /// Device and precision.
    pub fn placement(&self) -> &Placement {
        &self.place
    }

    /// Whether [`Model::log_prob`] is exact, or a bound below the log density or mass.
    pub fn exactness(&self) -> Exactness {
        self.mixture.exactness()
    }

    /// The same for these events: the likelihood of events with measurement errors is a bound, which tightens with the number of draws.
    pub fn exactness_of(&self, events: &C::Events) -> Exactness {
        if events.has_errors() { Exactness::LowerBound } else { self.exactness() }
    }

    /// The numbers that the model's file holds.
    pub fn parameters(&self) -> usize {
        parameters::count(&self.mixture)
    }

    /// The only member.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an ensemble; `what` names what has a meaning for a single model alone.
    pub fn single(&self, what: &str) -> Result<(&Member, &Network)> {
        self.place.check_whole()?;
        match (self.members.as_slice(), self.mixture.members()) {
            ([member], [network]) => Ok((member, network)),
            (members, _) => {
                let reason = format!("expected a single model, found an ensemble of {}", members.len());
                Err(Error::Unsupported { what: what.into(), reason, hint: Some(Hint::SingleModel.into()) })
            }
        }
    }

    /// log q(event | context) of each event in the units of the file: densities for continuous elements, masses for integers. −∞ is an answer: the event is impossible, or so far
    /// out that its density is no 64-bit number.
    ///
    /// For events with measurement errors it is the log-likelihood of the measured values, from [`ERROR_DRAWS`] times [`Scoring::samples`] draws of the true values. The draws
    /// depend only on the seed, the measured values and their errors, so the score of an event does not depend on its position.
    ///
    /// # Errors
    /// As [`Coding::encode`], and [`Error::NotFinite`] where an event of a weight above 0 has no log_prob.
    pub fn log_prob(&self, events: &C::Events, scoring: Scoring) -> Result<Vec<f64>> {
        let found = log_prob(&self.coding, &self.mixture, &self.place, events, scoring)?;
        let counts = |i: usize| events.weights().is_none_or(|weights| weights[i] > 0.0);
        let wrong: Vec<usize> = (0..found.len()).filter(|&i| counts(i) && (found[i].is_nan() || found[i] == f64::INFINITY)).collect();
        if wrong.is_empty() { Ok(found) } else { Err(in_file(Error::NotFinite { what: "log_prob".into(), rows: wrong }, events)) }
    }

    /// The probability integral transform of each event, row-major `[n, dim]`: uniform and independent when the model is right. An event with measurement errors is represented by
    /// a draw of its true values given the measured ones.
    ///
    /// # Errors
    /// As [`Coding::encode`].
    pub fn to_uniform(&self, events: &C::Events, seed: u64) -> Result<Vec<f64>> {
        let rows = self.true_rows(events, seed)?;
        let found = rows.in_batches(&self.place, |start, x, context| {
            // Batches that share their random numbers would not be independent.
            let seed = seed.wrapping_add(start as u64);
            Ok(values(self.mixture.to_uniform(x, &Given { context, seed, ..Given::default() })?))
        });
        found.map_err(|e| in_file(e, events))
    }

    /// Events as rows, with draws of their true values in the place of those that were measured with errors.
    fn true_rows(&self, events: &C::Events, seed: u64) -> Result<Rows> {
        let rows = self.coding.encode(events)?;
        let Some(errors) = rows.errors.as_ref().filter(|_| !rows.is_empty()) else { return Ok(rows) };
        let values = rows.scored(errors, &self.place)?;
        let values = values.true_values(&self.mixture, ERROR_DRAWS, seed).map_err(|e| in_file(e, events))?;
        Ok(Rows { values, errors: None, ..rows })
    }

    /// `n` draws. `given` is the context in the units of the file, row-major `[n, given]`; it is empty without a context.
    ///
    /// # Errors
    /// [`Error::Shape`] for a context of another size, [`Error::NotFinite`] where the model draws what is no number.
    pub fn sample(&self, n: usize, given: &[f64], seed: u64) -> Result<C::Events> {
        self.sample_part(0, n, given, 1.0, seed)
    }

    /// The draws `first..first + n` of a seed at a temperature, so that a long sample can be made in parts; `first` is a multiple of [`Coding::SAMPLE_BLOCK`].
    ///
    /// The temperature scales the standard deviation of the source: 1 draws from the model, less draws more typical events.
    ///
    /// # Errors
    /// As [`Model::sample`], and [`Error::Invalid`] for a temperature below 0.
    pub fn sample_part(&self, first: usize, n: usize, given: &[f64], temperature: f64, seed: u64) -> Result<C::Events> {
        let block = C::SAMPLE_BLOCK;
        if !first.is_multiple_of(block) {
            return Err(Error::invalid("first", format!("a multiple of {block}"), first));
        }
        let (names, width) = (self.coding.given().len(), self.coding.context_dim());
        if given.len() != n * names {
            return Err(Error::shape("context", format!("{n} × {names} values"), given.len()));
        }
        check_temperature(temperature)?;
        self.place.check_whole()?;
        self.mixture.members().iter().try_for_each(|q| q.check_temperature(temperature))?;
        let context = self.coding.encode_context(given)?;
        let dim = self.coding.space().dim();
        let mut all = Vec::with_capacity(n * dim);
        for (index, start) in (0..n).step_by(block).enumerate() {
            let rows = block.min(n - start);
            let context = (width > 0).then(|| self.place.tensor(context[start * width..(start + rows) * width].to_vec(), [rows, width]));
            let mut rng = stream(seed, Purpose::Sample, (first / block + index) as u64);
            let given = Given::context(context.as_ref());
            let x = self.mixture.sample_with(rows, &given, &mut rng, |q, rows, given, rng| q.sample_at(rows, given, temperature, rng));
            all.extend(finite(x.map_err(|e| e.renumbered(|row| first + start + row))?, first + start)?);
        }
        self.coding.decode(all, given.to_vec())
    }
}

/// The numbers of draws, the first of them number `start`.
fn finite(x: Tensor<2>, start: usize) -> Result<Vec<f64>> {
    let dim = x.dims()[1].max(1);
    let x = values(x);
    match x.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(Error::NotFinite { what: "a sample".into(), rows: vec![start + at / dim] }),
        None => Ok(x),
    }
}

/// Checks that a temperature is one.
fn check_temperature(temperature: f64) -> Result<()> {
    if temperature >= 0.0 && temperature.is_finite() {
        return Ok(());
    }
    Err(Error::invalid("temperature", "a number of at least 0", temperature))
}

/// log q(event | context) in the units of the file, for a density q of the rows of a coding.
fn log_prob<C: Coding>(coding: &C, q: &impl Density, place: &Placement, events: &C::Events, scoring: Scoring) -> Result<Vec<f64>> {
    let rows = coding.encode(events)?;
    let is_bound = q.exactness() == Exactness::LowerBound || rows.errors.is_some();
    let samples = if is_bound { scoring.samples.max(1) } else { 1 };
    let measured = rows.errors.as_ref().filter(|_| !rows.is_empty()).map(|errors| rows.scored(errors, place)).transpose()?;
    let one = |seed: u64| {
        let found = match &measured {
            Some(data) => data.log_likelihoods(q, ERROR_DRAWS, seed),
            None => rows.in_batches(place, |_, x, context| Ok(values(q.log_prob(x, &Given { context, seed, ..Given::default() })?))),
        };
        let mut found = found.map_err(|e| in_file(e, events))?;
        found.iter_mut().zip(&rows.ladj).for_each(|(l, ladj)| *l += ladj);
        Ok(found)
    };
    let mut total = one(scoring.seed)?;
    for k in 1..samples as u64 {
        total.iter_mut().zip(one(scoring.seed.wrapping_add(k))?).for_each(|(total, l)| *total = log_add(*total, l));
    }
    total.iter_mut().for_each(|total| *total -= (samples as f64).ln());
    Ok(total)
}
