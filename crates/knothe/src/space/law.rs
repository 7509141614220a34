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
    pub(super) fn check(self) -> Result<()> {
        match self {
            Law::Real => Ok(()),
            Law::Codes(k) if (1..=LARGEST_ALPHABET).contains(&k) => Ok(()),
            Law::Codes(k) => Err(Error::invalid("codes", format!("1 to {LARGEST_ALPHABET}"), k)),
            Law::Lattice(Cells { width, low, high }) => Cells::new(width, low, high).map(|_| ()),
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
}

impl Cells {
    /// A lattice of a width between bounds, if there are any.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the width is not within 10⁻¹⁶ and 10¹⁶, a bound is not finite, or the bounds are not a number of widths apart.
    pub fn new(width: f64, low: Option<f64>, high: Option<f64>) -> Result<Self> {
        let cells = Cells { width, low, high };
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
        Ok(cells)
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

    /// Whether v is a value of the lattice, but for the rounding of numbers of relative precision `epsilon`.
    pub(crate) fn holds(self, v: f64, epsilon: f64) -> bool {
        let slack = SLACK * self.width + 4.0 * epsilon * (v.abs() + self.anchor().abs());
        // What is not finite compares as false.
        v.is_finite() && (v - self.nearest(v)).abs() <= slack
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lattice_holds_its_values_and_no_others() {
        let bounded = Cells { width: 0.1, low: Some(-0.25), high: Some(0.15) };
        assert_eq!(Cells::new(0.1, bounded.low, bounded.high).ok(), Some(bounded));
        let held = |cells: Cells, v: f64| cells.holds(v, f64::EPSILON);
        assert!((0..5).all(|k| held(bounded, -0.25 + 0.1 * f64::from(k))));
        assert!([-0.35, 0.25, 0.0, f64::NAN, f64::INFINITY].iter().all(|&v| !held(bounded, v)));
        let half = Cells { high: None, ..bounded };
        assert!(held(half, 1e6 - 0.05) && !held(half, -0.35));
        let open = Cells { low: None, ..half };
        assert!(held(open, -0.3) && held(open, 0.0) && !held(open, 0.05));
        // A number of 32 bits is as near to a far value as its last digit.
        assert!(open.holds(f64::from(12_345.6f32), f64::from(f32::EPSILON)));
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
            assert!(Law::Lattice(Cells { width, low, high }).check().is_err(), "{width} {low:?} {high:?}");
        }
        assert!(Law::Codes(0).check().is_err() && Law::Codes(65_537).check().is_err() && Law::Codes(1).check().is_ok());
    }
}
