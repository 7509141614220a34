//! Where one density is higher than another.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas, Colour},
    colours::{DATA, FAINT, INK, MODEL},
    figures::{BELOW, LEFT, Values, legend},
    panel::{Panel, SMALL},
    picture::Picture,
    single::GAP,
    variable::{Variable, histogram},
};
use crate::error::{Error, Result};

/// The most panels side by side, the size of each, and the distance between them.
const ACROSS: usize = 3;
const SIZE: [f64; 2] = [300.0, 180.0];
const BETWEEN: f64 = 14.0;
/// The room above a panel.
const TOP: f64 = 30.0;
/// The height of the histogram at the top.
const HISTOGRAM: f64 = 130.0;
/// The room for a value that stands apart, and the largest share of a panel for all of them.
const STRIP: f64 = 46.0;
const LARGEST: f64 = 0.4;

/// The mean difference of two log densities where a quantity lies between two values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Both values.
    pub ends: [f64; 2],
    /// The mean difference.
    pub mean: f64,
    /// Its error, half the height of the band around it.
    pub error: f64,
}

/// The mean differences along one quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Gains {
    /// How the quantity is shown.
    pub variable: Variable,
    /// The intervals of its ordinary values.
    pub ordinary: Vec<Interval>,
    /// One for each value that stands apart, in the order of [`Variable::apart`]; `None` where there is no event.
    pub apart: Vec<Option<Interval>>,
}

/// The differences of two log densities, second less first: their histogram at the top, and below it a panel per quantity with the mean difference in each interval and a band for its error.
/// A difference above 0 has the colour of the second density. The panels share one scale, which the means decide; a band that is higher is cut. `caption` stands below.
///
/// # Errors
/// [`Error::Shape`] without a finite difference.
pub fn gains(differences: (&Axis, Values), panels: &[Gains], [first, second]: [&str; 2], caption: &str) -> Result<Picture> {
    let (axis, values) = differences;
    if !values.iter().any(|d| d.is_finite()) {
        return Err(Error::shape("differences", "at least one finite number", values.len()));
    }
    let (columns, rows) = (panels.len().clamp(2, ACROSS), panels.len().div_ceil(ACROSS));
    let all = || panels.iter().flat_map(|panel| panel.ordinary.iter().chain(panel.apart.iter().flatten()));
    let [low, high] = [f64::min, f64::max].map(|further| all().map(|i| i.mean).fold(0.0, further));
    let beyond = 0.075 * (high - low).max(f64::MIN_POSITIVE);
    let up = Axis::between("mean difference", low - beyond, high + beyond, 1);
    let blank = Canvas::new(1, 1)?;
    let room = |variable: &Variable| {
        let [main, strip] = parts(variable);
        let of = |axis: &Axis, width: f64| Panel { at: [0.0; 2], size: [width, SIZE[1]], axes: [axis, &up] }.below(&blank);
        of(&variable.axis, main).max(if strip > 0.0 { of(&variable.strip(), strip) } else { 0.0 })
    };
    let below = panels.iter().map(|panel| room(&panel.variable)).fold(BELOW, f64::max).ceil();
    let width = columns as f64 * (SIZE[0] + BETWEEN) - BETWEEN;
    let start = TOP + HISTOGRAM + BELOW + TOP;
    let size = [LEFT + width + 20.0, start + rows as f64 * (SIZE[1] + below + BETWEEN) + 24.0];
    let mut canvas = Canvas::new(size[0] as usize, size[1] as usize)?;
    legend(&mut canvas, [LEFT, 20.0], &[(first, DATA), (second, MODEL)]);
    let heights = histogram(axis, values);
    let highest = 1.07 * heights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let density = Axis::between("density", 0.0, highest, 1);
    let top = Panel { at: [LEFT, TOP], size: [width, HISTOGRAM], axes: [axis, &density] };
    for (k, height) in heights.iter().enumerate() {
        let (centre, half) = (axis.centre(k), axis.cell() / 2.0);
        // The cell around 0 has both colours.
        for [a, b] in [[centre - half, (centre + half).min(0.0)], [(centre - half).max(0.0), centre + half]] {
            if a < b {
                canvas.fill(top.place([a, *height]), top.place([b, 0.0]), colour(0.5 * (a + b)), 0.6);
            }
        }
    }
    top.frame(&mut canvas, [true, true]);
    for (k, panel) in panels.iter().enumerate() {
        let at = [LEFT + (k % ACROSS) as f64 * (SIZE[0] + BETWEEN), start + (k / ACROSS) as f64 * (SIZE[1] + below + BETWEEN)];
        let [main, strip] = parts(&panel.variable);
        draw(&mut canvas, &Panel { at, size: [main, SIZE[1]], axes: [&panel.variable.axis, &up] }, panel.ordinary.iter(), k % ACROSS == 0);
        if strip > 0.0 {
            let axis = panel.variable.strip();
            let at = [at[0] + main + GAP, at[1]];
            draw(&mut canvas, &Panel { at, size: [strip, SIZE[1]], axes: [&axis, &up] }, panel.apart.iter().flatten(), false);
        }
    }
    let caption = canvas.shortened(caption, SMALL, width);
    canvas.text([LEFT, size[1] - 10.0], &caption, SMALL, INK, Anchor::Start, false);
    Ok(canvas.finish())
}

/// The widths of the two parts of a panel: ordinary values, and those that stand apart.
fn parts(variable: &Variable) -> [f64; 2] {
    if variable.apart.is_empty() {
        return [SIZE[0], 0.0];
    }
    let strip = (STRIP * variable.apart.len() as f64).min(LARGEST * SIZE[0]).floor();
    [SIZE[0] - strip - GAP, strip]
}

/// The colour of the density that is higher.
fn colour(difference: f64) -> Colour {
    if difference > 0.0 { MODEL } else { DATA }
}

/// The intervals of one part of a panel.
fn draw<'a>(canvas: &mut Canvas, panel: &Panel, intervals: impl Iterator<Item = &'a Interval>, numbers: bool) {
    let [across, up] = panel.axes;
    for Interval { ends, mean, error } in intervals {
        let [a, b] = ends.map(|v| v.clamp(across.low, across.high));
        let inside = |v: f64| v.clamp(up.low, up.high);
        let error = if error.is_finite() { *error } else { 0.0 };
        canvas.fill(panel.place([a, inside(mean + error)]), panel.place([b, inside(mean - error)]), colour(*mean), 0.28);
        canvas.line(panel.place([a, inside(*mean)]), panel.place([b, inside(*mean)]), 2.0, colour(*mean));
    }
    canvas.line(panel.place([across.low, 0.0]), panel.place([across.high, 0.0]), 1.0, FAINT);
    panel.frame(canvas, [true, numbers]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::plot::Apart;

    /// Pixels that are more red than blue, and more blue than red, in a rectangle of a picture.
    fn coloured(picture: &Picture, [x0, x1]: [usize; 2], [y0, y1]: [usize; 2]) -> [usize; 2] {
        let rows = picture.pixels.chunks_exact(picture.width).take(y1).skip(y0);
        let pixels: Vec<[u8; 3]> = rows.flat_map(|row| row[x0..x1].to_vec()).collect();
        let count = |is: fn(i32) -> bool| pixels.iter().filter(|[r, _, b]| is(i32::from(*r) - i32::from(*b))).count();
        [count(|red| red > 20), count(|red| red < -20)]
    }

    #[test]
    fn gains_stand_above_the_line_in_the_colour_of_the_second() {
        let interval = |a: f64, b: f64, mean: f64| Interval { ends: [a, b], mean, error: 0.1 };
        let ordinary = vec![interval(0.0, 0.5, 1.0), interval(0.5, 1.0, -1.0)];
        let apart = vec![Apart { name: "missing".into(), values: vec![f64::NAN] }];
        let variable = Variable { axis: Axis::between("x", 0.0, 1.0, 10), apart };
        let panel = Gains { variable, ordinary, apart: vec![None] };
        let axis = Axis::between("d", -1.0, 1.0, 20);
        let picture = gains((&axis, &[0.5, 0.7, -0.5]), &[panel], ["A", "B"], "").unwrap();
        let (top, start) = ([30, 160], 236);
        // The histogram: red at the right of 0, blue at its left, and twice as much red. The panels are 614 pixels wide from 72 on.
        let [left, right] = [[74, 378], [380, 684]].map(|x| coloured(&picture, x, top));
        assert!(left[0] == 0 && right[1] == 0 && right[0] > left[1], "{left:?} {right:?}");
        // The panel of x is 248 pixels wide: red above the middle at the left, blue below it at the right.
        let part = |x, y| coloured(&picture, x, y);
        let (upper, lower) = ([start + 2, start + 88], [start + 92, start + 178]);
        assert!(part([74, 195], upper)[0] > 1000 && part([74, 195], lower) == [0, 0]);
        assert!(part([198, 318], lower)[1] > 1000 && part([198, 318], upper) == [0, 0]);
        assert!(gains((&axis, &[f64::INFINITY]), &[], ["A", "B"], "").is_err());
        assert!(gains((&axis, &[0.5]), &[], ["A", "B"], "").is_ok());
    }
}
