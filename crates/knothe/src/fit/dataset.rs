//! Training rows in memory, in the model's precision, gathered into batches.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::{
    batches::{Batches, EpochBatches, evaluation_rows},
    matrix::{Matrix, Numbers},
};
use crate::{
    bijection::Batch,
    error::{Error, Result},
    order::Order,
    placement::Placement,
    random::{Purpose, stream},
};

/// Rows in memory, with their context and their weights.
#[derive(Clone, Debug)]
pub struct Dataset {
    x: Matrix,
    context: Option<Matrix>,
    weights: Option<Vec<f64>>,
    /// The first columns, which get no noise.
    codes: usize,
    /// What turns log-likelihoods in model space into those of the file's units, on the mean.
    offset: f64,
    place: Placement,
}

impl Dataset {
    /// A data set of rows of `dim` numbers in row-major order: a slice or a vector of `f32` or `f64`, or a tensor `[rows, dim]`. The batches are
    /// made on the device and in the precision of `place`.
    ///
    /// ```
    /// use knothe::{Placement, Precision, fit::Dataset};
    ///
    /// let cpu = Placement::cpu(Precision::F32);
    /// let from_slice = Dataset::new(&[0.5f32, 1.0, 1.5, 2.0][..], 2, &cpu)?;
    /// let weighted = Dataset::new(vec![0.5f64, 1.0, 1.5, 2.0], 2, &cpu)?.with_weights(vec![1.0, 3.0])?;
    /// let conditional = Dataset::new(cpu.zeros([2, 3]), 3, &cpu)?.with_context(vec![0.0, 1.0], 1)?;
    /// assert!(Dataset::new(vec![0.5, 1.0, 1.5], 2, &cpu).is_err());
    /// # Ok::<(), knothe::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] without a row, and where the numbers are not whole rows; [`Error::NotFinite`] for a NaN and for a magnitude
    /// above 10¹⁵.
    pub fn new(rows: impl Numbers, dim: usize, place: &Placement) -> Result<Self> {
        let x = Matrix::new("rows", rows, dim, place.precision)?;
        Ok(Dataset { x, context: None, weights: None, codes: 0, offset: 0.0, place: place.clone() })
    }

    /// Gives each row a context of `context_dim` numbers; 0 is none.
    ///
    /// # Errors
    /// As [`Dataset::new`], and [`Error::Shape`] where the rows of the context are not as many.
    pub fn with_context(mut self, context: impl Numbers, context_dim: usize) -> Result<Self> {
        if context_dim == 0 {
            return Ok(Dataset { context: None, ..self });
        }
        let context = Matrix::new("context", context, context_dim, self.place.precision)?;
        if context.rows != self.rows() {
            return Err(Error::shape("context", format!("{} rows of {context_dim} values each", self.rows()), context.rows));
        }
        self.context = Some(context);
        Ok(self)
    }

    /// Gives each row a weight in the likelihood.
    ///
    /// # Errors
    /// [`Error::Shape`] where they are not one finite number per row, at least 0; [`Error::Invalid`] where all are 0.
    pub fn with_weights(mut self, weights: Vec<f64>) -> Result<Self> {
        let rows = self.rows();
        if weights.len() != rows || weights.iter().any(|w| !w.is_finite() || *w < 0.0) {
            return Err(Error::shape("weights", format!("{rows} numbers that are not negative"), weights.len()));
        }
        // Weights of mean 1 make the mean loss of the batches that of the whole set.
        let mean = weights.iter().sum::<f64>() / rows as f64;
        if mean <= 0.0 {
            return Err(Error::invalid("weights", "a positive sum", mean));
        }
        self.weights = Some(weights.into_iter().map(|w| w / mean).collect());
        Ok(self)
    }

    /// Says that the first columns are codes, to which [`Dataset::gather`] adds no noise.
    pub fn with_codes(mut self, codes: usize) -> Self {
        self.codes = codes;
        self
    }

    /// Sets the mean log-determinant that carries log-likelihoods from model space to the units of the file.
    pub fn with_offset(mut self, offset: f64) -> Self {
        self.offset = offset;
        self
    }

    /// The weighted mean of one value per row, plus the offset.
    pub fn mean(&self, log_prob: &[f64]) -> f64 {
        let sum: f64 = match &self.weights {
            None => log_prob.iter().sum(),
            Some(weights) => weights.iter().zip(log_prob).filter(|(w, _)| **w > 0.0).map(|(w, l)| w * l).sum(),
        };
        sum / self.rows() as f64 + self.offset
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.x.rows
    }

    /// The number of columns.
    pub fn dim(&self) -> usize {
        self.x.columns
    }

    /// The number of context columns.
    pub fn context_dim(&self) -> usize {
        self.context.as_ref().map_or(0, |c| c.columns)
    }

    /// The rows with these numbers, counted from 0, blurred by normal noise of standard deviation `blur`.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such row.
    pub fn gather(&self, rows: &[usize], blur: f64, rng: &mut impl Rng) -> Result<Batch> {
        if let Some(row) = rows.iter().find(|&&row| row >= self.rows()) {
            return Err(Error::invalid("row", format!("below {}", self.rows()), row));
        }
        let mut x = self.x.gather(rows, &self.place);
        let dim = self.dim();
        if blur > 0.0 {
            let noise = |k: usize| if k % dim < self.codes { 0.0 } else { blur * rng.sample::<f64, _>(StandardNormal) };
            x = x + self.place.tensor((0..rows.len() * dim).map(noise).collect(), [rows.len(), dim]);
        }
        Ok(Batch {
            x,
            context: self.context.as_ref().map(|c| c.gather(rows, &self.place)),
            present: None,
            weights: self.weights.as_ref().map(|w| rows.iter().map(|&r| w[r]).collect()),
            seed: rng.next_u64(),
        })
    }

    /// All rows in order, in batches of `size`, with seeds that depend on `seed`.
    fn in_order(&self, size: usize, seed: u64) -> impl Iterator<Item = Result<Batch>> + '_ {
        (0..self.rows()).step_by(size.max(1)).map(move |start| {
            let rows: Vec<usize> = (start..self.rows().min(start + size)).collect();
            self.gather(&rows, 0.0, &mut stream(seed, Purpose::Evaluation, start as u64))
        })
    }
}

impl Batches for Dataset {
    fn dim(&self) -> usize {
        self.dim()
    }

    fn context_dim(&self) -> usize {
        self.context_dim()
    }

    fn placement(&self) -> &Placement {
        &self.place
    }

    fn epoch_rows(&self) -> Option<u64> {
        Some(self.rows() as u64)
    }

    /// All rows once, in an order drawn from the seed and the epoch.
    fn epoch(&self, seed: u64, epoch: u64) -> Result<EpochBatches<'_>> {
        let order = Order::random(self.rows(), &mut stream(seed, Purpose::Shuffle, epoch));
        Ok(Box::new(move |step| {
            let rows = order.columns().get(step.rows.start as usize..step.rows.end as usize);
            let rows =
                rows.ok_or_else(|| Error::invalid("rows of a step", format!("below {}", self.rows()), format!("{:?}", step.rows)))?;
            self.gather(rows, step.noise, &mut step.rng())
        }))
    }

    fn pass(&self, seed: u64, visit: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        self.in_order(evaluation_rows(self.dim()), seed).try_for_each(|batch| visit(batch?))
    }

    fn offset(&self) -> f64 {
        self.offset
    }
}
