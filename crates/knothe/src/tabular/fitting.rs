//! From the rows of a table to a fitted density.

use burn::module::Module;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::model::{FitRecord, LogLikelihood, Scoring, TableModel};
use crate::{
    conditioner::Order,
    data::{Rows, Schema},
    error::{Error, Result},
    fit::{Checkpoint, Checkpoints, Dataset, FitConfig, Observer, fit},
    models::{Architecture, Model},
    placement::Placement,
};

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
    pub fn random(rows: &Rows, schema: &Schema, seed: u64) -> Result<Self> {
        if rows.n < 3 {
            return Err(Error::invalid("rows", "at least 3, to fit, to validate and to hold out", rows.n));
        }
        let mut rng = ChaCha12Rng::seed_from_u64(seed ^ 0x5eed_5eed);
        let order = Order::random(rows.n, &mut rng);
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

/// Fits a model to the rows of a table, and the full Gaussian beside it.
pub fn fit_table(
    job: &FitTable,
    checkpoints: Option<&Checkpoints>,
    resume: Option<Checkpoint>,
    observer: &mut impl Observer,
) -> Result<TableModel> {
    let train = dataset(job, &job.split.train)?;
    let validation = dataset(job, &job.split.validation)?;
    let density = job.architecture.build(job.place)?;
    // A closed-form start is already the maximum of the likelihood.
    let config = if job.architecture.model == Model::Gaussian {
        FitConfig { epochs: 0, steps: None, ..job.config.clone() }
    } else {
        job.config.clone()
    };
    let (flow, report) = fit(density, &train, &validation, &config, checkpoints, resume, observer)?;
    let zero = LogLikelihood { mean: 0.0, two_se: 0.0, rows: 0 };
    let record = FitRecord {
        version: env!("CARGO_PKG_VERSION").into(),
        table: job.table.into(),
        rows: (job.split.train.n, job.split.validation.n, if let HeldOut::Rows(rows) = &job.split.held_out { rows.n } else { 0 }),
        config,
        report,
        held_out: zero,
        gaussian: zero,
    };
    let mut model = TableModel::new(job.architecture.clone(), job.schema.clone(), record, flow, job.place.clone());
    model.record.held_out = judged(&model, job.split)?;
    model.record.gaussian = match job.architecture.model {
        Model::Gaussian => model.record.held_out,
        _ => {
            let architecture = Architecture::new(Model::Gaussian, job.schema.dim(), job.schema.context_dim(), 0);
            let mut gaussian = architecture.build(job.place)?;
            crate::Density::initialise(&mut gaussian, &mut &train)?;
            judged(
                &TableModel::new(architecture, job.schema.clone(), model.record.clone(), gaussian.valid(), job.place.clone()),
                job.split,
            )?
        }
    };
    Ok(model)
}

fn judged(model: &TableModel, split: &Split) -> Result<LogLikelihood> {
    let rows = split.judge();
    Ok(LogLikelihood::of(&model.log_prob(rows, Scoring::default())?, rows.weights.as_deref()))
}

/// Rows in model space, with what carries their log-likelihood to the units of the file.
fn dataset(job: &FitTable, rows: &Rows) -> Result<Dataset> {
    let (x, widths) = job.schema.to_model_without_noise(rows);
    let (dim, context_dim) = (job.schema.dim(), job.schema.context_dim());
    let ladj = job.schema.to_model(rows, 0).1;
    let offset = LogLikelihood::of(&ladj, rows.weights.as_deref()).mean;
    let context = job.schema.context_to_model(rows.context.clone());
    Ok(Dataset::new(x, dim, context, context_dim, rows.weights.clone(), job.place)?.with_lattice(widths).with_offset(offset))
}
