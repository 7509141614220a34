//! `--given column=value`, and events of a file by their number.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use knothe::events::{
    Coding,
    table::{Column, Form, Kind, LARGEST, Schema, Table, quoted},
};

use crate::{failure::Failure, hints::for_shell};

/// A context column and its value for every row.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The column.
    pub column: String,
    /// Its value as it was given.
    pub text: String,
    /// Its value as a number; NaN for other text.
    pub value: f64,
    /// Both as they were given.
    whole: String,
}

impl FromStr for Value {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A name may hold a '=', a number cannot. What the names are is known later.
        let mut cuts = text.match_indices('=').map(|(at, _)| Value::cut(text, at)).peekable();
        cuts.peek().ok_or("expected COLUMN=VALUE")?;
        cuts.rfind(|cut| !cut.text.is_empty()).ok_or_else(|| "expected a value after the '='".into())
    }
}

impl Value {
    /// The text, cut at this '='.
    fn cut(whole: &str, at: usize) -> Self {
        let (column, text) = (whole[..at].trim(), whole[at + 1..].trim());
        Value { column: column.into(), text: text.into(), value: text.parse().unwrap_or(f64::NAN), whole: whole.into() }
    }
}

/// Cuts values where the name of a context column ends, the longest one that fits: names and labels may hold a '='.
pub fn settle(given: &mut [Value], names: &[String]) {
    for value in given {
        let whole = value.whole.clone();
        let cuts = whole.match_indices('=').map(|(at, _)| Value::cut(&whole, at));
        let known = cuts.filter(|cut| names.contains(&cut.column) && !cut.text.is_empty());
        if let Some(longest) = known.max_by_key(|cut| cut.column.len()) {
            *value = longest;
        }
    }
}

/// Checks that each value is for a context column or one of the `other` columns, and that none has two.
pub fn check<C: Coding>(given: &[Value], coding: &C, other: &[String]) -> Result<(), Failure> {
    let context = coding.given();
    for (i, value) in given.iter().enumerate() {
        let name = &value.column;
        if context.is_empty() && other.is_empty() {
            return Err(Failure::usage(format!("--given {name}: expected a context column, and this model has none"), ""));
        }
        if !context.contains(name) && !other.contains(name) {
            let (what, own) = if other.is_empty() {
                ("a context column", "context of this model is")
            } else {
                ("a column of the model", "columns of this model are")
            };
            let hint = format!("the {own} {}", quoted(&[other, &context].concat()));
            return Err(Failure::usage(format!("--given: expected {what}, found '{name}'"), hint));
        }
        if given[..i].iter().any(|other| other.column == *name) {
            return Err(Failure::usage(format!("--given: expected each column once, found '{name}' twice"), ""));
        }
    }
    Ok(())
}

/// Checks that every context column is given.
pub fn check_complete<C: Coding>(given: &[Value], coding: &C) -> Result<(), Failure> {
    let missing: Vec<String> = coding.given().into_iter().filter(|name| !given.iter().any(|v| v.column == *name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let each: Vec<String> = missing.iter().map(|name| format!("--given {}=VALUE", for_shell(name))).collect();
    let message = format!("expected a value for each context column, found none for {}", quoted(&missing));
    Err(Failure::usage(
        message,
        format!("add {}, or take the values from a table (sample: --context TABLE; plot: TABLE after the model)", each.join(" ")),
    ))
}

/// The file and the number, from 1, of `FILE:NUMBER`; `example` is the name of such a file.
pub fn indexed(name: &Path, example: &str) -> Result<(PathBuf, usize), Failure> {
    let text = name.display().to_string();
    let parts = text.rsplit_once(':').and_then(|(file, number)| Some((PathBuf::from(file), number.parse::<usize>().ok()?)));
    match parts {
        Some((file, number)) if number > 0 => Ok((file, number)),
        Some((_, _)) => Err(Failure::usage(format!("{text}: expected a number from 1, found 0"), "")),
        None => {
            let hint = format!("for example, {example}:3 is the third event of the file");
            Err(Failure::usage(format!("expected FILE:NUMBER, or a .png or .jpg file for a model of images, found {text}"), hint))
        }
    }
}

/// Sets the given columns in every row.
pub fn set(table: &mut Table, given: &[Value], schema: &Schema) -> Result<(), Failure> {
    let rows = table.rows();
    for value in given {
        table.put(given_column(value, rows, schema)?);
    }
    Ok(())
}

/// A column of a value that is given: a label of a categorical column, a date or time, or a number.
pub fn given_column(value: &Value, rows: usize, schema: &Schema) -> Result<Column, Failure> {
    let Value { column, text, value, .. } = value;
    let of_labels = schema.context.iter().any(|c| c.name == *column && !c.labels.is_empty());
    let modelled = schema.modelled().find(|c| c.name == *column).map(|c| &c.kind);
    if let Some(Kind::Time(unit)) = modelled {
        let expected = || Failure::usage(format!("--given {column}: expected a date or time after the '=', found '{text}'"), "");
        return Ok(Column { name: column.clone(), values: vec![unit.parse(text).ok_or_else(expected)?; rows], form: Form::Time(*unit) });
    }
    if of_labels || modelled.is_some_and(|kind| kind.labels().is_some()) {
        return Ok(Column { name: column.clone(), values: vec![0.0; rows], form: Form::Text(vec![text.clone()]) });
    }
    // A Boolean column counts as 0 and 1.
    let flag = text.to_lowercase().parse::<bool>().map(|yes| Column::numbers(column, vec![f64::from(u8::from(yes)); rows], true));
    if let Ok(flag) = flag {
        return Ok(flag);
    }
    if value.is_nan() {
        return Err(Failure::usage(format!("--given {column}: expected a number after the '=', found '{text}'"), ""));
    }
    if value.abs() > LARGEST {
        return Err(Failure::usage(
            format!("--given {column}: expected a value of a magnitude of at most 1e30 after the '=', found '{text}'"),
            "",
        ));
    }
    Ok(Column::numbers(column, vec![*value; rows], value.fract() == 0.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_cut_where_a_known_name_ends() {
        let names = ["a", "a=b", "x"].map(String::from);
        for (text, column, value) in [
            ("x=1", "x", "1"),
            ("x = a=b ", "x", "a=b"),
            ("a=b=c", "a=b", "c"),
            ("a=c=d=", "a", "c=d="),
            ("x==", "x", "="),
            ("a=b=", "a", "b="),
            ("y=b=c", "y=b", "c"),
        ] {
            let mut given = [text.parse().unwrap()];
            settle(&mut given, &names);
            assert_eq!((given[0].column.as_str(), given[0].text.as_str()), (column, value), "{text}");
        }
        for text in ["x", "x=", "x= ", ""] {
            assert!(text.parse::<Value>().is_err(), "{text}");
        }
    }
}
