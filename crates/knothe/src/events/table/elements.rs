//! The columns of a table as elements of a network: codes first, then reals.

use super::{
    kind::{Bounds, Kind},
    lattice::LARGEST_INDEX,
    schema::{Schema, SchemaColumn},
};
use crate::{
    error::Result,
    space::{Cells, Law, Shape, Space},
};

/// What an element says of its column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    /// 0 for an ordinary value, k for the k-th special one, and the last for a missing one.
    Flag,
    /// The index of the value, and beyond it the special values and the missing one.
    Level,
    /// The ordinary value, standardised.
    Value,
}

/// An element of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Element {
    /// The column, by its place among those that are modelled.
    pub(super) column: usize,
    /// What it says of it.
    pub(super) part: Part,
    /// Its law.
    pub(super) law: Law,
    /// The element that has to be 0 for this one to be there.
    pub(super) parent: Option<u32>,
}

impl Schema {
    /// The elements of a row.
    pub(super) fn layout(&self) -> Vec<Element> {
        let mut all = Vec::new();
        let mut reals = Vec::new();
        for (column, c) in self.modelled().enumerate() {
            let element = |part, law, parent| Element { column, part, law, parent };
            if let Some(levels) = c.kind.levels() {
                all.push(element(Part::Level, Law::Codes((levels + c.flags()) as u32), None));
                continue;
            }
            let parent = (c.flags() > 0).then(|| {
                all.push(element(Part::Flag, Law::Codes(1 + c.flags() as u32), None));
                all.len() as u32 - 1
            });
            match cells(c) {
                Some(cells) => all.push(element(Part::Value, Law::Lattice(cells), parent)),
                None => reals.push(element(Part::Value, Law::Real, parent)),
            }
        }
        all.extend(reals);
        all
    }

    /// The names of the elements.
    pub(super) fn names(&self) -> Vec<String> {
        let names: Vec<&str> = self.modelled().map(|c| c.name.as_str()).collect();
        let name = |e: &Element| {
            let name = names.get(e.column).copied().unwrap_or_default();
            if e.part == Part::Flag { format!("{name} (special or missing)") } else { name.into() }
        };
        self.layout().iter().map(name).collect()
    }

    /// The space of the elements.
    pub(super) fn elements_space(&self) -> Result<Space> {
        let layout = self.layout();
        let space = Space::of_laws(Shape::Columns(layout.len()), layout.iter().map(|e| e.law).collect())?;
        space.with_parents(layout.iter().map(|e| e.parent).collect())
    }
}

/// The cells of a column of a lattice, standardised.
fn cells(c: &SchemaColumn) -> Option<Cells> {
    let (lattice, Bounds { low, high }) = c.kind.lattice()?;
    let to_unit = |value: f64| (value - c.shift) / c.scale;
    Some(Cells { width: lattice.step / c.scale, low: low.map(to_unit), high: high.map(to_unit) })
}

impl SchemaColumn {
    /// The code or the standardised number that an element is for a value, which is in the support; 0 where the element is absent.
    pub(super) fn encoded(&self, part: Part, value: f64) -> f64 {
        match (part, self.flag(value), self.kind.levels()) {
            (Part::Flag, flag, _) => flag.map_or(0.0, |k| 1.0 + k as f64),
            (Part::Level, Some(flag), Some(levels)) => (levels + flag) as f64,
            (Part::Level, ..) => self.level(value),
            (Part::Value, Some(_), _) => 0.0,
            (Part::Value, None, _) => self.standardised(value),
        }
    }

    /// The index of an ordinary value among those of a column of few.
    fn level(&self, value: f64) -> f64 {
        match self.kind.lattice() {
            Some((lattice, Bounds { low: Some(low), .. })) => ((value - low) / lattice.step).round(),
            _ => value,
        }
    }

    /// The ordinary value of an index.
    fn of_level(&self, level: f64) -> f64 {
        match self.kind.lattice() {
            Some((lattice, Bounds { low: Some(low), .. })) => lattice.value(((low - lattice.offset) / lattice.step).round() + level),
            _ => level,
        }
    }

    /// u of an ordinary value. On a circle the seam takes the place of the shift.
    pub(super) fn standardised(&self, value: f64) -> f64 {
        let v = self.kind.to_real(value, self.shift);
        if matches!(self.kind, Kind::Periodic(_)) { v } else { (v - self.shift) / self.scale }
    }

    /// log|∂u/∂x| at an ordinary value of a continuous column.
    pub(super) fn log_slope(&self, value: f64, u: f64) -> f64 {
        self.kind.log_slope(value, u) - self.scale.ln()
    }

    /// The value of the elements of a column: its code, if it has one, and its standardised number.
    pub(super) fn decoded(&self, code: Option<f64>, u: f64) -> f64 {
        let special = |k: usize| self.special.get(k).copied().unwrap_or(f64::NAN);
        if let Some(levels) = self.kind.levels() {
            let code = code.unwrap_or(0.0);
            return if code < levels as f64 { self.of_level(code) } else { special(code as usize - levels) };
        }
        if let Some(code) = code.filter(|&code| code > 0.0) {
            return special(code as usize - 1);
        }
        if matches!(self.kind, Kind::Periodic(_)) {
            return self.kind.to_file(u, self.shift);
        }
        let v = self.shift + self.scale * u;
        let Some((lattice, Bounds { low, high })) = self.kind.lattice() else { return self.kind.to_file(v, 0.0) };
        // Rounding may carry a number of 32 bits over the end.
        let k = ((v - lattice.offset) / lattice.step).round().clamp(-LARGEST_INDEX, LARGEST_INDEX);
        let value = match self.kind {
            Kind::Time(unit) => lattice.value(k).clamp(unit.first(), unit.last()),
            _ => lattice.value(k),
        };
        value.max(low.unwrap_or(f64::NEG_INFINITY)).min(high.unwrap_or(f64::INFINITY))
    }
}
