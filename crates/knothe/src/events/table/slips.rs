//! Slips: the few texts of a column that keep it from being one of numbers or of dates.

use super::{
    column::{Column, Form, shortened},
    moment::is_moment,
    quoted,
    reader::Table,
    text::{is_mark, is_missing, way_of_most},
};
use crate::hint::{Hint, counted};

/// The most distinct texts that a message names, and the most rows of each.
const MOST_TEXTS: usize = 5;
const MOST_ROWS: usize = 5;
/// Slips are at most one of so many values, or a single one among at least so many others.
const PER_SLIP: usize = 50;
const LEAST_OTHERS: usize = 10;

/// Whether a text is a value of a form.
type Fits<'a> = &'a dyn Fn(&str) -> bool;

/// The texts of a column that are no numbers, where most are, or no dates, where most are.
pub(super) struct Slips {
    /// The texts with their rows, in words.
    pub(super) others: String,
    /// The other values in words: "1999 numbers".
    pub(super) among: String,
    /// The numbers or dates, and the values that are none.
    counts: [usize; 2],
    /// The distinct texts.
    texts: Vec<String>,
}

impl Slips {
    /// The slips of a text column in these rows. Texts that mark missing values are none.
    pub(super) fn of(table: &Table, column: &Column, rows: &[usize]) -> Option<Self> {
        let Form::Text(texts) = &column.form else { return None };
        let mut counts = vec![0; texts.len()];
        let present = rows.iter().filter(|&&row| !column.values[row].is_nan()).map(|&row| (row, column.values[row] as usize));
        let present = present.filter(|(_, code)| *code < texts.len());
        present.clone().for_each(|(_, code)| counts[code] += 1);
        let is_number = way_of_most(texts.iter().map(String::as_str).zip(counts.iter().copied()));
        let kinds: [(&str, &str, Fits); 2] = [("number", "numbers", &is_number), ("date", "dates", &is_moment)];
        kinds.into_iter().find_map(|(one, many, fits)| {
            let is_mark = |text: &str| is_missing(text.as_bytes()) || is_mark(text.as_bytes());
            let fitting: Vec<bool> = texts.iter().map(|text| fits(text)).collect();
            let odd: Vec<bool> = texts.iter().zip(&fitting).map(|(text, fits)| !fits && !is_mark(text)).collect();
            let total = |of: &[bool]| counts.iter().zip(of).filter(|(_, of)| **of).map(|(count, _)| count).sum::<usize>();
            let (fit, others) = (total(&fitting), total(&odd));
            if others == 0 || fit <= others {
                return None;
            }
            // The distinct texts that do not fit, in the order of the file, and one more than are named, which says that there are more.
            let mut found: Vec<(usize, Vec<u64>)> = Vec::new();
            for (row, code) in present.clone().filter(|(_, code)| odd[*code]) {
                match found.iter().position(|(known, _)| *known == code) {
                    Some(k) if found[k].1.len() < MOST_ROWS => found[k].1.push(table.number(row)),
                    None if found.len() <= MOST_TEXTS => found.push((code, vec![table.number(row)])),
                    _ => {}
                }
            }
            let of = |(code, rows): &(usize, Vec<u64>)| in_rows(&texts[*code], counts[*code], rows);
            let mut named: Vec<String> = found.iter().take(MOST_TEXTS).map(of).collect();
            if found.len() > MOST_TEXTS {
                named.push("other texts".into());
            }
            let texts = found.iter().map(|(code, _)| texts[*code].clone()).collect();
            Some(Slips { others: listed(&named), among: counted(fit, one, many), counts: [fit, others], texts })
        })
    }

    /// Whether they are so few that the column is meant to be one of numbers or dates.
    pub(super) fn are_few(&self) -> bool {
        let [fit, others] = self.counts;
        PER_SLIP * others <= fit + others || (others == 1 && fit >= LEAST_OTHERS)
    }

    /// What to do about them, if they are few and short.
    pub(super) fn hint(&self) -> Option<Hint> {
        let few = self.texts.len() <= MOST_TEXTS && self.texts.iter().all(|text| shortened(text) == *text);
        few.then(|| Hint::NotNumbers(self.texts.clone()))
    }
}

/// A text that is in so many rows, with the first of them.
fn in_rows(text: &str, count: usize, rows: &[u64]) -> String {
    let text = quoted(&[shortened(text)]);
    match rows {
        [row] => format!("{text} in row {row}"),
        [first, ..] if count > MOST_ROWS => format!("{text} in {count} rows, first in row {first}"),
        rows => format!("{text} in rows {}", listed(&rows.iter().map(u64::to_string).collect::<Vec<_>>())),
    }
}

/// Words with commas and an "and" between them.
fn listed(words: &[String]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn slips(texts: &[String]) -> Option<Slips> {
        let values = (0..texts.len()).map(|i| i as f64).collect();
        let column = Column { name: "x".into(), values, form: Form::Text(texts.to_vec()) };
        let rows: Vec<usize> = (0..texts.len()).collect();
        Slips::of(&Table { columns: vec![column.clone()], ..Table::default() }, &column, &rows)
    }

    #[test]
    fn slips_are_named_with_their_rows() {
        let mut texts: Vec<String> = (0..200).map(|i| format!("{i},5")).collect();
        texts[4] = "1O".into();
        texts[7] = "?".into();
        let found = slips(&texts).unwrap();
        assert_eq!((found.others.as_str(), found.among.as_str()), ("'1O' in row 5", "198 numbers"));
        assert!(found.are_few() && found.hint() == Some(Hint::NotNumbers(vec!["1O".into()])));
        let mut dates: Vec<String> = (0..200).map(|i| format!("{}-01-01", 1800 + i)).collect();
        (dates[1], dates[3], dates[9]) = ("oops".into(), "x".into(), "oops".into());
        // Equal texts have one code in a table, and several here.
        let found = slips(&dates).unwrap();
        assert_eq!(found.others, "'oops' in row 2, 'x' in row 4 and 'oops' in row 10");
        assert_eq!((found.among.as_str(), found.are_few()), ("197 dates", true));
    }

    /// A number of another notation is no number of the column's own.
    #[test]
    fn a_number_in_another_notation_is_a_slip() {
        let mut texts: Vec<String> = (0..200).map(|i| format!("{i}.5")).collect();
        texts[6] = "1,5".into();
        let found = slips(&texts).unwrap();
        assert_eq!((found.others.as_str(), found.among.as_str(), found.are_few()), ("'1,5' in row 7", "199 numbers", true));
    }

    #[test]
    fn categories_are_no_slips() {
        let words = ["a", "b", "1", "2"].map(String::from);
        assert!(slips(&words).is_none());
        let half: Vec<String> = (0..100).map(|i| if i % 3 == 0 { format!("a{i}") } else { i.to_string() }).collect();
        assert!(!slips(&half).unwrap().are_few());
        assert_eq!(in_rows("a", 2, &[3, 9]), "'a' in rows 3 and 9");
        assert_eq!(in_rows("a", 6, &[3, 9, 10, 11, 12]), "'a' in 6 rows, first in row 3");
    }
}
