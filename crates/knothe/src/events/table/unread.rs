//! Notices about text columns that a person, but not Knothe, reads as numbers or dates: amounts with a currency, percentages, and dates such as 06/21/2024.

use super::{
    column::{Column, Form, shortened},
    quoted,
    schema::Notice,
    text::{is_mark, is_missing, way_of_most},
};
use crate::hint::Hint;

/// Signs and currency codes before or after a number.
const UNITS: [&str; 13] = ["%", "‰", "€", "$", "£", "¥", "₹", "EUR", "USD", "GBP", "CHF", "JPY", "INR"];

/// A notice of a text column in which every text is a number, all with the same unit, or a slash-separated date that does not begin with the year.
pub(super) fn unread(column: &Column, consequence: &str) -> Option<Notice> {
    let Form::Text(texts) = &column.form else { return None };
    let present: Vec<&str> = texts.iter().map(String::as_str).filter(|t| !is_missing(t.as_bytes()) && !is_mark(t.as_bytes())).collect();
    let first = *present.first()?;
    let example = quoted(&[shortened(first)]);
    let notice =
        |what: String, advice| Some(Notice::new(format!("'{}' holds {what}, such as {example}{consequence}", column.name), advice));
    if present.iter().all(|text| is_slashed_date(text)) {
        let what = "slash-separated dates that do not begin with the year".to_owned();
        return notice(what, Hint::other("write the year first, as in 2024-06-21, so that they are read as dates"));
    }
    let unit = UNITS.into_iter().find(|unit| amount(first, unit).is_some())?;
    let amounts: Vec<&str> = present.iter().map(|text| amount(text, unit)).collect::<Option<_>>()?;
    let is_number = way_of_most(amounts.iter().map(|amount| (*amount, 1)));
    if !amounts.iter().all(|amount| is_number(amount)) {
        return None;
    }
    notice(
        format!("numbers with {}", quoted(&[unit])),
        Hint::Other(format!("remove {} from the values, so that they are read as numbers", quoted(&[unit])).into()),
    )
}

/// The text without its sign and its unit.
fn amount<'a>(text: &'a str, unit: &str) -> Option<&'a str> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    unsigned.strip_suffix(unit).or_else(|| unsigned.strip_prefix(unit)).map(str::trim)
}

/// Whether a text is a day and a month in either order and a year, with `/` between them, perhaps with a time.
fn is_slashed_date(text: &str) -> bool {
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "0:00"));
    let is_digits = |part: &str, lengths: &[usize]| lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let part = |part: &str| part.parse::<u8>().ok().filter(|_| is_digits(part, &[1, 2]));
    let [a, b, year] = date.split('/').collect::<Vec<_>>()[..] else { return false };
    let is_day = part(a).zip(part(b)).is_some_and(|(a, b)| (1..=12).contains(&a.min(b)) && a.max(b) <= 31);
    is_day && is_digits(year, &[2, 4]) && time.starts_with(|c: char| c.is_ascii_digit()) && time.contains(':')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(texts: &[&str]) -> Option<String> {
        let labels = texts.iter().map(|text| (*text).to_owned()).collect();
        let column = Column { name: "x".into(), values: vec![0.0; texts.len()], form: Form::Text(labels) };
        unread(&column, ": it is text").map(|notice| notice.message)
    }

    #[test]
    fn numbers_with_units_and_ambiguous_dates_are_named() {
        assert_eq!(message(&["2.992,27 €", "15,00 €", "NA"]).unwrap(), "'x' holds numbers with '€', such as '2.992,27 €': it is text");
        assert_eq!(message(&["$1,200.50", "-$3"]).unwrap(), "'x' holds numbers with '$', such as '$1,200.50': it is text");
        assert_eq!(message(&["50,0%", "7%"]).unwrap(), "'x' holds numbers with '%', such as '50,0%': it is text");
        assert_eq!(message(&["USD 5", "USD 7.5"]).unwrap(), "'x' holds numbers with 'USD', such as 'USD 5': it is text");
        let dates = "'x' holds slash-separated dates that do not begin with the year, such as";
        assert_eq!(message(&["06/21/2024", "7/1/2024"]).unwrap(), format!("{dates} '06/21/2024': it is text"));
        assert_eq!(message(&["06/21/24 10:30"]).unwrap(), format!("{dates} '06/21/24 10:30': it is text"));
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for texts in [
            &["a", "b"][..],
            &["5 €", "7 $"],
            &["5 €", "none at all"],
            &["%"],
            &["1/2", "3/4"],
            &["2024/06/21x"],
            &["?"],
            &[],
            &["15/15/15", "1/2/10"],
            &["1/2/10 mile"],
        ] {
            assert_eq!(message(texts), None, "{texts:?}");
        }
    }
}
