//! Model files that cannot be used. Loading one never panics, whatever its bytes.

use std::path::Path;

use knothe::{Model, events::table::Schema, model::AnyModel};
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    images::images,
    support::{copy, fitted, knothe},
};

fn original() -> Vec<u8> {
    std::fs::read(fitted().join("model.safetensors")).unwrap()
}

fn load(bytes: &[u8]) -> knothe::Result<Model<Schema>> {
    load_any(bytes).map(|model| match model {
        AnyModel::Table(model) => *model,
        AnyModel::Images(_) => panic!("a model of a table"),
    })
}

fn original_of_images() -> Vec<u8> {
    std::fs::read(images().join("images.safetensors")).unwrap()
}

fn load_any(bytes: &[u8]) -> knothe::Result<AnyModel> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    AnyModel::load(file.path(), "cpu")
}

fn refuses(folder: &Path, bytes: &[u8], expected: &str) {
    std::fs::write(folder.join("bad.safetensors"), bytes).unwrap();
    for arguments in ["inspect", "score --out out.csv", "sample -n 5", "evaluate"] {
        let (command, options) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let table = if ["score", "evaluate"].contains(&command) { "table.csv" } else { "" };
        let run = knothe(folder, &format!("{command} bad.safetensors {table} {options}"));
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{arguments}: {}", run.stderr);
        assert!(run.error().starts_with("error: bad.safetensors: ") && run.error().contains(expected), "{arguments}: {}", run.stderr);
        assert!(!folder.join("out.csv").exists());
    }
}

/// The header of a model file, and the bytes of its tensors.
fn taken_apart(bytes: &[u8]) -> (Value, &[u8]) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + length]).unwrap(), &bytes[8 + length..])
}

fn put_together(header: &Value, tensors: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), tensors].concat()
}

fn forged(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    forgery(&original(), change)
}

/// Changes the document of a model file and makes its checksum fit again, as an attacker would.
fn forgery(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (mut header, tensors) = taken_apart(bytes);
    let mut document: Value = serde_json::from_str(header["__metadata__"]["knothe"].as_str().unwrap()).unwrap();
    change(&mut document);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(document["content"].to_string().as_bytes());
    for (name, tensor) in header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__") {
        let whole = |value: &Value| value.as_u64().unwrap() as usize;
        let shape: Vec<usize> = tensor["shape"].as_array().unwrap().iter().map(whole).collect();
        let range = &tensor["data_offsets"];
        hasher.update(name.as_bytes());
        hasher.update(format!("{shape:?}").as_bytes());
        hasher.update(&tensors[whole(&range[0])..whole(&range[1])]);
    }
    document["crc32"] = hasher.finalize().into();
    header["__metadata__"]["knothe"] = document.to_string().into();
    put_together(&header, tensors)
}

#[test]
fn damaged_files_are_refused_with_the_reason() {
    let folder = copy();
    let bytes = original();
    refuses(folder.path(), &bytes[..bytes.len() / 2], "not a whole safetensors file");
    refuses(folder.path(), &[], "not a whole safetensors file");
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    refuses(folder.path(), &flipped, "the checksum does not fit the contents");
    refuses(folder.path(), &forged(|d| d["format"] = 2.into()), "format 2 is newer than 1");
    refuses(
        folder.path(),
        &forged(|d| d["content"]["members"][0]["recipe"]["options"]["hidden"] = vec![60_000, 60_000].into()),
        "its recipe asks for",
    );
    refuses(
        folder.path(),
        &forged(|d| d["content"]["members"][0]["recipe"]["space"]["shape"]["columns"] = 2.into()),
        "its coding and its members differ",
    );
    refuses(folder.path(), &forged(|d| d["content"]["weights"] = vec![0.5].into()), "add up to 1");
    refuses(folder.path(), &forged(|d| d["content"]["members"] = Value::Array(vec![])), "at least one member");
    refuses(folder.path(), &forged(|d| d["content"]["kind"] = "image".into()), "expected a model, found kind \"image\"");
    // A length that no file has.
    refuses(folder.path(), &[&u64::MAX.to_le_bytes(), &bytes[8..]].concat(), "not a whole safetensors file");
    assert!(load(&forged(|_| ())).is_ok(), "a forgery that changes nothing loads");
}

#[test]
fn damaged_files_of_images_are_refused_with_the_reason() {
    let bytes = original_of_images();
    let content = |part: &'static str, value: Value| forgery(&bytes, |d| *d["content"].pointer_mut(part).unwrap() = value);
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cases = [
        (bytes[..bytes.len() / 2].to_vec(), "not a whole safetensors file"),
        (flipped, "the checksum does not fit the contents"),
        (content("/members/0/recipe/options/width", 30_000.into()), "weights: expected 1 to 4294967296"),
        (content("/members/0/recipe/options/noise_width", 65_536.into()), "noise_width of glow: expected a whole number from 1 to 4096"),
        (content("/members/0/recipe/options/noise_width", u64::MAX.into()), "noise_width of glow"),
        (content("/members/0/recipe/family", "resnet".into()), "expected one of glow, real_nvp, found resnet"),
        (content("/members/0/recipe/options/steps_per_level", 900.into()), "parameter"),
        (content("/members/0/recipe/space/shape/grid/channels", 3.into()), "its coding and its members differ"),
        (content("/coding/depth", 9.into()), "its coding cannot be"),
        (content("/coding/classes", vec![1, 0].into()), "its coding cannot be"),
        (content("/kind", "image".into()), "expected a model, found kind \"image\""),
    ];
    for (bad, expected) in cases {
        let found = load_any(&bad).unwrap_err().to_string();
        assert!(found.contains(expected), "{expected}: {found}");
    }
    assert!(load_any(&forgery(&bytes, |_| ())).is_ok(), "a forgery that changes nothing loads");
}

#[test]
fn every_flipped_byte_is_found() {
    let bytes = original();
    // All of the header, and some of the tensors.
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for at in (0..header).step_by(7).chain((header..bytes.len()).step_by(101)) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        if let Ok(model) = load(&flipped) {
            // What can be changed unseen are blanks between the parts of the header.
            assert!(at < header && model.record.held_out == load(&bytes).unwrap().record.held_out, "byte {at}");
        }
    }
}

/// Paths to every value of a document.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    let mut deeper = |key: &str, value: &Value| leaves(value, &format!("{path}/{key}"), found);
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| deeper(key, value)),
        Value::Array(entries) => entries.iter().enumerate().for_each(|(i, value)| deeper(&i.to_string(), value)),
        _ => found.push(path.to_owned()),
    }
}

fn replacement() -> impl Strategy<Value = Value> {
    let numbers = prop::sample::select(vec![0.into(), 1.into(), (-1).into(), 3.into(), 65_536.into(), u64::MAX.into()]);
    let others = prop::sample::select(vec![
        1e300.into(),
        (-0.0).into(),
        "".into(),
        "maf".into(),
        "tanh".into(),
        true.into(),
        Value::Null,
        Value::Array(vec![]),
    ]);
    prop_oneof![numbers, others]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn loading_never_panics_on_changed_bytes(cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..12)) {
        let mut changed = original();
        let start = at.index(changed.len());
        let end = (start + bytes.len()).min(changed.len());
        changed[start..end].copy_from_slice(&bytes[..end - start]);
        let _ = load(&changed);
        changed.truncate(cut.index(changed.len()));
        prop_assert!(load(&changed).is_err());
    }

    #[test]
    fn loading_never_panics_on_a_forged_document(leaf in any::<prop::sample::Index>(), value in replacement(), of_images in any::<bool>()) {
        let bytes = forgery(&if of_images { original_of_images() } else { original() }, |document| {
            let mut paths = Vec::new();
            leaves(&document["content"], "/content", &mut paths);
            *document.pointer_mut(&paths[leaf.index(paths.len())]).unwrap() = value;
        });
        let _ = load_any(&bytes);
    }
}
