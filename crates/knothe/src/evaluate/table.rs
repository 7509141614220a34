//! The checks of a model of a table.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde::Serialize;

use super::{ENERGY_ROWS, Energy, KolmogorovSmirnov, Tails, Verdict};
use crate::{
    error::{Error, Result},
    events::table::Rows,
    order::Order,
    tabular::TableModel,
};

/// What the checks found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checks {
    /// The columns that the coordinates of `ks` and `tails` belong to, in order.
    pub columns: Vec<String>,
    /// Rows that were checked.
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

/// Checks a model against rows that it has not been fitted to. The seed decides noise, samples and which rows are compared; the same seed finds the same.
///
/// Rows with weights are kept with the probability weight / largest weight, so that what is left follows the weighted distribution.
/// Dequantised columns are checked with their noise. Samples are compared with data in the standardised units of the model, each with the context of a row.
/// Fails with [`Error::NotFinite`] on rows whose coordinates are no numbers.
pub fn check(model: &TableModel, rows: &Rows, seed: u64) -> Result<Checks> {
    let (schema, mut rng) = (&model.schema, ChaCha12Rng::seed_from_u64(seed));
    let mut positions = Order::random(rows.n, &mut rng).columns().to_vec();
    if let Some(weights) = &rows.weights {
        let largest = weights.iter().copied().fold(0.0, f64::max);
        positions.retain(|&i| rng.random::<f64>() * largest < weights[i]);
    }
    let rows = rows.pick(&positions, schema);
    let u = model.to_uniform(&rows, seed)?;
    let broken: Vec<usize> = (0..rows.n).filter(|i| u[i * schema.dim()..(i + 1) * schema.dim()].iter().any(|u| u.is_nan())).collect();
    if !broken.is_empty() {
        let rows = broken.iter().map(|&i| rows.index[i] as usize).collect();
        return Err(Error::NotFinite { what: "the source coordinate".into(), rows });
    }
    Ok(Checks {
        columns: schema.modelled().map(|c| c.name.clone()).collect(),
        rows: rows.n,
        ks: KolmogorovSmirnov::of(&u, schema.dim()),
        energy: energy(model, &rows, seed)?,
        tails: Tails::of(&u, schema.dim()),
    })
}

/// The energy distance of the first rows, with their contexts, and twice as many samples given these contexts.
fn energy(model: &TableModel, rows: &Rows, seed: u64) -> Result<Energy> {
    let schema = &model.schema;
    let data = rows.pick(&(0..rows.n.min(ENERGY_ROWS)).collect::<Vec<_>>(), schema);
    let context = [data.context.as_slice(), data.context.as_slice()].concat();
    let n = 2 * data.n;
    let columns = model.sample(n, &context, seed)?;
    let modelled: Vec<&[f64]> = schema
        .columns
        .iter()
        .zip(&columns)
        .filter(|(c, _)| schema.modelled().any(|m| m.name == c.name))
        .map(|(_, column)| column.values.as_slice())
        .collect();
    let x = (0..n).flat_map(|i| modelled.iter().map(move |values| values[i])).collect();
    let samples = Rows { n, x, context, index: (0..n as u64).collect(), ..Rows::default() };
    let joint = |rows: &Rows, seed: u64| {
        let (x, _, context) = schema.to_model(rows, seed);
        let (dim, width) = (schema.dim(), schema.context_dim());
        let row = |i: usize| x[i * dim..(i + 1) * dim].iter().chain(&context[i * width..(i + 1) * width]).copied();
        (0..rows.n).flat_map(row).collect::<Vec<f64>>()
    };
    // Noise of its own, lest a lattice value agree with its sample to the last digit.
    Ok(Energy::of(&joint(&data, seed), &joint(&samples, seed.wrapping_add(1)), schema.dim() + schema.context_dim(), seed))
}
