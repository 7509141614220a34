//! Sets of recordings: WAV files, folders of them, and NPZ arrays.

mod arrays;
mod coding;
mod riff;
mod spectrogram;
mod wav;

use std::path::{Path, PathBuf};

pub use arrays::holds_recordings;
pub use coding::Waveform;
pub use spectrogram::{LARGEST_SPECTROGRAM, spectrograms};
pub use wav::is_recording;

use crate::{
    error::{Error, Result},
    events::Events,
    file::ending,
    hint::Hint,
};

/// The default array of a .npz file that holds the samples of all recordings one after another.
pub const SAMPLES_KEY: &str = "pcm";
/// The array of a .npz file that holds the start of each recording, and then the end of the last one.
pub const OFFSETS_KEY: &str = "offsets";
/// The array of a .npz file that holds the number of samples per second.
pub const RATE_KEY: &str = "sample_rate";
/// The array of a .npz file that holds the class of each recording.
pub const LABELS_KEY: &str = "labels";
/// With this word, the class of a recording is the part of its file's name before the first `_`, `-` or space.
pub const PREFIX: &str = "prefix";

/// The highest sample rate; a WAV file has room for the bytes per second of about twice as many.
const HIGHEST_RATE: u32 = 1_000_000_000;

/// Seconds of silence between the recordings of one WAV file.
const PAUSE: f64 = 0.25;

/// Recordings of one channel and one sample rate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordingSet {
    /// The file or folder; empty for recordings that come from elsewhere.
    pub path: PathBuf,
    /// Samples per second.
    pub rate: u32,
    /// The amplitudes of all recordings one after another, in [−1, 1].
    pub samples: Vec<f32>,
    /// Where each recording ends in `samples`.
    pub ends: Vec<usize>,
    /// The name of each recording's file without its ending. It is empty for recordings that come from elsewhere.
    pub names: Vec<String>,
    /// The class of each recording, if they have classes.
    pub labels: Option<Vec<String>>,
}

impl RecordingSet {
    /// Reads recordings from one of these paths:
    ///
    /// - A .wav file holds integers of 8, 16, 24 or 32 bits or floats of 32 bits. Floats are clipped to ±1, and the channels are averaged.
    /// - A folder holds .wav files. They are read in the order of their names. Folders inside it are ignored.
    /// - A .npz file holds samples in the array `key` ([`SAMPLES_KEY`] by default), as 16-bit integers or floats in [−1, 1]. An array of two dimensions has one row per recording.
    ///   An array of one dimension holds all recordings one after another. The array [`OFFSETS_KEY`] then holds the start of each, and the end of the last one. Without it there is
    ///   one recording. The array [`RATE_KEY`] holds the sample rate.
    ///
    /// All recordings must have the same sample rate, and none may be empty. `rate` is the sample rate of a .npz file that does not hold one. Any other file must have this rate.
    ///
    /// # Errors
    /// [`Error::Table`], which names the file, the expectation and the finding.
    pub fn read(path: &Path, key: Option<&str>, rate: Option<u32>) -> Result<Self> {
        let set = if path.is_dir() {
            wav::folder(path)?
        } else if is_recording(path) {
            wav::one(path)?
        } else if ending(path) == "npz" {
            arrays::read(path, key.unwrap_or(SAMPLES_KEY), rate)?
        } else {
            let found = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            let problem = format!("expected a WAV file, a folder of them or an NPZ file of recordings, found '{found}'");
            return Err(Error::table(path, problem, None));
        };
        match rate {
            Some(rate) => set.check_rate(rate).map(|()| set),
            None => Ok(set),
        }
    }

    /// Sets the classes. With [`PREFIX`] they come from the names of the files, and otherwise from the array of this name in the .npz file of the recordings.
    ///
    /// # Errors
    /// [`Error::Table`] if there are no such classes, or not one per recording.
    pub fn with_labels(mut self, name: &str) -> Result<Self> {
        self.labels = Some(match name {
            PREFIX if !self.names.is_empty() => {
                let labels: Vec<String> = self.names.iter().map(|name| prefix(name)).collect();
                if let Some(at) = labels.iter().position(String::is_empty) {
                    let problem = format!("expected a class at the start of each file name, found none in '{}'", self.names[at]);
                    return Err(Error::table(&self.path, problem, None));
                }
                labels
            }
            PREFIX => return Err(Error::table(&self.path, "expected recordings in files with names, found an array", None)),
            _ if ending(&self.path) == "npz" => arrays::labels(&self.path, name, self.len())?,
            _ => {
                let problem = format!("expected '{PREFIX}', which takes classes from the names of the files, found '{name}'");
                return Err(Error::table(
                    &self.path,
                    problem,
                    Hint::other("name the array of the classes if the recordings are in an NPZ file"),
                ));
            }
        });
        Ok(self)
    }

    /// Checks the sample rate.
    ///
    /// # Errors
    /// [`Error::Table`] for another one.
    pub fn check_rate(&self, rate: u32) -> Result<()> {
        if self.rate == rate {
            return Ok(());
        }
        let problem = format!("expected {rate} samples per second, found {}", self.rate);
        Err(Error::table(&self.path, problem, Hint::other("convert the recordings to that sample rate, for example with ffmpeg -ar")))
    }

    /// The amplitudes of a recording.
    pub fn recording(&self, at: usize) -> &[f32] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.samples[start..self.ends[at]]
    }

    /// The number of samples of each recording.
    pub fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.ends.len()).map(|at| self.recording(at).len())
    }

    /// Adds recordings of the same rate at the end.
    ///
    /// # Errors
    /// [`Error::Shape`] for another rate.
    pub fn extend(&mut self, others: &Self) -> Result<()> {
        if others.rate != self.rate {
            return Err(Error::shape("sample rate", self.rate, others.rate));
        }
        let start = self.samples.len();
        self.samples.extend_from_slice(&others.samples);
        self.ends.extend(others.ends.iter().map(|end| start + end));
        self.names.extend_from_slice(&others.names);
        match (&mut self.labels, &others.labels) {
            (Some(own), Some(others)) => own.extend_from_slice(others),
            (own, _) => *own = None,
        }
        Ok(())
    }

    /// Each recording, followed by the recording of `others` at the same position.
    ///
    /// # Errors
    /// [`Error::Shape`] unless both sets have the same number of recordings and the same rate.
    pub fn interleaved(&self, others: &Self) -> Result<Self> {
        if (self.rate, self.len()) != (others.rate, others.len()) {
            let of = |set: &Self| format!("{} of {} samples per second", set.len(), set.rate);
            return Err(Error::shape("recordings", of(self), of(others)));
        }
        let mut all = RecordingSet { rate: self.rate, ..Self::default() };
        for at in 0..self.len() {
            for set in [self, others] {
                all.samples.extend_from_slice(set.recording(at));
                all.ends.push(all.samples.len());
            }
        }
        Ok(all)
    }

    /// Writes a .wav or a .npz file. A .wav file has 16 bits and a quarter of a second of silence between two recordings. [`RecordingSet::read`] and
    /// [`RecordingSet::with_labels`] read the .npz file. The file appears when it is complete.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another ending, and [`Error::Io`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        match ending(path).as_str() {
            "wav" => wav::write(self, path, (PAUSE * f64::from(self.rate)) as usize),
            "npz" => arrays::write(self, path),
            other => {
                let found = if other.is_empty() { "none".into() } else { format!(".{other}") };
                Err(Error::invalid("a file of recordings", "a name that ends in .wav or .npz", found))
            }
        }
    }

    /// The classes as whole numbers, if all of them are written as such: '3' is one, and '03' and 'three' are not.
    pub fn whole_labels(&self) -> Option<Vec<i64>> {
        let whole = |label: &String| label.parse::<i64>().ok().filter(|number| number.to_string() == *label);
        self.labels.as_ref()?.iter().map(whole).collect()
    }

    /// The distinct labels in order. If all of them are whole numbers, the order is numeric.
    pub fn classes(&self) -> Vec<String> {
        let mut classes = self.labels.clone().unwrap_or_default();
        let number = |class: &String| class.parse::<i64>().ok();
        if classes.iter().all(|class| number(class).is_some()) {
            classes.sort_by_key(|class| (number(class), class.clone()));
        } else {
            classes.sort_unstable();
        }
        classes.dedup();
        classes
    }
}

impl Events for RecordingSet {
    const WORD: &'static str = "recordings";

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn pick(&self, positions: &[usize]) -> Self {
        let mut set = RecordingSet { path: self.path.clone(), rate: self.rate, ..Self::default() };
        for &at in positions {
            set.samples.extend_from_slice(self.recording(at));
            set.ends.push(set.samples.len());
            set.names.extend(self.names.get(at).cloned());
        }
        set.labels = self.labels.as_ref().map(|labels| positions.iter().map(|&at| labels[at].clone()).collect());
        set
    }

    fn elements(&self) -> Option<Vec<f64>> {
        Some(self.lengths().map(|n| n as f64).collect())
    }
}

/// The part of a file's name before the first `_`, `-` or space.
fn prefix(name: &str) -> String {
    name.split(['_', '-', ' ']).next().unwrap_or(name).to_owned()
}

/// Whether a path holds recordings: a .wav file, a folder that has one, or a .npz file with samples.
pub fn is_recording_set(path: &Path, key: Option<&str>) -> bool {
    if path.is_dir() {
        return wav::is_folder(path);
    }
    is_recording(path) || ending(path) == "npz" && holds_recordings(path, key)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
