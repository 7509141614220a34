//! A density of images: an [`ImageFlow`](crate::families::ImageFlow), what its numbers and classes are, and how it was fitted. What model files of images hold.

mod coding;
mod coordinates;
mod fitting;
mod model;

pub use coding::PixelCoding;
pub use coordinates::Kept;
pub use fitting::{FitImages, fit_images, split};
pub use model::{BitsPerDim, PictureModel};

pub(crate) use model::KIND;
