//! Events: what a file holds, as rows of numbers and back.

#[cfg(feature = "images")]
pub mod image;
pub mod table;
