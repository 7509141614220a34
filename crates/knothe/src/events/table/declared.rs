//! The schema file, in which a user declares the kinds of columns.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    kind::{Bounds, Kind},
    reading::Reading,
    schema::{Schema, SchemaColumn, may_be_special, special_expected},
};
use crate::{
    error::{Error, Result},
    file::read_whole,
};

/// The longest schema, in bytes.
const LONGEST: u64 = 1 << 26;

/// The kinds that a user may declare, as messages list them.
const KNOWN: &str = r#""continuous", "positive", {"bounded": [low, high]}, {"periodic": [low, high]}, "integer", {"integer": {"low": a, "high": b}}, {"lattice": {"step": s, "offset": o}}, "categorical", {"categorical": ["a", "b"]}, {"ordered": ["a", "b"]}, {"time": "day"}, or {"kind": any of these, "special": [values]}"#;

/// A user's declaration of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// The kind. A categorical column without labels takes its labels from the table.
    pub kind: Kind,
    /// Special values, which have their own probabilities, such as the zero of an amount.
    pub special: Vec<f64>,
}

impl From<Kind> for Declared {
    fn from(kind: Kind) -> Self {
        Declared { kind, special: Vec::new() }
    }
}

/// The declared kinds by column.
///
/// ```
/// use knothe::events::table::{Kind, Overrides};
/// let schema = Overrides::parse(r#"{"price": "positive", "share": {"bounded": [0, 1]}}"#)?;
/// assert_eq!(schema.0["share"].kind, Kind::Bounded([0.0, 1.0]));
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides(pub BTreeMap<String, Declared>);

impl Overrides {
    /// Reads a schema file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_whole(path, LONGEST)?;
        let text = str::from_utf8(&text).map_err(|e| Error::io("read", path, std::io::Error::other(e)))?;
        Overrides::parse(text).map_err(|e| Error::table(path, e.to_string(), None))
    }

    /// How to read a table with these columns: labels are read as text.
    pub fn reading(&self) -> Reading {
        let labels = self.0.iter().map(|(name, declared)| (name, declared.kind.labels().unwrap_or_default()));
        Reading { names: self.0.keys().cloned().collect(), ..Reading::default() }.with_labels(labels)
    }

    /// Reads the text of a schema file, a JSON object that maps column names to kinds.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |found: String| Error::invalid("schema", r#"a JSON object such as {"price": "positive"}"#, found);
        match serde_json::from_str(text) {
            Ok(Value::Object(entries)) => {
                entries.iter().map(|(name, value)| Ok((name.clone(), declared(name, value)?))).collect::<Result<_>>().map(Overrides)
            }
            Ok(other) => Err(wrong(other.to_string())),
            Err(e) => Err(wrong(format!("text that is not JSON ({e})"))),
        }
    }
}

/// The declaration of one column.
fn declared(name: &str, value: &Value) -> Result<Declared> {
    let wrong = || Error::invalid(format!("schema, column '{name}'"), KNOWN, value);
    let (kind, special) = match value.get("kind") {
        Some(kind) => {
            let known = value.as_object().is_some_and(|entries| entries.keys().all(|key| key == "kind" || key == "special"));
            let special = value.get("special").cloned().unwrap_or_else(|| json!([]));
            let special: Vec<f64> = serde_json::from_value(special).ok().filter(|_| known).ok_or_else(wrong)?;
            if !may_be_special(&special) {
                return Err(Error::invalid(format!("schema, column '{name}'"), special_expected(), format!("{special:?}")));
            }
            (kind, special)
        }
        None => (value, Vec::new()),
    };
    // The labels of the table are asked for by the word alone.
    let of_table = kind.is_string();
    let kind = kind_of(kind).ok_or_else(wrong)?;
    let empty = of_table && kind.labels().is_some_and(<[_]>::is_empty);
    let alone = special.is_empty() || kind.labels().is_none();
    // Constants are inferred from the data.
    if matches!(kind, Kind::Constant(_)) || !(empty || kind.is_possible()) || !alone {
        Err(wrong())
    } else {
        Ok(Declared { kind, special })
    }
}

/// A kind in full or abbreviated. `"integer"` has no bounds, and `"categorical"` has the labels of the table.
fn kind_of(value: &Value) -> Option<Kind> {
    match value.as_str() {
        Some("integer") => Some(Kind::Integer(Bounds::default())),
        Some("categorical") => Some(Kind::Categorical(Vec::new())),
        _ => serde_json::from_value(value.clone()).ok(),
    }
}

/// A kind as [`Overrides::parse`] reads it, abbreviated if possible.
fn shown(kind: &Kind) -> Value {
    match kind {
        Kind::Integer(bounds) if *bounds == Bounds::default() => json!("integer"),
        kind => json!(kind),
    }
}

impl Schema {
    /// The document that declares the kinds of this schema, as [`Overrides::parse`] reads it. Constant columns are inferred from the data, so they are left out.
    pub fn declaration(&self) -> Value {
        let entry = |c: &SchemaColumn| {
            let kind = shown(&c.kind);
            let value = if c.special.is_empty() { kind } else { json!({ "kind": kind, "special": c.special }) };
            (c.name.clone(), value)
        };
        Value::Object(self.modelled().map(entry).collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_declaration_reads_back() {
        let text = r#"{"a":"continuous","b":{"bounded":[0.0,1.0]},"c":"integer","d":{"integer":{"low":1.0,"high":12.0}},
            "e":{"kind":"positive","special":[0.0,-9.0]},"f":{"categorical":["x","y"]},"g":{"time":"day"},"h":{"ordered":[1.0,5.0]}}"#;
        let read = Overrides::parse(text).unwrap();
        let column = |(name, d): (&String, &Declared)| SchemaColumn {
            name: name.clone(),
            kind: d.kind.clone(),
            special: d.special.clone(),
            missing: false,
            shift: 0.0,
            scale: 1.0,
        };
        let schema = Schema { columns: read.0.iter().map(column).collect(), ..Schema::default() };
        assert_eq!(Overrides::parse(&schema.declaration().to_string()).unwrap(), read);
        assert_eq!(schema.declaration(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for bad in [
            r#""log""#,
            "3",
            r#"{"bounded": [1, 0]}"#,
            r#"{"lattice": {"step": 0}}"#,
            r#"{"integer": {"low": 3, "high": 1}}"#,
            r#"{"integer": {"low": 0.5}}"#,
            r#"{"categorical": ["a", "a"]}"#,
            r#"{"categorical": []}"#,
            r#"{"ordered": []}"#,
            r#"{"kind": {"ordered": []}}"#,
            r#""ordered""#,
            r#"{"constant": 3}"#,
            r#"{"kind": "positive", "specials": [0]}"#,
            r#"{"kind": {"categorical": ["a"]}, "special": [0]}"#,
        ] {
            let error = Overrides::parse(&format!(r#"{{"price": {bad}}}"#)).unwrap_err().to_string();
            assert!(error.starts_with("schema, column 'price': expected \"continuous\", \"positive\""), "{error}");
        }
    }
}
