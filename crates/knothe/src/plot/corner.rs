//! Several columns, one by one and pair by pair.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas, Colour},
    colours::{DATA, INK, MODEL},
    discrete::Pair,
    figures::{BELOW, LEFT, legend},
    grid::Grid,
    panel::{Panel, SMALL},
    picture::Picture,
    single::{GAP, scales},
    variable::{Variable, histogram, shares},
};
use crate::error::{Error, Result};

/// The room for a value that stands apart, and the largest share of a panel for all of them.
const STRIP: f64 = 46.0;
const LARGEST: f64 = 0.4;
/// The distance of panels, and the room above the first.
const BETWEEN: f64 = 8.0;
const TOP: f64 = 24.0;

/// A part of the axis of a column: its ordinary values, or the strip of the others.
struct Part {
    axis: Axis,
    /// Where it begins, and its length, in pixels from the end of the axis.
    at: f64,
    length: f64,
    data: Option<Vec<f64>>,
    samples: Vec<f64>,
}

impl Part {
    fn pair(&self) -> Pair<'_> {
        Pair { data: self.data.as_deref(), samples: &self.samples }
    }
}

/// The parts of a column in a panel of this side.
fn parts(variable: &Variable, side: f64, data: Option<&Vec<f64>>, samples: &[f64]) -> Vec<Part> {
    let (data, apart_data) = match data.map(|values| variable.split(values)) {
        Some([main, apart]) => (Some(main), Some(apart)),
        None => (None, None),
    };
    let [samples, apart] = variable.split(samples);
    let main = Part { axis: variable.axis.clone(), at: 0.0, length: side, data, samples };
    if variable.apart.is_empty() {
        return vec![main];
    }
    let strip = (STRIP * variable.apart.len() as f64).min(LARGEST * side).floor();
    let other = Part { axis: variable.strip(), at: side - strip, length: strip, data: apart_data, samples: apart };
    vec![Part { length: side - strip - GAP, ..main }, other]
}

/// Samples of a model over data, column by column and pair by pair. `caption` stands in the empty corner.
///
/// The diagonal has histograms, or bars for discrete columns and for values that stand apart. A pair of columns with many values shows the densest regions
/// that hold 25, 50, 75 and 95 % of the data, filled, and of the samples, as lines. If one column has few values, there is a violin per value. If both have
/// few values, there are circles whose areas are proportional to the shares of the rows, with one scale per panel.
///
/// `data` and `samples` have one column per variable. Without data the samples stand alone.
///
/// # Errors
/// [`Error::Shape`] unless data and samples have one column per variable.
pub fn corner(
    variables: &[Variable],
    data: Option<(&str, &[Vec<f64>])>,
    samples: (&str, &[Vec<f64>]),
    caption: &[String],
) -> Result<Picture> {
    let dim = variables.len();
    if let Some(columns) = [Some(samples.1), data.map(|d| d.1)].into_iter().flatten().find(|c| c.len() != dim) {
        return Err(Error::shape("columns of a corner plot", dim, columns.len()));
    }
    let side = (1_100.0 / dim.max(1) as f64).clamp(110.0, 260.0).floor();
    let columns: Vec<Vec<Part>> = variables.iter().enumerate().map(|(j, v)| parts(v, side, data.map(|d| &d.1[j]), &samples.1[j])).collect();
    let [left, below] = margins(&columns)?;
    let size = left + dim as f64 * (side + BETWEEN) + 16.0;
    let mut canvas = Canvas::new(size as usize, (TOP + dim as f64 * (side + BETWEEN) + below) as usize)?;
    for row in 0..dim {
        for column in 0..=row {
            let corner = [left + column as f64 * (side + BETWEEN), TOP + row as f64 * (side + BETWEEN)];
            let last = row + 1 == dim;
            if row == column {
                diagonal(&mut canvas, &columns[row], corner, side, last);
                continue;
            }
            for (i, x) in columns[column].iter().enumerate() {
                for (j, y) in columns[row].iter().enumerate() {
                    let at = [corner[0] + x.at, corner[1] + side - y.at - y.length];
                    let panel = Panel { at, size: [x.length, y.length], axes: [&x.axis, &y.axis] };
                    pair(&mut canvas, &panel, x, y);
                    panel.frame(&mut canvas, [last && j == 0, column == 0 && i == 0]);
                }
            }
        }
    }
    // The corner above the diagonal is empty from the second column on.
    let x = left + side + 3.0 * BETWEEN;
    let mut entries: Vec<(&str, Colour)> = data.iter().map(|d| (d.0, DATA)).collect();
    entries.push((samples.0, MODEL));
    for (k, entry) in entries.iter().enumerate() {
        legend(&mut canvas, [x, TOP + 14.0 + 22.0 * k as f64], &[*entry]);
    }
    for (k, line) in caption.iter().map(String::as_str).chain(meanings(&columns)).enumerate() {
        let line = canvas.shortened(line, SMALL, size - x - 8.0);
        canvas.text([x, TOP + 16.0 + 22.0 * entries.len() as f64 + 16.0 * k as f64], &line, SMALL, INK, Anchor::Start, false);
    }
    Ok(canvas.finish())
}

/// The room at the left and below, which depends on labels and dates.
fn margins(columns: &[Vec<Part>]) -> Result<[f64; 2]> {
    let canvas = Canvas::new(1, 1)?;
    let panel = |part: &Part, up: bool| {
        let none = Axis::between("", 0.0, 1.0, 1);
        let axes = if up { [&none, &part.axis] } else { [&part.axis, &none] };
        let panel = Panel { at: [0.0; 2], size: [part.length; 2], axes };
        if up { panel.left(&canvas) } else { panel.below(&canvas) }
    };
    let left = columns.iter().skip(1).flatten().map(|part| panel(part, true)).fold(LEFT, f64::max);
    let below = columns.iter().flatten().map(|part| panel(part, false)).fold(BELOW, f64::max);
    Ok([left.ceil(), below.ceil()])
}

/// Explanations of the panels with circles and violins.
fn meanings<'a>(columns: &[Vec<Part>]) -> Vec<&'a str> {
    let count = |few: bool| columns.iter().filter(|parts| parts.iter().any(|p| p.axis.is_few() == few)).count();
    let (few, many) = (count(true), count(false));
    // Short lines: the room beside two panels is narrow.
    let circles: &[&str] = if few > 1 { &["circles: areas are proportional to", "shares, with one scale per panel"] } else { &[] };
    let violins = (few > 0 && many > 0 && columns.len() > 1).then_some("violins: the distribution at each value");
    circles.iter().copied().chain(violins).collect()
}

/// One column.
fn diagonal(canvas: &mut Canvas, parts: &[Part], [x, y]: [f64; 2], side: f64, numbers: bool) {
    let heights = |k: usize, values: &[f64]| match parts.get(k) {
        Some(part) if k == 0 => histogram(&part.axis, values),
        Some(part) => shares(&part.axis, values),
        None => Vec::new(),
    };
    let of = |k: usize| {
        let model = parts.get(k).map_or_else(Vec::new, |part| heights(k, &part.samples));
        (parts.get(k).and_then(|part| part.data.as_deref()).map(|data| heights(k, data)), model)
    };
    let (main, apart) = (of(0), of(1));
    let all = |(data, model): &'_ (Option<Vec<f64>>, Vec<f64>)| model.iter().chain(data.iter().flatten()).copied().collect::<Vec<f64>>();
    let highest = scales(&parts[0].axis, all(&main).iter(), all(&apart).iter(), side);
    for (k, part) in parts.iter().enumerate() {
        let up = Axis::between("", 0.0, highest[k], 1);
        let panel = Panel { at: [x + part.at, y], size: [part.length, side], axes: [&part.axis, &up] };
        if k == 0 {
            panel.heights(canvas, main.0.as_deref(), &main.1);
        } else {
            panel.apart(canvas, apart.0.as_deref(), &apart.1);
        }
        panel.frame(canvas, [numbers, false]);
    }
}

/// Two columns.
fn pair(canvas: &mut Canvas, panel: &Panel, x: &Part, y: &Part) {
    match panel.axes.map(Axis::is_few) {
        [true, true] => panel.circles(canvas, x.pair(), y.pair()),
        [true, false] => panel.violins(canvas, x.pair(), y.pair(), 0),
        [false, true] => panel.violins(canvas, x.pair(), y.pair(), 1),
        [false, false] => {
            let axes = panel.axes.map(Axis::clone);
            let grid = |x: &[f64], y: &[f64]| Grid::histogram(&axes, x, y).blurred(1.2);
            if let Some((x, y)) = x.data.as_ref().zip(y.data.as_ref()) {
                panel.regions(canvas, &grid(x, y));
            }
            panel.contours(canvas, &grid(&x.samples, &y.samples));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::plot::Apart;

    #[test]
    fn columns_and_axes_have_to_agree() {
        let axis = |label: &str| Axis::between(label, 0.0, 1.0, 4);
        let one = [vec![0.5; 10]];
        assert!(corner(&[axis("a").into(), axis("b").into()], None, ("samples", &one), &[]).is_err());
        // A column without any spread, a name too long for its panel and a letter that the font lacks are drawn all the same.
        let constant = Axis { low: 0.5, high: 0.5, ..axis("a very long name of a column that nobody can read 漢") };
        assert!(corner(&[constant.into()], Some(("rows", &one)), ("samples", &one), &["caption".into()]).is_ok());
    }

    #[test]
    fn the_areas_of_circles_are_shares() {
        let axis = || Axis::of_labels("a", vec!["x".into(), "y".into()]);
        // 16 rows: 9 at (x, x), 4 at (y, y), 3 at (x, y).
        let a = [vec![0.0; 9], vec![1.0; 4], vec![0.0; 3]].concat();
        let b = [vec![0.0; 9], vec![1.0; 4], vec![1.0; 3]].concat();
        let data = [a, b];
        let picture = corner(&[axis().into(), axis().into()], Some(("rows", &data)), ("samples", &[vec![], vec![]]), &[]).unwrap();
        // The second row of panels begins at (72, 24 + 268), and its cells have 130 pixels. Blue is more than red inside a disc.
        let inside = |x0: usize, y0: usize| {
            let blue = |x: usize, y: usize| {
                let [r, _, b] = picture.pixels[y * picture.width + x].map(i32::from);
                b > r + 30
            };
            (0..122).flat_map(|y| (0..122).map(move |x| (x, y))).filter(|(x, y)| blue(x0 + 4 + x, y0 + 4 + y)).count() as f64
        };
        let [most, less] = [inside(72, 292 + 130), inside(72 + 130, 292)];
        assert!((less / most - 4.0 / 9.0).abs() < 0.01, "{less} of {most}");
        assert_eq!(inside(72 + 130, 292 + 130), 0.0);
    }

    #[test]
    fn strips_take_a_part_of_the_panel() {
        let apart: Vec<Apart> = (0..3).map(|k| Apart { name: k.to_string(), values: vec![f64::from(k)] }).collect();
        let variable = Variable { axis: Axis::between("a", 0.0, 1.0, 4), apart };
        let both = parts(&variable, 100.0, None, &[0.0, 0.5]);
        assert_eq!((both[0].length, both[1].at, both[1].length), (54.0, 60.0, 40.0));
        assert!(both[0].samples[0].is_nan() && both[1].samples[1].is_nan());
    }
}
