//! The columns of a part of the text.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::field::{Typed, typed};
use super::header::Layout;
use super::scan::{Cells, Uneven};
use crate::error::{Error, Result};
use crate::events::table::absent::Absent;
use crate::events::table::column::{Column, Form, Unit};
use crate::events::table::join::Joined;
use crate::events::table::reading::{Reading, identifier, too_fine};
use crate::hint::{Hint, counted};

/// The error of a quote that is never closed, in this row or in the header.
pub(super) fn unclosed(path: &Path, row: Option<u64>, quote: u8) -> Error {
    let problem = format!("expected a closing {}, found the end of the file", char::from(quote));
    let hint = Hint::other("close the quote, or name another character as the quote");
    Error::Table { path: path.to_owned(), column: None, row, problem, hint: Some(hint.into()) }
}

/// The settings for reading columns from text.
pub(super) struct Columns {
    pub(super) path: PathBuf,
    pub(super) layout: Layout,
    skipped: Vec<bool>,
    as_text: Vec<bool>,
    absent: Vec<Absent>,
}

impl Columns {
    pub(super) fn new(path: &Path, layout: Layout, reading: &Reading) -> Self {
        let named = |names: &[String]| layout.columns.iter().map(|(_, name)| names.contains(name)).collect();
        let absent = layout.columns.iter().map(|(_, name)| Absent::of(reading, name)).collect();
        Columns { path: path.to_owned(), skipped: named(&reading.skip), as_text: named(&reading.text), absent, layout }
    }

    /// The columns of the text between these cuts, after `row` rows, and which of them hold marks that were read as missing.
    pub(super) fn read(&self, text: &[u8], cuts: &[usize], row: u64) -> Result<(Vec<Column>, Vec<bool>)> {
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &text[w[0]..w[1]]).collect();
        let all: Vec<usize> = (0..self.layout.columns.len()).collect();
        let parts = self.parts(&chunks, row, &all, |j| self.as_text[j])?;
        let joined: Vec<Option<(Column, bool)>> =
            parts.into_par_iter().zip(all).map(|(parts, j)| self.joined(j, parts)).collect::<Result<_>>()?;
        // A column that looks numeric in one chunk may be text in another.
        let mixed: Vec<usize> = joined.iter().enumerate().filter(|(_, column)| column.is_none()).map(|(j, _)| j).collect();
        let mut texts = if mixed.is_empty() { Vec::new() } else { self.parts(&chunks, row, &mixed, |_| true)? }.into_iter();
        let of = |(j, column): (usize, Option<(Column, bool)>)| {
            column.unwrap_or_else(|| {
                let parts = texts.next().unwrap_or_default().into_iter().map(|(_, part)| part.column);
                (self.joint(j, parts).unwrap_or_else(|| Column::missing(&self.layout.columns[j].1, 0)), false)
            })
        };
        Ok(joined.into_iter().enumerate().map(of).unzip())
    }

    /// The parts of these columns: for each column one part per chunk, with the rows before it. A chunk is cut and read by one thread, while it is in the cache.
    fn parts(
        &self,
        chunks: &[&[u8]],
        row: u64,
        columns: &[usize],
        as_text: impl Fn(usize) -> bool + Sync,
    ) -> Result<Vec<Vec<(u64, Typed)>>> {
        let part = |text: &&[u8]| {
            let cells = Cells::new(text, &self.layout.syntax, self.layout.width)?;
            let typed: Vec<Typed> = columns.iter().map(|&j| self.typed(j, text, &cells, as_text(j))).collect();
            Ok((cells.rows(), typed))
        };
        let read: Vec<Result<(usize, Vec<Typed>), Uneven>> = chunks.par_iter().map(part).collect();
        let mut parts: Vec<Vec<(u64, Typed)>> = columns.iter().map(|_| Vec::with_capacity(chunks.len())).collect();
        let mut before = row;
        for chunk in read {
            let (rows, typed) = chunk.map_err(|uneven| self.uneven(before, &uneven))?;
            parts.iter_mut().zip(typed).for_each(|(parts, part)| parts.push((before, part)));
            before += rows as u64;
        }
        Ok(parts)
    }

    fn uneven(&self, row: u64, uneven: &Uneven) -> Error {
        let row = Some(row + uneven.before as u64 + 1);
        if uneven.unclosed {
            return unclosed(&self.path, row, self.layout.syntax.quote);
        }
        let problem = format!("expected {}, found {}", counted(self.layout.width, "field", "fields"), uneven.found);
        Error::Table { path: self.path.clone(), column: None, row, problem, hint: None }
    }

    /// A column of one chunk.
    fn typed(&self, j: usize, text: &[u8], cells: &Cells, as_text: bool) -> Typed {
        let (at, name) = &self.layout.columns[j];
        if self.skipped[j] {
            return Typed::plain(Column::missing(name, cells.rows()));
        }
        let fields = cells.column(*at).map(|field| field.text(text, self.layout.syntax.quote));
        typed(name, fields, self.layout.numerals, &self.absent[j], as_text)
    }

    /// A column of all chunks, and whether marks in it were read as missing. Nothing if its parts contradict each other.
    fn joined(&self, j: usize, parts: Vec<(u64, Typed)>) -> Result<Option<(Column, bool)>> {
        let name = &self.layout.columns[j].1;
        let marks = parts.iter().any(|(_, part)| part.marks);
        let mut large =
            parts.iter().filter_map(|(row, part)| part.identifier.as_ref().map(|(i, found)| (row + *i as u64 + 1, found.clone())));
        let large = large.next();
        let Some(column) = self.joint(j, parts.into_iter().map(|(_, part)| part.column)) else { return Ok(None) };
        match (&column.form, large) {
            (Form::Whole, Some((row, found))) => Err(identifier(&self.path, name, row, found)),
            (Form::Real | Form::Whole, _) => Ok(Some((column, marks))),
            _ if marks => Ok(None),
            // Chunks of moments may be in different units; the finest is that of all.
            (Form::Time(Unit::Microsecond), Some((row, found))) => Err(too_fine(&self.path, name, row, found)),
            _ => Ok(Some((column, false))),
        }
    }

    /// The parts of a column in one, or nothing if they contradict each other.
    fn joint(&self, j: usize, mut parts: impl Iterator<Item = Column>) -> Option<Column> {
        let mut joined = Joined::new(parts.next().unwrap_or_else(|| Column::missing(&self.layout.columns[j].1, 0)));
        parts.for_each(|part| joined.push(part));
        joined.into_column()
    }
}
