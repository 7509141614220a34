//! Rows in tiles, side by side on the threads of the machine.
//!
//! Going through the coordinates of a masked network makes many small matrix products, which threads cannot share; rows they can.
//! Tiles also bound the memory of a large batch, and keep a tile's activations in cache.

use std::ops::Range;

use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::{
    bijection::Given,
    error::{Error, Result},
    given::Owned,
};

/// The results of `part` for tiles of at most `size` of the `rows` rows, in order. Tiles depend on `rows` and `size` alone, so results do not depend on the threads.
///
/// A tracked call is one tile: the order in which a graph adds gradients must not depend on the threads either.
/// Errors: the first, except that rows without an inverse are gathered from all tiles.
pub(crate) fn in_tiles<T: Send>(
    rows: usize,
    size: usize,
    tracked: bool,
    part: impl Fn(Range<usize>) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let count = if tracked { 1 } else { rows.div_ceil(size).max(1) };
    if count == 1 {
        return Ok(vec![part(0..rows)?]);
    }
    let bounds = |tile: usize| tile * rows / count..(tile + 1) * rows / count;
    let results: Vec<Result<T>> = (0..count).into_par_iter().map(|tile| part(bounds(tile))).collect();
    let (mut done, mut failed, mut map) = (Vec::with_capacity(count), Vec::new(), String::new());
    for (tile, result) in results.into_iter().enumerate() {
        match result {
            Ok(part) => done.push(part),
            Err(Error::NotInvertible { what, rows }) => {
                map = what;
                failed.extend(rows.into_iter().map(|row| row + bounds(tile).start));
            }
            Err(error) => return Err(error),
        }
    }
    if failed.is_empty() { Ok(done) } else { Err(Error::NotInvertible { what: map, rows: failed }) }
}

/// The rows of a tile.
pub(crate) fn rows_of(x: &Tensor<2>, tile: &Range<usize>) -> Tensor<2> {
    x.clone().narrow(0, tile.start, tile.len())
}

/// What the rows of a tile are given.
pub(crate) fn given_of(given: &Given, tile: &Range<usize>) -> Owned {
    given.map(|t| if t.dims()[1] == 0 { t.clone() } else { rows_of(t, tile) })
}
