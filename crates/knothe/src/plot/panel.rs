//! One pair of axes on a canvas, and what is drawn between them.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas, Colour},
    colours::{DATA, FAINT, INK, MODEL, scale},
    grid::Grid,
    ticks::{Measure, Ticks},
};

/// The size of ticks' numbers.
pub(super) const SMALL: f64 = 11.0;
/// The size of labels and titles.
pub(super) const LARGE: f64 = 13.0;

/// The shades of an image.
const SHADES: f64 = 80.0;

/// A rectangle of the canvas with an axis across and one up.
pub(super) struct Panel<'a> {
    /// The upper left corner.
    pub at: [f64; 2],
    pub size: [f64; 2],
    pub axes: [&'a Axis; 2],
}

/// How densities become colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ColourScale {
    /// From 0 to a density.
    Linear {
        /// The density that is darkest.
        top: f64,
    },
    /// From a part of a density to it, by its logarithm.
    Log {
        /// The density that is darkest.
        top: f64,
        /// How many powers of 10 below it white begins.
        decades: f64,
    },
}

impl ColourScale {
    /// Linear, unless half the mass would then be all but white: below a tenth of the highest density.
    pub fn of(grid: &Grid) -> Self {
        let [top, median] = grid.levels([0.005, 0.5]);
        if median < top / 10.0 { ColourScale::Log { top, decades: 4.0 } } else { ColourScale::Linear { top } }
    }

    /// "linear" or "log".
    pub fn name(self) -> &'static str {
        match self {
            ColourScale::Linear { .. } => "linear",
            ColourScale::Log { .. } => "log",
        }
    }

    fn share(self, density: f64) -> f64 {
        match self {
            ColourScale::Linear { top } => density / top,
            ColourScale::Log { top, decades } => 1.0 + (density / top).log10() / decades,
        }
    }

    /// Where on the scale numbers stand, and what to write there.
    pub(super) fn ticks(self) -> Vec<(f64, String)> {
        match self {
            ColourScale::Linear { top } => super::ticks::ticks(0.0, top, 4).into_iter().map(|(v, text)| (v / top, text)).collect(),
            ColourScale::Log { top, decades } => {
                let high = top.log10();
                let whole = (high - decades).ceil() as i64..=high.floor() as i64;
                whole.map(|k| (1.0 + (k as f64 - high) / decades, format!("1e{k}").replace('-', "−"))).collect()
            }
        }
    }
}

/// Text in the size of ticks.
impl Measure for Canvas {
    fn width(&self, text: &str) -> f64 {
        self.text_width(text, SMALL)
    }

    fn shorten(&self, text: &str, room: f64) -> String {
        self.shortened(text, SMALL, room)
    }
}

fn widest(canvas: &Canvas, ticks: &Ticks) -> f64 {
    ticks.iter().map(|t| canvas.text_width(&t.1, SMALL)).fold(0.0, f64::max)
}

impl Panel<'_> {
    pub(super) fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.at[0] + self.size[0] * self.axes[0].share(x), self.at[1] + self.size[1] * (1.0 - self.axes[1].share(y))]
    }

    fn cell(&self, grid: &Grid, k: usize) -> ([f64; 2], [f64; 2]) {
        let [across, up] = &grid.axes;
        let centre = [across.centre(k % across.cells), up.centre(k / across.cells)];
        let half = [across.cell() / 2.0, up.cell() / 2.0];
        (self.place([centre[0] - half[0], centre[1] - half[1]]), self.place([centre[0] + half[0], centre[1] + half[1]]))
    }

    /// The ticks across, and whether their texts stand upright.
    fn across(&self, canvas: &Canvas) -> (Ticks, bool) {
        self.axes[0].across(self.size[0], canvas)
    }

    /// The room that numbers, or labels, and the name of the axis across need below the frame.
    pub fn below(&self, canvas: &Canvas) -> f64 {
        let (ticks, upright) = self.across(canvas);
        if upright { widest(canvas, &ticks) + 37.0 } else { 46.0 }
    }

    /// The same at the left of the frame.
    pub fn left(&self, canvas: &Canvas) -> f64 {
        widest(canvas, &self.axes[1].up(self.size[1], canvas)) + 28.0
    }

    /// The frame, with ticks, and their numbers and the labels of the axes where asked for.
    pub fn frame(&self, canvas: &mut Canvas, numbers: [bool; 2]) {
        let ([x0, y0], [width, height]) = (self.at, self.size);
        let y1 = y0 + height;
        canvas.outline(self.at, self.size, FAINT);
        let (ticks, upright) = self.across(canvas);
        for tick in &ticks {
            let (value, text) = tick;
            let x = self.place([*value, self.axes[1].low])[0];
            canvas.line([x, y1], [x, y1 - 4.0], 1.0, FAINT);
            match (numbers[0], upright) {
                (true, true) => canvas.text([x + 4.0, y1 + 6.0], text, SMALL, INK, Anchor::End, true),
                (true, false) => {
                    let start = x0 + self.axes[0].reach(tick, width, canvas)[0];
                    canvas.text([start, y1 + 15.0], text, SMALL, INK, Anchor::Start, false);
                }
                _ => {}
            }
        }
        if numbers[0] {
            let label = canvas.shortened(&self.axes[0].title(&ticks), LARGE, width);
            let at = self.below(canvas) - 12.0;
            canvas.text([x0 + width / 2.0, y1 + at], &label, LARGE, INK, Anchor::Middle, false);
        }
        if numbers[1] {
            let ticks = self.axes[1].up(height, canvas);
            for (value, text) in &ticks {
                let y = self.place([self.axes[0].low, *value])[1];
                canvas.line([x0, y], [x0 + 4.0, y], 1.0, FAINT);
                canvas.text([x0 - 5.0, y + 4.0], text, SMALL, INK, Anchor::End, false);
            }
            let label = canvas.shortened(&self.axes[1].title(&ticks), LARGE, height);
            canvas.text([x0 - widest(canvas, &ticks) - 14.0, y0 + height / 2.0], &label, LARGE, INK, Anchor::Middle, true);
        }
    }

    /// A title above the frame.
    pub fn title(&self, canvas: &mut Canvas, text: &str, colour: Colour) {
        let text = canvas.shortened(text, LARGE, self.size[0]);
        canvas.text([self.at[0] + self.size[0] / 2.0, self.at[1] - 8.0], &text, LARGE, colour, Anchor::Middle, false);
    }

    /// A density as an image, in so many shades that the eye hardly tells them apart and few enough for a small file.
    pub fn image(&self, canvas: &mut Canvas, grid: &Grid, colours: ColourScale) {
        for (k, &value) in grid.values.iter().enumerate() {
            let (a, b) = self.cell(grid, k);
            canvas.fill(a, b, scale((colours.share(value) * SHADES).round() / SHADES), 1.0);
        }
    }

    /// Points, fainter where there are many.
    pub fn points(&self, canvas: &mut Canvas, x: &[f64], y: &[f64], colour: Colour) {
        let alpha = (800.0 / x.len().max(1) as f64).clamp(0.15, 0.7);
        let inside = |v: f64, axis: &Axis| axis.find(v).is_some();
        for (&x, &y) in x.iter().zip(y).filter(|(x, y)| inside(**x, self.axes[0]) && inside(**y, self.axes[1])) {
            canvas.disc(self.place([x, y]), 1.6, colour, alpha);
        }
    }

    /// The regions of most density that hold 95, 75, 50 and 25 % of the mass, each darker than the one around it.
    pub fn regions(&self, canvas: &mut Canvas, grid: &Grid) {
        let levels = grid.levels([0.95, 0.75, 0.5, 0.25]);
        for (k, &value) in grid.values.iter().enumerate() {
            let inside = levels.iter().filter(|&&level| value >= level && value > 0.0).count();
            if inside > 0 {
                let (a, b) = self.cell(grid, k);
                canvas.fill(a, b, scale(0.03 + 0.11 * inside as f64), 1.0);
            }
        }
    }

    /// The edges of the same regions, as lines.
    pub fn contours(&self, canvas: &mut Canvas, grid: &Grid) {
        for level in grid.levels([0.95, 0.75, 0.5, 0.25]) {
            for [a, b] in grid.contour(level) {
                canvas.line(self.place(a), self.place(b), 1.2, MODEL);
            }
        }
    }

    /// The bars of a histogram, filled or as an outline, one height a cell of the axis across.
    pub fn bars(&self, canvas: &mut Canvas, heights: &[f64], filled: bool) {
        let axis = self.axes[0];
        let mut before = 0.0;
        for (i, &height) in heights.iter().enumerate() {
            let (left, right) = (axis.centre(i) - axis.cell() / 2.0, axis.centre(i) + axis.cell() / 2.0);
            let (a, b) = (self.place([left, height]), self.place([right, height]));
            if filled {
                canvas.fill([a[0], self.at[1] + self.size[1]], b, DATA, 0.38);
            } else {
                canvas.line(self.place([left, before]), a, 1.4, MODEL);
                canvas.line(a, b, 1.4, MODEL);
            }
            before = height;
        }
    }

    /// A curve through the middles of the cells.
    pub fn curve(&self, canvas: &mut Canvas, axis: &Axis, heights: &[f64]) {
        let points: Vec<[f64; 2]> = heights.iter().enumerate().map(|(i, &h)| self.place([axis.centre(i), h])).collect();
        points.windows(2).for_each(|w| canvas.line(w[0], w[1], 1.8, MODEL));
    }
}
