//! Converts rows of values to rows of elements, and back. The schema is consulted once, before the first row.

use super::{
    elements::{Element, Part},
    kind::{Bounds, Kind},
    lattice::{LARGEST_INDEX, Lattice},
    schema::{Schema, SchemaColumn},
};
use crate::space::Law;

/// The modelled columns of a schema, prepared for encoding and decoding.
pub(super) struct Coder<'a> {
    columns: Vec<Prepared<'a>>,
    /// The elements of a row in the support. Rows outside the support take its place.
    inside: Vec<f64>,
    /// The number of elements that are codes or lattice values.
    codes: usize,
}

/// A column with its elements.
struct Prepared<'a> {
    column: &'a SchemaColumn,
    /// The places of its flag or level, and of its standardised number.
    code: Option<usize>,
    number: Option<usize>,
    form: Form,
    /// The logarithm of the scale.
    log_scale: f64,
}

/// How ordinary values become numbers.
#[derive(Clone, Copy)]
enum Form {
    /// One of so many levels. A lattice has its lowest value and the index of that value.
    Levels(usize, Option<(Lattice, f64, f64)>),
    /// A value of a lattice, from the first possible value to the last.
    Lattice(Lattice, [f64; 2], Bounds),
    /// A point of a circle.
    Circle,
    /// A real number.
    Real,
}

impl Form {
    fn of(kind: &Kind) -> Self {
        match (kind.levels(), kind.lattice()) {
            (Some(levels), Some((lattice, Bounds { low: Some(low), .. }))) => {
                Form::Levels(levels, Some((lattice, low, ((low - lattice.offset()) / lattice.step()).round())))
            }
            (Some(levels), _) => Form::Levels(levels, None),
            (None, Some((lattice, bounds))) => {
                let ends = if let Kind::Time(unit) = kind { [unit.first(), unit.last()] } else { [f64::NEG_INFINITY, f64::INFINITY] };
                Form::Lattice(lattice, ends, bounds)
            }
            (None, None) if matches!(kind, Kind::Periodic(_)) => Form::Circle,
            (None, None) => Form::Real,
        }
    }
}

impl Schema {
    /// Prepares the columns.
    pub(super) fn coder(&self) -> Coder<'_> {
        let layout = self.layout();
        let prepared = |column| Prepared { column, code: None, number: None, form: Form::of(&column.kind), log_scale: column.scale.ln() };
        let mut columns: Vec<Prepared> = self.modelled().map(prepared).collect();
        for (k, e) in layout.iter().enumerate() {
            let column = &mut columns[e.column];
            *(if e.part == Part::Value { &mut column.number } else { &mut column.code }) = Some(k);
        }
        let inside = |e: &Element| if let Law::Lattice(cells) = e.law { cells.nearest(0.0) } else { 0.0 };
        Coder { columns, inside: layout.iter().map(inside).collect(), codes: layout.iter().filter(|e| e.law != Law::Real).count() }
    }
}

impl Coder<'_> {
    /// The number of elements of a row.
    pub(super) fn dim(&self) -> usize {
        self.inside.len()
    }

    /// The number of columns.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The number of elements that are codes or lattice values. They precede the reals.
    pub(super) fn codes(&self) -> usize {
        self.codes
    }

    /// The elements of some row in the support.
    pub(super) fn inside(&self) -> &[f64] {
        &self.inside
    }

    /// Writes the elements of a row of the support, and returns log|∂u/∂x| of the reals for which `counts` says so of their column. Absent elements are 0.
    pub(super) fn encode(&self, x: &[f64], elements: &mut [f64], counts: impl Fn(usize) -> bool) -> f64 {
        let mut ladj = 0.0;
        for (j, (c, &x)) in self.columns.iter().zip(x).enumerate() {
            let flag = c.column.flag(x);
            if let Form::Levels(levels, lowest) = c.form {
                let level = match (flag, lowest) {
                    (Some(flag), _) => (levels + flag) as f64,
                    (None, Some((lattice, low, _))) => ((x - low) / lattice.step()).round(),
                    (None, None) => x,
                };
                c.code.into_iter().for_each(|k| elements[k] = level);
                continue;
            }
            c.code.into_iter().for_each(|k| elements[k] = flag.map_or(0.0, |flag| 1.0 + flag as f64));
            let Some(number) = c.number else { continue };
            elements[number] = match flag {
                Some(_) => 0.0,
                None => {
                    let u = c.column.standardised(x);
                    if matches!(c.form, Form::Real | Form::Circle) && counts(j) {
                        ladj += c.column.kind.log_slope(x, u) - c.log_scale;
                    }
                    u
                }
            };
        }
        ladj
    }

    /// Writes the values of a row of elements.
    pub(super) fn decode(&self, elements: &[f64], x: &mut [f64]) {
        for (c, x) in self.columns.iter().zip(x) {
            *x = c.decoded(c.code.map(|k| elements[k]), c.number.map_or(0.0, |k| elements[k]));
        }
    }
}

impl Prepared<'_> {
    /// The value of a code, if the column has one, and a standardised number.
    fn decoded(&self, code: Option<f64>, u: f64) -> f64 {
        let c = self.column;
        let special = |k: usize| c.apart().nth(k).unwrap_or(f64::NAN);
        if let Form::Levels(levels, lowest) = self.form {
            let code = code.unwrap_or(0.0);
            return match lowest {
                _ if code >= levels as f64 => special(code as usize - levels),
                Some((lattice, _, first)) => lattice.value(first + code),
                None => code,
            };
        }
        if let Some(code) = code.filter(|&code| code > 0.0) {
            return special(code as usize - 1);
        }
        if let Form::Circle = self.form {
            return c.kind.to_file(u, c.shift);
        }
        let v = c.shift + c.scale * u;
        let Form::Lattice(lattice, [first, last], Bounds { low, high }) = self.form else { return c.kind.to_file(v, 0.0) };
        let k = ((v - lattice.offset()) / lattice.step()).round();
        // Rounding may carry a number of 32 bits over the end. Times have ends of their own: microseconds of the year 9999 are more than the largest index.
        let k = if first.is_finite() { k } else { k.clamp(-LARGEST_INDEX, LARGEST_INDEX) };
        lattice.value(k).clamp(first, last).max(low.unwrap_or(f64::NEG_INFINITY)).min(high.unwrap_or(f64::INFINITY))
    }
}

#[cfg(test)]
#[path = "coder_tests.rs"]
mod tests;
