//! Files to tables and back, and the one line that each bad file gets.

mod columnar;
mod dialects;
mod known;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, DictionaryArray, DurationMillisecondArray, Float16Array, Float64Array, Int32Array, Int64Array,
    NullArray, RecordBatch, StringArray, StringViewArray, StructArray, TimestampNanosecondArray,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use arrow::ipc::{
    CompressionType,
    writer::{FileWriter, IpcWriteOptions, StreamWriter},
};
use knothe::Error;
use knothe::events::table::{
    Column, Dialect, Form, MissingPolicy, Reading, Table, TableReader, TableWriter, Unit, write_csv_header, write_csv_rows, write_table,
};

fn file(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn column(name: &str, values: &[f64], whole: bool) -> Column {
    Column::numbers(name, values.to_vec(), whole)
}

/// Equal, NaN included.
fn same(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
}

#[test]
fn every_format_gives_back_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let columns = [
        column("a, \"b\"", &[0.1, -1e-300, f64::NAN, 1e22, 1.0 / 3.0], false),
        column("n", &[1.0, f64::NAN, -3.0, 4e15, 0.0], true),
        column("é", &[2.0, 3.0, 4.5, 5.0, 6.0], false),
    ];
    for name in ["t.csv", "t.tsv", "t.parquet", "t.arrow", "t.feather", "t.ipc", "t.npy"] {
        let path = folder.path().join(name);
        write_table(&path, &columns).unwrap();
        let table = Table::read(&path).unwrap();
        assert_eq!(table.rows(), 5, "{name}");
        for (j, (written, read)) in columns.iter().zip(&table.columns).enumerate() {
            assert!(same(&written.values, &read.values), "{name}: {read:?}");
            if name == "t.npy" {
                assert_eq!(read.name, format!("x{}", j + 1));
            } else {
                assert_eq!((&read.name, &read.form), (&written.name, &written.form), "{name}");
            }
        }
    }
    // Nothing temporary is left.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 7);
}

#[test]
fn parts_are_the_table_written_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<f64> = (0..1000).map(f64::from).collect();
    let part = |from: usize, to: usize| {
        [column("n", &values[from..to], true), column("a", &values[from..to].iter().map(|v| v / 7.0).collect::<Vec<_>>(), false)]
    };
    for ending in ["csv", "tsv", "parquet", "arrow", "npy"] {
        let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name).with_extension(ending));
        write_table(&whole, &part(0, 1000)).unwrap();
        let mut writer = TableWriter::create(&parts).unwrap();
        for cut in [0, 3, 3, 700, 1000].windows(2) {
            writer.write(&part(cut[0], cut[1])).unwrap();
        }
        assert!(!parts.exists());
        writer.finish().unwrap();
        let [whole, parts] = [whole, parts].map(|path| Table::read(&path).unwrap());
        assert_eq!(format!("{:?}", whole.columns), format!("{:?}", parts.columns), "{ending}");
    }
}

#[test]
fn a_part_that_does_not_fit_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let first = [column("n", &[1.0, 2.0], true)];
    for (second, expected) in
        [([column("n", &[1.5], true)], "expected integers in column 'n'"), ([column("m", &[1.0], true)], "the 1 columns of the first")]
    {
        let mut writer = TableWriter::create(&path).unwrap();
        writer.write(&first).unwrap();
        let message = writer.write(&second).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    assert!(TableWriter::create(&path).unwrap().finish().is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn batches_are_the_table_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<f64> = (0..1000).map(f64::from).collect();
    let columns = [column("a", &values, true), column("b", &values.iter().map(|v| v / 7.0).collect::<Vec<_>>(), false)];
    for name in ["t.csv", "t.parquet", "t.arrow", "t.npy"] {
        let path = folder.path().join(name);
        write_table(&path, &columns).unwrap();
        let mut seen = 0;
        let mut pieces = Vec::new();
        for batch in TableReader::open(&path, 64).unwrap() {
            let batch = batch.unwrap();
            assert_eq!(batch.first_row, seen);
            assert!(batch.rows() <= 64);
            seen += batch.rows() as u64;
            pieces.extend(batch.columns[1].values.clone());
        }
        assert!(same(&pieces, &columns[1].values), "{name}");
    }
}

#[test]
fn reads_numpys_other_layouts() {
    let folder = tempfile::tempdir().unwrap();
    let npy =
        |header: &str, data: &[u8]| [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat();
    let f32s: Vec<u8> = [1.5f32, 2.5, 3.5, 4.5, 5.5, 6.5].iter().flat_map(|v| v.to_le_bytes()).collect();
    let fortran = file(folder.path(), "f.npy", npy("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }\n", &f32s));
    let batches: Vec<Table> = TableReader::open(&fortran, 2).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches[0].columns[1].values, [4.5, 5.5]);
    assert_eq!(batches[1].columns[0].values, [3.5]);
    let big: Vec<u8> = [-2i16, 300].iter().flat_map(|v| v.to_be_bytes()).collect();
    let table =
        Table::read(&file(folder.path(), "i.npy", npy("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }\n", &big))).unwrap();
    assert_eq!(table.columns, [column("x1", &[-2.0, 300.0], true)]);
    let table =
        Table::read(&file(folder.path(), "b.npy", npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2, 1), }\n", &[1, 0]))).unwrap();
    assert_eq!(table.columns, [Column { form: Form::Boolean, ..column("x1", &[1.0, 0.0], true) }]);
}

#[test]
fn reads_missing_values_and_booleans_of_csv() {
    let folder = tempfile::tempdir().unwrap();
    let table = Table::read(&file(folder.path(), "t.csv", "a,b,c\n1,true,\n,False,NA\n3.0,TRUE,null\n NaN , false ,-.5\n")).unwrap();
    let nan = f64::NAN;
    for (found, expected) in table.columns.iter().zip([[1.0, nan, 3.0, nan], [1.0, 0.0, 1.0, 0.0], [nan, nan, nan, -0.5]]) {
        assert!(same(&found.values, &expected), "{found:?}");
    }
    assert_eq!(table.columns.iter().map(|c| c.form.is_whole()).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn csv_on_a_stream_is_shortest_and_exact() {
    let mut out = Vec::new();
    write_csv_header(&mut out, &["a", "n"]).unwrap();
    write_csv_rows(&mut out, &[column("a", &[0.1, 3.0, 1e300, f64::NAN], false), column("n", &[1.0, -2.0, 0.0, 7.0], true)]).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "a,n\n0.1,1\n3.0,-2\n1e300,0\n,7\n");
}

#[test]
fn a_skipped_column_may_hold_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "t.csv", "id,a\nfirst,1\nsecond,2\n");
    let table = Table::read_skipping(&path, &["id".into()]).unwrap();
    assert!(table.columns[0].values.iter().all(|v| v.is_nan()));
    assert_eq!(table.columns[1].values, [1.0, 2.0]);
}

/// The message without the folder.
fn refusal(folder: &Path, path: &Path) -> String {
    let message = Table::read(path).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn bad_files_get_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let cases: &[(&str, &[u8], &str)] = &[
        ("empty.csv", b"", "empty.csv: expected a table, found an empty file"),
        ("empty.parquet", b"", "empty.parquet: expected a table, found an empty file"),
        ("header.csv", b"a,b\n", "header.csv: expected at least one row, found none"),
        ("lines.csv", b"\"a\nb\",c\n1,2\n", "lines.csv: expected names of one line without control characters, found 'a\\nb'"),
        ("ragged.csv", b"a,b\n1,2\n3\n", "ragged.csv, row 2: expected 2 fields, found 1"),
        ("infinite.csv", b"a\n1\n-inf\n", "infinite.csv, column 'a', row 2: expected a finite number, found -inf"),
        ("large.csv", b"a\n1\n2\n-2e30\n", "large.csv, column 'a', row 3: expected a magnitude of at most 1e30, found -2e30"),
        ("bytes.npy", b"\x00\x01\x02 anything at all", "bytes.npy: expected an NPY file, found other bytes"),
        ("t.xlsx", b"a\n1\n", "t.xlsx: expected a name that ends in .csv, .tsv, .parquet, .arrow, .feather, .ipc or .npy, found .xlsx"),
        ("sheet.csv", b"PK\x03\x04 and so on", "sheet.csv: expected text, found a ZIP archive or an Excel workbook"),
        (
            "bytes.arrow",
            b"\x00\x01\x02 anything at all",
            "bytes.arrow: expected an Arrow file, found one that cannot be read (its footer is not one)",
        ),
    ];
    for (name, bytes, expected) in cases {
        let path = file(folder.path(), name, bytes);
        assert_eq!(refusal(folder.path(), &path), *expected);
    }
    let bytes = file(folder.path(), "bytes.parquet", b"\x00\x01\x02 anything at all");
    assert!(refusal(folder.path(), &bytes).starts_with("bytes.parquet: expected a Parquet file, found one that cannot be read ("));
    assert!(refusal(folder.path(), &folder.path().join("none.csv")).starts_with("cannot read none.csv: No such file"));
    for name in ["folder.csv", "folder"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        assert_eq!(refusal(folder.path(), &folder.path().join(name)), format!("{name}: expected a file, found a folder"));
    }
}

#[test]
fn npy_shapes_are_held_against_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let npy = |shape: &str, descr: &str| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &[0; 64]].concat()
    };
    for (shape, descr, expected) in [
        ("(1000000000000, 4)", "<f8", "expected 1000000000000 × 4 values of 8 bytes, found 64 bytes"),
        ("(18446744073709551615, 18446744073709551615)", "<f8", "× 18446744073709551615 values"),
        ("(2, 2, 2)", "<f8", "expected one or two dimensions, found 3"),
        ("(2, 2)", "<U4", "expected 32- or 64-bit floats, integers or Booleans, found '<U4'"),
        ("(2, 2)", "|O", "found '|O'"),
        ("(0, 2)", "<f8", "expected at least one row, found none"),
        ("(2, 0)", "<f8", "expected at least one column, found none"),
    ] {
        let message = refusal(folder.path(), &file(folder.path(), "t.npy", npy(shape, descr)));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_failed_write_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let columns = [column("a", &[1.0], true), column("a", &[2.0], true)];
    assert!(write_table(&folder.path().join("t.csv"), &columns).is_err());
    assert!(write_table(&folder.path().join("t.csv"), &[column("a", &[1.0], true), column("b", &[], true)]).is_err());
    assert!(write_table(&folder.path().join("none").join("t.csv"), &columns[..1]).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The table of a text, and its notes.
fn read(name: &str, bytes: impl AsRef<[u8]>) -> (Table, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let table = Table::read(&file(folder.path(), name, bytes)).unwrap();
    let notes = table.notes.iter().map(|n| n.message.clone()).collect();
    (table, notes)
}

/// Names, and values with NaN as None.
fn shown(table: &Table) -> Vec<(&str, Vec<Option<f64>>)> {
    let values = |c: &Column| c.values.iter().map(|v| (!v.is_nan()).then_some(*v)).collect();
    table.columns.iter().map(|c| (c.name.as_str(), values(c))).collect()
}

fn labels(table: &Table, name: &str) -> Vec<String> {
    match &table.column(name).unwrap().form {
        Form::Text(labels) => labels.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

const X_Y: [(&str, [f64; 2]); 2] = [("x", [1.5, 2.5]), ("y", [-3.0, 4.0])];

fn is_x_y(table: &Table) -> bool {
    shown(table) == X_Y.map(|(name, values)| (name, values.map(Some).to_vec()))
}
