//! A folder of pictures.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader};
use rayon::prelude::*;

use super::{ImageSet, arrays::channels_first};
use crate::{
    error::{Error, Result},
    file::ending,
    hint::Hint,
    memory,
    space::{ImageShape, MOST_NUMBERS},
};

const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// Whether the name of a file is that of a picture: one that ends in .png, .jpg or .jpeg.
pub fn is_picture(path: &Path) -> bool {
    ENDINGS.contains(&ending(path).as_str())
}

/// A picture in 8 bits.
struct Picture {
    height: usize,
    width: usize,
    channels: usize,
    /// Pixel after pixel.
    bytes: Vec<u8>,
}

pub(super) fn read(folder: &Path) -> Result<ImageSet> {
    let io = |e| Error::io("read", folder, e);
    let entries = std::fs::read_dir(folder).map_err(io)?.collect::<Result<Vec<_>, _>>().map_err(io)?;
    let mut paths: Vec<PathBuf> = entries.iter().map(|entry| entry.path()).filter(|path| is_picture(path)).collect();
    paths.sort();
    if paths.is_empty() {
        let problem = format!("expected pictures, files that end in .png, .jpg or .jpeg, found none among {} entries", entries.len());
        return Err(Error::table(folder, problem, Hint::other("subfolders are not searched")));
    }
    check_sizes(folder, &paths)?;
    let picture = |path: &PathBuf| decoded(path).map(|picture| in_eight_bits(&picture, picture.color().has_color()));
    let pictures = paths.par_iter().map(picture).collect::<Result<Vec<_>>>()?;
    let channels = pictures.iter().map(|p| p.channels).max().unwrap_or(1);
    let shape = ImageShape { channels, height: pictures[0].height, width: pictures[0].width };
    let mut pixels = Vec::with_capacity(pictures.len() * shape.dim());
    for picture in &pictures {
        match picture.channels == channels {
            true => pixels.extend(channels_first(&picture.bytes, channels)),
            // Grey among colours.
            false => (0..channels).for_each(|_| pixels.extend(&picture.bytes)),
        }
    }
    Ok(ImageSet { path: folder.to_owned(), shape, depth: 8, white: u8::MAX, pixels, labels: None, weights: None })
}

/// Checks by their headers that all pictures have the size of the first, and that the memory holds all of them.
fn check_sizes(folder: &Path, paths: &[PathBuf]) -> Result<()> {
    let header = |path: &PathBuf| {
        let decoder = opened(path)?.into_decoder().map_err(|e| damaged(path, &e))?;
        Ok((decoder.dimensions(), decoder.color_type().has_color()))
    };
    let headers = paths.par_iter().map(header).collect::<Result<Vec<_>>>()?;
    let (width, height) = headers[0].0;
    if let Some((path, (found, _))) = paths.iter().zip(&headers).find(|(_, (size, _))| *size != (width, height)) {
        let expected = format!("{height} × {width} pixels (height × width), as in {}", paths[0].display());
        let problem = format!("expected {expected}, found {} × {}", found.1, found.0);
        return Err(Error::table(path, problem, Hint::other("bring all pictures to one size")));
    }
    let channels = if headers.iter().any(|(_, colour)| *colour) { 3 } else { 1 };
    let largest = headers.iter().position(|(_, colour)| *colour).unwrap_or(0);
    check_size(&paths[largest], (width, height), channels)?;
    let what = format!("the {} pictures of {}", paths.len(), folder.display());
    check_memory(what, (width, height), channels, paths.len())
}

/// Checks that a picture has no more numbers than a picture may have.
fn check_size(path: &Path, (width, height): (u32, u32), channels: usize) -> Result<()> {
    if memory::product(&[width as usize, height as usize, channels]) <= MOST_NUMBERS as u64 {
        return Ok(());
    }
    let channels = if channels == 1 { "one channel".into() } else { format!("{channels} channels") };
    let problem = format!("expected at most {MOST_NUMBERS} numbers per picture, found {height} × {width} pixels of {channels}");
    Err(Error::table(path, problem, Hint::other("scale the pictures down")))
}

/// Checks that the memory holds so many pictures. Each number takes one byte in the decoded picture and one in the set. A picture that is being decoded has up to four channels of 16 bits, and a copy
/// in 8 bits.
fn check_memory(what: String, (width, height): (u32, u32), channels: usize, count: usize) -> Result<()> {
    let [width, height] = [width as usize, height as usize];
    let decoding = memory::product(&[12, width, height, rayon::current_num_threads().min(count)]);
    memory::check(what, memory::product(&[2, width, height, channels, count]).saturating_add(decoding))
}

/// One picture as a set, in grey for one channel and in colours for three, 255 of it as `white`.
pub(super) fn one(path: &Path, channels: usize, white: u8) -> Result<ImageSet> {
    let colour = match channels {
        1 => false,
        3 => true,
        _ => return Err(Error::table(path, format!("expected {channels} channels, found a picture, of 1 or 3"), None)),
    };
    let size = opened(path)?.into_decoder().map_err(|e| damaged(path, &e))?.dimensions();
    check_size(path, size, channels)?;
    check_memory(path.display().to_string(), size, channels, 1)?;
    let Picture { height, width, bytes, .. } = in_eight_bits(&decoded(path)?, colour);
    let level = |v: u8| ((u16::from(v) * u16::from(white) + 127) / 255) as u8;
    let pixels = channels_first(&bytes, channels).into_iter().map(level).collect();
    let depth = white.max(1).ilog2() as usize + 1;
    Ok(ImageSet { path: path.to_owned(), shape: ImageShape { channels, height, width }, depth, white, pixels, labels: None, weights: None })
}

/// The kind of a picture is told by its first bytes, whatever its name ends in.
fn opened(path: &Path) -> Result<ImageReader<BufReader<File>>> {
    let io = |e| Error::io("read", path, e);
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(Error::table(path, "expected a picture, found a folder, a device or a pipe", None));
    }
    ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(io)
}

fn decoded(path: &Path) -> Result<DynamicImage> {
    opened(path)?.decode().map_err(|e| damaged(path, &e))
}

fn damaged(path: &Path, error: &ImageError) -> Error {
    let problem = format!("expected a whole PNG or JPEG picture, found one that cannot be read: {error}");
    Error::table(path, problem, Hint::other("remove it, or save it again"))
}

fn in_eight_bits(picture: &DynamicImage, colour: bool) -> Picture {
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let (channels, bytes) = if colour { (3, picture.to_rgb8().into_raw()) } else { (1, picture.to_luma8().into_raw()) };
    Picture { height, width, channels, bytes }
}
