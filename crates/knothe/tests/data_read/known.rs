//! What is known of a table before it is read: what a user says of it, and the names and labels of a schema.

use knothe::events::{
    Coding,
    table::{Kind, MissingPolicy, Need, Overrides, Roles, Schema as TableSchema},
};

use super::*;

fn with(name: &str, text: &str, reading: &Reading) -> Table {
    let folder = tempfile::tempdir().unwrap();
    Table::read_with(&file(folder.path(), name, text), reading).unwrap()
}

fn names(names: &[&str]) -> Reading {
    Reading { names: names.iter().map(|&name| name.into()).collect(), ..Reading::default() }
}

fn text_column(name: &str, values: &[f64], texts: &[&str]) -> Column {
    Column { name: name.into(), values: values.to_vec(), form: Form::Text(texts.iter().map(|&text| text.into()).collect()) }
}

/// The schema of a table, with missing values as values.
fn schema(table: &Table, overrides: &str) -> TableSchema {
    let overrides = Overrides::parse(overrides).unwrap();
    let (mut schema, _) = TableSchema::infer(table, &overrides, &Roles::default(), MissingPolicy::Model).unwrap();
    schema.fit(&schema.rows(table, Need::Fit).unwrap()).unwrap();
    schema
}

#[test]
fn what_a_user_names_as_missing_is_missing() {
    let missing = ["-999", "unknown", "9999-12-31"].map(String::from).to_vec();
    let reading = Reading { missing, ..Reading::default() };
    let text = "x,when,city,member\n-999,9999-12-31,unknown,true\n1.5,2026-11-29,Graz,unknown\n-999.0,2026-11-30,Wien,false\n";
    let table = with("t.csv", text, &reading);
    let expected = [
        ("x", vec![None, Some(1.5), None]),
        ("when", vec![None, Some(20786.0), Some(20787.0)]),
        ("city", vec![None, Some(0.0), Some(1.0)]),
        ("member", vec![Some(1.0), None, Some(0.0)]),
    ];
    assert_eq!(shown(&table), expected);
    // A file without a header is seen to have none though a number is missing in such a way.
    assert_eq!(with("t.csv", "4,2\nunknown,3\n5,unknown\n", &reading).rows(), 3);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let columns = [
        column("x", &[-999.0, 1.5, -999.0], false),
        Column { form: Form::Time(Unit::Day), ..column("when", &[2_932_896.0, 20786.0, 20787.0], false) },
        text_column("city", &[0.0, 1.0, 2.0], &["unknown", "Graz", "Wien"]),
    ];
    write_table(&path, &columns).unwrap();
    assert_eq!(shown(&Table::read_with(&path, &reading).unwrap()), expected[..3]);
}

#[test]
fn a_first_line_that_holds_the_known_names_is_a_header() {
    let found = |text: &str, known: &[&str]| {
        let table = with("t.csv", text, &names(known));
        let names: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
        (names.join(" "), table.rows())
    };
    let is = |names: &str, rows| (names.to_owned(), rows);
    assert_eq!(found("2019,2021\n2020,2022\n", &[]), is("x1 x2", 2));
    assert_eq!(found("2019,2021\n2020,2022\n", &["2019", "2021"]), is("2019 2021", 1));
    assert_eq!(found("2019,2021,w\n2020,2022,1\n", &["2019", "2021", "gone"]), is("2019 2021 w", 1));
    // Most of the names are not there.
    assert_eq!(found("2019,2021,7\n2020,2022,1\n", &["2019", "5", "6"]), is("x1 x2 x3", 2));
    // Two years that no row can hold are names.
    assert_eq!(found("2019,2020\n1.5,2.5\n", &[]), is("2019 2020", 1));
    assert_eq!(found("2019,2020\n2021,2.5\n", &[]), is("x1 x2", 2));
    // A table that was fitted without a header has none.
    assert_eq!(found("1,2\n3,5\n", &[]), is("1 2", 1));
    assert_eq!(found("1,2\n3,5\n", &["x1", "x2"]), is("x1 x2", 2));
    assert_eq!(found("5.1,virginica\n", &["x2"]), is("x1 x2", 1));
    assert_eq!(found("x1,x2\n3,5\n", &["x1", "x2"]), is("x1 x2", 1));
    assert_eq!(found("a,b\n3,5\n", &["x1", "x2"]), is("a b", 1));
}

#[test]
fn what_a_schema_names_is_no_index() {
    let folder = tempfile::tempdir().unwrap();
    let later = with("t.csv", "x,rownames\n1.5,1\n2.5,2\n1.5,4\n", &Reading::default());
    let reading = schema(&later, "{}").reading([]);
    let [csv, parquet] = ["t.csv", "t.parquet"].map(|name| folder.path().join(name));
    for path in [&csv, &parquet] {
        let columns =
            [column("rownames", &[3.0, 4.0], true), column("x", &[0.5, 1.0], false), column("__index_level_0__", &[1.0, 2.0], true)];
        write_table(path, &columns).unwrap();
        let table = Table::read_with(path, &reading).unwrap();
        assert_eq!(table.column("rownames").unwrap().values, [3.0, 4.0]);
        assert!(Table::read(path).unwrap().column("rownames").is_none());
    }
    // The schema names no such index.
    assert!(Table::read_with(&parquet, &reading).unwrap().column("__index_level_0__").is_none());
}

#[test]
fn a_word_for_missing_is_a_label_where_the_schema_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let [csv, parquet] = ["t.csv", "t.parquet"].map(|name| folder.path().join(name));
    let columns = [text_column("city", &[0.0, 1.0, f64::NAN, 0.0, 1.0], &["NA", "b"]), column("x", &[0.5, 1.5, 2.5, 0.5, 3.0], false)];
    write_table(&csv, &columns).unwrap();
    write_table(&parquet, &columns).unwrap();
    // A Parquet file has missing values of its own, a CSV file has words for them.
    let [of_csv, of_parquet] = [&csv, &parquet].map(|path| Table::read(path).unwrap());
    assert_eq!((labels(&of_csv, "city"), labels(&of_parquet, "city")), (vec!["b".to_owned()], vec!["NA".into(), "b".into()]));
    let said = r#"{"city": "categorical"}"#;
    let notices = TableSchema::infer(&of_parquet, &Overrides::parse(said).unwrap(), &Roles::default(), MissingPolicy::Model).unwrap().1;
    assert_eq!(notices[0].message, "'city' has the category 'NA', which text files use for a missing value");
    assert_eq!(notices[0].hint, Some(knothe::Hint::ReadAsMissing(vec!["NA".into()])));
    for (fitted, expected) in [(&of_csv, "NaN 0 NaN NaN 0"), (&of_parquet, "0 1 NaN 0 1")] {
        let schema = schema(fitted, said);
        for path in [&csv, &parquet] {
            let rows = schema.rows(&Table::read_with(path, &schema.reading([])).unwrap(), Need::Score).unwrap();
            let found: Vec<String> = rows.x.chunks(2).map(|row| row[0].to_string()).collect();
            assert_eq!((found.join(" ").as_str(), rows.impossible()), (expected, 0), "{path:?}");
        }
    }
    // What the user names is missing all the same.
    let reading = Reading { missing: vec!["NA".into()], ..schema(&of_parquet, said).reading([]) };
    assert!([&csv, &parquet].iter().all(|path| Table::read_with(path, &reading).unwrap().columns[0].values[0].is_nan()));
    // A declared label is one from the start.
    let reading = Overrides::parse(r#"{"city": {"categorical": ["NA", "b"]}}"#).unwrap().reading();
    assert_eq!(labels(&Table::read_with(&csv, &reading).unwrap(), "city"), ["NA", "b"]);
}

#[test]
fn the_labels_of_a_schema_tell_a_row_from_a_header() {
    let fitted = schema(&with("t.csv", "a,u\na,v\nb,u\nb,v\na,w\nb,u\n", &Reading::default()), "{}");
    let rows = with("new.csv", "a,u\nb,v\n", &fitted.reading([]));
    assert_eq!((labels(&rows, "x1"), labels(&rows, "x2")), (vec!["a".into(), "b".into()], vec!["u".into(), "v".into()]));
    // No name of this header is a label.
    let other = with("other.csv", "name,city\na,u\nb,v\n", &fitted.reading([]));
    assert_eq!(other.columns[0].name, "name");
}

#[test]
fn spellings_of_a_label_are_one_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let fitted = |text: &str, said: &str| schema(&with("t.csv", text, &Reading::default()), said);
    let schemas = [
        fitted("a,x\ntrue,1.5\nfalse,2.5\ntrue,0.5\n", "{}"),
        fitted("a,x\n1,1.5\n0,2.5\n1,0.5\n", r#"{"a": {"categorical": [0, 1]}}"#),
        fitted("a,x\n1,1.5\n0,2.5\n1,0.5\n", r#"{"a": {"categorical": ["0", "1"]}}"#),
        fitted("a,x\n1,1.5\n0,2.5\n1,0.5\n", r#"{"a": {"ordered": ["false", "true"]}}"#),
    ];
    let spellings: [(&[&str; 3], &str); 4] =
        [(&["1", "0", "1"], "a"), (&["1.0", "0.0", "1.0"], "b"), (&["true", "false", "true"], "c"), (&["True", "FALSE", "TRUE"], "d")];
    let mut files = Vec::new();
    for (values, name) in spellings {
        let lines = values.iter().map(|value| format!("{value},1\n")).collect::<String>();
        files.push(file(folder.path(), &format!("{name}.csv"), format!("a,x\n{lines}")));
        let texts = folder.path().join(format!("{name}.parquet"));
        let mut different = values.to_vec();
        different.dedup();
        let code = |value: &&str| different.iter().position(|text| text == value).unwrap() as f64;
        write_table(&texts, &[text_column("a", &values.map(|v| code(&v)), &different), column("x", &[1.0; 3], false)]).unwrap();
        files.push(texts);
    }
    for (form, name) in [(Form::Boolean, "flags"), (Form::Whole, "integers"), (Form::Real, "floats")] {
        let path = folder.path().join(name).with_extension("parquet");
        write_table(&path, &[Column { form, ..column("a", &[1.0, 0.0, 1.0], false) }, column("x", &[1.0; 3], false)]).unwrap();
        files.push(path);
    }
    for (k, schema) in schemas.iter().enumerate() {
        for path in &files {
            let rows = schema.rows(&Table::read_with(path, &schema.reading([])).unwrap(), Need::Score).unwrap();
            let found: Vec<f64> = rows.x.iter().step_by(2).copied().collect();
            assert_eq!(found, [1.0, 0.0, 1.0], "schema {k}, {path:?}: {:?}", rows.contradictions);
        }
    }
    // Other texts are labels of their own.
    let versions = fitted("a,x\n1.1,1.5\n1.2,2.5\nz,0.5\n1.1,2\n1.2,2.5\nz,2\n", "{}");
    let other = with("t.csv", "a,x\n1.10,1\n", &versions.reading([]));
    assert_eq!(versions.rows(&other, Need::Score).unwrap().impossible(), 1);
}

#[test]
fn moments_keep_their_digits_in_every_year() {
    let folder = tempfile::tempdir().unwrap();
    // After 2112 a count of microseconds is above 2^52, after 2255 above 2^53. A whole second has its digits in any year.
    let times = ["2200-01-01T00:00:00.000001", "2254-12-31T23:59:59.999999", "9999-12-31T23:59:59.000000", "0001-01-01T00:00:00.000000"];
    let lines = |times: &[&str]| times.iter().map(|time| format!("{time},1.5\n")).collect::<String>();
    let table = with("t.csv", &format!("at,x\n{}", lines(&times).replacen("1.5", "2.5", 1)), &Reading::default());
    for name in ["t.csv", "t.parquet"] {
        let path = folder.path().join(name);
        write_table(&path, &table.columns).unwrap();
        let back = Table::read(&path).unwrap();
        assert_eq!((0..4).map(|i| back.columns[0].text(i)).collect::<Vec<_>>(), times, "{name}");
        // All of them are in the support of a fit to them.
        let schema = schema(&back, "{}");
        assert_eq!(schema.columns[0].kind, Kind::Time(Unit::Microsecond));
        assert_eq!(schema.rows(&back, Need::Score).unwrap().impossible(), 0);
    }
    let lost = ["2026-11-29T08:00:00.5", "9999-12-31T23:59:59.999999"];
    let expected =
        "expected times in microseconds from 1684 to 2255, found 9999-12-31T23:59:59.999999: a 64-bit float cannot hold its digits";
    let csv = file(folder.path(), "lost.csv", format!("at,x\n{}", lines(&lost)));
    assert_eq!(refusal(folder.path(), &csv), format!("lost.csv, column 'at', row 2: {expected}"));
    let micros = [1_795_939_200_500_000, 253_402_300_799_999_999i64];
    let array: ArrayRef = Arc::new(arrow::array::TimestampMicrosecondArray::from(micros.to_vec()));
    let batch = RecordBatch::try_from_iter([("at", array)]).unwrap();
    let arrow = folder.path().join("lost.arrow");
    let mut writer = FileWriter::try_new(std::fs::File::create(&arrow).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).and_then(|()| writer.finish()).unwrap();
    assert!(refusal(folder.path(), &arrow).starts_with("lost.arrow, column 'at', row 2: expected times in microseconds from 1684 to 2255"));
    // Thousandths of far years are exact in a column of their own.
    let far = with("t.csv", "at,x\n9999-12-31T23:59:59.999,1\n2026-11-29T08:00:00.125,2\n", &Reading::default());
    assert_eq!(far.columns[0].text(0), "9999-12-31T23:59:59.999");
}

#[test]
fn moments_that_are_drawn_can_be_written() {
    for (time, unit) in [
        ("2026-11-29", Unit::Day),
        ("2026-11-29T08:00:00", Unit::Second),
        ("2026-11-29T08:00:00.125", Unit::Millisecond),
        ("2026-11-29T08:00:00.125250", Unit::Microsecond),
    ] {
        let table = with("t.csv", &format!("at,x\n{time},1\n2026-11-30,2\n2026-12-07,3\n"), &names(&["at"]));
        let schema = schema(&table, r#"{"x": "continuous"}"#);
        assert_eq!(schema.columns[0].kind, Kind::Time(unit));
        // As far out as a sample of a heavy tail can be.
        let drawn = schema.columns_of(&schema.decode(vec![-1e12, 0.0, 1e12, 0.0], Vec::new()).unwrap());
        let texts = [drawn[0].text(0), drawn[0].text(1)];
        assert!(texts[0].starts_with("0001-01-01") && texts[1].starts_with("9999-12-31"), "{texts:?}");
        let mut csv = Vec::new();
        write_csv_header(&mut csv, &["at", "x"]).unwrap();
        write_csv_rows(&mut csv, &drawn).unwrap();
        let back = with("t.csv", std::str::from_utf8(&csv).unwrap(), &schema.reading([]));
        assert_eq!(back.columns[0].values, drawn[0].values, "{texts:?}");
    }
}
