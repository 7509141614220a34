//! Messages: rows counted from 1, as in the file, and no option of a command line.

use std::path::{Path, PathBuf};

use knothe::{
    Error, Hint, Model, Placement, Precision,
    events::{
        Events,
        table::{Column, MissingPolicy, Need, Overrides, Roles, Schema, Table},
    },
    families::{Form, Sos},
    fit::FitConfig,
    model::{Fitting, HeldOut, Scoring, Split, Weighting},
};

/// The lines outside of comments and unit tests that hold `--` before a letter: an option of a command line.
fn options(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let names_option = |line: &&str| {
        let code = if line.trim_start().starts_with("//") { "" } else { line.split(" // ").next().unwrap_or_default() };
        code.split("--").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    code.lines().filter(names_option).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            None => sources(&path, found),
            Some(ending) if ending == "rs" && !path.to_string_lossy().contains("tests") => found.push(path),
            _ => {}
        }
    }
}

#[test]
fn the_library_names_no_option_of_a_command_line() {
    let planted = "/// `--lr`\nlet x = 1; // --lr\n    // --lr\nlet hint = \"lower --lr\";\n    --drop leaves it out\n#[cfg(test)]\nmod tests {\"--lr\"}";
    assert_eq!(options(planted), ["let hint = \"lower --lr\";", "    --drop leaves it out"]);
    let mut all = Vec::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut all);
    assert!(all.len() > 100, "{} files", all.len());
    for path in all {
        let source = std::fs::read_to_string(&path).unwrap();
        assert_eq!(options(&source), Vec::<&str>::new(), "{}", path.display());
    }
}

#[test]
fn a_hint_is_worded_with_names_of_the_crate() {
    let kind = |only_seen| Hint::DeclareKind { columns: vec!["a b".into(), "c\"".into()], kind: r#""positive""#.into(), only_seen };
    let document = r#"{"a b": "positive", "c\"": "positive"}"#;
    assert_eq!(kind(false).to_string(), format!("declare it in the schema (`Overrides`): {document}"));
    assert!(kind(true).to_string().starts_with("if this holds for every possible value, "));
    Overrides::parse(document).unwrap();
    assert_eq!(Hint::DropColumns(vec!["a".into(), "b".into()]).to_string(), "drop 'a' and 'b' (`Roles::drop`)");
    assert_eq!(Error::Diverged { steps: 3 }.hint(), Some(&Hint::LowerLearningRate));
}

#[test]
fn a_message_counts_rows_from_one() {
    let error = |rows: &[usize]| Error::NotInvertible { what: "the map".into(), rows: rows.into() }.to_string();
    assert_eq!(error(&[0]), "the map has no inverse at row 1");
    assert_eq!(error(&[4, 7]), "the map has no inverse at 2 rows, the first of which is row 5");
    assert_eq!(error(&[]), "the map has no inverse");
    let error = Error::NotFinite { what: "a sample".into(), rows: vec![9] };
    assert_eq!(error.to_string(), "a sample is not finite at row 10");
}

/// 9,000 rows of two columns, the last of which is far from all others.
fn table(last: f64) -> Table {
    let column = |name: &str, shift: f64| {
        let mut values: Vec<f64> = (0..9_000).map(|i| (f64::from(i) * 0.618_034 + shift).fract().mul_add(2.0, -1.0)).collect();
        values[8_999] = last;
        Column::real(name, values)
    };
    Table { path: PathBuf::from("t.csv"), columns: vec![column("a", 0.0), column("b", 0.3)], first_row: 100, notes: Vec::new() }
}

fn fitted(table: &Table) -> (Schema, knothe::Result<Model<Schema>>) {
    let (mut schema, _) = Schema::infer(table, &Overrides::default(), &Roles::default(), MissingPolicy::Reject).unwrap();
    let all = schema.rows(table, Need::Fit).unwrap();
    let train: Vec<usize> = (0..200).collect();
    let validation: Vec<usize> = (8_000..9_000).collect();
    let split = Split { train: all.pick(&train), validation: all.pick(&validation), held_out: HeldOut::Validation };
    schema.fit(&split.train).unwrap();
    let fitting = Fitting {
        split: &split,
        coding: &schema,
        recipes: &[Sos::new(2).hidden([8]).form(Form::Generative)],
        weighting: Weighting::Uniform,
        config: &FitConfig { epochs: 0, ..FitConfig::default() },
        place: &Placement::cpu(Precision::F64),
    };
    let model = fitting.run(None, None, &mut ()).map(Option::unwrap);
    (schema, model)
}

#[test]
fn the_rows_of_an_error_are_those_of_the_file() {
    // A validation row that is far too large: row 9,100 of the file, since the part starts at its row 101.
    let error = fitted(&table(1.234_567e20)).1.unwrap_err();
    assert!(matches!(&error, Error::NotFinite { rows, .. } if *rows == [9_099]), "{error:?}");
    assert!(error.to_string().ends_with("not finite at row 9100"), "{error}");
    // A row of the second batch that has no inverse when it is scored.
    let (schema, model) = fitted(&table(0.5));
    let model = model.unwrap();
    let mut rows = schema.rows(&table(0.5), Need::Score).unwrap();
    rows.x[2 * 8_999] = f64::NAN;
    for error in [model.log_prob(&rows, Scoring::default()).unwrap_err(), model.to_uniform(&rows, 0).unwrap_err()] {
        assert!(matches!(&error, Error::NotInvertible { rows, .. } if *rows == [9_099]), "{error:?}");
        assert!(error.to_string().ends_with("has no inverse at row 9100"), "{error}");
    }
}
