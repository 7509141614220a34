//! Delimited text: CSV, TSV and their relatives.

mod columns;
mod decode;
mod dialect;
mod field;
mod header;
mod scan;
mod sniff;

use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;

pub use dialect::Dialect;
pub(super) use field::{boolean, is_mark, is_missing, is_number};

use self::columns::Columns;
use self::header::layout;
use super::column::Column;
use super::reading::{Reading, Source, rows_at_once};
use crate::error::{Error, Result};
use crate::hint::Hint;

/// The most bytes of a record. A file without the end of a line would otherwise fill the memory.
pub(super) const LONGEST_RECORD: usize = 1 << 26;

/// The error of a record that is longer.
pub(super) fn too_long() -> std::io::Error {
    std::io::Error::other(format!("expected records of at most {} MiB, found a longer one", LONGEST_RECORD >> 20))
}
/// The bytes from which a batch is cut, unless one record has more.
const BLOCKS: RangeInclusive<usize> = 1 << 16..=1 << 24;
/// About the bytes of a field.
const FIELD: usize = 16;
/// The bytes that one thread reads at once: so few that they, their fields and their values stay in its cache, and that memory is used again.
const CHUNK: usize = 1 << 16;

/// A reader of delimited text.
pub(super) struct Delimited {
    rest: Box<dyn Read + Send>,
    complete: bool,
    /// Bytes that are not yet read from this place on.
    text: Vec<u8>,
    at: usize,
    /// The bytes from which a batch is cut.
    block: usize,
    columns: Columns,
    marks: Vec<bool>,
    batch_rows: usize,
    row: u64,
}

impl Delimited {
    /// Finds out the dialect and reads the names of the columns. `tabs` says that tabs are expected.
    pub(super) fn open(path: &Path, file: impl Read + Send + 'static, tabs: bool, reading: &Reading) -> Result<Self> {
        reading.dialect.check()?;
        let io = |e| Error::io("read", path, e);
        let decode::Decoded { sample, rest, complete, notes } = decode::decode(file, reading.dialect.encoding.as_deref()).map_err(io)?;
        if sample.starts_with(b"PK\x03\x04") {
            let hint = Hint::other("save the sheet as CSV");
            return Err(Error::table(path, "expected text, found a ZIP archive or an Excel workbook", hint));
        }
        let layout = layout(path, &sample, complete, tabs, reading, notes)?;
        let batch_rows = rows_at_once(reading.batch_rows, layout.width);
        Ok(Delimited {
            rest,
            complete,
            text: sample,
            at: layout.start,
            block: batch_rows.saturating_mul(layout.width * FIELD).clamp(*BLOCKS.start(), *BLOCKS.end()),
            marks: vec![false; layout.columns.len()],
            batch_rows,
            columns: Columns::new(path, layout, reading),
            row: 0,
        })
    }

    /// Where the next records can be cut, after reading as much as that takes.
    fn cuts(&mut self) -> Result<Vec<usize>> {
        let mut wanted = self.block;
        loop {
            if self.text.len() - self.at < wanted && !self.complete {
                self.text.drain(..self.at);
                self.at = 0;
                // Twice as much, so that what is left over is not moved for each batch.
                let missing = 2 * wanted - self.text.len();
                let read = self
                    .rest
                    .by_ref()
                    .take(missing as u64)
                    .read_to_end(&mut self.text)
                    .map_err(|e| Error::io("read", &self.columns.path, e))?;
                self.complete = read < missing;
            }
            let text = &self.text[self.at..];
            let cuts = self.columns.layout.syntax.cuts(text, self.complete, CHUNK, self.batch_rows);
            if cuts.len() > 1 || self.complete {
                return Ok(cuts);
            }
            if text.len() >= LONGEST_RECORD {
                return Err(Error::io("read", &self.columns.path, too_long()));
            }
            wanted *= 2;
        }
    }
}

impl Source for Delimited {
    fn batch(&mut self) -> Result<Option<Vec<Column>>> {
        loop {
            let cuts = self.cuts()?;
            let Some(&end) = cuts.last().filter(|end| **end > 0) else { return Ok(None) };
            let (columns, marks) = self.columns.read(&self.text[self.at..], &cuts, self.row)?;
            self.marks.iter_mut().zip(marks).for_each(|(all, mark)| *all |= mark);
            self.at += end;
            let rows = columns.first().map_or(0, |c| c.values.len());
            self.row += rows as u64;
            if rows > 0 {
                return Ok(Some(columns));
            }
        }
    }

    fn marks(&self) -> Vec<String> {
        let columns = self.columns.layout.columns.iter().zip(&self.marks);
        columns.filter(|(_, mark)| **mark).map(|((_, name), _)| name.clone()).collect()
    }

    fn notes(&self) -> Vec<String> {
        self.columns.layout.notes.clone()
    }
}
