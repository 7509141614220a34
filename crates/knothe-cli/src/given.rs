//! `--given column=value`.

use std::str::FromStr;

use knothe::events::table::{Schema, Table, quoted};

use crate::failure::Failure;

/// A context column and its value for every row.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The column.
    pub column: String,
    /// Its value.
    pub value: f64,
}

impl FromStr for Value {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A name may hold a '=', a number cannot.
        let (column, value) = text.rsplit_once('=').ok_or("expected COLUMN=VALUE")?;
        let value = value.trim().parse().ok().filter(|v: &f64| v.is_finite());
        Ok(Value { column: column.trim().into(), value: value.ok_or("expected a number after the '='")? })
    }
}

/// Checks that each value is for a context column, and that none has two.
pub fn check(given: &[Value], schema: &Schema) -> Result<(), Failure> {
    let context: Vec<&str> = schema.context.iter().map(|c| c.name.as_str()).collect();
    for (i, value) in given.iter().enumerate() {
        let name = value.column.as_str();
        if context.is_empty() {
            return Err(Failure::usage(format!("--given {name}: expected a context column, and this model has none"), ""));
        }
        if !context.contains(&name) {
            let hint = format!("the context of this model is {}", quoted(&context));
            return Err(Failure::usage(format!("--given: expected a context column, found '{name}'"), hint));
        }
        if given[..i].iter().any(|other| other.column == name) {
            return Err(Failure::usage(format!("--given: expected each column once, found '{name}' twice"), ""));
        }
    }
    Ok(())
}

/// The columns of a table that need not be looked into: those that the model leaves out, and those that are given.
pub fn skipped(given: &[Value], schema: &Schema) -> Vec<String> {
    schema.dropped.iter().cloned().chain(given.iter().map(|v| v.column.clone())).collect()
}

/// Sets the given columns in every row.
pub fn set(table: &mut Table, given: &[Value]) {
    given.iter().for_each(|v| table.set(&v.column, v.value));
}
