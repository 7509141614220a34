//! Training rows in memory, in the model's precision, gathered into batches.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use rayon::prelude::*;

use super::{
    batches::{Batches, EpochBatches, VALIDATION_DRAWS, evaluation_rows},
    matrix::{Matrix, Numbers},
};
use crate::{
    bijection::{Batch, Draws},
    error::{Error, Result},
    measured::Errors,
    order::Order,
    placement::Placement,
    random::{Purpose, stream},
};

/// Rows with draws that are evaluated at once, in evaluations of rows without draws.
const WITH_DRAWS: usize = 4;

/// Rows in memory, with their context, their weights and their errors.
#[derive(Clone, Debug)]
pub struct Dataset {
    x: Matrix,
    context: Option<Matrix>,
    weights: Option<Vec<f64>>,
    errors: Option<Errors>,
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
        Ok(Dataset { x, context: None, weights: None, errors: None, codes: 0, offset: 0.0, place: place.clone() })
    }

    /// A data set to be scored, whose rows may lie farther out than those of a fit.
    pub(crate) fn scored(rows: Vec<f64>, dim: usize, context: Vec<f64>, context_dim: usize, place: &Placement) -> Result<Self> {
        let x = Matrix::unchecked("rows", rows, dim, place.precision)?;
        let context = (context_dim > 0).then(|| Matrix::unchecked("context", context, context_dim, place.precision)).transpose()?;
        Ok(Dataset { x, context, weights: None, errors: None, codes: 0, offset: 0.0, place: place.clone() })
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

    /// Declares that the rows were measured with errors. A density fitted to them is the density of their true values.
    ///
    /// ```
    /// use knothe::{Placement, Precision, families::Maf, fit::{Dataset, Errors, Fit}};
    ///
    /// let cpu = Placement::cpu(Precision::F64);
    /// let (measured, sigmas) = (vec![0.3, -1.2, 2.1, 0.4], vec![0.2, 0.5, 0.9, 0.1]);
    /// let data = Dataset::new(&measured[..], 1, &cpu)?.with_errors(Errors::of(&measured, &sigmas, 1)?)?;
    /// let (flow, _) = Fit::new().steps(3).error_draws(8).run(Maf::new(1).build(&cpu)?, &data, &data)?;
    /// # Ok::<(), knothe::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one error per row, for elements that the rows have.
    pub fn with_errors(mut self, errors: Errors) -> Result<Self> {
        errors.check(self.rows(), self.dim())?;
        self.errors = (!errors.is_empty()).then_some(errors);
        Ok(self)
    }

    /// Whether rows were measured with errors.
    pub fn has_errors(&self) -> bool {
        self.errors.is_some()
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

    /// The rows with these numbers, counted from 0, blurred by normal noise of standard deviation `blur`. If they were measured with errors, each has `draws` draws of its true
    /// values.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such row.
    pub fn gather(&self, rows: &[usize], blur: f64, draws: usize, rng: &mut impl Rng) -> Result<Batch> {
        if let Some(row) = rows.iter().find(|&&row| row >= self.rows()) {
            return Err(Error::invalid("row", format!("below {}", self.rows()), row));
        }
        let (dim, mut x) = (self.dim(), self.x.gather(rows, &self.place));
        let noise = (blur > 0.0).then(|| {
            let noise = |k: usize| if k % dim < self.codes { 0.0 } else { blur * rng.sample::<f64, _>(StandardNormal) };
            self.place.tensor::<2>((0..rows.len() * dim).map(noise).collect(), [rows.len(), dim])
        });
        if let Some(noise) = &noise {
            x = x + noise.clone();
        }
        let seed = rng.next_u64();
        let mut drawn = self.draws(rows, draws, seed);
        if let (Some(draws), Some(noise)) = (&mut drawn, &noise) {
            draws.x = draws.x.clone() + draws.beside(noise);
        }
        Ok(Batch {
            x,
            context: self.context.as_ref().map(|c| c.gather(rows, &self.place)),
            present: None,
            weights: self.weights.as_ref().map(|w| rows.iter().map(|&r| w[r]).collect()),
            draws: drawn,
            seed,
        })
    }

    /// Draws of the true values of rows; none where they were measured without errors. They depend on the seed and on the rows alone, not on their places.
    fn draws(&self, rows: &[usize], number: usize, seed: u64) -> Option<Draws> {
        let errors = self.errors.as_ref().filter(|_| number > 0)?;
        let (dim, all) = (self.dim(), rows.len() * number);
        let (mut x, mut ladj) = (vec![0.0; all * dim], vec![0.0; all]);
        x.par_chunks_mut(number * dim).zip(ladj.par_chunks_mut(number)).zip(rows).for_each(|((x, ladj), &row)| {
            let own = self.x.row(row);
            x.chunks_mut(dim).for_each(|x| x.copy_from_slice(&own));
            errors.draw(row, x, ladj, seed);
        });
        Some(Draws { number, x: self.place.tensor(x, [all, dim]), ladj: self.place.tensor(ladj, [all]) })
    }

    /// All rows in order, with `draws` true values of each, and with seeds that depend on `seed`.
    pub(super) fn in_order(&self, draws: usize, seed: u64) -> impl Iterator<Item = Result<Batch>> + '_ {
        let draws = if self.errors.is_some() { draws } else { 0 };
        let rows = evaluation_rows(self.dim());
        let size = (rows * WITH_DRAWS).checked_div(draws).map_or(rows, |size| size.max(1));
        (0..self.rows()).step_by(size).map(move |start| {
            let rows: Vec<usize> = (start..self.rows().min(start + size)).collect();
            let batch = self.gather(&rows, 0.0, 0, &mut stream(seed, Purpose::Evaluation, start as u64))?;
            Ok(Batch { draws: self.draws(&rows, draws, seed), ..batch })
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
            self.gather(rows, step.noise, step.draws, &mut step.rng())
        }))
    }

    fn pass(&self, seed: u64, visit: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        self.in_order(VALIDATION_DRAWS, seed).try_for_each(|batch| visit(batch?))
    }

    /// All rows, without draws of true values.
    fn sample(&self, visit: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        self.in_order(0, 0).try_for_each(|batch| visit(batch?))
    }

    fn offset(&self) -> f64 {
        self.offset
    }
}
