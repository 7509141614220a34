//! Lists of columns, as options name them.

use std::collections::HashSet;
use std::convert::Infallible;
use std::path::Path;

use knothe::events::table::{ErrorColumn, Reading, TableReader};

use crate::failure::Failure;

/// The columns that each list names: the column of that very name, or else the columns between its commas. A name may hold commas itself. `reading` says how the table is read.
pub fn named<const N: usize>(table: &Path, lists: [&[String]; N], reading: &Reading) -> [Vec<String>; N] {
    if !lists.iter().any(|list| list.iter().any(|text| text.contains(','))) {
        return lists.map(<[String]>::to_vec);
    }
    let known = Known::new(names(table, &lists, reading));
    lists.map(|list| list.iter().flat_map(|text| split(text, &known)).collect())
}

/// The columns that texts such as `x=x_err,y=y_err` pair.
pub fn pairs(table: &Path, texts: &[String], reading: &Reading) -> Result<Vec<ErrorColumn>, Failure> {
    let plain = texts.iter().all(|text| !text.contains(',') && text.matches('=').count() == 1);
    let known = Known::new(if plain { Vec::new() } else { names(table, &[], reading) });
    let is_known = |run: &str| pair(run, |name| known.names.contains(name));
    let alone = |piece: &str| {
        let wrong = || Failure::usage(format!("--errors: expected COLUMN=ERROR, found '{}'", piece.trim()), "");
        pair(piece, |name| !name.is_empty()).ok_or_else(wrong)
    };
    let found: Vec<Vec<ErrorColumn>> = texts.iter().map(|text| runs(text, 2 * known.pieces, is_known, alone)).collect::<Result<_, _>>()?;
    Ok(found.concat())
}

/// Two names with '=' between them.
fn pair(text: &str, holds: impl Fn(&str) -> bool) -> Option<ErrorColumn> {
    let halves = text.match_indices('=').map(|(at, _)| (text[..at].trim(), text[at + 1..].trim()));
    let (column, error) = halves.into_iter().find(|(column, error)| holds(column) && holds(error))?;
    Some(ErrorColumn { column: column.into(), error: error.into() })
}

/// The names of a table, without a look at what the lists may name; none where they cannot be read twice, or at all, which is said later.
fn names(table: &Path, lists: &[&[String]], reading: &Reading) -> Vec<String> {
    let texts = lists.iter().flat_map(|list| list.iter());
    let mut skip: Vec<String> = texts.flat_map(|text| text.split(',').chain([text.as_str()])).map(|name| name.trim().to_owned()).collect();
    skip.sort();
    skip.dedup();
    let reading = Reading { names: skip.clone(), skip, batch_rows: 1, ..reading.clone() };
    let first = || TableReader::open_with(table, &reading).ok()?.next()?.ok();
    let first = if table == Path::new("-") { None } else { first() };
    first.into_iter().flat_map(|table| table.columns).map(|column| column.name).collect()
}

/// The names of a table.
pub struct Known {
    names: HashSet<String>,
    /// The most pieces into which commas cut a name.
    pieces: usize,
}

impl Known {
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let names: HashSet<String> = names.into_iter().collect();
        let pieces = names.iter().map(|name| 1 + name.matches(',').count()).max().unwrap_or(1);
        Known { names, pieces }
    }
}

/// The names in a text with commas: the longest that are known first.
pub fn split(text: &str, known: &Known) -> Vec<String> {
    let is_known = |run: &str| Some(run.trim().to_owned()).filter(|name| known.names.contains(name));
    let Ok(found) = runs(text, known.pieces, is_known, |piece| Ok::<_, Infallible>(piece.trim().to_owned()));
    found
}

/// Reads a text piece by piece between its commas: the longest run of at most so many pieces that `known` takes, or otherwise one piece `alone`.
fn runs<T, E>(text: &str, most: usize, known: impl Fn(&str) -> Option<T>, alone: impl Fn(&str) -> Result<T, E>) -> Result<Vec<T>, E> {
    let pieces: Vec<&str> = text.split(',').collect();
    let (mut found, mut from) = (Vec::new(), 0);
    while from < pieces.len() {
        let longest = (from + 1..=pieces.len().min(from + most)).rev().find_map(|to| Some((to, known(&pieces[from..to].join(","))?)));
        let (to, one) = match longest {
            Some(longest) => longest,
            None => (from + 1, alone(pieces[from])?),
        };
        found.push(one);
        from = to;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_may_hold_commas() {
        let known = Known::new(["Income, USD", "a", "Income", "b"].map(str::to_owned));
        assert_eq!(split("Income, USD", &known), ["Income, USD"]);
        assert_eq!(split("a,Income, USD,b", &known), ["a", "Income, USD", "b"]);
        assert_eq!(split("Income,a", &known), ["Income", "a"]);
        assert_eq!(split("x, y", &known), ["x", "y"]);
    }

    #[test]
    fn columns_are_paired_with_their_errors() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("t.csv");
        std::fs::write(&table, "a,b,\"Income, USD\",e,\"s=1\"\n1,2,3,4,5\n2,3,4,5,6\n").unwrap();
        let found = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|&text| text.into()).collect();
            let pairs = pairs(&table, &texts, &Reading::default()).map_err(|_| ()).ok()?;
            Some(pairs.into_iter().map(|e| [e.column, e.error]).collect::<Vec<_>>())
        };
        assert_eq!(found(&["a=e", "b = e"]).unwrap(), [["a", "e"], ["b", "e"]]);
        assert_eq!(found(&["a=e,b=s=1"]).unwrap(), [["a", "e"], ["b", "s=1"]]);
        assert_eq!(found(&["a=e,Income, USD=s=1,z=y"]).unwrap(), [["a", "e"], ["Income, USD", "s=1"], ["z", "y"]]);
        assert!(found(&["a"]).is_none() && found(&["a=e,b"]).is_none() && found(&["a="]).is_none() && found(&["=e"]).is_none());
    }
}
