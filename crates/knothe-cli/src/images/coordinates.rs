//! `knothe reconstruct` and `knothe interpolate`.

use knothe::{
    events::image::ImageSet,
    imaging::{Kept, PictureModel},
};
use serde_json::json;

use super::{
    InterpolateArguments, ReconstructArguments,
    picture::{classes, one, writable, write, write_pairs},
};
use crate::{
    failure::Failure,
    output::{print, print_json},
};

/// Draws images beside what the model makes of their coordinates, and counts the numbers that differ.
pub fn reconstruct(arguments: &ReconstructArguments) -> Result<(), Failure> {
    arguments.runtime.start()?;
    let out = writable(Some(&arguments.out))?;
    let model = PictureModel::load(&arguments.model, &arguments.runtime.device)?;
    let images = arguments.set.read(&arguments.images)?;
    let images = images.pick(&(0..images.len().min(arguments.n as usize)).collect::<Vec<_>>());
    let scales = arguments.keep.unwrap_or(model.member.architecture.levels);
    let found = model.reconstruct(&images, Kept { scales, temperature: arguments.temperature }, arguments.seed)?;
    let shift = model.coding.depth - model.coding.bits;
    let numbers = images.pixels.len();
    let different = images.pixels.iter().zip(&found.pixels).filter(|(a, b)| *a >> shift != *b >> shift).count();
    write_pairs(&images, &found, out)?;
    if arguments.json {
        return print_json(&json!({ "images": images.len(), "numbers": numbers, "different": different, "scales": scales }));
    }
    let of = model.member.architecture.levels;
    print(&format!("{} images from {scales} of {of} scales: {different} of {numbers} numbers differ\n", images.len()))
}

/// Draws the images between two.
pub fn interpolate(arguments: &InterpolateArguments) -> Result<(), Failure> {
    arguments.runtime.start()?;
    let out = writable(Some(&arguments.out))?;
    let model = PictureModel::load(&arguments.model, &arguments.runtime.device)?;
    let classes = classes(&arguments.given, 2)?;
    let [a, b] = [one(&arguments.from, &arguments.set, &model)?, one(&arguments.to, &arguments.set, &model)?];
    // The model says what is wrong with either.
    [&a, &b].into_iter().try_for_each(|end| model.coding.check_shape(end))?;
    let labels = match classes[..] {
        [] => a.labels.clone().zip(b.labels).map(|(a, b)| [a, b].concat()),
        [both] => Some(vec![both; 2]),
        _ => Some(classes),
    };
    let ends = ImageSet { pixels: [a.pixels.as_slice(), &b.pixels].concat(), labels, ..a };
    let n = arguments.n as usize;
    write(&model.interpolate(&ends, n, arguments.seed)?, n, out)
}
