//! NumPy's NPY files: arrays of plain numbers, read in batches of rows or as a whole.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::column::{Column, Form};
use super::reading::{Source, check_columns, identifier, rows_at_once};
use super::schema::Notice;
use super::written::LARGEST_INTEGER;
#[cfg(feature = "images")]
use crate::memory;
use crate::{
    error::{Error, Result},
    hint::Hint,
};

/// The bytes per number that using an array takes: as a byte, in another order, and encoded in 64 bits.
#[cfg(feature = "images")]
const CODED: u64 = 10;

/// How one number is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Item {
    kind: u8,
    size: usize,
    big_endian: bool,
}

impl Item {
    /// The bytes per number.
    #[cfg(feature = "images")]
    pub(crate) fn bytes(self) -> usize {
        self.size
    }

    /// Whether the numbers are integers or Booleans.
    pub(crate) fn is_integral(self) -> bool {
        self.kind != b'f'
    }
}

/// The header of an array. A header may claim any shape, so this reader checks everything against the length of the file.
pub(crate) struct Header {
    pub(crate) item: Item,
    pub(crate) fortran: bool,
    pub(crate) shape: Vec<u64>,
    /// Where the numbers start.
    data: u64,
}

impl Header {
    /// Reads magic, version, length, and a Python dictionary with `descr`, `fortran_order` and `shape`, from the start of `length` bytes. `path` names them.
    pub(crate) fn read(path: &Path, bytes: &mut impl Read, length: u64) -> Result<Self> {
        let io = |e| Error::io("read", path, e);
        let mut start = Vec::new();
        bytes.by_ref().take(10).read_to_end(&mut start).map_err(io)?;
        if let [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, ..] = start[..] {
            bytes.by_ref().take(2).read_to_end(&mut start).map_err(io)?;
        }
        let header_length = match start[..] {
            [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b] => u64::from(u16::from_le_bytes([a, b])),
            [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
            _ => return Err(Error::table(path, "expected an NPY file, found other bytes", None)),
        };
        let data = start.len() as u64 + header_length;
        // A header of plain numbers takes 128 bytes; one far beyond that describes something else.
        if data > length || header_length > 1 << 16 {
            return Err(Error::table(path, "expected an NPY file, found one with a damaged header", None));
        }
        let mut header = vec![0; header_length as usize];
        bytes.read_exact(&mut header).map_err(io)?;
        let header = String::from_utf8_lossy(&header).into_owned();
        let damaged = |part: &str| Error::table(path, format!("expected an NPY file, found one whose {part} cannot be read"), None);

        let descr = entry(&header, "descr").ok_or_else(|| damaged("type"))?;
        let item = item(descr).ok_or_else(|| {
            let found: String = descr.split_inclusive('\'').take(2).flat_map(str::chars).take(24).collect();
            Error::table(
                path,
                format!("expected 32- or 64-bit floats, integers or Booleans, found {}", found.trim().replace(char::is_control, " ")),
                None,
            )
        })?;
        let fortran = entry(&header, "fortran_order").is_some_and(|v| v.starts_with("True"));
        let shape = entry(&header, "shape").and_then(shape).ok_or_else(|| damaged("shape"))?;
        let needed = shape.iter().try_fold(item.size as u64, |product, &n| product.checked_mul(n));
        if needed.is_none_or(|needed| needed > length - data) {
            let shape = shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ");
            let problem = format!("expected {shape} values of {} bytes, found {} bytes", item.size, length - data);
            return Err(Error::table(path, problem, Hint::other("the file is cut short or damaged")));
        }
        Ok(Header { item, fortran, shape, data })
    }
}

#[cfg(feature = "images")]
/// A whole array in memory, in the order of its shape.
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) item: Item,
    bytes: Vec<u8>,
}

/// A caller's check of the shape of an array. It runs before memory is allocated.
#[cfg(feature = "images")]
pub(crate) type Check<'a> = &'a dyn Fn(&[u64]) -> Result<()>;

#[cfg(feature = "images")]
impl Array {
    /// Reads an array of `length` bytes, header included.
    pub(crate) fn read(path: &Path, mut bytes: impl Read, length: u64, check: Check) -> Result<Self> {
        let Header { item, fortran, shape, .. } = Header::read(path, &mut bytes, length)?;
        check(&shape)?;
        if fortran && shape.len() > 1 {
            let problem = "expected an array whose last index runs fastest, found one in Fortran order";
            return Err(Error::table(path, problem, Hint::other("save numpy.ascontiguousarray of it")));
        }
        // The header was checked against a length, but for a compressed array that length is itself only a claim.
        let needed = shape.iter().product::<u64>() * item.size as u64;
        let coded = shape.iter().fold(CODED, |product, &n| product.saturating_mul(n));
        memory::check(format!("the array of {}", path.display()), needed.saturating_add(coded))?;
        let mut all = Vec::new();
        // One byte beyond the expected end is read, because the checksum of an archive entry is verified at its end.
        bytes.take(needed.saturating_add(1)).read_to_end(&mut all).map_err(|e| Error::io("read", path, e))?;
        if (all.len() as u64) < needed {
            let problem = format!("expected {needed} bytes of numbers, found {}", all.len());
            return Err(Error::table(path, problem, Hint::other("the file is cut short or damaged")));
        }
        all.truncate(needed as usize);
        Ok(Array { shape: shape.into_iter().map(|n| n as usize).collect(), item, bytes: all })
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = f64> + '_ {
        self.bytes.chunks_exact(self.item.size).map(|bytes| decode(self.item, bytes))
    }
}

/// A reader of the rows of an array.
pub(crate) struct Npy {
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
    /// Reads the header.
    pub(crate) fn open(path: &Path, mut file: File, batch_rows: usize) -> Result<Self> {
        let length = file.metadata().map_err(|e| Error::io("read", path, e))?.len();
        let Header { item, fortran, shape, data } = Header::read(path, &mut file, length)?;
        let (rows, dim) = match shape[..] {
            [rows] => (rows, 1),
            [rows, dim] => (rows, dim),
            _ => {
                return Err(Error::table(path, format!("expected one or two dimensions, found {}", shape.len()), Hint::ReshapeOrImages));
            }
        };
        check_columns(path, usize::try_from(dim).unwrap_or(usize::MAX))?;
        Ok(Npy {
            path: path.to_owned(),
            file,
            item,
            fortran,
            data,
            rows,
            dim,
            row: 0,
            batch_rows: rows_at_once(batch_rows, usize::try_from(dim).unwrap_or(usize::MAX)) as u64,
        })
    }

    /// Reads `count` numbers, beginning with number `start`.
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
        let whole = self.item.is_integral();
        let values: Vec<Vec<f64>> = if self.fortran {
            (0..self.dim).map(|j| self.numbers(j * self.rows + self.row, taken)).collect::<Result<_>>()?
        } else {
            let all = self.numbers(self.row * self.dim, taken * self.dim)?;
            (0..dim).map(|j| all.iter().skip(j).step_by(dim).copied().collect()).collect()
        };
        let column = |(j, values): (usize, Vec<f64>)| {
            let name = format!("x{}", j + 1);
            // The digits of such numbers are already lost here, so the message states the magnitude.
            match values.iter().position(|v| whole && v.abs() > LARGEST_INTEGER) {
                Some(i) => Err(identifier(&self.path, &name, self.row + i as u64 + 1, format!("about {:e}", values[i]))),
                None if self.item.kind == b'b' => Ok(Column { name, values, form: Form::Boolean }),
                None => Ok(Column::numbers(name, values, whole)),
            }
        };
        let columns = values.into_iter().enumerate().map(column).collect::<Result<_>>()?;
        self.row += taken;
        Ok(Some(columns))
    }

    fn rows(&self) -> Option<u64> {
        Some(self.rows)
    }

    fn notes(&self) -> Vec<Notice> {
        Vec::new()
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
    // Shifting up and down extends the sign of a shorter integer.
    let unused = 64 - 8 * item.size as u32;
    match (item.kind, item.size) {
        (b'f', 4) => f64::from(f32::from_bits(bits as u32)),
        (b'f', _) => f64::from_bits(bits),
        (b'i', _) => (((bits << unused) as i64) >> unused) as f64,
        (b'b', _) => f64::from(u8::from(bits != 0)),
        _ => bits as f64,
    }
}

/// Writes the header of an array in version 1.0 of the format.
pub(crate) fn write_header(out: &mut impl Write, descr: &str, shape: &[usize]) -> std::io::Result<()> {
    let comma = if shape.len() == 1 { "," } else { "" };
    let shape = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}{comma}), }}");
    // Ten bytes, the header and a line feed fill a multiple of 64 bytes, as the format asks.
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(length as u16).to_le_bytes())?;
    writeln!(out, "{header:<width$}", width = length - 1)
}
