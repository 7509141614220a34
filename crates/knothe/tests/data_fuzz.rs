//! No bytes make a reader panic or go on for ever: it gives a table or an error.

use std::sync::LazyLock;

use knothe::events::table::{Column, Table, write_table};
use proptest::prelude::*;

const ENDINGS: [&str; 5] = ["csv", "tsv", "parquet", "arrow", "npy"];

/// Reads bytes as a file of each format; what is read is a table of equal columns and finite numbers.
fn read(bytes: &[u8], ending: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("t.{ending}"));
    std::fs::write(&path, bytes).unwrap();
    match Table::read(&path) {
        Ok(table) => {
            assert!(table.rows() > 0);
            assert!(table.columns.iter().all(|c| c.values.len() == table.rows() && c.values.iter().all(|v| v.is_nan() || v.abs() <= 1e30)));
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}

/// A good file of a format.
fn good(ending: &str) -> Vec<u8> {
    let column = |name: &str, scale: f64, whole| {
        Column::numbers(name, (0..40).map(|i| if i == 7 { f64::NAN } else { f64::from(i) * scale }).collect(), whole)
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("t.{ending}"));
    write_table(&path, &[column("a", 0.37, false), column("b", 3.0, true)]).unwrap();
    std::fs::read(path).unwrap()
}

static GOOD: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| ENDINGS.iter().map(|ending| (*ending, good(ending))).collect());

/// What a message quotes of a file has no line of its own.
#[test]
fn a_type_of_several_lines_is_one_in_the_message() {
    let mut bytes = good("npy");
    let at = bytes.windows(3).position(|part| part == b"<f8").unwrap();
    bytes[at + 1] = b'\n';
    read(&bytes, "npy");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        ENDINGS.iter().for_each(|ending| read(&bytes, ending));
    }

    #[test]
    fn any_text(text in "[-0-9a,\"\n\r\t .eNinf]{0,80}") {
        read(text.as_bytes(), "csv");
        read(format!("a,b\n{text}").as_bytes(), "csv");
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({text}), }}");
        read(&[b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat(), "npy");
    }

    #[test]
    fn a_good_file_with_a_few_bytes_changed(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        for (ending, bytes) in GOOD.iter() {
            let mut bytes = bytes.clone();
            for (index, byte) in &changes {
                let at = index.index(bytes.len());
                bytes[at] = *byte;
            }
            if let Some(cut) = &cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            read(&bytes, ending);
        }
    }
}
