//! The commands on images and their models.

mod arguments;
mod fit;
mod report;
mod sample;

pub use arguments::{ImageFitArguments, SetArguments};
pub use fit::fit;
pub use report::{evaluate, inspect};
pub use sample::sample;
