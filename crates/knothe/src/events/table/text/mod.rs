//! Delimited text: CSV, TSV and their relatives.

mod columns;
mod decode;
mod dialect;
mod field;
mod header;
mod scan;
mod sniff;

use std::fs::File;
use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::path::Path;

pub use dialect::Dialect;
pub(super) use field::{boolean, is_mark, is_missing, is_number, way_of_most};

use self::columns::Columns;
use self::header::layout;
use super::column::Column;
use super::reading::{Reading, Source, rows_at_once};
use super::schema::Notice;
use crate::error::{Error, Result};
use crate::hint::Hint;

/// The most bytes of a record. A file without the end of a line would otherwise fill the memory.
pub(super) const LONGEST_RECORD: usize = 1 << 26;

/// The error of a record that is longer.
pub(super) fn too_long() -> io::Error {
    io::Error::other(format!("expected records of at most {} MiB, found a longer one", LONGEST_RECORD >> 20))
}
/// The bytes from which a batch is cut, unless one record has more.
const BLOCKS: RangeInclusive<usize> = 1 << 16..=1 << 24;
/// A low estimate of the bytes of a field with its delimiter.
const FIELD: usize = 8;
/// The bytes that one thread reads at once: so few that they, their fields and their values stay in its cache, and that memory is used again.
const CHUNK: usize = 1 << 16;

/// A reader of delimited text.
pub(super) struct Delimited {
    rest: Box<dyn Read + Send>,
    complete: bool,
    /// Bytes that are not yet read from this place on.
    text: Vec<u8>,
    at: usize,
    /// Takes the text that is read while a batch is parsed.
    ahead: Vec<u8>,
    /// The bytes of the text that are read so far, and those of all of it if they are known.
    given: u64,
    all: Option<u64>,
    /// The bytes from which a batch is cut.
    block: usize,
    columns: Columns,
    marks: Vec<bool>,
    batch_rows: usize,
    row: u64,
}

impl Delimited {
    /// Finds out the dialect and reads the names of the columns. `tabs` says that tabs are expected.
    pub(super) fn open(path: &Path, file: File, tabs: bool, reading: &Reading) -> Result<Self> {
        reading.dialect.check()?;
        let io = |e| Error::io("read", path, e);
        let length = file.metadata().map_err(io)?.len();
        let decode::Decoded { sample, rest, complete, plain, notes } =
            decode::decode(file, reading.dialect.encoding.as_deref()).map_err(io)?;
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
            ahead: Vec::new(),
            given: 0,
            all: plain.then_some(length),
            block: batch_rows.saturating_mul(layout.width * FIELD).clamp(*BLOCKS.start(), *BLOCKS.end()),
            marks: vec![false; layout.columns.len()],
            batch_rows,
            columns: Columns::new(path, layout, reading),
            row: 0,
        })
    }

    /// Where the next records can be cut, after reading as much as that takes.
    fn cuts(&mut self) -> Result<Vec<usize>> {
        // Later text is read ahead, and must not be too short for a record.
        let mut wanted = if self.given == 0 { self.block } else { 0 };
        loop {
            let io = |e| Error::io("read", &self.columns.path, e);
            if !self.complete && self.text.len() - self.at < wanted {
                self.text.drain(..self.at);
                self.at = 0;
                self.complete = fill(&mut self.text, &mut self.rest, wanted).map_err(io)?;
            }
            let text = &self.text[self.at..];
            let cuts = self.columns.layout.syntax.cuts(text, self.complete, CHUNK, self.batch_rows);
            if cuts.len() > 1 || self.complete {
                return Ok(cuts);
            }
            if text.len() >= LONGEST_RECORD {
                return Err(io(too_long()));
            }
            wanted = self.block.max(2 * text.len());
        }
    }
}

/// Reads until the text has this many bytes. Gives whether it is complete.
fn fill(text: &mut Vec<u8>, rest: &mut impl Read, wanted: usize) -> io::Result<bool> {
    let missing = wanted.saturating_sub(text.len());
    Ok(rest.take(missing as u64).read_to_end(text)? < missing)
}

impl Source for Delimited {
    fn batch(&mut self) -> Result<Option<Vec<Column>>> {
        loop {
            let cuts = self.cuts()?;
            let Some(&end) = cuts.last().filter(|end| **end > 0) else { return Ok(None) };
            let Delimited { rest, complete, text, at, ahead, block, columns, row, .. } = self;
            let (text_at_hand, left) = (&text[*at..], &text[*at + end..]);
            // The next text is read while this one is parsed.
            let more = !*complete && left.len() < *block / 2;
            let read = || {
                ahead.clear();
                ahead.extend_from_slice(left);
                fill(ahead, rest, *block)
            };
            let (parsed, read) = rayon::join(|| columns.read(text_at_hand, &cuts, *row), || more.then(read).transpose());
            let (columns, marks) = parsed?;
            match read.map_err(|e| Error::io("read", &self.columns.path, e))? {
                Some(last) => {
                    std::mem::swap(&mut self.text, &mut self.ahead);
                    (self.at, self.complete) = (0, last);
                }
                None => self.at += end,
            }
            self.given += end as u64;
            self.marks.iter_mut().zip(marks).for_each(|(all, mark)| *all |= mark);
            let rows = columns.first().map_or(0, |c| c.values.len());
            self.row += rows as u64;
            if rows > 0 {
                return Ok(Some(columns));
            }
        }
    }

    fn share(&self) -> Option<f64> {
        self.all.map(|all| self.given as f64 / all as f64)
    }

    fn marks(&self) -> Vec<String> {
        let columns = self.columns.layout.columns.iter().zip(&self.marks);
        columns.filter(|(_, mark)| **mark).map(|((_, name), _)| name.clone()).collect()
    }

    fn notes(&self) -> Vec<Notice> {
        self.columns.layout.notes.clone()
    }
}
