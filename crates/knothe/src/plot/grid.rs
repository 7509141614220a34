//! Numbers on the cells of two axes: a density, or a histogram.

use super::axis::Axis;

/// One number a cell, the first axis fastest, from the lowest.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The axes.
    pub axes: [Axis; 2],
    /// `cells` of the first axis times `cells` of the second.
    pub values: Vec<f64>,
}

impl Grid {
    /// The middles of the cells of two axes, in the order of [`Grid::values`].
    pub fn centres(axes: &[Axis; 2]) -> Vec<[f64; 2]> {
        let [across, up] = axes;
        (0..up.cells).flat_map(|j| (0..across.cells).map(move |i| [across.centre(i), up.centre(j)])).collect()
    }

    /// The density of values: the share of them in each cell over its area. Those outside count in the share, and nowhere else.
    pub fn histogram(axes: &[Axis; 2], x: &[f64], y: &[f64]) -> Self {
        let mut values = vec![0.0; axes[0].cells * axes[1].cells];
        let each = 1.0 / (x.len().max(1) as f64 * axes[0].cell() * axes[1].cell());
        for (&x, &y) in x.iter().zip(y) {
            if let (Some(i), Some(j)) = (axes[0].find(x), axes[1].find(y)) {
                values[j * axes[0].cells + i] += each;
            }
        }
        Grid { axes: axes.clone(), values }
    }

    /// The same, blurred along both axes by a Gaussian of a width in cells; mass that would leave stays at the edge.
    pub fn blurred(&self, width: f64) -> Self {
        let reach = (3.0 * width).ceil() as i64;
        let kernel: Vec<f64> = (-reach..=reach).map(|d| (-0.5 * (d as f64 / width).powi(2)).exp()).collect();
        let total: f64 = kernel.iter().sum();
        let [columns, rows] = [self.axes[0].cells, self.axes[1].cells];
        let pass = |from: &[f64], cells: usize, step: usize| {
            let mut to = vec![0.0; from.len()];
            for (k, value) in from.iter().enumerate() {
                let at = (k / step % cells) as i64;
                for (weight, d) in kernel.iter().zip(-reach..) {
                    let target = (at + d).clamp(0, cells as i64 - 1);
                    to[(k as i64 + (target - at) * step as i64) as usize] += value * weight / total;
                }
            }
            to
        };
        let across = pass(&self.values, columns, 1);
        Grid { axes: self.axes.clone(), values: pass(&across, rows, columns) }
    }

    /// For each share, the number above which lie the highest cells that hold this share of the sum.
    pub fn levels<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        let mut sorted = self.values.clone();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let total: f64 = sorted.iter().sum();
        shares.map(|share| {
            let mut sum = 0.0;
            let reached = sorted.iter().find(|v| {
                sum += *v;
                sum >= share * total
            });
            reached.copied().unwrap_or(0.0)
        })
    }

    /// The lines on which the grid, straight between the middles of its cells, takes a value.
    pub(super) fn contour(&self, level: f64) -> Vec<[[f64; 2]; 2]> {
        let [columns, rows] = [self.axes[0].cells, self.axes[1].cells];
        let corner = |i: usize, j: usize| (self.values[j * columns + i] - level, [self.axes[0].centre(i), self.axes[1].centre(j)]);
        let mut lines = Vec::new();
        for j in 0..rows.saturating_sub(1) {
            for i in 0..columns.saturating_sub(1) {
                let (low, high) = (corner(i, j), corner(i + 1, j + 1));
                // Each square is two triangles, in which the surface is a plane.
                for third in [corner(i + 1, j), corner(i, j + 1)] {
                    let sides = [(low, third), (third, high), (high, low)];
                    let crossings: Vec<[f64; 2]> = sides
                        .into_iter()
                        .filter(|(a, b)| (a.0 > 0.0) != (b.0 > 0.0))
                        .map(|(a, b)| {
                            let t = a.0 / (a.0 - b.0);
                            [0, 1].map(|k| a.1[k] + t * (b.1[k] - a.1[k]))
                        })
                        .collect();
                    if let [start, end] = crossings[..] {
                        lines.push([start, end]);
                    }
                }
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(low: f64, high: f64, cells: usize) -> Axis {
        Axis::between("x", low, high, cells)
    }

    #[test]
    fn a_histogram_is_a_density_and_stays_one_when_blurred() {
        let axes = [axis(0.0, 2.0, 8), axis(-1.0, 1.0, 5)];
        // One of the four values is outside.
        let grid = Grid::histogram(&axes, &[0.1, 1.9, 0.5, 3.0], &[0.0, 0.9, -0.9, 0.0]);
        for grid in [grid.blurred(1.0), grid] {
            let mass = grid.values.iter().sum::<f64>() * axes[0].cell() * axes[1].cell();
            assert!((mass - 0.75).abs() < 1e-12, "{mass}");
        }
    }

    #[test]
    fn contours_of_a_cone_are_circles() {
        let axes = [axis(-1.0, 1.0, 80), axis(-1.0, 1.0, 80)];
        let values = Grid::centres(&axes).iter().map(|p| 1.0 - p[0].hypot(p[1])).collect();
        let lines = Grid { axes, values }.contour(0.4);
        assert!(lines.len() > 100);
        // The radius is 0.6, and a chord of a cell, 0.025, leaves it by less than 0.025²/(8 · 0.6) twice.
        assert!(lines.iter().flatten().all(|p| (p[0].hypot(p[1]) - 0.6).abs() < 3e-4));
    }

    #[test]
    fn levels_hold_their_share() {
        let grid = Grid { axes: [axis(0.0, 1.0, 4), axis(0.0, 1.0, 1)], values: vec![1.0, 4.0, 2.0, 3.0] };
        assert_eq!(grid.levels([0.4, 0.7, 1.0]), [4.0, 3.0, 1.0]);
    }
}
