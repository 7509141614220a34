//! What stands for a missing value in a column.

use super::{
    column::{Column, Form},
    moment,
    reading::Reading,
    text::is_missing,
};

/// The texts that stand for a missing value in one column.
#[derive(Clone, Debug, Default)]
pub(super) struct Absent {
    /// The texts that the user names.
    texts: Vec<String>,
    /// The numbers among them.
    numbers: Vec<f64>,
    /// The labels of the column, where they are known: none of them is missing unless the user says so.
    labels: Option<Vec<String>>,
}

impl Absent {
    /// The texts that are missing in the column of this name.
    pub(super) fn of(reading: &Reading, name: &str) -> Self {
        let numbers = reading.missing.iter().filter_map(|text| text.parse().ok()).filter(|v: &f64| !v.is_nan());
        Absent { texts: reading.missing.clone(), numbers: numbers.collect(), labels: reading.labels.get(name).cloned() }
    }

    /// Whether a field of a text file is missing: it is one of the words for that, and no label.
    pub(super) fn is_field(&self, field: &[u8]) -> bool {
        let is = |texts: &[String]| texts.iter().any(|text| text.as_bytes() == field);
        (is_missing(field) && !self.labels.as_ref().is_some_and(|labels| is(labels))) || is(&self.texts)
    }

    /// Whether a text is missing in a file whose format marks missing values itself. Words such as `NA` are then ordinary texts, unless the labels are known.
    pub(super) fn is_text(&self, text: &str) -> bool {
        text.is_empty() || self.texts.iter().any(|known| known == text) || (self.labels.is_some() && self.is_field(text.as_bytes()))
    }

    /// Whether a number is missing.
    pub(super) fn is_number(&self, value: f64) -> bool {
        self.numbers.contains(&value)
    }

    /// Takes the numbers and the moments out of a column that stand for a missing value.
    pub(super) fn remove(&self, column: &mut Column) {
        let marks: Vec<f64> = match column.form {
            Form::Real | Form::Whole => self.numbers.clone(),
            Form::Time(unit) => {
                let count = |text: &String| moment::parse(text).map(|m| m as f64 / unit.microseconds() as f64);
                self.texts.iter().filter_map(count).collect()
            }
            Form::Boolean | Form::Text(_) => Vec::new(),
        };
        if !marks.is_empty() {
            column.values.iter_mut().filter(|v| marks.contains(v)).for_each(|v| *v = f64::NAN);
        }
    }
}
