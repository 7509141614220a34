//! The range of a column in a picture, and its cells.

/// The share of the values that a range may leave out at each end, so that single far rows do not shrink all others to a point.
const LEFT_OUT: f64 = 0.002;
/// The room beside the values, as a share of their range.
const ROOM: f64 = 0.05;

/// The characters that are kept at each end of a longer text.
const LONGEST: usize = 200;
/// The most values of an axis that are drawn one by one beside another axis.
const MOST_VALUES: usize = 16;

/// The meaning of the numbers of an axis, which decides about its ticks.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Marks {
    /// Real numbers.
    #[default]
    Numbers,
    /// The values offset + k · step.
    Lattice {
        /// The distance of neighbours.
        step: f64,
        /// One of the values.
        offset: f64,
    },
    /// k stands for the k-th of these texts.
    Labels(Vec<String>),
    /// Moments, counted from the start of 1970 in units of so many microseconds.
    Moments(i64),
}

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
    /// The meaning of the numbers.
    pub marks: Marks,
    /// Whether each cell is one value, which has a mass and not a density.
    pub discrete: bool,
}

impl Axis {
    /// An axis for real numbers from `low` to `high`.
    pub fn between(label: &str, low: f64, high: f64, cells: usize) -> Self {
        Axis { label: bounded(label), low, high, cells: cells.max(1), marks: Marks::Numbers, discrete: false }
    }

    /// An axis with a cell for each of these texts.
    pub fn of_labels(label: &str, texts: Vec<String>) -> Self {
        let cells = texts.len().max(1);
        let (low, high) = (-0.5, cells as f64 - 0.5);
        let texts = texts.iter().map(|text| bounded(text)).collect();
        Axis { label: bounded(label), low, high, cells, marks: Marks::Labels(texts), discrete: true }
    }

    /// An axis for values that any of `columns` holds: but for 0.2 % at each end, within `support`, in `cells` equal cells.
    pub fn new(label: &str, columns: &[&[f64]], support: [f64; 2], cells: usize) -> Self {
        let mut values: Vec<f64> = columns.iter().flat_map(|c| c.iter().copied()).filter(|v| v.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| values.get((share * values.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or(0.0);
        let (low, high) = (at(LEFT_OUT), at(1.0 - LEFT_OUT));
        let room = if high > low { ROOM * (high - low) } else { 0.5 * low.abs().max(1.0) };
        Axis::between(label, (low - room).max(support[0]), (high + room).min(support[1]), cells)
    }

    /// The same axis for the values offset + k · step alone. Each cell holds the same number of them: one, if `cells` suffice for that.
    pub fn on_lattice(self, offset: f64, step: f64) -> Self {
        let first = ((self.low - offset) / step).ceil();
        let count = (((self.high - offset) / step).floor() - first + 1.0).max(1.0);
        let each = (count / self.cells as f64).ceil();
        let cells = (count / each).ceil();
        let low = offset + step * (first - 0.5);
        let marks = Marks::Lattice { step, offset };
        Axis { low, high: low + step * each * cells, cells: cells as usize, discrete: each == 1.0, marks, ..self }
    }

    /// Whether the values are so few that each of them is drawn separately, like a category.
    pub fn is_few(&self) -> bool {
        self.discrete && self.cells <= MOST_VALUES
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
}

/// The text, without its middle if it has more than 2 · `LONGEST` characters.
fn bounded(text: &str) -> String {
    let length = text.chars().count();
    if length <= 2 * LONGEST {
        return text.into();
    }
    text.chars().take(LONGEST).chain(['…']).chain(text.chars().skip(length - LONGEST)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(axis.is_few() && axis.cells == 7, "{axis:?}");
        // 1,000 values in 40 cells are drawn as real numbers are.
        let many: Vec<f64> = (0..1_000).map(f64::from).collect();
        assert!(!Axis::new("k", &[&many], [f64::NEG_INFINITY, f64::INFINITY], 40).on_lattice(0.0, 1.0).discrete);
    }

    #[test]
    fn long_texts_lose_their_middle() {
        let axis = Axis::of_labels(&"n".repeat(1_000_000), vec![format!("a{}z", "é".repeat(1_000)), "short".into()]);
        assert_eq!(axis.label.chars().count(), 2 * LONGEST + 1);
        let texts = if let Marks::Labels(texts) = &axis.marks { texts.clone() } else { Vec::new() };
        assert!(texts.len() == 2 && texts[0].starts_with("aé") && texts[0].ends_with("éz") && texts[1] == "short", "{texts:?}");
    }
}
