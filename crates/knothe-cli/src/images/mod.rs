//! The commands on images and their models.

mod arguments;
mod coordinates;
mod fit;
mod picture;
mod report;
mod sample;

pub use arguments::{ImageFitArguments, InterpolateArguments, ReconstructArguments, SetArguments};
pub use coordinates::{interpolate, reconstruct};
pub use fit::fit;
pub use report::{evaluate, inspect};
pub use sample::sample;
