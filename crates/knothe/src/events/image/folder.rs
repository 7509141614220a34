//! A folder of pictures.

use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageReader};
use rayon::prelude::*;

use super::{ImageSet, arrays::channels_first};
use crate::{
    error::{Error, Result},
    file::ending,
    hint::Hint,
    space::ImageShape,
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
    let picture = |path: &PathBuf| decoded(path).map(|picture| in_eight_bits(&picture, picture.color().has_color()));
    let pictures = paths.par_iter().map(picture).collect::<Result<Vec<_>>>()?;
    let channels = pictures.iter().map(|p| p.channels).max().unwrap_or(1);
    let shape = ImageShape { channels, height: pictures[0].height, width: pictures[0].width };
    let mut pixels = Vec::with_capacity(pictures.len() * shape.dim());
    for (path, picture) in paths.iter().zip(&pictures) {
        let Picture { height, width, .. } = *picture;
        if (height, width) != (shape.height, shape.width) {
            let first = format!("{} × {} pixels (height × width), as in {}", shape.height, shape.width, paths[0].display());
            return Err(Error::table(
                path,
                format!("expected {first}, found {height} × {width}"),
                Hint::other("bring all pictures to one size"),
            ));
        }
        match picture.channels == channels {
            true => pixels.extend(channels_first(&picture.bytes, channels)),
            // Grey among colours.
            false => (0..channels).for_each(|_| pixels.extend(&picture.bytes)),
        }
    }
    Ok(ImageSet { path: folder.to_owned(), shape, depth: 8, white: u8::MAX, pixels, labels: None, weights: None })
}

/// One picture as a set, in grey for one channel and in colours for three, 255 of it as `white`.
pub(super) fn one(path: &Path, channels: usize, white: u8) -> Result<ImageSet> {
    let colour = match channels {
        1 => false,
        3 => true,
        _ => return Err(Error::table(path, format!("expected {channels} channels, found a picture, of 1 or 3"), None)),
    };
    let Picture { height, width, bytes, .. } = in_eight_bits(&decoded(path)?, colour);
    let level = |v: u8| ((u16::from(v) * u16::from(white) + 127) / 255) as u8;
    let pixels = channels_first(&bytes, channels).into_iter().map(level).collect();
    let depth = white.max(1).ilog2() as usize + 1;
    Ok(ImageSet { path: path.to_owned(), shape: ImageShape { channels, height, width }, depth, white, pixels, labels: None, weights: None })
}

/// The kind of a picture is told by its first bytes, whatever its name ends in.
fn decoded(path: &Path) -> Result<DynamicImage> {
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(|e| Error::io("read", path, e))?;
    reader.decode().map_err(|e| {
        let problem = format!("expected a whole PNG or JPEG picture, found one that cannot be read: {e}");
        Error::table(path, problem, Hint::other("remove it, or save it again"))
    })
}

fn in_eight_bits(picture: &DynamicImage, colour: bool) -> Picture {
    let (height, width) = (picture.height() as usize, picture.width() as usize);
    let (channels, bytes) = if colour { (3, picture.to_rgb8().into_raw()) } else { (1, picture.to_luma8().into_raw()) };
    Picture { height, width, channels, bytes }
}
