//! Comma- and tab-separated text.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, Trim};

use super::column::{Column, Form};
use super::reader::{Source, check_columns, check_names, rows_at_once};
use crate::{
    error::{Error, Result},
    hint::Hint,
};

/// The most bytes of a record. A file without the end of a line would otherwise fill the memory.
const LONGEST_RECORD: u64 = 1 << 26;

/// A file that gives at most so many bytes until it is told that a record has ended.
struct Limited {
    file: File,
    left: u64,
}

impl Read for Limited {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(format!("expected records of at most {} MiB, found a longer one", LONGEST_RECORD >> 20)));
        }
        let most = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read(&mut bytes[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

/// A reader of delimited text with a header.
pub(super) struct Delimited {
    path: PathBuf,
    reader: Reader<BufReader<Limited>>,
    names: Vec<String>,
    skipped: Vec<bool>,
    batch_rows: usize,
    row: u64,
    record: ByteRecord,
}

impl Delimited {
    /// Reads the header.
    pub(super) fn open(path: &Path, file: File, delimiter: u8, batch_rows: usize, skip: &[String]) -> Result<Self> {
        let mut reader =
            ReaderBuilder::new().delimiter(delimiter).trim(Trim::All).from_reader(BufReader::new(Limited { file, left: LONGEST_RECORD }));
        let header = reader.byte_headers().map_err(|e| refuse(path, e, 0))?;
        check_columns(path, header.len())?;
        let names: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        check_names(path, &names)?;
        check_is_header(path, &names)?;
        let skipped = names.iter().map(|n| skip.contains(n)).collect();
        let batch_rows = rows_at_once(batch_rows, names.len());
        Ok(Delimited { path: path.to_owned(), reader, names, skipped, batch_rows, row: 0, record: ByteRecord::new() })
    }
}

impl Source for Delimited {
    fn batch(&mut self) -> Result<Option<Vec<Column>>> {
        let mut columns: Vec<Column> = self.names.iter().map(|name| Column::whole(name, Vec::new())).collect();
        for _ in 0..self.batch_rows {
            self.reader.get_mut().get_mut().left = LONGEST_RECORD;
            if !self.reader.read_byte_record(&mut self.record).map_err(|e| refuse(&self.path, e, self.row + 1))? {
                break;
            }
            self.row += 1;
            for (j, field) in self.record.iter().enumerate() {
                let value = if self.skipped[j] { Some(f64::NAN) } else { number(field) };
                let Some(value) = value else {
                    return Err(Error::Table {
                        path: self.path.clone(),
                        column: Some(self.names[j].clone()),
                        row: Some(self.row),
                        problem: format!("expected a number, found '{}'", shown(field)),
                        hint: Some(Hint::DeclareOrDrop(self.names[j].clone()).into()),
                    });
                };
                if !(value.is_nan() || value.fract() == 0.0) {
                    columns[j].form = Form::Real;
                }
                columns[j].values.push(value);
            }
        }
        Ok(if columns.first().is_some_and(|c| !c.values.is_empty()) { Some(columns) } else { None })
    }
}

/// A field's number, NaN where it is missing, nothing where it is other text.
fn number(field: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(field).ok()?;
    match text {
        "" | "NA" | "N/A" | "NaN" | "nan" | "NAN" | "null" | "NULL" => Some(f64::NAN),
        "true" | "True" | "TRUE" => Some(1.0),
        "false" | "False" | "FALSE" => Some(0.0),
        _ => text.parse().ok(),
    }
}

/// A first line of numbers is a row that would be lost, unless the numbers merely count the columns.
fn check_is_header(path: &Path, names: &[String]) -> Result<()> {
    let numbers: Option<Vec<f64>> = names.iter().map(|n| n.parse().ok()).collect();
    let counts = |v: &[f64]| v.windows(2).all(|w| w[1] == w[0] + 1.0) && v.first().is_some_and(|&f| f == 0.0 || f == 1.0);
    match numbers {
        Some(v) if !counts(&v) => Err(Error::table(
            path,
            format!("expected the names of the columns in the first line, found numbers ('{}', …)", shown(names[0].as_bytes())),
            Hint::other("add a line with the names of the columns"),
        )),
        _ => Ok(()),
    }
}

/// The text of a field, short enough for a message of one line.
fn shown(field: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(field).chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().count() > 40 { text.chars().take(40).chain(['…']).collect() } else { text }
}

fn refuse(path: &Path, error: csv::Error, row: u64) -> Error {
    let problem = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => format!("expected {expected_len} fields, found {len}"),
        _ => error.to_string(),
    };
    match error.into_kind() {
        ErrorKind::Io(source) => Error::io("read", path, source),
        _ => Error::Table { path: path.to_owned(), column: None, row: Some(row).filter(|&r| r > 0), problem, hint: None },
    }
}
