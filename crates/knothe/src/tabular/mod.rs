//! A density of a table: a schema, a flow over its standardised columns, and how it was fitted. What model files hold.

mod fitting;
mod model;

pub use fitting::{FitTable, HeldOut, Split, fit_table};
pub use model::{FitRecord, LogLikelihood, Scoring, TableModel};
