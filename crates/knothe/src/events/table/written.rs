//! The types in which columns are written.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray,
};

use super::column::{Column, Form, Unit};
use super::write::delimited_field;

/// Beyond 2⁵³ a 64-bit float no longer tells neighbouring integers apart.
pub(crate) const LARGEST_INTEGER: f64 = 9_007_199_254_740_992.0;

/// The type in which a column is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Written {
    Real,
    Whole,
    Boolean,
    Text,
    Time(Unit),
}

impl Written {
    /// The type that represents a column without loss.
    pub(super) fn of(column: &Column) -> Self {
        let present = || column.values.iter().filter(|v| !v.is_nan());
        let whole = || present().all(|v| v.fract() == 0.0 && v.abs() <= LARGEST_INTEGER);
        match &column.form {
            Form::Text(labels) if present().all(|v| label(labels, *v).is_some()) => Written::Text,
            Form::Boolean if present().all(|v| matches!(v, 0.0 | 1.0)) => Written::Boolean,
            Form::Time(unit) if present().all(|v| v.fract() == 0.0 && unit.text(*v).is_some()) => Written::Time(*unit),
            Form::Whole | Form::Boolean if whole() => Written::Whole,
            _ => Written::Real,
        }
    }

    /// Whether a further part of the column can be written in this type.
    pub(super) fn holds(self, column: &Column) -> bool {
        let own = Written::of(column);
        match self {
            Written::Real => !matches!(column.form, Form::Text(_)) || own != Written::Text,
            // NPY writes the numbers of all forms.
            Written::Whole => own != Written::Real,
            _ => own == self,
        }
    }

    /// The values in words.
    pub(super) fn word(self) -> &'static str {
        match self {
            Written::Real => "numbers",
            Written::Whole => "integers",
            Written::Boolean => "Booleans",
            Written::Text => "texts",
            Written::Time(_) => "moments",
        }
    }

    /// Writes a value that is not missing.
    pub(super) fn field(self, out: &mut impl Write, column: &Column, value: f64, delimiter: char) -> io::Result<()> {
        match (self, &column.form) {
            (Written::Text, Form::Text(labels)) => {
                write!(out, "{}", delimited_field(label(labels, value).unwrap_or_default(), delimiter))
            }
            (Written::Boolean, _) => write!(out, "{}", value == 1.0),
            (Written::Time(unit), _) => write!(out, "{}", unit.text(value).unwrap_or_default()),
            (Written::Whole, _) => write!(out, "{}", value as i64),
            _ => write!(out, "{value:?}"),
        }
    }

    fn array(self, column: &Column) -> ArrayRef {
        let present = column.values.iter().map(|v| Some(*v).filter(|v| !v.is_nan()));
        let whole = present.clone().map(|v| v.map(|v| v as i64));
        match (self, &column.form) {
            (Written::Text, Form::Text(labels)) => Arc::new(present.map(|v| v.and_then(|v| label(labels, v))).collect::<StringArray>()),
            (Written::Boolean, _) => Arc::new(present.map(|v| v.map(|v| v == 1.0)).collect::<BooleanArray>()),
            (Written::Time(Unit::Day), _) => Arc::new(present.map(|v| v.map(|v| v as i32)).collect::<Date32Array>()),
            // Parquet has no timestamps in seconds.
            (Written::Time(Unit::Second), _) => {
                Arc::new(whole.map(|v| v.map(|v| v.saturating_mul(1000))).collect::<TimestampMillisecondArray>())
            }
            (Written::Time(Unit::Millisecond), _) => Arc::new(whole.collect::<TimestampMillisecondArray>()),
            (Written::Time(Unit::Microsecond), _) => Arc::new(whole.collect::<TimestampMicrosecondArray>()),
            (Written::Whole, _) => Arc::new(whole.collect::<Int64Array>()),
            _ => Arc::new(present.collect::<Float64Array>()),
        }
    }
}

/// The text with an index.
fn label(labels: &[String], code: f64) -> Option<&str> {
    let is_code = code >= 0.0 && code.fract() == 0.0;
    if is_code { labels.get(code as usize).map(String::as_str) } else { None }
}

/// Columns as an Arrow record batch.
pub(super) fn batch(columns: &[Column], written: &[Written]) -> io::Result<RecordBatch> {
    let arrays = columns.iter().zip(written).map(|(column, written)| (column.name.as_str(), written.array(column)));
    // The schema comes from the first batch, so it cannot depend on missing values.
    RecordBatch::try_from_iter_with_nullable(arrays.map(|(name, array)| (name, array, true))).map_err(io::Error::other)
}
