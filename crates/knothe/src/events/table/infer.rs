//! From a table to its schema: only type, integrality and constancy are inferred.

use std::path::Path;

use super::{
    column::Column,
    kind::{Kind, Overrides},
    lattice, quoted,
    reader::Table,
    rows::{check_numbers, complete_rows, near},
    schema::{ContextColumn, MissingPolicy, Notice, Roles, Schema, SchemaColumn},
};
use crate::{
    error::{Error, Result},
    hint::Hint,
};

impl Schema {
    /// The schema of a table, with shifts 0 and scales 1 until [`Schema::fit`], and what a user should know about it.
    ///
    /// A column of an integer type is [`Kind::Integer`], one with a single value is [`Kind::Constant`], every other one is what `overrides` says, or
    /// [`Kind::Continuous`]. That a column is positive or bounded is suggested, never assumed: the range seen is not the range possible.
    /// Fails on names that the table lacks, contradictory roles, missing values where they are rejected, fewer than two rows, and when no column is left.
    pub fn infer(table: &Table, overrides: &Overrides, roles: &Roles, missing: MissingPolicy) -> Result<(Schema, Vec<Notice>)> {
        check_roles(table, roles)?;
        check_known(table, "the schema", overrides.0.keys())?;
        let is_used = |c: &&Column| !roles.drop.contains(&c.name) && roles.weights.as_ref() != Some(&c.name);
        let used: Vec<&Column> = table.columns.iter().filter(is_used).collect();
        let weights = roles.weights.as_ref().and_then(|name| table.column(name));
        check_numbers(table, used.iter().copied().chain(weights))?;
        let kept = complete_rows(table, &used, missing)?;
        if kept.len() < 2 {
            return Err(Error::table(&table.path, format!("expected at least 2 rows to learn from, found {}", kept.len()), None));
        }

        let mut notices = Vec::new();
        let mut schema = Schema { weights: roles.weights.clone(), dropped: roles.drop.clone(), missing, ..Schema::default() };
        for name in &roles.context {
            if overrides.0.contains_key(name) {
                notices.push(Notice::new(format!("'{name}' is context, so its entry in the schema is not used"), None));
            }
            let column = table.column(name).into_iter().find(|c| constant(c, &kept).is_some());
            if column.is_some() {
                notices.push(Notice::new(
                    format!("the context column '{name}' has a single value and carries no information"),
                    Hint::other("leave it out"),
                ));
            }
            schema.context.push(ContextColumn { name: name.clone(), shift: 0.0, scale: 1.0 });
        }
        for column in used.iter().filter(|c| !roles.context.contains(&c.name)) {
            let kind = kind(column, overrides, &kept);
            check_keeps_apart(table, column, kind, &kept)?;
            if let Kind::Constant(value) = kind {
                let message = format!("'{}' is {value} in every row: it is left out of the density and restored in samples", column.name);
                notices.push(Notice::new(message, Hint::DropConstant(column.name.clone())));
            }
            schema.columns.push(SchemaColumn { name: column.name.clone(), kind, shift: 0.0, scale: 1.0 });
        }
        if schema.dim() == 0 {
            return Err(no_column_left(&table.path, &schema));
        }
        notices.extend(suggestions(table, &schema, overrides, &kept));
        Ok((schema, notices))
    }
}

fn kind(column: &Column, overrides: &Overrides, kept: &[usize]) -> Kind {
    let whole = || kept.iter().all(|&i| lattice::whole(column.values[i]).is_some());
    match (constant(column, kept), overrides.0.get(&column.name)) {
        (Some(value), _) => Kind::Constant(value),
        (None, Some(kind)) => *kind,
        (None, None) if column.form.is_whole() && whole() => Kind::Integer,
        (None, None) => Kind::Continuous,
    }
}

/// Refuses a declared lattice that makes one value of several: the others would be lost.
fn check_keeps_apart(table: &Table, column: &Column, kind: Kind, kept: &[usize]) -> Result<()> {
    let Kind::Lattice(lattice) = kind else { return Ok(()) };
    let mut values: Vec<f64> = kept.iter().map(|&i| column.values[i]).collect();
    values.sort_by(f64::total_cmp);
    match lattice.merges(&values) {
        None => Ok(()),
        Some((distinct, cells)) => Err(Error::Table {
            path: table.path.clone(),
            column: Some(column.name.clone()),
            row: None,
            problem: format!(
                "expected a step that keeps the {distinct} distinct values apart, found {}, which leaves {cells} values",
                lattice.step
            ),
            hint: Some(Hint::other("declare a smaller step, or remove the rows that hold a placeholder for a missing value").into()),
        }),
    }
}

/// The value that all rows share.
fn constant(column: &Column, kept: &[usize]) -> Option<f64> {
    let first = column.values[*kept.first()?];
    kept.iter().all(|&i| column.values[i] == first).then_some(first)
}

/// Kinds that the values seen would allow, as lines for the schema.
fn suggestions(table: &Table, schema: &Schema, overrides: &Overrides, kept: &[usize]) -> Vec<Notice> {
    let mut positive = Vec::new();
    let mut shares = Vec::new();
    for column in schema.modelled().filter(|c| c.kind == Kind::Continuous && !overrides.0.contains_key(&c.name)) {
        let Some(values) = table.column(&column.name).map(|c| &c.values) else { continue };
        if kept.iter().all(|&i| 0.0 < values[i] && values[i] < 1.0) {
            shares.push(column.name.as_str());
        } else if kept.iter().all(|&i| values[i] > 0.0) {
            positive.push(column.name.as_str());
        }
    }
    let each = [(positive, "above 0", r#""positive""#), (shares, "between 0 and 1", r#"{"bounded": [0, 1]}"#)];
    let notice = |(names, range, kind): &(Vec<&str>, &str, &str)| {
        let verb = if names.len() == 1 { "is" } else { "are" };
        let columns = names.iter().map(|&name| name.to_owned()).collect();
        let hint = Hint::DeclareKind { columns, kind: (*kind).into(), only_seen: true };
        Notice::new(format!("{} {verb} {range} in every row", quoted(names)), hint)
    };
    each.iter().filter(|(names, ..)| !names.is_empty()).map(notice).collect()
}

/// Every name is the table's, and no column has two roles.
fn check_roles(table: &Table, roles: &Roles) -> Result<()> {
    check_known(table, "the context", &roles.context)?;
    check_known(table, "the setting of the weights", &roles.weights)?;
    check_known(table, "the list of dropped columns", &roles.drop)?;
    let mut all: Vec<&String> = roles.context.iter().chain(&roles.weights).chain(&roles.drop).collect();
    all.sort();
    match all.windows(2).find(|w| w[0] == w[1]) {
        Some(twice) => Err(Error::invalid("context, weights and dropped columns", "each column once", format!("'{}' twice", twice[0]))),
        None => Ok(()),
    }
}

fn check_known<'a>(table: &Table, place: &str, names: impl IntoIterator<Item = &'a String>) -> Result<()> {
    let known: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    match names.into_iter().find(|n| table.column(n).is_none()) {
        Some(name) => {
            let problem = format!("{place} names a column '{name}', but the table has {}", quoted(&known));
            Err(Error::table(&table.path, problem, near(name, &known)))
        }
        None => Ok(()),
    }
}

fn no_column_left(path: &Path, schema: &Schema) -> Error {
    let constant: Vec<&str> = schema.columns.iter().map(|c| c.name.as_str()).collect();
    let found = if constant.is_empty() { "none".into() } else { format!("only constant ones: {}", quoted(&constant)) };
    Error::table(path, format!("expected at least one column to learn a density of, found {found}"), None)
}
