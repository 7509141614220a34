//! Knothe learns probability densities as increasing triangular maps.
//!
//! A map T carries a simple source density p(z) to the density q(x) of the data, and the change of variables gives q exactly:
//! q(x) = p(z) · |det ∇T(z)|⁻¹ with x = T(z). Maximum likelihood over T is the whole learning recipe.
//!
//! T stays cheap to invert, and its Jacobian cheap to compute, because it is built from triangular pieces,
//! x_j = T_j(z_j; θ_j(z_<j)), each increasing in z_j (Rosenblatt 1952; Knothe 1957): a choice of an increasing
//! [`univariate`] map T_j and of a [`conditioner`] θ_j, joined in [`triangular`], mixed by [`linear`] maps and chained by
//! [`Compose`]. With a [`source`] p it makes a [`Flow`], which is a [`Density`]; [`fit`] learns it; [`families`] has the
//! published choices by name.
//!
//! *Forward* is source to data, *inverse* is data to source, and the log-absolute determinant that a call returns, its ladj, is
//! that of the call just made:
//!
//! ```
//! use knothe::{Bijection, Density, Given, Placement, Precision, families::Maf, values};
//! use rand::SeedableRng;
//!
//! let cpu = Placement::cpu(Precision::F64);
//! let flow = Maf::new(3).seed(1).flow(&cpu)?;
//! let z = cpu.normal([5, 3], &mut rand_chacha::ChaCha12Rng::seed_from_u64(2));
//! let (x, forward) = flow.bijection().forward_and_ladj(z.clone(), &Given::default())?;
//! let (back, inverse) = flow.bijection().inverse_and_ladj(x.clone(), &Given::default())?;
//! assert!(values(back - z.clone()).iter().all(|d| d.abs() < 1e-12));
//! assert!(values(forward.clone() + inverse).iter().all(|d| d.abs() < 1e-12));
//! // log q(x) = log p(z) − log|det ∂x/∂z|
//! let log_q = flow.source().log_prob(z, &Given::default())? - forward;
//! assert!(values(log_q - flow.log_prob(x, &Given::default())?).iter().all(|d| d.abs() < 1e-12));
//! # Ok::<(), knothe::Error>(())
//! ```

// The docs of the traits show whole examples. Cargo runs their tests as tests of the examples.
#![allow(clippy::test_attr_in_doctest)]

mod any_order;
pub mod bijection;
pub mod codes;
mod compose;
pub mod conditioner;
pub mod conformance;
mod density;
pub mod dequantised;
mod error;
pub mod evaluate;
pub mod events;
pub mod families;
pub mod file;
pub mod fit;
mod flow;
mod given;
mod hint;
pub mod inference;
mod inverse;
mod kernels;
pub mod linear;
mod measured;
#[cfg(feature = "tables")]
pub mod memory;
mod mixed;
mod mixture;
pub mod model;
pub mod moments;
mod network;
mod number;
mod order;
pub mod parameters;
mod placement;
#[cfg(feature = "plot")]
pub mod plot;
mod random;
mod sequence;
mod shape;
mod simplex;
pub mod source;
pub mod space;
pub mod special;
pub mod toys;
pub mod triangular;
pub mod univariate;

pub use any_order::{AnyOrder, AnyOrderConfig};
pub use bijection::{Bijection, Given};
pub use burn;
pub use compose::{Compose, Layer, Never, Partial, Pixelwise};
pub use density::{Density, Drawn, Exactness};
pub use dequantised::{Dequantised, Preprocessing, bits_per_dim};
pub use error::{Error, Result};
pub use flow::Flow;
pub use hint::Hint;
pub use inverse::Inverse;
pub use mixed::Mixed;
pub use mixture::Mixture;
pub use model::Model;
pub use network::{ImageFlow, MixedFlow, Network, TabularFlow};
pub use order::Order;
pub use placement::{Placement, Precision, values};
pub use sequence::SequenceDensity;
pub use simplex::{WEIGHTS_GAP, Weights, likeliest_weights};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
