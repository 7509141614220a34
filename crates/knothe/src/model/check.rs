//! The checks of a model against events that it has not been fitted to.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde::Serialize;

use super::Model;
use crate::{
    error::{Error, Result},
    evaluate::{ENERGY_ROWS, Energy, KolmogorovSmirnov, Tails, Verdict},
    events::{Coding, Events, Rows},
    order::Order,
    space::{Law, Shape},
};

/// What the checks found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checks {
    /// The elements that the coordinates of `ks` and `tails` belong to, in order.
    pub columns: Vec<String>,
    /// Events that were checked.
    pub rows: usize,
    /// Are the source coordinates uniform?
    pub ks: KolmogorovSmirnov,
    /// Do samples look like data?
    pub energy: Energy,
    /// Are the tails as heavy as those of the data?
    pub tails: Tails,
}

impl Checks {
    /// The verdicts with their names.
    pub fn verdicts(&self) -> [(&'static str, Verdict); 3] {
        [("ks", self.ks.verdict), ("energy", self.energy.verdict), ("tails", self.tails.verdict)]
    }
}

impl<C: Coding> Model<C> {
    /// Checks the model against events that it has not been fitted to. The seed decides noise, samples and which events are compared; the same seed finds the same.
    ///
    /// Events with weights are kept with the probability weight / largest weight, so that what is left follows the weighted distribution.
    /// Events that are impossible under the model are left out. An event with measurement errors is represented by a draw of its true values given the measured ones: if the model
    /// is right, these draws follow it. Samples are compared with data as the network sees them, each with the context of an event.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for events whose coordinates are no numbers.
    pub fn check(&self, events: &C::Events, seed: u64) -> Result<Checks> {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let mut positions = Order::random(events.len(), &mut rng).columns().to_vec();
        positions.retain(|&i| events.is_possible(i));
        if let Some(weights) = events.weights() {
            let largest = weights.iter().copied().fold(0.0, f64::max);
            positions.retain(|&i| rng.random::<f64>() * largest < weights[i]);
        }
        let events = events.pick(&positions);
        let (u, dim) = (self.to_uniform(&events, seed)?, self.coding.space().dim());
        let broken: Vec<usize> =
            u.chunks_exact(dim.max(1)).enumerate().filter(|(_, u)| u.iter().any(|u| u.is_nan())).map(|(i, _)| i).collect();
        if !broken.is_empty() {
            let rows = broken.iter().map(|&i| events.number(i) as usize).collect();
            return Err(Error::NotFinite { what: "the source coordinate".into(), rows });
        }
        Ok(Checks {
            columns: self.coding.elements(),
            rows: events.len(),
            ks: KolmogorovSmirnov::of(&u, dim),
            energy: self.energy(&events, seed)?,
            tails: Tails::of(&u, dim),
        })
    }

    /// The energy distance of the first events, with their contexts, and twice as many samples given these contexts.
    fn energy(&self, events: &C::Events, seed: u64) -> Result<Energy> {
        let data = events.pick(&(0..events.len().min(ENERGY_ROWS)).collect::<Vec<_>>());
        let context = self.coding.context_of(&data);
        let samples = self.sample(2 * data.len(), &[context.as_slice(), &context].concat(), seed)?;
        let space = self.coding.space();
        // Pixels are compared by their brightness.
        let columns = matches!(space.shape, Shape::Columns(_));
        let laws: Vec<Law> = space.laws().map(|law| if columns { law } else { Law::Real }).collect();
        let joint = |rows: Rows| {
            let row = |i: usize| {
                let (dim, width) = (rows.dim, rows.context_dim);
                let values = rows.values[i * dim..(i + 1) * dim].iter().zip(&laws).flat_map(|(&value, law)| numbers(value, *law));
                values.chain(rows.context[i * width..(i + 1) * width].iter().copied())
            };
            (0..rows.len()).flat_map(row).collect::<Vec<f64>>()
        };
        let columns = laws.iter().map(|law| numbers(0.0, *law).len()).sum::<usize>() + self.coding.context_dim();
        let (data, samples) = (self.true_rows(&data, seed)?, self.coding.encode(&samples)?);
        Ok(Energy::of(&joint(data), &joint(samples), columns, seed))
    }
}

/// The numbers by which events are compared: of a code, one for each code of its alphabet, so that any two codes are equally far apart.
fn numbers(value: f64, law: Law) -> Vec<f64> {
    match law {
        Law::Codes(k) if k > 2 => (0..k).map(|code| f64::from(f64::from(code) == value)).collect(),
        _ => vec![value],
    }
}
