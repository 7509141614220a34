//! Tables that cannot be used: one clear line, exit code 1, and nothing at `--out`.

use std::path::Path;

use crate::support::{copy, knothe, table};

/// Runs a command that has to fail for a reason, and leave nothing.
fn refuses(folder: &Path, arguments: &str, expected: &str) {
    let run = knothe(folder, arguments);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{arguments}: {}", run.stderr);
    assert!(run.error().contains(expected), "{arguments}: expected '{expected}' in {}", run.stderr);
    for name in ["out.safetensors", "out.safetensors.checkpoint", "out.csv", "out.parquet"] {
        assert!(!folder.join(name).exists(), "{arguments} left {name}");
    }
}

/// Tables that no command reads.
const UNREADABLE: [(&str, &[u8], &str); 10] = [
    ("empty.csv", b"", "empty.csv: expected a table, found an empty file"),
    ("header.csv", b"class,x,y,k\n", "header.csv: expected at least one row, found none"),
    (
        "wide.csv",
        b"class,x,y,k\n0,1,2,3\n1,9007199254740993,2,3\n",
        "wide.csv, column 'x', row 2: expected numbers below 2^53 in magnitude",
    ),
    ("ragged.csv", b"class,x,y,k\n0,1,2,3\n1,2,3\n", "ragged.csv, row 2: expected 4 fields, found 3"),
    ("infinite.csv", b"class,x,y,k\n0,1,2,3\n1,inf,2,3\n", "infinite.csv, column 'x', row 2: expected a finite number, found inf"),
    ("minus.csv", b"class,x,y,k\n0,1,-inf,3\n", "minus.csv, column 'y', row 1: expected a finite number, found -inf"),
    ("huge.csv", b"class,x,y,k\n0,1e31,2,3\n", "huge.csv, column 'x', row 1: expected a magnitude of at most 1e30, found 1e31"),
    ("random.parquet", b"\x8f\x01PAR\x99random bytes and no table at all\x00\xff\xfe", "random.parquet: expected a Parquet file"),
    ("random.npy", b"\x8f\x01\x02random bytes and no table at all\x00\xff\xfe", "random.npy: expected an NPY file"),
    ("table.xlsx", b"PK", "table.xlsx: expected a name that ends in .csv"),
];

#[test]
fn tables_that_cannot_be_read() {
    let folder = copy();
    std::fs::create_dir(folder.path().join("folder.csv")).unwrap();
    for (name, bytes, _) in UNREADABLE {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let missing =
        [("none.csv", "cannot read none.csv: No such file or directory"), ("folder.csv", "folder.csv: expected a file, found a folder")];
    for (name, expected) in UNREADABLE.iter().map(|(name, _, expected)| (*name, *expected)).chain(missing) {
        refuses(folder.path(), &format!("fit {name} --out out.safetensors"), expected);
        refuses(folder.path(), &format!("score model.safetensors {name} --out out.csv"), expected);
        refuses(folder.path(), &format!("score model.safetensors {name}"), expected);
        refuses(folder.path(), &format!("evaluate model.safetensors {name}"), expected);
    }
}

#[test]
fn tables_that_cannot_be_learned_from() {
    let folder = copy();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let lines = |change: fn(&str) -> String| table(100).lines().map(|line| change(line) + "\n").collect::<String>();
    write("one.csv", "x,y\n1,2\n");
    write("holes.csv", &table(100).replacen(",7.5", ",", 3));
    write("repeated.csv", &lines(|line| format!("{line},{}", line.split(',').nth(1).unwrap())).replacen("same,x", "same,again", 1));
    let sum = |line: &str| {
        let fields: Vec<f64> = line.split(',').filter_map(|f| f.parse().ok()).collect();
        format!("{line},{}", if fields.len() == 5 { (fields[1] + fields[2]).to_string() } else { "total".into() })
    };
    write("sum.csv", &lines(sum));
    let fit = |name: &str| format!("fit {name} --hidden 8 --epochs 1 --out out.safetensors");
    refuses(folder.path(), &fit("one.csv"), "one.csv: expected at least 2 rows to learn from, found 1");
    refuses(
        folder.path(),
        &format!("{} --missing reject", fit("holes.csv")),
        "holes.csv: expected complete rows, found missing values: 'same' 3 (of 100 rows)",
    );
    refuses(folder.path(), &fit("repeated.csv"), "'again'");
    refuses(folder.path(), &fit("sum.csv"), "'total'");
}

#[test]
fn tables_with_other_columns_than_the_model() {
    let folder = copy();
    let cases = [
        ("lacks.csv", "class,x,k\n0,1,2\n", "lacks.csv: expected a column 'y', found 'class', 'x' and 'k'"),
        ("no_context.csv", "x,y,k\n1,2,3\n", "expected a column 'class'"),
        ("text.csv", "class,x,y,k\n0,1,2,3\n1,abc,2,3\n", "text.csv, column 'x', row 2: expected numbers, found 'abc'"),
    ];
    for (name, text, expected) in cases {
        std::fs::write(folder.path().join(name), text).unwrap();
        for arguments in [format!("score model.safetensors {name} --out out.csv"), format!("evaluate model.safetensors {name}")] {
            refuses(folder.path(), &arguments, expected);
        }
    }
}

#[test]
fn rows_that_cannot_be_have_no_probability() {
    let folder = copy();
    std::fs::write(folder.path().join("half.csv"), "class,x,y,k,z\n0,1,2,3,a\n1,1,2,3.5,b\n").unwrap();
    let run = knothe(folder.path(), "score model.safetensors half.csv");
    let scores: Vec<&str> = run.stdout.lines().skip(1).collect();
    assert!(run.code == 0 && scores.len() == 2 && scores[1] == "-inf" && scores[0].parse::<f64>().unwrap().is_finite(), "{}", run.stdout);
    for line in [
        "note: not in the model, so ignored: 'z'",
        "note: 1 row is impossible under the model: in 'k', expected a whole number",
        "found 3.5 in row 2",
        "were whole when the model was fitted",
        "declared \"continuous\"",
    ] {
        assert!(run.stderr.contains(line), "{line}: {}", run.stderr);
    }
}

/// Numbers of 32 bits end before the logarithm of this density does.
#[test]
fn possible_rows_below_the_range_of_the_numbers_are_noted() {
    let folder = copy();
    std::fs::write(folder.path().join("far.csv"), "class,x,y,k\n0,1,2,3\n1,1e25,2,3\n").unwrap();
    let run = knothe(folder.path(), "score model.safetensors far.csv");
    let scores: Vec<&str> = run.stdout.lines().skip(1).collect();
    assert!(run.code == 0 && scores.len() == 2 && scores[1] == "-inf" && scores[0].parse::<f64>().unwrap().is_finite(), "{}", run.stdout);
    assert!(run.stderr.contains("note: the log_prob of 1 possible row is below the range of the model's numbers"), "{}", run.stderr);
    assert!(!run.stderr.contains("impossible"), "{}", run.stderr);
}

#[test]
fn places_that_cannot_be_written() {
    let folder = copy();
    std::fs::create_dir(folder.path().join("taken.csv")).unwrap();
    // Neither root nor anyone else can make a file in /proc.
    let cases = [
        ("nowhere/out", "expected the folder nowhere to exist; create it first"),
        ("table.csv/out", "Not a directory"),
        ("/proc/out", "/proc/out"),
    ];
    for (place, expected) in cases {
        refuses(folder.path(), &format!("fit table.csv --hidden 8 --epochs 1 --out {place}.safetensors"), expected);
        for ending in ["csv", "parquet"] {
            refuses(folder.path(), &format!("score model.safetensors table.csv --out {place}.{ending}"), expected);
            refuses(folder.path(), &format!("sample model.safetensors -n 5 --given class=1 --out {place}.{ending}"), expected);
        }
    }
    refuses(folder.path(), "score model.safetensors table.csv --out taken.csv", "expected a file, found a folder");
}

/// The value that makes a column of dates or numbers text is named, and not the first one.
#[test]
fn the_value_that_is_no_date_or_number_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let day = |i: usize| format!("{}-01-{:02}", 2000 + i / 28 % 20, 1 + i % 28);
    let rows = |n: usize| (0..n).map(|i| format!("{};{},5\n", day(i), i % 9)).collect::<String>();
    write("good.csv", &format!("d;y\n{}", rows(100)));
    let run = knothe(folder.path(), "fit good.csv --model gaussian --out d.safetensors");
    assert_eq!(run.code, 0, "{}", run.stderr);
    for n in [2, 50_000] {
        write("date.csv", &format!("d;y\n{}yesterday;0,5\n", rows(n)));
        write("number.csv", &format!("d;y\n{}2000-01-01;much\n", rows(n)));
        let row = n + 1;
        refuses(
            folder.path(),
            "score d.safetensors date.csv --out out.csv",
            &format!("column 'd', row {row}: expected dates or times, found 'yesterday'"),
        );
        refuses(
            folder.path(),
            "score d.safetensors number.csv --out out.csv",
            &format!("column 'y', row {row}: expected numbers, found 'much'"),
        );
    }
}

#[test]
fn a_validation_value_beyond_the_reach_of_a_fit_is_named() {
    let folder = copy();
    let path = folder.path().join("far.csv");
    std::fs::write(path, "class,x,y,k,same\n0,1,2,3,7.5\n1,2,1e30,3,7.5\n").unwrap();
    let expected = "far.csv, column 'y', row 2: expected a number within 1e15 standard deviations of the training rows, found 1e30";
    refuses(folder.path(), "fit table.csv --validation far.csv --epochs 1 --out out.safetensors", expected);
}
