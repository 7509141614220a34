//! The files that a path names, and their formats.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::column::Column;
use super::columnar::Columnar;
use super::npy::Npy;
use super::quoted;
use super::reading::{Reading, Source};
use super::schema::Notice;
use super::text::{Delimited, Dialect, LONGEST_RECORD, too_long};
use crate::error::{Error, Result};
use crate::hint::Hint;

/// The endings of text files.
const TEXT: [&str; 6] = ["csv", "tsv", "tab", "txt", "dat", "data"];
/// The other endings.
const BINARY: [&str; 6] = ["parquet", "arrow", "arrows", "feather", "ipc", "npy"];
/// The endings of spreadsheets.
const WORKBOOKS: [&str; 5] = ["xlsx", "xlsm", "xlsb", "xls", "ods"];
/// The endings of compressed text.
const COMPRESSED: [&str; 2] = ["gz", "zst"];

/// The first bytes of files without lines: Parquet, Arrow, NPY, gzip and Zstandard.
const BINARY_STARTS: [&[u8]; 6] = [b"PAR1", b"ARROW1", &[0xff; 4], b"\x93NUMPY", &[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd]];

/// The largest input that is copied, in bytes.
const LARGEST_COPY: u64 = 1 << 33;

/// The name of the standard input.
const STANDARD_INPUT: &str = "-";

/// A format of files.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Text { tabs: bool },
    Parquet,
    Arrow,
    ArrowStream,
    Npy,
}

/// One file of a table.
struct Part {
    /// Its name, for messages.
    name: PathBuf,
    bytes: Bytes,
    format: Format,
}

/// Where the bytes of a file are.
enum Bytes {
    File(PathBuf),
    /// A copy of what can be read only once, because reading may start again. The file has no name, so that nothing is left of it however the program ends.
    Copy(File),
}

impl Bytes {
    /// Opens them at their start. A copy has one place at a time.
    fn open(&self) -> io::Result<File> {
        match self {
            Bytes::File(path) => File::open(path),
            Bytes::Copy(file) => {
                let mut file = file.try_clone()?;
                file.rewind()?;
                Ok(file)
            }
        }
    }
}

/// The files of a table, one or several.
pub(super) struct Input {
    parts: Vec<Part>,
}

impl Input {
    /// Finds the files that a path names: the file itself, those that match `*` and `?`, the Parquet files of a folder, or the standard input for `-`.
    pub(super) fn find(path: &Path) -> Result<Arc<Self>> {
        if path == Path::new(STANDARD_INPUT) {
            let copy = copied(path, io::stdin().lock())?;
            let format = by_content(&copy).map_err(|e| Error::io("read", path, e))?;
            return Ok(Input::copied(path, copy, format));
        }
        let mut ending = ending(path)?;
        let files = files_of(path)?;
        if files.is_empty() {
            return Err(Error::table(path, "expected a file, found a folder", None));
        }
        let mut parts = Vec::new();
        for name in files {
            let io = |e| Error::io("read", &name, e);
            let about = fs::metadata(&name).map_err(io)?;
            if about.is_dir() {
                return Err(Error::table(&name, "expected a file, found a folder", None));
            }
            if !about.is_file() {
                let copy = copied(&name, File::open(&name).map_err(io)?)?;
                let format = format(&ending, &copy).map_err(io)?;
                return Ok(Input::copied(path, copy, format));
            }
            if about.len() == 0 {
                return Err(Error::table(&name, "expected a table, found an empty file", None));
            }
            ending = self::ending(&name)?;
            let bytes = Bytes::File(name.clone());
            let format = format(&ending, &bytes).map_err(io)?;
            parts.push(Part { name, bytes, format });
        }
        Ok(Arc::new(Input { parts }))
    }

    fn copied(path: &Path, bytes: Bytes, format: Format) -> Arc<Self> {
        Arc::new(Input { parts: vec![Part { name: path.to_owned(), bytes, format }] })
    }

    fn open(&self, part: usize, reading: &Reading) -> Result<Box<dyn Source + Send>> {
        let Part { name, bytes, format } = &self.parts[part];
        let file = bytes.open().map_err(|e| Error::io("read", name, e))?;
        Ok(match format {
            Format::Text { tabs } => Box::new(Delimited::open(name, file, *tabs, reading)?),
            Format::Parquet => Box::new(Columnar::parquet(name, file, reading)?),
            Format::Arrow => Box::new(Columnar::arrow(name, file, reading)?),
            Format::ArrowStream => Box::new(Columnar::stream(name, file, reading)?),
            Format::Npy => Box::new(Npy::open(name, file, reading.batch_rows)?),
        })
    }
}

/// The parts of a table, one after the other.
pub(super) struct Parts {
    input: Arc<Input>,
    reading: Reading,
    at: usize,
    source: Box<dyn Source + Send>,
    names: Vec<String>,
    marks: Vec<String>,
}

impl Parts {
    /// Opens the first part.
    pub(super) fn open(input: &Arc<Input>, reading: &Reading) -> Result<Self> {
        let source = input.open(0, reading)?;
        Ok(Parts { input: input.clone(), reading: reading.clone(), at: 0, source, names: Vec::new(), marks: Vec::new() })
    }

    /// The columns in the order of the first part.
    fn aligned(&self, mut columns: Vec<Column>) -> Result<Vec<Column>> {
        if columns.iter().map(|c| &c.name).eq(&self.names) {
            return Ok(columns);
        }
        let found: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
        let place = |name: &String| self.names.iter().position(|n| n == name);
        if found.len() != self.names.len() || found.iter().any(|name| place(name).is_none()) {
            let problem = format!("expected the columns of the file before, {}, found {}", quoted(&self.names), quoted(&found));
            return Err(Error::table(&self.input.parts[self.at].name, problem, None));
        }
        columns.sort_by_key(|c| place(&c.name));
        Ok(columns)
    }
}

impl Source for Parts {
    fn batch(&mut self) -> Result<Option<Vec<Column>>> {
        loop {
            if let Some(columns) = self.source.batch()? {
                if self.names.is_empty() {
                    self.names = columns.iter().map(|c| c.name.clone()).collect();
                }
                return self.aligned(columns).map(Some);
            }
            if self.at + 1 == self.input.parts.len() {
                return Ok(None);
            }
            self.marks.extend(self.source.marks());
            self.at += 1;
            self.source = self.input.open(self.at, &self.reading)?;
        }
    }

    fn rows(&self) -> Option<u64> {
        if self.input.parts.len() == 1 { self.source.rows() } else { None }
    }

    fn share(&self) -> Option<f64> {
        if self.input.parts.len() == 1 { self.source.share() } else { None }
    }

    fn marks(&self) -> Vec<String> {
        self.marks.iter().cloned().chain(self.source.marks()).collect()
    }

    fn notes(&self) -> Vec<Notice> {
        let several = self.input.parts.len();
        let count = (several > 1).then(|| format!("{several} files are read as one table"));
        let is_text = matches!(self.input.parts[self.at].format, Format::Text { .. });
        let unused = (!is_text && self.reading.dialect != Dialect::default()).then(|| {
            format!("{} is not a text file, so the settings for text files are ignored", self.input.parts[self.at].name.display())
        });
        count.into_iter().chain(unused).map(Notice::plain).chain(self.source.notes()).collect()
    }
}

/// The ending of a table's name in lower case, without the ending of a compression: csv for `t.csv.gz`. A folder of Parquet files counts as
/// `parquet`, and the standard input, `-`, as `csv`. Other endings are an error.
pub fn ending(path: &Path) -> Result<String> {
    if path == Path::new(STANDARD_INPUT) {
        return Ok("csv".into());
    }
    let mut ending = crate::file::ending(path);
    if COMPRESSED.contains(&ending.as_str()) {
        let inner = crate::file::ending(&path.with_extension(""));
        if TEXT.contains(&inner.as_str()) {
            return Ok(inner);
        }
        ending = format!("{inner}.{ending}");
    }
    if path.is_dir() {
        // A folder with the name of a table is refused when it is read.
        let is_table = !parquet_files(path).is_empty() || TEXT.contains(&ending.as_str()) || BINARY.contains(&ending.as_str());
        return if is_table { Ok("parquet".into()) } else { Err(Error::table(path, "expected a file, found a folder", None)) };
    }
    if TEXT.contains(&ending.as_str()) || BINARY.contains(&ending.as_str()) {
        return Ok(ending);
    }
    let found = if ending.is_empty() { "none".into() } else { format!(".{ending}") };
    let problem = format!("expected a name that ends in .csv, .tsv, .parquet, .arrow, .feather, .ipc or .npy, found {found}");
    let hint = WORKBOOKS.contains(&ending.as_str()).then(|| Hint::other("save the sheet as CSV"));
    Err(Error::table(path, problem, hint))
}

/// Whether a table of this name may be text. The standard input may be anything, and a name that is no table's is refused when it is read.
pub fn is_text(path: &Path) -> bool {
    ending(path).map_or(true, |ending| TEXT.contains(&ending.as_str()))
}

/// The format of a file of this ending. Arrow files and streams of messages have the same endings.
fn format(ending: &str, bytes: &Bytes) -> io::Result<Format> {
    Ok(match ending {
        "parquet" => Format::Parquet,
        "npy" => Format::Npy,
        "arrow" | "arrows" | "feather" | "ipc" => match by_content(bytes)? {
            Format::ArrowStream => Format::ArrowStream,
            _ => Format::Arrow,
        },
        other => Format::Text { tabs: matches!(other, "tsv" | "tab") },
    })
}

/// The format by the first bytes.
fn by_content(bytes: &Bytes) -> io::Result<Format> {
    let mut start = Vec::new();
    bytes.open()?.take(6).read_to_end(&mut start)?;
    Ok(match start[..] {
        [b'P', b'A', b'R', b'1', ..] => Format::Parquet,
        [b'A', b'R', b'R', b'O', b'W', b'1'] => Format::Arrow,
        [0xff, 0xff, 0xff, 0xff, ..] => Format::ArrowStream,
        [0x93, b'N', b'U', b'M', b'P', b'Y'] => Format::Npy,
        _ => Format::Text { tabs: false },
    })
}

/// Copies input that can be read only once to a temporary file.
fn copied(path: &Path, mut bytes: impl Read) -> Result<Bytes> {
    let io = |e| Error::io("read", path, e);
    let folder = std::env::temp_dir();
    let full = |e| Error::io("write a temporary copy of the input to", &folder, e);
    let mut copy = tempfile::tempfile().map_err(full)?;
    let (mut buffer, mut total, mut since_line, mut binary) = (vec![0; 1 << 16], 0, 0, false);
    loop {
        let count = match bytes.read(&mut buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            count => count.map_err(io)?,
        };
        if count == 0 {
            break;
        }
        let part = &buffer[..count];
        since_line = memchr::memrchr(b'\n', part).map_or(since_line + count, |at| count - at - 1);
        binary |= total == 0 && BINARY_STARTS.iter().any(|start| part.starts_with(start));
        // A device without line ends would fill the disk.
        if since_line > LONGEST_RECORD && !binary {
            return Err(io(too_long()));
        }
        total += count as u64;
        // And so would a program that never ends.
        if total > LARGEST_COPY {
            let problem = format!("expected at most {} GiB from a pipe or a device, found more", LARGEST_COPY >> 30);
            return Err(Error::table(path, problem, Hint::other("write it to a file first")));
        }
        copy.write_all(part).map_err(full)?;
    }
    if total == 0 { Err(Error::table(path, "expected a table, found an empty file", None)) } else { Ok(Bytes::Copy(copy)) }
}

/// The files that match a path with `*` or `?`, in order. A path that has neither, or that is a file, stands for itself.
fn matching(path: &Path) -> Result<Vec<PathBuf>> {
    let pattern = path.to_string_lossy();
    if !pattern.contains(['*', '?']) || path.exists() {
        return Ok(vec![path.to_owned()]);
    }
    let found =
        glob::glob(&pattern).map_err(|e| Error::invalid("path", "a pattern of files", format!("{} ({})", path.display(), e.msg)))?;
    let files: Vec<PathBuf> = found.filter_map(Result::ok).collect();
    if files.is_empty() {
        Err(Error::table(path, "expected at least one file that matches the pattern, found none", None))
    } else {
        Ok(files)
    }
}

/// The files that a path of a table names: the file itself, those that match `*` and `?`, or the Parquet files of a folder. Nothing is read.
///
/// # Errors
/// If the pattern is none, or no file matches it.
pub fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_dir() { Ok(parquet_files(path)) } else { matching(path) }
}

/// The Parquet files of a folder, in order.
fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| crate::file::ending(path) == "parquet" && path.is_file()).collect();
    files.sort();
    files
}
