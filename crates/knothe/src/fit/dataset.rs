//! The rows that a fit reads: on the host, in the model's precision, gathered into batches.

use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::{
    bijection::{Batch, Batches},
    error::{Error, Result},
    placement::{Placement, Precision},
    random::{Purpose, stream},
};

/// Rows of numbers in row-major order.
#[derive(Clone, Debug)]
enum Storage {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

#[derive(Clone, Debug)]
struct Matrix {
    storage: Storage,
    columns: usize,
}

impl Matrix {
    fn new(values: Vec<f64>, columns: usize, precision: Precision) -> Self {
        let storage = match precision {
            Precision::F32 => Storage::F32(values.into_iter().map(|v| v as f32).collect()),
            Precision::F64 => Storage::F64(values),
        };
        Matrix { storage, columns }
    }

    fn gather(&self, rows: &[u32], place: &Placement) -> Tensor<2> {
        fn pick<T: Copy>(values: &[T], columns: usize, rows: &[u32]) -> Vec<T> {
            let mut out = Vec::with_capacity(rows.len() * columns);
            for &row in rows {
                let start = row as usize * columns;
                out.extend_from_slice(&values[start..start + columns]);
            }
            out
        }
        let shape = [rows.len(), self.columns];
        let data = match &self.storage {
            Storage::F32(values) => TensorData::new(pick(values, self.columns, rows), shape),
            Storage::F64(values) => TensorData::new(pick(values, self.columns, rows), shape),
        };
        Tensor::from_data(data, (&place.device, place.dtype()))
    }
}

/// Rows, their context and their weights.
#[derive(Clone, Debug)]
pub struct Dataset {
    rows: usize,
    x: Matrix,
    context: Option<Matrix>,
    weights: Option<Vec<f64>>,
    /// The width of the uniform dequantisation noise of each column; 0 for a continuous one.
    lattice: Vec<f64>,
    /// What turns log-likelihoods in model space into those of the file's units, on the mean.
    offset: f64,
    place: Placement,
}

impl Dataset {
    /// A data set from row-major values, `x` of `[rows, dim]` and `context` of `[rows, context_dim]`.
    pub fn new(
        x: Vec<f64>,
        dim: usize,
        context: Vec<f64>,
        context_dim: usize,
        weights: Option<Vec<f64>>,
        place: &Placement,
    ) -> Result<Self> {
        let rows = x.len() / dim.max(1);
        if dim == 0 || rows == 0 || rows * dim != x.len() || rows > u32::MAX as usize {
            return Err(Error::shape("rows", format!("one row of {dim} values or more"), format!("{} values", x.len())));
        }
        if context.len() != rows * context_dim {
            return Err(Error::shape("context", format!("{rows} × {context_dim} values"), context.len()));
        }
        if let Some(w) = weights.as_ref().filter(|w| w.len() != rows || w.iter().any(|w| !w.is_finite() || *w < 0.0)) {
            return Err(Error::shape("weights", format!("{rows} numbers that are not negative"), w.len()));
        }
        let outlier = |values: &[f64]| values.iter().position(|v| v.is_nan() || v.abs() > LARGEST);
        if let Some(row) = outlier(&x).map(|at| at / dim).or_else(|| outlier(&context).map(|at| at / context_dim.max(1))) {
            return Err(Error::NotFinite { what: "a standardised value, or a power of it that a fit needs,".into(), rows: vec![row] });
        }
        // Weights of mean 1 make the mean loss of the batches that of the whole set.
        let mean = weights.as_ref().map_or(1.0, |w| w.iter().sum::<f64>() / rows.max(1) as f64);
        if mean <= 0.0 {
            return Err(Error::invalid("weights", "a positive sum", mean));
        }
        let weights = weights.map(|w| w.into_iter().map(|w| w / mean).collect());
        let context = (context_dim > 0).then(|| Matrix::new(context, context_dim, place.precision));
        Ok(Dataset {
            rows,
            x: Matrix::new(x, dim, place.precision),
            context,
            weights,
            lattice: vec![0.0; dim],
            offset: 0.0,
            place: place.clone(),
        })
    }

    /// Says which columns lie on a lattice, by the lattice's step in the units of `x` (0 for none), one a column:
    /// every batch is dequantised with fresh uniform noise of that width.
    pub fn with_lattice(mut self, lattice: Vec<f64>) -> Result<Self> {
        if lattice.len() != self.dim() {
            return Err(Error::shape("lattice", format!("{} steps", self.dim()), lattice.len()));
        }
        self.lattice = lattice;
        Ok(self)
    }

    /// Sets the mean log-determinant that carries log-likelihoods from model space to the units of the file.
    pub fn with_offset(mut self, offset: f64) -> Self {
        self.offset = offset;
        self
    }

    /// The mean log-determinant set by [`Dataset::with_offset`].
    pub fn offset(&self) -> f64 {
        self.offset
    }

    /// The weighted mean of one value a row, plus the offset.
    pub fn mean(&self, log_prob: &[f64]) -> f64 {
        let sum: f64 = match &self.weights {
            None => log_prob.iter().sum(),
            Some(weights) => weights.iter().zip(log_prob).filter(|(w, _)| **w > 0.0).map(|(w, l)| w * l).sum(),
        };
        sum / self.rows as f64 + self.offset
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn dim(&self) -> usize {
        self.x.columns
    }

    /// The number of context columns.
    pub fn context_dim(&self) -> usize {
        self.context.as_ref().map_or(0, |c| c.columns)
    }

    /// Where the batches are made.
    pub fn placement(&self) -> &Placement {
        &self.place
    }

    /// The rows with these numbers, dequantised and blurred by normal noise of standard deviation `blur`.
    pub fn gather(&self, rows: &[u32], blur: f64, rng: &mut impl Rng) -> Result<Batch> {
        if let Some(row) = rows.iter().find(|&&row| row as usize >= self.rows) {
            return Err(Error::invalid("row", format!("below {}", self.rows), row));
        }
        let mut x = self.x.gather(rows, &self.place);
        let dim = self.dim();
        if blur > 0.0 || self.lattice.iter().any(|&step| step > 0.0) {
            let noise = (0..rows.len() * dim)
                .map(|k| {
                    let u = self.lattice[k % dim] * rng.random::<f64>();
                    if blur > 0.0 { u + blur * rng.sample::<f64, _>(StandardNormal) } else { u }
                })
                .collect();
            x = x + self.place.tensor(noise, [rows.len(), dim]);
        }
        Ok(Batch {
            x,
            context: self.context.as_ref().map(|c| c.gather(rows, &self.place)),
            weights: self.weights.as_ref().map(|w| rows.iter().map(|&r| w[r as usize]).collect()),
            seed: rng.next_u64(),
        })
    }

    /// As many rows as are evaluated at once: activations are many times as wide.
    pub(super) fn evaluation_rows(&self) -> usize {
        ((1 << 18) / self.dim()).clamp(16, EVALUATION_ROWS)
    }

    /// All rows in order, in batches of `size`, with the dequantisation noise of `seed`.
    pub fn in_order(&self, size: usize, seed: u64) -> impl Iterator<Item = Result<Batch>> + '_ {
        let last = self.rows as u32;
        (0..last).step_by(size.max(1)).map(move |start| {
            let rows: Vec<u32> = (start..last.min(start.saturating_add(size as u32))).collect();
            self.gather(&rows, 0.0, &mut stream(seed, Purpose::Evaluation, u64::from(start)))
        })
    }
}

/// The largest magnitude of a standardised value: a value far outside its column, whose square is still a 32-bit float.
const LARGEST: f64 = 1e15;

/// How many rows are evaluated at once when there is no batch size to keep to; of rows as wide as images, fewer.
pub(crate) const EVALUATION_ROWS: usize = 2048;

impl Batches for &Dataset {
    fn each(&mut self, visit: &mut dyn FnMut(&Batch) -> Result<()>) -> Result<()> {
        self.in_order(self.evaluation_rows(), 0).try_for_each(|batch| visit(&batch?))
    }
}
