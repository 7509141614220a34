//! NumPy's NPY files: one- and two-dimensional arrays of plain numbers.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::table::{Column, Source};
use crate::error::{Error, Result};

/// How one number is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Item {
    kind: u8,
    size: usize,
    big_endian: bool,
}

/// A reader of the rows of an array. (Its own, since a header may claim any shape: everything is checked against the file's length.)
pub(super) struct Npy {
    path: PathBuf,
    file: File,
    item: Item,
    fortran: bool,
    data: u64,
    rows: u64,
    dim: u64,
    row: u64,
    batch_rows: u64,
}

impl Npy {
    /// Reads the header: magic, version, length, and a Python dictionary with `descr`, `fortran_order` and `shape`.
    pub(super) fn open(path: &Path, mut file: File, batch_rows: usize) -> Result<Self> {
        let io = |e| Error::io("read", path, e);
        let length = file.metadata().map_err(io)?.len();
        let mut start = Vec::new();
        file.by_ref().take(12).read_to_end(&mut start).map_err(io)?;
        let (header_start, header_length) = match start[..] {
            [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => (10, u64::from(u16::from_le_bytes([a, b]))),
            [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d] => (12, u64::from(u32::from_le_bytes([a, b, c, d]))),
            _ => return Err(Error::table(path, "expected an NPY file, found other bytes", "")),
        };
        let data = header_start + header_length;
        // A header of plain numbers takes 128 bytes; one far beyond that describes something else.
        if data > length || header_length > 1 << 16 {
            return Err(Error::table(path, "expected an NPY file, found one with a damaged header", ""));
        }
        let mut header = vec![0; header_length as usize];
        file.seek(SeekFrom::Start(header_start)).map_err(io)?;
        file.read_exact(&mut header).map_err(io)?;
        let header = String::from_utf8_lossy(&header).into_owned();
        let damaged = |part: &str| Error::table(path, format!("expected an NPY file, found one whose {part} cannot be read"), "");

        let descr = entry(&header, "descr").ok_or_else(|| damaged("type"))?;
        let item = item(descr).ok_or_else(|| {
            let found: String = descr.chars().take(24).collect();
            Error::table(path, format!("expected 32- or 64-bit floats, integers or Booleans, found {}", found.trim()), "")
        })?;
        let fortran = entry(&header, "fortran_order").is_some_and(|v| v.starts_with("True"));
        let shape = entry(&header, "shape").and_then(shape).ok_or_else(|| damaged("shape"))?;
        let (rows, dim) = match shape[..] {
            [rows] => (rows, 1),
            [rows, dim] => (rows, dim),
            _ => {
                return Err(Error::table(
                    path,
                    format!("expected one or two dimensions, found {}", shape.len()),
                    "reshape to rows and columns",
                ));
            }
        };
        if dim == 0 {
            return Err(Error::table(path, "expected at least one column, found none", ""));
        }
        let needed = rows.checked_mul(dim).and_then(|n| n.checked_mul(item.size as u64));
        if needed.is_none_or(|needed| needed > length - data) {
            let problem = format!("expected {rows} × {dim} values of {} bytes, found {} bytes", item.size, length - data);
            return Err(Error::table(path, problem, "the file is cut short or damaged"));
        }
        Ok(Npy { path: path.to_owned(), file, item, fortran, data, rows, dim, row: 0, batch_rows: batch_rows as u64 })
    }

    /// `count` numbers from the `start`-th on.
    fn numbers(&mut self, start: u64, count: u64) -> Result<Vec<f64>> {
        let size = self.item.size;
        let mut bytes = vec![0; count as usize * size];
        let from = SeekFrom::Start(self.data + start * size as u64);
        self.file.seek(from).and_then(|_| self.file.read_exact(&mut bytes)).map_err(|e| Error::io("read", &self.path, e))?;
        Ok(bytes.chunks_exact(size).map(|b| decode(self.item, b)).collect())
    }
}

impl Source for Npy {
    fn batch(&mut self) -> Result<Option<Vec<Column>>> {
        let taken = self.batch_rows.min(self.rows - self.row);
        if taken == 0 {
            return Ok(None);
        }
        let dim = self.dim as usize;
        let integral_dtype = self.item.kind != b'f';
        let values: Vec<Vec<f64>> = if self.fortran {
            (0..self.dim).map(|j| self.numbers(j * self.rows + self.row, taken)).collect::<Result<_>>()?
        } else {
            let all = self.numbers(self.row * self.dim, taken * self.dim)?;
            (0..dim).map(|j| all.iter().skip(j).step_by(dim).copied().collect()).collect()
        };
        self.row += taken;
        let column = |(j, values)| Column { name: format!("x{}", j + 1), values, integral_dtype };
        Ok(Some(values.into_iter().enumerate().map(column).collect()))
    }
}

/// The text after `'key':` in the header's dictionary.
fn entry<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, after) = header.split_once(&format!("'{key}'"))?;
    Some(after.trim_start().strip_prefix(':')?.trim_start())
}

/// `'<f8'`, …
fn item(descr: &str) -> Option<Item> {
    let code = descr.strip_prefix('\'')?.split_once('\'')?.0.as_bytes();
    let [order, kind, size @ ..] = code else { return None };
    let size: usize = std::str::from_utf8(size).ok()?.parse().ok()?;
    let known =
        matches!((kind, size), (b'f', 4 | 8) | (b'i' | b'u', 1 | 2 | 4 | 8) | (b'b', 1)) && matches!(order, b'<' | b'>' | b'|' | b'=');
    known.then_some(Item { kind: *kind, size, big_endian: *order == b'>' })
}

/// `(3, 4)`, `(3,)`, …
fn shape(text: &str) -> Option<Vec<u64>> {
    let inside = text.strip_prefix('(')?.split_once(')')?.0;
    inside.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
}

fn decode(item: Item, bytes: &[u8]) -> f64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    if item.big_endian {
        word[..item.size].reverse();
    }
    let bits = u64::from_le_bytes(word);
    // Shifting up and down again extends the sign of a shorter integer.
    let unused = 64 - 8 * item.size as u32;
    match (item.kind, item.size) {
        (b'f', 4) => f64::from(f32::from_bits(bits as u32)),
        (b'f', _) => f64::from_bits(bits),
        (b'i', _) => (((bits << unused) as i64) >> unused) as f64,
        (b'b', _) => f64::from(u8::from(bits != 0)),
        _ => bits as f64,
    }
}
