//! A column as a figure shows it.

use super::axis::Axis;

/// Values of a column that stand apart from its axis, under one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Apart {
    /// The label of their bar.
    pub name: String,
    /// The values; NaN for a missing one.
    pub values: Vec<f64>,
}

impl Apart {
    /// Whether a value is one of these, up to the rounding of 32-bit floats.
    pub fn holds(&self, value: f64) -> bool {
        let same = |own: f64| own == value || (f64::from(value as f32) == value && own as f32 == value as f32);
        self.values.iter().any(|&own| same(own) || (own.is_nan() && value.is_nan()))
    }
}

/// A column as a figure shows it: an axis for its ordinary values, and beside it a strip with those that stand apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// The axis of the ordinary values.
    pub axis: Axis,
    /// The others, in the order of their bars.
    pub apart: Vec<Apart>,
}

impl From<Axis> for Variable {
    fn from(axis: Axis) -> Self {
        Variable { axis, apart: Vec::new() }
    }
}

impl Variable {
    /// The axis of the values that stand apart.
    pub(super) fn strip(&self) -> Axis {
        Axis::of_labels("", self.apart.iter().map(|a| a.name.clone()).collect())
    }

    /// The ordinary values, and the bars of those that stand apart; NaN in each where a row belongs to the other.
    pub(super) fn split(&self, values: &[f64]) -> [Vec<f64>; 2] {
        let bar = |value: &f64| self.apart.iter().position(|a| a.holds(*value)).map_or(f64::NAN, |k| k as f64);
        let bars: Vec<f64> = values.iter().map(bar).collect();
        [values.iter().zip(&bars).map(|(&v, bar)| if bar.is_nan() { v } else { f64::NAN }).collect(), bars]
    }
}

/// The share of all values in each cell of an axis.
pub(super) fn shares(axis: &Axis, values: &[f64]) -> Vec<f64> {
    let mut shares = vec![0.0; axis.cells];
    let each = 1.0 / values.len().max(1) as f64;
    values.iter().filter_map(|&v| axis.find(v)).for_each(|cell| shares[cell] += each);
    shares
}

/// The density of each cell of an axis that holds a share of the values, or its mass where each cell is one value.
pub(super) fn histogram(axis: &Axis, values: &[f64]) -> Vec<f64> {
    let size = if axis.discrete { 1.0 } else { axis.cell() };
    shares(axis, values).into_iter().map(|share| share / size).collect()
}

/// A share as a text above a bar.
pub(super) fn percent(share: f64) -> String {
    let digits = match 100.0 * share {
        p if p >= 9.95 || p == 0.0 => 0,
        p if p >= 0.995 => 1,
        _ => 2,
    };
    format!("{:.digits$} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_and_missing_values_stand_apart() {
        let apart = vec![Apart { name: "0".into(), values: vec![0.0] }, Apart { name: "missing".into(), values: vec![f64::NAN] }];
        let variable = Variable { axis: Axis::between("x", 0.0, 10.0, 5), apart };
        let values = [0.0, 1.0, f64::NAN, 3.0, 0.0];
        let [ordinary, bars] = variable.split(&values);
        assert_eq!(shares(&variable.strip(), &bars), [0.4, 0.2]);
        // The density of the others is that of all rows: 2 of 5 rows, in cells of width 2.
        assert_eq!(histogram(&variable.axis, &ordinary), [0.1, 0.1, 0.0, 0.0, 0.0]);
        assert_eq!([0.4, 0.0998, 0.0123, 0.0001, 0.0].map(percent), ["40 %", "10 %", "1.2 %", "0.01 %", "0 %"]);
    }
}
