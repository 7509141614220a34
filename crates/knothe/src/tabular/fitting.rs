//! From the rows of a table to a fitted density.

use std::path::Path;

use super::{
    HeldOut, Member, Resume, Split, Weighting,
    member::{path_of, restored, write_finished},
    model::{FitRecord, LogLikelihood, Scoring, TableModel, log_prob},
};
use crate::{
    density::Density,
    error::{Error, Result},
    events::table::{Rows, Schema},
    families::{Architecture, Model, TabularFlow},
    fit::{Checkpoint, Checkpoints, Dataset, FitConfig, Observer, Stopped, fit},
    mixture::Mixture,
    placement::Placement,
    simplex::likeliest_weights,
};
use burn::module::Module;

/// What to fit, and how.
pub struct FitTable<'a> {
    /// The table's name, for the record.
    pub table: &'a str,
    /// The rows.
    pub split: &'a Split,
    /// The columns, with their shifts and scales set.
    pub schema: &'a Schema,
    /// The model of each member of the ensemble; one alone is an ordinary fit.
    pub architectures: &'a [Architecture],
    /// Where the weights of the members come from.
    pub weighting: Weighting,
    /// The settings. The k-th member, from 0, is fitted with the seed + k, so that it reads the rows in an order of its own.
    pub config: &'a FitConfig,
    /// Device and precision.
    pub place: &'a Placement,
}

/// Fits the members of a model to the rows of a table, one after another, and the full Gaussian before them. Nothing where the
/// observer has stopped the fit.
///
/// Checkpoints of the first member go to the path given, those of the k-th, from 0, to that path with `.k` at its end. A member
/// that is fitted takes the place of its checkpoint, so [`Resume`] finds it; the caller removes them all
/// ([`remove_checkpoints`](super::remove_checkpoints)) when the result is safe.
pub fn fit_table(
    job: &FitTable,
    checkpoints: Option<&Checkpoints>,
    resume: Option<Resume>,
    observer: &mut impl Observer,
) -> Result<Option<TableModel>> {
    let train = dataset(job, &job.split.train)?;
    let validation = dataset(job, &job.split.validation)?;
    let gaussian = gaussian(job, &train);
    if let Err(problem) = &gaussian {
        observer.warn(problem);
    }
    let (mut members, mut flows) = (Vec::new(), Vec::new());
    let (finished, mut running) = resume.map_or((Vec::new(), None), |r| (r.finished, r.running));
    for (path, member, tensors) in finished {
        flows.push(restored(&path, &member, tensors, job.place)?);
        members.push(member);
    }
    for index in members.len()..job.architectures.len() {
        observer.member(index, job.architectures.len());
        let at = |c: &Checkpoints, index| Checkpoints { path: path_of(&c.path, index), ..c.clone() };
        let own = checkpoints.map(|c| at(c, index));
        let Some((member, flow)) = fit_member(job, index, (&train, &validation), own.as_ref(), running.take(), observer)? else {
            return Ok(None);
        };
        if let (Some(c), Some(own)) = (checkpoints, own) {
            // An older fit's checkpoint of the next member is not one of this fit's.
            remove(&at(c, index + 1).path);
            if let Err(problem) = write_finished(&own.path, &own.job, &member, &flow) {
                observer.warn(&problem);
            }
        }
        members.push(member);
        flows.push(flow);
    }
    let mixture = match job.weighting {
        Weighting::Validation if flows.len() > 1 => {
            let weights = likeliest(job, &flows)?;
            Mixture::weighted(flows, weights)?
        }
        _ => Mixture::new(flows)?,
    };
    let record = FitRecord {
        version: env!("CARGO_PKG_VERSION").into(),
        table: job.table.into(),
        rows: (job.split.train.n, job.split.validation.n, if let HeldOut::Rows(rows) = &job.split.held_out { rows.n } else { 0 }),
        weighting: job.weighting,
        // A mixture of one is its member.
        held_out: if let [only] = members.as_slice() { only.held_out } else { judged(job, &mixture)? },
        gaussian: gaussian.ok(),
    };
    Ok(Some(TableModel::new(members, job.schema.clone(), record, mixture, job.place.clone())))
}

/// Fits one member.
fn fit_member(
    job: &FitTable,
    index: usize,
    (train, validation): (&Dataset, &Dataset),
    checkpoints: Option<&Checkpoints>,
    resume: Option<Checkpoint>,
    observer: &mut impl Observer,
) -> Result<Option<(Member, TabularFlow)>> {
    let architecture = &job.architectures[index];
    let mut config = FitConfig { seed: job.config.seed.wrapping_add(index as u64), ..job.config.clone() };
    // A closed-form start is already the maximum of the likelihood.
    if architecture.model == Model::Gaussian {
        config = FitConfig { epochs: 0, steps: None, ..config };
    }
    let (flow, report) = fit(architecture.build(job.place)?, train, validation, &config, checkpoints, resume, observer)?;
    if report.stopped == Stopped::Interrupted {
        return Ok(None);
    }
    let member = Member { architecture: architecture.clone(), config, report, held_out: judged(job, &flow)? };
    Ok(Some((member, flow)))
}

/// The likeliest weights of the validation rows.
fn likeliest(job: &FitTable, flows: &[TabularFlow]) -> Result<Vec<f64>> {
    let rows = &job.split.validation;
    let of = |flow| log_prob(job.schema, flow, job.place, rows, Scoring::default());
    let log_prob = flows.iter().map(of).collect::<Result<Vec<_>>>()?;
    Ok(likeliest_weights(&log_prob, rows.weights.as_deref()).map_err(|e| in_file(e, rows))?.weights)
}

/// The held-out log-likelihood of the full Gaussian of the training rows.
fn gaussian(job: &FitTable, train: &Dataset) -> Result<LogLikelihood> {
    let architecture = Architecture::new(Model::Gaussian, job.schema.dim(), job.schema.context_dim(), 0);
    let mut gaussian = architecture.build(job.place)?;
    gaussian.initialise(&mut { train })?;
    judged(job, &gaussian.valid())
}

fn judged(job: &FitTable, density: &impl Density) -> Result<LogLikelihood> {
    let rows = job.split.judge();
    let log_prob = log_prob(job.schema, density, job.place, rows, Scoring::default())?;
    Ok(LogLikelihood::of(&log_prob, rows.weights.as_deref()))
}

/// Rows in model space, with what carries their log-likelihood to the units of the file.
fn dataset(job: &FitTable, rows: &Rows) -> Result<Dataset> {
    let (x, ladj, widths) = job.schema.to_model_without_noise(rows);
    let (dim, context_dim) = (job.schema.dim(), job.schema.context_dim());
    let offset = LogLikelihood::of(&ladj, rows.weights.as_deref()).mean;
    let context = job.schema.context_to_model(rows.context.clone());
    let data = Dataset::new(x, dim, context, context_dim, rows.weights.clone(), job.place).map_err(|e| in_file(e, rows))?;
    Ok(data.with_lattice(widths)?.with_offset(offset))
}

/// An error that counts the rows of a part of the table, counting those of the file as the user does.
fn in_file(error: Error, part: &Rows) -> Error {
    match error {
        Error::NotFinite { what, rows } => Error::NotFinite { what, rows: rows.iter().map(|&i| part.index[i] as usize).collect() },
        other => other,
    }
}

/// Removes a file that may not be there.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}
