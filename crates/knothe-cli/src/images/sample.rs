//! `knothe sample` from a model of images.

use knothe::{events::image::ImageSet, imaging::PictureModel};

use super::picture::{classes, square, writable, write, write_pairs};
use crate::{cli::SampleArguments, failure::Failure};

/// The widest grid of one column a class.
const COLUMNS: usize = 20;

/// Draws images into a file.
pub fn sample(model: &PictureModel, arguments: &SampleArguments) -> Result<(), Failure> {
    if arguments.context.is_some() {
        return Err(Failure::usage("--context: expected a model of a table, found one of images", "--given class=… sets the class"));
    }
    let class = classes(&arguments.given, 1)?.first().copied();
    let out = writable(arguments.out.as_deref())?;
    let others = arguments.nearest.as_ref().map(|path| ImageSet::read(path, arguments.key.as_deref())).transpose()?;
    let images = model.sample(arguments.n, arguments.temperature.unwrap_or(1.0), class, arguments.seed)?;
    if let Some(others) = others {
        return write_pairs(&images, &others.pick(&others.nearest(&images)?), out);
    }
    let number = model.coding.classes.len();
    let in_turn = class.is_none() && (1..=COLUMNS).contains(&number);
    write(&images, if in_turn { number } else { square(arguments.n) }, out)
}
