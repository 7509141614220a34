//! Reads the fields of a column as numbers, Booleans, moments or texts.

use std::borrow::Cow;
use std::collections::HashMap;

use encoding_rs::WINDOWS_1252;
use foldhash::fast::RandomState;

use crate::events::table::{
    absent::Absent,
    column::{Column, Form},
    moment,
};

/// Beyond 2⁵³ a 64-bit float no longer tells neighbouring integers apart.
const LARGEST_INTEGER: u128 = 1 << 53;

/// How numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Numerals {
    /// `1,5` for 3/2.
    pub(super) decimal_comma: bool,
    /// The thousands separator: a comma, a point, an apostrophe for both of its forms, or a space for every kind of space.
    pub(super) thousands: Option<char>,
}

/// A column of a part of the text.
pub(super) struct Typed {
    pub(super) column: Column,
    /// The first value whose digits a 64-bit float cannot hold, a whole number of a magnitude above 2⁵³ or a moment in microseconds: its row in the part, and its text.
    pub(super) identifier: Option<(usize, String)>,
    /// Whether a mark that is missing only among numbers was read as missing.
    pub(super) marks: bool,
}

/// Reads a column: numbers, Booleans or moments where every present field is one, and texts otherwise.
pub(super) fn typed<'a, I>(name: &str, fields: I, numerals: Numerals, absent: &Absent, as_text: bool) -> Typed
where
    I: Iterator<Item = Cow<'a, [u8]>> + Clone,
{
    let first = fields.clone().find(|field| !(absent.is_field(field) || is_mark(field)));
    let found = match first {
        _ if as_text => None,
        Some(field) if numerals.number(&field).is_none() => {
            if boolean(&field).is_some() {
                booleans(name, fields.clone(), absent)
            } else {
                moments(name, fields.clone(), absent)
            }
        }
        _ => numbers(name, fields.clone(), numerals, absent),
    };
    found.unwrap_or_else(|| Typed::plain(texts(name, fields, absent)))
}

impl Typed {
    /// A column without marks and without values that are too long.
    pub(super) fn plain(column: Column) -> Self {
        Typed { column, identifier: None, marks: false }
    }
}

fn numbers<'a>(name: &str, fields: impl Iterator<Item = Cow<'a, [u8]>>, numerals: Numerals, absent: &Absent) -> Option<Typed> {
    let (mut whole, mut marks, mut identifier) = (true, false, None);
    let mut values = Vec::with_capacity(fields.size_hint().0);
    for (i, field) in fields.enumerate() {
        let value = match numerals.number(&field) {
            Some(value) if absent.is_number(value) => f64::NAN,
            Some(value) => value,
            None if absent.is_field(&field) => f64::NAN,
            None if is_mark(&field) => {
                marks = true;
                f64::NAN
            }
            None => return None,
        };
        whole = whole && (value.is_nan() || is_whole(value));
        if value.abs() >= LARGEST_INTEGER as f64 && identifier.is_none() && is_identifier(&field) {
            identifier = Some((i, decoded(&field).into_owned()));
        }
        values.push(value);
    }
    // A float may be as large; whole numbers that are written digit by digit are no measurements.
    Some(Typed { column: Column::numbers(name, values, whole), identifier: identifier.filter(|_| whole), marks })
}

/// Whether a number is whole, without a call of `trunc`. Beyond 2⁵³ every float is.
fn is_whole(value: f64) -> bool {
    value as i64 as f64 == value || value.abs() >= LARGEST_INTEGER as f64
}

fn booleans<'a>(name: &str, fields: impl Iterator<Item = Cow<'a, [u8]>>, absent: &Absent) -> Option<Typed> {
    let value = |field: Cow<[u8]>| if absent.is_field(&field) { Some(f64::NAN) } else { boolean(&field) };
    Some(Typed::plain(Column { name: name.into(), values: fields.map(value).collect::<Option<_>>()?, form: Form::Boolean }))
}

fn moments<'a>(name: &str, fields: impl Iterator<Item = Cow<'a, [u8]>> + Clone, absent: &Absent) -> Option<Typed> {
    let moment = |field: Cow<[u8]>| {
        if absent.is_field(&field) { Some(None) } else { std::str::from_utf8(&field).ok().and_then(moment::parse).map(Some) }
    };
    let mut column = moment::column(name, &fields.clone().map(moment).collect::<Option<Vec<_>>>()?);
    absent.remove(&mut column.0);
    let identifier = column.1.and_then(|i| Some((i, decoded(&fields.clone().nth(i)?).into_owned())));
    Some(Typed { column: column.0, identifier, marks: false })
}

fn texts<'a>(name: &str, fields: impl Iterator<Item = Cow<'a, [u8]>>, absent: &Absent) -> Column {
    let mut labels = Vec::new();
    // The code of each text, or NaN for a missing value.
    let mut codes: HashMap<Cow<[u8]>, f64, RandomState> = HashMap::default();
    let mut values = Vec::with_capacity(fields.size_hint().0);
    for field in fields {
        let code = match codes.get(&field) {
            Some(code) => *code,
            None => {
                let code = if absent.is_field(&field) {
                    f64::NAN
                } else {
                    labels.push(decoded(&field).into_owned());
                    (labels.len() - 1) as f64
                };
                codes.insert(field, code);
                code
            }
        };
        values.push(code);
    }
    if labels.is_empty() { Column::missing(name, values.len()) } else { Column { name: name.into(), values, form: Form::Text(labels) } }
}

/// Text in UTF-8, or in Windows-1252 (and so Latin-1) where it is not that.
pub(super) fn decoded(field: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(field) {
        Ok(text) => text.into(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(field).0,
    }
}

/// The words that pandas reads as missing.
pub(in super::super) fn is_missing(field: &[u8]) -> bool {
    matches!(
        field,
        b"" | b"#N/A"
            | b"#N/A N/A"
            | b"#NA"
            | b"-1.#IND"
            | b"-1.#QNAN"
            | b"-NaN"
            | b"-nan"
            | b"1.#IND"
            | b"1.#QNAN"
            | b"<NA>"
            | b"N/A"
            | b"NA"
            | b"NULL"
            | b"NaN"
            | b"None"
            | b"n/a"
            | b"nan"
            | b"null"
    )
}

/// Marks that stand for a missing value among numbers, and for themselves among texts.
pub(in super::super) fn is_mark(field: &[u8]) -> bool {
    matches!(field, b"?" | b"." | b"-")
}

/// The usual ways of writing numbers.
const USUAL: [Numerals; 6] = {
    const fn way(decimal_comma: bool, thousands: char) -> Numerals {
        Numerals { decimal_comma, thousands: Some(thousands) }
    }
    [way(false, ','), way(false, '\''), way(false, ' '), way(true, '.'), way(true, '\''), way(true, ' ')]
};

/// The usual way of writing numbers in which most of these texts are numbers, each as often as it counts.
pub(in super::super) fn way_of_most<'a>(texts: impl Iterator<Item = (&'a str, usize)> + Clone) -> impl Fn(&str) -> bool {
    let numbers = |way: &Numerals| texts.clone().filter(|(text, _)| way.number(text.as_bytes()).is_some()).map(|(_, count)| count).sum();
    // The first of those that are equally good.
    let best = USUAL.into_iter().rev().max_by_key(|way| -> usize { numbers(way) }).unwrap_or_default();
    move |text| best.number(text.as_bytes()).is_some()
}

/// Whether a text is a number in one of the usual ways of writing numbers.
pub(in super::super) fn is_number(text: &str) -> bool {
    USUAL.iter().any(|way| way.number(text.as_bytes()).is_some())
}

/// 1 for true and 0 for false.
pub(in super::super) fn boolean(field: &[u8]) -> Option<f64> {
    match field {
        b"true" | b"True" | b"TRUE" => Some(1.0),
        b"false" | b"False" | b"FALSE" => Some(0.0),
        _ => None,
    }
}

/// Whether a number is written as a whole one of a magnitude above 2⁵³.
fn is_identifier(field: &[u8]) -> bool {
    let digits: Vec<u8> = field.iter().copied().filter(|b| !matches!(b, b'+' | b'-' | b',' | b' ' | b'\'')).collect();
    let all = digits.iter().all(u8::is_ascii_digit);
    // More digits than u128 has are a larger number still.
    all && std::str::from_utf8(&digits).is_ok_and(|d| d.parse().map_or(true, |n: u128| n > LARGEST_INTEGER))
}

impl Numerals {
    /// The number in a field.
    pub(super) fn number(self, field: &[u8]) -> Option<f64> {
        if !self.decimal_comma {
            match fast_float2::parse(field) {
                Ok(value) => return Some(value),
                Err(_) if self.thousands.is_none() => return None,
                Err(_) => {}
            }
        }
        if field.iter().any(u8::is_ascii_digit) { self.grouped(field) } else { None }
    }

    /// Whether a field is a number with thousands separators.
    pub(super) fn is_grouped(self, field: &[u8]) -> bool {
        // Spaces and apostrophes have forms beyond ASCII, and nothing else in a number has.
        let marks =
            |mark: char| field.iter().any(|b| !b.is_ascii_digit() && (*b == mark as u8 || (!b.is_ascii() && matches!(mark, ' ' | '\''))));
        self.thousands.is_some_and(marks) && self.number(field).is_some()
    }

    /// A number with a decimal comma or thousands separators.
    fn grouped(self, field: &[u8]) -> Option<f64> {
        let text = std::str::from_utf8(field).ok()?;
        let mark = if self.decimal_comma { ',' } else { '.' };
        let end = text.find([mark, 'e', 'E']).unwrap_or(text.len());
        let (whole, rest) = text.split_at(end);
        let (sign, digits) = whole.split_at(usize::from(whole.starts_with(['+', '-'])));
        let mut plain = sign.to_owned();
        let parts: Vec<&str> = match self.thousands {
            Some(' ') => digits.split([' ', '\u{a0}', '\u{202f}']).collect(),
            Some('\'') => digits.split(['\'', '’']).collect(),
            Some(mark) => digits.split(mark).collect(),
            None => vec![digits],
        };
        let length_fits = |(i, part): (usize, &&str)| if i == 0 { (1..=3).contains(&part.len()) } else { part.len() == 3 };
        // No group begins a number with 0.
        if parts.len() > 1 && (digits.starts_with('0') || !parts.iter().enumerate().all(length_fits)) {
            return None;
        }
        parts.iter().for_each(|part| plain.push_str(part));
        if !plain[sign.len()..].bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        if self.decimal_comma && rest.contains('.') {
            return None;
        }
        plain.push_str(&if self.decimal_comma { rest.replacen(',', ".", 1) } else { rest.to_owned() });
        fast_float2::parse(plain).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let plain = Numerals::default();
        let english = Numerals { thousands: Some(','), ..plain };
        let german = Numerals { decimal_comma: true, thousands: Some('.') };
        let french = Numerals { decimal_comma: true, thousands: Some(' ') };
        let swiss = Numerals { thousands: Some('\''), ..plain };
        for (numerals, text, expected) in [
            (plain, "1.5", Some(1.5)),
            (plain, "+1.", Some(1.0)),
            (plain, "-.5e3", Some(-500.0)),
            (plain, "1,5", None),
            (plain, "1 5", None),
            (plain, "007", Some(7.0)),
            (english, "1,234,567.5", Some(1_234_567.5)),
            (english, "-1,234", Some(-1234.0)),
            (english, "1,23", None),
            (english, "1234,567", None),
            (german, "1.234.567,8", Some(1_234_567.8)),
            (german, "-,5", Some(-0.5)),
            (german, "1,5e-3", Some(0.0015)),
            (german, "1.5", None),
            (german, "1,5.2", None),
            (german, "12", Some(12.0)),
            (french, "1 234,5", Some(1234.5)),
            (french, "1\u{202f}234", Some(1234.0)),
            (swiss, "1'234'567.5", Some(1_234_567.5)),
            (swiss, "-1’234", Some(-1234.0)),
            (swiss, "5'11", None),
        ] {
            assert_eq!(numerals.number(text.as_bytes()), expected, "{text}");
        }
    }
}
