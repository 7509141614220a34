//! Lists of columns, as options name them.

use std::path::Path;

use knothe::events::table::{Reading, TableReader};

use crate::text_files::TextFiles;

/// The columns that each list names: the column of that very name, or else the columns between its commas. A name may hold commas itself.
pub fn named<const N: usize>(table: &Path, lists: [&[String]; N], text_files: &TextFiles) -> [Vec<String>; N] {
    if !lists.iter().any(|list| list.iter().any(|text| text.contains(','))) {
        return lists.map(<[String]>::to_vec);
    }
    let known = names(table, &lists, text_files);
    lists.map(|list| list.iter().flat_map(|text| split(text, &known)).collect())
}

/// The names of a table, without a look at what the lists may name; none where they cannot be read twice, or at all, which is said later.
fn names(table: &Path, lists: &[&[String]], text_files: &TextFiles) -> Vec<String> {
    let texts = lists.iter().flat_map(|list| list.iter());
    let mut skip: Vec<String> = texts.flat_map(|text| text.split(',').chain([text.as_str()])).map(|name| name.trim().to_owned()).collect();
    skip.sort();
    skip.dedup();
    let reading = text_files.beside(Reading { names: skip.clone(), skip, batch_rows: 1, ..Reading::default() });
    let first = || TableReader::open_with(table, &reading).ok()?.next()?.ok();
    let first = if table == Path::new("-") { None } else { first() };
    first.into_iter().flat_map(|table| table.columns).map(|column| column.name).collect()
}

/// The names in a text with commas: the longest that are known first.
fn split(text: &str, known: &[String]) -> Vec<String> {
    let pieces: Vec<&str> = text.split(',').collect();
    let (mut found, mut from) = (Vec::new(), 0);
    while from < pieces.len() {
        let joined = |to: usize| pieces[from..to].join(",").trim().to_owned();
        let to = (from + 1..=pieces.len()).rev().find(|&to| known.contains(&joined(to))).unwrap_or(from + 1);
        found.push(joined(to));
        from = to;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_commas() {
        let known = ["Income, USD", "a", "Income", "b"].map(str::to_owned);
        assert_eq!(split("Income, USD", &known), ["Income, USD"]);
        assert_eq!(split("a,Income, USD,b", &known), ["a", "Income, USD", "b"]);
        assert_eq!(split("Income,a", &known), ["Income", "a"]);
        assert_eq!(split("x, y", &known), ["x", "y"]);
    }
}
