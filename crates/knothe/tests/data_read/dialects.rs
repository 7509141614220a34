//! Text of every dialect.

use super::*;

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
        ("l2.csv", "x,y\r1.5,-3\r2.5,4\r\n".into(), ""),
        ("l3.csv", "x,y\r\"1.5\",-3\r2.5,4\n".into(), ""),
        ("m.csv", format!("\u{feff}{plain}").into(), ""),
        ("n.csv", "x,y\n1.5,-3,\n2.5,4,\n".into(), ""),
        ("o.csv", "x,y,\n1.5,-3\n2.5,4\n".into(), ""),
        ("p.csv", ",x,y\na,1.5,-3\nb,2.5,4\n".into(), "the first column, which has no name, is read as an index column and is left out"),
        ("q.txt", "\"x\" \"y\"\n\"1\" 1.5 -3\n\"2\" 2.5 4\n".into(), "read as space-separated text"),
        ("r.csv", "rownames,x,y\n1,1.5,-3\n2,2.5,4\n".into(), "the first column, 'rownames', is read as an index column and is left out"),
        ("k2.csv", format!("% by a logger\n% and more\n{plain}% a pause\n").into(), "read as text with comments after %"),
        ("k4.csv", format!("% a, logger\n% and more\n{plain}").into(), "read as text with comments after %"),
        ("k5.csv", format!("% a, logger\n{plain}").into(), "read as text with comments after %"),
        ("k6.csv", format!("// a, logger\n{plain}").into(), "read as text with comments after //"),
        ("k7.txt", "% logger\nx y\n1.5 -3\n2.5 4\n".into(), "read as space-separated text with comments after %"),
        ("k3.csv", format!("// by a logger\n{plain}").into(), "read as text with comments after //"),
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
    for text in [
        "a,b\n\"1,234,567\",1\n12,2\n",
        "a;b\n1.234.567;1,5\n12;2\n",
        "a;b\n1 234 567;1\n12;2\n",
        "a;b\n1,234,567;1.5\n12;2\n",
        "a;b\n1'234'567;1.5\n12;2\n",
        "a,b\n1’234’567,Linz\n12,Wien\n",
    ] {
        assert_eq!(read("t.csv", text).0.columns[0].values, [1_234_567.0, 12.0], "{text}");
    }
}

/// 0,801 is not 801.
#[test]
fn a_number_of_groups_does_not_begin_with_0() {
    let (table, notes) = read("t.csv", "v,x\n\"0,801\",\"2,499\"\n\"0,129\",\"0,643\"\n");
    assert_eq!((&table.columns[0].values[..], &table.columns[1].values[..]), (&[0.801, 0.129][..], &[2.499, 0.643][..]));
    assert_eq!(notes, ["read as text with decimal commas"]);
    // A point beside them says that commas are no decimal marks.
    let (table, _) = read("t.csv", "v,x\n\"0,801\",2.5\n\"0,129\",0.6\n");
    assert_eq!(labels(&table, "v"), ["0,801", "0,129"]);
    let folder = tempfile::tempdir().unwrap();
    let reading = Reading { dialect: Dialect { decimal: Some(','), ..Dialect::default() }, ..Reading::default() };
    let table = Table::read_with(&file(folder.path(), "t.csv", "v;x\n0.584;1\n0.125;2\n"), &reading).unwrap();
    assert_eq!(labels(&table, "v"), ["0.584", "0.125"]);
}

#[test]
fn names_may_stand_in_the_last_comment() {
    for (text, expected) in [
        ("#,Name,Type,HP\n1,Bulbasaur,Grass,45\n2,Ivysaur,Grass,60\n3,Venusaur,Poison,80\n", ["Name", "Type", "HP"]),
        ("# by hand\n#date,city,v\n2024-01-05,Linz,4\n2024-01-06,Wien,5\n", ["date", "city", "v"]),
        ("# of items,customer,price\n3,ann,1.5\n4,bob,2.5\n", ["of items", "customer", "price"]),
        ("% x y z\n0.1891 -0.5227 -0.4131\n1.5 2.5 3.5\n", ["x", "y", "z"]),
        ("% exported by a logger\nx y z\n0.1891 -0.5227 -0.4131\n1.5 2.5 3.5\n", ["x", "y", "z"]),
        ("// exported by a logger, in short\r\nx y z\r\n0.1891 -0.5227 -0.4131\r\n1.5 2.5 3.5\r\n", ["x", "y", "z"]),
    ] {
        let (table, notes) = read("t.csv", text);
        assert_eq!(table.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), expected, "{text} {notes:?}");
    }
    // A model knows its names, so that a header and a row are enough.
    let folder = tempfile::tempdir().unwrap();
    let reading = Reading { names: vec!["region".into(), "count".into()], ..Reading::default() };
    let table = Table::read_with(&file(folder.path(), "t.csv", "#region,count\nnorth,many\n"), &reading).unwrap();
    assert_eq!((table.columns[1].name.as_str(), table.rows()), ("count", 1));
}

#[test]
fn thousands_are_said() {
    for (text, note) in [
        ("a,b\n\"4,081.838\",1\n\"1,206.540\",2\n", "read as text with thousands separated by ','"),
        ("a;b\n4.081,838;1,5\n1.206,540;2,5\n", "read as ';'-separated text with decimal commas, with thousands separated by '.'"),
        ("a;b\n4'081.838;1\n1'206.540;2\n", "read as ';'-separated text with thousands separated by apostrophes"),
        ("a;b\n4,5;1\n1,25;2\n", "read as ';'-separated text with decimal commas"),
        ("a,b\n4.5,1\n1.25,\"x, 2\"\n", ""),
    ] {
        assert_eq!(read("t.csv", text).1.first().map_or("", String::as_str), note, "{text}");
    }
}

#[test]
fn a_header_may_begin_like_a_comment() {
    let (table, notes) = read("t.csv", "%CPU,%MEM\n1.5,2\n3,4\n");
    assert_eq!((table.columns[0].name.as_str(), notes.len()), ("%CPU", 0));
    for (text, name) in [
        ("%,count\n12.5,3\n7.5,4\n8.5,5\n", "%"),
        ("%CPU,user\nNA,bob\n3.5,amy\n2.5,joe\n", "%CPU"),
        ("%CPU;user\n3,5;bob\n4;amy\n5;joe\n", "%CPU"),
        ("%fmt,n\n%d,3\nabc,4\ndef,5\nghi,7\n", "%fmt"),
        ("% fat,age\n3.5,20\n4.5,30\n", "% fat"),
        ("% of total,name\n12%,bob\n,amy\n7%,joe\n", "% of total"),
    ] {
        assert_eq!(read("t.csv", text).0.columns[0].name, name, "{text}");
    }
}

#[test]
fn apostrophes_are_no_quotes() {
    for (text, columns) in [
        ("id,height\n'007,6'\n'008,5'\n'009,6'\n", 2),
        ("first,second\n'tis,the dogs'\n'twas,cats'\nx,y\n'em,boys'\n", 2),
        ("a,b,c\n'k,l',1\n'm,n',2\n'o,p',3\n", 3),
    ] {
        assert_eq!(read("t.csv", text).0.columns.len(), columns, "{text}");
    }
}

#[test]
fn single_quotes_may_hold_the_delimiter() {
    for rows in ["'x,1',0.3\n'y,2',0.5\n", "'x,1',0.3\n'y,2',0.5\n'z',1\n"] {
        let (table, notes) = read("t.csv", format!("a,b\n{rows}"));
        let texts: Vec<String> = (0..2).map(|row| table.columns[0].text(row)).collect();
        assert_eq!((texts, &table.columns[1].values[..2]), (vec!["x,1".into(), "y,2".into()], &[0.3, 0.5][..]), "{rows}");
        assert_eq!(notes, ["read as text quoted by '"], "{rows}");
    }
}

#[test]
fn names_are_found_made_or_told_apart() {
    let names = |text: &str| read("t.csv", text).0.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    assert_eq!(names("1.5,2\n3,4\n"), ["x1", "x2"]);
    assert_eq!(names("5.1,3.5,setosa\n4.9,3,setosa\n"), ["x1", "x2", "x3"]);
    // Texts that come again apart from each other are no names, and a header that comes again as a whole is one.
    assert_eq!(names("a,u\na,v\nb,u\nb,v\na,w\nb,u\n"), ["x1", "x2"]);
    assert_eq!(names("name,city\nname,rome\nann,city\n"), ["name", "city"]);
    // A mark for what is missing may stand in the first row.
    assert_eq!(names("a,?\na,u\nb,u\na,v\nb,u\n"), ["x1", "x2"]);
    assert_eq!(names("?,1.5\n2,3\n"), ["x1", "x2"]);
    assert_eq!(names(",word\n0,the\n1,word\n2,of\n3,word\n4,of\n"), ["word"]);
    assert_eq!(names("name,city\nann,rome\nname,city\nbob,bern\n"), ["name", "city"]);
    assert_eq!(names("0,1,2\n3,4,9\n"), ["0", "1", "2"]);
    assert_eq!(names("id,2019,2020\n3,4,9\n"), ["id", "2019", "2020"]);
    assert_eq!(names("a,a,b,\n1,2,3,4\n"), ["a", "a.1", "b", "Unnamed: 3"]);
    assert_eq!(names("a,a,a.1,a,b,b\n1,2,3,4,5,6\n"), ["a", "a.2", "a.1", "a.3", "b", "b.1"]);
    // Thousands of columns have one name.
    let same = names(&format!("{}c\n{}1\n", "c,".repeat(50_000), "1,".repeat(50_000)));
    assert_eq!((same.len(), same[50_000].as_str()), (50_001, "c.50000"));
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

/// A path begins with one slash, and a comment of that style with two.
#[test]
fn rows_that_begin_with_a_slash_are_no_comments() {
    for text in
        ["// paths\npath,size\n/usr/bin,10\n/etc,20\n// note\nhome,30\n", "// paths\r\npath,size\r\n/usr/bin,10\r\n/etc,20\r\nhome,30\r\n"]
    {
        let (table, notes) = read("t.csv", text);
        assert_eq!(table.columns[1].values, [10.0, 20.0, 30.0], "{notes:?}");
        assert_eq!(labels(&table, "path"), ["/usr/bin", "/etc", "home"]);
        assert!(notes.iter().any(|note| note.contains("with comments after //")), "{notes:?}");
    }
    // A comment that is declared begins with one character.
    let one = Reading { dialect: Dialect { comment: Some('/'), ..Dialect::default() }, ..Reading::default() };
    let folder = tempfile::tempdir().unwrap();
    let table = Table::read_with(&file(folder.path(), "t.csv", "a,b\n/1,2\n3,4\n"), &one).unwrap();
    assert_eq!(table.columns[0].values, [3.0]);
}

/// Text is read ahead in blocks, and a record may be longer than a block. Room for the rows is made from the length of the first records, which may mislead.
#[test]
fn records_of_any_length_are_read_whole_and_in_batches() {
    let folder = tempfile::tempdir().unwrap();
    let rows = 60_000;
    let lengths = |i: usize| {
        if i == 30_000 {
            200_000
        } else if i < 20_000 {
            1 + i % 40
        } else {
            1 + i % 3
        }
    };
    let text: String = (0..rows).map(|i| format!("{i},{}\n", "z".repeat(lengths(i)))).collect();
    let plain = file(folder.path(), "t.csv", format!("i,z\n{text}"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(format!("i,z\n{text}").as_bytes()).unwrap();
    let packed = file(folder.path(), "t.csv.gz", gzip.finish().unwrap());
    let longer = file(folder.path(), "u.csv", format!("i,z\n{}", text.lines().rev().map(|line| format!("{line}\n")).collect::<String>()));
    for (path, backwards) in [(&plain, false), (&packed, false), (&longer, true)] {
        let row = |k: usize| if backwards { rows - 1 - k } else { k };
        let holds = |table: &Table| {
            let Form::Text(labels) = &table.columns[1].form else { panic!("expected texts") };
            (0..table.rows()).all(|k| {
                let i = row(table.first_row as usize + k);
                table.columns[0].values[k] == i as f64 && labels[table.columns[1].values[k] as usize].len() == lengths(i)
            })
        };
        let whole = Table::read(path).unwrap();
        assert!(whole.rows() == rows && holds(&whole), "{}", path.display());
        for batch_rows in [1000, 30_000] {
            let batches: Vec<Table> = TableReader::open(path, batch_rows).unwrap().map(Result::unwrap).collect();
            let read: usize = batches.iter().map(Table::rows).sum();
            assert!(read == rows && batches.iter().all(|batch| batch.rows() <= batch_rows && holds(batch)), "{}", path.display());
        }
    }
}

#[test]
fn quotes_may_hold_lines_wherever_text_is_cut() {
    let mut text = String::from("a,b\n");
    (0..100_000).for_each(|i| text.push_str(&format!("{i},\"l\n{}\"\n", i % 7)));
    let (table, _) = read("t.csv", text);
    assert_eq!((table.rows(), labels(&table, "b").len()), (100_000, 7));
    assert!(table.columns[0].values.iter().enumerate().all(|(i, v)| *v == i as f64));
}

/// A quote that is never closed would hide all rows after it.
#[test]
fn a_quote_that_is_never_closed_is_an_error_with_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows: Vec<String> = (0..30_000).map(|i| format!("{i},z")).collect();
    for (row, place) in [(1, "row 1: "), (7, "row 7: "), (20_001, "row 20001: "), (30_000, "row 30000: ")] {
        rows[row - 1] = format!("{row},\"z");
        let error = Table::read(&file(folder.path(), "t.csv", format!("a,b\n{}\n", rows.join("\n")))).unwrap_err().to_string();
        assert!(error.contains(&format!("{place}expected a closing \", found the end of the file")), "{error}");
        rows[row - 1] = format!("{row},z");
    }
    let error = Table::read(&file(folder.path(), "t.csv", "\"a,b\n1,2\n")).unwrap_err().to_string();
    assert!(error.contains("expected a closing \""), "{error}");
    // A quote within a field opens nothing.
    assert_eq!(read("t.csv", "a,b\n5\",1\n6,2\n").0.rows(), 2);
}

/// Texts of a column have no ASCII white space around them, and all other white space is theirs, in every format.
#[test]
fn white_space_is_cut_off_alike_in_text_and_in_arrow() {
    let folder = tempfile::tempdir().unwrap();
    let texts = ["\u{a0}x\u{a0}", " y ", "\u{2003}"];
    let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    let batch = RecordBatch::try_from_iter([("c", array)]).unwrap();
    let arrow = folder.path().join("t.arrow");
    let mut writer = FileWriter::try_new(std::fs::File::create(&arrow).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).and_then(|()| writer.finish()).unwrap();
    let csv = file(folder.path(), "t.csv", format!("c\n{}\n", texts.join("\n")));
    let [one, two] = [&csv, &arrow].map(|path| labels(&Table::read(path).unwrap(), "c"));
    assert_eq!((&one, &one[..2]), (&two, &["\u{a0}x\u{a0}".to_owned(), "y".to_owned()][..]));
}

/// One text among numbers that is a slip is named.
#[test]
fn the_text_that_makes_a_column_of_numbers_text_is_named() {
    let rows: Vec<String> = (0..3000).map(|i| if i == 1234 { "1O,1".into() } else { format!("{i},{}", i % 7) }).collect();
    let folder = tempfile::tempdir().unwrap();
    let table = Table::read(&file(folder.path(), "t.csv", format!("m,k\n{}\n", rows.join("\n")))).unwrap();
    let (overrides, roles) = (knothe::events::table::Overrides::default(), knothe::events::table::Roles::default());
    let (_, notices) = knothe::events::table::Schema::infer(&table, &overrides, &roles, MissingPolicy::Reject).unwrap();
    let found = notices.iter().find(|n| n.message == "'m' is text because of '1O' in row 1235, among 2999 numbers: it is left out");
    assert_eq!(found.and_then(|n| n.hint.clone()), Some(knothe::Hint::NotNumbers(vec!["1O".into()])), "{notices:?}");
    // Read as missing, it leaves a column of numbers.
    let reading = Reading { missing: vec!["1O".into()], ..Reading::default() };
    let table = Table::read_with(&file(folder.path(), "t.csv", format!("m,k\n{}\n", rows.join("\n"))), &reading).unwrap();
    assert_eq!(table.column("m").unwrap().form, Form::Whole);
}
