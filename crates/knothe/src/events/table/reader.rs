//! A table, read whole or in batches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{
    column::{Column, Form},
    input::{Input, Parts},
    join::Joined,
    reading::{Reading, Source},
    schema::Notice,
};
use crate::{
    error::{Error, Result},
    hint::Hint,
    memory,
};

/// The largest magnitude a table may hold. Columns are standardised in 64 bits before anything is done in 32, and the fourth powers of
/// such numbers, with room for sums of them, are below 1e308 there. Beyond it stands a mark for what is missing, or damage, and no measurement.
pub const LARGEST: f64 = 1e30;

/// The rows of a batch of a table that is read whole.
const WHOLE_ROWS: usize = 1 << 18;

/// The bytes up to which a table grows without a look at what memory is left.
const UNCHECKED: u64 = 1 << 28;
/// Named columns of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The file, for messages.
    pub path: PathBuf,
    /// The columns, in the order of the file.
    pub columns: Vec<Column>,
    /// The rows of the file before the first row of this table: 0 unless it is a batch.
    pub first_row: u64,
    /// What the reader made of the file, for the user to know.
    pub notes: Vec<Notice>,
}

impl Table {
    /// Reads a whole file: text (`.csv`, `.tsv`, `.txt`, `.dat`, `.data`, and `.gz` or `.zst` of them), `.parquet`, `.arrow`, `.feather`, `.ipc` or
    /// `.npy` (columns x1, …, xD); several files as one table for a folder of Parquet files or a path with `*` or `?`; the standard input for `-`.
    ///
    /// Fails on what is no table, on numbers that are not finite, and on whole numbers above 2⁵³, with the column and the row (counted from 1 without the header).
    pub fn read(path: &Path) -> Result<Self> {
        Table::read_with(path, &Reading::default())
    }

    /// Reads a whole file without looking into the columns named in `skip`, which may hold anything: their values are missing.
    pub fn read_skipping(path: &Path, skip: &[String]) -> Result<Self> {
        Table::read_with(path, &Reading { skip: skip.to_vec(), ..Reading::default() })
    }

    /// Reads a whole file. What a column stands for is decided by all of its values: numbers that stand beside text anywhere are text themselves.
    pub fn read_with(path: &Path, reading: &Reading) -> Result<Self> {
        let input = Input::find(path)?;
        let mut reading = Reading { batch_rows: WHOLE_ROWS, ..reading.clone() };
        loop {
            let (table, contradicted) = Table::read_once(TableReader::over(path, &input, &reading)?)?;
            match contradicted.first() {
                None => return Ok(table),
                // Texts hold all that is written, so that this cannot be, unless the file changes while it is read.
                Some(name) if reading.text.contains(name) => {
                    let problem = format!("expected values of one kind in column '{name}', found several");
                    return Err(Error::table(path, problem, Hint::DropColumns(vec![name.clone()])));
                }
                Some(_) => reading.text.extend(contradicted),
            }
        }
    }

    /// The table, and the columns that are texts as a whole though parts of them were read as something else.
    fn read_once(mut batches: TableReader) -> Result<(Self, Vec<String>)> {
        let Some(first) = batches.next() else { return Err(no_rows(&batches.path)) };
        let Table { path, columns, first_row, notes } = first?;
        let names: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
        let mut rows = columns.first().map_or(0, |c| c.values.len());
        let mut all: Vec<Joined> = columns.into_iter().map(Joined::new).collect();
        let mut checked = UNCHECKED;
        for batch in batches.by_ref() {
            let bytes = all.iter().map(Joined::bytes).fold(0, u64::saturating_add);
            if bytes >= checked {
                // Its columns double when they grow.
                memory::check(format!("{}, after {rows} rows", path.display()), bytes)?;
                checked = 2 * bytes;
            }
            let batch = batch?;
            rows += batch.rows();
            all.iter_mut().zip(batch.columns).for_each(|(all, column)| all.push(column));
        }
        let marks = batches.source.marks();
        let mut contradicted = Vec::new();
        let mut columns = Vec::new();
        for (name, column) in names.into_iter().zip(all) {
            match column.into_column() {
                Some(column) if matches!(column.form, Form::Real | Form::Whole) || !marks.contains(&name) => columns.push(column),
                _ => contradicted.push(name),
            }
        }
        Ok((Table { path, columns, first_row, notes }, contradicted))
    }

    /// The number of a row in the file, counted from 1.
    pub(super) fn number(&self, row: usize) -> u64 {
        self.first_row + row as u64 + 1
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |c| c.values.len())
    }

    /// The column of a name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Puts a column into the place of the one of its name, or behind the others.
    pub fn put(&mut self, column: Column) {
        match self.columns.iter_mut().find(|c| c.name == column.name) {
            Some(old) => *old = column,
            None => self.columns.push(column),
        }
    }
}

/// Reads a file in batches, in memory that depends on the batch and not on the file.
///
/// (An Arrow file is read in the batches that it was written in, and a Parquet file a page at a time.)
pub struct TableReader {
    path: PathBuf,
    source: Parts,
    rows: u64,
    finished: bool,
}

impl TableReader {
    /// Opens a file for batches of at most `batch_rows` rows (at least 1), and of fewer where they are of very many columns.
    pub fn open(path: &Path, batch_rows: usize) -> Result<Self> {
        TableReader::open_skipping(path, batch_rows, &[])
    }

    /// As [`TableReader::open`], without looking into the columns named in `skip`: their values are missing.
    pub fn open_skipping(path: &Path, batch_rows: usize, skip: &[String]) -> Result<Self> {
        TableReader::open_with(path, &Reading { batch_rows, skip: skip.to_vec(), ..Reading::default() })
    }

    /// Opens a file. What a column of text stands for is decided batch by batch, so that a column whose form matters is named in [`Reading::text`] or
    /// converted by the caller. The notes are those of the first batch.
    pub fn open_with(path: &Path, reading: &Reading) -> Result<Self> {
        TableReader::over(path, &Input::find(path)?, reading)
    }

    fn over(path: &Path, input: &Arc<Input>, reading: &Reading) -> Result<Self> {
        let reading = Reading { batch_rows: reading.batch_rows.max(1), ..reading.clone() };
        Ok(TableReader { path: path.to_owned(), source: Parts::open(input, &reading)?, rows: 0, finished: false })
    }
}

impl Iterator for TableReader {
    type Item = Result<Table>;

    fn next(&mut self) -> Option<Result<Table>> {
        if self.finished {
            return None;
        }
        let batch = self.source.batch().and_then(|columns| match columns {
            None if self.rows == 0 => Err(no_rows(&self.path)),
            None => Ok(None),
            Some(columns) => {
                check_values(&self.path, &columns, self.rows)?;
                let notes = if self.rows == 0 { self.source.notes() } else { Vec::new() };
                let notes = notes.into_iter().map(|message| Notice::new(message, None)).collect();
                let table = Table { path: self.path.clone(), columns, first_row: self.rows, notes };
                self.rows += table.rows() as u64;
                Ok(Some(table))
            }
        });
        self.finished = !matches!(batch, Ok(Some(_)));
        batch.transpose()
    }
}

/// Every value is missing or of a magnitude that a fit can compute with.
fn check_values(path: &Path, columns: &[Column], first_row: u64) -> Result<()> {
    for column in columns {
        let wrong = column.values.iter().position(|v| !(v.is_nan() || v.abs() <= LARGEST));
        if let Some(i) = wrong {
            let value = column.values[i];
            let expected = if value.is_finite() { "a magnitude of at most 1e30" } else { "a finite number" };
            return Err(Error::Table {
                path: path.to_owned(),
                column: Some(column.name.clone()),
                row: Some(first_row + i as u64 + 1),
                problem: format!("expected {expected}, found {value:?}"),
                hint: Some(Hint::other("an empty field or NaN marks a missing value").into()),
            });
        }
    }
    Ok(())
}

fn no_rows(path: &Path) -> Error {
    Error::table(path, "expected at least one row, found none", None)
}
