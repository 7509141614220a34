//! What the values of one element can be.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The largest alphabet.
const LARGEST_ALPHABET: u32 = 65_536;
/// The least and the greatest width of a lattice: squares of their ratio to 1 are numbers of 32 bits.
const WIDTHS: std::ops::RangeInclusive<f64> = 1e-16..=1e16;
/// The share of a width by which a value of a lattice may miss its place, beside rounding.
pub(crate) const SLACK: f64 = 1e-3;

/// What the values of an element can be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// Real numbers.
    Real,
    /// The codes 0, 1, …, k − 1 of an alphabet of k, which have no order.
    Codes(u32),
    /// Equidistant numbers.
    Lattice(Cells),
}

impl Law {
    /// Whether values have masses and not densities.
    pub fn is_discrete(self) -> bool {
        self != Law::Real
    }

    /// The numbers by which a network reads a value: the value itself, or whether it is code 1, code 2, … (code 0 is none of them).
    pub(crate) fn features(self) -> usize {
        match self {
            Law::Codes(k) => (k as usize).saturating_sub(1),
            Law::Real | Law::Lattice(_) => 1,
        }
    }

    /// Checks the numbers of the law.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an alphabet without a code or of more than 65,536, and those of [`Cells::new`].
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Law::Real => Ok(()),
            Law::Codes(k) if (1..=LARGEST_ALPHABET).contains(&k) => Ok(()),
            Law::Codes(k) => Err(Error::invalid("codes", format!("1 to {LARGEST_ALPHABET}"), k)),
            Law::Lattice(cells) => cells.check(),
        }
    }
}

/// The values low, low + width, …, high of a lattice, in the units of the network. A side without a bound goes on for ever. Without any bound, 0 is one of the values.
///
/// A column of integers k that its coding standardises as (k − shift)/scale has the width 1/scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cells {
    /// The distance of neighbours.
    pub width: f64,
    /// The least value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// Values that have a share of their own, beside the one that their neighbours suggest. `None` fills the places that are left.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub atoms: [Option<f64>; Cells::MOST_ATOMS],
}

fn is_empty(atoms: &[Option<f64>]) -> bool {
    atoms.iter().all(Option::is_none)
}

impl Cells {
    /// The largest number of atoms.
    pub const MOST_ATOMS: usize = 8;

    /// A lattice of a width between bounds, if there are any.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the width is not within 10⁻¹⁶ and 10¹⁶, a bound is not finite, or the bounds are not a number of widths apart.
    pub fn new(width: f64, low: Option<f64>, high: Option<f64>) -> Result<Self> {
        let cells = Cells { width, low, high, atoms: [None; Cells::MOST_ATOMS] };
        cells.check().map(|()| cells)
    }

    /// The same lattice with these atoms.
    ///
    /// # Errors
    /// [`Error::Invalid`] for more than [`Cells::MOST_ATOMS`], for two that are equal, and for numbers that are not on the lattice.
    pub fn with_atoms(mut self, atoms: &[f64]) -> Result<Self> {
        if atoms.len() > Cells::MOST_ATOMS {
            return Err(Error::invalid("atoms of a lattice", format!("at most {}", Cells::MOST_ATOMS), atoms.len()));
        }
        self.atoms = std::array::from_fn(|k| atoms.get(k).copied());
        self.check().map(|()| self)
    }

    /// The atoms in their order.
    pub fn atoms(&self) -> impl Iterator<Item = f64> + '_ {
        self.atoms.iter().flatten().copied()
    }

    /// Checks the numbers.
    fn check(&self) -> Result<()> {
        let Cells { width, low, high, .. } = *self;
        if !WIDTHS.contains(&width) {
            return Err(Error::invalid("width of a lattice", format!("{:e} to {:e}", WIDTHS.start(), WIDTHS.end()), width));
        }
        if let Some(bound) = [low, high].into_iter().flatten().find(|bound| !bound.is_finite()) {
            return Err(Error::invalid("bound of a lattice", "a finite number", bound));
        }
        if let (Some(low), Some(high)) = (low, high) {
            let steps = (high - low) / width;
            let rounding = 4.0 * f64::EPSILON * (low.abs() + high.abs()) / width;
            if high < low || (steps - steps.round()).abs() > SLACK + rounding {
                return Err(Error::invalid(
                    "bounds of a lattice",
                    format!("a number of steps of {width} apart"),
                    format!("{low} and {high}"),
                ));
            }
        }
        let atoms: Vec<f64> = self.atoms().collect();
        for (k, atom) in atoms.iter().enumerate() {
            let off = (atom - self.nearest(*atom)).abs() / width;
            // A difference with NaN is not small.
            let is_on = off <= SLACK + 4.0 * f64::EPSILON * (atom.abs() + self.anchor().abs()) / width;
            if !is_on || atoms[..k].iter().any(|other| (other - atom).abs() < 0.5 * width) {
                return Err(Error::invalid("atoms of a lattice", "different values of the lattice", format!("{atoms:?}")));
            }
        }
        Ok(())
    }

    /// A value of the lattice, from which the others are counted.
    pub(crate) fn anchor(self) -> f64 {
        self.low.or(self.high).unwrap_or(0.0)
    }

    /// The value nearest to v.
    pub(crate) fn nearest(self, v: f64) -> f64 {
        let value = self.anchor() + ((v - self.anchor()) / self.width).round() * self.width;
        value.max(self.low.unwrap_or(f64::NEG_INFINITY)).min(self.high.unwrap_or(f64::INFINITY))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_nearest_value_is_within_the_bounds() {
        let cells = Cells::new(0.5, Some(-0.75), Some(0.25)).unwrap();
        assert_eq!([-9.0, -0.3, 0.1, 9.0].map(|v| cells.nearest(v)), [-0.75, -0.25, 0.25, 0.25]);
        assert_eq!(Cells { low: None, ..cells }.nearest(-9.1), -9.25);
        assert_eq!(Cells { low: None, high: None, ..cells }.nearest(7.3), 7.5);
    }

    #[test]
    fn atoms_are_different_values_of_the_lattice() {
        let cells = Cells::new(0.5, Some(-0.75), Some(0.75)).unwrap();
        assert_eq!(cells.with_atoms(&[0.25, -0.75]).unwrap().atoms().collect::<Vec<_>>(), [0.25, -0.75]);
        for atoms in [&[0.3][..], &[0.25, 0.25], &[1.25], &[f64::NAN], &[0.0; 9]] {
            assert!(cells.with_atoms(atoms).is_err(), "{atoms:?}");
        }
        // A file of another version, without atoms.
        let read: Cells = serde_json::from_str(r#"{"width": 0.5, "low": -0.75}"#).unwrap();
        assert_eq!(read, Cells::new(0.5, Some(-0.75), None).unwrap());
        let text = serde_json::to_string(&cells.with_atoms(&[0.25]).unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Cells>(&text).unwrap(), cells.with_atoms(&[0.25]).unwrap());
    }

    #[test]
    fn what_is_no_lattice_is_refused() {
        for (width, low, high) in [
            (0.0, None, None),
            (-1.0, None, None),
            (f64::NAN, None, None),
            (1.0, Some(f64::INFINITY), None),
            (1.0, Some(0.0), Some(-1.0)),
            (1.0, Some(0.0), Some(1.5)),
        ] {
            assert!(Law::Lattice(Cells { width, low, high, atoms: [None; 8] }).check().is_err(), "{width} {low:?} {high:?}");
        }
        assert!(Law::Codes(0).check().is_err() && Law::Codes(65_537).check().is_err() && Law::Codes(1).check().is_ok());
    }
}
