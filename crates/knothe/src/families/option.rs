//! Options of families: what a user may set, what it may be, and what it is otherwise.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::error::{Error, Result};

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Count(u64),
    /// A real number.
    Number(f64),
    /// Several whole numbers, such as the widths of layers.
    Counts(Vec<u64>),
    /// One of several names.
    Name(String),
}

impl Setting {
    /// The name of a variant of an enumeration, as model files spell it.
    pub fn named(value: &impl Serialize) -> Self {
        // What is no unit variant has no name, and no option takes the empty one.
        let name = serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned));
        Setting::Name(name.unwrap_or_default())
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Flag(value) => write!(f, "{value}"),
            Setting::Count(value) => write!(f, "{value}"),
            Setting::Number(value) => write!(f, "{value}"),
            Setting::Counts(values) => f.write_str(&values.iter().map(u64::to_string).collect::<Vec<_>>().join(",")),
            Setting::Name(name) => f.write_str(name),
        }
    }
}

impl From<bool> for Setting {
    fn from(value: bool) -> Self {
        Setting::Flag(value)
    }
}

impl From<usize> for Setting {
    fn from(value: usize) -> Self {
        Setting::Count(value as u64)
    }
}

impl From<f64> for Setting {
    fn from(value: f64) -> Self {
        Setting::Number(value)
    }
}

impl From<&str> for Setting {
    fn from(name: &str) -> Self {
        Setting::Name(name.into())
    }
}

impl From<&[usize]> for Setting {
    fn from(values: &[usize]) -> Self {
        Setting::Counts(values.iter().map(|&v| v as u64).collect())
    }
}

impl<const N: usize> From<[usize; N]> for Setting {
    fn from(values: [usize; N]) -> Self {
        values.as_slice().into()
    }
}

impl From<Vec<usize>> for Setting {
    fn from(values: Vec<usize>) -> Self {
        values.as_slice().into()
    }
}

/// What an option may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// Yes or no.
    Flag,
    /// A whole number in a range, both ends included.
    Count(u64, u64),
    /// A finite number above a bound and below another.
    Number(f64, f64),
    /// At most so many whole numbers, each in a range.
    Counts(usize, u64, u64),
    /// One of these names.
    Name(&'static [&'static str]),
}

impl Range {
    /// Whether a value is one of these.
    pub fn holds(self, value: &Setting) -> bool {
        match (self, value) {
            (Range::Flag, Setting::Flag(_)) => true,
            (Range::Count(least, most), Setting::Count(value)) => (least..=most).contains(value),
            (Range::Number(above, below), Setting::Number(value)) => value.is_finite() && above < *value && *value < below,
            (Range::Counts(number, least, most), Setting::Counts(values)) => {
                values.len() <= number && values.iter().all(|value| (least..=most).contains(value))
            }
            (Range::Name(names), Setting::Name(name)) => names.contains(&name.as_str()),
            _ => false,
        }
    }

    /// The value that a text stands for. Whole numbers are separated by commas, and an empty text is an empty list of them. Names may be spelled with - in
    /// the place of _.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the text is no value of this range; `what` names the option.
    pub fn parse(self, what: &str, text: &str) -> Result<Setting> {
        let text = text.trim();
        let value = match self {
            Range::Flag => text.parse().ok().map(Setting::Flag),
            Range::Count(..) => text.parse().ok().map(Setting::Count),
            Range::Number(..) => text.parse().ok().map(Setting::Number),
            Range::Counts(..) if text.is_empty() => Some(Setting::Counts(Vec::new())),
            Range::Counts(..) => text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().ok().map(Setting::Counts),
            Range::Name(_) => Some(Setting::Name(text.replace('-', "_"))),
        };
        value.filter(|value| self.holds(value)).ok_or_else(|| Error::invalid(what, self, text))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Range::Flag => f.write_str("true or false"),
            Range::Count(least, most) => write!(f, "a whole number from {least} to {most}"),
            Range::Number(above, below) if below.is_infinite() => write!(f, "a number above {above}"),
            Range::Number(above, below) => write!(f, "a number between {above} and {below}"),
            Range::Counts(number, least, most) => write!(f, "at most {number} whole numbers from {least} to {most}"),
            Range::Name(names) => write!(f, "one of {}", names.join(", ")),
        }
    }
}

/// What an option is unless it is set.
#[derive(Clone, Copy, Debug)]
pub enum Initial {
    /// Off.
    Off,
    /// A whole number.
    Count(u64),
    /// A real number.
    Number(f64),
    /// Whole numbers.
    Counts(&'static [u64]),
    /// A name.
    Name(&'static str),
    /// A value that depends on the space, or on other options.
    Of(fn(&Recipe) -> Setting),
}

/// One option of a family. Everything that lists, checks or explains options reads this.
#[derive(Clone, Copy, Debug)]
pub struct FamilyOption {
    /// The name, in words that are joined by _.
    pub name: &'static str,
    /// What it sets, in a sentence without its full stop.
    pub about: &'static str,
    /// What it may be.
    pub range: Range,
    /// What it is unless it is set.
    pub initial: Initial,
}

impl FamilyOption {
    /// A flag, off unless it is set.
    pub const fn flag(name: &'static str, about: &'static str) -> Self {
        FamilyOption { name, about, range: Range::Flag, initial: Initial::Off }
    }

    /// A whole number from `least` to `most`.
    pub const fn count(name: &'static str, about: &'static str, (least, most): (u64, u64), initial: u64) -> Self {
        FamilyOption { name, about, range: Range::Count(least, most), initial: Initial::Count(initial) }
    }

    /// A finite number above `above` and below `below`.
    pub const fn number(name: &'static str, about: &'static str, (above, below): (f64, f64), initial: f64) -> Self {
        FamilyOption { name, about, range: Range::Number(above, below), initial: Initial::Number(initial) }
    }

    /// At most `number` whole numbers from `least` to `most`.
    pub const fn counts(name: &'static str, about: &'static str, number: usize, (least, most): (u64, u64), initial: Initial) -> Self {
        FamilyOption { name, about, range: Range::Counts(number, least, most), initial }
    }

    /// One of several names, the first of them unless it is set.
    pub const fn name(name: &'static str, about: &'static str, names: &'static [&'static str]) -> Self {
        FamilyOption { name, about, range: Range::Name(names), initial: Initial::Name(names[0]) }
    }

    /// The same option with another value to start from.
    pub const fn or(self, initial: Initial) -> Self {
        FamilyOption { initial, ..self }
    }

    /// The same option in the words of one family.
    pub const fn about(self, about: &'static str) -> Self {
        FamilyOption { about, ..self }
    }

    /// What the option is in a recipe that does not set it.
    pub fn default_in(&self, recipe: &Recipe) -> Setting {
        match self.initial {
            Initial::Off => Setting::Flag(false),
            Initial::Count(value) => Setting::Count(value),
            Initial::Number(value) => Setting::Number(value),
            Initial::Counts(values) => Setting::Counts(values.to_vec()),
            Initial::Name(name) => Setting::Name(name.into()),
            Initial::Of(value) => value(recipe),
        }
    }
}
