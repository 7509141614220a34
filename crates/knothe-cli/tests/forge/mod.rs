//! Files of Knothe taken apart and put together again with checksums that fit, as an attacker would.

use knothe::burn::tensor::DType;
use serde_json::Value;

/// The header of a file, and the bytes of its tensors; nothing where it has no header.
pub fn taken_apart(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let length = usize::try_from(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?)).ok()?;
    let header = bytes.get(8..length.checked_add(8)?)?;
    Some((serde_json::from_slice(header).ok()?, &bytes[8 + length..]))
}

/// The bytes of a file.
pub fn put_together(header: &Value, tensors: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), tensors].concat()
}

/// Changes the document of a file and makes its checksums fit again. Nothing where it has no document, or its tensors are not where its header says.
pub fn forgery(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Option<Vec<u8>> {
    let (mut header, tensors) = taken_apart(bytes)?;
    let mut document: Value = serde_json::from_str(header["__metadata__"]["knothe"].as_str()?).ok()?;
    change(&mut document);
    let (mut of_header, mut of_tensors) = (crc32fast::Hasher::new(), crc32fast::Hasher::new());
    of_header.update(document["content"].to_string().as_bytes());
    // In the order of their names, as the library has them.
    for (name, tensor) in header.as_object()?.iter().filter(|(name, _)| *name != "__metadata__") {
        let whole = |value: &Value| usize::try_from(value.as_u64()?).ok();
        let shape: Vec<usize> = tensor["shape"].as_array()?.iter().map(whole).collect::<Option<_>>()?;
        let dtype = if tensor["dtype"] == "F64" { DType::F64 } else { DType::F32 };
        of_header.update(format!("{:?}", (name, (shape, dtype))).as_bytes());
        of_tensors.update(tensors.get(whole(&tensor["data_offsets"][0])?..whole(&tensor["data_offsets"][1])?)?);
    }
    document["header_crc32"] = of_header.finalize().into();
    document["crc32"] = of_tensors.finalize().into();
    header["__metadata__"]["knothe"] = document.to_string().into();
    Some(put_together(&header, tensors))
}

/// Paths to every value of a document.
pub fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    let mut deeper = |key: &str, value: &Value| leaves(value, &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), found);
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| deeper(key, value)),
        Value::Array(entries) => entries.iter().enumerate().for_each(|(i, value)| deeper(&i.to_string(), value)),
        _ => found.push(path.to_owned()),
    }
}
