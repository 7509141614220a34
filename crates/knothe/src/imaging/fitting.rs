//! From a set of images to a fitted density.

use super::{PictureModel, PixelCoding};
use crate::{
    error::Result,
    events::image::ImageSet,
    families::ImageArchitecture,
    fit::{Checkpoint, Checkpoints, FitConfig, Observer, Stopped, evaluate, fit},
    placement::Placement,
    tabular::{FitRecord, HeldOut, LogLikelihood, Member, Split, Weighting},
};
use burn::module::Module;

/// What to fit, and how.
pub struct FitImages<'a> {
    /// The name of the images, for the record.
    pub name: &'a str,
    /// The images.
    pub split: &'a Split<ImageSet>,
    /// What their numbers and classes are.
    pub coding: &'a PixelCoding,
    /// The model.
    pub architecture: &'a ImageArchitecture,
    /// The settings.
    pub config: &'a FitConfig,
    /// Device and precision.
    pub place: &'a Placement,
}

/// A random split, 80 % to fit, 10 % to choose the epoch and 10 % held out; at least one image each.
///
/// # Errors
/// [`crate::Error::Table`] for fewer than 3 images.
pub fn split(images: &ImageSet, seed: u64) -> Result<Split<ImageSet>> {
    Split::drawn(&images.path, images.len(), seed, |positions| images.pick(positions))
}

/// Fits a model to images. Nothing where the observer has stopped the fit.
pub fn fit_images(
    job: &FitImages,
    checkpoints: Option<&Checkpoints>,
    resume: Option<Checkpoint>,
    observer: &mut impl Observer,
) -> Result<Option<PictureModel>> {
    let (split, place) = (job.split, job.place);
    let (train, validation) = (job.coding.dataset(&split.train, place)?, job.coding.dataset(&split.validation, place)?);
    let judge = match &split.held_out {
        HeldOut::Rows(images) => &job.coding.dataset(images, place)?,
        HeldOut::Validation => &validation,
    };
    let (flow, report) = fit(job.architecture.build(place)?, &train, &validation, job.config, checkpoints, resume, observer)?;
    if report.stopped == Stopped::Interrupted {
        return Ok(None);
    }
    let flow = flow.valid();
    let held_out = LogLikelihood::of(&evaluate(&flow, judge, 0)?, None);
    let record = FitRecord {
        version: env!("CARGO_PKG_VERSION").into(),
        table: job.name.into(),
        rows: (train.rows(), validation.rows(), if let HeldOut::Rows(images) = &split.held_out { images.len() } else { 0 }),
        weighting: Weighting::default(),
        held_out,
        gaussian: None,
    };
    let member = Member { architecture: job.architecture.clone(), config: job.config.clone(), report, held_out };
    Ok(Some(PictureModel::new(member, job.coding.clone(), record, flow, place.clone())))
}
