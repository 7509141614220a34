//! Writing tables.

use std::borrow::Cow;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::column::Column;
use super::npy::write_header;
use super::reading::check_names;
use super::written::{Written, batch};
use crate::error::{Error, Result};
use crate::file::NewFile;

/// The endings of tables that can be written.
const ENDINGS: [&str; 7] = ["csv", "tsv", "parquet", "arrow", "feather", "ipc", "npy"];

/// Writes columns of equal length to a file: a [`TableWriter`] with one part.
pub fn write_table(path: &Path, columns: &[Column]) -> Result<()> {
    let mut writer = TableWriter::create(path)?;
    writer.write(columns)?;
    writer.finish()
}

/// Writes a table part by part, in memory that does not depend on its length. The ending decides between CSV (TSV), Parquet, Arrow IPC and NPY. NaN is
/// written as a missing value.
///
/// Booleans are written as true and false, and moments as dates or timestamps (in ISO 8601 in text files). NPY keeps their numbers and no names. The first
/// part decides the types of the columns. The file appears at its path only when it is complete.
pub struct TableWriter {
    path: PathBuf,
    ending: String,
    /// The names and types of the columns.
    columns: Vec<(String, Written)>,
    rows: u64,
    sink: Sink,
}

/// The ending of a path if tables can be written under it: csv, tsv, parquet, arrow, feather, ipc or npy. Other endings are an error.
pub fn written_ending(path: &Path) -> Result<String> {
    let ending = crate::file::ending(path);
    if ENDINGS.contains(&ending.as_str()) {
        return Ok(ending);
    }
    let found = if ending.is_empty() { "none".into() } else { format!(".{ending}") };
    let problem = format!("expected a name that ends in .csv, .tsv, .parquet, .arrow, .feather, .ipc or .npy, found {found}");
    Err(Error::table(path, problem, None))
}

/// The destination of the parts.
enum Sink {
    /// No part was written yet, or one has failed.
    Closed(Option<NewFile>),
    Bytes(BufWriter<NewFile>),
    Parquet(Box<ArrowWriter<NewFile>>),
    Arrow(Box<FileWriter<BufWriter<NewFile>>>),
}

impl TableWriter {
    /// Opens the file, so that a path that cannot be written is an error now and not after hours of work.
    pub fn create(path: &Path) -> Result<Self> {
        let ending = written_ending(path)?;
        Ok(TableWriter { path: path.to_owned(), ending, columns: Vec::new(), rows: 0, sink: Sink::Closed(Some(NewFile::create(path)?)) })
    }

    /// Writes the next rows: columns of equal length, the same ones in every part.
    ///
    /// # Errors
    /// Columns that differ from those of the first part, other numbers in a column of whole numbers, and errors of writing. In each case no
    /// file appears.
    pub fn write(&mut self, columns: &[Column]) -> Result<()> {
        let rows = columns.first().map_or(0, |c| c.values.len());
        if let Some(column) = columns.iter().find(|c| c.values.len() != rows) {
            return Err(Error::shape(format!("column '{}'", column.name), format!("{rows} values"), column.values.len()));
        }
        if self.columns.is_empty() {
            check_names(&self.path, &columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>())?;
            // NPY has no missing integers.
            let complete = |c: &Column| c.values.iter().all(|v| !v.is_nan());
            let written = |c: &Column| match Written::of(c) {
                _ if self.ending != "npy" => Written::of(c),
                Written::Real => Written::Real,
                _ if complete(c) => Written::Whole,
                _ => Written::Real,
            };
            self.columns = columns.iter().map(|c| (c.name.clone(), written(c))).collect();
        } else if !self.columns.iter().map(|(name, _)| name).eq(columns.iter().map(|c| &c.name)) {
            return Err(Error::shape("a part of a table", format!("the {} columns of the first", self.columns.len()), columns.len()));
        }
        if let Some(((name, written), _)) = self.columns.iter().zip(columns).find(|((_, written), column)| !written.holds(column)) {
            let problem = format!("expected {} in column '{name}', as in the rows before, found other values", written.word());
            return Err(Error::table(&self.path, problem, None));
        }
        let result = self.put(columns);
        if result.is_err() {
            self.sink = Sink::Closed(None);
        }
        result.map_err(|e| Error::io("write", &self.path, e))?;
        self.rows += rows as u64;
        Ok(())
    }

    fn put(&mut self, columns: &[Column]) -> io::Result<()> {
        let written: Vec<Written> = self.columns.iter().map(|(_, written)| *written).collect();
        if let Sink::Closed(file) = &mut self.sink {
            let file = file.take().ok_or_else(|| io::Error::other("an earlier part failed"))?;
            self.sink = self.start(file, &batch(columns, &written)?)?;
        }
        match (&mut self.sink, self.ending.as_str()) {
            (Sink::Parquet(writer), _) => writer.write(&batch(columns, &written)?).map_err(io::Error::other),
            (Sink::Arrow(writer), _) => writer.write(&batch(columns, &written)?).map_err(io::Error::other),
            (Sink::Bytes(out), "npy") => write_npy_rows(out, columns, written.iter().all(|w| *w == Written::Whole)),
            (Sink::Bytes(out), ending) => write_rows(out, columns, &written, delimiter(ending)),
            (Sink::Closed(_), _) => Ok(()),
        }
    }

    /// Opens the file for the columns of a first batch.
    fn start(&self, file: NewFile, batch: &RecordBatch) -> io::Result<Sink> {
        Ok(match self.ending.as_str() {
            "parquet" => {
                let level = ZstdLevel::try_new(9).map_err(io::Error::other)?;
                let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
                Sink::Parquet(Box::new(ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(io::Error::other)?))
            }
            "arrow" | "feather" | "ipc" => {
                Sink::Arrow(Box::new(FileWriter::try_new(BufWriter::new(file), &batch.schema()).map_err(io::Error::other)?))
            }
            ending => {
                let mut out = BufWriter::with_capacity(1 << 16, file);
                match ending {
                    "npy" => self.write_npy_header(&mut out)?,
                    _ => write_names(&mut out, &self.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), delimiter(ending))?,
                }
                Sink::Bytes(out)
            }
        })
    }

    /// Completes the file, which then appears at its path.
    pub fn finish(mut self) -> Result<()> {
        let sink = std::mem::replace(&mut self.sink, Sink::Closed(None));
        let file = match sink {
            Sink::Parquet(writer) => writer.into_inner().map_err(io::Error::other),
            Sink::Arrow(writer) => {
                writer.into_inner().map_err(io::Error::other).and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error))
            }
            Sink::Bytes(mut out) => self.complete_header(&mut out).and_then(|()| out.into_inner().map_err(io::IntoInnerError::into_error)),
            Sink::Closed(_) => Err(io::Error::other("no part of the table was written")),
        };
        file.map_err(|e| Error::io("write", &self.path, e))?.finish()
    }

    /// The number of rows, which stands in the header of NPY.
    fn complete_header(&self, out: &mut (impl Write + Seek)) -> io::Result<()> {
        if self.ending == "npy" {
            out.seek(SeekFrom::Start(0))?;
            self.write_npy_header(out)?;
        }
        Ok(())
    }

    /// int64 where every column is whole, float64 otherwise; 128 bytes for any number of rows.
    fn write_npy_header(&self, out: &mut impl Write) -> io::Result<()> {
        let descr = if self.columns.iter().all(|(_, written)| *written == Written::Whole) { "<i8" } else { "<f8" };
        write_header(out, descr, &[self.rows as usize, self.columns.len()])
    }
}

fn delimiter(ending: &str) -> char {
    if ending == "tsv" { '\t' } else { ',' }
}

/// Writes the header of a CSV file.
pub fn write_csv_header(out: &mut impl Write, names: &[&str]) -> io::Result<()> {
    write_names(out, names, ',')
}

/// Writes rows as CSV without a header. Floats read back the same, whole columns have no decimal point, and texts, Booleans and moments are written
/// as text.
pub fn write_csv_rows(out: &mut impl Write, columns: &[Column]) -> io::Result<()> {
    write_rows(out, columns, &columns.iter().map(Written::of).collect::<Vec<_>>(), ',')
}

/// A field of CSV, quoted if necessary.
pub fn csv_field(text: &str) -> Cow<'_, str> {
    delimited_field(text, ',')
}

pub(super) fn delimited_field(text: &str, delimiter: char) -> Cow<'_, str> {
    if text.contains(['"', '\n', '\r', delimiter]) { format!("\"{}\"", text.replace('"', "\"\"")).into() } else { text.into() }
}

fn write_names(out: &mut impl Write, names: &[&str], delimiter: char) -> io::Result<()> {
    for (j, name) in names.iter().enumerate() {
        if j > 0 {
            write!(out, "{delimiter}")?;
        }
        write!(out, "{}", delimited_field(name, delimiter))?;
    }
    writeln!(out)
}

fn write_rows(out: &mut impl Write, columns: &[Column], written: &[Written], delimiter: char) -> io::Result<()> {
    for i in 0..columns.first().map_or(0, |c| c.values.len()) {
        for (j, (column, written)) in columns.iter().zip(written).enumerate() {
            if j > 0 {
                write!(out, "{delimiter}")?;
            }
            match column.values.get(i) {
                Some(v) if !v.is_nan() => written.field(out, column, *v, delimiter)?,
                // A lone empty field would be an empty line, which readers skip.
                _ if columns.len() == 1 => write!(out, "NaN")?,
                _ => {}
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_npy_rows(out: &mut impl Write, columns: &[Column], whole: bool) -> io::Result<()> {
    for i in 0..columns.first().map_or(0, |c| c.values.len()) {
        for value in columns.iter().filter_map(|c| c.values.get(i)) {
            if whole && value.is_nan() {
                return Err(io::Error::other("NPY has no missing integers; write another format"));
            }
            out.write_all(&if whole { (*value as i64).to_le_bytes() } else { value.to_le_bytes() })?;
        }
    }
    Ok(())
}
