//! Good tables: text of every dialect, compressed text, Arrow files and streams of every type.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, DurationMillisecondArray, Float32Array, Int64Array, RecordBatch,
    StringViewArray, TimestampNanosecondArray,
};
use arrow::datatypes::Int32Type;
use arrow::ipc::{
    CompressionType,
    writer::{FileWriter, IpcWriteOptions, StreamWriter},
};

/// The rows of each table.
const ROWS: usize = 60;

/// A table with a column of every kind, between these delimiters and with this decimal mark.
fn kinds(delimiter: char, decimal: char) -> String {
    let head = ["region", "member", "rating", "since", "at", "amount", "big", "x"].join(&delimiter.to_string());
    let mut text = head + "\n";
    for i in 0..ROWS {
        let real = |v: f64| format!("{v:.3}").replace('.', &decimal.to_string());
        let fields = [
            if i == 5 { format!("\"st{delimiter} \"\"one\"\"\"") } else { ["east", "west", "NA"][i % 3].to_owned() },
            (i % 2 == 0).to_string(),
            if i % 7 == 0 { "?".to_owned() } else { (i % 5).to_string() },
            format!("2026-11-{:02}", 1 + i % 28),
            format!("2026-11-29T08:{:02}:00.125Z", i * i % 60),
            if i % 3 == 0 { "0".to_owned() } else { real((i as f64 * 1.3).cos().exp()) },
            format!("\"{},{:03}\"", i, i * 7),
            real((i as f64 * 0.7).sin()),
        ];
        text += &(fields.join(&delimiter.to_string()) + "\n");
    }
    text
}

/// Numbers as R, loggers and fixed-width programs write them.
fn numbers(head: &str, before: impl Fn(usize) -> String, delimiter: &str) -> String {
    let line = |i: usize| format!("{}{:.2}{delimiter}{}\n", before(i), (i as f64 * 0.7).sin(), i * i % 11);
    head.to_owned() + &(0..ROWS).map(line).collect::<String>()
}

/// Text of every dialect.
pub fn texts() -> Vec<Vec<u8>> {
    let plain = kinds(',', '.');
    let utf_16 = |text: &str| std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let nothing = |_| String::new();
    vec![
        plain.clone().into(),
        kinds(';', ',').into(),
        kinds('\t', '.').into(),
        kinds('|', '.').into(),
        utf_16(&plain),
        [b"\xef\xbb\xbf", plain.as_bytes()].concat(),
        plain.replace("region", "caf\u{e9}").chars().map(|c| c as u8).collect(),
        plain.replace('\n', "\r\n").into(),
        numbers("\"a\" \"b\"\n", |i| format!("\"{i}\" "), " ").into(),
        numbers("# a logger\n# a  b\n", |i| if i % 20 == 0 { "# pause\n".into() } else { " ".into() }, "   ").into(),
        numbers(",a,b,\n", |i| format!("{i},"), ",").into(),
        numbers("", nothing, ",").into(),
    ]
}

/// Text that is compressed, and text that gzip stores as it is, so that damage reaches the text.
pub fn compressed() -> [(&'static str, &'static str, Vec<Vec<u8>>); 2] {
    let plain = kinds(',', '.');
    let gzip = |level| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), level);
        out.write_all(plain.as_bytes()).unwrap();
        out.finish().unwrap()
    };
    let zstandard = zstd::encode_all(plain.as_bytes(), 1).unwrap();
    [
        ("gzip", "csv.gz", vec![gzip(flate2::Compression::fast()), gzip(flate2::Compression::none())]),
        ("zstandard", "csv.zst", vec![zstandard]),
    ]
}

/// Columns of many types.
fn batch() -> RecordBatch {
    // A column of its own for each prime.
    let whole = |i: usize, prime: usize| (i * i * 7 % prime) as i64;
    let decimals =
        Decimal128Array::from_iter_values((0..ROWS).map(|i| i128::from(whole(i, 11)) * 25)).with_precision_and_scale(9, 2).unwrap();
    let texts: DictionaryArray<Int32Type> = (0..ROWS).map(|i| ["a", "b", "c"][i % 3]).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("dictionary", Arc::new(texts)),
        (
            "view",
            Arc::new(StringViewArray::from_iter((0..ROWS).map(|i| (i % 4 > 0).then_some(["p", "a text that is not inlined"][i % 2])))),
        ),
        ("boolean", Arc::new((0..ROWS).map(|i| Some(i % 3 == 0)).collect::<BooleanArray>())),
        ("decimal", Arc::new(decimals)),
        ("date", Arc::new((0..ROWS).map(|i| (i % 5 > 0).then_some(20_000 + whole(i, 13) as i32)).collect::<Date32Array>())),
        (
            "moment",
            Arc::new(TimestampNanosecondArray::from_iter_values((0..ROWS).map(|i| whole(i, 17) * 1_500_000_000)).with_timezone("+02:00")),
        ),
        ("span", Arc::new(DurationMillisecondArray::from_iter_values((0..ROWS).map(|i| whole(i, 19) * 250)))),
        ("single", Arc::new(Float32Array::from_iter_values((0..ROWS).map(|i| (i as f32).sin())))),
        ("whole", Arc::new((0..ROWS).map(|i| (i % 6 > 0).then_some(whole(i, 23))).collect::<Int64Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// Arrow files and Arrow streams, of each codec.
pub fn arrow() -> [Vec<Vec<u8>>; 2] {
    let batch = batch();
    let codecs = [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];
    let options = codecs.map(|codec| IpcWriteOptions::default().try_with_compression(codec).unwrap());
    let files = options.clone().map(|options| {
        let mut writer = FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
        writer.write(&batch).and_then(|()| writer.finish()).unwrap();
        writer.into_inner().unwrap()
    });
    let streams = options.map(|options| {
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
        writer.write(&batch).and_then(|()| writer.finish()).unwrap();
        writer.into_inner().unwrap()
    });
    [files.to_vec(), streams.to_vec()]
}

/// A Parquet file of the same columns.
pub fn parquet() -> Vec<u8> {
    let batch = batch();
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}
