//! Maps of images, which see pixels and channels in a row of numbers.

mod partial;
mod pixelwise;

pub use crate::space::ImageShape;
pub use partial::Partial;
pub use pixelwise::Pixelwise;
