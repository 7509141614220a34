//! Where pictures come from and go to.

use std::path::{Path, PathBuf};

use knothe::{
    events::image::{ImageSet, is_picture},
    file::ending,
    imaging::{PictureModel, PixelCoding},
    plot::mosaic,
};

use super::SetArguments;
use crate::{failure::Failure, fit::check_writable, given::Value};

/// A file that images can be written to: a picture, or an array.
pub fn writable(out: Option<&Path>) -> Result<&Path, Failure> {
    let Some(out) = out.filter(|out| matches!(ending(out).as_str(), "png" | "npy" | "npz")) else {
        let found = out.map_or_else(|| "none".into(), |out| out.display().to_string());
        return Err(Failure::usage(format!("--out: expected a name that ends in .png, .npy or .npz for images, found {found}"), ""));
    };
    // What cannot be written is said before anything is drawn.
    check_writable(out)?;
    Ok(out)
}

/// Writes a picture with so many images a row, or the numbers of the images.
pub fn write(images: &ImageSet, columns: usize, out: &Path) -> Result<(), Failure> {
    if ending(out) == "png" { Ok(mosaic(images, columns)?.write(out)?) } else { Ok(images.write(out)?) }
}

/// Writes each image beside that of `others` in the same place.
pub fn write_pairs(images: &ImageSet, others: &ImageSet, out: &Path) -> Result<(), Failure> {
    write(&images.interleaved(others)?, 2 * square(images.len().div_ceil(2)), out)
}

/// The rows and columns of a square of `n` images.
pub fn square(n: usize) -> usize {
    (n as f64).sqrt().ceil() as usize
}

/// The classes of `--given class=…`, at most `most` of them.
pub fn classes(given: &[Value], most: usize) -> Result<Vec<i64>, Failure> {
    let is_class = |v: &Value| v.column == "class" && v.value.fract() == 0.0;
    if given.len() <= most && given.iter().all(is_class) {
        return Ok(given.iter().map(|v| v.value as i64).collect());
    }
    let found = given.iter().map(|v| format!("{}={}", v.column, v.value)).collect::<Vec<_>>().join(" and ");
    let often = if most == 1 { "once" } else { "once or twice" };
    Err(Failure::usage(format!("--given: expected class and an integer, {often}, found {found}"), ""))
}

/// One image for a model: a picture by its file, or an image of an array as FILE:INDEX.
pub fn one(name: &Path, set: &SetArguments, model: &PictureModel) -> Result<ImageSet, Failure> {
    let PixelCoding { shape, white, .. } = model.coding;
    if is_picture(name) {
        return Ok(ImageSet::read_picture(name, shape.channels, white)?);
    }
    let text = name.display().to_string();
    let indexed = text.rsplit_once(':').and_then(|(file, index)| Some((PathBuf::from(file), index.parse::<usize>().ok()?)));
    let Some((file, index)) = indexed else {
        let hint = "the 4th image of an array is images.npz:3";
        return Err(Failure::usage(format!("expected a .png or .jpg file, or FILE:INDEX of an array, found {text}"), hint));
    };
    let images = set.read(&file)?;
    if index >= images.len() {
        return Err(Failure::usage(format!("{text}: expected an index from 0 to {}, found {index}", images.len() - 1), ""));
    }
    Ok(images.pick(&[index]))
}
