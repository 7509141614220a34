//! Events as a network reads them.

use burn::tensor::Tensor;

use super::Events;
use crate::{
    error::{Error, Result},
    fit::{Dataset, EVALUATION_ROWS, Errors},
    placement::Placement,
};

/// Encoded events: rows of numbers, with what belongs to each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The number of elements of an event.
    pub dim: usize,
    /// Row-major `[n, dim]`.
    pub values: Vec<f64>,
    /// How many elements of each event count; all of them where there is nothing.
    pub lengths: Option<Vec<u32>>,
    /// The number of context columns.
    pub context_dim: usize,
    /// Row-major `[n, context_dim]`.
    pub context: Vec<f64>,
    /// The weight of each event, where they have weights.
    pub weights: Option<Vec<f64>>,
    /// What log_prob in the units of the file adds to the network's, for each event.
    pub ladj: Vec<f64>,
    /// The measurement errors of elements, where they have some. `ladj` then counts the other elements alone: the errors know the slopes of their own.
    pub errors: Option<Errors>,
    /// How many of the first elements are codes, to which a fit adds no noise.
    pub codes: usize,
}

impl Rows {
    /// Rows of `dim` numbers that are the events themselves: without context and weights.
    pub fn new(values: Vec<f64>, dim: usize) -> Self {
        let n = values.len() / dim.max(1);
        Rows { dim, values, ladj: vec![0.0; n], ..Rows::default() }
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        self.ladj.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A checksum of everything that a fit reads. Each part is hashed with its length, so that numbers that move from one part to another change it.
    pub fn checksum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        let weights = self.weights.as_deref().unwrap_or_default();
        for part in [self.values.as_slice(), &self.context, weights, &self.ladj] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            part.iter().for_each(|v| hasher.update(&v.to_le_bytes()));
        }
        self.errors.iter().flat_map(Errors::numbers).for_each(|v| hasher.update(&v.to_le_bytes()));
        hasher.update(&[u8::from(self.lengths.is_some())]);
        self.lengths.iter().flatten().for_each(|length| hasher.update(&length.to_le_bytes()));
        hasher.finalize()
    }

    /// What a fit reads; `events`, whose rows these are, say which row of a file an error is about.
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub fn dataset(self, events: &impl Events, place: &Placement) -> Result<Dataset> {
        let weight = |i: usize| self.weights.as_ref().map_or(1.0, |w| w[i]);
        let counted = || (0..self.len()).map(|i| (weight(i), self.ladj[i])).filter(|(w, _)| *w > 0.0);
        let total: f64 = counted().map(|(w, _)| w).sum();
        let offset = counted().map(|(w, ladj)| w * ladj).sum::<f64>() / total;
        let data = Dataset::new(self.values, self.dim, place).and_then(|data| data.with_context(self.context, self.context_dim));
        let mut data = data.map_err(|e| in_file(e, events))?;
        if let Some(weights) = self.weights {
            data = data.with_weights(weights)?;
        }
        if let Some(errors) = self.errors {
            data = data.with_errors(errors)?;
        }
        Ok(data.with_codes(self.codes).with_offset(offset))
    }

    /// What is scored of rows with errors.
    pub(crate) fn scored(&self, errors: &Errors, place: &Placement) -> Result<Dataset> {
        place.check_whole()?;
        Dataset::scored(self.values.clone(), self.dim, self.context.clone(), self.context_dim, place)?.with_errors(errors.clone())
    }

    /// What `evaluate` makes of the rows and their context, some at a time; it is told the first of them.
    pub(crate) fn in_batches(
        &self,
        place: &Placement,
        evaluate: impl Fn(usize, Tensor<2>, Option<&Tensor<2>>) -> Result<Vec<f64>>,
    ) -> Result<Vec<f64>> {
        place.check_whole()?;
        let (n, size) = (self.len(), batch_rows(self.dim));
        let mut all = Vec::with_capacity(n);
        for start in (0..n).step_by(size) {
            let end = n.min(start + size);
            let part = |values: &[f64], columns: usize| match values.get(start * columns..end * columns) {
                Some(part) => Ok(place.tensor(part.to_vec(), [end - start, columns])),
                None => Err(Error::shape("rows", format!("{n} × {columns} values"), values.len())),
            };
            let context = if self.context_dim > 0 { Some(part(&self.context, self.context_dim)?) } else { None };
            let found = evaluate(start, part(&self.values, self.dim)?, context.as_ref());
            all.extend(found.map_err(|e| e.renumbered(|row| start + row))?);
        }
        Ok(all)
    }
}

/// As many rows as are evaluated at once: activations are many times as wide.
fn batch_rows(dim: usize) -> usize {
    ((1 << 18) / dim.max(1)).clamp(16, EVALUATION_ROWS)
}

/// An error that counts the rows of some events, counting those of their file.
pub(crate) fn in_file(error: Error, events: &impl Events) -> Error {
    error.renumbered(|row| events.number(row) as usize)
}
