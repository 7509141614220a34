//! One column: a curve over a histogram, or bars.

use super::{
    axis::Axis,
    canvas::{Anchor, Canvas},
    colours::{DATA, INK, MODEL},
    figures::{BELOW, LEFT, Values, legend},
    panel::{Panel, SMALL},
    picture::Picture,
    variable::{Variable, histogram, shares},
};
use crate::error::{Error, Result};

/// The room for a value that stands apart.
const STRIP: f64 = 58.0;
/// The distance of the strip from the panel.
pub(super) const GAP: f64 = 6.0;
/// The room for two lines of text above bars.
const TEXTS: f64 = 34.0;

/// The model's side of a picture of one column.
#[derive(Clone, Copy, Debug)]
pub enum OfModel<'a> {
    /// The density in the cells of an axis, and the mass of each bar apart. If the variable's own axis is discrete, these are the masses of its cells.
    Density {
        /// The axis.
        axis: &'a Axis,
        /// One number per cell.
        heights: &'a [f64],
        /// One number per bar apart.
        apart: &'a [f64],
    },
    /// Samples, with their title.
    Samples(&'a str, &'a [f64]),
}

/// The upper ends of the scales of a column's axis and of its strip.
///
/// Masses share one scale. A density has a different unit, so the strip beside it goes from 0 to 1.
pub(super) fn scales<'a>(axis: &Axis, main: impl Iterator<Item = &'a f64>, apart: impl Iterator<Item = &'a f64>, height: f64) -> [f64; 2] {
    let highest = |values: &mut dyn Iterator<Item = &'a f64>| values.copied().filter(|v| v.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
    let (mut main, mut apart) = (main, apart.peekable());
    let room = 1.0 - (TEXTS / height).min(0.5);
    if apart.peek().is_none() || !axis.discrete {
        return [1.07 * highest(&mut main), 1.0 / room];
    }
    [highest(&mut main).max(highest(&mut apart)) / room; 2]
}

/// One column: the model as a curve over the histogram of `rows` or, for a discrete column, as bars beside those of the rows. Values that stand apart have their own bars.
/// `caption` stands below.
///
/// # Errors
/// [`Error::Shape`] unless there is one height per cell.
pub fn single(variable: &Variable, model: OfModel, rows: Option<(&str, Values)>, caption: &str) -> Result<Picture> {
    let (bins, strip) = (&variable.axis, variable.strip());
    let data = rows.map(|r| variable.split(r.1)).map(|[main, apart]| (histogram(bins, &main), shares(&strip, &apart)));
    let (name, main, apart) = match model {
        OfModel::Samples(title, values) => {
            let [main, apart] = variable.split(values);
            (title, histogram(bins, &main), shares(&strip, &apart))
        }
        OfModel::Density { axis, heights, apart } => {
            let cells = if bins.discrete { bins.cells } else { axis.cells };
            if heights.len() != cells || apart.len() != variable.apart.len() {
                return Err(Error::shape(
                    "density",
                    format!("{cells} values and {} apart", variable.apart.len()),
                    (heights.len(), apart.len()),
                ));
            }
            (if bins.discrete { "probability in the model" } else { "density of the model" }, heights.to_vec(), apart.to_vec())
        }
    };
    let mut canvas = Canvas::new(720, 480)?;
    let width = 720.0 - LEFT - 24.0;
    let beside = if variable.apart.is_empty() { 0.0 } else { (STRIP * variable.apart.len() as f64).min(0.4 * width) + GAP };
    let up = |high: f64| Axis::between(if bins.discrete { "probability" } else { "density" }, 0.0, high, 1);
    let rough = up(1.0);
    let below = Panel { at: [LEFT, 34.0], size: [width - beside, 400.0], axes: [bins, &rough] }.below(&canvas).max(BELOW);
    let below = if variable.apart.is_empty() {
        below
    } else {
        Panel { at: [LEFT, 34.0], size: [beside - GAP, 400.0], axes: [&strip, &rough] }.below(&canvas).max(below)
    };
    let height = 480.0 - 34.0 - below - 30.0;
    let of_data = data.as_ref();
    let [high, high_apart] =
        scales(bins, main.iter().chain(of_data.iter().flat_map(|d| &d.0)), apart.iter().chain(of_data.iter().flat_map(|d| &d.1)), height);
    let (up, up_apart) = (up(high), up(high_apart));
    let panel = Panel { at: [LEFT, 34.0], size: [width - beside, height], axes: [bins, &up] };
    match model {
        OfModel::Density { axis, .. } if !bins.discrete => {
            if let Some((heights, _)) = of_data {
                panel.bars(&mut canvas, heights, true);
            }
            panel.curve(&mut canvas, axis, &main);
        }
        _ => panel.heights(&mut canvas, of_data.map(|d| d.0.as_slice()), &main),
    }
    panel.frame(&mut canvas, [true, true]);
    if !variable.apart.is_empty() {
        let panel = Panel { at: [LEFT + width - beside + GAP, 34.0], size: [beside - GAP, height], axes: [&strip, &up_apart] };
        panel.apart(&mut canvas, of_data.map(|d| d.1.as_slice()), &apart);
        panel.frame(&mut canvas, [true, false]);
    }
    let mut entries = vec![(name, MODEL)];
    if let Some((title, _)) = rows {
        entries.insert(0, (title, DATA));
    }
    legend(&mut canvas, [LEFT, 22.0], &entries);
    let caption = canvas.shortened(caption, SMALL, width);
    canvas.text([LEFT, 468.0], &caption, SMALL, INK, Anchor::Start, false);
    Ok(canvas.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Apart;

    #[test]
    fn densities_have_to_fit_their_axes() {
        let axis = Axis::between("a", 0.0, 1.0, 4);
        let density = |heights, apart| OfModel::Density { axis: &axis, heights, apart };
        let rows = Some(("rows", [0.5; 10].as_slice()));
        let variable = Variable::from(axis.clone());
        assert!(single(&variable, density(&[1.0; 4], &[]), rows, "").is_ok());
        assert!(single(&variable, density(&[1.0; 3], &[]), rows, "").is_err());
        assert!(single(&variable, density(&[1.0; 4], &[0.1]), rows, "").is_err());
        let apart = vec![Apart { name: "missing".into(), values: vec![f64::NAN] }];
        assert!(single(&Variable { apart, ..variable }, density(&[1.0; 4], &[0.1]), rows, "").is_ok());
    }

    #[test]
    fn masses_have_one_scale_and_shares_beside_a_density_go_to_1() {
        let labels = Axis::of_labels("a", vec!["x".into(), "y".into()]);
        assert_eq!(scales(&labels, [0.25, 0.25].iter(), [0.5].iter(), 68.0), [1.0, 1.0]);
        let real = Axis::between("a", 0.0, 1.0, 4);
        assert_eq!(scales(&real, [2.0].iter(), [0.5].iter(), 68.0), [2.14, 2.0]);
    }
}
