//! Between the bytes of images and the integers of a density.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    events::image::ImageSet,
    fit::Dataset,
    placement::Placement,
    space::ImageShape,
};

/// What the numbers and the classes of a model's images are.
///
/// A byte v of a set of `depth` bits is the integer ⌊v/2^(depth − bits)⌋ of the density, and an integer k is drawn as the byte 2^(depth − bits) k.
/// The context is one column a class: 1 for that of the image, 0 for the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PixelCoding {
    /// The shape of the images.
    pub shape: ImageShape,
    /// Bits of a byte of the images.
    pub depth: usize,
    /// Bits of an integer of the density; no more than `depth`.
    pub bits: usize,
    /// The number that is drawn as white.
    pub white: u8,
    /// The labels of the classes, in order; empty for a model without classes.
    pub classes: Vec<i64>,
}

impl PixelCoding {
    /// The coding of a set, of its own bits or of others.
    ///
    /// # Errors
    /// [`Error::Invalid`] for bits that are not 1 to 8, and labels that are all the same.
    pub fn of(set: &ImageSet, bits: Option<usize>) -> Result<Self> {
        let bits = bits.unwrap_or(set.depth);
        let coding = PixelCoding { shape: set.shape, depth: set.depth.max(bits), bits, white: set.white, classes: set.classes() };
        coding.check()?;
        if coding.classes.len() == 1 {
            return Err(Error::invalid("labels", "two classes or more", format!("{} alone", coding.classes[0])));
        }
        Ok(coding)
    }

    pub(super) fn check(&self) -> Result<()> {
        if !(1..=8).contains(&self.bits) || !(self.bits..=8).contains(&self.depth) {
            return Err(Error::invalid("bits", "1 to 8", self.bits));
        }
        Ok(())
    }

    fn shift(&self) -> usize {
        self.depth - self.bits
    }

    /// The bytes of integers that the density has drawn.
    pub(super) fn bytes(&self, integers: &[f64]) -> Vec<u8> {
        integers.iter().map(|&k| (k as u8) << self.shift()).collect()
    }

    /// The context of an image of each class named, `[rows, classes]` row-major.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a class that the model has not seen.
    pub fn context(&self, labels: &[i64]) -> Result<Vec<f64>> {
        let mut context = vec![0.0; labels.len() * self.classes.len()];
        for (row, label) in labels.iter().enumerate() {
            let Ok(class) = self.classes.binary_search(label) else {
                let known = self.classes.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
                let expected = if known.is_empty() { "none, of a model without classes".into() } else { format!("one of {known}") };
                return Err(Error::invalid("class", expected, label));
            };
            context[row * self.classes.len() + class] = 1.0;
        }
        Ok(context)
    }

    /// Checks that the images of a set have the shape of the model's.
    ///
    /// # Errors
    /// [`Error::Table`] where they have another.
    pub fn check_shape(&self, set: &ImageSet) -> Result<()> {
        let shown = |s: ImageShape| format!("{} channels of {} × {}", s.channels, s.height, s.width);
        if set.shape == self.shape {
            return Ok(());
        }
        Err(Error::table(&set.path, format!("expected images of {}, found {}", shown(self.shape), shown(set.shape)), ""))
    }

    /// The rows of a set as a fit and a score read them.
    ///
    /// # Errors
    /// [`Error::Table`] for images of another shape or of larger numbers, and for images without a class where the model needs one.
    pub fn dataset(&self, set: &ImageSet, place: &Placement) -> Result<Dataset> {
        let wrong = |problem: String, hint: &str| Error::table(&set.path, problem, hint);
        self.check_shape(set)?;
        let largest = u8::MAX >> (8 - self.depth);
        if let Some(found) = set.pixels.iter().copied().find(|&v| v > largest) {
            let problem = format!("expected numbers from 0 to {largest}, of {} bits, found {found}", self.depth);
            return Err(wrong(problem, "the model was fitted to images of smaller numbers; --bits 8 of the fit takes all"));
        }
        let context = match (&set.labels, self.classes.is_empty()) {
            (_, true) => Vec::new(),
            (Some(labels), false) => self.context(labels)?,
            (None, false) => return Err(wrong("expected a label for each image, found none".into(), "--labels says where they are")),
        };
        let shift = self.shift();
        let x = set.pixels.iter().map(|&v| f64::from(v >> shift)).collect();
        Dataset::new(x, self.shape.dim(), context, self.classes.len(), None, place)
    }
}
