//! The picture of a density of columns, beside or over the rows of a table.

mod columns;
mod gains;
mod table;

use std::path::Path;

use knothe::{
    Model,
    events::table::{Schema, SchemaColumn, quoted},
    memory,
    model::Scoring,
    plot::{Grid, OfModel, Picture, beside, corner, single},
};

use crate::{
    cli::PlotArguments,
    columns::{Known, split},
    failure::{Failure, say},
};
use columns::{Shown, lattice};
pub use gains::{Facet, classes, facets, gains_of};
use table::{contexts, read, weighted};

/// Columns of a corner plot; more would be too small to see.
const LARGEST: usize = 12;
/// Cells of the picture of a density along each axis, and the points of a curve.
const CELLS: usize = 140;
const POINTS: usize = 600;
/// Bins of a histogram of one column, and along each axis of a pair in a corner plot.
pub const BINS: usize = 60;
const PAIR_BINS: usize = 48;
/// Categories of one column, and of each column of several; the rarest of more share a bar.
const CATEGORIES: usize = 40;
const PAIR_CATEGORIES: usize = 12;
/// Samples of a model, unless the user wants others.
const SAMPLES: usize = 20_000;

/// The density of the columns of a table. `given` is the context where no table has one.
pub fn density(model: &Model<Schema>, arguments: &PlotArguments, given: &[f64]) -> Result<Picture, Failure> {
    let schema = &model.coding;
    let chosen = chosen(arguments, schema)?;
    let data = arguments.data.as_deref().map(|table| read(table, &arguments.input, schema)).transpose()?;
    let context = match (&data, schema.context.is_empty()) {
        (Some(data), false) => data.context.clone(),
        _ => given.to_vec(),
    };
    let n = arguments.n.map_or(SAMPLES, |n| usize::try_from(n).unwrap_or(usize::MAX));
    memory::check(format!("drawing {n} rows at once"), memory::product(&[32, n, schema.columns.len() + schema.context.len()]))?;
    let repeated: Vec<f64> = (0..n * schema.context.len()).map(|k| context[k % context.len()]).collect();
    let samples = weighted(&model.sample(n, &repeated, arguments.seed)?, schema, 0);
    let title = data.as_ref().filter(|d| d.rows.n > 0).map(|d| format!("{}, {} rows", name(&d.path), grouped(d.rows.n)));
    let rows = data.filter(|d| d.rows.n > 0).map(|d| weighted(&d.rows, schema, arguments.seed));
    Drawing { model, context: &context, samples, rows: title.zip(rows), caption: caption(arguments, schema) }.draw(&chosen)
}

/// The columns to draw, by their place among those that are modelled.
fn chosen(arguments: &PlotArguments, schema: &Schema) -> Result<Vec<usize>, Failure> {
    let names: Vec<&str> = schema.modelled().map(|c| c.name.as_str()).collect();
    let all: Vec<usize> = (0..names.len()).collect();
    if arguments.columns.is_empty() {
        if all.len() > LARGEST {
            say(format_args!("note: the first {LARGEST} of {} columns are drawn; --columns A,B names others", all.len()));
        }
        return Ok(all.into_iter().take(LARGEST).collect());
    }
    let known = Known::new(names.iter().map(|&name| name.to_owned()));
    let mut chosen = Vec::new();
    for name in arguments.columns.iter().flat_map(|text| split(text, &known)) {
        match names.iter().position(|n| *n == name) {
            Some(j) if !chosen.contains(&j) => chosen.push(j),
            Some(_) => return Err(Failure::usage(format!("--columns: expected each column once, found '{name}' twice"), "")),
            None => {
                let hint = format!("the modelled columns are {}", quoted(&names));
                return Err(Failure::usage(format!("--columns: expected a column that is modelled, found '{name}'"), hint));
            }
        }
    }
    if chosen.len() > LARGEST {
        return Err(Failure::usage(format!("--columns: expected at most {LARGEST}, found {}", chosen.len()), ""));
    }
    Ok(chosen)
}

fn caption(arguments: &PlotArguments, schema: &Schema) -> Vec<String> {
    let mut lines = vec![format!("model {}", name(&arguments.model))];
    if schema.context.is_empty() {
        return lines;
    }
    let given: Vec<String> = arguments.input.given.iter().map(|v| format!("{} = {}", v.column, v.text)).collect();
    let others: Vec<&str> =
        schema.context.iter().map(|c| c.name.as_str()).filter(|c| !arguments.input.given.iter().any(|v| v.column == *c)).collect();
    if !given.is_empty() {
        lines.push(format!("given {}", given.join(", ")));
    }
    if !others.is_empty() {
        lines.push(format!("averaged over {} of the table", others.join(", ")));
    }
    lines
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// A count with a comma between its thousands.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let each: Vec<String> = digits.as_bytes().rchunks(3).rev().map(|c| String::from_utf8_lossy(c).into_owned()).collect();
    each.join(",")
}

/// What there is to draw.
struct Drawing<'a> {
    model: &'a Model<Schema>,
    context: &'a [f64],
    samples: Vec<Vec<f64>>,
    rows: Option<(String, Vec<Vec<f64>>)>,
    caption: Vec<String>,
}

impl Drawing<'_> {
    fn draw(&self, chosen: &[usize]) -> Result<Picture, Failure> {
        let drawn = format!("samples, {}", grouped(self.samples.first().map_or(0, Vec::len)));
        let (title, shown) = self.rows.as_ref().map_or((drawn.as_str(), &self.samples), |(title, rows)| (title, rows));
        let whole = chosen.len() == self.model.coding.width();
        if let [only] = chosen {
            return self.single(*only, whole, (title, &drawn));
        }
        let columns: Vec<Shown> = chosen.iter().map(|&j| self.shown(j, PAIR_BINS, PAIR_CATEGORIES)).collect();
        if let ([first, second], true, true) = (chosen, whole, columns.iter().all(Shown::is_plain)) {
            let axes = [*first, *second].map(|j| self.shown(j, CELLS, PAIR_CATEGORIES).variable.axis);
            // The model takes columns in the order of the schema, even if they are drawn in another order.
            let points: Vec<Vec<f64>> =
                Grid::centres(&axes).into_iter().map(|p| if first < second { p.to_vec() } else { vec![p[1], p[0]] }).collect();
            let grid = Grid { values: self.density(&points)?, axes };
            return Ok(beside(&grid, Some((title, [&shown[*first], &shown[*second]])), &self.caption.join("; "))?);
        }
        let place = |all: &[Vec<f64>]| chosen.iter().zip(&columns).map(|(&j, shown)| shown.places(&all[j])).collect::<Vec<_>>();
        let rows = self.rows.as_ref().map(|(title, columns)| (title.as_str(), place(columns)));
        let data = rows.as_ref().map(|(title, columns)| (*title, columns.as_slice()));
        let variables: Vec<_> = columns.iter().map(|shown| shown.variable.clone()).collect();
        Ok(corner(&variables, data, (&drawn, &place(&self.samples)), &self.caption)?)
    }

    /// One column: the density or masses of the model if this is its only column, and otherwise samples.
    fn single(&self, j: usize, whole: bool, (title, drawn): (&str, &str)) -> Result<Picture, Failure> {
        let bins = self.shown(j, BINS, CATEGORIES);
        let rows = self.rows.as_ref().map(|(_, columns)| bins.places(&columns[j]));
        let samples = bins.places(&self.samples[j]);
        let caption = self.caption.join("; ");
        if !whole {
            let rows = rows.as_deref().map(|rows| (title, rows));
            return Ok(single(&bins.variable, OfModel::Samples(drawn, &samples), rows, &caption)?);
        }
        let fine = self.shown(j, POINTS, CATEGORIES).variable.axis;
        let own = &bins.variable.axis;
        let heights = if own.discrete {
            let values: Vec<f64> = bins.values();
            bins.sums(&values, &self.masses(&values.iter().map(|&v| vec![v]).collect::<Vec<_>>())?)
        } else {
            let points: Vec<f64> = (0..fine.cells).map(|i| fine.centre(i)).collect();
            let mut heights = self.density(&points.iter().map(|&v| vec![v]).collect::<Vec<_>>())?;
            // At a special value the model has a mass and not a density. Its bar stands apart, so the curve takes the neighbour's height.
            for i in (0..points.len()).filter(|&i| bins.is_apart(points[i])) {
                heights[i] = heights[if i > 0 { i - 1 } else { (i + 1).min(points.len() - 1) }];
            }
            heights
        };
        let apart = bins.variable.apart.iter().map(|apart| {
            let points: Vec<Vec<f64>> = apart.values.iter().map(|&v| vec![v]).collect();
            Ok::<f64, Failure>(self.masses(&points)?.iter().sum())
        });
        let model = OfModel::Density { axis: &fine, heights: &heights, apart: &apart.collect::<Result<Vec<_>, _>>()? };
        Ok(single(&bins.variable, model, Some((title, rows.as_ref().unwrap_or(&samples))), &caption)?)
    }

    /// How a modelled column is shown.
    fn shown(&self, j: usize, cells: usize, categories: usize) -> Shown {
        let rows = self.rows.as_ref().map_or(&self.samples, |(_, rows)| rows);
        let modelled: Vec<&SchemaColumn> = self.model.coding.modelled().collect();
        Shown::new(modelled[j], &rows[j], &self.samples[j], cells, categories)
    }

    /// The density at points, averaged over the contexts. Masses of integers and lattices, taken at the nearest of them, count over their step.
    fn density(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, Failure> {
        let schema = &self.model.coding;
        let nearest = |(&x, column): (&f64, &SchemaColumn)| match lattice(&column.kind) {
            Some(lattice) => lattice.value(((x - lattice.offset()) / lattice.step()).round()),
            None => x,
        };
        let points: Vec<Vec<f64>> = points.iter().map(|point| point.iter().zip(schema.modelled()).map(nearest).collect()).collect();
        let steps: f64 = schema.modelled().filter_map(|c| lattice(&c.kind)).map(|l| l.step()).product();
        Ok(self.masses(&points)?.into_iter().map(|mass| mass / steps).collect())
    }

    /// The density or mass of rows, averaged over the contexts.
    fn masses(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, Failure> {
        let schema = &self.model.coding;
        let contexts = contexts(self.context, schema.context.len());
        let mut total = vec![0.0; points.len()];
        for (context, share) in &contexts {
            let rows = schema.rows_of(points.concat(), points.iter().flat_map(|_| context.iter().copied()).collect());
            let log_prob = self.model.log_prob(&rows, Scoring::default())?;
            total.iter_mut().zip(log_prob).for_each(|(t, l)| *t += share * l.exp());
        }
        Ok(total)
    }
}
