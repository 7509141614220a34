//! `knothe plot`: a picture of a model.

use std::path::Path;

use knothe::{Model, file::ending};

use crate::{
    cli::PlotArguments,
    failure::Failure,
    kind::{Kind, model_of, refuse_others},
    output::{check_writable, is_stdout, write_picture},
};

/// Draws a picture.
pub fn run<C: Kind>(model: &Model<C>, arguments: &PlotArguments) -> Result<(), Failure> {
    let mut supplied = arguments.input.supplied();
    supplied.push(("columns", !arguments.columns.is_empty()));
    refuse_others::<C>(&model_of::<C>(), &supplied)?;
    model.coding.check_given(&arguments.input.given)?;
    // What cannot be written is said before anything is drawn.
    let data = arguments.data.as_ref().unwrap_or(&arguments.model);
    check_writable(&arguments.out, &arguments.input.files(&[&arguments.model, data]))?;
    write_picture(&C::picture(model, arguments)?, &arguments.out)
}

/// Checks that a picture has a name of a PNG file.
pub fn check_ending(path: &Path) -> Result<(), Failure> {
    let ending = ending(path);
    if ending == "png" || is_stdout(path) {
        return Ok(());
    }
    let found = if ending.is_empty() { "none".into() } else { format!(".{ending}") };
    Err(Failure::usage(format!("--out {}: expected a name that ends in .png, or - for standard output, found {found}", path.display()), ""))
}
