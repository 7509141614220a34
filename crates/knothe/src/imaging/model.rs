//! The density of images, and its file.

use std::path::{Path, PathBuf};

use burn::{module::Module, tensor::Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PixelCoding;
use crate::{
    bijection::Given,
    dequantised::bits_per_dim,
    error::{Error, Result},
    events::image::ImageSet,
    families::{ImageArchitecture, ImageFlow},
    file,
    fit::evaluate,
    parameters::{self, Parameters},
    placement::{Placement, Precision, values},
    random::{Purpose, stream},
    tabular::{FitRecord, LogLikelihood, Member, Scoring, scoring_over},
};

/// The kind of a model file of images.
pub(crate) const KIND: &str = "images";

/// A mean of bits per dimension, −log₂ P(x)/dim, with its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BitsPerDim {
    /// The mean over the images. P is a lower bound, so that this is one from above.
    #[serde(with = "crate::number")]
    pub mean: f64,
    /// Two standard errors of the mean; NaN for a single image.
    #[serde(with = "crate::number")]
    pub two_se: f64,
    /// The images.
    pub images: usize,
}

impl BitsPerDim {
    /// Of log-likelihoods of images of `dim` numbers.
    pub fn of(l: &LogLikelihood, dim: usize) -> Self {
        BitsPerDim { mean: bits_per_dim(l.mean, dim), two_se: -bits_per_dim(l.two_se, dim), images: l.rows }
    }
}

/// A density of images of one shape, of a class where there are classes.
#[derive(Clone, Debug)]
pub struct PictureModel {
    /// What its flow is, and how it was fitted.
    pub member: Member<ImageArchitecture>,
    /// What its numbers and classes are.
    pub coding: PixelCoding,
    /// How it came to be.
    pub record: FitRecord,
    flow: ImageFlow,
    place: Placement,
}

impl PictureModel {
    /// Images that share a stream of random numbers in [`PictureModel::sample`].
    pub const SAMPLE_BLOCK: usize = 64;

    pub(super) fn new(
        member: Member<ImageArchitecture>,
        coding: PixelCoding,
        record: FitRecord,
        flow: ImageFlow,
        place: Placement,
    ) -> Self {
        PictureModel { member, coding, record, flow, place }
    }

    /// The density of the integers.
    pub fn flow(&self) -> &ImageFlow {
        &self.flow
    }

    /// Device and precision.
    pub fn placement(&self) -> &Placement {
        &self.place
    }

    /// The numbers that the model's file holds.
    pub fn parameters(&self) -> usize {
        parameters::count(&self.flow)
    }

    /// A lower bound of log P(image | class) of each image, in nats; see [`Dequantised`](crate::Dequantised).
    ///
    /// # Errors
    /// As [`PixelCoding::dataset`].
    pub fn log_prob(&self, images: &ImageSet, scoring: Scoring) -> Result<Vec<f64>> {
        let data = self.coding.dataset(images, &self.place)?;
        scoring_over(scoring, |seed| evaluate(&self.flow, &data, seed))
    }

    /// The mean bits per dimension of images.
    pub fn bits_per_dim(&self, images: &ImageSet, scoring: Scoring) -> Result<BitsPerDim> {
        Ok(BitsPerDim::of(&LogLikelihood::of(&self.log_prob(images, scoring)?, None), self.coding.shape.dim()))
    }

    /// `n` images of a class, or of the classes in turn. `temperature` scales the source's standard deviation: 1 draws from the model, less
    /// draws likelier images.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a class or a temperature that cannot be, [`Error::NotFinite`] where the model draws what is no number.
    pub fn sample(&self, n: usize, temperature: f64, class: Option<i64>, seed: u64) -> Result<ImageSet> {
        check_temperature(temperature)?;
        let classes = &self.coding.classes;
        let labels: Option<Vec<i64>> = match (class, classes.is_empty()) {
            (Some(class), _) => Some(vec![class; n]),
            (None, true) => None,
            (None, false) => Some((0..n).map(|i| classes[i % classes.len()]).collect()),
        };
        let context = self.coding.context(labels.as_deref().unwrap_or_default())?;
        let (width, mut pixels) = (classes.len(), Vec::new());
        for (block, start) in (0..n).step_by(Self::SAMPLE_BLOCK).enumerate() {
            let rows = Self::SAMPLE_BLOCK.min(n - start);
            let context = (width > 0).then(|| self.place.tensor(context[start * width..(start + rows) * width].to_vec(), [rows, width]));
            let mut rng = stream(seed, Purpose::Sample, block as u64);
            let drawn = self.flow.sample_at(rows, &Given::context(context.as_ref()), temperature, &mut rng)?;
            pixels.extend(self.bytes(drawn, start)?);
        }
        Ok(self.set(pixels, labels))
    }

    /// The bytes of integers of the flow, the first of them image `start`.
    pub(super) fn bytes(&self, integers: Tensor<2>, start: usize) -> Result<Vec<u8>> {
        let integers = values(integers);
        match integers.iter().position(|v| !v.is_finite()) {
            Some(at) => Err(Error::NotFinite { what: "an image".into(), rows: vec![start + at / self.coding.shape.dim()] }),
            None => Ok(self.coding.bytes(&integers)),
        }
    }

    /// A set of the model's images.
    pub(super) fn set(&self, pixels: Vec<u8>, labels: Option<Vec<i64>>) -> ImageSet {
        let PixelCoding { shape, depth, white, .. } = self.coding;
        ImageSet { path: PathBuf::new(), shape, depth, white, pixels, labels }
    }

    /// Writes the model file: one safetensors file with architecture, coding and record in its header.
    pub fn save(&self, path: &Path) -> Result<()> {
        let content = serde_json::json!({
            "kind": KIND,
            "member": self.member,
            "precision": self.place.precision,
            "coding": self.coding,
            "fit": self.record,
        });
        file::write(path, &content, &parameters::collect(&self.flow))
    }

    /// Reads a model file onto a device by name (`cpu`, `cuda`, `vulkan`).
    ///
    /// # Errors
    /// [`Error::ModelFile`] where the file is damaged, or holds something else, such as a model of a table.
    pub fn load(path: &Path, device: &str) -> Result<Self> {
        let (content, tensors) = file::read(path)?;
        Self::parse(path, content, tensors, device)
    }

    /// What a file holds is a model of images, or an error that names the file.
    pub(crate) fn parse(path: &Path, mut content: Value, tensors: Parameters, device: &str) -> Result<Self> {
        let wrong = |reason: String| Error::model_file(path, reason, "");
        if content["kind"] != KIND {
            return Err(wrong(format!("expected a model of images, found kind {}", content["kind"])));
        }
        let member: Member<ImageArchitecture> = file::part(path, &mut content, "member", "member")?;
        let precision: Precision = file::part(path, &mut content, "precision", "precision")?;
        let coding: PixelCoding = file::part(path, &mut content, "coding", "coding")?;
        let record: FitRecord = file::part(path, &mut content, "fit", "record of the fit")?;
        let architecture = &member.architecture;
        let differs =
            (architecture.image, architecture.context_dim, architecture.bits) != (coding.shape, coding.classes.len(), coding.bits);
        if differs || coding.check().is_err() || !coding.classes.is_sorted_by(|a, b| a < b) {
            return Err(wrong("its coding and its architecture differ".into()));
        }
        file::check_size(path, architecture.size(), &tensors)?;
        let place = Placement::named(device, precision)?;
        let flow =
            architecture.build(&place).and_then(|flow| parameters::restore(flow, tensors)).map_err(|e| wrong(e.to_string()))?.valid();
        Ok(PictureModel { member, coding, record, flow, place })
    }
}

/// Checks that a temperature is one.
pub(super) fn check_temperature(temperature: f64) -> Result<()> {
    if temperature >= 0.0 && temperature.is_finite() {
        return Ok(());
    }
    Err(Error::invalid("temperature", "a number of at least 0", temperature))
}
