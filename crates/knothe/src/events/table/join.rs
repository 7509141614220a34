//! Joins the parts of a column into one column.

use std::collections::HashMap;
use std::mem::take;

use super::column::{Column, Form};

/// A column that grows by parts. Their forms may differ as long as one of them can hold the others.
pub(super) struct Joined {
    column: Column,
    /// The codes of the texts so far.
    codes: HashMap<String, usize>,
    /// Whether some value is present.
    seen: bool,
    /// Whether the parts contradict each other. Then no values are kept.
    broken: bool,
}

impl Joined {
    /// The first part.
    pub(super) fn new(column: Column) -> Self {
        let codes = match &column.form {
            Form::Text(labels) => labels.iter().cloned().zip(0..).collect(),
            _ => HashMap::new(),
        };
        let seen = !column.is_missing();
        Joined { column, codes, seen, broken: false }
    }

    /// Adds a part. Numbers, texts, moments and Booleans contradict each other.
    pub(super) fn push(&mut self, mut part: Column) {
        if self.broken {
            return;
        }
        if !part.is_missing() {
            if !self.seen {
                let missing = take(&mut self.column.values);
                *self = Joined::new(Column { name: take(&mut self.column.name), values: missing, form: part.form.clone() });
                self.seen = true;
            }
            self.agree(&mut part);
        }
        if !self.broken {
            self.column.values.append(&mut part.values);
        }
    }

    /// Converts both parts to a common form.
    fn agree(&mut self, part: &mut Column) {
        match (&mut self.column.form, &part.form) {
            (Form::Real, Form::Whole | Form::Real) | (Form::Whole, Form::Whole) | (Form::Boolean, Form::Boolean) => {}
            (form @ Form::Whole, Form::Real) => *form = Form::Real,
            (Form::Time(unit), Form::Time(other)) => {
                let finer = (*unit).max(*other);
                // Thousandths of a second after the year 4253 have no place among microseconds.
                self.broken = !rescale(&mut self.column.values, unit.microseconds() / finer.microseconds())
                    || !rescale(&mut part.values, other.microseconds() / finer.microseconds());
                *unit = finer;
            }
            (Form::Text(labels), Form::Text(others)) => {
                let code = |label: &String| match self.codes.get(label) {
                    Some(code) => *code as f64,
                    None => {
                        labels.push(label.clone());
                        self.codes.insert(label.clone(), labels.len() - 1);
                        (labels.len() - 1) as f64
                    }
                };
                let codes: Vec<f64> = others.iter().map(code).collect();
                for value in part.values.iter_mut().filter(|v| !v.is_nan()) {
                    *value = codes.get(*value as usize).copied().unwrap_or(f64::NAN);
                }
            }
            _ => {
                self.broken = true;
                self.column.values = Vec::new();
            }
        }
    }

    /// The size of the column in bytes.
    pub(super) fn bytes(&self) -> u64 {
        // Twice for each text: in the labels and in the codes.
        let texts = self.codes.len() * 2 * (size_of::<String>() + size_of::<usize>() + 16);
        (self.column.values.len() * size_of::<f64>() + texts) as u64
    }

    /// The joined column, or nothing if the parts contradict each other.
    pub(super) fn into_column(self) -> Option<Column> {
        (!self.broken).then_some(self.column)
    }
}

/// Whether all products are exact.
fn rescale(values: &mut [f64], by: i64) -> bool {
    let mut exact = true;
    if by != 1 {
        for v in values.iter_mut() {
            let product = (*v as i64).saturating_mul(by);
            *v *= by as f64;
            exact &= v.is_nan() || *v as i64 == product;
        }
    }
    exact
}
