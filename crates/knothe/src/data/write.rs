//! Writing tables.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::npy::write_header;
use super::table::{Column, check_names, ending};
use crate::error::{Error, Result};
use crate::file::write_atomically;

/// Beyond 2⁵³ a 64-bit float no longer tells neighbouring integers apart.
const LARGEST_INTEGER: f64 = 9_007_199_254_740_992.0;

/// Writes columns of equal length to a file, CSV (TSV), Parquet, Arrow IPC or NPY by its ending; NaN is written as missing.
///
/// The file appears at `path` only when it is complete. NPY keeps no names.
pub fn write_table(path: &Path, columns: &[Column]) -> Result<()> {
    let ending = ending(path)?;
    check_names(path, &columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>())?;
    let rows = columns.first().map_or(0, |c| c.values.len());
    if let Some(column) = columns.iter().find(|c| c.values.len() != rows) {
        return Err(Error::shape(format!("column '{}'", column.name), format!("{rows} values"), column.values.len()));
    }
    write_atomically(path, |out| match ending.as_str() {
        "csv" => write_delimited(out, columns, ','),
        "tsv" => write_delimited(out, columns, '\t'),
        "npy" => write_npy(out, columns, rows),
        "parquet" => write_parquet(out, columns),
        _ => write_arrow(out, columns),
    })
}

/// Writes the line of names.
pub fn write_csv_header(out: &mut impl Write, names: &[&str]) -> io::Result<()> {
    write_names(out, names, ',')
}

/// Writes the rows of columns as CSV without a header; floats so that they read back the same, whole columns without a point.
pub fn write_csv_rows(out: &mut impl Write, columns: &[Column]) -> io::Result<()> {
    write_rows(out, columns, ',')
}

fn write_delimited(out: &mut impl Write, columns: &[Column], delimiter: char) -> io::Result<()> {
    write_names(out, &columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), delimiter)?;
    write_rows(out, columns, delimiter)
}

/// A field of CSV, quoted where it has to be.
pub fn csv_field(text: &str) -> Cow<'_, str> {
    delimited_field(text, ',')
}

fn delimited_field(text: &str, delimiter: char) -> Cow<'_, str> {
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

fn write_rows(out: &mut impl Write, columns: &[Column], delimiter: char) -> io::Result<()> {
    let whole: Vec<bool> = columns.iter().map(is_whole).collect();
    for i in 0..columns.first().map_or(0, |c| c.values.len()) {
        for (j, column) in columns.iter().enumerate() {
            if j > 0 {
                write!(out, "{delimiter}")?;
            }
            match column.values.get(i) {
                Some(v) if !v.is_nan() && whole[j] => write!(out, "{}", *v as i64)?,
                Some(v) if !v.is_nan() => write!(out, "{v:?}")?,
                // A lone empty field would be an empty line, which readers skip.
                _ if columns.len() == 1 => write!(out, "NaN")?,
                _ => {}
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Whether a column can be written as integers without a loss.
fn is_whole(column: &Column) -> bool {
    column.integral_dtype && column.values.iter().all(|v| v.is_nan() || (v.fract() == 0.0 && v.abs() <= LARGEST_INTEGER))
}

fn batch(columns: &[Column]) -> io::Result<RecordBatch> {
    let array = |column: &Column| -> ArrayRef {
        let present = column.values.iter().map(|v| Some(*v).filter(|v| !v.is_nan()));
        if is_whole(column) {
            Arc::new(present.map(|v| v.map(|v| v as i64)).collect::<Int64Array>())
        } else {
            Arc::new(present.collect::<Float64Array>())
        }
    };
    RecordBatch::try_from_iter(columns.iter().map(|c| (c.name.as_str(), array(c)))).map_err(io::Error::other)
}

fn write_parquet(out: &mut (impl Write + Send), columns: &[Column]) -> io::Result<()> {
    let batch = batch(columns)?;
    let level = ZstdLevel::try_new(9).map_err(io::Error::other)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer = ArrowWriter::try_new(out, batch.schema(), Some(properties)).map_err(io::Error::other)?;
    writer.write(&batch).map_err(io::Error::other)?;
    writer.close().map(|_| ()).map_err(io::Error::other)
}

fn write_arrow(out: &mut impl Write, columns: &[Column]) -> io::Result<()> {
    let batch = batch(columns)?;
    let mut writer = FileWriter::try_new(out, &batch.schema()).map_err(io::Error::other)?;
    writer.write(&batch).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)
}

/// int64 where every column is whole and complete, float64 otherwise.
fn write_npy(out: &mut impl Write, columns: &[Column], rows: usize) -> io::Result<()> {
    let whole = columns.iter().all(|c| is_whole(c) && c.values.iter().all(|v| !v.is_nan()));
    let descr = if whole { "<i8" } else { "<f8" };
    write_header(out, descr, &[rows, columns.len()])?;
    for i in 0..rows {
        for value in columns.iter().filter_map(|c| c.values.get(i)) {
            out.write_all(&if whole { (*value as i64).to_le_bytes() } else { value.to_le_bytes() })?;
        }
    }
    Ok(())
}
