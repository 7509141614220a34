//! `knothe plot`: a picture of a model.

use std::path::Path;

use knothe::{Model, file::ending};

use crate::{
    cli::PlotArguments,
    failure::Failure,
    given,
    kind::{Kind, model_of, refuse_others},
    output::check_writable,
};

/// Draws a picture.
pub fn run<C: Kind>(model: &Model<C>, arguments: &PlotArguments) -> Result<(), Failure> {
    let mut supplied = arguments.input.supplied();
    supplied.push(("columns", !arguments.columns.is_empty()));
    refuse_others::<C>(&model_of::<C>(), &supplied)?;
    given::check(&arguments.input.given, &model.coding)?;
    // What cannot be written is said before anything is drawn.
    check_writable(&arguments.out)?;
    Ok(C::picture(model, arguments)?.write(&arguments.out)?)
}

/// Checks that a picture has a name of a PNG file.
pub fn check_ending(path: &Path) -> Result<(), Failure> {
    let ending = ending(path);
    if ending == "png" {
        return Ok(());
    }
    let found = if ending.is_empty() { "none".into() } else { format!(".{ending}") };
    Err(Failure::usage(format!("--out {}: expected a name that ends in .png, found {found}", path.display()), ""))
}
