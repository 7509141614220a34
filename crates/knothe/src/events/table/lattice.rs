//! Lattices of equally spaced values: indexing them, and recognising them in data.

use super::rounding::Rounding;

/// The values offset + k · step for whole k.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lattice {
    step: f64,
    offset: f64,
    /// The power of ten that makes step and offset whole, if they are decimals of few digits.
    power: Option<f64>,
}

/// The whole numbers.
pub(super) const INTEGERS: Lattice = Lattice { step: 1.0, offset: 0.0, power: Some(1.0) };

/// 2⁵²: below it a 64-bit float has room for a fraction, which dequantisation needs.
pub(super) const LARGEST_INDEX: f64 = 4_503_599_627_370_495.0;

/// 2²⁴: 32-bit floats hold every whole number up to it.
const LARGEST_SINGLE: f64 = 16_777_216.0;

/// The whole number that a value equals up to a few 64-bit roundings, or nothing for any other value.
///
/// [`Lattice::index`] allows more, because the step of a lattice may be rounded in print. Whole numbers are not rounded in this way.
pub(super) fn whole(value: f64) -> Option<f64> {
    let k = value.round();
    ((value - k).abs() <= 4.0 * f64::EPSILON * k.abs() && k.abs() < LARGEST_INDEX).then_some(k)
}

/// A column with at least this many rows per distinct value counts as discrete. With fewer, rounding is finer than a density of these rows can resolve.
const ROWS_PER_VALUE: usize = 5;
/// Two values may be neighbours on a lattice if the smaller magnitude is at least this share of the larger one.
const SMALLEST_OF_TWO: f64 = 1e-4;
/// The largest q of a step p / q that values of rounded decimals may have.
const LARGEST_DENOMINATOR: u32 = 100;
/// The most distinct values off a lattice.
const MOST_EXCEPTIONS: usize = 3;
/// The powers of ten of the decimals of a step.
const POWERS: [f64; 10] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// The decimal digits of evidence that a common divisor of whole numbers needs, and the additional digits for each value that is left out.
const DIGITS: f64 = 6.0;
const DIGITS_AN_EXCEPTION: f64 = 3.0;

impl Lattice {
    /// The lattice with this distance between neighbours and this value.
    pub fn new(step: f64, offset: f64) -> Self {
        let is_decimal = |x: f64, power: f64| (x * power).round() / power == x;
        let power = POWERS.into_iter().find(|&power| is_decimal(step, power) && is_decimal(offset, power));
        Lattice { step, offset, power }
    }

    /// The distance of neighbours.
    pub fn step(&self) -> f64 {
        self.step
    }

    /// Whether step and offset are decimals of few digits.
    pub(super) fn is_decimal(&self) -> bool {
        self.power.is_some()
    }

    /// One of the values.
    pub fn offset(&self) -> f64 {
        self.offset
    }

    /// The index k of a value, or nothing if the value is off the lattice by more than rounding.
    ///
    /// Rounding comes from 32-bit floats, in which many tables were once stored, and from a printed step. Whole numbers that 32 bits can hold are exact on a lattice of whole
    /// numbers: −999 is not a multiple of 1,000.
    pub fn index(&self, value: f64) -> Option<f64> {
        let k = ((value - self.offset) / self.step).round();
        let exact = [self.step, self.offset, value].iter().all(|v| v.fract() == 0.0) && value.abs() <= LARGEST_SINGLE;
        let allowed = if exact { 0.0 } else { (1e-3 * self.step + rounding(value)).min(0.25 * self.step) };
        ((value - self.value(k)).abs() <= allowed && k.abs() < LARGEST_INDEX).then_some(k)
    }

    /// The value of index k. Where step and offset are decimals of few digits, so is the value: 58 · 0.05 is 2.9, and not 2.9000000000000004.
    pub fn value(&self, k: f64) -> f64 {
        let v = self.offset + k * self.step;
        match self.power {
            Some(power) if (v * power).abs() < LARGEST_INDEX => (v * power).round() / power,
            _ => v,
        }
    }

    /// The index k of the cell [value(k), value(k + 1)) that contains a real number.
    pub fn floor(&self, value: f64) -> f64 {
        ((value - self.offset) / self.step).floor()
    }

    /// If the lattice merges distinct values: the number of values, and the number that remain. Values that differ only by the rounding of 32-bit floats count
    /// as one.
    pub(super) fn merges(&self, sorted: &[f64]) -> Option<(usize, usize)> {
        let noise = noise(sorted);
        let apart = distinct(sorted, |a, b| noise.max(rounding(a.abs().max(b.abs()))));
        // A value off the lattice is a different error, which is reported with its row.
        let mut cells: Vec<f64> = apart.iter().filter_map(|&value| self.index(value)).collect();
        let values = cells.len();
        cells.dedup();
        (cells.len() < values).then_some((values, cells.len()))
    }

    /// The lattice that sorted values lie on, up to a few distinct ones.
    ///
    /// The differences of whole numbers must have a common divisor above 1 that chance does not explain. For other numbers, and for whole numbers with step 1, each distinct
    /// value must have several rows. A lattice without exceptions is preferred. With e exceptions it must have at least 5 e values.
    pub(super) fn find(sorted: &[f64]) -> Option<Found> {
        let noise = noise(sorted);
        // Whole numbers are not rounded.
        let exact = sorted.iter().all(|&v| whole(v).is_some());
        let distinct = distinct(sorted, |a, b| if exact { 0.0 } else { noise.max(1e-12 * a.abs().max(b.abs())) });
        let on = |search: &dyn Fn(&[f64], usize) -> Option<Lattice>| {
            without_few(sorted, &distinct).find_map(|(bulk, left_out)| {
                search(&bulk, left_out).map(|lattice| Found::new(lattice, sorted)).filter(Found::has_few_exceptions)
            })
        };
        let resolved = distinct.len() >= 2 && distinct.len() * ROWS_PER_VALUE <= sorted.len();
        on(&common_divisor).or_else(|| if resolved { on(&|bulk, _| regular(bulk)) } else { None })
    }
}

/// A lattice found in data.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// The lattice of almost all values.
    pub(super) lattice: Lattice,
    /// The values off the lattice, and the number of rows of each.
    pub(super) exceptions: Vec<(f64, usize)>,
}

impl Found {
    fn has_few_exceptions(&self) -> bool {
        self.exceptions.len() <= MOST_EXCEPTIONS
    }

    fn new(lattice: Lattice, sorted: &[f64]) -> Self {
        let runs = sorted.chunk_by(|a, b| a == b);
        let exceptions = runs.filter(|run| lattice.index(run[0]).is_none()).map(|run| (run[0], run.len())).collect();
        Found { lattice, exceptions }
    }
}

/// The distinct values; then the values without one to three of the first and last; and then without the most frequent one, which may be a placeholder.
fn without_few<'a>(sorted: &'a [f64], distinct: &'a [f64]) -> impl Iterator<Item = (Vec<f64>, usize)> + 'a {
    let ends = (0..=MOST_EXCEPTIONS).flat_map(|few| (0..=few).map(move |low| (low, few - low)));
    let trimmed = ends.filter_map(|(low, high)| {
        let bulk = distinct.get(low..distinct.len().checked_sub(high)?)?;
        Some((bulk.to_vec(), low + high))
    });
    let most_frequent = || {
        let run = sorted.chunk_by(|a, b| a == b).max_by_key(|run| run.len())?;
        Some((distinct.iter().copied().filter(|v| v != &run[0]).collect(), 1))
    };
    let enough = |(bulk, left_out): &(Vec<f64>, usize)| bulk.len() >= 5 * left_out;
    trimmed.chain(std::iter::once_with(most_frequent).flatten()).filter(enough)
}

/// The lattice of whole numbers whose differences have a common divisor. The probability that k random differences share the divisor g is g⁻ᵏ.
fn common_divisor(distinct: &[f64], left_out: usize) -> Option<Lattice> {
    let first = whole(*distinct.first()?)?;
    let mut divisor = 0;
    for &value in distinct {
        divisor = gcd((whole(value)? - first) as u64, divisor);
        if divisor == 1 {
            return None;
        }
    }
    let step = divisor as f64;
    let digits = (distinct.len() as f64 - 1.0) * step.log10();
    (distinct.len() >= 2 && digits >= DIGITS + DIGITS_AN_EXCEPTION * left_out as f64)
        .then(|| Lattice::new(step, first - step * (first / step).round()))
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The lattice of distinct values, derived from their smallest distance.
fn regular(distinct: &[f64]) -> Option<Lattice> {
    if distinct.len() < 2 {
        return None;
    }
    if distinct.iter().all(|&v| whole(v).is_some()) {
        // Chance explains the common divisor of a larger step.
        return Some(INTEGERS);
    }
    let largest = distinct.iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
    // Any two values lie on a lattice. If one is far larger than the other, as a placeholder for missing values is, they give no evidence of a step.
    if let [a, b] = distinct[..]
        && a != 0.0
        && b != 0.0
        && a.abs().min(b.abs()) < SMALLEST_OF_TWO * largest
    {
        return None;
    }
    let gap = distinct.windows(2).map(|w| w[1] - w[0]).fold(f64::INFINITY, f64::min);
    // The smallest gap is a small multiple of the step. It is 2 or 3 steps if no two neighbours both occur.
    let step = (1..=6).find_map(|q| refined(distinct, gap / f64::from(q)))?;
    let origin = distinct[0] - step * (distinct[0] / step).round();
    // A lattice whose cells are no wider than the rounding fits any values.
    if step < 16.0 * rounding(largest) {
        return None;
    }
    let written = Rounding::of(distinct);
    // The step has all digits that the values tell: with fewer of them, values beyond those that are seen would be off the lattice.
    let within = |lattice: &Lattice, room: f64| {
        let allowed = |v: f64| room * written.half_width(v) + rounding(v) + 1e-9 * lattice.step;
        let is_near = |v: f64| lattice.index(v).is_some_and(|k| (v - lattice.value(k)).abs() <= allowed(v));
        distinct.iter().all(|&v| is_near(v))
    };
    let decimals = || (1..=9).flat_map(|digits| lattices(significant(step, digits), origin, digits));
    // k/3 that was written as 0.33333 and 0.66667 is no multiple of a decimal.
    let fractions = || {
        let numerators = (2..=LARGEST_DENOMINATOR).map(|q| ((step * f64::from(q)).round(), f64::from(q)));
        numerators.filter(|(p, _)| *p >= 1.0).flat_map(|(p, q)| lattices(p / q, origin, 9))
    };
    // The step and the offset come from values that are rounded themselves.
    let either = || fractions().chain(decimals()).chain([Lattice::new(step, origin)]);
    let found = decimals().find(|lattice| within(lattice, 0.0)).or_else(|| either().find(|lattice| within(lattice, 2.0)));
    // Sums in 32 bits have more rounding than that; the step with all of its digits is the best that can be said.
    let on = |lattice: &Lattice| distinct.iter().all(|&v| lattice.index(v).is_some());
    found.or_else(|| lattices(significant(step, 9), origin, 9).into_iter().find(on))
}

/// The lattices of a step, the simplest first.
fn lattices(step: f64, origin: f64, digits: usize) -> [Lattice; 3] {
    [0.0, significant(origin, digits), origin].map(|offset| Lattice::new(step, offset))
}

/// The rounding near 0: 0.1 + 0.2 − 0.3 is not a value in its own right. The median sets the scale, because a placeholder for missing values may be far larger.
fn noise(sorted: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = sorted.iter().map(|v| v.abs()).filter(|&v| v > 0.0).collect();
    sizes.sort_by(f64::total_cmp);
    1e-12 * sizes.get(sizes.len() / 2).copied().unwrap_or(0.0)
}

/// The first value of each run of sorted values whose distances are within `rounding`.
fn distinct(sorted: &[f64], rounding: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let mut distinct: Vec<f64> = Vec::new();
    for &value in sorted {
        if distinct.last().is_none_or(|&last| value - last > rounding(value, last)) {
            distinct.push(value);
        }
    }
    distinct
}

/// The step near `start` that divides all distances from the first value. Each value sharpens the step for the next, more distant one.
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

/// The possible error of storing a value as a 32-bit float, with room for a few such roundings.
fn rounding(value: f64) -> f64 {
    2.0 * f64::from(f32::EPSILON) * value.abs()
}

/// A number rounded to the given number of significant digits.
fn significant(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().unwrap_or(value)
}

#[cfg(test)]
#[path = "lattice_tests.rs"]
mod tests;
