//! Chooses how the columns of a schema are shown: as numbers, whole numbers, labels or dates, with special and missing values apart.

use knothe::{
    events::table::{Kind, Label, Lattice, SchemaColumn},
    plot::{Apart, Axis, Marks, Variable},
};

/// The most bars of special values and of missing ones, together.
const MOST_APART: usize = 4;
/// A lattice with at most this many steps is shown as a whole, however rare its values are.
const WHOLE_LATTICE: f64 = 24.0;
const REALS: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];

/// A column as it is shown.
pub struct Shown {
    /// Its axis, and what stands apart.
    pub variable: Variable,
    /// The cell of each category, where some of them share the last.
    cells: Vec<usize>,
}

/// The lattice of the values of a column; labels are counted from 0.
pub fn lattice(kind: &Kind) -> Option<Lattice> {
    let labels = kind.labels().map(|_| Lattice::new(1.0, 0.0));
    labels.or_else(|| kind.lattice().map(|(lattice, _)| lattice))
}

impl Shown {
    /// A column whose axis has at most `cells` cells, or `categories` categories and one cell for the rest. The range comes from `rows`, or from the samples if all values of
    /// `rows` are missing or special.
    pub fn new(column: &SchemaColumn, rows: &[f64], samples: &[f64], cells: usize, categories: usize) -> Self {
        let apart = apart(column, rows);
        let split = Variable { axis: Axis::between("", 0.0, 1.0, 1), apart };
        let ordinary = |values: &[f64]| -> Vec<f64> {
            values.iter().copied().filter(|&v| !v.is_nan() && !split.apart.iter().any(|a| a.holds(v))).collect()
        };
        let mut values = ordinary(rows);
        if values.is_empty() {
            values = ordinary(samples);
        }
        let name = column.name.as_str();
        let (axis, cells) = match &column.kind {
            Kind::Categorical(labels) if labels.len() > categories + 1 => frequent(name, labels, &values, categories),
            kind => (axis(name, kind, &values, cells), Vec::new()),
        };
        Shown { variable: Variable { axis, ..split }, cells }
    }

    /// Whether the column is shown as real numbers alone.
    pub fn is_plain(&self) -> bool {
        !self.variable.axis.is_few() && self.variable.apart.is_empty()
    }

    /// Whether a value stands apart.
    pub fn is_apart(&self, value: f64) -> bool {
        self.variable.apart.iter().any(|a| a.holds(value))
    }

    /// Values by their place on the axis.
    pub fn places(&self, values: &[f64]) -> Vec<f64> {
        if self.cells.is_empty() {
            return values.to_vec();
        }
        values.iter().map(|&v| if v.is_nan() { v } else { self.cells.get(v as usize).map_or(v, |&cell| cell as f64) }).collect()
    }

    /// The values of the column on a discrete axis.
    pub fn values(&self) -> Vec<f64> {
        if self.cells.is_empty() {
            return (0..self.variable.axis.cells).map(|cell| self.variable.axis.centre(cell)).collect();
        }
        (0..self.cells.len()).map(|k| k as f64).collect()
    }

    /// The mass of each cell of a discrete axis, from the masses of [`Shown::values`].
    pub fn sums(&self, values: &[f64], masses: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.variable.axis.cells];
        for ((place, mass), value) in self.places(values).into_iter().zip(masses).zip(values) {
            // A special value has a bar of its own, which shows its mass.
            if let Some(cell) = self.variable.axis.find(place).filter(|_| !self.is_apart(*value)) {
                sums[cell] += mass;
            }
        }
        sums
    }
}

/// The special values and the missing one; the rarest of many special values share a bar.
fn apart(column: &SchemaColumn, rows: &[f64]) -> Vec<Apart> {
    let named = |value: f64| Apart { name: Label::Number(value).to_string().replace('-', "−"), values: vec![value] };
    let room = MOST_APART - usize::from(column.missing);
    let mut special: Vec<f64> = column.special.clone();
    let mut others = Vec::new();
    if special.len() > room {
        let count = |value: f64| rows.iter().filter(|&&v| v == value).count();
        special.sort_by_cached_key(|&value| std::cmp::Reverse(count(value)));
        others = special.split_off(room - 1);
    }
    let mut apart: Vec<Apart> = special.into_iter().map(named).collect();
    if !others.is_empty() {
        apart.push(Apart { name: format!("{} others", others.len()), values: others });
    }
    if column.missing {
        apart.push(Apart { name: "missing".into(), values: vec![f64::NAN] });
    }
    apart
}

/// The axis of ordinary values.
fn axis(name: &str, kind: &Kind, values: &[f64], cells: usize) -> Axis {
    if let Some(labels) = kind.labels() {
        return Axis::of_labels(name, labels.iter().map(Label::to_string).collect());
    }
    let support = match kind {
        Kind::Positive => [0.0, f64::INFINITY],
        Kind::Bounded(ends) | Kind::Periodic(ends) => *ends,
        _ => REALS,
    };
    let Some(lattice) = lattice(kind) else { return Axis::new(name, &[values], support, cells) };
    let (step, offset) = (lattice.step(), lattice.offset());
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    let axis = if high - low <= WHOLE_LATTICE * step {
        Axis::between(name, low - 0.25 * step, high + 0.25 * step, cells)
    } else {
        Axis::new(name, &[values], support, cells)
    };
    let axis = axis.on_lattice(offset, step);
    match kind {
        Kind::Time(unit) => Axis { marks: Marks::Moments(unit.microseconds()), ..axis },
        _ => axis,
    }
}

/// The axis of the most frequent of many labels, in their order, with a cell for the rest. The second result is the cell of each label.
fn frequent(name: &str, labels: &[Label], values: &[f64], most: usize) -> (Axis, Vec<usize>) {
    let mut counts = vec![0usize; labels.len()];
    for &value in values {
        if let Some(count) = counts.get_mut(value as usize) {
            *count += 1;
        }
    }
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|&k| std::cmp::Reverse(counts[k]));
    let mut kept = order[..most].to_vec();
    kept.sort_unstable();
    let cells = (0..labels.len()).map(|k| kept.binary_search(&k).unwrap_or(most)).collect();
    let mut texts: Vec<String> = kept.iter().map(|&k| labels[k].to_string()).collect();
    texts.push(format!("{} others", labels.len() - most));
    (Axis::of_labels(name, texts), cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: Kind, special: &[f64], missing: bool) -> SchemaColumn {
        SchemaColumn { name: "c".into(), kind, special: special.to_vec(), missing, shift: 0.0, scale: 1.0 }
    }

    fn names(shown: &Shown) -> Vec<&str> {
        shown.variable.apart.iter().map(|a| a.name.as_str()).collect()
    }

    #[test]
    fn rare_categories_share_a_bar() {
        let labels: Vec<Label> = (0..30).map(|k| Label::Text(format!("town {k}"))).collect();
        // Town k has k + 1 rows.
        let rows: Vec<f64> = (0..30).flat_map(|k| vec![f64::from(k); k as usize + 1]).collect();
        let shown = Shown::new(&column(Kind::Categorical(labels), &[], false), &rows, &[], 48, 12);
        let Marks::Labels(texts) = &shown.variable.axis.marks else { unreachable!() };
        assert_eq!((texts.len(), texts[0].as_str(), texts[12].as_str()), (13, "town 18", "18 others"));
        assert_eq!(shown.places(&[18.0, 29.0, 3.0]), [0.0, 11.0, 12.0]);
        assert_eq!(shown.sums(&shown.values(), &[1.0; 30])[12], 18.0);
    }

    #[test]
    fn special_values_stand_apart_and_the_rarest_share_a_bar() {
        let rows = [0.0, 0.0, 1.0, 2.0, 999.0, f64::NAN];
        let shown = Shown::new(&column(Kind::Continuous, &[0.0, -1.0], true), &rows, &[], 48, 12);
        assert_eq!(names(&shown), ["0", "−1", "missing"]);
        let many = Shown::new(&column(Kind::Continuous, &[0.0, -1.0, -2.0, 999.0, 7.0], true), &rows, &[], 48, 12);
        assert_eq!(names(&many), ["0", "999", "3 others", "missing"]);
        // The special values do not set the range.
        assert!(many.variable.axis.high < 3.0, "{:?}", many.variable.axis);
        assert!(!shown.is_plain() && Shown::new(&column(Kind::Continuous, &[], false), &rows, &[], 48, 12).is_plain());
    }

    #[test]
    fn whole_numbers_have_a_cell_each_and_dates_their_marks() {
        let rows: Vec<f64> = (0..5_000).map(|k| f64::from(k % 7)).chain([20.0]).collect();
        let integer = Kind::Integer(knothe::events::table::Bounds::default());
        // The 20 of one row in 5,001 is not left out.
        let axis = Shown::new(&column(integer, &[], false), &rows, &[], 48, 12).variable.axis;
        assert!(axis.discrete && (axis.low, axis.high, axis.cells) == (-0.5, 20.5, 21), "{axis:?}");
        let axis = Shown::new(&column(Kind::Time(knothe::events::table::Unit::Day), &[], false), &rows, &[], 48, 12).variable.axis;
        assert_eq!(axis.marks, Marks::Moments(86_400_000_000));
        // Rows without any value leave the range to the samples.
        let none = Shown::new(&column(Kind::Continuous, &[], true), &[f64::NAN], &[5.0, 6.0], 48, 12);
        assert!((5.0..6.0).contains(&none.variable.axis.centre(20)));
    }
}
