//! What has no density, said before training.

use std::borrow::Cow;
use std::path::Path;

use super::{
    atoms::atoms,
    dependence::{MOST_COLUMNS, Relation, relations},
    differences::nearly_equal,
    kind::Kind,
    lattice::{Found, INTEGERS, Lattice},
    placeholders::placeholders,
    quoted,
    repeats::repeated_rows,
    rows::TableRows,
    schema::{Notice, Schema},
};
use crate::{
    error::{Error, Result},
    hint::Hint,
};

/// Looks for what a density cannot describe.
///
/// A column that repeats another, or is an exact linear function of others or of the context, is an error: the density would be infinite on a plane. Among columns
/// of whole numbers, whose masses are finite, it is a notice. So are fewer rows than columns, placeholders for missing values, values that hold far more rows than
/// those near them (atoms), a lattice that is not declared, nearly equal columns and repeated rows, each with what mends it.
pub fn diagnose(path: &Path, schema: &Schema, rows: &TableRows) -> Result<Vec<Notice>> {
    let (dim, mut notices) = (schema.dim(), Vec::new());
    let all = dim + schema.context_dim();
    if rows.n < all {
        notices.push(Notice::new(format!("{} rows, {all} columns: fewer rows than columns", rows.n), None));
    }
    if all <= MOST_COLUMNS {
        notices.extend(check_independent(path, schema, rows)?);
    } else {
        let message = format!("more than {MOST_COLUMNS} columns: they are not checked for exact linear relations");
        notices.push(Notice::new(message, None));
    }
    let mut continuous = vec![false; dim];
    for (j, column) in schema.modelled().enumerate().filter(|(_, c)| c.kind != Kind::Binary) {
        let mut values: Vec<f64> = rows.x.iter().skip(j).step_by(dim).copied().collect();
        notices.extend(placeholder_notices(&column.name, &values, &rows.index));
        values.sort_by(f64::total_cmp);
        let found = Lattice::find(&values);
        continuous[j] = column.kind.lattice().is_none() && found.is_none();
        // An integer column is on the lattice that it is declared to be on, unless the data show a coarser one.
        let lattice = found.as_ref().map(|f| f.lattice).or(column.kind.lattice());
        let coarser = found.filter(|f| is_news(column.kind, &f.lattice)).map(|f| lattice_notice(&column.name, &f));
        notices.extend(coarser.or_else(|| atom_notice(&column.name, &values, lattice.as_ref())));
    }
    notices.extend(nearly_equal(&rows.x, dim, &continuous).into_iter().map(|pair| {
        let name = |j: usize| schema.modelled().nth(j).map_or("", |c| c.name.as_str());
        let (first, second) = (name(pair.first), name(pair.second));
        let message =
            format!("'{second}' is nearly equal to '{first}': their difference varies {:.0e} times less than they do", pair.times);
        Notice::new(message, Hint::Other(format!("a column {second} − {first} in the place of '{second}' would be the better one").into()))
    }));
    notices.extend(repeated_rows(&rows.x, dim, &continuous).map(|repeated| {
        let hint = "remove the copies: a row on both sides of the validation split makes the model look better than it is";
        Notice::new(format!("{repeated} of {} rows repeat an earlier row exactly", rows.n), Hint::other(hint))
    }));
    Ok(notices)
}

/// Whether a lattice found says more than the kind does.
fn is_news(kind: Kind, found: &Lattice) -> bool {
    match kind {
        Kind::Integer => found.step > 1.0,
        Kind::Lattice(_) => false,
        _ => true,
    }
}

/// Looks for linear relations in file units and, where a column is positive or bounded, between the logarithms and logits too.
fn check_independent(path: &Path, schema: &Schema, rows: &TableRows) -> Result<Vec<Notice>> {
    let (dim, given) = (schema.dim(), schema.context_dim());
    let kinds: Vec<Kind> = schema.modelled().map(|c| c.kind).collect();
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
            row[given..].iter_mut().zip(&kinds).for_each(|(value, kind)| *value = kind.to_real(*value));
        }
        scale = ", on the scale of their logarithms or logits";
        found = relations(&joined, dim + given, given);
    }
    // What whole numbers give of each other has a finite mass.
    let discrete =
        |j: usize| j.checked_sub(given).is_none_or(|j| kinds.get(j).is_some_and(|k| k.lattice().is_some() || *k == Kind::Binary));
    let is_harmless = |r: &Relation| r.whole && discrete(r.column) && r.terms.iter().all(|(j, _)| discrete(*j));
    let (harmless, found): (Vec<Relation>, Vec<Relation>) = found.into_iter().partition(is_harmless);
    let hint = |relations: &[Relation]| Hint::DropColumns(relations.iter().map(|r| names[r.column].to_owned()).collect());
    let each = |relations: &[Relation]| relations.iter().map(|r| described(r, &names)).collect::<Vec<_>>().join("; ");
    if !found.is_empty() {
        return Err(Error::table(path, format!("{}{scale}: there is no density", each(&found)), hint(&found)));
    }
    Ok(if harmless.is_empty() { Vec::new() } else { vec![Notice::new(each(&harmless), hint(&harmless))] })
}

/// `column 'c' is an exact linear function of 'a' and 'b' (c = a + b)`.
fn described(relation: &Relation, names: &[&str]) -> String {
    let others: Vec<&str> = relation.terms.iter().map(|(j, _)| names[*j]).collect();
    let name = names[relation.column];
    let size = relation.terms.iter().map(|(j, c)| format!("{}{}", factor(*c), names[*j])).collect::<Vec<_>>().join(" + ");
    let offset = if relation.intercept == 0.0 { String::new() } else { format!(" + {}", short(relation.intercept)) };
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

fn lattice_notice(name: &str, found: &Found) -> Notice {
    let Lattice { step, offset } = found.lattice;
    let shifted = if offset == 0.0 { String::new() } else { format!(" + {offset}") };
    let message = format!("'{name}' takes only multiples of {step}{shifted} (a lattice)");
    let reason = "so it has no density; the likelihood of a flexible model is then unbounded";
    // The lattice cannot be declared while values off it are there.
    if let Some((value, _)) = found.exceptions.first() {
        let each: Vec<String> = found.exceptions.iter().map(|(value, rows)| format!("{} ({rows} rows)", number(*value))).collect();
        return Notice::new(
            format!("{message} beside {}, {reason}", each.join(" and ")),
            Hint::SplitOrDrop { column: name.into(), value: *value },
        );
    }
    let kind = if found.lattice == INTEGERS {
        r#""integer""#.to_owned()
    } else {
        format!(r#"{{"lattice": {{"step": {step}, "offset": {offset}}}}}"#)
    };
    Notice::new(format!("{message}, {reason}"), Hint::DeclareKind { columns: vec![name.into()], kind, only_seen: false })
}

fn atom_notice(name: &str, sorted: &[f64], lattice: Option<&Lattice>) -> Option<Notice> {
    let found = atoms(sorted, lattice);
    let most_frequent = found.iter().max_by_key(|atom| atom.1)?;
    let each: Vec<String> =
        found.iter().map(|(v, rows)| format!("{} in {:.1} %", number(*v), 100.0 * *rows as f64 / sorted.len() as f64)).collect();
    let noun = if found.len() == 1 { "an atom" } else { "atoms" };
    let reason = match lattice {
        None => ", so it has no density there; the likelihood of a flexible model is then unbounded",
        Some(_) => ", far more than values near them hold",
    };
    let message = format!("'{name}' is {} of the rows ({noun}){reason}", each.join(" and "));
    Some(Notice::new(message, Hint::SplitOrDrop { column: name.into(), value: most_frequent.0 }))
}

/// Values far beyond all others, with their rows in the file.
fn placeholder_notices(name: &str, values: &[f64], index: &[u64]) -> Vec<Notice> {
    let notice = |found: super::placeholders::Placeholder| {
        let first = found.rows.first().and_then(|&i| index.get(i)).map_or(0, |i| i + 1);
        let place =
            if found.rows.len() == 1 { format!("row {first}") } else { format!("{} rows (first in row {first})", found.rows.len()) };
        let message = format!(
            "'{name}' is {} in {place}, {:.0e} times the scale of the other values: a placeholder for a missing value?",
            number(found.value),
            found.times
        );
        Notice::new(message, Hint::other("if so, write it as a missing value, or leave such rows out"))
    };
    placeholders(values).into_iter().map(notice).collect()
}

/// A number as a person writes it: 1e20, not its 21 digits.
fn number(value: f64) -> String {
    if value.abs() >= 1e15 { format!("{value:e}") } else { value.to_string() }
}
