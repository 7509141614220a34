//! Tables of a tile by columns: the rows of one column stand in a piece of n numbers, whole vectors, filled up with zeros.

use super::{Real, lanes::LANES, spare::Table};

/// n for a number of rows.
pub(super) fn filled(rows: usize) -> usize {
    rows.next_multiple_of(LANES)
}

/// `[width, n]` of a row-major table.
pub(super) fn turned<T: Real>(table: &[T], width: usize) -> Table<T> {
    let rows = table.len() / width;
    let n = filled(rows);
    let mut into = if rows == n { Table::unwritten(width * n) } else { Table::zeros(width * n) };
    for (r, row) in table.chunks_exact(width).enumerate() {
        for (column, &entry) in into.chunks_exact_mut(n).zip(row) {
            column[r] = entry;
        }
    }
    into
}

/// The reverse of [`turned`].
pub(super) fn turn_back<T: Real>(from: &[T], table: &mut [T], width: usize) {
    let n = filled(table.len() / width);
    for (r, row) in table.chunks_exact_mut(width).enumerate() {
        for (column, entry) in from.chunks_exact(n).zip(row) {
            *entry = column[r];
        }
    }
}

/// Some columns of a table of `[width, n]`.
pub(super) fn gather<T: Real>(table: &[T], columns: &[usize], n: usize) -> Table<T> {
    let mut into = Table::with_capacity(columns.len() * n);
    columns.iter().for_each(|&c| into.extend_from_slice(&table[c * n..][..n]));
    into
}
