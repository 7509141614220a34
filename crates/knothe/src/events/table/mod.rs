//! Tables: files to numbers, columns to a model's coordinates, and back.
//!
//! [`Table`] is what a file holds; a [`Schema`] says what each column is (continuous, positive, bounded, integer, a lattice);
//! [`Preprocess`] is the bijection from standardised reals to the units of the file, so that a density is one of the user's own columns;
//! [`diagnose`] says, before anything is trained, which columns have no density.
//!
//! ```no_run
//! use std::path::Path;
//! use knothe::events::table::{MissingPolicy, Need, Overrides, Roles, Schema, Table, diagnose};
//! let table = Table::read(Path::new("magic.parquet"))?;
//! let roles = Roles { context: vec!["class".into()], ..Roles::default() };
//! let (mut schema, notices) = Schema::infer(&table, &Overrides::default(), &roles, MissingPolicy::Reject)?;
//! let rows = schema.rows(&table, Need::Fit)?;
//! diagnose(&table.path, &schema, &rows)?;
//! schema.fit(&rows)?;
//! let (x, ladj, context) = schema.to_model(&rows, 0);
//! # Ok::<(), knothe::Error>(())
//! ```

mod arrays;
mod coding;
mod column;
mod columnar;
mod dependence;
mod diagnose;
mod infer;
mod input;
mod ipc;
mod join;
mod kind;
mod lattice;
mod moment;
pub(crate) mod npy;
mod preprocess;
mod reader;
mod reading;
mod rows;
mod schema;
mod text;
mod write;
mod written;

pub use crate::hint::quoted;
pub use column::{Column, Form, Unit};
pub use diagnose::diagnose;
pub use input::ending;
pub use kind::{Kind, Overrides};
pub use lattice::Lattice;
pub use preprocess::Preprocess;
pub use reader::{LARGEST, Table, TableReader};
pub use reading::Reading;
pub use rows::{Need, TableRows};
pub use schema::{ContextColumn, MissingPolicy, Notice, Roles, Schema, SchemaColumn};
pub use text::Dialect;
pub use write::{TableWriter, csv_field, write_csv_header, write_csv_rows, write_table};
#[cfg(feature = "images")]
pub(crate) use written::LARGEST_INTEGER;
