//! Exact masses of what is not a real number: q(c | context) = Π_j q(c_j | c_<j, context) over categories and lattices.
//!
//! One masked network reads the features of all elements and the context, and gives the parameters of every law side by side. Elements of one
//! law are evaluated together.

mod density;
mod layout;
mod network;
mod start;

pub(crate) use density::Read;
pub use density::{CodesConfig, CodesDensity};

#[cfg(test)]
mod tests;
