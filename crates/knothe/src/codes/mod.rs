//! Exact masses of categories and lattice values: q(c | context) = Π_j q(c_j | c_<j, context).
//!
//! One masked network reads the features of all elements and the context, and outputs the parameters of every law. Elements with the same law
//! are evaluated together.

mod density;
pub(crate) mod layout;
mod network;
pub(crate) mod start;

pub(crate) use density::Read;
pub use density::{CodesConfig, CodesDensity};

#[cfg(test)]
mod tests;
