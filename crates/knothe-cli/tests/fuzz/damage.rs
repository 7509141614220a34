//! What may happen to a file, by accident or on purpose.

use proptest::{prelude::*, sample::Index};
use serde_json::Value;

use crate::forge::{forgery, leaves};

/// One change.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Overwrites some bytes.
    Replace(Index, Vec<u8>),
    /// Overwrites up to eight bytes with a number.
    Number(Index, u64, usize),
    /// More bytes.
    Insert(Index, Vec<u8>),
    /// Fewer bytes.
    Remove(Index, usize),
    /// A part of the file once more, somewhere.
    Repeat(Index, Index, usize),
    /// The end is missing.
    Cut(Index),
    /// Another value in the document of a model file or a checkpoint, or in a JSON file.
    Leaf(Index, Value),
    /// A value of the document that stands elsewhere in it as well.
    Copy(Index, Index),
}

/// Any change. Half of them are to documents, which are a small part of a file.
pub fn edit() -> impl Strategy<Value = Edit> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..12);
    let texts = prop::sample::select(vec![
        "",
        "0",
        "-1",
        "NaN",
        "inf",
        "1e308",
        "\"",
        "\n",
        ",",
        "\t",
        "[",
        "}",
        "999999999999999999999",
        "\u{202e}",
    ]);
    let numbers = prop::sample::select(vec![0, 1, 2, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX / 2, u64::MAX - 7, u64::MAX]);
    prop_oneof![
        2 => (any::<Index>(), bytes()).prop_map(|(at, bytes)| Edit::Replace(at, bytes)),
        1 => (any::<Index>(), texts).prop_map(|(at, text)| Edit::Insert(at, text.into())),
        1 => (any::<Index>(), bytes()).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        1 => (any::<Index>(), numbers, prop::sample::select(vec![1, 2, 4, 8])).prop_map(|(at, number, size)| Edit::Number(at, number, size)),
        1 => (any::<Index>(), 1usize..100).prop_map(|(at, length)| Edit::Remove(at, length)),
        1 => (any::<Index>(), any::<Index>(), 1usize..1000).prop_map(|(from, to, length)| Edit::Repeat(from, to, length)),
        1 => any::<Index>().prop_map(Edit::Cut),
        6 => (any::<Index>(), value()).prop_map(|(at, value)| Edit::Leaf(at, value)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Edit::Copy(from, to)),
    ]
}

/// A value of JSON that a document may not expect.
fn value() -> impl Strategy<Value = Value> {
    let numbers = [0u64, 1, 2, 3, 7, 63, 64, 255, 256, 1000, 4096, 65_535, 65_536, 1 << 24, 1 << 32, u64::MAX].map(Value::from);
    let others = [(-1).into(), 1e300.into(), 1e-300.into(), (-0.0).into(), 0.5.into(), "".into(), "maf".into(), "tanh".into(), "lu".into()];
    let more =
        [true.into(), false.into(), Value::Null, Value::Array(vec![]), vec![3, 1].into(), vec![65_536; 90].into(), vec![1; 3].into()];
    prop_oneof![4 => prop::sample::select(numbers.to_vec()), 1 => (0u64..5000).prop_map(Value::from), 3 => prop::sample::select([others.to_vec(), more.to_vec()].concat())]
}

/// A file with changes.
pub fn damaged(good: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for edit in edits.iter().filter(|_| !good.is_empty()) {
        apply(&mut bytes, edit);
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

fn apply(bytes: &mut Vec<u8>, edit: &Edit) {
    let length = bytes.len();
    let mut over = |at: usize, new: &[u8]| {
        let end = length.min(at + new.len());
        bytes[at..end].copy_from_slice(&new[..end - at]);
    };
    match edit {
        Edit::Replace(at, new) => over(at.index(length), new),
        Edit::Number(at, number, size) => over(at.index(length), &number.to_le_bytes()[..*size]),
        Edit::Insert(at, new) => {
            let at = at.index(length);
            bytes.splice(at..at, new.iter().copied());
        }
        Edit::Remove(at, count) => {
            let at = at.index(length);
            bytes.drain(at..length.min(at + count));
        }
        Edit::Repeat(from, to, count) => {
            let (from, to) = (from.index(length), to.index(length));
            let part = bytes[from..length.min(from + count)].to_vec();
            bytes.splice(to..to, part);
        }
        Edit::Cut(at) => bytes.truncate(at.index(length)),
        Edit::Leaf(at, value) => in_document(bytes, |content| {
            let paths = paths(content);
            *content.pointer_mut(&paths[at.index(paths.len())]).unwrap() = value.clone();
        }),
        Edit::Copy(from, to) => in_document(bytes, |content| {
            let paths = paths(content);
            let value = content.pointer(&paths[from.index(paths.len())]).unwrap().clone();
            *content.pointer_mut(&paths[to.index(paths.len())]).unwrap() = value;
        }),
    }
}

fn paths(content: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    leaves(content, "", &mut paths);
    // An empty object or array has no leaf.
    if paths.is_empty() { vec![String::new()] } else { paths }
}

/// Changes a JSON file, or the document of a model file or checkpoint, whose checksums are then recomputed. Other files stay as they are.
fn in_document(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Value)) {
    if let Ok(mut whole) = serde_json::from_slice::<Value>(bytes) {
        change(&mut whole);
        *bytes = whole.to_string().into_bytes();
    } else if let Some(new) = forgery(bytes, |document| change(&mut document["content"])) {
        *bytes = new;
    }
}
