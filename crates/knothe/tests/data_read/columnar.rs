//! Parquet and Arrow of every codec and type, several files, and what is written of each form.

use knothe::events::table::{Overrides, Roles, Schema as Inferred};

use super::*;

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
        ("seconds", Arc::new(DurationMillisecondArray::from(vec![Some(3000), None, Some(60_000)]))),
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
            assert_eq!((&values[6][..], &table.columns[6].form), (&[Some(3.0), None, Some(60.0)][..], &Form::Whole));
            assert_eq!(table.columns[5].form, Form::Real);
            assert_eq!(values[7], [None; 3]);
            assert_eq!(values[8], [Some(1.5), Some(0.0), Some(-2.0)]);
        }
    }
}

#[test]
fn a_compressed_buffer_claims_no_more_than_it_can_hold() {
    let folder = tempfile::tempdir().unwrap();
    let column: ArrayRef = Arc::new(Float64Array::from(vec![0.25; 3_000]));
    let batch = RecordBatch::try_from_iter([("x", column)]).unwrap();
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let options = IpcWriteOptions::default().try_with_compression(Some(codec)).unwrap();
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
        writer.write(&batch).and_then(|()| writer.finish()).unwrap();
        let mut bytes = writer.into_inner().unwrap();
        let path = folder.path().join("t.arrows");
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Table::read(&path).unwrap().rows(), 3_000);
        // The length of the numbers stands before them.
        let at = bytes.windows(8).position(|w| w == 24_000i64.to_le_bytes()).unwrap();
        bytes[at..at + 8].copy_from_slice(&(15i64 << 30).to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let error = Table::read(&path).unwrap_err().to_string();
        assert!(error.contains("claims more bytes than it can hold"), "{error}");
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
        assert_eq!(table.notes[0].message, "'day' and '__index_level_0__' are index columns and are left out");
    }
    assert!(
        refusal(folder.path(), &path).starts_with("t.parquet, column 'pair': expected numbers, text, Booleans or moments, found Struct(")
    );
    let kept = Table::read_with(&path, &Reading { keep_index: true, skip: vec!["pair".into()], ..Reading::default() }).unwrap();
    assert_eq!(labels(&kept, "day"), ["Mon", "Tue"]);
}

#[test]
fn ordered_categories_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let severity: DictionaryArray<Int32Type> = ["low", "high", "low"].into_iter().collect();
    let severity: ArrayRef = Arc::new(severity);
    let size: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 4]));
    // Numbers have an order of their own.
    let dose: ArrayRef =
        Arc::new(DictionaryArray::<Int32Type>::new(Int32Array::from(vec![0, 1, 0]), Arc::new(Int64Array::from(vec![1, 2]))));
    let ordered = |name: &str, array: &ArrayRef| Field::new(name, array.data_type().clone(), false).with_dict_is_ordered(true);
    let fields = vec![ordered("severity", &severity), Field::new("size", arrow::datatypes::DataType::Int64, false), ordered("dose", &dose)];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![severity, size, dose]).unwrap();
    let paths = ["t.parquet", "t.arrow"].map(|name| folder.path().join(name));
    parquet(&paths[0], &batch, ::parquet::basic::Compression::SNAPPY);
    let mut writer = FileWriter::try_new(std::fs::File::create(&paths[1]).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    for path in &paths {
        let table = Table::read(path).unwrap();
        let hint = table.notes[0].hint.as_ref().unwrap().to_string();
        assert_eq!(table.notes.len(), 1, "{:?}", table.notes);
        assert_eq!(table.notes[0].message, "the file orders the categories of 'severity', but this order is not read", "{path:?}");
        let noticed = |overrides: &str, roles: &Roles| {
            let overrides = Overrides::parse(overrides).unwrap();
            let (_, notices) = Inferred::infer(&table, &overrides, roles, MissingPolicy::Model).unwrap();
            notices.iter().any(|notice| notice.message.contains("orders the categories"))
        };
        let context = Roles { context: vec!["severity".into()], ..Roles::default() };
        let dropped = Roles { drop: vec!["severity".into()], ..Roles::default() };
        assert!(noticed("{}", &Roles::default()) && !noticed("{}", &context) && !noticed("{}", &dropped), "{path:?}");
        assert!(!noticed(r#"{"severity": {"ordered": ["low", "high"]}}"#, &Roles::default()), "{path:?}");
        assert_eq!(hint, r#"declare it in the schema (`Overrides`): {"severity": {"ordered": ["lowest", "…", "highest"]}}"#);
    }
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
