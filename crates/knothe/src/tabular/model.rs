//! The density in the units of the file.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Member, Weighting};
use crate::{
    bijection::Given,
    density::{Density, Exactness},
    error::{Error, Result},
    events::table::{Column, Preprocess, Rows, Schema},
    families::TabularFlow,
    file,
    fit::EVALUATION_ROWS,
    mixture::Mixture,
    parameters::{self, Parameters},
    placement::{Placement, Precision, values},
    random::{Purpose, stream},
};

/// A mean log-likelihood with its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLikelihood {
    /// The (weighted) mean of log q(x), in nats a row.
    #[serde(with = "crate::number")]
    pub mean: f64,
    /// Two standard errors of the mean; NaN for a single row.
    #[serde(with = "crate::number")]
    pub two_se: f64,
    /// The rows.
    pub rows: usize,
}

impl LogLikelihood {
    /// The weighted mean; its standard error is √(Σ w² (l − mean)²) / Σ w. Rows of weight 0 have no say, whatever their value.
    pub fn of(log_prob: &[f64], weights: Option<&[f64]>) -> Self {
        let weight = |i: usize| weights.map_or(1.0, |w| w[i]);
        let counted = || log_prob.iter().enumerate().map(|(i, &l)| (weight(i), l)).filter(|(w, _)| *w > 0.0);
        let total: f64 = counted().map(|(w, _)| w).sum();
        let mean = counted().map(|(w, l)| w * l).sum::<f64>() / total;
        let square: f64 = counted().map(|(w, l)| (w * (l - mean)).powi(2)).sum();
        let two_se = if counted().count() < 2 { f64::NAN } else { 2.0 * square.sqrt() / total };
        LogLikelihood { mean, two_se, rows: log_prob.len() }
    }
}

/// How a model came to be, as its file records it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FitRecord {
    /// The version of Knothe.
    pub version: String,
    /// The path of the table or the images, as it was given.
    pub table: String,
    /// Rows fitted to, rows that chose the epoch, and rows held out of both.
    pub rows: (usize, usize, usize),
    /// Where the weights of the members come from.
    pub weighting: Weighting,
    /// The held-out log-likelihood.
    pub held_out: LogLikelihood,
    /// The held-out log-likelihood of the full Gaussian of the same rows, where the rows have one.
    pub gaussian: Option<LogLikelihood>,
}

/// How to score.
#[derive(Clone, Copy, Debug)]
pub struct Scoring {
    /// Seeds dequantisation noise.
    pub seed: u64,
    /// Noise samples a row for a dequantised density: log (1/K) Σ q(x + u_k), a bound that tightens with K.
    pub samples: usize,
}

impl Default for Scoring {
    fn default() -> Self {
        Scoring { seed: 0, samples: 1 }
    }
}

/// A density of the columns of a table: a mixture of one flow or more.
#[derive(Clone, Debug)]
pub struct TableModel {
    /// What each member of the mixture is, and how it was fitted.
    pub members: Vec<Member>,
    /// The columns.
    pub schema: Schema,
    /// How it was fitted.
    pub record: FitRecord,
    mixture: Mixture<TabularFlow>,
    place: Placement,
}

impl TableModel {
    /// Rows that share a stream of random numbers in [`TableModel::sample`].
    pub const SAMPLE_BLOCK: usize = EVALUATION_ROWS;

    pub(super) fn new(members: Vec<Member>, schema: Schema, record: FitRecord, mixture: Mixture<TabularFlow>, place: Placement) -> Self {
        TableModel { members, schema, record, mixture, place }
    }

    /// The flows over the standardised columns, in the order of the members, and their weights.
    pub fn mixture(&self) -> &Mixture<TabularFlow> {
        &self.mixture
    }

    /// Device and precision.
    pub fn placement(&self) -> &Placement {
        &self.place
    }

    /// Whether [`TableModel::log_prob`] is the log density (log mass for integer columns) or a bound below it.
    pub fn exactness(&self) -> Exactness {
        Preprocess::new(&self.schema).exactness()
    }

    /// The numbers that the model's file holds.
    pub fn parameters(&self) -> usize {
        parameters::count(&self.mixture)
    }

    /// log q(x | context) of each row in the units of the file: densities for continuous columns, masses for integer ones.
    pub fn log_prob(&self, rows: &Rows, scoring: Scoring) -> Result<Vec<f64>> {
        log_prob(&self.schema, &self.mixture, &self.place, rows, scoring)
    }

    /// The probability integral transform of each row, row-major `[n, dim]`: uniform and independent when the model is right.
    pub fn to_uniform(&self, rows: &Rows, seed: u64) -> Result<Vec<f64>> {
        let (x, _, context) = self.schema.to_model(rows, seed);
        let (dim, width) = (self.schema.dim(), self.schema.context_dim());
        in_batches([(&x, dim), (&context, width)], rows.n, &self.place, |start, x, context| {
            // Batches that share their random numbers would not be independent.
            let seed = seed.wrapping_add(start as u64);
            Ok(values(self.mixture.to_uniform(x, &Given { context, seed })?))
        })
    }

    /// `n` draws as columns of the file. `context` has `n` rows in the units of the file, row-major, and is empty without a context.
    pub fn sample(&self, n: usize, context: &[f64], seed: u64) -> Result<Vec<Column>> {
        self.sample_part(0, n, context, seed)
    }

    /// The draws `first..first + n` of a seed, so that a long sample can be made in parts; `first` is a multiple of [`TableModel::SAMPLE_BLOCK`].
    pub fn sample_part(&self, first: usize, n: usize, context: &[f64], seed: u64) -> Result<Vec<Column>> {
        if !first.is_multiple_of(Self::SAMPLE_BLOCK) {
            return Err(Error::invalid("first", format!("a multiple of {}", Self::SAMPLE_BLOCK), first));
        }
        let width = self.schema.context_dim();
        if context.len() != n * width {
            return Err(Error::shape("context", format!("{n} × {width} values"), context.len()));
        }
        let context = self.schema.context_to_model(context.to_vec());
        let mut all = Vec::with_capacity(n * self.schema.dim());
        for (index, start) in (0..n).step_by(EVALUATION_ROWS).enumerate() {
            let rows = EVALUATION_ROWS.min(n - start);
            let context = (width > 0).then(|| self.place.tensor(context[start * width..(start + rows) * width].to_vec(), [rows, width]));
            let mut rng = stream(seed, Purpose::Sample, (first / EVALUATION_ROWS + index) as u64);
            let x = values(self.mixture.sample(rows, &Given::context(context.as_ref()), &mut rng)?);
            if let Some(at) = x.iter().position(|v| !v.is_finite()) {
                return Err(Error::NotFinite { what: "a sample".into(), rows: vec![first + start + at / self.schema.dim()] });
            }
            all.extend(x);
        }
        self.schema.to_file(all, n)
    }

    /// Writes the model file: one safetensors file with the members, the schema and the record in its header.
    pub fn save(&self, path: &Path) -> Result<()> {
        let content = serde_json::json!({
            "kind": "table",
            "members": self.members,
            "weights": self.mixture.weights(),
            "precision": self.place.precision,
            "schema": self.schema,
            "fit": self.record,
        });
        file::write(path, &content, &parameters::collect(&self.mixture))
    }

    /// Reads a model file onto a device by name (`cpu`, `cuda`, `vulkan`).
    ///
    /// # Errors
    /// [`Error::ModelFile`] where the file is damaged, or holds something else, such as a model of images.
    pub fn load(path: &Path, device: &str) -> Result<Self> {
        let (content, tensors) = file::read(path)?;
        Self::parse(path, content, tensors, device)
    }

    /// What a file holds is a model of a table, or an error that names the file.
    pub(crate) fn parse(path: &Path, mut content: Value, tensors: Parameters, device: &str) -> Result<Self> {
        let wrong = |reason: String| Error::model_file(path, reason, "");
        if content["kind"] != "table" {
            let hint = if content["kind"] == "images" { "sample, evaluate and inspect take models of images" } else { "" };
            return Err(Error::model_file(path, format!("expected a model of a table, found kind {}", content["kind"]), hint));
        }
        let members: Vec<Member> = file::part(path, &mut content, "members", "members")?;
        let weights: Vec<f64> = file::part(path, &mut content, "weights", "weights")?;
        let precision: Precision = file::part(path, &mut content, "precision", "precision")?;
        let schema: Schema = file::part(path, &mut content, "schema", "schema")?;
        let record: FitRecord = file::part(path, &mut content, "fit", "record of the fit")?;
        let columns = |m: &Member| (m.architecture.dim, m.architecture.context_dim);
        if members.iter().any(|m| columns(m) != (schema.dim(), schema.context_dim())) {
            return Err(wrong("its schema and its architecture differ in their columns".into()));
        }
        let asked = members.iter().fold(0usize, |sum, m| sum.saturating_add(m.architecture.size()));
        file::check_size(path, asked, &tensors)?;
        let place = Placement::named(device, precision)?;
        let flows = members.iter().map(|m| m.architecture.build(&place)).collect::<Result<_>>();
        let mixture = flows
            .and_then(|flows| Mixture::weighted(flows, weights))
            .and_then(|mixture| parameters::restore(mixture, tensors))
            .map_err(|e| wrong(e.to_string()))?;
        Ok(TableModel { members, schema, record, mixture: mixture.valid(), place })
    }
}

/// log q(x | context) of each row in the units of the file, for a density q of the standardised columns of a schema.
pub(super) fn log_prob(schema: &Schema, q: &impl Density, place: &Placement, rows: &Rows, scoring: Scoring) -> Result<Vec<f64>> {
    let bound = Preprocess::new(schema).exactness() == Exactness::LowerBound;
    scoring_over(Scoring { samples: if bound { scoring.samples } else { 1 }, ..scoring }, |seed| {
        let (x, ladj, context) = schema.to_model(rows, seed);
        let parts = [(x.as_slice(), schema.dim()), (context.as_slice(), schema.context_dim())];
        let mut one = in_batches(parts, rows.n, place, |_, x, context| Ok(values(q.log_prob(x, &Given { context, seed })?)))?;
        one.iter_mut().zip(&ladj).for_each(|(l, ladj)| *l += ladj);
        Ok(one)
    })
}

/// log (1/K) Σ_k q(x + u_k) of each row, from `log_prob` with the noise of a seed.
pub(crate) fn scoring_over(scoring: Scoring, log_prob: impl Fn(u64) -> Result<Vec<f64>>) -> Result<Vec<f64>> {
    let samples = scoring.samples.max(1);
    let mut total: Vec<f64> = Vec::new();
    for k in 0..samples as u64 {
        let one = log_prob(scoring.seed.wrapping_add(k))?;
        match k {
            0 => total = one,
            _ => total.iter_mut().zip(&one).for_each(|(t, l)| *t = log_add(*t, *l)),
        }
    }
    total.iter_mut().for_each(|t| *t -= (samples as f64).ln());
    Ok(total)
}

/// What `evaluate` makes of rows and their context, given as values in row-major order and a number of columns, a batch at a time; it is told the first row.
fn in_batches(
    [x, context]: [(&[f64], usize); 2],
    n: usize,
    place: &Placement,
    evaluate: impl Fn(usize, Tensor<2>, Option<&Tensor<2>>) -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    let mut all = Vec::with_capacity(n);
    for start in (0..n).step_by(EVALUATION_ROWS) {
        let end = n.min(start + EVALUATION_ROWS);
        let part = |(values, columns): (&[f64], usize)| match values.get(start * columns..end * columns) {
            Some(part) => Ok(place.tensor(part.to_vec(), [end - start, columns])),
            None => Err(Error::shape("rows", format!("{n} × {columns} values"), values.len())),
        };
        let given = if context.1 > 0 { Some(part(context)?) } else { None };
        all.extend(evaluate(start, part(x)?, given.as_ref())?);
    }
    Ok(all)
}

/// log(eᵃ + eᵇ).
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = (a.max(b), a.min(b));
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
