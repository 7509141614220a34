//! Where rows go: CSV on stdout, or a file that appears when it is complete.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use knothe::events::table::{Column, TableWriter, files_of, write_csv_header, write_csv_rows, written_ending};
use knothe::{
    events::{audio::is_recording, image::is_picture},
    file::NewFile,
    plot::Picture,
};

use crate::{
    failure::{Failure, printable, steers},
    identity::Identity,
    standard,
};

/// Paths that stand for what is open already. A file there would be replaced, and what others write to it lost.
const DESCRIPTORS: [&str; 4] = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd"];

/// Takes the rows of a table part by part.
pub enum Output {
    /// CSV on stdout, with the names of its columns until they are written.
    Stdout(BufWriter<io::StdoutLock<'static>>, Vec<String>),
    /// A file, which appears when it is complete.
    File(Box<TableWriter>),
}

impl Output {
    /// Opens stdout, or a file by the ending of its name. What fails before the first row leaves nothing on stdout.
    pub fn open(path: Option<&Path>, names: &[&str]) -> Result<Self, Failure> {
        if let Some(path) = path.filter(|path| !is_stdout(path)) {
            check_ending(path)?;
            return Ok(Output::File(Box::new(TableWriter::create(path)?)));
        }
        standard::check_stdout().map_err(Failure::Output)?;
        let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        Ok(Output::Stdout(out, names.iter().map(|name| (*name).to_owned()).collect()))
    }

    /// Writes rows.
    pub fn rows(&mut self, columns: &[Column]) -> Result<(), Failure> {
        match self {
            Output::Stdout(out, names) => header(out, names).and_then(|()| write_csv_rows(out, columns)).map_err(Failure::Output),
            Output::File(writer) => Ok(writer.write(columns)?),
        }
    }

    /// Completes the output; only now is there a file.
    pub fn finish(self) -> Result<(), Failure> {
        match self {
            Output::Stdout(mut out, mut names) => header(&mut out, &mut names).and_then(|()| out.flush()).map_err(Failure::Output),
            Output::File(writer) => Ok(writer.finish()?),
        }
    }
}

/// Writes columns as a table.
pub fn write_table(columns: &[Column], out: &Path) -> Result<(), Failure> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let mut output = Output::open(Some(out), &names)?;
    output.rows(columns)?;
    output.finish()
}

/// Writes the names of columns, once.
fn header(out: &mut impl Write, names: &mut Vec<String>) -> io::Result<()> {
    let names: Vec<String> = std::mem::take(names);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if names.is_empty() { Ok(()) } else { write_csv_header(out, &names) }
}

/// Prints text on stdout.
pub fn print(text: &str) -> Result<(), Failure> {
    print_bytes(printable(text, true).as_bytes())
}

/// Writes bytes to stdout.
fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    standard::check_stdout().map_err(Failure::Output)?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Failure::Output)
}

/// Prints a JSON document on stdout.
pub fn print_json(document: &serde_json::Value) -> Result<(), Failure> {
    print_bytes(json_text(document).as_bytes())
}

/// A JSON document that cannot steer a terminal. serde_json escapes the ASCII control characters. The other control characters and the text-direction marks are escaped here.
pub fn json_text(document: &serde_json::Value) -> String {
    let mut text = String::new();
    for c in format!("{document:#}\n").chars() {
        if steers(c) && c != '\n' { text.push_str(&format!("\\u{:04x}", u32::from(c))) } else { text.push(c) }
    }
    text
}

/// A column of real numbers.
pub fn column(name: &str, values: Vec<f64>) -> Column {
    Column::real(name, values)
}

/// Whether the name of an output stands for stdout.
pub fn is_stdout(out: &Path) -> bool {
    out == Path::new("-")
}

/// Writes a picture to a file, or to stdout.
pub fn write_picture(picture: &Picture, out: &Path) -> Result<(), Failure> {
    if is_stdout(out) { print_bytes(&picture.png()?) } else { Ok(picture.write(out)?) }
}

/// As [`check_writable`], for a table: also that its name has the ending of a format.
pub fn check_table_writable(out: &Path, inputs: &[&Path]) -> Result<(), Failure> {
    check_writable(out, inputs)?;
    check_ending(out)
}

/// Checks that a table can be written under this name.
pub fn check_ending(out: &Path) -> Result<(), Failure> {
    if is_stdout(out) {
        return Ok(());
    }
    written_ending(out).map(drop).map_err(|e| Failure::usage(format!("--out {e}"), ""))
}

/// Checks before the work that standard output is not one of these files. The shell's `>>` would append the results to it.
pub fn check_report(files: &[&Path]) -> Result<(), Failure> {
    let Some(stdout) = Identity::of_standard_output() else { return Ok(()) };
    match files.iter().find(|file| is_part(&stdout, file)) {
        Some(file) => {
            let message = format!(
                "standard output: expected a file other than {}, which the command reads or writes, found the same file",
                file.display()
            );
            Err(Failure::usage(message, "send the output to another file"))
        }
        None => Ok(()),
    }
}

/// Checks before the work that its result can be written, and that it destroys none of the files that the command reads.
pub fn check_writable(out: &Path, inputs: &[&Path]) -> Result<(), Failure> {
    if is_stdout(out) {
        return check_report(inputs);
    }
    if DESCRIPTORS.iter().any(|start| out.starts_with(start)) {
        let message = format!("--out {}: expected a file, found a file descriptor", out.display());
        return Err(Failure::usage(message, "- stands for standard output"));
    }
    let own = Identity::of(out);
    match inputs.iter().find(|input| own.as_ref().is_some_and(|own| is_part(own, input))) {
        Some(input) => {
            let message = format!("--out {}: expected a file other than the input {}", out.display(), input.display());
            Err(Failure::usage(message, "choose another name"))
        }
        None => Ok(NewFile::create(out).map(drop)?),
    }
}

/// Whether a file is an input, or one of the files that a pattern or a folder stands for.
fn is_part(file: &Identity, input: &Path) -> bool {
    let is_same = |path: &Path| Identity::of(path).as_ref() == Some(file);
    // Folders are listed only if the input itself is another file.
    let in_folder = || {
        let entries = std::fs::read_dir(input).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|entry| is_picture(entry) || is_recording(entry)).chain(files_of(input).unwrap_or_default())
    };
    is_same(input) || (input != Path::new("-") && in_folder().any(|part| is_same(&part)))
}
