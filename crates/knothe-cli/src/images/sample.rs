//! `knothe sample` from a model of images.

use knothe::{file::temporary, imaging::PictureModel, plot::mosaic};

use crate::{cli::SampleArguments, failure::Failure, given::Value};

/// The widest grid of one column a class.
const COLUMNS: usize = 20;

/// Draws images into a file.
pub fn sample(model: &PictureModel, arguments: &SampleArguments) -> Result<(), Failure> {
    if arguments.context.is_some() {
        return Err(Failure::usage("--context: expected a model of a table, found one of images", "--given class=… sets the class"));
    }
    let class = class(&arguments.given)?;
    let ending = |path: &std::path::Path| path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let Some(out) = arguments.out.as_deref().filter(|out| matches!(ending(out).as_str(), "png" | "npy" | "npz")) else {
        let found = arguments.out.as_ref().map_or_else(|| "none".into(), |out| out.display().to_string());
        return Err(Failure::usage(format!("--out: expected a name that ends in .png, .npy or .npz for images, found {found}"), ""));
    };
    // What cannot be written is said before anything is drawn.
    drop(temporary(out)?);
    let images = model.sample(arguments.n, arguments.temperature.unwrap_or(1.0), class, arguments.seed)?;
    if ending(out) != "png" {
        return Ok(images.write(out)?);
    }
    let classes = model.coding.classes.len();
    let in_turn = class.is_none() && (1..=COLUMNS).contains(&classes);
    let columns = if in_turn { classes } else { (arguments.n as f64).sqrt().ceil() as usize };
    Ok(mosaic(&images, columns)?.write(out)?)
}

/// The class of `--given class=…`.
fn class(given: &[Value]) -> Result<Option<i64>, Failure> {
    match given {
        [] => Ok(None),
        [one] if one.column == "class" && one.value.fract() == 0.0 => Ok(Some(one.value as i64)),
        _ => {
            let found = given.iter().map(|v| format!("{}={}", v.column, v.value)).collect::<Vec<_>>().join(" and ");
            Err(Failure::usage(format!("--given: expected class and an integer, once, found {found}"), ""))
        }
    }
}
