//! Arrays of NPY files, and of NPZ files, which are ZIP archives of them.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use zip::{ZipArchive, result::ZipError};

use crate::{
    error::{Error, Result},
    events::table::{
        LARGEST_INTEGER,
        npy::{Array, Check},
        quoted,
    },
    file::ending,
    hint::Hint,
};

/// A file and its length. A pipe has none, and would wait for its other end.
pub(in crate::events) fn open(path: &Path) -> Result<(BufReader<File>, u64)> {
    let io = |e| Error::io("read", path, e);
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(Error::table(path, "expected an NPY or NPZ file, found a folder, a device or a pipe", None));
    }
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    Ok((BufReader::new(file), length))
}

/// A .npz file, opened once for all of its arrays.
pub(in crate::events) struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    names: Vec<String>,
}

impl Archive {
    pub fn open(path: &Path) -> Result<Self> {
        let zip = ZipArchive::new(open(path)?.0).map_err(|e| damaged(path, e))?;
        let names = zip.file_names().filter_map(|name| Some(name.ok()?.strip_suffix(".npy")?.to_owned())).collect();
        Ok(Archive { path: path.to_owned(), zip, names })
    }

    /// Whether there is an array of this name.
    pub fn has(&self, key: &str) -> bool {
        self.names.iter().any(|name| name == key)
    }

    /// The array of this name.
    pub fn array(&mut self, key: &str) -> Result<Array> {
        self.array_of(key, &|_| Ok(()))
    }

    /// The array of this name, whose shape is checked before it is read.
    pub fn array_of(&mut self, key: &str, check: Check) -> Result<Array> {
        if !self.has(key) {
            let found = if self.names.is_empty() { "none".into() } else { quoted(&self.names) };
            let problem = format!("expected an array '{key}', found {found}");
            return Err(Error::table(&self.path, problem, Hint::NameArray));
        }
        let entry = self.zip.by_name(&format!("{key}.npy")).map_err(|e| damaged(&self.path, e))?;
        let length = entry.size();
        Array::read(&self.path.join(key), entry, length, check)
    }
}

fn damaged(path: &Path, error: ZipError) -> Error {
    Error::table(path, format!("expected an NPZ file, found one that cannot be read: {error}"), None)
}

/// The array of a .npy file, or the array of this name in a .npz file, whose shape is checked before it is read.
pub(in crate::events) fn array(path: &Path, key: &str, check: Check) -> Result<Array> {
    match ending(path).as_str() {
        "npy" => {
            let (file, length) = open(path)?;
            Array::read(path, file, length, check)
        }
        "npz" => Archive::open(path)?.array_of(key, check),
        other => {
            let found = if other.is_empty() { "none".into() } else { format!(".{other}") };
            let problem = format!("expected a folder of pictures, or a name that ends in .npy or .npz, found {found}");
            Err(Error::table(path, problem, None))
        }
    }
}

/// A check that an array has one number per event.
pub(in crate::events) fn one_per_event<'a>(path: &'a Path, what: &'a str, event: &'a str, n: usize) -> impl Fn(&[u64]) -> Result<()> + 'a {
    move |shape| match *shape {
        [count] if count == n as u64 => Ok(()),
        [count] => Err(Error::table(path, format!("expected {n} {what}, one per {event}, found {count}"), None)),
        _ => Err(Error::table(path, format!("expected {what} in one dimension, found an array of {} dimensions", shape.len()), None)),
    }
}

/// Labels, which must be integers. They are read as 64-bit floats, which tell integers apart up to 2⁵³.
pub(in crate::events) fn integer_labels(path: &Path, array: &Array) -> Result<Vec<i64>> {
    if !array.item.is_integral() {
        return Err(Error::table(path, "expected labels that are integers, found floats", None));
    }
    if let Some(found) = array.numbers().find(|v| v.abs() >= LARGEST_INTEGER) {
        let problem = format!("expected labels below 2^53 in magnitude, found {found}");
        return Err(Error::table(path, problem, Hint::other("number the classes from 0")));
    }
    Ok(array.numbers().map(|v| v as i64).collect())
}
