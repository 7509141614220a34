//! The built command, as a user meets it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bad_models;
mod bad_tables;
mod commands;
mod comparisons;
mod conditionals;
mod continued;
mod ensembles;
mod errors;
mod fits;
#[path = "../forge/mod.rs"]
mod forge;
mod help;
mod images;
mod importance;
mod pins;
mod plots;
mod posterior;
mod races;
mod recordings;
mod safety;
mod streams;
mod support;
mod text_files;
