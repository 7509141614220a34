//! The figures.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas, Colour},
    colours::{DATA, FAINT, INK, scale},
    grid::Grid,
    panel::{ColourScale, LARGE, Panel, SMALL},
    picture::Picture,
};
use crate::error::Result;

/// From as many rows a histogram of two columns says more than points do.
const MANY: usize = 5_000;
/// The room for numbers and a label at the left of a panel, and below it.
pub(super) const LEFT: f64 = 72.0;
pub(super) const BELOW: f64 = 46.0;

/// A column of data or samples.
pub(super) type Values<'a> = &'a [f64];

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

/// Names in a row, each behind a mark of its colour.
pub(super) fn legend(canvas: &mut Canvas, [mut x, y]: [f64; 2], entries: &[(&str, Colour)]) {
    for (text, colour) in entries {
        canvas.fill([x, y - 9.0], [x + 14.0, y], *colour, if *colour == DATA { 0.5 } else { 1.0 });
        canvas.text([x + 20.0, y], text, LARGE, INK, Anchor::Start, false);
        x += 44.0 + canvas.text_width(text, LARGE);
    }
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
        Axis::between(label, 0.0, 1.0, cells)
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
}
