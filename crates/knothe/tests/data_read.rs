//! Files to tables and back, and the one line that each bad file gets.
#![cfg(feature = "tables")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, DictionaryArray, DurationMillisecondArray, Float16Array, Int64Array, NullArray, RecordBatch,
    StringArray, StringViewArray, StructArray, TimestampNanosecondArray,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use arrow::ipc::{
    CompressionType,
    writer::{FileWriter, IpcWriteOptions, StreamWriter},
};
use knothe::Error;
use knothe::events::table::{
    Column, Dialect, Form, Reading, Table, TableReader, TableWriter, Unit, write_csv_header, write_csv_rows, write_table,
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

#[test]
fn columns_are_what_their_fields_are() {
    let text = "city,member,since,at,code,mark\nGraz,true,2026-11-29,2026-11-29T08:00:00.125Z,007,?\n Wien ,false,2026/11/30,2026-11-29 08:00,x,1\nGraz,NA,,,8,2\n";
    let (table, _) = read("t.csv", text);
    assert_eq!(labels(&table, "city"), ["Graz", "Wien"]);
    assert_eq!(labels(&table, "code"), ["007", "x", "8"]);
    let forms: Vec<&Form> = table.columns.iter().map(|c| &c.form).collect();
    assert_eq!(forms[1..4], [&Form::Boolean, &Form::Time(Unit::Day), &Form::Time(Unit::Millisecond)]);
    assert_eq!(shown(&table)[0].1, [Some(0.0), Some(1.0), Some(0.0)]);
    assert_eq!(shown(&table)[1].1, [Some(1.0), Some(0.0), None]);
    // date -d 2026-11-29 +%s is 1795910400.
    assert_eq!(shown(&table)[2].1, [Some(20786.0), Some(20787.0), None]);
    assert_eq!(shown(&table)[3].1, [Some(1_795_939_200_125.0), Some(1_795_939_200_000.0), None]);
    assert_eq!(shown(&table)[5].1, [None, Some(1.0), Some(2.0)]);
    // A mark beside texts is a text, and numbers beside Booleans are texts.
    let (table, _) = read("t.csv", "a,b\n?,true\nyes,0\n");
    assert_eq!((labels(&table, "a"), labels(&table, "b")), (vec!["?".into(), "yes".into()], vec!["true".into(), "0".into()]));
}

#[test]
fn one_text_far_down_makes_the_whole_column_text() {
    let rows = 300_000;
    let mut text = String::from("id,m,x\n");
    (0..rows).for_each(|i| text.push_str(&format!("{:03},?,{i}\n", i % 10)));
    text.push_str("A1,no,0\n");
    let (table, _) = read("t.csv", text);
    assert_eq!(labels(&table, "id")[..2], ["000", "001"]);
    assert_eq!(labels(&table, "id").last().unwrap(), "A1");
    assert_eq!(labels(&table, "m"), ["?", "no"]);
    assert_eq!(table.columns[2].values[rows - 1], (rows - 1) as f64);
}

#[test]
fn text_of_every_dialect_is_read_and_said() {
    let gz = |text: &str| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    };
    let utf_16 = |text: &str, mark: bool| -> Vec<u8> {
        mark.then_some(0xfeff).into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    };
    let plain = "x,y\n1.5,-3\n2.5,4\n";
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a.csv", "x;y\n1,5;-3\n2,5;4\n".into(), "read as ';'-separated text with decimal commas"),
        ("b.csv", "x\ty\r\n1.5\t-3\r\n2.5\t4\r\n".into(), "read as tab-separated text"),
        ("c.csv", "x|y\n1.5|-3\n2.5|4".into(), "read as '|'-separated text"),
        ("d.txt", "  x    y\n 1.5  -3\n 2.5   4\n".into(), "read as space-separated text"),
        ("e.csv", utf_16(plain, true), "read as text in UTF-16LE"),
        ("f.csv", utf_16(plain, false), "read as text in UTF-16LE"),
        ("g.csv.gz", gz(plain), "read as text compressed with gzip"),
        ("h.csv", gz(plain), "read as text compressed with gzip"),
        ("i.csv.zst", zstd::encode_all(plain.as_bytes(), 1).unwrap(), "read as text compressed with zstd"),
        ("j.csv", format!("# by a logger, 2024\n# and more\n{plain}").into(), "read as text with comments after #"),
        ("k.csv", "# x,y\n1.5,-3\n# a pause\n2.5,4\n".into(), "read as text with comments after #"),
        ("l.csv", "x,y\r1.5,-3\r2.5,4\r".into(), ""),
        ("m.csv", format!("\u{feff}{plain}").into(), ""),
        ("n.csv", "x,y\n1.5,-3,\n2.5,4,\n".into(), ""),
        ("o.csv", "x,y,\n1.5,-3\n2.5,4\n".into(), ""),
        ("p.csv", ",x,y\na,1.5,-3\nb,2.5,4\n".into(), "the first column, which has no name, numbers or names the rows and is left out"),
        ("q.txt", "\"x\" \"y\"\n\"1\" 1.5 -3\n\"2\" 2.5 4\n".into(), "read as space-separated text"),
        ("r.csv", "rownames,x,y\n1,1.5,-3\n2,2.5,4\n".into(), "the first column, 'rownames', numbers or names the rows and is left out"),
        ("s.tsv", "x\ty\n1.5\t-3\n2.5\t4\n".into(), ""),
    ];
    for (name, bytes, note) in cases {
        let (table, notes) = read(name, bytes);
        assert!(is_x_y(&table), "{name}: {:?}", shown(&table));
        assert_eq!(notes.first().map_or("", String::as_str), note, "{name}");
    }
}

#[test]
fn thousands_are_read_in_every_dialect() {
    for text in ["a,b\n\"1,234,567\",1\n12,2\n", "a;b\n1.234.567;1,5\n12;2\n", "a;b\n1 234 567;1\n12;2\n", "a;b\n1,234,567;1.5\n12;2\n"] {
        assert_eq!(read("t.csv", text).0.columns[0].values, [1_234_567.0, 12.0], "{text}");
    }
}

#[test]
fn names_are_found_made_or_told_apart() {
    let names = |text: &str| read("t.csv", text).0.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    assert_eq!(names("1.5,2\n3,4\n"), ["x1", "x2"]);
    assert_eq!(names("5.1,3.5,setosa\n4.9,3,setosa\n"), ["x1", "x2", "x3"]);
    assert_eq!(names("0,1,2\n3,4,9\n"), ["0", "1", "2"]);
    assert_eq!(names("id,2019,2020\n3,4,9\n"), ["id", "2019", "2020"]);
    assert_eq!(names("a,a,b,\n1,2,3,4\n"), ["a", "a.1", "b", "Unnamed: 3"]);
    assert_eq!(names("\"Income, USD\",\"say \"\"a\"\"\"\n1,2\n"), ["Income, USD", "say \"a\""]);
    assert_eq!(names("2026-11-28,5\n2026-11-29,6\n"), ["x1", "x2"]);
    assert_eq!(read("t.csv", b"caf\xe9\n1\n").0.columns[0].name, "café");
}

#[test]
fn what_is_set_is_not_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "t.csv", ",code,x\n1,07,\"1,5\"\n2,08,\"2,5\"\n");
    let dialect = Dialect { decimal: Some(','), header: Some(true), ..Dialect::default() };
    let reading = Reading { text: vec!["code".into()], keep_index: true, dialect, ..Reading::default() };
    let table = Table::read_with(&path, &reading).unwrap();
    assert_eq!(table.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["Unnamed: 0", "code", "x"]);
    assert_eq!((labels(&table, "code"), &table.columns[2].values[..]), (vec!["07".into(), "08".into()], &[1.5, 2.5][..]));
    let wrong = Reading { dialect: Dialect { delimiter: Some('é'), ..Dialect::default() }, ..Reading::default() };
    assert!(matches!(Table::read_with(&path, &wrong), Err(Error::Invalid { .. })));
}

#[test]
fn identifiers_are_refused_before_they_lose_digits() {
    let folder = tempfile::tempdir().unwrap();
    let csv = file(folder.path(), "t.csv", "id,x\n1,2\n1610521604143694300,3\n");
    let array: ArrayRef = Arc::new(Int64Array::from(vec![1, 1_610_521_604_143_694_300]));
    let batch = RecordBatch::try_from_iter([("id", array)]).unwrap();
    let arrow = folder.path().join("t.arrow");
    let mut writer = FileWriter::try_new(std::fs::File::create(&arrow).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).and_then(|()| writer.finish()).unwrap();
    for path in [&csv, &arrow] {
        let error = Table::read(path).unwrap_err();
        assert!(
            error.to_string().contains(", column 'id', row 2: expected numbers below 2^53 in magnitude, found 1610521604143694300"),
            "{error}"
        );
        assert!(Table::read_skipping(path, &["id".into()]).is_ok());
        assert!(Table::read_with(path, &Reading { text: vec!["id".into()], ..Reading::default() }).is_ok());
    }
    // 2⁵³ itself is a float, and so are large numbers in scientific notation.
    assert_eq!(read("t.csv", "a,b\n9007199254740992,1e22\n").0.columns[1].values, [1e22]);
}

/// One column of every type that is read.
fn types() -> RecordBatch {
    let text: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("dictionary", Arc::new(text)),
        ("view", Arc::new(StringViewArray::from(vec![Some("p"), None, Some(" q ")]))),
        ("decimal", Arc::new(Decimal128Array::from(vec![125, 250, -5]).with_precision_and_scale(9, 2).unwrap())),
        ("date", Arc::new(Date32Array::from(vec![Some(20786), None, Some(0)]))),
        ("moment", Arc::new(TimestampNanosecondArray::from(vec![1_500_000_000, 0, -500_000_000]).with_timezone("+02:00"))),
        ("span", Arc::new(DurationMillisecondArray::from(vec![1500, 0, 250]))),
        ("nothing", Arc::new(NullArray::new(3))),
        ("half", Arc::new(Float16Array::from(vec![half(1.5), half(0.0), half(-2.0)]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn half(value: f32) -> <arrow::datatypes::Float16Type as arrow::array::ArrowPrimitiveType>::Native {
    <arrow::datatypes::Float16Type as arrow::array::ArrowPrimitiveType>::Native::from_f32(value)
}

#[test]
fn arrows_types_codecs_and_streams_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let batch = types();
    for (name, codec) in [("a.arrow", None), ("b.feather", Some(CompressionType::LZ4_FRAME)), ("c.arrow", Some(CompressionType::ZSTD))] {
        let options = IpcWriteOptions::default().try_with_compression(codec).unwrap();
        let [whole, stream] = ["", "stream-"].map(|prefix| folder.path().join(format!("{prefix}{name}")));
        let mut writer =
            FileWriter::try_new_with_options(std::fs::File::create(&whole).unwrap(), &batch.schema(), options.clone()).unwrap();
        writer.write(&batch).and_then(|()| writer.finish()).unwrap();
        let mut writer = StreamWriter::try_new_with_options(std::fs::File::create(&stream).unwrap(), &batch.schema(), options).unwrap();
        writer.write(&batch).and_then(|()| writer.finish()).unwrap();
        for path in [whole, stream] {
            let table = Table::read(&path).unwrap();
            assert_eq!(labels(&table, "dictionary"), ["a", "b"]);
            assert_eq!(labels(&table, "view"), ["p", "q"]);
            let values: Vec<_> = shown(&table).into_iter().map(|(_, values)| values).collect();
            assert_eq!(values[2], [Some(1.25), Some(2.5), Some(-0.05)]);
            assert_eq!(values[3], [Some(20786.0), None, Some(0.0)]);
            assert_eq!(
                (&values[4][..], &table.columns[4].form),
                (&[Some(1500.0), Some(0.0), Some(-500.0)][..], &Form::Time(Unit::Millisecond))
            );
            assert_eq!(values[5], [Some(1.5), Some(0.0), Some(0.25)]);
            assert_eq!(values[6], [None; 3]);
            assert_eq!(values[7], [Some(1.5), Some(0.0), Some(-2.0)]);
        }
    }
}

/// Writes a Parquet file.
fn parquet(path: &Path, batch: &RecordBatch, codec: parquet::basic::Compression) {
    let properties = parquet::file::properties::WriterProperties::builder().set_compression(codec).build();
    let mut writer = parquet::arrow::ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn parquets_codecs_indices_and_nested_columns() {
    use parquet::basic::Compression;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let day: ArrayRef = Arc::new(StringArray::from(vec!["Mon", "Tue"]));
    let nested: ArrayRef =
        Arc::new(StructArray::from(vec![(Arc::new(Field::new("n", number.data_type().clone(), false)), number.clone())]));
    let batch = RecordBatch::try_from_iter([("x", number.clone()), ("day", day), ("__index_level_0__", number), ("pair", nested)]).unwrap();
    let metadata: std::collections::HashMap<String, String> =
        [("pandas".to_owned(), r#"{"index_columns": ["day", {"kind": "range"}]}"#.to_owned())].into();
    let schema = Schema::new_with_metadata(batch.schema().fields().clone(), metadata);
    let batch = batch.with_schema(Arc::new(schema)).unwrap();
    for codec in [
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::BROTLI(Default::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(Default::default()),
    ] {
        parquet(&path, &batch, codec);
        let table = Table::read_skipping(&path, &["pair".into()]).unwrap();
        assert_eq!(shown(&table)[0], ("x", vec![Some(1.0), Some(2.0)]));
        assert_eq!(table.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["x", "pair"]);
        assert_eq!(table.notes[0].message, "'day' and '__index_level_0__' number or name the rows and are left out");
    }
    assert!(
        refusal(folder.path(), &path).starts_with("t.parquet, column 'pair': expected numbers, text, Booleans or moments, found Struct(")
    );
    let kept = Table::read_with(&path, &Reading { keep_index: true, skip: vec!["pair".into()], ..Reading::default() }).unwrap();
    assert_eq!(labels(&kept, "day"), ["Mon", "Tue"]);
}

#[test]
fn several_files_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = |x: &[i64], y: &str| {
        let columns: [(&str, ArrayRef); 2] =
            [("x", Arc::new(Int64Array::from(x.to_vec()))), ("y", Arc::new(StringArray::from(vec![y; x.len()])))];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    parquet(&folder.path().join("a.parquet"), &numbers(&[1, 2], "p"), parquet::basic::Compression::UNCOMPRESSED);
    parquet(&folder.path().join("b.parquet"), &numbers(&[3], "q").project(&[1, 0]).unwrap(), parquet::basic::Compression::UNCOMPRESSED);
    for path in [folder.path().to_owned(), folder.path().join("*.parquet"), folder.path().join("?.parquet")] {
        let table = Table::read(&path).unwrap();
        assert_eq!((&table.columns[0].values[..], labels(&table, "y")), (&[1.0, 2.0, 3.0][..], vec!["p".into(), "q".into()]));
    }
    parquet(&folder.path().join("c.parquet"), &numbers(&[3], "q").project(&[0]).unwrap(), parquet::basic::Compression::UNCOMPRESSED);
    assert!(refusal(folder.path(), folder.path()).contains("c.parquet: expected the columns of the file before, 'x' and 'y', found 'x'"));
    assert!(Table::read(&folder.path().join("*.csv")).is_err());
}

#[test]
fn every_form_is_written_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let nan = f64::NAN;
    let form = |name: &str, values: [f64; 3], form: Form| Column { name: name.into(), values: values.to_vec(), form };
    let columns = [
        form("t", [0.0, nan, 1.0], Form::Text(vec!["a, \"b\"".into(), "c".into()])),
        form("b", [1.0, 0.0, nan], Form::Boolean),
        form("d", [20786.0, nan, -1.0], Form::Time(Unit::Day)),
        form("s", [nan, 1_795_939_201.0, 0.0], Form::Time(Unit::Second)),
        form("u", [1_795_939_200_125_250.0, 0.0, nan], Form::Time(Unit::Microsecond)),
    ];
    for name in ["t.csv", "t.tsv", "t.parquet", "t.arrow"] {
        let path = folder.path().join(name);
        write_table(&path, &columns).unwrap();
        let table = Table::read(&path).unwrap();
        for (written, read) in columns.iter().zip(&table.columns) {
            assert_eq!((&read.name, &read.form), (&written.name, &written.form), "{name}");
            assert!(same(&read.values, &written.values), "{name}: {read:?}");
        }
    }
    let mut out = Vec::new();
    write_csv_rows(&mut out, &columns).unwrap();
    assert_eq!(String::from_utf8(out).unwrap().lines().next().unwrap(), "\"a, \"\"b\"\"\",true,2026-11-29,,2026-11-29T08:00:00.125250");
}

#[test]
fn quotes_may_hold_lines_wherever_text_is_cut() {
    let mut text = String::from("a,b\n");
    (0..100_000).for_each(|i| text.push_str(&format!("{i},\"l\n{}\"\n", i % 7)));
    let (table, _) = read("t.csv", text);
    assert_eq!((table.rows(), labels(&table, "b").len()), (100_000, 7));
    assert!(table.columns[0].values.iter().enumerate().all(|(i, v)| *v == i as f64));
}
