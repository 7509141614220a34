//! Arrays of NPY files, and of NPZ files, which are ZIP archives of them.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use zip::ZipArchive;

use crate::{
    error::{Error, Result},
    events::table::{npy::Array, quoted},
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

/// The array of a .npy file, or the array of this name in a .npz file.
pub(in crate::events) fn array(path: &Path, key: &str) -> Result<Array> {
    let (file, length) = open(path)?;
    match ending(path).as_str() {
        "npy" => Array::read(path, file, length),
        "npz" => {
            let damaged = |e| Error::table(path, format!("expected an NPZ file, found one that cannot be read: {e}"), None);
            let mut archive = ZipArchive::new(file).map_err(damaged)?;
            let names = names(&archive);
            if !names.iter().any(|name| name == key) {
                let found = if names.is_empty() { "none".into() } else { quoted(&names) };
                let problem = format!("expected an array '{key}', found {found}");
                return Err(Error::table(path, problem, Hint::NameArray));
            }
            let entry = archive.by_name(&format!("{key}.npy")).map_err(damaged)?;
            let length = entry.size();
            let inside = path.join(key);
            Array::read(&inside, entry, length)
        }
        other => {
            let found = if other.is_empty() { "none".into() } else { format!(".{other}") };
            let problem = format!("expected a folder of pictures, or a name that ends in .npy or .npz, found {found}");
            Err(Error::table(path, problem, None))
        }
    }
}

/// The names of the arrays of a .npz file.
pub(in crate::events) fn names(archive: &ZipArchive<impl Read + Seek>) -> Vec<String> {
    archive.file_names().filter_map(|name| Some(name.ok()?.strip_suffix(".npy")?.to_owned())).collect()
}
