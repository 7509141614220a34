//! Where rows go: CSV on stdout, or a file that appears when it is complete.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use knothe::{
    Error,
    data::{Column, ending, write_csv_header, write_csv_rows, write_table},
    file::temporary,
};
use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Takes the rows of a table part by part.
pub enum Output {
    /// CSV on stdout.
    Stdout(BufWriter<io::StdoutLock<'static>>),
    /// CSV in a file, written beside it and then renamed.
    Csv(BufWriter<NamedTempFile>, PathBuf),
    /// A format that is written at once.
    Whole(Vec<Column>, PathBuf),
}

impl Output {
    /// Opens stdout, or a file by the ending of its name, and writes the header.
    pub fn open(path: Option<&Path>, names: &[&str]) -> Result<Self, Failure> {
        let mut output = match path {
            None => Output::Stdout(BufWriter::with_capacity(1 << 16, io::stdout().lock())),
            Some(path) => {
                let ending = ending(path).map_err(|e| Failure::usage(format!("--out {e}"), ""))?;
                // What cannot be written is said now, and not after an hour of scoring.
                let file = temporary(path)?;
                match ending.as_str() {
                    "csv" => Output::Csv(BufWriter::with_capacity(1 << 16, file), path.to_owned()),
                    _ => Output::Whole(Vec::new(), path.to_owned()),
                }
            }
        };
        match &mut output {
            Output::Stdout(out) => write_csv_header(out, names).map_err(Failure::Output)?,
            Output::Csv(out, path) => write_csv_header(out, names).map_err(|e| failed(path, e))?,
            Output::Whole(..) => {}
        }
        Ok(output)
    }

    /// Writes rows.
    pub fn rows(&mut self, columns: Vec<Column>) -> Result<(), Failure> {
        match self {
            Output::Stdout(out) => write_csv_rows(out, &columns).map_err(Failure::Output),
            Output::Csv(out, path) => write_csv_rows(out, &columns).map_err(|e| failed(path, e)),
            Output::Whole(all, _) if all.is_empty() => {
                *all = columns;
                Ok(())
            }
            Output::Whole(all, _) => {
                for (all, column) in all.iter_mut().zip(columns) {
                    all.values.extend(column.values);
                    all.integral_dtype &= column.integral_dtype;
                }
                Ok(())
            }
        }
    }

    /// Completes the output; only now is there a file.
    pub fn finish(self) -> Result<(), Failure> {
        match self {
            Output::Stdout(mut out) => out.flush().map_err(Failure::Output),
            Output::Csv(out, path) => {
                let file = out.into_inner().map_err(|e| failed(&path, e.into_error()))?;
                file.as_file().sync_all().map_err(|e| failed(&path, e))?;
                file.persist(&path).map(|_| ()).map_err(|e| failed(&path, e.error))
            }
            Output::Whole(columns, path) => Ok(write_table(&path, &columns)?),
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

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::Knothe(Error::io("write", path, source))
}
