//! Named tensors and a JSON document in one safetensors file: what model files and checkpoints are.
//!
//! The document stands in the file's metadata under the key `knothe`, as `{"format": 1, "header_crc32": …, "crc32": …, "content": …}`. The first checksum covers the
//! content and the names, shapes and precisions of the tensors, so that a header can be read alone; the second covers their numbers. They detect damage. They are
//! no signature: whoever changes a file can make them fit.

mod new;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use burn::module::Module;
use burn::tensor::{DType, TensorData};
use safetensors::{
    Dtype, SafeTensors,
    tensor::{Metadata, TensorInfo, TensorView},
};
use serde_json::Value;

pub use new::{NewFile, remove_unfinished, write_atomically};

use crate::{
    error::{Error, Result},
    hint::Hint,
    parameters::{self, Parameters, Shapes},
    placement::{Placement, Precision},
};

/// The version of the format that this build writes, and the newest that it reads.
pub const FORMAT: u64 = 1;
const KEY: &str = "knothe";
/// The kind of a file of parameters alone.
const PARAMETERS: &str = "parameters";
const NOT_WHOLE: &str = "not a whole safetensors file";
/// The longest header that safetensors reads, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// The ending of a file's name in lower case; empty where there is none.
pub fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
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
    let of_header = checksum_of_header(content, &parameters::shapes(tensors));
    let document = serde_json::json!({ "format": FORMAT, "header_crc32": of_header, "crc32": checksum(tensors), "content": content });
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
    // The header says how long the file is. What is longer is not read.
    read_header(path)?;
    let bytes = read_whole(path, u64::MAX)?;
    parse(&bytes).map_err(|reason| refused(path, reason))
}

/// Reads a file of at most so many bytes, which is no device or pipe without an end.
pub(crate) fn read_whole(path: &Path, most: u64) -> Result<Vec<u8>> {
    let failed = |source| Error::io("read", path, source);
    let found = std::fs::metadata(path).map_err(failed)?;
    if !found.is_file() && !found.is_dir() {
        return Err(failed(std::io::Error::other("expected a file, found a device or a pipe")));
    }
    if found.len() > most {
        return Err(failed(std::io::Error::other(format!("expected at most {most} bytes, found {}", found.len()))));
    }
    std::fs::read(path).map_err(failed)
}

/// Reads the header of a file written by [`write`]: its document, and the shapes of its tensors, which are not looked at.
pub(crate) fn read_header(path: &Path) -> Result<(Value, Shapes)> {
    let io = |e| Error::io("read", path, e);
    let about = std::fs::metadata(path).map_err(io)?;
    if !about.is_file() && !about.is_dir() {
        return Err(io(std::io::Error::other("expected a file, found a device or a pipe")));
    }
    let length = about.len();
    if length < 8 {
        return Err(refused(path, format!("{NOT_WHOLE}: it has no header")));
    }
    let mut file = File::open(path).map_err(io)?;
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(8).read_to_end(&mut start).map_err(io)?;
    let header = start.try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
    if header.saturating_add(8) > length || header > LONGEST_HEADER {
        return Err(refused(path, format!("{NOT_WHOLE}: its header has no end")));
    }
    let mut bytes = Vec::new();
    file.take(header).read_to_end(&mut bytes).map_err(io)?;
    let parsed = serde_json::from_slice::<Metadata>(&bytes).map_err(|e| format!("{NOT_WHOLE}: {e}")).and_then(|metadata| {
        if tensors_fill(&metadata, length - 8 - header) {
            document(&metadata)
        } else {
            Err(format!("{NOT_WHOLE}: its tensors are not all there"))
        }
    });
    let Document { content, shapes, .. } = parsed.map_err(|reason| refused(path, reason))?;
    Ok((content, shapes))
}

/// Whether the tensors of a header lie one after another, each as long as its shape says, and fill so many bytes.
fn tensors_fill(metadata: &Metadata, bytes: u64) -> bool {
    let tensors = metadata.tensors();
    let mut all: Vec<&TensorInfo> = tensors.values().copied().collect();
    all.sort_by_key(|tensor| tensor.data_offsets);
    let end = all.iter().try_fold(0, |end, tensor| {
        let numbers = tensor.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n))?;
        let length = numbers.checked_mul(tensor.dtype.bitsize() / 8)?;
        (tensor.data_offsets == (end, end.checked_add(length)?)).then_some(tensor.data_offsets.1)
    });
    end.is_some_and(|end| end as u64 == bytes)
}

fn refused(path: &Path, reason: String) -> Error {
    let damaged = Hint::other("the file is damaged or was not written by knothe");
    let hint = if reason.starts_with("format") { Hint::Upgrade } else { damaged };
    Error::model_file(path, reason, hint)
}

/// What the header of a file holds.
struct Document {
    content: Value,
    shapes: Shapes,
    checksum: Option<u64>,
}

/// Reads a header whose checksum fits.
fn document(metadata: &Metadata) -> Result<Document, String> {
    let document = metadata.metadata().as_ref().and_then(|m| m.get(KEY)).ok_or("a safetensors file without a knothe header")?;
    let mut document: Value = serde_json::from_str(document).map_err(|e| format!("the knothe header is not JSON: {e}"))?;
    match document["format"].as_u64() {
        Some(format) if format <= FORMAT => {}
        Some(format) => return Err(format!("format {format} is newer than {FORMAT}, the newest that this version of knothe reads")),
        None => return Err("the knothe header has no format number".into()),
    }
    let shape = |(name, tensor): (String, &TensorInfo)| match tensor.dtype {
        Dtype::F32 => Ok((name, (tensor.shape.clone(), DType::F32))),
        Dtype::F64 => Ok((name, (tensor.shape.clone(), DType::F64))),
        other => Err(format!("tensor '{name}': expected F32 or F64, found {other:?}")),
    };
    let shapes: Shapes = metadata.tensors().into_iter().map(shape).collect::<Result<_, _>>()?;
    let content = document["content"].take();
    if document["header_crc32"].as_u64() != Some(checksum_of_header(&content, &shapes)) {
        return Err("the checksum does not fit the contents".into());
    }
    Ok(Document { content, shapes, checksum: document["crc32"].as_u64() })
}

fn parse(bytes: &[u8]) -> Result<(Value, Parameters), String> {
    let damaged = |e: safetensors::SafeTensorError| format!("{NOT_WHOLE}: {e}");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let Document { content, shapes, checksum: expected } = document(&metadata)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut parameters = Parameters::new();
    for (name, (shape, dtype)) in shapes {
        let view = tensors.tensor(&name).map_err(damaged)?;
        let data = match dtype {
            DType::F64 => TensorData::new(numbers(view.data(), f64::from_le_bytes), shape),
            _ => TensorData::new(numbers(view.data(), f32::from_le_bytes), shape),
        };
        parameters.insert(name, data);
    }
    if expected != Some(checksum(&parameters)) {
        return Err("the checksum does not fit the contents".into());
    }
    Ok((content, parameters))
}

/// The part `key` of a file's content, taken out of it; an error calls it `name`.
pub(crate) fn part<T: serde::de::DeserializeOwned>(path: &Path, content: &mut Value, key: &str, name: &str) -> Result<T> {
    serde_json::from_value(content[key].take()).map_err(|e| Error::model_file(path, format!("its {name} cannot be read: {e}"), None))
}

/// Numbers that building a network may ask for: so many for each number of its file, and so many in any case. Beside parameters there are masks, identity matrices
/// and indices of pixels.
const ROOM: (usize, usize) = (64, 1 << 24);

/// The numbers that building a network may ask for whose file holds so many.
pub fn room(held: usize) -> usize {
    held.saturating_mul(ROOM.0).saturating_add(ROOM.1)
}

/// The outline of the network that `build` makes, which has the tensors of a file, with its placement. What a header asks for is so bounded by what the file holds, before
/// any memory is taken.
pub(crate) fn outline<M: Module>(
    path: &Path,
    shapes: &Shapes,
    precision: Precision,
    build: impl Fn(&Placement) -> Result<M>,
) -> Result<(M, Placement)> {
    let held = shapes.values().map(|(shape, _)| shape.iter().product::<usize>()).fold(0, usize::saturating_add);
    let place = Placement::outline(precision, room(held));
    let checked = build(&place).and_then(|outline| parameters::check_shapes(&outline, shapes).map(|()| outline));
    Ok((checked.map_err(|e| Error::model_file(path, e.to_string(), None))?, place))
}

/// The network that `build` makes, with the parameters of a file, for evaluation. Its [`outline`] is compared with the file first.
pub(crate) fn restore<M: Module>(
    path: &Path,
    tensors: Parameters,
    place: &Placement,
    build: impl Fn(&Placement) -> Result<M>,
) -> Result<M> {
    outline(path, &parameters::shapes(&tensors), place.precision, &build)?;
    let network = build(place).and_then(|network| parameters::restore(network, tensors));
    Ok(network.map_err(|e| Error::model_file(path, e.to_string(), None))?.valid())
}

fn numbers<T, const N: usize>(bytes: &[u8], from: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| from(chunk)).collect()
}

/// The checksum of all that a header says.
fn checksum_of_header(content: &Value, shapes: &Shapes) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(content.to_string().as_bytes());
    shapes.iter().for_each(|shape| hasher.update(format!("{shape:?}").as_bytes()));
    u64::from(hasher.finalize())
}

/// The checksum of the numbers of tensors.
fn checksum(tensors: &Parameters) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    tensors.values().for_each(|data| hasher.update(data.as_bytes()));
    u64::from(hasher.finalize())
}
