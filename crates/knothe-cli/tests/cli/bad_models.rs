//! Model files that cannot be used. Loading one never panics, whatever its bytes.

use std::path::Path;

use knothe::{Model, events::table::Schema, model::AnyModel};
use proptest::prelude::*;
use serde_json::Value;

use crate::{
    forge::{self, leaves},
    images::images,
    support::{copy, fitted, knothe, succeeds},
};

fn original() -> Vec<u8> {
    std::fs::read(fitted().join("model.safetensors")).unwrap()
}

fn load(bytes: &[u8]) -> knothe::Result<Model<Schema>> {
    load_any(bytes).map(|model| match model {
        AnyModel::Table(model) => *model,
        _ => panic!("a model of a table"),
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
    refuses_by(&["inspect", "score --out out.csv", "sample -n 5", "evaluate"], folder, bytes, expected);
}

fn refuses_by(commands: &[&str], folder: &Path, bytes: &[u8], expected: &str) {
    std::fs::write(folder.join("bad.safetensors"), bytes).unwrap();
    for &arguments in commands {
        let (command, options) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let table = if ["score", "evaluate"].contains(&command) { "table.csv" } else { "" };
        let run = knothe(folder, &format!("{command} bad.safetensors {table} {options}"));
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{arguments}: {}", run.stderr);
        assert!(run.error().starts_with("error: bad.safetensors: ") && run.error().contains(expected), "{arguments}: {}", run.stderr);
        assert!(!folder.join("out.csv").exists());
    }
}

fn forged(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    forgery(&original(), change)
}

/// A forged file.
fn forgery(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    forge::forgery(bytes, change).unwrap()
}

#[test]
fn damaged_files_are_refused_with_the_reason() {
    let folder = copy();
    let bytes = original();
    refuses(folder.path(), &bytes[..bytes.len() / 2], "not a whole safetensors file");
    refuses(folder.path(), &[], "not a whole safetensors file");
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let checksum = "the checksum does not fit the contents";
    refuses_by(&["score --out out.csv", "sample -n 5", "evaluate"], folder.path(), &flipped, checksum);
    let mut flipped = bytes.clone();
    let digit = flipped.windows(10).position(|part| part == b"\\\"version\\").unwrap() + 14;
    flipped[digit] ^= 1;
    refuses(folder.path(), &flipped, checksum);
    refuses(folder.path(), &forged(|d| d["format"] = 2.into()), "format 2 is newer than 1");
    refuses(
        folder.path(),
        &forged(|d| d["content"]["members"][0]["recipe"]["options"]["hidden"] = vec![60_000, 60_000].into()),
        "numbers of the network: expected at most",
    );
    refuses(
        folder.path(),
        &forged(|d| d["content"]["members"][0]["recipe"]["space"]["shape"]["columns"] = 2.into()),
        "laws: expected 1 or 2, one for each element, found 3",
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
    let all = |parts: &[(&'static str, Value)]| {
        forgery(&bytes, |d| parts.iter().for_each(|(part, value)| *d["content"].pointer_mut(part).unwrap() = value.clone()))
    };
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cases = [
        (bytes[..bytes.len() / 2].to_vec(), "not a whole safetensors file"),
        (flipped, "the checksum does not fit the contents"),
        (content("/members/0/recipe/options/width", 30_000.into()), "numbers of the network: expected at most"),
        (content("/members/0/recipe/options/noise_width", 65_536.into()), "noise_width of glow: expected a whole number from 1 to 4096"),
        (content("/members/0/recipe/options/noise_width", u64::MAX.into()), "noise_width of glow"),
        (
            content("/members/0/recipe/family", "resnet".into()),
            "expected one of glow, real_nvp, pixel_cnn, pixel_cnn_pp, row_lstm, diagonal_bilstm, found resnet",
        ),
        (content("/members/0/recipe/options/steps_per_level", 900.into()), "parameter"),
        (content("/members/0/recipe/space/shape/grid/channels", 3.into()), "its coding and its members differ"),
        (content("/members/0/recipe/options/steps_per_level", 1_000.into()), "parameter"),
        (content("/members/0/recipe/context_dim", 60_000.into()), "its coding and its members differ"),
        (
            all(&[("/coding/shape/channels", 4_096.into()), ("/members/0/recipe/space/shape/grid/channels", 4_096.into())]),
            "numbers of the network: expected at most",
        ),
        (all(&[("/coding/shape/height", 4_096.into()), ("/members/0/recipe/space/shape/grid/height", 4_096.into())]), "parameter"),
        (all(&[("/coding/classes", (0..60_000).collect()), ("/members/0/recipe/context_dim", 60_000.into())]), "at most 4096 classes"),
        (content("/coding/depth", 9.into()), "its coding cannot be"),
        (content("/coding/classes", vec![1, 0].into()), "its coding cannot be"),
        (content("/coding/classes", vec![1, 1].into()), "its coding cannot be"),
        (content("/kind", "image".into()), "expected a model, found kind \"image\""),
    ];
    for (bad, expected) in cases {
        let found = load_any(&bad).unwrap_err().to_string();
        assert!(found.contains(expected), "{expected}: {found}");
    }
    assert!(load_any(&forgery(&bytes, |_| ())).is_ok(), "a forgery that changes nothing loads");
}

#[test]
fn a_schema_from_a_stranger_is_checked() {
    let forged = |part: &'static str, value: Value| forged(|d| *d["content"]["coding"].pointer_mut(part).unwrap() = value);
    let cases = [
        (forged("/columns/0/kind", serde_json::json!({ "bounded": [3, 1] })), "expected a possible kind of column"),
        (forged("/columns/0/kind", serde_json::json!({ "lattice": { "step": 0, "offset": 0 } })), "expected a possible kind of column"),
        (forged("/columns/0/scale", 0.into()), "schema, column 'x': expected a finite shift and a scale above 0, found"),
        (forged("/columns/1/scale", (-1).into()), "schema, column 'y'"),
        (forged("/columns/0/name", "y".into()), "found two columns named 'y'"),
        (forged("/columns/0/name", "\u{1b}[31m".into()), "without control characters, found '\\u{1b}[31m'"),
        (forged("/columns/0/name", " ".into()), "found none for column 1"),
    ];
    for (bad, expected) in cases {
        let found = load(&bad).unwrap_err().to_string();
        assert!(found.contains("its coding cannot be: ") && found.contains(expected), "{expected}: {found}");
    }
}

/// Many small layers ask for more than their numbers.
#[test]
fn a_header_of_many_layers_is_refused_before_they_are_made() {
    let bytes = forged(|d| {
        let mut member = d["content"]["members"][0].clone();
        member["recipe"]["options"]["layers"] = 1_000.into();
        member["recipe"]["options"]["hidden"] = vec![3; 100].into();
        d["content"]["members"] = vec![member; 80].into();
        d["content"]["weights"] = vec![1.0 / 80.0; 80].into();
    });
    let found = load(&bytes).unwrap_err().to_string();
    assert!(found.contains("numbers of the network: expected at most"), "{found}");
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    let bytes = original();
    let (header, tensors) = forge::taken_apart(&bytes).unwrap();
    let mut tensors = tensors.to_vec();
    tensors[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let found = load(&forgery(&forge::put_together(&header, &tensors), |_| ())).unwrap_err().to_string();
    assert!(found.contains("parameter '") && found.contains("is not finite"), "{found}");
}

#[test]
fn a_header_says_all_but_the_numbers() {
    let folder = copy();
    let whole = succeeds(folder.path(), "inspect model.safetensors --json");
    let path = folder.path().join("model.safetensors");
    let mut bytes = original();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(succeeds(folder.path(), "inspect model.safetensors --json"), whole);
    assert!(knothe(folder.path(), "inspect model.safetensors --moments").error().contains("the checksum does not fit"));
    let error = AnyModel::load_outline(&path).map(|model| match model {
        AnyModel::Table(model) => model.sample(1, &[0.0], 0).unwrap_err().to_string(),
        _ => panic!("a model of a table"),
    });
    assert!(error.unwrap().contains("expected a model with its parameters"));
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(knothe(folder.path(), "inspect model.safetensors").error().contains("not a whole safetensors file"));
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
