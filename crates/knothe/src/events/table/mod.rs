//! Tables: reading files, encoding columns as a model's coordinates, and back.
//!
//! A [`Table`] holds the contents of a file. A [`Schema`] declares the kind of each column: continuous, positive, bounded, periodic, integer, lattice, categorical or time,
//! with special and missing values. It encodes rows as elements of a network, codes first and then standardised reals, and decodes them, so that a density is in the units of
//! the user's columns. [`diagnose`] reports columns without a density before training.
//!
//! ```no_run
//! use std::path::Path;
//! use knothe::events::{Coding, table::{MissingPolicy, Need, Overrides, Roles, Schema, Table, diagnose}};
//! let table = Table::read(Path::new("magic.parquet"))?;
//! let roles = Roles { context: vec!["class".into()], ..Roles::default() };
//! let (mut schema, notices) = Schema::infer(&table, &Overrides::default(), &roles, MissingPolicy::Reject)?;
//! let rows = schema.rows(&table, Need::Fit)?;
//! diagnose(&table.path, &schema, &rows)?;
//! schema.fit(&rows)?;
//! let encoded = schema.encode(&rows)?;
//! # Ok::<(), knothe::Error>(())
//! ```

mod absent;
mod arrays;
mod atoms;
mod coder;
mod coding;
mod column;
mod columnar;
mod comparable;
mod declared;
mod dependence;
mod diagnose;
mod differences;
mod edges;
mod elements;
mod errors;
mod infer;
mod input;
mod ipc;
mod join;
mod kind;
mod lattice;
mod moment;
pub(crate) mod npy;
mod pages;
mod partial;
mod placeholders;
mod reader;
mod reading;
mod repeats;
mod rounding;
mod rows;
mod schema;
mod slips;
mod text;
mod unread;
mod write;
mod written;

pub use crate::hint::{counted, quoted};
pub use column::{Column, Form, Unit};
pub use declared::{Declared, Overrides};
pub use diagnose::diagnose;
pub use input::{ending, files_of, is_text};
pub use kind::{Bounds, Kind, Label, Spaced};
pub use lattice::Lattice;
pub use reader::{LARGEST, Table, TableReader};
pub use reading::Reading;
pub use rows::{Contradiction, Need, Reason, TableRows};
pub use schema::{ContextColumn, ErrorColumn, MissingPolicy, Notice, Roles, Schema, SchemaColumn};
pub use text::Dialect;
pub use write::{TableWriter, csv_field, write_csv_header, write_csv_rows, write_table, written_ending};
#[cfg(feature = "images")]
pub(crate) use written::LARGEST_INTEGER;
