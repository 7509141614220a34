//! A density of a table: a schema, a mixture of flows over its standardised columns, and how they were fitted. What model files hold.

mod fitting;
mod member;
mod model;
mod moments;
mod split;

pub use fitting::{FitTable, fit_table};
pub use member::{Member, Resume, Weighting, remove_checkpoints};
#[cfg(feature = "images")]
pub(crate) use model::scoring_over;
pub use model::{FitRecord, LogLikelihood, Scoring, TableModel};
pub use moments::{ColumnMoments, TableMoments};
pub use split::{HeldOut, Split};
