//! Recipes: the published models as products of conditioner × univariate map × mixing. No mathematics lives here.

mod architecture;
mod glow;
mod image;
mod image_real_nvp;
mod product;
mod recipes;

pub use architecture::{Architecture, Mixing, Model, SourceKind};
pub use image::{ChannelMixing, ImageArchitecture, ImageFlow, ImageModel};
pub use product::{Form, Triangular};

/// The type of every built-in model: a source and a chain of layers.
pub type TabularFlow = crate::Flow<crate::source::Source, crate::Compose>;
