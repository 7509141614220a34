//! Bars, circles and violins, for axes with few values.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas},
    colours::{DATA, MODEL},
    panel::{Panel, SMALL},
    variable::{percent, shares},
};

/// The narrowest cell that has room for a bar of the data and one of the model.
const NARROWEST: f64 = 6.0;
/// The share of a cell that its bars, circle or violin take.
const TAKEN: f64 = 0.84;
/// A violin ends where its density is less than this share of the highest.
const THINNEST: f64 = 0.005;
/// The width of the Gaussian that smooths a violin, in cells.
const SMOOTHED: f64 = 1.2;

/// One column of the samples, and of the data if there are any.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub data: Option<&'a [f64]>,
    pub samples: &'a [f64],
}

impl Panel<'_> {
    /// Whether the cells of the axis across have room for bars of data and model side by side.
    fn has_bars(&self) -> bool {
        self.axes[0].discrete && self.size[0] / self.axes[0].cells as f64 >= NARROWEST
    }

    /// The heights of data and model in the cells of the axis across: bars side by side for single values, and otherwise a filled histogram under an outline.
    pub fn heights(&self, canvas: &mut Canvas, data: Option<&[f64]>, model: &[f64]) {
        if self.has_bars() {
            self.paired(canvas, data, model);
        } else {
            if let Some(heights) = data {
                self.bars(canvas, heights, true);
            }
            self.bars(canvas, model, false);
        }
    }

    /// Bars of the data, and those of the model to their right.
    fn paired(&self, canvas: &mut Canvas, data: Option<&[f64]>, model: &[f64]) {
        let axis = self.axes[0];
        let half = TAKEN * axis.cell() / 2.0;
        let mut bar = |from: f64, to: f64, height: f64, colour, alpha| {
            canvas.fill(self.place([from, 0.0]), self.place([to, height.min(self.axes[1].high)]), colour, alpha);
        };
        for (k, &height) in model.iter().enumerate() {
            let centre = axis.centre(k);
            match data {
                Some(data) => {
                    bar(centre - half, centre, data.get(k).copied().unwrap_or(0.0), DATA, 0.5);
                    bar(centre, centre + half, height, MODEL, 0.8);
                }
                None => bar(centre - half, centre + half, height, MODEL, 0.8),
            }
        }
    }

    /// Bars with their shares above them, those of the data over those of the model.
    pub fn apart(&self, canvas: &mut Canvas, data: Option<&[f64]>, model: &[f64]) {
        self.paired(canvas, data, model);
        let cell = self.size[0] / self.axes[0].cells as f64;
        for (k, &share) in model.iter().enumerate() {
            let other = data.and_then(|data| data.get(k)).copied();
            let [x, mut y] = self.place([self.axes[0].centre(k), share.max(other.unwrap_or(0.0))]);
            for (share, colour) in [(Some(share), MODEL), (other, DATA)] {
                let Some(text) = share.map(percent).filter(|text| canvas.text_width(text, SMALL) <= cell) else { continue };
                canvas.text([x, y - 4.0], &text, SMALL, colour, Anchor::Middle, false);
                y -= 13.0;
            }
        }
    }

    /// A table of two columns of few values: the area of a disc is the share of the rows in its cell, and that of a ring is the share of the samples.
    pub fn circles(&self, canvas: &mut Canvas, x: Pair, y: Pair) {
        let cells = [self.axes[0].cells, self.axes[1].cells];
        let joint = |x: &[f64], y: &[f64]| {
            let cell = |(x, y): (&f64, &f64)| {
                let (i, j) = (self.axes[0].find(*x), self.axes[1].find(*y));
                i.zip(j).map_or(f64::NAN, |(i, j)| (j * cells[0] + i) as f64)
            };
            shares(
                &Axis::between("", -0.5, (cells[0] * cells[1]) as f64 - 0.5, cells[0] * cells[1]),
                &x.iter().zip(y).map(cell).collect::<Vec<_>>(),
            )
        };
        let model = joint(x.samples, y.samples);
        let data = x.data.zip(y.data).map(|(x, y)| joint(x, y));
        let most = model.iter().chain(data.iter().flatten()).copied().fold(f64::MIN_POSITIVE, f64::max);
        let largest = TAKEN / 2.0 * (self.size[0] / cells[0] as f64).min(self.size[1] / cells[1] as f64);
        for (k, &share) in model.iter().enumerate() {
            let at = self.place([self.axes[0].centre(k % cells[0]), self.axes[1].centre(k / cells[0])]);
            let radius = |share: f64| largest * (share / most).sqrt();
            if let Some(&share) = data.as_ref().and_then(|data| data.get(k)).filter(|share| **share > 0.0) {
                canvas.disc(at, radius(share), DATA, 0.45);
            }
            if share > 0.0 {
                canvas.ring(at, radius(share), 1.3, MODEL);
            }
        }
    }

    /// The distribution of one column at each of the few values of the other: filled for the data, as an outline for the samples. `few` says which axis has the few
    /// values. A violin is as wide as its cell where the density is highest, so that widths of different violins cannot be compared.
    pub fn violins(&self, canvas: &mut Canvas, x: Pair, y: Pair, few: usize) {
        let (by, of) = if few == 0 { (x, y) } else { (y, x) };
        let (categories, axis) = (self.axes[few], self.axes[1 - few]);
        let point = |category: f64, value: f64| self.place(if few == 0 { [category, value] } else { [value, category] });
        for k in 0..categories.cells {
            let shape = |by: &[f64], of: &[f64]| {
                let own: Vec<f64> = by.iter().zip(of).filter(|(by, _)| categories.find(**by) == Some(k)).map(|(_, v)| *v).collect();
                let heights = shares(axis, &own);
                if axis.discrete { heights } else { smooth(&heights) }
            };
            let data = by.data.zip(of.data).map(|(by, of)| shape(by, of));
            let model = shape(by.samples, of.samples);
            let top = model.iter().chain(data.iter().flatten()).copied().fold(f64::MIN_POSITIVE, f64::max);
            let half = |height: f64| TAKEN / 2.0 * categories.cell() * height / top;
            let (centre, edge) = (categories.centre(k), axis.cell() / 2.0);
            for (i, &height) in data.iter().flatten().enumerate().filter(|(_, height)| **height > THINNEST * top) {
                let (from, to) = (axis.centre(i) - edge, axis.centre(i) + edge);
                canvas.fill(point(centre - half(height), from), point(centre + half(height), to), DATA, 0.45);
            }
            for i in (1..model.len()).filter(|&i| model[i - 1].max(model[i]) > THINNEST * top) {
                for side in [-1.0, 1.0] {
                    let end = |i: usize| point(centre + side * half(model[i]), axis.centre(i));
                    canvas.line(end(i - 1), end(i), 1.2, MODEL);
                }
            }
        }
    }
}

/// Heights smoothed by a Gaussian. Mass that would leave stays at the ends.
fn smooth(heights: &[f64]) -> Vec<f64> {
    let reach = (3.0 * SMOOTHED).ceil() as i64;
    let kernel: Vec<f64> = (-reach..=reach).map(|d| (-0.5 * (d as f64 / SMOOTHED).powi(2)).exp()).collect();
    let total: f64 = kernel.iter().sum();
    let mut smoothed = vec![0.0; heights.len()];
    for (i, height) in heights.iter().enumerate() {
        for (weight, d) in kernel.iter().zip(-reach..) {
            smoothed[(i as i64 + d).clamp(0, heights.len() as i64 - 1) as usize] += height * weight / total;
        }
    }
    smoothed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_keeps_the_mass() {
        let smoothed = smooth(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
        assert!((smoothed.iter().sum::<f64>() - 3.0).abs() < 1e-12 && smoothed[1] > 0.0 && smoothed[0] < 1.0, "{smoothed:?}");
    }
}
