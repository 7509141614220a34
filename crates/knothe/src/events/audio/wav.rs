//! WAV files.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rayon::prelude::*;

use super::{HIGHEST_RATE, RecordingSet, riff};
use crate::{
    error::{Error, Result},
    events::Events,
    file::{NewFile, ending},
    hint::Hint,
    memory,
};

/// The bytes of memory per sample of a recording, for its amplitude and for the values that a fit derives from it.
const CODED: usize = 16;

/// Whether the name of a file ends in .wav or .wave.
pub fn is_recording(path: &Path) -> bool {
    matches!(ending(path).as_str(), "wav" | "wave")
}

/// The recordings of a folder, in the order of their names.
fn paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |e| Error::io("read", folder, e);
    let entries = std::fs::read_dir(folder).map_err(io)?.collect::<Result<Vec<_>, _>>().map_err(io)?;
    let mut paths: Vec<PathBuf> = entries.iter().map(|entry| entry.path()).filter(|path| is_recording(path)).collect();
    paths.sort();
    Ok(paths)
}

/// Whether a folder has a recording.
pub(super) fn is_folder(folder: &Path) -> bool {
    paths(folder).is_ok_and(|paths| !paths.is_empty())
}

/// The recordings of a folder as a set.
pub(super) fn folder(folder: &Path) -> Result<RecordingSet> {
    let paths = paths(folder)?;
    let Some(first) = paths.first() else {
        return Err(Error::table(folder, "expected recordings that end in .wav, found none", None));
    };
    let specs = paths.par_iter().map(|path| checked(path)).collect::<Result<Vec<_>>>()?;
    let rate = specs[0].0.sample_rate;
    if let Some((path, (spec, _))) = paths.iter().zip(&specs).find(|(_, (spec, _))| spec.sample_rate != rate) {
        let problem = format!("expected {rate} samples per second, as in {}, found {}", first.display(), spec.sample_rate);
        return Err(Error::table(path, problem, Hint::other("convert all recordings to one sample rate, for example with ffmpeg -ar")));
    }
    let samples = specs.iter().fold(0usize, |sum, (_, frames)| sum.saturating_add(*frames));
    memory::check(format!("the {} recordings of {}", paths.len(), folder.display()), memory::product(&[CODED, samples]))?;
    let each = paths.par_iter().map(|path| Ok(amplitudes(path)?.1)).collect::<Result<Vec<_>>>()?;
    let mut set = RecordingSet { path: folder.to_owned(), rate, ..RecordingSet::default() };
    for (path, own) in paths.iter().zip(each) {
        set.samples.extend(own);
        set.ends.push(set.samples.len());
        set.names.push(path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
    }
    Ok(set)
}

/// One file as a set.
pub(super) fn one(path: &Path) -> Result<RecordingSet> {
    let (_, frames) = checked(path)?;
    memory::check(path.display().to_string(), memory::product(&[CODED, frames]))?;
    let (rate, samples) = amplitudes(path)?;
    let names = vec![path.file_stem().unwrap_or_default().to_string_lossy().into_owned()];
    Ok(RecordingSet { path: path.to_owned(), rate, ends: vec![samples.len()], samples, names, labels: None })
}

fn damaged(path: &Path, error: &hound::Error) -> Error {
    let problem = format!("expected a whole WAV file of integers or 32-bit floats, found one that cannot be read: {error}");
    Error::table(path, problem, Hint::other("convert it, for example with ffmpeg -c:a pcm_s16le, or remove it"))
}

fn opened(path: &Path) -> Result<WavReader<riff::Plain>> {
    let io = |e| Error::io("read", path, e);
    let found = std::fs::metadata(path).map_err(io)?;
    if !found.is_file() {
        return Err(Error::table(path, "expected a WAV file, found a folder, a device or a pipe", None));
    }
    let file = File::open(path).map_err(io)?;
    WavReader::new(riff::plain(path, file, found.len())?).map_err(|e| damaged(path, &e))
}

/// The format and the number of frames by the header, checked against the length of the file.
fn checked(path: &Path) -> Result<(WavSpec, usize)> {
    let reader = opened(path)?;
    let (spec, frames) = (reader.spec(), reader.duration());
    if spec.sample_rate == 0 {
        return Err(Error::table(path, "expected a sample rate above 0, found 0", Hint::other("remove the file")));
    }
    if frames == 0 {
        return Err(Error::table(path, "expected at least one sample, found none", Hint::other("remove the file")));
    }
    Ok((spec, frames as usize))
}

/// The sample rate, and the mean of the channels of each frame, in [−1, 1].
fn amplitudes(path: &Path) -> Result<(u32, Vec<f32>)> {
    let mut reader = opened(path)?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels);
    let numbers: Vec<f32> = match spec.sample_format {
        SampleFormat::Int => {
            let one = 2f64.powi(i32::from(spec.bits_per_sample) - 1);
            reader.samples::<i32>().map(|v| v.map(|v| (f64::from(v) / one) as f32)).collect::<Result<_, _>>()
        }
        SampleFormat::Float => reader.samples::<f32>().collect(),
    }
    .map_err(|e| damaged(path, &e))?;
    if let Some(at) = numbers.iter().position(|v| !v.is_finite()) {
        let problem = format!("expected finite numbers, found {} at sample {}", numbers[at], at / channels + 1);
        return Err(Error::table(path, problem, None));
    }
    let mean = |frame: &[f32]| frame.iter().map(|v| v.clamp(-1.0, 1.0)).sum::<f32>() / channels as f32;
    Ok((spec.sample_rate, numbers.chunks_exact(channels).map(mean).collect()))
}

/// The 16-bit integer nearest to an amplitude.
pub(super) fn integer(amplitude: f32) -> i16 {
    (amplitude * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

/// Writes the recordings, with `pause` samples of silence between two of them.
pub(super) fn write(set: &RecordingSet, path: &Path, pause: usize) -> Result<()> {
    let failed = |e: hound::Error| match e {
        hound::Error::IoError(e) => Error::io("write", path, e),
        other => Error::invalid("a WAV file", "fewer than 2^31 samples", other),
    };
    if !(1..=HIGHEST_RATE).contains(&set.rate) {
        return Err(Error::invalid("sample rate", format!("1 to {HIGHEST_RATE}"), set.rate));
    }
    let spec = WavSpec { channels: 1, sample_rate: set.rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut file = BufWriter::with_capacity(1 << 16, NewFile::create(path)?);
    {
        let mut writer = WavWriter::new(&mut file, spec).map_err(failed)?;
        for at in 0..set.len() {
            let silence = std::iter::repeat_n(0, if at == 0 { 0 } else { pause });
            let mut samples = silence.chain(set.recording(at).iter().map(|&v| integer(v)));
            samples.try_for_each(|v| writer.write_sample(v)).map_err(failed)?;
        }
        writer.finalize().map_err(failed)?;
    }
    file.into_inner().map_err(|e| Error::io("write", path, e.into_error()))?.finish()
}
