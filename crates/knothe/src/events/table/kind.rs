//! The kinds of columns.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    column::{Unit, shown},
    lattice::{INTEGERS, Lattice, whole},
    quoted,
};
use crate::special::{cdf_and_density, quantile};

/// A bounded column of at most this many whole numbers has a separate probability for each value. With more, neighbouring values share parameters.
const MOST_LEVELS: f64 = 64.0;
/// The smallest distance from the ends of a turn, as a share of it. The normal quantile of a smaller share is not a finite 64-bit number.
const NEAREST: f64 = 1e-16;

/// The most labels that a message lists.
const MOST_SHOWN: usize = 10;

/// A value of a categorical column, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// False or true.
    Flag(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Flag(flag) => write!(f, "{flag}"),
            Label::Number(number) => f.write_str(&shown(*number)),
            Label::Text(text) => f.write_str(text),
        }
    }
}

/// The first labels, for a message.
pub(super) fn in_words(labels: &[Label]) -> String {
    let shown: Vec<String> = labels.iter().take(MOST_SHOWN).map(Label::to_string).collect();
    format!("{}{}", quoted(&shown), if labels.len() > MOST_SHOWN { ", …" } else { "" })
}

/// The smallest and the largest value of a column, if it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The smallest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// Equally spaced values, offset + k · step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spaced {
    /// The distance of neighbours.
    pub step: f64,
    /// One of the values.
    #[serde(default)]
    pub offset: f64,
    /// The smallest value, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The largest value, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// The kind of a column. Continuous columns have a density, the others have masses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Any real number: x = v.
    Continuous,
    /// Greater than 0: x = exp(v).
    Positive,
    /// Strictly between two numbers a < b: x = a + (b − a) / (1 + exp(−v)).
    Bounded([f64; 2]),
    /// A point of a circle, from a up to b, where a and b are the same point: x = seam + (b − a) Φ(v), wrapped around. The seam lies in the widest gap of the training rows.
    Periodic([f64; 2]),
    /// Whole numbers.
    Integer(Bounds),
    /// Equally spaced values.
    Lattice(Spaced),
    /// One of these labels, without an order.
    Categorical(Vec<Label>),
    /// One of these labels, in this order. Neighbouring labels share parameters, so a rare label takes its probability from its neighbours.
    Ordered(Vec<Label>),
    /// Moments, counted in this unit from the start of 1970.
    Time(Unit),
    /// A single value, which is left out of the density and restored in samples. It is inferred from the data and never declared.
    Constant(Label),
}

impl Kind {
    /// The lattice of the values and its bounds, if the values lie on one.
    pub fn lattice(&self) -> Option<(Lattice, Bounds)> {
        match self {
            Kind::Integer(bounds) => Some((INTEGERS, *bounds)),
            Kind::Lattice(Spaced { step, offset, low, high }) => Some((Lattice::new(*step, *offset), Bounds { low: *low, high: *high })),
            Kind::Time(_) => Some((INTEGERS, Bounds::default())),
            // The indices of the labels.
            Kind::Ordered(labels) => Some((INTEGERS, Bounds { low: Some(0.0), high: Some(labels.len() as f64 - 1.0) })),
            _ => None,
        }
    }

    /// Whether the law of the values can have [atoms](crate::space::Cells::atoms). A lattice can, unless each of its values has parameters of its own.
    pub(super) fn has_atoms(&self) -> bool {
        matches!(self, Kind::Integer(_) | Kind::Lattice(_)) && self.levels().is_none()
    }

    /// Whether the values have masses.
    pub fn is_discrete(&self) -> bool {
        !matches!(self, Kind::Continuous | Kind::Positive | Kind::Bounded(_) | Kind::Periodic(_))
    }

    /// The labels of a categorical column.
    pub fn labels(&self) -> Option<&[Label]> {
        match self {
            Kind::Categorical(labels) | Kind::Ordered(labels) => Some(labels),
            _ => None,
        }
    }

    /// The number of values, if each has a separate probability.
    pub(super) fn levels(&self) -> Option<usize> {
        match (self.labels(), self.lattice()) {
            // Two labels have no order that matters.
            (Some(labels), None) => Some(labels.len()),
            (Some(labels), _) => (labels.len() <= 2).then_some(labels.len()),
            (None, Some((lattice, Bounds { low: Some(low), high: Some(high) }))) => {
                let count = ((high - low) / lattice.step()).round() + 1.0;
                (count <= MOST_LEVELS).then_some(count as usize)
            }
            _ => None,
        }
    }

    /// Describes the possible values, if this value is not one of them. A value of a categorical column is the index of its label.
    pub(super) fn contradiction(&self, value: f64) -> Option<String> {
        match self {
            // An unknown label has an infinite index.
            Kind::Categorical(labels) | Kind::Ordered(labels) => {
                (!(0.0..labels.len() as f64).contains(&value)).then(|| format!("one of {}", in_words(labels)))
            }
            _ if !value.is_finite() => Some("a finite number".into()),
            Kind::Continuous | Kind::Periodic(_) | Kind::Constant(_) => None,
            Kind::Positive => (value <= 0.0).then(|| "a number above 0".into()),
            Kind::Bounded([a, b]) => (!(*a < value && value < *b)).then(|| format!("a number strictly between {a} and {b}")),
            Kind::Time(unit) => (value.fract() != 0.0 || !(unit.first()..=unit.last()).contains(&value)).then(|| self.values()),
            _ => {
                let (lattice, Bounds { low, high }) = self.lattice()?;
                let on = if lattice == INTEGERS { whole(value).is_some() } else { lattice.index(value).is_some() };
                let room = 0.25 * lattice.step();
                let inside = low.is_none_or(|low| value >= low - room) && high.is_none_or(|high| value <= high + room);
                (!on || !inside).then(|| self.values())
            }
        }
    }

    /// The values in words.
    fn values(&self) -> String {
        let Some((lattice, Bounds { low, high })) = self.lattice() else { return "another value".into() };
        let what = match self {
            Kind::Integer(_) => "a whole number below 2^52 in magnitude".into(),
            Kind::Time(unit) => format!("a time in whole {unit:?}s").to_lowercase() + ", from year 1 to 9999",
            _ if lattice.offset() == 0.0 => format!("a multiple of {}", lattice.step()),
            _ => format!("{} + a multiple of {}", lattice.offset(), lattice.step()),
        };
        match (low, high) {
            (None, None) => what,
            (Some(low), None) => format!("{what}, from {low}"),
            (None, Some(high)) => format!("{what}, up to {high}"),
            (Some(low), Some(high)) => format!("{what}, from {low} to {high}"),
        }
    }

    /// Whether such a kind is possible.
    pub(super) fn is_possible(&self) -> bool {
        let finite = |bound: Option<f64>| bound.is_none_or(f64::is_finite);
        match self {
            Kind::Bounded([a, b]) | Kind::Periodic([a, b]) => a < b && (b - a).is_finite(),
            Kind::Categorical(labels) | Kind::Ordered(labels) => {
                // Only few labels are compared, since each is compared with all before it.
                let differ = || labels.iter().enumerate().all(|(k, label)| !labels[..k].contains(label));
                (1..=super::infer::MOST_CATEGORIES).contains(&labels.len()) && differ()
            }
            Kind::Integer(_) | Kind::Lattice(_) => self.lattice().is_some_and(|(lattice, Bounds { low, high })| {
                let step = lattice.step() > 0.0 && lattice.step().is_finite() && lattice.offset().is_finite();
                let on = |bound: Option<f64>| bound.is_none_or(|bound| lattice.index(bound).is_some());
                let ordered = low.zip(high).is_none_or(|(low, high)| low < high);
                step && finite(low) && finite(high) && on(low) && on(high) && ordered
            }),
            Kind::Constant(Label::Number(value)) => value.is_finite(),
            _ => true,
        }
    }

    /// v of x, without a check that x is in the support. `seam` is used for circles only.
    pub(super) fn to_real(&self, x: f64, seam: f64) -> f64 {
        match self {
            Kind::Positive => x.ln(),
            Kind::Bounded([a, b]) => ((x - a) / (b - x)).ln(),
            Kind::Periodic([a, b]) => quantile(((x - seam) / (b - a)).rem_euclid(1.0).clamp(NEAREST, 1.0 - NEAREST)),
            _ => x,
        }
    }

    /// x of v. Far in the tails, x stops at the last number inside the bound.
    pub(super) fn to_file(&self, v: f64, seam: f64) -> f64 {
        match self {
            Kind::Positive => v.exp().clamp(f64::MIN_POSITIVE, f64::MAX),
            Kind::Bounded([a, b]) => {
                // e/(1 + e) is the distance to the nearer bound, as a share of the width: no digits cancel there.
                let e = (-v.abs()).exp();
                let share = (b - a) * e / (1.0 + e);
                (if v < 0.0 { a + share } else { b - share }).clamp(a.next_up(), b.next_down())
            }
            Kind::Periodic([a, b]) => {
                let turn = b - a;
                (a + (seam - a + turn * cdf_and_density(v).0).rem_euclid(turn)).clamp(*a, b.next_down())
            }
            _ => v,
        }
    }

    /// log dv/dx at x, where v is the image of x.
    pub(super) fn log_slope(&self, x: f64, v: f64) -> f64 {
        match self {
            Kind::Positive => -x.ln(),
            Kind::Bounded([a, b]) => (b - a).ln() - (x - a).ln() - (b - x).ln(),
            // 1 / (standard normal density · length of the turn).
            Kind::Periodic([a, b]) => 0.5 * v * v + 0.5 * std::f64::consts::TAU.ln() - (b - a).ln(),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> [(Kind, f64); 4] {
        [(Kind::Continuous, 1e3), (Kind::Positive, 1e2), (Kind::Bounded([-2.0, 5.0]), 8.0), (Kind::Periodic([0.0, 360.0]), 5.0)]
    }

    #[test]
    fn goes_forth_and_back() {
        for (kind, reach) in kinds() {
            for i in -20..=20 {
                let v = f64::from(i) / 20.0 * reach;
                let back = kind.to_real(kind.to_file(v, 123.0), 123.0);
                // Near a bound x keeps eps/exp(−8) = 1e-12 of its relative distance to it, and Φ(5) leaves 1e-9 of the digits of the quantile's tail.
                assert!((v - back).abs() < 1e-7 * (1.0 + v.abs()), "{kind:?}: {v} became {back}");
            }
        }
    }

    #[test]
    fn log_slope_is_the_slope() {
        for (kind, _) in kinds() {
            for v in [-2.4, -0.7, 0.3, 1.6] {
                let (x, h) = (kind.to_file(v, 123.0), 1e-5);
                let slope = (kind.to_file(v + h, 123.0) - kind.to_file(v - h, 123.0)) / (2.0 * h);
                // The central difference errs by h² times the third derivative, here below 1e-8 of the slope, and by rounding.
                assert!((slope.ln() + kind.log_slope(x, v)).abs() < 1e-6, "{kind:?} at {v}");
            }
        }
    }

    #[test]
    fn stays_inside_the_support() {
        for v in [-1e6, -800.0, -40.0, 40.0, 800.0, 1e6] {
            let x = Kind::Bounded([-1.0, 3.0]).to_file(v, 0.0);
            assert!(-1.0 < x && x < 3.0);
            let x = Kind::Positive.to_file(v, 0.0);
            assert!(0.0 < x && x.is_finite());
            let x = Kind::Periodic([-180.0, 180.0]).to_file(v, 10.0);
            assert!((-180.0..180.0).contains(&x));
        }
        // A turn away is the same point.
        let circle = Kind::Periodic([0.0, 360.0]);
        assert!((circle.to_real(20.0, 300.0) - circle.to_real(380.0, 300.0)).abs() < 1e-12);
    }

    #[test]
    fn values_outside_are_told() {
        let integer = |low, high| Kind::Integer(Bounds { low, high });
        assert_eq!(integer(Some(1.0), Some(12.0)).contradiction(13.0), Some("a whole number below 2^52 in magnitude, from 1 to 12".into()));
        assert_eq!(integer(Some(0.0), None).contradiction(-1.0).as_deref(), Some("a whole number below 2^52 in magnitude, from 0"));
        assert_eq!(integer(None, None).contradiction(-1.0), None);
        assert!(integer(None, None).contradiction(0.5).is_some() && Kind::Continuous.contradiction(f64::INFINITY).is_some());
        assert_eq!((integer(Some(1.0), Some(12.0)).levels(), integer(Some(1.0), Some(100.0)).levels()), (Some(12), None));
        let labels = |n: u32| (0..n).map(|k| Label::Number(k.into())).collect();
        assert_eq!(
            [Kind::Ordered(labels(2)), Kind::Ordered(labels(3)), Kind::Categorical(labels(3))].map(|k| k.levels()),
            [Some(2), None, Some(3)]
        );
        assert_eq!(Kind::Categorical(labels(3)).contradiction(f64::INFINITY).as_deref(), Some("one of '0', '1' and '2'"));
        assert!(in_words(&labels(11)).ends_with(", …") && !in_words(&labels(10)).ends_with(", …"));
        assert!(Kind::Ordered(labels(3)).contradiction(3.0).is_some() && Kind::Ordered(labels(3)).contradiction(2.0).is_none());
    }
}
