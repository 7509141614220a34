//! Sets of images: NPY and NPZ arrays of integers, and folders of PNG and JPEG pictures.

pub(in crate::events) mod archive;
mod arrays;
mod coding;
mod folder;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::{
    error::{Error, Result},
    events::{Events, table},
    file,
    space::ImageShape,
};

pub use arrays::{ImageWriter, array_shape};
pub use coding::Pixels;
pub use folder::is_picture;

/// The array of a .npz file that holds the images, unless another is named.
pub const IMAGES_KEY: &str = "images";
/// The array of a .npz file that holds their labels, as [`ImageSet::write`] names it.
pub const LABELS_KEY: &str = "labels";

/// Images of one shape.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSet {
    /// The file or folder; empty for images that come from elsewhere.
    pub path: PathBuf,
    /// The shape of each.
    pub shape: ImageShape,
    /// Bits that hold the largest number: 8 for pictures, what the numbers themselves need for an array.
    pub depth: usize,
    /// The number of white: 255 for pictures, the largest number of an array.
    pub white: u8,
    /// The numbers, image after image, each in the order of [`ImageShape`].
    pub pixels: Vec<u8>,
    /// The class of each image, where it has one.
    pub labels: Option<Vec<i64>>,
    /// The weight of each image, where it has one.
    pub weights: Option<Vec<f64>>,
}

impl ImageSet {
    /// Reads
    ///
    /// - a folder: every file in it, not below it, that ends in .png, .jpg or .jpeg, in the order of their names. 16 bits become 8, palettes
    ///   become colours, transparency is left out, and grey becomes colour where another picture of the folder has colours;
    /// - a .npy file, or the array `key` ([`IMAGES_KEY`] by default) of a .npz file: integers from 0 to 255 of `[n, height, width]`,
    ///   `[n, channels, height, width]`, or `[n, height, width, channels]` where the last is 1, 3 or 4 and the second is not.
    ///
    /// # Errors
    /// [`Error::Table`], which names the file, what was expected and what was found.
    pub fn read(path: &Path, key: Option<&str>) -> Result<Self> {
        if path.is_dir() {
            return folder::read(path);
        }
        arrays::images(path, key.unwrap_or(IMAGES_KEY))
    }

    /// One PNG or JPEG file for a model of so many channels and such a white: a colour picture becomes grey for one channel (BT.601 luma as
    /// `image` has it), a grey one colour for three, and v of 0 … 255 becomes ⌊v · white/255 + ½⌋.
    ///
    /// # Errors
    /// [`Error::Table`] for a file that is no picture, and for a number of channels that pictures do not have.
    pub fn read_picture(path: &Path, channels: usize, white: u8) -> Result<Self> {
        folder::one(path, channels, white)
    }

    /// Sets the labels: the .npy file of that name, or else the array of that name in the .npz file of the images.
    ///
    /// # Errors
    /// [`Error::Table`] where there is none, or it does not hold an integer for each image.
    pub fn with_labels(mut self, name: &str) -> Result<Self> {
        self.labels = Some(arrays::labels(&self.path, name, self.len())?);
        Ok(self)
    }

    /// Sets the weights: the .npy file of that name, or else the array of that name in the .npz file of the images.
    ///
    /// # Errors
    /// [`Error::Table`] where there is none, or it does not hold a number of at least 0 for each image, of which one is above 0.
    pub fn with_weights(mut self, name: &str) -> Result<Self> {
        let (from, weights) = arrays::weights(&self.path, name, self.len())?;
        if let Some(row) = weights.iter().position(|w| !w.is_finite() || *w < 0.0) {
            let problem = format!("expected weights of at least 0, found {}", weights[row]);
            return Err(Error::Table { path: from, column: None, row: Some(row as u64 + 1), problem, hint: None });
        }
        if weights.iter().sum::<f64>() <= 0.0 {
            return Err(Error::table(&from, "expected weights that are not all 0, found only 0", None));
        }
        self.weights = Some(weights);
        Ok(self)
    }

    /// Writes the images as an [`ImageWriter`] does: a file that [`ImageSet::read`] and [`ImageSet::with_labels`] read.
    ///
    /// # Errors
    /// As [`ImageWriter::create`] and [`ImageWriter::write`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut writer = ImageWriter::create(path, self.shape, self.len())?;
        writer.write(self)?;
        writer.finish()
    }

    /// Each image followed by that of `others` in the same place.
    ///
    /// # Errors
    /// [`Error::Shape`] where there are not as many of the same shape.
    pub fn interleaved(&self, others: &Self) -> Result<Self> {
        let dim = self.shape.dim();
        if (self.shape, self.len()) != (others.shape, others.len()) {
            return Err(Error::shape(
                "images",
                format!("{} of {:?}", self.len(), self.shape),
                format!("{} of {:?}", others.len(), others.shape),
            ));
        }
        let pairs = self.pixels.chunks_exact(dim).zip(others.pixels.chunks_exact(dim));
        Ok(ImageSet {
            path: PathBuf::new(),
            pixels: pairs.flat_map(|(a, b)| [a, b].concat()).collect(),
            labels: None,
            weights: None,
            ..*self
        })
    }

    /// For each image of `of` the position of the one in this set that is nearest to it by the sum of squared differences; the first where several are.
    ///
    /// # Errors
    /// [`Error::Shape`] where their shapes differ.
    pub fn nearest(&self, of: &Self) -> Result<Vec<usize>> {
        if self.shape != of.shape {
            return Err(Error::shape("images", format!("{:?}", of.shape), format!("{:?}", self.shape)));
        }
        let dim = self.shape.dim();
        let distance = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum::<u64>();
        let nearest = |image: &[u8]| {
            let distances = self.pixels.chunks_exact(dim).map(|own| distance(own, image)).enumerate();
            distances.min_by_key(|&(_, d)| d).map_or(0, |(at, _)| at)
        };
        Ok(of.pixels.par_chunks_exact(dim).map(nearest).collect())
    }

    /// The labels that occur, in order.
    pub fn classes(&self) -> Vec<i64> {
        let mut classes = self.labels.clone().unwrap_or_default();
        classes.sort_unstable();
        classes.dedup();
        classes
    }
}

/// Whether a path is one of images and not of a table: a folder, a .npz file, or a .npy file of three or four dimensions.
pub fn is_image_set(path: &Path) -> bool {
    match table::ending(path).as_deref() {
        Ok("npy") => path.is_dir() || array_shape(path).is_ok_and(|shape| matches!(shape.len(), 3 | 4)),
        // A folder with the name of a table is a slip.
        Ok(_) => false,
        Err(_) => path.is_dir() || file::ending(path) == "npz",
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
