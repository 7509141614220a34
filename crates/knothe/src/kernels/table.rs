//! Tables of a tile by columns: the rows of one column stand in a piece of n numbers, whole vectors, filled up with zeros.

use super::{Real, lanes::LANES, spare::Table, transpose::transpose};

/// n for a number of rows.
pub(super) fn filled(rows: usize) -> usize {
    rows.next_multiple_of(LANES)
}

/// `[width, n]` of a row-major table.
pub(super) fn turned<T: Real>(table: &[T], width: usize) -> Table<T> {
    let rows = table.len() / width;
    let n = filled(rows);
    let mut into = if rows == n { Table::unwritten(width * n) } else { Table::zeros(width * n) };
    transpose((table, width), (&mut into, n), [rows, width]);
    into
}

/// The reverse of [`turned`]; where there are fewer columns than `width`, the others stay.
pub(super) fn turn_back<T: Real>(from: &[T], table: &mut [T], width: usize) {
    let rows = table.len() / width;
    let n = filled(rows);
    transpose((from, n), (table, width), [from.len() / n, rows]);
}

/// Some columns of a table of `[width, n]`.
pub(super) fn gather<T: Real>(table: &[T], columns: &[usize], n: usize) -> Table<T> {
    let mut into = Table::with_capacity(columns.len() * n);
    columns.iter().for_each(|&c| into.extend_from_slice(&table[c * n..][..n]));
    into
}
