//! Knothe learns probability densities as increasing triangular maps.
//!
//! A map T carries a simple source density p(z) to the density q(x) of the data, and the change of variables gives q exactly:
//! q(x) = p(z) · |det ∇T(z)|⁻¹ with x = T(z). Maximum likelihood over T is the whole learning recipe.

pub mod bijection;
mod compose;
pub mod conditioner;
pub mod conformance;
#[cfg(feature = "tables")]
pub mod data;
mod density;
mod error;
pub mod evaluate;
pub mod file;
pub mod fit;
mod flow;
mod inverse;
pub mod linear;
pub mod models;
pub mod objective;
pub mod parameters;
mod placement;
pub mod source;
#[cfg(feature = "tables")]
pub mod tabular;
pub mod triangular;
pub mod univariate;

pub use bijection::{Bijection, Given};
pub use compose::{Compose, Layer};
pub use density::{Density, Exactness};
pub use error::{Error, Result};
pub use flow::Flow;
pub use inverse::Inverse;
pub use placement::{Placement, Precision, values};
