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
    pub(super) fn read(&self, text: &[u8], cuts: &[usize], mut row: u64) -> Result<(Vec<Column>, Vec<bool>)> {
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &text[w[0]..w[1]]).collect();
        let cells: Vec<Result<Cells, Uneven>> =
            chunks.par_iter().map(|text| Cells::new(text, &self.layout.syntax, self.layout.width)).collect();
        let mut whole = Vec::new();
        for (text, cells) in chunks.into_iter().zip(cells) {
            match cells {
                Ok(cells) => {
                    let rows = cells.rows() as u64;
                    whole.push((row, text, cells));
                    row += rows;
                }
                Err(Uneven { before, found }) => {
                    return Err(Error::Table {
                        path: self.path.clone(),
                        column: None,
                        row: Some(row + before as u64 + 1),
                        problem: format!("expected {} fields, found {found}", self.layout.width),
                        hint: None,
                    });
                }
            }
        }
        let columns = (0..self.layout.columns.len()).into_par_iter().map(|j| self.column(j, &whole));
        Ok(columns.collect::<Result<Vec<_>>>()?.into_iter().unzip())
    }

    /// A column of all chunks, and whether marks in it were read as missing.
    fn column(&self, j: usize, chunks: &[(u64, &[u8], Cells)]) -> Result<(Column, bool)> {
        let (at, name) = &self.layout.columns[j];
        if self.skipped[j] {
            let rows = chunks.iter().map(|(_, _, cells)| cells.rows()).sum();
            return Ok((Column::real(name, vec![f64::NAN; rows]), false));
        }
        let part = |chunk: &(u64, &[u8], Cells), as_text| {
            let (_, text, cells) = chunk;
            let fields = cells.column(*at).map(|field| field.text(text, self.layout.syntax.quote));
            typed(name, fields, self.layout.numerals, &self.absent[j], as_text)
        };
        let parts: Vec<(u64, Typed)> = chunks.par_iter().map(|chunk| (chunk.0, part(chunk, self.as_text[j]))).collect();
        let mut large = None;
        let mut marks = false;
        let mut joined: Option<Joined> = None;
        for (row, part) in parts {
            marks |= part.marks;
            large = large.or(part.identifier.map(|(i, found)| (row + i as u64 + 1, found)));
            match &mut joined {
                None => joined = Some(Joined::new(part.column)),
                Some(joined) => joined.push(part.column),
            }
        }
        let column = joined.map_or_else(|| Some(Column::missing(name, 0)), Joined::into_column);
        match column {
            Some(column) if matches!(column.form, Form::Real | Form::Whole) => match large {
                Some((row, found)) if column.form == Form::Whole => Err(identifier(&self.path, name, row, found)),
                _ => Ok((column, marks)),
            },
            Some(column) if !marks => match large {
                // Chunks of moments may be in different units; the finest is that of all.
                Some((row, found)) if column.form == Form::Time(Unit::Microsecond) => Err(too_fine(&self.path, name, row, found)),
                _ => Ok((column, false)),
            },
            // A column that looks numeric in one chunk may be text in another.
            _ => {
                let mut parts: Vec<Column> = chunks.par_iter().map(|chunk| part(chunk, true).column).collect::<Vec<_>>();
                let first = parts.drain(..1).next().unwrap_or_else(|| Column::missing(name, 0));
                let mut joined = Joined::new(first);
                parts.into_iter().for_each(|part| joined.push(part));
                Ok((joined.into_column().unwrap_or_else(|| Column::missing(name, 0)), false))
            }
        }
    }
}
