//! Curves: how a number changes from step to step, and whether shares are uniform.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas},
    colours::{DATA, FAINT, INK, MODEL},
    figures::{BELOW, LEFT, Values},
    panel::{Panel, SMALL},
    picture::Picture,
};
use crate::error::{Error, Result};

/// The most panels side by side.
const ACROSS: usize = 4;
/// Points of a curve of shares.
const POINTS: usize = 100;
/// 95 % of a normal law lie within this many standard deviations.
const WITHIN: f64 = 1.96;

/// A number from step to step, as its decimal logarithm. Steps whose number is not above 0 and finite are left out. Ringed points are those in `marked`. `caption` stands below.
///
/// # Errors
/// [`Error::Shape`] unless a number is above 0 and finite.
pub fn trace(label: &str, values: Values, marked: &[usize], caption: &str) -> Result<Picture> {
    let points: Vec<[f64; 2]> =
        values.iter().enumerate().filter(|(_, v)| v.is_finite() && **v > 0.0).map(|(k, v)| [k as f64 + 1.0, v.log10()]).collect();
    if points.is_empty() {
        return Err(Error::shape("values of a trace", "at least one number above 0", values.len()));
    }
    let end = |best: fn(f64, f64) -> f64, start: f64| points.iter().map(|p| p[1]).fold(start, best);
    let (low, high) = (end(f64::min, f64::INFINITY), end(f64::max, f64::NEG_INFINITY));
    let room = 0.1 * (high - low).max(1.0);
    let across = Axis::between("step", 0.5, values.len() as f64 + 0.5, values.len()).on_lattice(0.0, 1.0);
    let up = Axis::between(&format!("log₁₀ of the {label}"), low - room, high + room, 1);
    let mut canvas = Canvas::new(720, 420)?;
    let panel = Panel { at: [LEFT, 16.0], size: [720.0 - LEFT - 24.0, 420.0 - 16.0 - BELOW - 30.0], axes: [&across, &up] };
    let placed: Vec<[f64; 2]> = points.iter().map(|p| panel.place(*p)).collect();
    placed.windows(2).for_each(|w| canvas.line(w[0], w[1], 1.8, MODEL));
    for (point, at) in points.iter().zip(&placed) {
        canvas.disc(*at, 3.5, MODEL, 1.0);
        if marked.contains(&(point[0] as usize - 1)) {
            canvas.ring(*at, 7.0, 1.4, INK);
        }
    }
    panel.frame(&mut canvas, [true, true]);
    let caption = canvas.shortened(caption, SMALL, 720.0 - LEFT - 24.0);
    canvas.text([LEFT, 408.0], &caption, SMALL, INK, Anchor::Start, false);
    Ok(canvas.finish())
}

/// The distribution functions of shares from 0 to 1, less those of a uniform law (Säilynoja, Bürkner and Vehtari 2022, *Graphical test for discrete uniformity and its applications in goodness-of-fit
/// evaluation and multiple sample comparison*). There is a panel per name, with a curve per group. The shaded band holds 95 % of the points if the shares are independent and uniform.
///
/// # Errors
/// [`Error::Shape`] for no panel or an empty group.
pub fn uniformity(panels: &[(&str, Vec<Vec<f64>>)], caption: &str) -> Result<Picture> {
    let fewest = panels.iter().flat_map(|(_, groups)| groups.iter().map(Vec::len)).min().unwrap_or(0);
    if fewest == 0 {
        return Err(Error::shape("shares", "at least one in each group", 0));
    }
    let (columns, side, gap, top) = (panels.len().min(ACROSS), 240.0, 18.0, 30.0);
    let rows = panels.len().div_ceil(columns);
    let band = |u: f64| WITHIN * (u * (1.0 - u) / fewest as f64).sqrt();
    let curve = |group: &[f64]| -> Vec<[f64; 2]> {
        let mut sorted = group.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let below = |u: f64| sorted.partition_point(|v| *v <= u) as f64 / sorted.len() as f64;
        (0..=POINTS).map(|k| k as f64 / POINTS as f64).map(|u| [u, below(u) - u]).collect()
    };
    let curves: Vec<Vec<Vec<[f64; 2]>>> = panels.iter().map(|(_, groups)| groups.iter().map(|g| curve(g)).collect()).collect();
    let furthest = curves.iter().flatten().flatten().map(|p| p[1].abs()).fold(1.5 * band(0.5), f64::max);
    let across = Axis::between("share of all draws below", 0.0, 1.0, POINTS);
    let up = Axis::between("share in the chain, less that", -1.05 * furthest, 1.05 * furthest, 1);
    let size = [LEFT + columns as f64 * (side + gap) + 8.0, rows as f64 * (side + top) + BELOW + 30.0];
    let mut canvas = Canvas::new(size[0] as usize, size[1] as usize)?;
    for (k, ((name, _), curves)) in panels.iter().zip(&curves).enumerate() {
        let (row, column) = (k / columns, k % columns);
        let at = [LEFT + column as f64 * (side + gap), top + row as f64 * (side + top)];
        let panel = Panel { at, size: [side, side], axes: [&across, &up] };
        for k in 0..POINTS {
            let (a, b) = (k as f64 / POINTS as f64, (k + 1) as f64 / POINTS as f64);
            let high = band(0.5 * (a + b));
            canvas.fill(panel.place([a, high]), panel.place([b, -high]), DATA, 0.25);
        }
        canvas.line(panel.place([0.0, 0.0]), panel.place([1.0, 0.0]), 1.0, FAINT);
        for curve in curves {
            curve.windows(2).for_each(|w| canvas.line(panel.place(w[0]), panel.place(w[1]), 1.0, MODEL));
        }
        panel.frame(&mut canvas, [k + columns >= panels.len(), column == 0]);
        panel.title(&mut canvas, name, INK);
    }
    let caption = canvas.shortened(caption, SMALL, size[0] - LEFT);
    canvas.text([LEFT, size[1] - 12.0], &caption, SMALL, INK, Anchor::Start, false);
    Ok(canvas.finish())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Pixels of a colour in the columns of a picture from x0 to x1.
    fn count(picture: &Picture, colour: [u8; 3], [x0, x1]: [usize; 2]) -> usize {
        let rows = picture.pixels.chunks_exact(picture.width);
        rows.flat_map(|row| &row[x0..x1]).filter(|pixel| **pixel == colour).count()
    }

    #[test]
    fn a_trace_has_a_point_per_step() {
        let picture = trace("variance", &[1.0, f64::INFINITY, 0.01], &[2], "").unwrap();
        // The ring is at the right: it adds to the dark pixels there, and only there.
        let plain = trace("variance", &[1.0, f64::INFINITY, 0.01], &[], "").unwrap();
        let dark = |columns| [&picture, &plain].map(|p| count(p, INK, columns));
        let ([left, left_plain], [right, right_plain]) = (dark([80, 400]), dark([400, 700]));
        assert!(left == left_plain && right > right_plain, "{left}, {left_plain}, {right}, {right_plain}");
        assert!(count(&picture, MODEL, [100, 640]) > 60);
        assert!(trace("variance", &[f64::NAN, 0.0], &[], "").is_err());
    }

    #[test]
    fn shares_that_are_not_uniform_leave_the_band() {
        let uniform: Vec<f64> = (0..100).map(|k| (f64::from(k) + 0.5) / 100.0).collect();
        let low: Vec<f64> = uniform.iter().map(|u| u * u).collect();
        let picture = uniformity(&[("even", vec![uniform.clone()]), ("low", vec![low])], "").unwrap();
        // F(u) − u of u² is √u − u, up to a quarter, so its curve needs far more pixels than the flat one.
        // Thin lines have no pixel of the colour alone, but theirs are more red than blue.
        let red = |[x0, x1]: [usize; 2]| {
            let rows = picture.pixels.chunks_exact(picture.width);
            rows.flat_map(|row| &row[x0..x1]).filter(|[r, _, b]| i32::from(*r) > i32::from(*b) + 30).count()
        };
        let [even, other] = [[72, 312], [330, 570]].map(red);
        assert!(even > 100 && other > even + even / 4, "{even}, {other}");
        assert!(uniformity(&[("none", vec![Vec::new()])], "").is_err() && uniformity(&[], "").is_err());
    }
}
