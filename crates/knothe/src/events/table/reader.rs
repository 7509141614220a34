//! A table of numbers, read whole or in batches.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::{
    column::{Column, Form},
    columnar, delimited, npy,
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

/// The bytes up to which a table grows without a look at what memory is left.
const UNCHECKED: u64 = 1 << 28;
/// The most columns.
const MOST_COLUMNS: usize = 100_000;
/// The most values of a batch.
const BATCH_VALUES: usize = 1 << 24;

/// The rows of a batch of so many columns, of at most `batch_rows` rows.
pub(super) fn rows_at_once(batch_rows: usize, columns: usize) -> usize {
    batch_rows.min(BATCH_VALUES / columns.max(1)).max(1)
}

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
    /// Reads a whole file: `.csv`, `.tsv`, `.parquet`, `.arrow`, `.feather`, `.ipc` or `.npy` (columns x1, …, xD).
    ///
    /// Fails on what is no table of finite numbers, with the column and the row (counted from 1 without the header).
    pub fn read(path: &Path) -> Result<Self> {
        Table::read_skipping(path, &[])
    }

    /// Reads a whole file without looking into the columns named in `skip`, which may hold anything: their values are missing.
    pub fn read_skipping(path: &Path, skip: &[String]) -> Result<Self> {
        let mut batches = TableReader::open_skipping(path, 1 << 16, skip)?;
        let Some(first) = batches.next() else { return Err(no_rows(path)) };
        let mut table = first?;
        let mut checked = UNCHECKED;
        for batch in batches {
            let bytes = memory::product(&[size_of::<f64>(), table.rows(), table.columns.len()]);
            if bytes >= checked {
                // Its columns double when they grow.
                memory::check(format!("{}, after {} rows", path.display(), table.rows()), bytes)?;
                checked = 2 * bytes;
            }
            for (all, column) in table.columns.iter_mut().zip(batch?.columns) {
                all.values.extend(column.values);
                if all.form == Form::Whole && !column.form.is_whole() {
                    all.form = column.form;
                }
            }
        }
        Ok(table)
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

/// What a file format does: gives the next rows, at least one, or nothing at the end.
pub(super) trait Source {
    /// The next batch of columns.
    fn batch(&mut self) -> Result<Option<Vec<Column>>>;
}

/// Reads a file in batches, in memory that depends on the batch and not on the file.
///
/// (An Arrow file is read in the batches that it was written in, and a Parquet file a page at a time.)
pub struct TableReader {
    path: PathBuf,
    source: Box<dyn Source + Send>,
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
        let batch_rows = batch_rows.max(1);
        let ending = ending(path)?;
        let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
        let about = file.metadata().map_err(|e| Error::io("read", path, e))?;
        if about.is_dir() {
            return Err(Error::table(path, "expected a file, found a folder", None));
        }
        if about.is_file() && about.len() == 0 {
            return Err(Error::table(path, "expected a table, found an empty file", None));
        }
        let source: Box<dyn Source + Send> = match ending.as_str() {
            "csv" => Box::new(delimited::Delimited::open(path, file, b',', batch_rows, skip)?),
            "tsv" => Box::new(delimited::Delimited::open(path, file, b'\t', batch_rows, skip)?),
            "parquet" => Box::new(columnar::Columnar::parquet(path, file, batch_rows, skip)?),
            "npy" => Box::new(npy::Npy::open(path, file, batch_rows)?),
            _ => Box::new(columnar::Columnar::arrow(path, file, batch_rows, skip)?),
        };
        Ok(TableReader { path: path.to_owned(), source, rows: 0, finished: false })
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
                let table = Table { path: self.path.clone(), columns, first_row: self.rows, notes: Vec::new() };
                self.rows += table.rows() as u64;
                Ok(Some(table))
            }
        });
        self.finished = !matches!(batch, Ok(Some(_)));
        batch.transpose()
    }
}

/// The ending of a file's name in lower case: csv, tsv, parquet, arrow, feather, ipc or npy; an error for one that is no table's.
pub fn ending(path: &Path) -> Result<String> {
    let ending = crate::file::ending(path);
    match ending.as_str() {
        "csv" | "tsv" | "parquet" | "arrow" | "feather" | "ipc" | "npy" => Ok(ending),
        _ if path.is_dir() => Err(Error::table(path, "expected a file, found a folder", None)),
        other => {
            let found = if other.is_empty() { "none".into() } else { format!(".{other}") };
            Err(Error::table(
                path,
                format!("expected a name that ends in .csv, .tsv, .parquet, .arrow, .feather, .ipc or .npy, found {found}"),
                None,
            ))
        }
    }
}

/// There are columns, and not too many.
pub(super) fn check_columns(path: &Path, columns: usize) -> Result<()> {
    match columns {
        0 => Err(Error::table(path, "expected at least one column, found none", None)),
        1..=MOST_COLUMNS => Ok(()),
        _ => Err(Error::table(path, format!("expected at most {MOST_COLUMNS} columns, found {columns}"), None)),
    }
}

/// Names are there, fit on a line and differ.
pub(super) fn check_names(path: &Path, names: &[String]) -> Result<()> {
    check_columns(path, names.len())?;
    let mut seen = HashSet::new();
    for (j, name) in names.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(Error::table(path, format!("expected a name for each column, found none for column {}", j + 1), None));
        }
        if name.chars().any(char::is_control) {
            let found = name.escape_debug();
            return Err(Error::table(
                path,
                format!("expected names of one line without control characters, found '{found}'"),
                Hint::other("rename the column"),
            ));
        }
        if !seen.insert(name) {
            return Err(Error::table(
                path,
                format!("expected names that differ, found two columns named '{name}'"),
                Hint::other("rename one of them"),
            ));
        }
    }
    Ok(())
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
