//! Where rows go: CSV on stdout, or a file that appears when it is complete.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use knothe::events::table::{Column, TableWriter, ending, write_csv_header, write_csv_rows};
use knothe::file::temporary;

use crate::failure::Failure;

/// Takes the rows of a table part by part.
pub enum Output {
    /// CSV on stdout.
    Stdout(BufWriter<io::StdoutLock<'static>>),
    /// A file, which appears when it is complete.
    File(Box<TableWriter>),
}

impl Output {
    /// Opens stdout and writes the header, or a file by the ending of its name.
    pub fn open(path: Option<&Path>, names: &[&str]) -> Result<Self, Failure> {
        if let Some(path) = path {
            ending(path).map_err(|e| Failure::usage(format!("--out {e}"), ""))?;
            return Ok(Output::File(Box::new(TableWriter::create(path)?)));
        }
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        write_csv_header(&mut out, names).map_err(Failure::Output)?;
        Ok(Output::Stdout(out))
    }

    /// Writes rows.
    pub fn rows(&mut self, columns: &[Column]) -> Result<(), Failure> {
        match self {
            Output::Stdout(out) => write_csv_rows(out, columns).map_err(Failure::Output),
            Output::File(writer) => Ok(writer.write(columns)?),
        }
    }

    /// Completes the output; only now is there a file.
    pub fn finish(self) -> Result<(), Failure> {
        match self {
            Output::Stdout(mut out) => out.flush().map_err(Failure::Output),
            Output::File(writer) => Ok(writer.finish()?),
        }
    }
}

/// Prints text on stdout.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::Output)
}

/// Prints a JSON document on stdout.
pub fn print_json(document: &serde_json::Value) -> Result<(), Failure> {
    print(&format!("{document:#}\n"))
}

/// A column of real numbers.
pub fn column(name: &str, values: Vec<f64>) -> Column {
    Column { name: name.into(), values, integral_dtype: false }
}

/// Finds out before the work, and not after it, that its result cannot be written.
pub fn check_writable(out: &Path) -> Result<(), Failure> {
    Ok(temporary(out).map(drop)?)
}
