//! What has no density, said before training.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::path::Path;

use super::{
    dependence::{MOST_COLUMNS, Relation, relations},
    kind::Kind,
    lattice::{Lattice, whole},
    quoted,
    rows::TableRows,
    schema::{Notice, Schema},
};
use crate::{
    events::Coding,
    error::{Error, Result},
    hint::Hint,
};

/// The share of the rows from which a single value is an atom.
const ATOM: f64 = 0.01;
/// The rows that an atom has at least, so that a pair of equal values in a small table is none.
const ATOM_ROWS: usize = 5;

/// Looks for what a density cannot describe.
///
/// A column that repeats another, or is an exact linear function of others or of the context, is an error: the density would be infinite on a plane.
/// A single value that holds more than 1 % of a continuous column (an atom), a column on a lattice, and repeated rows are notices, each with what mends it.
pub fn diagnose(path: &Path, schema: &Schema, rows: &TableRows) -> Result<Vec<Notice>> {
    let (dim, mut notices) = (schema.width(), Vec::new());
    if dim + schema.context_dim() <= MOST_COLUMNS {
        check_independent(path, schema, rows)?;
    } else {
        let message = format!("more than {MOST_COLUMNS} columns: they are not checked for exact linear relations");
        notices.push(Notice::new(message, None));
    }
    for (j, column) in schema.modelled().enumerate().filter(|(_, c)| !c.kind.is_discrete()) {
        let mut values: Vec<f64> = rows.x.iter().skip(j).step_by(dim).copied().collect();
        values.sort_by(f64::total_cmp);
        let found = lattice_notice(&column.name, &values).or_else(|| atom_notice(&column.name, &values));
        notices.extend(found);
    }
    notices.extend(repeated_rows(schema, rows));
    Ok(notices)
}

/// Looks for linear relations in file units and, where a column is positive or bounded, between the logarithms and logits too.
fn check_independent(path: &Path, schema: &Schema, rows: &TableRows) -> Result<()> {
    let (dim, given) = (schema.width(), schema.context_dim());
    let kinds: Vec<&Kind> = schema.modelled().map(|c| &c.kind).collect();
    let mut joined = Cow::Borrowed(&rows.x);
    if given > 0 {
        let context = rows.context.chunks_exact(given);
        joined = Cow::Owned(context.zip(rows.x.chunks_exact(dim.max(1))).flat_map(|(c, x)| c.iter().chain(x).copied()).collect());
    }
    let names: Vec<&str> = schema.context.iter().map(|c| c.name.as_str()).chain(schema.modelled().map(|c| c.name.as_str())).collect();
    let mut found = relations(&joined, dim + given, given);
    let mut scale = "";
    if found.is_empty() && kinds.iter().any(|k| matches!(k, Kind::Positive | Kind::Bounded(_))) {
        for row in joined.to_mut().chunks_exact_mut(dim + given) {
            row[given..].iter_mut().zip(&kinds).for_each(|(value, kind)| *value = kind.to_real(*value, 0.0));
        }
        scale = ", on the scale of their logarithms or logits";
        found = relations(&joined, dim + given, given);
    }
    if found.is_empty() {
        return Ok(());
    }
    let each: Vec<String> = found.iter().map(|r| described(r, &names)).collect();
    let columns: Vec<String> = found.iter().map(|r| names[r.column].to_owned()).collect();
    Err(Error::table(path, format!("{}{scale}: there is no density", each.join("; ")), Hint::DropColumns(columns)))
}

/// `column 'c' is an exact linear function of 'a' and 'b' (c = a + b)`.
fn described(relation: &Relation, names: &[&str]) -> String {
    let others: Vec<&str> = relation.terms.iter().map(|(j, _)| names[*j]).collect();
    let name = names[relation.column];
    let size = relation.terms.iter().map(|(j, c)| format!("{}{}", factor(*c), names[*j])).collect::<Vec<_>>().join(" + ");
    // An intercept that is rounding beside the terms says nothing.
    let offset = if relation.intercept.abs() > 1e-6 * (1.0 + relation.intercept.abs()) {
        format!(" + {}", short(relation.intercept))
    } else {
        String::new()
    };
    let formula = format!("{name} = {size}{offset}").replace("+ -", "− ");
    match others.len() {
        1 => format!("column '{name}' repeats '{}' ({formula})", others[0]),
        _ => format!("column '{name}' is an exact linear function of {} ({formula})", quoted(&others)),
    }
}

fn factor(coefficient: f64) -> String {
    match short(coefficient).as_str() {
        "1" => String::new(),
        "-1" => "-".into(),
        other => format!("{other} "),
    }
}

/// Four significant digits.
fn short(value: f64) -> String {
    format!("{value:.3e}").parse::<f64>().map_or_else(|_| value.to_string(), |v| v.to_string())
}

fn lattice_notice(name: &str, sorted: &[f64]) -> Option<Notice> {
    let lattice = Lattice::find(sorted)?;
    let kind = if sorted.iter().all(|&v| whole(v).is_some()) && lattice.step == 1.0 {
        r#""integer""#.to_owned()
    } else {
        format!(r#"{{"lattice": {{"step": {}, "offset": {}}}}}"#, lattice.step, lattice.offset)
    };
    let offset = if lattice.offset == 0.0 { String::new() } else { format!(" + {}", lattice.offset) };
    let message = format!(
        "'{name}' takes only multiples of {}{offset} (a lattice), so it has no density; the likelihood of a flexible model is then unbounded",
        lattice.step
    );
    Some(Notice::new(message, Hint::DeclareKind { columns: vec![name.into()], kind, only_seen: false }))
}

fn atom_notice(name: &str, sorted: &[f64]) -> Option<Notice> {
    let runs = sorted.chunk_by(|a, b| a == b);
    let (value, count) = runs.map(|run| (run[0], run.len())).fold((0.0, 0), |best, run| if run.1 > best.1 { run } else { best });
    let share = count as f64 / sorted.len() as f64;
    (share > ATOM && count >= ATOM_ROWS).then(|| {
        let message = format!(
            "'{name}' is {value} in {:.1} % of the rows (an atom), so it has no density there; the likelihood of a flexible model is then unbounded",
            100.0 * share
        );
        Notice::new(message, Hint::SplitOrDrop { column: name.into(), value })
    })
}

/// Rows that repeat another in every continuous column: an atom of the joint density, and the same row on both sides of a validation split.
fn repeated_rows(schema: &Schema, rows: &TableRows) -> Option<Notice> {
    if schema.modelled().any(|c| c.kind.lattice().is_some()) {
        return None;
    }
    let mut sorted: Vec<&[f64]> = rows.x.chunks_exact(schema.width().max(1)).collect();
    sorted.sort_unstable_by(|a, b| a.iter().zip(*b).map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal));
    let repeated = sorted.windows(2).filter(|w| w[0] == w[1]).count();
    (repeated > 0).then(|| {
        let message = format!("{repeated} of {} rows repeat an earlier row exactly", rows.n);
        let hint = "remove the copies: a row on both sides of the validation split makes the model look better than it is";
        Notice::new(message, Hint::other(hint))
    })
}
