//! Named tensors and a JSON document in one safetensors file: what model files and checkpoints are.
//!
//! The document stands in the file's metadata under the key `knothe`, as `{"format": 1, "crc32": …, "content": …}`; the
//! checksum covers the content and every tensor, so that damage is found before anything is believed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use burn::module::Module;
use burn::tensor::{DType, TensorData};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::{
    error::{Error, Result},
    hint::Hint,
    parameters::{self, Parameters},
};

/// The version of the format that this build writes, and the newest that it reads.
pub const FORMAT: u64 = 1;
const KEY: &str = "knothe";
/// The kind of a file of parameters alone.
const PARAMETERS: &str = "parameters";

/// The ending of a file's name in lower case; empty where there is none.
pub fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// A temporary file beside `path`, to be renamed to it when complete, with the permissions that an ordinary new file would get.
pub fn temporary(path: &Path) -> Result<NamedTempFile> {
    let failed = |source| Error::io("write", path, source);
    if path.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".knothe-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder).map_err(failed)
}

/// Writes a file as a whole or not at all: to a [`temporary`] file, which is then renamed.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut BufWriter<&mut File>) -> std::io::Result<()>) -> Result<()> {
    let failed = |source| Error::io("write", path, source);
    let mut temporary = temporary(path)?;
    {
        let mut buffered = BufWriter::new(temporary.as_file_mut());
        write(&mut buffered).and_then(|()| buffered.flush()).map_err(failed)?;
    }
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Writes the parameters of a module, such as a hand-built flow, to one safetensors file.
///
/// # Errors
/// [`Error::Io`] where it cannot be written.
pub fn save(module: &impl Module, path: impl AsRef<Path>) -> Result<()> {
    write(path.as_ref(), &serde_json::json!({ "kind": PARAMETERS }), &parameters::collect(module))
}

/// Puts the parameters of a file of [`save`] into a module of the same architecture.
///
/// ```
/// use knothe::{Placement, Precision, file, linear::Lu, parameters};
/// let (cpu, written) = (Placement::cpu(Precision::F64), tempfile::NamedTempFile::new()?);
/// let layer = Lu::rotated(3, &cpu, &mut <rand_chacha::ChaCha12Rng as rand::SeedableRng>::seed_from_u64(1));
/// file::save(&layer, written.path())?;
/// let again = file::load(Lu::new(3, &cpu), written.path())?;
/// assert_eq!(parameters::collect(&again), parameters::collect(&layer));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::ModelFile`] where the file is damaged or holds something else; as [`parameters::restore`].
pub fn load<M: Module>(module: M, path: impl AsRef<Path>) -> Result<M> {
    let (content, tensors) = read(path.as_ref())?;
    if content["kind"] != PARAMETERS {
        return Err(Error::model_file(path.as_ref(), format!("expected parameters, found kind {}", content["kind"]), None));
    }
    parameters::restore(module, tensors)
}

/// Writes a document and tensors.
pub(crate) fn write(path: &Path, content: &Value, tensors: &Parameters) -> Result<()> {
    let document = serde_json::json!({ "format": FORMAT, "crc32": checksum(content, tensors), "content": content });
    let views = tensors
        .iter()
        .map(|(name, data)| {
            let dtype = if data.dtype() == DType::F64 { Dtype::F64 } else { Dtype::F32 };
            TensorView::new(dtype, data.shape().to_vec(), data.as_bytes()).map(|view| (name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>();
    let metadata = HashMap::from([(KEY.to_owned(), document.to_string())]);
    let bytes = views
        .and_then(|views| safetensors::serialize(views, Some(metadata)))
        .map_err(|e| Error::model_file(path, format!("cannot be written as safetensors: {e}"), None))?;
    write_atomically(path, |file| file.write_all(&bytes))
}

/// Reads a file written by [`write`], whole and undamaged, or says why not.
pub(crate) fn read(path: &Path) -> Result<(Value, Parameters)> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    parse(&bytes).map_err(|reason| {
        let damaged = Hint::other("the file is damaged or was not written by knothe");
        let hint = if reason.starts_with("format") { Hint::Upgrade } else { damaged };
        Error::model_file(path, reason, hint)
    })
}

fn parse(bytes: &[u8]) -> Result<(Value, Parameters), String> {
    let damaged = |e: safetensors::SafeTensorError| format!("not a whole safetensors file: {e}");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let document = metadata.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or("a safetensors file without a knothe header")?;
    let mut document: Value = serde_json::from_str(document).map_err(|e| format!("the knothe header is not JSON: {e}"))?;
    match document["format"].as_u64() {
        Some(format) if format <= FORMAT => {}
        Some(format) => return Err(format!("format {format} is newer than {FORMAT}, the newest that this version of knothe reads")),
        None => return Err("the knothe header has no format number".into()),
    }
    let mut parameters = Parameters::new();
    for (name, view) in tensors.tensors() {
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F64 => DType::F64,
            other => return Err(format!("tensor '{name}': expected F32 or F64, found {other:?}")),
        };
        let data = match dtype {
            DType::F64 => TensorData::new(numbers(view.data(), f64::from_le_bytes), view.shape()),
            _ => TensorData::new(numbers(view.data(), f32::from_le_bytes), view.shape()),
        };
        parameters.insert(name, data);
    }
    let content = document["content"].take();
    if document["crc32"].as_u64() != Some(checksum(&content, &parameters)) {
        return Err("the checksum does not fit the contents".into());
    }
    Ok((content, parameters))
}

/// The part `key` of a file's content, taken out of it; an error calls it `name`.
pub(crate) fn part<T: serde::de::DeserializeOwned>(path: &Path, content: &mut Value, key: &str, name: &str) -> Result<T> {
    serde_json::from_value(content[key].take()).map_err(|e| Error::model_file(path, format!("its {name} cannot be read: {e}"), None))
}

/// Refuses a file whose architecture asks for far more numbers than it holds, before it is built.
pub(crate) fn check_size(path: &Path, asked: usize, tensors: &Parameters) -> Result<()> {
    let held: usize = tensors.values().map(|t| t.num_elements()).sum();
    if asked > held.saturating_mul(4).saturating_add(1_000) {
        let reason = format!("its recipe asks for {asked} parameters or more, and it holds {held}");
        return Err(Error::model_file(path, reason, None));
    }
    Ok(())
}

fn numbers<T, const N: usize>(bytes: &[u8], from: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| from(chunk)).collect()
}

fn checksum(content: &Value, tensors: &Parameters) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(content.to_string().as_bytes());
    for (name, data) in tensors {
        hasher.update(name.as_bytes());
        hasher.update(format!("{:?}", data.shape().to_vec()).as_bytes());
        hasher.update(data.as_bytes());
    }
    u64::from(hasher.finalize())
}
