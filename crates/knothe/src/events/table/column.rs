//! Columns of a file: numbers and their meaning.

/// The meaning of a column's values.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Form {
    /// Real numbers.
    #[default]
    Real,
    /// Whole numbers: an integer type, or text in which every value is whole.
    Whole,
    /// 0 for false and 1 for true.
    Boolean,
    /// Indices into these texts, from 0.
    Text(Vec<String>),
    /// Moments, counted from the start of 1970 in this unit.
    Time(Unit),
}

/// The unit in which moments are counted, and how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Days: `2026-11-29`.
    Day,
    /// Seconds: `2026-11-29T08:00:00`.
    Second,
    /// Thousandths of a second: `2026-11-29T08:00:00.125`.
    Millisecond,
    /// Millionths of a second: `2026-11-29T08:00:00.125250`.
    Microsecond,
}

impl Form {
    /// Whether the values are whole numbers.
    pub fn is_whole(&self) -> bool {
        matches!(self, Form::Whole | Form::Boolean)
    }
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name.
    pub name: String,
    /// One number per row, NaN for a missing value.
    pub values: Vec<f64>,
    /// The meaning of the numbers.
    pub form: Form,
}

impl Column {
    /// A column of real numbers.
    pub fn real(name: impl Into<String>, values: Vec<f64>) -> Self {
        Column { name: name.into(), values, form: Form::Real }
    }

    /// A column of whole numbers.
    pub fn whole(name: impl Into<String>, values: Vec<f64>) -> Self {
        Column { name: name.into(), values, form: Form::Whole }
    }

    /// A column in which every value is missing. It joins with a column of any form.
    pub(super) fn missing(name: impl Into<String>, rows: usize) -> Self {
        Column::whole(name, vec![f64::NAN; rows])
    }

    /// Whether every value is missing.
    pub(super) fn is_missing(&self) -> bool {
        self.values.iter().all(|v| v.is_nan())
    }

    /// A column of whole or real numbers.
    pub fn numbers(name: impl Into<String>, values: Vec<f64>, whole: bool) -> Self {
        Column { name: name.into(), values, form: if whole { Form::Whole } else { Form::Real } }
    }

    /// Whether the values are numbers, or 0 and 1 for false and true.
    pub(super) fn is_numeric(&self) -> bool {
        matches!(self.form, Form::Real | Form::Whole | Form::Boolean) || self.values.iter().all(|v| v.is_nan())
    }

    /// A value as text: a label, "true", a date, or a number. A missing value is an empty text.
    pub fn text(&self, row: usize) -> String {
        let value = self.values.get(row).copied().unwrap_or(f64::NAN);
        match (&self.form, value) {
            (_, v) if v.is_nan() => String::new(),
            (Form::Text(labels), v) => labels.get(v as usize).cloned().unwrap_or_default(),
            (Form::Boolean, v) => (v == 1.0).to_string(),
            (Form::Time(unit), v) => unit.text(v).unwrap_or_default(),
            (Form::Real | Form::Whole, v) => shown(v),
        }
    }

    /// A value for a message.
    pub(super) fn shown(&self, row: usize) -> String {
        let text = self.text(row);
        match self.form {
            _ if text.is_empty() => "no value".into(),
            Form::Text(_) => format!("'{}'", shortened(&text)),
            _ => text,
        }
    }
}

/// A text, shortened to fit into a message of one line.
pub(super) fn shortened(text: &str) -> String {
    if text.chars().count() > 40 { text.chars().take(40).chain(['…']).collect() } else { text.into() }
}

/// Whether a value equals a number, or equals it after rounding to a 32-bit float.
pub(super) fn is_same(number: f64, value: f64) -> bool {
    number == value || (f64::from(value as f32) == value && number as f32 == value as f32)
}

/// A number as people write it: 1e20 instead of 21 digits.
pub(super) fn shown(value: f64) -> String {
    if value.abs() >= 1e15 || (value != 0.0 && value.abs() < 1e-5) { format!("{value:e}") } else { value.to_string() }
}
