//! Recordings as arrays of a .npz file.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{HIGHEST_RATE, LABELS_KEY, OFFSETS_KEY, RATE_KEY, RecordingSet, SAMPLES_KEY, wav::integer};
use crate::{
    error::{Error, Result},
    events::{
        image::archive::{Archive, integer_labels, one_per_event},
        table::npy::write_header,
    },
    file::NewFile,
    hint::Hint,
};

/// The largest magnitude of a 16-bit integer.
const FULL: f64 = 32_768.0;

/// Whether a .npz file holds recordings: the default array of samples, or the named array beside offsets or a sample rate. A file that cannot be read holds none.
pub fn holds_recordings(path: &Path, key: Option<&str>) -> bool {
    Archive::open(path).is_ok_and(|archive| {
        let has = |name: &str| archive.has(name);
        has(SAMPLES_KEY) || key.is_some_and(has) && (has(OFFSETS_KEY) || has(RATE_KEY))
    })
}

pub(super) fn read(path: &Path, key: &str, rate: Option<u32>) -> Result<RecordingSet> {
    let wrong = |problem: String, hint: Option<&'static str>| Error::table(path, problem, hint.map(Hint::other));
    let mut archive = Archive::open(path)?;
    let found = archive.array(key)?;
    if found.item.is_integral() && found.item.bytes() < 2 {
        let problem = format!("expected integers of 16 bits or floats in '{key}', found integers of 8 bits");
        return Err(wrong(problem, Some("subtract 128 from unsigned bytes, and multiply by 256")));
    }
    let full = if found.item.is_integral() { FULL } else { 1.0 };
    if let Some(v) = found.numbers().find(|v| !(-full..=full).contains(v)) {
        let range = if full > 1.0 { "integers of 16 bits" } else { "numbers from -1 to 1" };
        return Err(wrong(format!("expected {range} in '{key}', found {v}"), Some("scale the samples to that range")));
    }
    let samples: Vec<f32> = found.numbers().map(|v| (v / full) as f32).collect();
    let ends = match found.shape[..] {
        [n, length] if n > 0 && length > 0 => (1..=n).map(|k| k * length).collect(),
        [n] if n > 0 => offsets(path, &mut archive, n)?,
        _ => {
            let shape = found.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
            return Err(wrong(format!("expected samples in one dimension, or one row per recording, found an array of {shape}"), None));
        }
    };
    let other_rate = |found: String| {
        wrong(format!("expected one whole number of samples per second from 1 to {HIGHEST_RATE} in '{RATE_KEY}', found {found}"), None)
    };
    let single = |shape: &[u64]| match count(shape) {
        1 => Ok(()),
        count => Err(other_rate(format!("{count} numbers"))),
    };
    let own = if archive.has(RATE_KEY) { archive.array_of(RATE_KEY, &single)?.numbers().next() } else { None };
    let rate = match (own, rate) {
        (Some(v), _) if (1.0..=f64::from(HIGHEST_RATE)).contains(&v) && v.fract() == 0.0 => v as u32,
        (Some(found), _) => return Err(other_rate(found.to_string())),
        (None, Some(rate)) => rate,
        (None, None) => {
            let problem = format!("expected the number of samples per second in an array '{RATE_KEY}', found none");
            return Err(Error::table(path, problem, Hint::NameRate));
        }
    };
    Ok(RecordingSet { path: path.to_owned(), rate, samples, ends, names: Vec::new(), labels: None })
}

/// The numbers of an array of this shape.
fn count(shape: &[u64]) -> u64 {
    shape.iter().fold(1, |count, n| count.saturating_mul(*n))
}

/// The end of each recording in `n` samples.
fn offsets(path: &Path, archive: &mut Archive, n: usize) -> Result<Vec<usize>> {
    if !archive.has(OFFSETS_KEY) {
        // The file holds one recording.
        return Ok(vec![n]);
    }
    let check = |shape: &[u64]| match count(shape) {
        count if count > n as u64 + 1 => {
            let problem = format!("expected at most {} increasing whole numbers from 0 to {n} in '{OFFSETS_KEY}', found {count}", n + 1);
            Err(Error::table(path, problem, None))
        }
        _ => Ok(()),
    };
    let found = archive.array_of(OFFSETS_KEY, &check)?;
    let offsets: Vec<f64> = found.numbers().collect();
    let rising = offsets.windows(2).position(|pair| pair[0] >= pair[1] || pair[0].is_nan() || pair[1].is_nan());
    let whole = offsets.iter().all(|v| v.fract() == 0.0);
    if offsets.len() < 2 || rising.is_some() || !whole || offsets[0] != 0.0 || offsets[offsets.len() - 1] != n as f64 {
        let place = rising.map_or(String::new(), |at| format!(", and {} after {} at recording {}", offsets[at + 1], offsets[at], at + 1));
        let ends = (offsets.first().copied().unwrap_or(f64::NAN), offsets.last().copied().unwrap_or(f64::NAN));
        let problem = format!("expected increasing whole numbers from 0 to {n} in '{OFFSETS_KEY}', found {} to {}{place}", ends.0, ends.1);
        return Err(Error::table(path, problem, Hint::other("a recording has at least one sample")));
    }
    Ok(offsets[1..].iter().map(|&v| v as usize).collect())
}

/// The classes of n recordings.
pub(super) fn labels(path: &Path, key: &str, n: usize) -> Result<Vec<String>> {
    let found = Archive::open(path)?.array_of(key, &one_per_event(path, "labels", "recording", n))?;
    Ok(integer_labels(path, &found)?.iter().map(i64::to_string).collect())
}

/// Writes a file that [`read`] reads. Classes are written if all of them are [whole numbers](RecordingSet::whole_labels).
pub(super) fn write(set: &RecordingSet, path: &Path) -> Result<()> {
    let io = |e| Error::io("write", path, e);
    // The time of a file keeps its default, so the same recordings give the same bytes.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let mut archive = ZipWriter::new(BufWriter::with_capacity(1 << 16, NewFile::create(path)?));
    let mut put = |name: &str, kind: &str, shape: &[usize], bytes: &mut dyn Iterator<Item = [u8; 8]>, size: usize| -> io::Result<()> {
        archive.start_file(format!("{name}.npy"), options.large_file(shape.iter().product::<usize>() > 1 << 27))?;
        write_header(&mut archive, kind, shape)?;
        for bytes in bytes {
            archive.write_all(&bytes[..size])?;
        }
        Ok(())
    };
    let whole = |v: i64| v.to_le_bytes();
    put(SAMPLES_KEY, "<i2", &[set.samples.len()], &mut set.samples.iter().map(|&v| whole(i64::from(integer(v)))), 2).map_err(io)?;
    let offsets = std::iter::once(&0).chain(&set.ends);
    put(OFFSETS_KEY, "<i8", &[set.ends.len() + 1], &mut offsets.map(|&end| whole(end as i64)), 8).map_err(io)?;
    put(RATE_KEY, "<i8", &[1], &mut std::iter::once(whole(i64::from(set.rate))), 8).map_err(io)?;
    if let Some(labels) = set.whole_labels() {
        put(LABELS_KEY, "<i8", &[labels.len()], &mut labels.iter().map(|&label| whole(label)), 8).map_err(io)?;
    }
    let file = archive.finish().map_err(io::Error::from).and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
    file.map_err(io)?.finish()
}
