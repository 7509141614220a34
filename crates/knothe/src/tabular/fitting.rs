//! From the rows of a table to a fitted density.

use std::path::Path;

use super::model::{FitRecord, LogLikelihood, Scoring, TableModel, log_prob};
use crate::{
    conditioner::Order,
    data::{Rows, Schema},
    density::Density,
    error::{Error, Result},
    fit::{Checkpoint, Checkpoints, Dataset, FitConfig, Observer, Stopped, fit},
    models::{Architecture, Model, TabularFlow},
    placement::Placement,
    random::{Purpose, stream},
};
use burn::module::Module;

/// The rows that a fit reads, those that choose its epoch, and those held out of both.
#[derive(Clone, Debug)]
pub struct Split {
    /// Fitted to.
    pub train: Rows,
    /// Choose the epoch.
    pub validation: Rows,
    /// Judge the result.
    pub held_out: HeldOut,
}

/// Where the held-out log-likelihood comes from.
#[derive(Clone, Debug)]
pub enum HeldOut {
    /// Rows that nothing else has seen.
    Rows(Rows),
    /// The validation rows, which have chosen the epoch; on the side of the optimist.
    Validation,
}

impl Split {
    /// A random split, 80 % to fit, 10 % to choose the epoch and 10 % held out; at least one row each.
    ///
    /// Fails on fewer than 3 rows; `path` names their table.
    pub fn random(path: &Path, rows: &Rows, schema: &Schema, seed: u64) -> Result<Self> {
        if rows.n < 3 {
            let problem = format!("expected at least 3 rows, to fit, to validate and to hold out, found {}", rows.n);
            return Err(Error::table(path, problem, "--validation names a table to validate with"));
        }
        let order = Order::random(rows.n, &mut stream(seed, Purpose::Split, 0));
        let tenth = (rows.n / 10).max(1);
        let pick = |positions: &[usize]| {
            let mut positions = positions.to_vec();
            positions.sort_unstable();
            rows.pick(&positions, schema)
        };
        let (rest, held_out) = order.columns().split_at(rows.n - tenth);
        let (train, validation) = rest.split_at(rest.len() - tenth);
        Ok(Split { train: pick(train), validation: pick(validation), held_out: HeldOut::Rows(pick(held_out)) })
    }

    /// The rows that judge the result.
    pub fn judge(&self) -> &Rows {
        match &self.held_out {
            HeldOut::Rows(rows) => rows,
            HeldOut::Validation => &self.validation,
        }
    }
}

/// What to fit, and how.
pub struct FitTable<'a> {
    /// The table's name, for the record.
    pub table: &'a str,
    /// The rows.
    pub split: &'a Split,
    /// The columns, with their shifts and scales set.
    pub schema: &'a Schema,
    /// The model.
    pub architecture: &'a Architecture,
    /// The settings.
    pub config: &'a FitConfig,
    /// Device and precision.
    pub place: &'a Placement,
}

/// Fits a model to the rows of a table, and the full Gaussian before it. Nothing where the observer has stopped the fit.
pub fn fit_table(
    job: &FitTable,
    checkpoints: Option<&Checkpoints>,
    resume: Option<Checkpoint>,
    observer: &mut impl Observer,
) -> Result<Option<TableModel>> {
    let train = dataset(job, &job.split.train)?;
    let validation = dataset(job, &job.split.validation)?;
    let gaussian = gaussian(job, &train);
    if let Err(problem) = &gaussian {
        observer.warn(problem);
    }
    let density = job.architecture.build(job.place)?;
    // A closed-form start is already the maximum of the likelihood.
    let closed = FitConfig { epochs: 0, steps: None, ..job.config.clone() };
    let config = if job.architecture.model == Model::Gaussian { &closed } else { job.config };
    let (flow, report) = fit(density, &train, &validation, config, checkpoints, resume, observer)?;
    if report.stopped == Stopped::Interrupted {
        return Ok(None);
    }
    let record = FitRecord {
        version: env!("CARGO_PKG_VERSION").into(),
        table: job.table.into(),
        rows: (job.split.train.n, job.split.validation.n, if let HeldOut::Rows(rows) = &job.split.held_out { rows.n } else { 0 }),
        config: config.clone(),
        report,
        held_out: judged(job, &flow)?,
        gaussian: gaussian.ok(),
    };
    Ok(Some(TableModel::new(job.architecture.clone(), job.schema.clone(), record, flow, job.place.clone())))
}

/// The held-out log-likelihood of the full Gaussian of the training rows.
fn gaussian(job: &FitTable, train: &Dataset) -> Result<LogLikelihood> {
    let architecture = Architecture::new(Model::Gaussian, job.schema.dim(), job.schema.context_dim(), 0);
    let mut gaussian = architecture.build(job.place)?;
    gaussian.initialise(&mut { train })?;
    judged(job, &gaussian.valid())
}

fn judged(job: &FitTable, flow: &TabularFlow) -> Result<LogLikelihood> {
    let rows = job.split.judge();
    let log_prob = log_prob(job.schema, flow, job.place, rows, Scoring::default())?;
    Ok(LogLikelihood::of(&log_prob, rows.weights.as_deref()))
}

/// Rows in model space, with what carries their log-likelihood to the units of the file.
fn dataset(job: &FitTable, rows: &Rows) -> Result<Dataset> {
    let (x, ladj, widths) = job.schema.to_model_without_noise(rows);
    let (dim, context_dim) = (job.schema.dim(), job.schema.context_dim());
    let offset = LogLikelihood::of(&ladj, rows.weights.as_deref()).mean;
    let context = job.schema.context_to_model(rows.context.clone());
    let data = Dataset::new(x, dim, context, context_dim, rows.weights.clone(), job.place).map_err(|problem| match problem {
        // The data set counts its own rows; the user's are those of the file.
        Error::NotFinite { what, rows: at } => Error::NotFinite { what, rows: at.iter().map(|&i| rows.index[i] as usize).collect() },
        other => other,
    })?;
    Ok(data.with_lattice(widths)?.with_offset(offset))
}
