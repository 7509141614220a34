//! The columns of a table as elements of a network: codes first, then reals.

use super::{
    kind::{Bounds, Kind},
    schema::{Schema, SchemaColumn},
};
use crate::{
    error::Result,
    space::{Cells, Law, Shape, Space},
};

/// The part of a column that an element represents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    /// 0 for an ordinary value, k for the k-th special value, and the last code for a missing value.
    Flag,
    /// The index of an ordinary value, followed by the indices of the special values and of a missing value.
    Level,
    /// The ordinary value, standardised.
    Value,
}

/// An element of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Element {
    /// The index of the column among the modelled columns.
    pub(super) column: usize,
    /// The part of the column.
    pub(super) part: Part,
    /// Its law.
    pub(super) law: Law,
    /// The element that must be 0 for this one to be present.
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

/// The standardised cells of a column on a lattice.
fn cells(c: &SchemaColumn) -> Option<Cells> {
    let (lattice, Bounds { low, high }) = c.kind.lattice()?;
    let to_unit = |value: f64| (value - c.shift) / c.scale;
    let atoms: Vec<f64> = c.atoms().map(to_unit).collect();
    Some(Cells {
        width: lattice.step() / c.scale,
        low: low.map(to_unit),
        high: high.map(to_unit),
        atoms: std::array::from_fn(|k| atoms.get(k).copied()),
    })
}

impl SchemaColumn {
    /// u of an ordinary value. On a circle the seam takes the place of the shift.
    pub(super) fn standardised(&self, value: f64) -> f64 {
        let v = self.kind.to_real(value, self.shift);
        if matches!(self.kind, Kind::Periodic(_)) { v } else { (v - self.shift) / self.scale }
    }
}
