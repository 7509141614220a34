//! Between the bytes of images and the integers of a density.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ImageSet;
use crate::{
    error::{Error, Result},
    events::{
        Coding, Events, Rows, Units,
        classes::{self, CLASS},
    },
    hint::Hint,
    space::{ImageShape, Law, Shape, Space},
};

impl Events for ImageSet {
    const WORD: &'static str = "images";

    fn len(&self) -> usize {
        self.pixels.len() / self.shape.dim().max(1)
    }

    fn pick(&self, positions: &[usize]) -> Self {
        let dim = self.shape.dim();
        let pixels = positions.iter().flat_map(|&i| &self.pixels[i * dim..(i + 1) * dim]).copied().collect();
        let labels = self.labels.as_ref().map(|labels| positions.iter().map(|&i| labels[i]).collect());
        let weights = self.weights.as_ref().map(|weights| positions.iter().map(|&i| weights[i]).collect());
        ImageSet { path: self.path.clone(), pixels, labels, weights, ..*self }
    }

    fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }
}

/// The coding of images: what their numbers and classes are.
///
/// A byte v of a set of `depth` bits is the integer ⌊v/2^(depth − bits)⌋ of the density, and an integer k is drawn as the byte 2^(depth − bits) k.
/// The context has one column for each class: 1 for the class of the image, 0 for the others. In the units of the file it is the label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pixels {
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

impl Pixels {
    /// The coding of a set, of its own bits or of others.
    ///
    /// # Errors
    /// [`Error::Invalid`] for bits that are not 1 to 8, and labels that are all the same.
    pub fn of(set: &ImageSet, bits: Option<usize>) -> Result<Self> {
        let bits = bits.unwrap_or(set.depth);
        let coding = Pixels { shape: set.shape, depth: set.depth.max(bits), bits, white: set.white, classes: set.classes() };
        coding.check()?;
        Ok(coding)
    }

    /// Which class a label is.
    fn class(&self, label: f64) -> Option<usize> {
        self.classes.iter().position(|&class| class as f64 == label)
    }

    /// The bits that the density leaves out.
    pub fn shift(&self) -> usize {
        self.depth.saturating_sub(self.bits)
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
        Err(Error::table(&set.path, format!("expected images of {}, found {}", shown(self.shape), shown(set.shape)), None))
    }
}

impl Coding for Pixels {
    type Events = ImageSet;

    const KIND: &'static str = "images";
    const WORDS: [&'static str; 2] = ["image", "images"];
    const QUANTITIES: bool = false;
    const SAMPLE_BLOCK: usize = 64;

    fn space(&self) -> Space {
        Space::new(Shape::Grid(self.shape), Law::Codes(1 << self.bits))
    }

    fn context_dim(&self) -> usize {
        self.classes.len()
    }

    fn given(&self) -> Vec<String> {
        classes::given(&self.classes)
    }

    fn elements(&self) -> Vec<String> {
        let ImageShape { channels, height, width } = self.shape;
        let name = |k: usize| {
            let (channel, row, column) = (k / (height * width), k / width % height, k % width);
            if channels == 1 { format!("pixel ({row}, {column})") } else { format!("pixel ({row}, {column}) of channel {channel}") }
        };
        (0..self.shape.dim()).map(name).collect()
    }

    fn units(&self) -> Units {
        Units::BitsPerDim
    }

    fn check(&self) -> Result<()> {
        if !(1..=8).contains(&self.bits) || !(self.bits..=8).contains(&self.depth) {
            return Err(Error::invalid("bits", "1 to 8", self.bits));
        }
        classes::check(&self.classes)?;
        if self.classes.is_sorted() {
            return Ok(());
        }
        Err(Error::invalid("classes", "each once and in order", format!("{:?}", self.classes)))
    }

    fn check_comparable(&self, other: &Self) -> Result<()> {
        let described = |Pixels { shape: ImageShape { channels, height, width }, depth, bits, .. }: &Pixels| {
            format!("images of {channels} × {height} × {width} numbers, modelled with {bits} of their {depth} bits")
        };
        let [own, found] = [self, other].map(described);
        if own == found {
            Ok(())
        } else {
            Err(Error::invalid("models to compare", format!("two models of {own}"), format!("a model of {found}")))
        }
    }

    fn declare(&mut self, _: Law) -> Result<()> {
        // Integers of images are codes; a family of real numbers does not support their space, and says so.
        Ok(())
    }

    fn encode(&self, set: &ImageSet) -> Result<Rows> {
        let wrong = |problem: String, hint: Hint| Error::table(&set.path, problem, hint);
        self.check_shape(set)?;
        let largest = u8::MAX >> (8 - self.depth);
        if let Some(found) = set.pixels.iter().copied().find(|&v| v > largest) {
            let problem = format!("expected numbers from 0 to {largest}, of {} bits, found {found}", self.depth);
            return Err(wrong(problem, Hint::AllBits));
        }
        if set.labels.is_none() && !self.classes.is_empty() {
            return Err(wrong("expected a label for each image, found none".into(), Hint::NameLabels));
        }
        let labels = if self.classes.is_empty() { &[] } else { set.labels.as_deref().unwrap_or_default() };
        let own = classes::of_labels(&set.path, labels, &self.classes, |&label| self.class(label as f64))?;
        let (shift, count) = (self.shift(), self.classes.len());
        let values = set.pixels.iter().map(|&v| f64::from(v >> shift)).collect();
        let rows = Rows::new(values, self.shape.dim());
        Ok(Rows { context_dim: count, context: classes::columns(&own, count), weights: set.weights.clone(), ..rows })
    }

    fn context_of(&self, set: &ImageSet) -> Vec<f64> {
        if self.classes.is_empty() {
            return Vec::new();
        }
        set.labels.iter().flatten().map(|&label| label as f64).collect()
    }

    fn encode_context(&self, given: &[f64]) -> Result<Vec<f64>> {
        let class = |label: &f64| {
            self.class(*label).ok_or_else(|| {
                let words = classes::words(&self.classes);
                let expected = if words.is_empty() { "none, of a model without classes".into() } else { format!("one of {words}") };
                Error::invalid(CLASS, expected, label)
            })
        };
        Ok(classes::columns(&given.iter().map(class).collect::<Result<Vec<_>>>()?, self.classes.len()))
    }

    fn usual_context(&self, n: usize) -> Option<Vec<f64>> {
        // The classes take turns.
        Some(self.classes.iter().cycle().take(if self.classes.is_empty() { 0 } else { n }).map(|&class| class as f64).collect())
    }

    fn decode(&self, values: Vec<f64>, given: Vec<f64>) -> Result<ImageSet> {
        if !values.len().is_multiple_of(self.shape.dim().max(1)) {
            return Err(Error::shape("samples", format!("images of {} numbers", self.shape.dim()), values.len()));
        }
        let pixels = values.iter().map(|&k| (k as u8) << self.shift()).collect();
        let labels = (!self.classes.is_empty()).then(|| given.iter().map(|&label| label as i64).collect());
        Ok(ImageSet { path: PathBuf::new(), shape: self.shape, depth: self.depth, white: self.white, pixels, labels, weights: None })
    }
}
