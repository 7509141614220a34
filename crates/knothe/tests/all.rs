//! All integration tests of the crate, in one binary. Each binary links Burn anew, and linking takes longer than the tests.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod absent;
mod any_order;
mod common;
#[cfg(feature = "tables")]
mod data_codes;
#[cfg(feature = "tables")]
mod data_fuzz;
#[cfg(feature = "tables")]
mod data_read;
#[cfg(feature = "tables")]
mod data_schema;
mod data_special;
#[cfg(feature = "tables")]
mod ensemble;
#[cfg(feature = "tables")]
mod errors;
#[cfg(feature = "tables")]
mod evaluate;
mod exact;
mod exact_sos;
#[cfg(feature = "tables")]
mod families;
mod fit;
mod fit_open;
#[cfg(feature = "images")]
mod image_models;
mod images;
#[cfg(feature = "targets")]
mod inference;
mod laws;
mod laws_broken;
#[cfg(feature = "tables")]
mod messages;
mod mistakes;
mod mixed;
mod moments;
mod options;
mod own_events;
mod own_parts;
mod pixel_cnn;
mod products;
#[cfg(feature = "tables")]
mod race;
#[cfg(feature = "audio")]
mod recordings;
#[cfg(feature = "tables")]
mod round_trip;
mod sampling;
#[cfg(feature = "tables")]
mod tabular;

/// Cargo does not look for test files here, so a forgotten file would never run.
#[test]
fn every_file_is_a_module() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(name == "all" || include_str!("all.rs").contains(&format!("\nmod {name};\n")), "{name} is not in tests/all.rs");
    }
}
