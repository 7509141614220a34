//! Text files as a user says that they are written, and names that look like something else.

use std::fmt::Write;
use std::path::Path;

use knothe::events::table::{Column, Form, Table, write_table};
use serde_json::Value;

use crate::images::images;
use crate::support::{command, copy, knothe, numbers, succeeds, table};

const FIT: &str = "--model gaussian --epochs 1 --threads 1";

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// Runs the command with arguments that may hold spaces; gives stdout and stderr.
fn run(folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = command(folder).args(arguments).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{arguments:?}: {err}");
    (out, err)
}

/// Rows of a code with zeros before it, a real number x, an amount and a mark for what is missing.
fn rows() -> Vec<(String, f64, u32)> {
    let all = numbers(&table(60));
    all.iter().enumerate().map(|(i, row)| (format!("{:03}", i % 3), (1e4 * row[1]).round() / 1e4, 1000 + 7 * i as u32 % 500)).collect()
}

/// The same rows in plain CSV, and in a dialect that is not found out: parted by `^`, with decimal commas, points between thousands, comments after `%`, quotes of `~` and
/// `gone` for what is missing.
fn dialects(folder: &Path) {
    let (mut plain, mut odd) = (String::from("code,x,amount\n"), String::from("% made by an instrument\n~code~^x^amount\n"));
    for (i, (code, x, amount)) in rows().iter().enumerate() {
        let there = i % 10 != 0;
        writeln!(plain, "{code},{},{amount}", if there { x.to_string() } else { String::new() }).unwrap();
        let x = if there { x.to_string().replace('.', ",") } else { "gone".into() };
        writeln!(odd, "~{code}~^{x}^{}.{:03}", amount / 1000, amount % 1000).unwrap();
    }
    write(folder, "plain.csv", &plain);
    write(folder, "odd.txt", &odd);
}

const ODD: &str = "--delimiter ^ --decimal , --thousands . --comment % --quote ~ --missing-values gone";

#[test]
fn a_dialect_is_set_for_every_command() {
    let folder = copy();
    let folder = folder.path();
    dialects(folder);
    assert_eq!(succeeds(folder, &format!("schema odd.txt {ODD} --text code")), succeeds(folder, "schema plain.csv --text code"));
    assert_ne!(knothe(folder, "schema odd.txt --text code").stdout, succeeds(folder, "schema plain.csv --text code"));
    let model = |name: &str, options: &str| succeeds(folder, &format!("fit {name} --text code {FIT} --out {name}.safetensors {options}"));
    model("plain.csv", "");
    model("odd.txt", ODD);
    let score = |file: &str, options: &str| succeeds(folder, &format!("score plain.csv.safetensors {file} {options}"));
    let scores = score("plain.csv", "");
    assert!(numbers(&scores).iter().all(|row| row[0].is_finite()));
    assert_eq!(score("odd.txt", ODD), scores);
    assert_eq!(succeeds(folder, "score odd.txt.safetensors plain.csv"), scores, "the same model");
    let evaluate = |file: &str, options: &str| succeeds(folder, &format!("evaluate plain.csv.safetensors {file} --json {options}"));
    assert_eq!(evaluate("odd.txt", ODD), evaluate("plain.csv", ""));
    let further = "fit odd.txt --validation odd.txt --continue odd.txt.safetensors --epochs 1 --threads 1 --out further.safetensors";
    succeeds(folder, &format!("{further} {ODD}"));
    // A picture, rows and moments of reals, and samples that take their context from the table.
    let reals = |name: &str, options: &str| {
        let fit = format!("fit {name} --text code --context code --missing drop --model maf --layers 1 --hidden 8 --schema kinds.json");
        succeeds(folder, &format!("{fit} --epochs 1 --threads 1 --out reals.safetensors {options}"));
    };
    write(folder, "kinds.json", r#"{"x": "continuous", "amount": "continuous"}"#);
    reals("odd.txt", ODD);
    let each = |command: &str| {
        let same = |file: &str, options: &str| {
            let out = succeeds(folder, &format!("{command} {options}").replace("TABLE", file));
            let written = ["out.csv", "out.png"].map(|name| std::fs::read(folder.join(name)).ok());
            ["out.csv", "out.png"].iter().for_each(|name| drop(std::fs::remove_file(folder.join(name))));
            (out, written)
        };
        (same("plain.csv", ""), same("odd.txt", ODD))
    };
    for command in [
        "sample reals.safetensors -n 70 --context TABLE",
        "reconstruct reals.safetensors TABLE -n 9 --out out.csv",
        "interpolate reals.safetensors TABLE:2 TABLE:4 -n 3 --out out.csv",
        "inspect reals.safetensors --moments --at TABLE",
    ] {
        let (plain, odd) = each(command);
        assert_eq!(plain, odd, "{command}");
    }
    succeeds(folder, &format!("plot reals.safetensors odd.txt --out out.png -n 100 {ODD}"));
}

#[test]
fn what_follows_a_fit_has_its_options() {
    let folder = copy();
    dialects(folder.path());
    let run = knothe(folder.path(), &format!("fit odd.txt {FIT} {ODD} --text code --keep-index --out odd.safetensors"));
    let options = "--delimiter '^' --decimal , --thousands . --quote '~' --comment % --missing-values gone --text code --keep-index";
    assert!(run.stderr.contains(&format!("  knothe score odd.safetensors odd.txt {options}    log_prob")), "{}", run.stderr);
}

#[test]
fn headers_and_encodings_are_as_they_are_said_to_be() {
    let folder = copy();
    let folder = folder.path();
    write(folder, "years.csv", &format!("2019,2021\n{}", "2020,2022\n2021,2024\n2018,2021\n".repeat(9)));
    assert_eq!(succeeds(folder, "schema years.csv").matches('x').count(), 2);
    let named = succeeds(folder, "schema years.csv --header true");
    assert!(named.contains("\"2019\"") && named.contains("\"2021\""), "{named}");
    write(folder, "counted.csv", &format!("0,1\n{}", "3,4\n5,6\n6,6\n".repeat(9)));
    assert!(succeeds(folder, "schema counted.csv --header false").contains("\"x2\""));
    std::fs::write(folder.join("latin.csv"), b"caf\xe9,y\n1,2\n3,4\n5,7\n").unwrap();
    assert!(succeeds(folder, "schema latin.csv --encoding iso-8859-7").contains("cafι"));
    write(folder, "index.csv", "rownames,y\n1,2.5\n2,4.5\n3,7\n");
    assert!(succeeds(folder, "schema index.csv --keep-index").contains("rownames"));
    assert!(!succeeds(folder, "schema index.csv").contains("rownames"));
}

#[test]
fn settings_that_cannot_be_are_usage_errors() {
    let folder = copy();
    write_table(&folder.path().join("t.parquet"), &Table::read(&folder.path().join("table.csv")).unwrap().columns).unwrap();
    let cases = [
        ("schema table.csv --delimiter ab", "'ab' for '--delimiter <C>': expected an ASCII character that is not a letter"),
        ("schema table.csv --delimiter é", "'--delimiter <C>': expected an ASCII character"),
        ("schema table.csv --decimal x", "'x' for '--decimal <C>': expected '.' or ','"),
        ("schema table.csv --thousands x", "'x' for '--thousands <C>': expected ',', '.', ''' or the word space"),
        ("schema table.csv --quote a", "'a' for '--quote <C>': expected an ASCII character"),
        ("schema table.csv --comment 5", "'5' for '--comment <C>': expected an ASCII character"),
        ("schema table.csv --header maybe", "'maybe' for '--header <true|false>': expected true or false"),
        ("schema table.csv --encoding latin-99", "'latin-99' for '--encoding <NAME>': expected a label of the Encoding Standard"),
        ("schema table.csv --decimal . --thousands .", "--thousands: expected another character than --decimal, found '.'"),
        ("schema table.csv --delimiter ; --quote ;", "--delimiter: expected another character than for quotes and comments, found ';'"),
        ("score model.safetensors table.csv --text z", "--text: expected a column of table.csv, found 'z'"),
        ("fit table.csv --text x,z --out out.safetensors", "--text: expected a column of table.csv, found 'z'"),
        ("score model.safetensors t.parquet --delimiter ;", "--delimiter: expected a text file, found t.parquet"),
        ("fit t.parquet --header true --out out.safetensors", "--header: expected a text file, found t.parquet"),
        ("sample model.safetensors -n 1 --given class=0 --decimal ,", "--decimal: expected a table to read, found none"),
        ("plot model.safetensors --given class=0 --text x --out x.png", "--text: expected a table to read, found none"),
        ("inspect model.safetensors --keep-index", "--keep-index: expected a table to read, found none"),
    ];
    for (arguments, expected) in cases {
        let run = knothe(folder.path(), arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments}: {}", run.stderr);
        assert!(run.error().contains(expected), "{arguments}: {}", run.stderr);
    }
    // Some options hold for every format, and those of text where one of two tables is text.
    succeeds(folder.path(), "score model.safetensors t.parquet --missing-values -999,-99 --keep-index");
    succeeds(folder.path(), &format!("fit table.csv --validation t.parquet --decimal . {FIT} --out out.safetensors"));
}

#[test]
fn names_and_labels_that_look_like_something_else_can_be_given() {
    let folder = copy();
    let folder = folder.path();
    let mut text = String::from("a=b,label,x\n");
    for (i, row) in numbers(&table(60)).iter().enumerate() {
        writeln!(text, "{},{},{}", i % 2, ["inf", "k=v", "NAN", "1e40"][i % 4], row[1]).unwrap();
    }
    write(folder, "t.csv", &text);
    succeeds(folder, &format!("fit t.csv --context a=b,label {FIT} --out m.safetensors"));
    let scores = numbers(&run(folder, &["score", "m.safetensors", "t.csv"]).0);
    for (k, label) in ["inf", "k=v", "NAN", "1e40"].iter().enumerate() {
        let (a, label) = (format!("a=b={}", k % 2), format!("label={label}"));
        let given = ["--given", &a, "--given", &label];
        let found = numbers(&run(folder, &[&["score", "m.safetensors", "t.csv"], &given[..]].concat()).0);
        assert!((k..60).step_by(4).all(|i| found[i] == scores[i] && found[i][0].is_finite()), "{label}");
        assert_eq!(run(folder, &[&["sample", "m.safetensors", "-n", "2"], &given[..]].concat()).0.lines().count(), 3);
    }
    for (given, expected) in
        [("a=b=inf", "expected a value of a magnitude of at most 1e30"), ("a=1", "expected a context column, found 'a'")]
    {
        let run = knothe(folder, &format!("score m.safetensors t.csv --given {given}"));
        assert!(run.code == 2 && run.error().contains(expected), "{}", run.stderr);
    }
}

#[test]
fn columns_called_by_numbers_or_like_an_index_are_scored() {
    let folder = copy();
    let folder = folder.path();
    // The last rows alone look like rows without a header.
    let lines = |names: &str, rows: &[Vec<f64>]| {
        let line = |row: &Vec<f64>| format!("{},{},{}\n", 2000.0 + row[3], row[1], row[2]);
        format!("{names}\n{}", rows.iter().map(line).collect::<String>())
    };
    let rows = numbers(&table(60));
    write(folder, "named.csv", &lines("2019,2020,note", &rows));
    write(folder, "plain.csv", &lines("2019,2020,2022", &rows));
    // In one file the header is one by its word, in the other it looks like a row.
    succeeds(folder, &format!("fit named.csv --drop note {FIT} --out m.safetensors"));
    let scores = succeeds(folder, "score m.safetensors named.csv");
    assert_eq!(numbers(&scores).len(), 60);
    assert_eq!(succeeds(folder, "score m.safetensors plain.csv"), scores);
    let fit = |options: &str, out: &str| succeeds(folder, &format!("fit plain.csv {options} {FIT} --out {out}.safetensors"));
    fit("--drop 2022", "dropped");
    assert_eq!(succeeds(folder, "score dropped.safetensors plain.csv"), scores);
    fit("--context 2020 --drop 2022", "context");
    let context = &serde_json::from_str::<Value>(&succeeds(folder, "inspect context.safetensors --json")).unwrap()["context"];
    assert_eq!(context[0]["name"], "2020");
    // A fit without a header scores files without one, whose first rows look like names.
    write(folder, "values.csv", &lines("2001,0.5,1.5", &rows));
    succeeds(folder, &format!("fit values.csv {FIT} --out x.safetensors"));
    write(folder, "counts.csv", "1,2,3\n2001,0.5,1.5\n");
    assert_eq!(succeeds(folder, "score x.safetensors counts.csv").lines().count(), 3);
    // A column that stands first in another file is no index there.
    let index = |first: bool| {
        let line = |row: &Vec<f64>| if first { format!("{},{}\n", row[3], row[1]) } else { format!("{},{}\n", row[1], row[3]) };
        format!("{}\n{}", if first { "rownames,x" } else { "x,rownames" }, rows.iter().map(line).collect::<String>())
    };
    write(folder, "later.csv", &index(false));
    write(folder, "first.csv", &index(true));
    succeeds(folder, &format!("fit later.csv {FIT} --out index.safetensors"));
    assert_eq!(succeeds(folder, "score index.safetensors first.csv"), succeeds(folder, "score index.safetensors later.csv"));
}

#[test]
fn the_text_na_is_scored_alike_in_every_format() {
    let folder = copy();
    let folder = folder.path();
    let form = Form::Text(vec!["NA".into(), "b".into(), "c".into()]);
    let rows = numbers(&table(90));
    let city = (0..90).map(|i| if i % 9 == 0 { f64::NAN } else { (i % 3) as f64 }).collect();
    let columns = [Column { name: "city".into(), values: city, form }, Column::real("x", rows.iter().map(|row| row[1]).collect())];
    for name in ["t.csv", "t.parquet"] {
        write_table(&folder.join(name), &columns).unwrap();
    }
    for name in ["t.csv", "t.parquet"] {
        let run = knothe(folder, &format!("fit {name} {FIT} --out {name}.safetensors"));
        assert_eq!(run.stderr.contains("hint: if it is not a category, add --missing-values NA"), name == "t.parquet", "{}", run.stderr);
        let [csv, parquet] = ["t.csv", "t.parquet"].map(|file| succeeds(folder, &format!("score {name}.safetensors {file}")));
        assert!(numbers(&csv).iter().all(|row| row[0].is_finite()));
        assert_eq!(csv, parquet, "{name}");
    }
    succeeds(folder, &format!("fit t.parquet --missing-values NA {FIT} --out missing.safetensors"));
    assert_eq!(succeeds(folder, "score missing.safetensors t.csv"), succeeds(folder, "score t.csv.safetensors t.csv"));
}

#[test]
fn images_have_no_text() {
    for (arguments, expected) in [
        ("fit set.npz --decimal , --out out.safetensors", "--decimal: expected a table, found images"),
        ("score images.safetensors set.npz --labels labels --keep-index", "--keep-index: expected a table, found a model of images"),
        ("inspect images.safetensors --text x", "--text: expected a table to read, found none"),
    ] {
        let run = knothe(images(), arguments);
        assert!(run.code == 2 && run.error().contains(expected), "{arguments}: {}", run.stderr);
    }
}

#[test]
fn printed_commands_are_quoted_for_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let text = table(60).replacen("class,", "\"Income, USD\",", 1);
    write(folder.path(), "my table.csv", &text);
    let fit =
        ["fit", "my table.csv", "--context", "Income, USD", "--drop", "same,k", "--model", "gaussian", "--out", "my model.safetensors"];
    let (_, said) = run(folder.path(), &fit);
    for expected in [
        "  knothe score 'my model.safetensors' 'my table.csv'  ",
        "  knothe sample 'my model.safetensors' -n 1000 --given 'Income, USD'=…  ",
        "  knothe inspect 'my model.safetensors'  ",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    let run = command(folder.path()).args(["sample", "my model.safetensors", "-n", "1"]).output().unwrap();
    assert!(String::from_utf8(run.stderr).unwrap().contains("--given 'Income, USD'=VALUE"));
}
