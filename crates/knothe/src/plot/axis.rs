//! The range of a column in a picture, its cells, and its ticks.

/// The share of the values that a range may leave out at each end, so that single far rows do not shrink all others to a point.
const LEFT_OUT: f64 = 0.002;
/// The room beside the values, as a share of their range.
const ROOM: f64 = 0.05;

/// A column as an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The column's name.
    pub label: String,
    /// The lowest value shown.
    pub low: f64,
    /// The highest value shown.
    pub high: f64,
    /// The number of cells between them.
    pub cells: usize,
}

impl Axis {
    /// An axis for values that any of `columns` holds: but for 0.2 % at each end, within `support`, in `cells` equal cells.
    pub fn new(label: &str, columns: &[&[f64]], support: [f64; 2], cells: usize) -> Self {
        let mut values: Vec<f64> = columns.iter().flat_map(|c| c.iter().copied()).filter(|v| v.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| values.get((share * values.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or(0.0);
        let (low, high) = (at(LEFT_OUT), at(1.0 - LEFT_OUT));
        let room = if high > low { ROOM * (high - low) } else { 0.5 * low.abs().max(1.0) };
        Axis { label: label.into(), low: (low - room).max(support[0]), high: (high + room).min(support[1]), cells: cells.max(1) }
    }

    /// The same axis for values offset + k · step alone: each cell holds the same number of them, one where there are `cells` or fewer.
    pub fn on_lattice(self, offset: f64, step: f64) -> Self {
        let first = ((self.low - offset) / step).ceil();
        let count = (((self.high - offset) / step).floor() - first + 1.0).max(1.0);
        let each = (count / self.cells as f64).ceil();
        let cells = (count / each).ceil();
        let low = offset + step * (first - 0.5);
        Axis { low, high: low + step * each * cells, cells: cells as usize, ..self }
    }

    /// The width of a cell.
    pub fn cell(&self) -> f64 {
        (self.high - self.low) / self.cells as f64
    }

    /// The middle of a cell.
    pub fn centre(&self, cell: usize) -> f64 {
        self.low + (cell as f64 + 0.5) * self.cell()
    }

    /// The cell that holds a value.
    pub fn find(&self, value: f64) -> Option<usize> {
        let at = (value - self.low) / self.cell();
        (at >= 0.0 && at < self.cells as f64).then_some(at as usize)
    }

    /// Where a value stands between the ends, as a share.
    pub(super) fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// At most about `count` round values, with what to write beside them.
    pub(super) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        ticks(self.low, self.high, count)
    }
}

/// Multiples of 1, 2 or 5 times a power of 10 between two numbers, at most `count` or one more.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Vec<(f64, String)> {
    let least = (high - low) / count.max(1) as f64;
    if !(least.is_normal() && least > 0.0) {
        return Vec::new();
    }
    let power = least.log10().floor();
    let unit = 10f64.powf(power);
    let (factor, decimals) = [(1.0, 0.0), (2.0, 0.0), (5.0, 0.0), (10.0, 1.0)]
        .into_iter()
        .find(|(f, _)| f * unit >= least * (1.0 - 1e-9))
        .unwrap_or((10.0, 1.0));
    let (step, exponent) = (factor * unit, power + decimals);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    let large = low.abs().max(high.abs()) >= 1e5 || exponent < -4.0;
    let text = |value: f64| {
        let digits = (-exponent).max(0.0) as usize;
        if value == 0.0 {
            "0".into()
        } else if large {
            let digits = (value.abs().log10().floor() - exponent).max(0.0) as usize;
            format!("{value:.digits$e}").replace('-', "−")
        } else {
            format!("{value:.digits$}").replace('-', "−")
        }
    };
    (first..=last.min(first.saturating_add(50))).map(|k| (k as f64 * step, text(k as f64 * step))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let texts = |low, high, count| ticks(low, high, count).into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(texts(-1.3, 1.2, 5), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
        assert_eq!(texts(0.0, 100.0, 5), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(texts(0.0, 3e6, 3), ["0", "1e6", "2e6", "3e6"]);
        assert_eq!(texts(0.0102, 0.0131, 3), ["0.011", "0.012", "0.013"]);
        assert!(ticks(1.0, 1.0, 4).is_empty() && ticks(f64::NAN, 1.0, 4).is_empty());
    }

    #[test]
    fn far_values_do_not_set_the_range() {
        let mut values: Vec<f64> = (0..1_000).map(|i| f64::from(i) / 1_000.0).collect();
        values.push(1e9);
        let axis = Axis::new("x", &[&values], [0.0, f64::INFINITY], 10);
        assert!(axis.low == 0.0 && axis.high < 1.1, "{axis:?}");
        assert_eq!(axis.find(1e9), None);
    }

    #[test]
    fn whole_numbers_stand_in_the_middle_of_their_cells() {
        let values = [3.0, 4.0, 5.0, 9.0];
        let axis = Axis::new("k", &[&values], [f64::NEG_INFINITY, f64::INFINITY], 40).on_lattice(0.0, 1.0);
        assert!(values.iter().all(|&v| axis.find(v).is_some_and(|cell| (axis.centre(cell) - v).abs() < 1e-12)), "{axis:?}");
    }
}
