//! Images as arrays: NPY, and NPZ, a ZIP archive of NPY files.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    IMAGES_KEY, ImageSet, LABELS_KEY,
    archive::{array, integer_labels, one_per_event, open},
};
use crate::{
    error::{Error, Result},
    events::{
        Events,
        table::npy::{Array, Header, write_header},
    },
    file::{NewFile, ending},
    hint::Hint,
    memory,
    space::ImageShape,
};

/// The shape of a .npy file, from its header alone.
pub fn array_shape(path: &Path) -> Result<Vec<u64>> {
    let (mut file, length) = open(path)?;
    Ok(Header::read(path, &mut file, length)?.shape)
}

pub(super) fn images(path: &Path, key: &str) -> Result<ImageSet> {
    let array = array(path, key, &|_| Ok(()))?;
    let wrong = |problem: String, hint: Option<&'static str>| Error::table(path, problem, hint.map(Hint::other));
    let (n, shape, last) = match array.shape[..] {
        [n, height, width] => (n, ImageShape { channels: 1, height, width }, false),
        [n, height, width, channels @ (1 | 3 | 4)] if !matches!(height, 1 | 3 | 4) => (n, ImageShape { channels, height, width }, true),
        [n, channels, height, width] => (n, ImageShape { channels, height, width }, false),
        _ => {
            let problem = format!("expected images of three or four dimensions, found an array of {}", array.shape.len());
            let shapes = "the shapes are [n, height, width], [n, channels, height, width] and [n, height, width, channels]";
            return Err(wrong(problem, Some(shapes)));
        }
    };
    if !array.item.is_integral() {
        return Err(wrong(
            "expected integers from 0 to 255, found floats".into(),
            Some("scale them to integers from 0 to 255, and save them as uint8"),
        ));
    }
    if n == 0 || shape.dim() == 0 {
        let found = array.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        return Err(wrong(format!("expected one image or more, and none of them empty, found {found}"), None));
    }
    if let Some(found) = array.numbers().find(|v| !(0.0..=255.0).contains(v)) {
        return Err(wrong(
            format!("expected integers from 0 to 255, found {found}"),
            Some("scale them to that range, and save them as uint8"),
        ));
    }
    let mut pixels: Vec<u8> = array.numbers().map(|v| v as u8).collect();
    if last {
        pixels = pixels.chunks_exact(shape.dim()).flat_map(|image| channels_first(image, shape.channels)).collect();
    }
    let white = pixels.iter().copied().max().unwrap_or(0).max(1);
    Ok(ImageSet { path: path.to_owned(), shape, depth: white.ilog2() as usize + 1, white, pixels, labels: None, weights: None })
}

/// An image of `[height, width, channels]` as one of `[channels, height, width]`.
pub(super) fn channels_first(image: &[u8], channels: usize) -> Vec<u8> {
    (0..channels).flat_map(|c| image.iter().skip(c).step_by(channels)).copied().collect()
}

/// Labels of n images.
pub(super) fn labels(images: &Path, name: &str, n: usize) -> Result<Vec<i64>> {
    let (path, array) = beside(images, name, "labels", n)?;
    integer_labels(&path, &array)
}

/// Weights of n images, and the file that they are from.
pub(super) fn weights(images: &Path, name: &str, n: usize) -> Result<(PathBuf, Vec<f64>)> {
    let (path, array) = beside(images, name, "weights", n)?;
    let weights = array.numbers().collect();
    Ok((path, weights))
}

/// An array of one dimension with a number for each image, and the file that it is from: a .npy file, or that of the images.
fn beside(images: &Path, name: &str, what: &str, n: usize) -> Result<(PathBuf, Array)> {
    let own = Path::new(name);
    let path = if ending(own) == "npy" { own } else { images };
    if path == images && ending(images) != "npz" {
        let problem = format!("expected {what} in a .npy file, or as an array of a .npz file, found '{name}'");
        return Err(Error::table(images, problem, None));
    }
    Ok((path.to_owned(), array(path, name, &one_per_event(path, what, "image", n))?))
}

/// Writes images part by part; no more than their labels waits in memory. They are unsigned bytes of `[n, channels, height, width]` (`[n, height, width]` of one channel),
/// alone in a .npy file, or with the labels, of 64-bit integers, in a .npz file.
///
/// The file appears at its path only when it is complete.
pub struct ImageWriter {
    path: PathBuf,
    shape: ImageShape,
    /// Images that are still to come.
    left: usize,
    labels: Vec<i64>,
    sink: Sink,
}

enum Sink {
    Array(BufWriter<NewFile>),
    Archive(Box<ZipWriter<BufWriter<NewFile>>>),
}

impl ImageWriter {
    /// A file of `n` images, of the format that the ending of its name says.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another ending, and [`Error::Io`] where it cannot be written.
    pub fn create(path: &Path, shape: ImageShape, n: usize) -> Result<Self> {
        let open = || NewFile::create(path).map(|file| BufWriter::with_capacity(1 << 16, file));
        let sink = match ending(path).as_str() {
            "npy" => Sink::Array(open()?),
            "npz" => Sink::Archive(Box::new(ZipWriter::new(open()?))),
            other => {
                let found = if other.is_empty() { "none".into() } else { format!(".{other}") };
                return Err(Error::invalid("a file of images", "a name that ends in .npy or .npz", found));
            }
        };
        let mut writer = ImageWriter { path: path.to_owned(), shape, left: n, labels: Vec::new(), sink };
        writer.start(n).map_err(|e| Error::io("write", path, e))?;
        Ok(writer)
    }

    fn start(&mut self, n: usize) -> io::Result<()> {
        let ImageShape { channels, height, width } = self.shape;
        let shape = if channels == 1 { vec![n, height, width] } else { vec![n, channels, height, width] };
        if let Sink::Archive(archive) = &mut self.sink {
            let bytes = n.saturating_mul(self.shape.dim());
            archive.start_file(format!("{IMAGES_KEY}.npy"), options().large_file(bytes > u32::MAX as usize / 2))?;
        }
        write_header(&mut self.out(), "|u1", &shape)
    }

    fn out(&mut self) -> &mut dyn Write {
        match &mut self.sink {
            Sink::Array(out) => out,
            Sink::Archive(archive) => archive,
        }
    }

    /// Writes the next images.
    ///
    /// # Errors
    /// [`Error::Shape`] for images of another shape, or more than there should be, and [`Error::Io`] where they cannot be written.
    pub fn write(&mut self, set: &ImageSet) -> Result<()> {
        if set.shape != self.shape || set.len() > self.left {
            let found = format!("{} of {:?}", set.len(), set.shape);
            return Err(Error::shape("a part of images", format!("at most {} of {:?}", self.left, self.shape), found));
        }
        if self.labels.is_empty() && set.labels.is_some() {
            // Labels follow the images in the file, and wait for them here.
            memory::check(format!("the labels of {} images", self.left), memory::product(&[size_of::<i64>(), self.left]))?;
        }
        self.left -= set.len();
        self.labels.extend(set.labels.iter().flatten());
        let written = self.out().write_all(&set.pixels);
        written.map_err(|e| Error::io("write", &self.path, e))
    }

    /// Completes the file, which is there from now on.
    ///
    /// # Errors
    /// [`Error::Shape`] where images are missing, and [`Error::Io`] where the file cannot be written.
    pub fn finish(self) -> Result<()> {
        if self.left > 0 {
            return Err(Error::shape("images", "as many as were announced", format!("{} fewer", self.left)));
        }
        let labels = |mut archive: ZipWriter<BufWriter<NewFile>>| {
            if !self.labels.is_empty() {
                archive.start_file(format!("{LABELS_KEY}.npy"), options())?;
                write_header(&mut archive, "<i8", &[self.labels.len()])?;
                self.labels.iter().try_for_each(|label| archive.write_all(&label.to_le_bytes()))?;
            }
            Ok::<_, io::Error>(archive.finish()?)
        };
        let out = match self.sink {
            Sink::Array(out) => Ok(out),
            Sink::Archive(archive) => labels(*archive),
        };
        let file = out.and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
        file.map_err(|e| Error::io("write", &self.path, e))?.finish()
    }
}

/// The time of a file is left at its default, so that the same images are the same bytes.
fn options() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)
}
