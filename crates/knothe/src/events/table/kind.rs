//! What a column is, and the file in which a user says so.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lattice::{INTEGERS, Lattice, whole};
use crate::{
    error::{Error, Result},
    file::read_whole,
};

/// The longest schema, in bytes.
const LONGEST: u64 = 1 << 26;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Any real number: x = v.
    Continuous,
    /// Greater than 0: x = exp(v).
    Positive,
    /// Strictly between two numbers a < b: x = a + (b − a) / (1 + exp(−v)).
    Bounded([f64; 2]),
    /// Whole numbers, a lattice of step 1: made continuous by uniform noise on [0, 1), so log_prob is a log mass.
    Integer,
    /// 0 or 1, for a model of such columns alone: neither noise nor a scale, and log_prob is a log mass.
    Binary,
    /// Multiples of a step, off from 0 by an offset: made continuous as integers are.
    Lattice(Lattice),
    /// One number: left out of the density and restored in samples. It is found in the data, never declared.
    Constant(f64),
}

impl Kind {
    /// The lattice on which the values lie, if any.
    pub fn lattice(&self) -> Option<Lattice> {
        match self {
            Kind::Integer => Some(INTEGERS),
            Kind::Lattice(lattice) => Some(*lattice),
            _ => None,
        }
    }

    /// What a value must be and is not; nothing where it fits.
    pub(super) fn contradiction(&self, value: f64) -> Option<String> {
        match self {
            Kind::Positive if value <= 0.0 => Some("a number above 0".into()),
            Kind::Bounded([a, b]) if !(*a < value && value < *b) => Some(format!("a number strictly between {a} and {b}")),
            Kind::Binary if value != 0.0 && value != 1.0 => Some("0 or 1".into()),
            Kind::Integer if whole(value).is_none() => Some("a whole number below 2^52 in magnitude".into()),
            Kind::Lattice(l) if l.index(value).is_none() => Some(format!("{} + a multiple of {}", l.offset, l.step)),
            _ => None,
        }
    }

    fn from_json(name: &str, value: &Value) -> Result<Self> {
        let known = r#""continuous", "positive", "integer", {"bounded": [low, high]} or {"lattice": {"step": s, "offset": o}}"#;
        let wrong = || Error::invalid(format!("schema, column '{name}'"), known, value);
        let kind: Kind = serde_json::from_value(value.clone()).map_err(|_| wrong())?;
        // Constants are found in the data, and models ask for columns of 0 and 1.
        let declared = !matches!(kind, Kind::Constant(_) | Kind::Binary);
        if declared && kind.is_possible() { Ok(kind) } else { Err(wrong()) }
    }

    /// Whether there are such values.
    pub(super) fn is_possible(&self) -> bool {
        match self {
            Kind::Bounded([a, b]) => a < b && (b - a).is_finite(),
            Kind::Lattice(l) => l.step > 0.0 && l.step.is_finite() && l.offset.is_finite(),
            Kind::Constant(value) => value.is_finite(),
            _ => true,
        }
    }
}

/// The kinds that a user declares, by column.
///
/// ```
/// use knothe::events::table::{Kind, Overrides};
/// let schema = Overrides::parse(r#"{"price": "positive", "share": {"bounded": [0, 1]}}"#)?;
/// assert_eq!(schema.0["share"], Kind::Bounded([0.0, 1.0]));
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides(pub BTreeMap<String, Kind>);

impl Overrides {
    /// Reads a schema file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_whole(path, LONGEST)?;
        let text = str::from_utf8(&text).map_err(|e| Error::io("read", path, std::io::Error::other(e)))?;
        Overrides::parse(text).map_err(|e| Error::table(path, e.to_string(), None))
    }

    /// Reads the text of a schema file: a JSON object of column names and kinds.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |found: String| Error::invalid("schema", r#"a JSON object such as {"price": "positive"}"#, found);
        match serde_json::from_str(text) {
            Ok(Value::Object(entries)) => {
                entries.iter().map(|(name, value)| Ok((name.clone(), Kind::from_json(name, value)?))).collect::<Result<_>>().map(Overrides)
            }
            Ok(other) => Err(wrong(other.to_string())),
            Err(e) => Err(wrong(format!("text that is not JSON ({e})"))),
        }
    }
}
