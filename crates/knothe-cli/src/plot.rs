//! `knothe plot`: a model's density, beside or over the rows of a table.

use std::path::Path;

use knothe::{
    data::{Column, Kind, Need, Rows, Schema, SchemaColumn, Table, quoted},
    file::temporary,
    plot::{Axis, Grid, Picture, beside, corner, curve},
    tabular::{Scoring, TableModel},
};

use crate::{
    cli::PlotArguments,
    failure::{Failure, say},
    given::{self, Value},
    sample::Context,
};

/// Columns of a corner plot; more would be too small to see.
const LARGEST: usize = 12;
/// Cells of the picture of a density along each axis, and the points of a curve.
const CELLS: usize = 140;
const POINTS: usize = 600;
/// Bins of a histogram of one column, and along each axis of a pair in a corner plot.
const BINS: usize = 60;
const PAIR_BINS: usize = 48;
/// Contexts over which a density is averaged when they come from a table.
const CONTEXTS: usize = 32;
/// Noise samples for the mass of an integer.
const NOISE: usize = 16;

/// Draws a picture.
pub fn run(arguments: &PlotArguments) -> Result<(), Failure> {
    arguments.runtime.start()?;
    check_ending(&arguments.out)?;
    let model = TableModel::load(&arguments.model, &arguments.runtime.device)?;
    let schema = &model.schema;
    given::check(&arguments.given, schema)?;
    let chosen = chosen(arguments, schema)?;
    // What cannot be written is said before anything is drawn.
    drop(temporary(&arguments.out)?);
    let data = arguments.table.as_deref().map(|table| read(table, &arguments.given, schema)).transpose()?;
    let context = match (&data, schema.context.is_empty()) {
        (Some(data), false) => data.context.clone(),
        _ => Context::new(schema, &arguments.given, None)?.part(0, 1),
    };
    let width = schema.context_dim();
    let n = arguments.n as usize;
    let repeated: Vec<f64> = (0..n * width).map(|k| context[k % context.len()]).collect();
    let samples = columns(&model.sample(n, &repeated, arguments.seed)?, schema);
    let title = data.as_ref().filter(|d| d.rows.n > 0).map(|d| format!("{}, {} rows", name(&d.path), grouped(d.rows.n)));
    let rows = data.filter(|d| d.rows.n > 0).map(|d| weighted(&d.rows, schema, arguments.seed));
    let picture = Drawing { model: &model, context: &context, samples, rows: title.zip(rows), caption: caption(arguments, schema) };
    picture.draw(&chosen)?.write(&arguments.out)?;
    Ok(())
}

fn check_ending(path: &Path) -> Result<(), Failure> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    if ending == "png" {
        return Ok(());
    }
    let found = if ending.is_empty() { "none".into() } else { format!(".{ending}") };
    Err(Failure::usage(format!("--out {}: expected a name that ends in .png, found {found}", path.display()), ""))
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
    let mut chosen = Vec::new();
    for name in &arguments.columns {
        match names.iter().position(|n| n == name) {
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

/// The rows of a table that have the context which is given, and the contexts to draw the model for.
struct Data {
    path: std::path::PathBuf,
    rows: Rows,
    context: Vec<f64>,
}

fn read(path: &Path, given: &[Value], schema: &Schema) -> Result<Data, Failure> {
    let mut table = Table::read_skipping(path, &schema.dropped)?;
    let agrees = |i: usize, value: &Value| table.column(&value.column).is_none_or(|c| c.values[i] == value.value);
    let kept: Vec<usize> = (0..table.rows()).filter(|&i| given.iter().all(|v| agrees(i, v))).collect();
    given::set(&mut table, given);
    let rows = schema.rows(&table, Need::Evaluate)?;
    let kept: std::collections::HashSet<u64> = kept.into_iter().map(|i| i as u64).collect();
    let positions: Vec<usize> = (0..rows.n).filter(|&i| kept.contains(&rows.index[i])).collect();
    if positions.is_empty() && rows.n > 0 {
        say(format_args!("note: no row of {} has the context that is given, so none is drawn", path.display()));
    }
    let context = rows.context.clone();
    Ok(Data { path: path.to_owned(), rows: rows.pick(&positions, schema), context })
}

/// The modelled columns of a sample.
fn columns(sample: &[Column], schema: &Schema) -> Vec<Vec<f64>> {
    schema.modelled().filter_map(|c| sample.iter().find(|s| s.name == c.name)).map(|c| c.values.clone()).collect()
}

/// The columns of rows; weighted ones are drawn again, each in proportion to its weight, at equal steps of the sum of weights.
fn weighted(rows: &Rows, schema: &Schema, seed: u64) -> Vec<Vec<f64>> {
    let dim = schema.dim();
    let picked: Vec<usize> = match &rows.weights {
        None => (0..rows.n).collect(),
        Some(weights) => {
            let step = weights.iter().sum::<f64>() / rows.n as f64;
            // A start between 0 and 1 that every machine has for a seed.
            let start = (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1u64 << 53) as f64;
            let (mut sum, mut next) = (0.0, start * step);
            let mut picked = Vec::with_capacity(rows.n);
            for (i, weight) in weights.iter().enumerate() {
                sum += weight;
                while next < sum {
                    picked.push(i);
                    next += step;
                }
            }
            picked
        }
    };
    (0..dim).map(|j| picked.iter().map(|&i| rows.x[i * dim + j]).collect()).collect()
}

fn caption(arguments: &PlotArguments, schema: &Schema) -> Vec<String> {
    let mut lines = vec![format!("model {}", name(&arguments.model))];
    if schema.context.is_empty() {
        return lines;
    }
    let given: Vec<String> = arguments.given.iter().map(|v| format!("{} = {}", v.column, v.value)).collect();
    let others: Vec<&str> =
        schema.context.iter().map(|c| c.name.as_str()).filter(|c| !arguments.given.iter().any(|v| v.column == *c)).collect();
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
    model: &'a TableModel,
    context: &'a [f64],
    samples: Vec<Vec<f64>>,
    rows: Option<(String, Vec<Vec<f64>>)>,
    caption: Vec<String>,
}

impl Drawing<'_> {
    fn draw(&self, chosen: &[usize]) -> Result<Picture, Failure> {
        let drawn = format!("samples, {}", grouped(self.samples.first().map_or(0, Vec::len)));
        let whole = chosen.len() == self.model.schema.dim();
        match chosen {
            [only] if whole => {
                let (axis, bins) = (self.axis(*only, POINTS), self.axis(*only, BINS));
                let density = self.density(&(0..axis.cells).map(|i| vec![axis.centre(i)]).collect::<Vec<_>>())?;
                let rows = match &self.rows {
                    Some((title, columns)) => (title.as_str(), columns[*only].as_slice()),
                    None => (drawn.as_str(), self.samples[*only].as_slice()),
                };
                Ok(curve(&axis, &density, &bins, rows, &self.caption.join("; "))?)
            }
            [first, second] if whole => {
                let axes = [*first, *second].map(|j| self.axis(j, CELLS));
                // The model's own order of columns is that of the schema, whatever order they are drawn in.
                let points: Vec<Vec<f64>> =
                    Grid::centres(&axes).into_iter().map(|p| if first < second { p.to_vec() } else { vec![p[1], p[0]] }).collect();
                let grid = Grid { values: self.density(&points)?, axes };
                let pair = |columns: &'_ [Vec<f64>]| -> [Vec<f64>; 2] { [columns[*first].clone(), columns[*second].clone()] };
                let (title, columns) = match &self.rows {
                    Some((title, columns)) => (title.as_str(), pair(columns)),
                    None => (drawn.as_str(), pair(&self.samples)),
                };
                Ok(beside(&grid, Some((title, [&columns[0], &columns[1]])), &self.caption.join("; "))?)
            }
            _ => {
                let axes: Vec<Axis> = chosen.iter().map(|&j| self.axis(j, PAIR_BINS)).collect();
                let pick = |columns: &[Vec<f64>]| chosen.iter().map(|&j| columns[j].clone()).collect::<Vec<_>>();
                let rows = self.rows.as_ref().map(|(title, columns)| (title.as_str(), pick(columns)));
                let data = rows.as_ref().map(|(title, columns)| (*title, columns.as_slice()));
                Ok(corner(&axes, data, (&drawn, &pick(&self.samples)), &self.caption)?)
            }
        }
    }

    fn column(&self, j: usize) -> Option<&SchemaColumn> {
        self.model.schema.modelled().nth(j)
    }

    /// The axis of a modelled column, within its support, which holds the rows, or else the samples.
    fn axis(&self, j: usize, cells: usize) -> Axis {
        let values = self.rows.as_ref().map_or(&self.samples, |(_, rows)| rows)[j].as_slice();
        let (label, kind) = self.column(j).map_or(("", Kind::Continuous), |c| (c.name.as_str(), c.kind));
        let support = match kind {
            Kind::Positive => [0.0, f64::INFINITY],
            Kind::Bounded(ends) => ends,
            _ => [f64::NEG_INFINITY, f64::INFINITY],
        };
        let axis = Axis::new(label, &[values], support, cells);
        match (kind, kind.lattice()) {
            (Kind::Binary, _) => axis.on_lattice(0.0, 1.0),
            (_, Some(lattice)) => axis.on_lattice(lattice.offset, lattice.step),
            _ => axis,
        }
    }

    /// The density at points, averaged over the contexts. Masses of integers and lattices, taken at the nearest of them, count over their step.
    fn density(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, Failure> {
        let schema = &self.model.schema;
        let nearest = |(&x, column): (&f64, &SchemaColumn)| match (column.kind, column.kind.lattice()) {
            (Kind::Binary, _) => x.round(),
            (_, Some(lattice)) => lattice.offset + lattice.step * ((x - lattice.offset) / lattice.step).round(),
            _ => x,
        };
        let x: Vec<f64> = points.iter().flat_map(|point| point.iter().zip(schema.modelled()).map(nearest)).collect();
        let steps: f64 = schema.modelled().filter_map(|c| c.kind.lattice()).map(|l| l.step.ln()).sum();
        let contexts = contexts(self.context, schema.context_dim());
        let mut total = vec![0.0; points.len()];
        for (context, share) in &contexts {
            let rows = Rows {
                n: points.len(),
                x: x.clone(),
                context: points.iter().flat_map(|_| context.iter().copied()).collect(),
                index: (0..points.len() as u64).collect(),
                ..Rows::default()
            };
            let log_prob = self.model.log_prob(&rows, Scoring { seed: 0, samples: NOISE })?;
            total.iter_mut().zip(log_prob).for_each(|(t, l)| *t += share * (l - steps).exp());
        }
        Ok(total)
    }
}

/// The contexts of rows with their shares: all that differ, or some of the rows at equal distances where that is too many.
fn contexts(rows: &[f64], width: usize) -> Vec<(Vec<f64>, f64)> {
    if width == 0 {
        return vec![(vec![], 1.0)];
    }
    let n = rows.len() / width;
    let mut different: Vec<(Vec<f64>, f64)> = Vec::new();
    for row in rows.chunks(width) {
        if let Some((_, count)) = different.iter_mut().find(|(known, _)| known == row) {
            *count += 1.0;
        } else if different.len() < CONTEXTS {
            different.push((row.to_vec(), 1.0));
        } else {
            return (0..CONTEXTS).map(|k| (rows[k * n / CONTEXTS * width..][..width].to_vec(), 1.0 / CONTEXTS as f64)).collect();
        }
    }
    different.into_iter().map(|(row, count)| (row, count / n as f64)).collect()
}
