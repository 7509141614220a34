//! The figures.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas, Colour},
    colours::{DATA, FAINT, INK, MODEL, scale},
    grid::Grid,
    panel::{ColourScale, LARGE, Panel, SMALL},
    picture::Picture,
};
use crate::error::{Error, Result};

/// From as many rows a histogram of two columns says more than points do.
const MANY: usize = 5_000;
/// The room for numbers and a label at the left of a panel, and below it.
const LEFT: f64 = 72.0;
const BELOW: f64 = 46.0;

/// A column of data or samples.
type Values<'a> = &'a [f64];

/// The density of two columns, and at its right the rows of a table in the same colours (as points when they are few). `caption` stands below.
pub fn beside(density: &Grid, rows: Option<(&str, [Values; 2])>, caption: &str) -> Result<Picture> {
    let colours = ColourScale::of(density);
    let (side, top, gap) = (420.0, 34.0, 34.0);
    let panels = if rows.is_some() { 2.0 } else { 1.0 };
    let width = LEFT + panels * side + (panels - 1.0) * gap + 96.0;
    let mut canvas = Canvas::new(width as usize, (top + side + BELOW + 30.0) as usize)?;
    let axes = [&density.axes[0], &density.axes[1]];
    let panel = |k: f64| Panel { at: [LEFT + k * (side + gap), top], size: [side, side], axes };
    panel(0.0).image(&mut canvas, density, colours);
    panel(0.0).frame(&mut canvas, [true, true]);
    panel(0.0).title(&mut canvas, "density of the model", INK);
    if let Some((title, [x, y])) = rows {
        if x.len() < MANY {
            panel(1.0).points(&mut canvas, x, y, DATA);
        } else {
            // Cells that hold some tens of rows where rows are usual.
            let cells = ((x.len() as f64 / 12.0).sqrt() as usize).clamp(20, 100);
            let coarse = |axis: &Axis| Axis { cells: axis.cells.min(cells), ..axis.clone() };
            panel(1.0).image(&mut canvas, &Grid::histogram(&[coarse(axes[0]), coarse(axes[1])], x, y), colours);
        }
        panel(1.0).frame(&mut canvas, [true, false]);
        panel(1.0).title(&mut canvas, title, INK);
    }
    bar(&mut canvas, [width - 84.0, top], side, colours);
    let caption = canvas.shortened(&format!("{caption}; {} colour scale", colours.name()), SMALL, width - LEFT);
    canvas.text([LEFT, top + side + BELOW + 18.0], &caption, SMALL, INK, Anchor::Start, false);
    Ok(canvas.finish())
}

/// The scale of colours, from below to above.
fn bar(canvas: &mut Canvas, [x, y]: [f64; 2], height: f64, colours: ColourScale) {
    let steps = 200;
    for k in 0..steps {
        let share = |k: usize| y + height * (1.0 - k as f64 / steps as f64);
        canvas.fill([x, share(k)], [x + 12.0, share(k + 1)], scale((k as f64 + 0.5) / steps as f64), 1.0);
    }
    canvas.outline([x, y], [12.0, height], FAINT);
    for (share, text) in colours.ticks() {
        let at = y + height * (1.0 - share);
        canvas.line([x + 12.0, at], [x + 16.0, at], 1.0, FAINT);
        canvas.text([x + 19.0, at + 4.0], &text, SMALL, INK, Anchor::Start, false);
    }
}

/// The density of each cell of an axis that holds a share of the values.
fn histogram(axis: &Axis, values: Values) -> Vec<f64> {
    let mut heights = vec![0.0; axis.cells];
    let each = 1.0 / (values.len().max(1) as f64 * axis.cell());
    values.iter().filter_map(|&v| axis.find(v)).for_each(|cell| heights[cell] += each);
    heights
}

/// The density of one column as a curve, in the cells of `axis`, over the histogram of `rows` in the cells of `bins`. `caption` stands below.
pub fn curve(axis: &Axis, density: &[f64], bins: &Axis, rows: (&str, Values), caption: &str) -> Result<Picture> {
    if density.len() != axis.cells {
        return Err(Error::shape("density", format!("{} values", axis.cells), density.len()));
    }
    let bars = histogram(bins, rows.1);
    let highest = bars.iter().chain(density).copied().filter(|v| v.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
    let up = Axis { label: "density".into(), low: 0.0, high: 1.06 * highest, cells: 1 };
    let mut canvas = Canvas::new(720, 480)?;
    let panel = Panel { at: [LEFT, 34.0], size: [720.0 - LEFT - 24.0, 480.0 - 34.0 - BELOW - 30.0], axes: [bins, &up] };
    panel.bars(&mut canvas, &bars, true);
    panel.curve(&mut canvas, axis, density);
    panel.frame(&mut canvas, [true, true]);
    legend(&mut canvas, [LEFT, 22.0], &[(rows.0, DATA), ("density of the model", MODEL)]);
    canvas.text([LEFT, 468.0], caption, SMALL, INK, Anchor::Start, false);
    Ok(canvas.finish())
}

/// Names in a row, each behind a mark of its colour.
fn legend(canvas: &mut Canvas, [mut x, y]: [f64; 2], entries: &[(&str, Colour)]) {
    for (text, colour) in entries {
        canvas.fill([x, y - 9.0], [x + 14.0, y], *colour, if *colour == DATA { 0.5 } else { 1.0 });
        canvas.text([x + 20.0, y], text, LARGE, INK, Anchor::Start, false);
        x += 44.0 + canvas.text_width(text, LARGE);
    }
}

/// Samples of a model over data, column by column and pair by pair: histograms on the diagonal; below it the regions of most density
/// that hold 25, 50, 75 and 95 % of the data, filled, and of the samples, as lines. `caption` stands in the empty corner.
///
/// `data` and `samples` have one column an axis; without data the samples stand alone.
pub fn corner(axes: &[Axis], data: Option<(&str, &[Vec<f64>])>, samples: (&str, &[Vec<f64>]), caption: &[String]) -> Result<Picture> {
    let dim = axes.len();
    if let Some(columns) = [Some(samples.1), data.map(|d| d.1)].into_iter().flatten().find(|c| c.len() != dim) {
        return Err(Error::shape("columns of a corner plot", dim, columns.len()));
    }
    let side = (1_100.0 / dim.max(1) as f64).clamp(110.0, 260.0).floor();
    let (gap, top) = (8.0, 24.0);
    let size = LEFT + dim as f64 * (side + gap) + 16.0;
    let mut canvas = Canvas::new(size as usize, (top + dim as f64 * (side + gap) + BELOW) as usize)?;
    for row in 0..dim {
        for column in 0..=row {
            let at = [LEFT + column as f64 * (side + gap), top + row as f64 * (side + gap)];
            let numbers = [row + 1 == dim, column == 0 && row > 0];
            if row == column {
                let filled = data.map(|d| histogram(&axes[row], &d.1[row]));
                let lines = histogram(&axes[row], &samples.1[row]);
                let highest = filled.iter().flatten().chain(&lines).copied().fold(f64::MIN_POSITIVE, f64::max);
                let up = Axis { label: String::new(), low: 0.0, high: 1.08 * highest, cells: 1 };
                let panel = Panel { at, size: [side; 2], axes: [&axes[row], &up] };
                if let Some(heights) = &filled {
                    panel.bars(&mut canvas, heights, true);
                }
                panel.bars(&mut canvas, &lines, false);
                panel.frame(&mut canvas, [numbers[0], false]);
            } else {
                let pair = [axes[column].clone(), axes[row].clone()];
                let panel = Panel { at, size: [side; 2], axes: [&pair[0], &pair[1]] };
                let grid = |columns: &[Vec<f64>]| Grid::histogram(&pair, &columns[column], &columns[row]).blurred(1.2);
                if let Some((_, columns)) = data {
                    panel.regions(&mut canvas, &grid(columns));
                }
                panel.contours(&mut canvas, &grid(samples.1));
                panel.frame(&mut canvas, numbers);
            }
        }
    }
    // The corner above the diagonal is empty from the second column on.
    let x = LEFT + side + 3.0 * gap;
    let mut entries: Vec<(&str, Colour)> = data.iter().map(|d| (d.0, DATA)).collect();
    entries.push((samples.0, MODEL));
    for (k, entry) in entries.iter().enumerate() {
        legend(&mut canvas, [x, top + 14.0 + 22.0 * k as f64], &[*entry]);
    }
    for (k, line) in caption.iter().enumerate() {
        let line = canvas.shortened(line, SMALL, size - x - 8.0);
        canvas.text([x, top + 16.0 + 22.0 * entries.len() as f64 + 16.0 * k as f64], &line, SMALL, INK, Anchor::Start, false);
    }
    Ok(canvas.finish())
}

/// Densities of the same two columns side by side, `columns` in a row, in one scale of colours.
pub fn montage(densities: &[(String, &Grid)], columns: usize, colours: ColourScale) -> Result<Picture> {
    let (side, gap, top) = (170.0, 12.0, 26.0);
    let columns = columns.clamp(1, densities.len().max(1));
    let rows = densities.len().div_ceil(columns);
    let size = [columns as f64 * (side + gap) + gap, rows as f64 * (side + top + gap) + 4.0];
    let mut canvas = Canvas::new(size[0] as usize, size[1] as usize)?;
    for (k, (title, grid)) in densities.iter().enumerate() {
        let at = [gap + (k % columns) as f64 * (side + gap), top + (k / columns) as f64 * (side + top + gap)];
        let panel = Panel { at, size: [side; 2], axes: [&grid.axes[0], &grid.axes[1]] };
        panel.image(&mut canvas, grid, colours);
        canvas.outline(at, [side; 2], FAINT);
        panel.title(&mut canvas, title, INK);
    }
    Ok(canvas.finish())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn axis(label: &str, cells: usize) -> Axis {
        Axis { label: label.into(), low: 0.0, high: 1.0, cells }
    }

    #[test]
    fn what_is_dense_is_dark() {
        let axes = [axis("a", 2), axis("b", 2)];
        let grid = Grid { axes, values: vec![0.0, 1.0, 2.0, 4.0] };
        let picture = beside(&grid, None, "").unwrap();
        // The middles of the four cells of the image, 420 pixels wide from (72, 34): the first axis goes right, the second up.
        let light = |x: usize, y: usize| picture.pixels[y * picture.width + x].map(u32::from).iter().sum::<u32>();
        let cells = [light(177, 349), light(387, 349), light(177, 139), light(387, 139)];
        assert!(cells[0] == 3 * 255 && cells.windows(2).all(|w| w[1] < w[0]), "{cells:?}");
    }

    #[test]
    fn columns_and_axes_have_to_agree() {
        let one = [vec![0.5; 10]];
        assert!(corner(&[axis("a", 4), axis("b", 4)], None, ("samples", &one), &[]).is_err());
        assert!(curve(&axis("a", 4), &[1.0; 3], &axis("a", 4), ("rows", &one[0]), "").is_err());
        // A column without any spread, a name too long for its panel and a letter that the font lacks are drawn all the same.
        let constant = Axis { low: 0.5, high: 0.5, ..axis("a very long name of a column that nobody can read 漢", 4) };
        assert!(corner(&[constant], Some(("rows", &one)), ("samples", &one), &["caption".into()]).is_ok());
    }
}
