//! A table, read whole or in batches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

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

/// The largest magnitude in a table. Columns are standardised in 64 bits, where sums of fourth powers of such numbers stay below 1e308. A larger number is a
/// placeholder for a missing value or damage, not a measurement.
pub const LARGEST: f64 = 1e30;

/// The rows per batch for a table that is read as a whole.
const WHOLE_ROWS: usize = 1 << 18;

/// An estimated table is refused if even this share of it has no room: rows that are so many times as long as the first ones are improbable.
const LONGER: u64 = 4;

/// A table grows to this size in bytes before the free memory is checked.
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
    /// Notes for the user about the interpretation of the file.
    pub notes: Vec<Notice>,
}

impl Table {
    /// Reads a whole file: text (`.csv`, `.tsv`, `.txt`, `.dat`, `.data`, and `.gz` or `.zst` of them), `.parquet`, `.arrow`, `.feather`, `.ipc` or
    /// `.npy` (columns x1, …, xD). A folder of Parquet files or a path with `*` or `?` is read as one table, and `-` is the standard input.
    ///
    /// Files that are not tables, infinite numbers and whole numbers above 2⁵³ are errors, with the column and the row (counted from 1 without the header).
    /// [`Reading::negative_infinity`] names columns that may hold −∞.
    pub fn read(path: &Path) -> Result<Self> {
        Table::read_with(path, &Reading::default())
    }

    /// Reads a whole file but skips the contents of the columns named in `skip`. Their values are missing.
    pub fn read_skipping(path: &Path, skip: &[String]) -> Result<Self> {
        Table::read_with(path, &Reading { skip: skip.to_vec(), ..Reading::default() })
    }

    /// Reads a whole file. All values decide about the form of a column: if one is text, all of them are text.
    pub fn read_with(path: &Path, reading: &Reading) -> Result<Self> {
        let input = Input::find(path)?;
        let mut reading = Reading { batch_rows: WHOLE_ROWS, ..reading.clone() };
        loop {
            let (table, contradicted) = Table::read_once(TableReader::over(path, &input, &reading)?)?;
            match contradicted.first() {
                None => return Ok(table),
                // Text represents any value, so this happens only if the file changes while it is read.
                Some(name) if reading.text.contains(name) => {
                    let problem = format!("expected values of one kind in column '{name}', found several");
                    return Err(Error::table(path, problem, Hint::DropColumns(vec![name.clone()])));
                }
                Some(_) => reading.text.extend(contradicted),
            }
        }
    }

    /// The table, and the columns that have to be read again as text because their parts have different forms.
    fn read_once(mut batches: TableReader) -> Result<(Self, Vec<String>)> {
        let Some(first) = batches.next() else { return Err(no_rows(&batches.path)) };
        let Table { path, columns, first_row, notes } = first?;
        let names: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
        let mut rows = columns.first().map_or(0, |c| c.values.len());
        let mut all: Vec<Joined> = columns.into_iter().map(Joined::new).collect();
        let exact = batches.source.rows().and_then(|rows| usize::try_from(rows).ok());
        // A little more than it takes if all rows are as long as these.
        let estimated = || batches.source.share().filter(|share| *share > 0.0).map(|share| (rows as f64 / share * 1.02) as usize);
        if let Some(expected) = exact.or_else(estimated) {
            let bytes = memory::product(&[expected, all.len(), size_of::<f64>()]);
            let (about, least) = if exact.is_some() { ("", bytes) } else { ("about ", bytes / LONGER) };
            memory::check(format!("{}, {about}{expected} rows", path.display()), least)?;
            // Without room for an estimate, the parts are kept as they come.
            if memory::check("", bytes).is_ok() {
                all.iter_mut().for_each(|all| all.reserve(expected));
            }
        }
        let mut checked = UNCHECKED;
        for batch in batches.by_ref() {
            let bytes = all.iter().map(Joined::bytes).fold(0, u64::saturating_add);
            if bytes >= checked {
                // The parts of a column are copied into one at the end.
                memory::check(format!("{}, after {rows} rows", path.display()), bytes)?;
                checked = 2 * bytes;
            }
            let batch = batch?;
            rows += batch.rows();
            all.par_iter_mut().zip(batch.columns).for_each(|(all, column)| all.push(column));
        }
        let marks = batches.source.marks();
        let mut contradicted = Vec::new();
        let mut columns = Vec::new();
        let all: Vec<Option<Column>> = all.into_par_iter().map(Joined::into_column).collect();
        for (name, column) in names.into_iter().zip(all) {
            match column {
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

    /// The column with a name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Replaces the column with the same name, or appends the column.
    pub fn put(&mut self, column: Column) {
        match self.columns.iter_mut().find(|c| c.name == column.name) {
            Some(old) => *old = column,
            None => self.columns.push(column),
        }
    }
}

/// Reads a file in batches. The memory depends on the size of a batch and not on the size of the file.
///
/// An Arrow file is read in the batches in which it was written, and a Parquet file page by page.
pub struct TableReader {
    path: PathBuf,
    source: Parts,
    /// Columns that may hold −∞.
    negative_infinity: Vec<String>,
    rows: u64,
    finished: bool,
}

impl TableReader {
    /// Opens a file for batches of at most `batch_rows` rows (at least 1). Batches of very many columns have fewer.
    pub fn open(path: &Path, batch_rows: usize) -> Result<Self> {
        TableReader::open_skipping(path, batch_rows, &[])
    }

    /// As [`TableReader::open`], but skips the contents of the columns named in `skip`. Their values are missing.
    pub fn open_skipping(path: &Path, batch_rows: usize, skip: &[String]) -> Result<Self> {
        TableReader::open_with(path, &Reading { batch_rows, skip: skip.to_vec(), ..Reading::default() })
    }

    /// Opens a file. The form of a column of a text file is decided for each batch separately. If the form of a column matters, name it in [`Reading::text`] or
    /// convert the column. The notes come from the first batch.
    pub fn open_with(path: &Path, reading: &Reading) -> Result<Self> {
        TableReader::over(path, &Input::find(path)?, reading)
    }

    fn over(path: &Path, input: &Arc<Input>, reading: &Reading) -> Result<Self> {
        let reading = Reading { batch_rows: reading.batch_rows.max(1), ..reading.clone() };
        let source = Parts::open(input, &reading)?;
        Ok(TableReader { path: path.to_owned(), source, negative_infinity: reading.negative_infinity, rows: 0, finished: false })
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
                check_values(&self.path, &columns, self.rows, &self.negative_infinity)?;
                let notes = if self.rows == 0 { self.source.notes() } else { Vec::new() };
                let table = Table { path: self.path.clone(), columns, first_row: self.rows, notes };
                self.rows += table.rows() as u64;
                Ok(Some(table))
            }
        });
        self.finished = !matches!(batch, Ok(Some(_)));
        batch.transpose()
    }
}

/// Checks that every value is missing or has a magnitude that a fit can compute with. Some columns have no lowest value.
fn check_values(path: &Path, columns: &[Column], first_row: u64, negative_infinity: &[String]) -> Result<()> {
    for column in columns {
        let lowest = if negative_infinity.contains(&column.name) { f64::NEG_INFINITY } else { -LARGEST };
        let is_wrong = |v: &f64| *v > LARGEST || *v < lowest;
        // Without a branch per value.
        if !column.values.iter().fold(false, |any, v| any | is_wrong(v)) {
            continue;
        }
        if let Some(i) = column.values.iter().position(is_wrong) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_named_column_may_hold_negative_infinity() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("draws.csv");
        std::fs::write(&file, "x,log_weight\n0.5,-0.5\n1.5,-inf\n2.5,0.25\n").unwrap();
        let read = |names: &[&str]| {
            let negative_infinity = names.iter().map(|&name| name.to_owned()).collect();
            Table::read_with(&file, &Reading { negative_infinity, ..Reading::default() })
        };
        assert_eq!(read(&["log_weight"]).unwrap().columns[1], Column::real("log_weight", vec![-0.5, f64::NEG_INFINITY, 0.25]));
        for names in [vec![], vec!["x"]] {
            let error = read(&names).unwrap_err().to_string();
            assert!(error.ends_with("column 'log_weight', row 2: expected a finite number, found -inf"), "{error}");
        }
        std::fs::write(&file, "x,log_weight\n0.5,0.5\n1.5,inf\n").unwrap();
        let error = read(&["log_weight"]).unwrap_err().to_string();
        assert!(error.ends_with("row 2: expected a finite number, found inf"), "{error}");
    }
}
