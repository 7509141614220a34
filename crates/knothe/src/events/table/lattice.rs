//! Equally spaced values: recognised, indexed, and found in data.

use serde::{Deserialize, Serialize};

/// The values offset + k · step for whole k.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lattice {
    /// The distance of neighbours.
    pub step: f64,
    /// One of the values.
    #[serde(default)]
    pub offset: f64,
}

/// The whole numbers.
pub(super) const INTEGERS: Lattice = Lattice { step: 1.0, offset: 0.0 };

/// 2⁵²: below it a 64-bit float has room for a fraction, which dequantisation needs.
const LARGEST_INDEX: f64 = 4_503_599_627_370_496.0;

/// The whole number that a value is, up to a few roundings of 64 bits; nothing for any other value.
///
/// A lattice is told by its printed step, so [`Lattice::index`] forgives more; a whole number that is not quite one is other data.
pub(super) fn whole(value: f64) -> Option<f64> {
    let k = value.round();
    ((value - k).abs() <= 4.0 * f64::EPSILON * k.abs() && k.abs() < LARGEST_INDEX).then_some(k)
}

/// Rows per distinct value from which a column counts as discrete. With fewer, rounding is finer than what a density of these rows can resolve.
const ROWS_PER_VALUE: usize = 5;
/// The magnitude of the smaller of two values as a share of the larger one, from which the two may be neighbours on a lattice.
const SMALLEST_OF_TWO: f64 = 1e-4;

impl Lattice {
    /// The k of a value; nothing where the value is off the lattice by more than rounding.
    ///
    /// Rounding is that of 32-bit floats, in which many tables were once stored, and of a printed step.
    pub fn index(&self, value: f64) -> Option<f64> {
        let k = ((value - self.offset) / self.step).round();
        let allowed = (1e-3 * self.step + rounding(value)).min(0.25 * self.step);
        ((value - self.value(k)).abs() <= allowed && k.abs() < LARGEST_INDEX).then_some(k)
    }

    /// The value of index k.
    pub fn value(&self, k: f64) -> f64 {
        self.offset + k * self.step
    }

    /// The index of the cell [value(k), value(k + 1)) that holds a real number.
    pub fn floor(&self, value: f64) -> f64 {
        ((value - self.offset) / self.step).floor()
    }

    /// How many distinct values there are, and how many the lattice makes of them; nothing where it keeps them all apart. Values that storing them as 32-bit floats
    /// may have parted count as one.
    pub(super) fn merges(&self, sorted: &[f64]) -> Option<(usize, usize)> {
        let noise = noise(sorted);
        let apart = distinct(sorted, |a, b| noise.max(rounding(a.abs().max(b.abs()))));
        // A value off the lattice is another fault, which is told with its row.
        let mut cells: Vec<f64> = apart.iter().filter_map(|&value| self.index(value)).collect();
        let values = cells.len();
        cells.dedup();
        (cells.len() < values).then_some((values, cells.len()))
    }

    /// The lattice that sorted values lie on, where each distinct value holds several rows.
    pub(super) fn find(sorted: &[f64]) -> Option<Lattice> {
        let largest = sorted.first()?.abs().max(sorted.last()?.abs());
        let noise = noise(sorted);
        let distinct = distinct(sorted, |a, b| noise.max(1e-12 * a.abs().max(b.abs())));
        if distinct.len() < 2 || distinct.len() * ROWS_PER_VALUE > sorted.len() {
            return None;
        }
        // Any two values lie on a lattice. One that is far larger than the other, such as a mark for what is missing, says nothing of a step.
        if let [a, b] = distinct[..]
            && a != 0.0
            && b != 0.0
            && a.abs().min(b.abs()) < SMALLEST_OF_TWO * largest
        {
            return None;
        }
        let gap = distinct.windows(2).map(|w| w[1] - w[0]).fold(f64::INFINITY, f64::min);
        // The smallest gap is a small multiple of the step: 2 and 3 where no two neighbours are both taken.
        let step = (1..=6).find_map(|q| refined(&distinct, gap / f64::from(q)))?;
        let origin = distinct[0] - step * (distinct[0] / step).round();
        // A lattice whose cells are no wider than the rounding explains anything.
        if step < 16.0 * rounding(largest) {
            return None;
        }
        let fits = |lattice: &Lattice| distinct.iter().all(|&v| lattice.index(v).is_some());
        let candidates = (1..=9).flat_map(|digits| {
            let step = significant(step, digits);
            [0.0, significant(origin, digits), origin].map(|offset| Lattice { step, offset })
        });
        candidates.chain([Lattice { step, offset: origin }]).find(fits)
    }
}

/// What is rounding near 0: 0.1 + 0.2 − 0.3 is no value of its own. The median sets the scale, because a placeholder for a missing value may be far larger.
fn noise(sorted: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = sorted.iter().map(|v| v.abs()).filter(|&v| v > 0.0).collect();
    sizes.sort_by(f64::total_cmp);
    1e-12 * sizes.get(sizes.len() / 2).copied().unwrap_or(0.0)
}

/// The first of each run of sorted values that are no farther apart than `rounding` allows.
fn distinct(sorted: &[f64], rounding: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let mut distinct: Vec<f64> = Vec::new();
    for &value in sorted {
        if distinct.last().is_none_or(|&last| value - last > rounding(value, last)) {
            distinct.push(value);
        }
    }
    distinct
}

/// The step near `start` of which all distances from the first value are multiples. Each value sharpens it for the next, farther one.
fn refined(distinct: &[f64], start: f64) -> Option<f64> {
    let mut step = start;
    for value in &distinct[1..] {
        let distance = value - distinct[0];
        let k = (distance / step).round();
        if k < 1.0 || (distance - k * step).abs() > 0.01 * step + 2.0 * rounding(value.abs().max(distinct[0].abs())) {
            return None;
        }
        step = distance / k;
    }
    Some(step)
}

/// What storing a value as a 32-bit float may have changed, with room for a few such roundings.
fn rounding(value: f64) -> f64 {
    2.0 * f64::from(f32::EPSILON) * value.abs()
}

/// A number rounded to so many significant digits.
fn significant(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sorted(mut v: Vec<f64>) -> Vec<f64> {
        v.sort_by(f64::total_cmp);
        v
    }

    /// A multiplicative hash stands for random draws.
    fn draws(n: u64) -> impl Iterator<Item = u64> {
        (0..n).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40)
    }

    #[test]
    fn finds_a_step_in_both_precisions() {
        let k: Vec<u64> = draws(2000).map(|h| h % 150).collect();
        let exact = sorted(k.iter().map(|&k| 0.18 * k as f64).collect());
        let single = sorted(k.iter().map(|&k| f64::from(0.18f32 * k as f32)).collect());
        for values in [exact, single] {
            assert_eq!(Lattice::find(&values), Some(Lattice { step: 0.18, offset: 0.0 }));
        }
    }

    #[test]
    fn finds_an_offset_and_a_step_that_no_two_values_show() {
        let values = sorted(draws(1000).map(|h| 0.5 + 0.25 * [0.0, 2.0, 5.0, 8.0, 11.0][(h % 5) as usize]).collect());
        let found = Lattice::find(&values).unwrap();
        assert_eq!(found.step, 0.25);
        assert!(values.iter().all(|&v| found.index(v).is_some()));
        let shifted = sorted(draws(1000).map(|h| 0.1 + (h % 40) as f64).collect());
        assert_eq!(Lattice::find(&shifted), Some(Lattice { step: 1.0, offset: 0.1 }));
    }

    #[test]
    fn leaves_continuous_data_alone() {
        let uniform: Vec<f64> = draws(5000).map(|h| h as f64 / (1u64 << 24) as f64).collect();
        let single: Vec<f64> = uniform.iter().map(|&u| f64::from((u as f32).ln_1p())).collect();
        assert_eq!(Lattice::find(&sorted(single)), None);
        // Each row ten times, as a bootstrap would have it: few distinct values, none of them equally spaced.
        let repeated = uniform.iter().take(500).flat_map(|&u| [f64::from((u as f32).exp()); 10]).collect();
        assert_eq!(Lattice::find(&sorted(repeated)), None);
    }

    #[test]
    fn rounding_beside_zero_hides_no_lattice() {
        let value = |(i, h): (usize, u64)| if i % 9 == 0 { 0.1 + 0.2 - 0.3 } else { 0.1 * (h % 12) as f64 };
        assert_eq!(Lattice::find(&sorted(draws(1000).enumerate().map(value).collect())), Some(Lattice { step: 0.1, offset: 0.0 }));
    }

    #[test]
    fn a_mark_for_what_is_missing_is_no_step() {
        // Continuous values, whole numbers and a single other value, each with 20 marks among 1,000 rows.
        let continuous = |h: u64| h as f64 / (1u64 << 24) as f64;
        let others: [fn(u64) -> f64; 3] = [|h| (h % 5) as f64, |_| 0.3, |h| 0.1 * (h % 7) as f64];
        for value in [continuous as fn(u64) -> f64].into_iter().chain(others) {
            let marked = draws(1000).enumerate().map(|(i, h)| if i % 50 == 0 { 1e20 } else { value(h) });
            assert_eq!(Lattice::find(&sorted(marked.collect())), None);
        }
    }

    #[test]
    fn a_lattice_that_makes_one_value_of_two_is_told() {
        let values: Vec<f64> = [0.0, 0.1, 0.1f32.into(), 0.2, 1.0].into();
        let with = |step| Lattice { step, offset: 0.0 }.merges(&values);
        assert_eq!(with(0.1), None);
        assert_eq!(Lattice { step: 1000.0, offset: 0.0 }.merges(&values), Some((4, 1)));
        assert_eq!(with(0.3), None, "0.1 is off the lattice, and merged with nothing");
        // Rounding is no value of its own.
        assert_eq!(Lattice { step: 0.1, offset: 0.0 }.merges(&[0.0, 0.1 + 0.2 - 0.3, 0.1, 0.2]), None);
    }

    #[test]
    fn refuses_what_is_off_the_lattice() {
        let lattice = Lattice { step: 0.18, offset: 0.0 };
        assert_eq!(lattice.index(0.54), Some(3.0));
        assert_eq!(lattice.index(0.55), None);
    }

    #[test]
    fn whole_numbers_are_whole() {
        assert_eq!([whole(3.0), whole(-7.0), whole(0.0)], [Some(3.0), Some(-7.0), Some(0.0)]);
        assert_eq!(whole(3.0f64.next_up()), Some(3.0));
        // A thousandth off, the rounding of 32 bits off, and too large for a fraction beside it.
        assert_eq!([whole(3.001), whole(1_000_000.06), whole(1e-300), whole(1e16), whole(f64::NAN)], [None; 5]);
    }
}
