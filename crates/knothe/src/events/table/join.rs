//! Joins the parts of a column into one column.

use std::collections::HashMap;
use std::mem::take;

use super::column::{Column, Form};

/// A column that grows by parts. Their forms may differ as long as one of them can hold the others.
pub(super) struct Joined {
    name: String,
    form: Form,
    /// The values of the parts. A part is copied to the one before it where that has room; one vector that grows would be moved again and again.
    parts: Vec<Vec<f64>>,
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
        let seen = !column.is_missing();
        let Column { name, values, form } = column;
        Joined { name, codes: codes_of(&form), form, parts: vec![values], seen, broken: false }
    }

    /// Makes room for this many rows.
    pub(super) fn reserve(&mut self, rows: usize) {
        if let [only] = &mut self.parts[..] {
            let missing = rows.saturating_sub(only.len());
            only.reserve_exact(missing);
        }
    }

    /// Adds a part. Numbers, texts, moments and Booleans contradict each other.
    pub(super) fn push(&mut self, mut part: Column) {
        if self.broken {
            return;
        }
        if !part.is_missing() {
            if !self.seen {
                self.form = part.form.clone();
                self.codes = codes_of(&self.form);
                self.seen = true;
            }
            self.agree(&mut part);
        }
        if !self.broken {
            match self.parts.last_mut().filter(|last| last.capacity() - last.len() >= part.values.len()) {
                Some(last) => last.extend(part.values),
                None => self.parts.push(part.values),
            }
        }
    }

    /// Converts both parts to a common form.
    fn agree(&mut self, part: &mut Column) {
        match (&mut self.form, &part.form) {
            (Form::Real, Form::Whole | Form::Real) | (Form::Whole, Form::Whole) | (Form::Boolean, Form::Boolean) => {}
            (form @ Form::Whole, Form::Real) => *form = Form::Real,
            (Form::Time(unit), Form::Time(other)) => {
                let finer = (*unit).max(*other);
                let by = unit.microseconds() / finer.microseconds();
                // Thousandths of a second after the year 4253 have no place among microseconds.
                self.broken = !self.parts.iter_mut().all(|values| rescale(values, by))
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
                self.parts = Vec::new();
            }
        }
    }

    /// The size of the column in bytes.
    pub(super) fn bytes(&self) -> u64 {
        // Twice for each text: in the labels and in the codes.
        let texts = self.codes.len() * 2 * (size_of::<String>() + size_of::<usize>() + 16);
        (self.parts.iter().map(Vec::len).sum::<usize>() * size_of::<f64>() + texts) as u64
    }

    /// The joined column, or nothing if the parts contradict each other.
    pub(super) fn into_column(mut self) -> Option<Column> {
        if self.broken {
            return None;
        }
        let values = if self.parts.len() == 1 {
            take(&mut self.parts[0])
        } else {
            let mut values = Vec::with_capacity(self.parts.iter().map(Vec::len).sum());
            // Each part is freed once it is copied.
            self.parts.into_iter().for_each(|part| values.extend(part));
            values
        };
        Some(Column { name: self.name, values, form: self.form })
    }
}

/// The codes of the texts of a form.
fn codes_of(form: &Form) -> HashMap<String, usize> {
    match form {
        Form::Text(labels) => labels.iter().cloned().zip(0..).collect(),
        _ => HashMap::new(),
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
