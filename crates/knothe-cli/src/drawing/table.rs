//! What `knothe plot` takes from a table: rows, and contexts.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use knothe::events::{
    Events,
    table::{Column, Form, Need, Schema, TableRows},
};

use crate::{
    failure::{Failure, say},
    given::{Value, set},
    options::Input,
};

/// Contexts over which a density is averaged when they come from a table.
const CONTEXTS: usize = 32;

/// The rows of a table that have the context which is given, and the contexts to draw the model for.
pub struct Data {
    /// The table.
    pub path: PathBuf,
    /// Its rows.
    pub rows: TableRows,
    /// The contexts of all of its rows, row-major, with what is given set.
    pub context: Vec<f64>,
}

/// Reads a table.
pub fn read(path: &Path, input: &Input, schema: &Schema) -> Result<Data, Failure> {
    let given = &input.given;
    let mut table = input.text_files.of(path, schema.reading([])).read(path)?;
    // The numbers of texts are codes.
    let is_same = |c: &Column, i: usize, v: &Value| (c.values[i] == v.value && !matches!(c.form, Form::Text(_))) || c.text(i) == v.text;
    let agrees = |i: usize, value: &Value| table.column(&value.column).is_none_or(|c| is_same(c, i, value));
    let kept: Vec<usize> = (0..table.rows()).filter(|&i| given.iter().all(|v| agrees(i, v))).collect();
    set(&mut table, given, schema)?;
    let rows = schema.rows(&table, Need::Evaluate)?;
    let kept: HashSet<u64> = kept.into_iter().map(|i| i as u64).collect();
    let positions: Vec<usize> = (0..rows.n).filter(|&i| kept.contains(&rows.index[i])).collect();
    if positions.is_empty() && rows.n > 0 {
        say(format_args!("note: no row of {} has the context that is given, so none is drawn", path.display()));
    }
    let context = rows.context.clone();
    Ok(Data { path: path.to_owned(), rows: rows.pick(&positions), context })
}

/// The columns of rows; weighted ones are drawn again.
pub fn weighted(rows: &TableRows, schema: &Schema, seed: u64) -> Vec<Vec<f64>> {
    let dim = schema.width();
    let picked = redrawn(rows.weights.as_deref(), rows.n, seed);
    (0..dim).map(|j| picked.iter().map(|&i| rows.x[i * dim + j]).collect()).collect()
}

/// The positions of `n` events; weighted ones are drawn again, each in proportion to its weight, at equal steps of the sum of weights.
pub fn redrawn(weights: Option<&[f64]>, n: usize, seed: u64) -> Vec<usize> {
    let Some(weights) = weights else { return (0..n).collect() };
    let step = weights.iter().sum::<f64>() / n as f64;
    // A start between 0 and 1 that every machine has for a seed.
    let start = (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1u64 << 53) as f64;
    let (mut sum, mut next) = (0.0, start * step);
    let mut picked = Vec::with_capacity(n);
    for (i, weight) in weights.iter().enumerate() {
        sum += weight;
        while next < sum {
            picked.push(i);
            next += step;
        }
    }
    picked
}

/// The contexts of rows with their shares: all that differ, or some of the rows at equal distances where that is too many.
pub fn contexts(rows: &[f64], width: usize) -> Vec<(Vec<f64>, f64)> {
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
