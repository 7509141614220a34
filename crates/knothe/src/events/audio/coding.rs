//! The coding between the amplitudes of recordings and the levels of a density.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::RecordingSet;
use crate::{
    error::{Error, Result},
    events::{
        Coding, Events, Rows, Units,
        classes::{self, CLASS},
    },
    hint::Hint,
    memory,
    space::{Law, Shape, Space},
    special::{mu_law, mu_law_inverse},
};

/// The number of levels of a sample.
const LEVELS: u32 = 256;
/// μ of the law of the levels.
const MU: f64 = 255.0;
/// The most samples of a recording.
const LONGEST: usize = 1 << 24;

/// The coding of recordings: their sample rate, their lengths and their classes.
///
/// A sample with amplitude x has the level ⌊255 (f(x) + 1)/2 + ½⌋, where f is the μ-law with μ = 255 ([`mu_law`]). The level k has the amplitude f⁻¹(2k/255 − 1). log_prob is
/// the log-probability of the levels, and of the length if lengths vary. The context has one column per class: 1 for the class of the recording, 0 for the others. In the
/// units of the file, the context is the number of the class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waveform {
    /// Samples per second.
    pub rate: u32,
    /// The number of samples of the longest recording.
    pub longest: usize,
    /// Whether lengths vary from recording to recording. If they do, they are part of the density.
    pub varying: bool,
    /// The mean number of samples per recording. The progress of a fit uses it to show bits per sample.
    pub mean_length: f64,
    /// The labels of the classes, in order; empty for a model without classes.
    pub classes: Vec<String>,
}

impl Waveform {
    /// One coding for all sets.
    ///
    /// # Errors
    /// [`Error::Invalid`] if all labels are the same or if a recording is too long, and [`Error::Table`] for sets of different sample rates.
    pub fn of(sets: &[&RecordingSet]) -> Result<Self> {
        let lengths: Vec<usize> = sets.iter().flat_map(|set| set.lengths()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mean_length = lengths.iter().map(|&n| n as f64).sum::<f64>() / lengths.len().max(1) as f64;
        let labels = Some(sets.iter().filter_map(|set| set.labels.clone()).flatten().collect());
        let coding = Waveform {
            rate: sets.first().map_or(0, |set| set.rate),
            longest,
            varying: lengths.iter().any(|&n| n != longest),
            mean_length,
            classes: RecordingSet { labels, ..RecordingSet::default() }.classes(),
        };
        coding.check()?;
        sets.iter().try_for_each(|set| set.check_rate(coding.rate))?;
        Ok(coding)
    }

    /// The number of the class with a label.
    pub fn class(&self, label: &str) -> Option<usize> {
        self.classes.iter().position(|class| class == label)
    }

    /// Checks that no recording is longer than the longest one of the model's fit.
    ///
    /// # Errors
    /// [`Error::Table`], which names the first that is longer.
    pub fn check_lengths(&self, set: &RecordingSet) -> Result<()> {
        match set.lengths().enumerate().find(|(_, n)| *n > self.longest) {
            Some((at, n)) => {
                let name = set.names.get(at).map(|name| format!(" '{name}'")).unwrap_or_default();
                let problem =
                    format!("expected recordings of at most {} samples, as in the model's fit, found one{name} of {n}", self.longest);
                Err(Error::Table { path: set.path.clone(), column: None, row: Some(at as u64 + 1), problem, hint: None })
            }
            None => Ok(()),
        }
    }

    /// The level of an amplitude.
    pub fn level(amplitude: f32) -> u8 {
        (MU * (mu_law(f64::from(amplitude.clamp(-1.0, 1.0)), MU) + 1.0) / 2.0 + 0.5).floor() as u8
    }

    /// The amplitude of a level.
    pub fn amplitude(level: u8) -> f32 {
        mu_law_inverse(f64::from(level) * 2.0 / MU - 1.0, MU) as f32
    }

    /// The number of elements of a row.
    fn dim(&self) -> usize {
        self.longest + usize::from(self.varying)
    }
}

impl Coding for Waveform {
    type Events = RecordingSet;

    const KIND: &'static str = "recordings";
    const WORDS: [&'static str; 2] = ["recording", "recordings"];
    const SAMPLE_BLOCK: usize = 16;

    fn space(&self) -> Space {
        let space = Space::new(Shape::Sequence { channels: 1, length: self.longest }, Law::Codes(LEVELS));
        if self.varying { space.of_varying_length() } else { space }
    }

    fn context_dim(&self) -> usize {
        self.classes.len()
    }

    fn given(&self) -> Vec<String> {
        classes::given(&self.classes)
    }

    fn elements(&self) -> Vec<String> {
        let length = self.varying.then(|| "length".to_owned());
        length.into_iter().chain((1..=self.longest).map(|t| format!("sample {t}"))).collect()
    }

    fn units(&self) -> Units {
        Units::BitsPerSample
    }

    fn mean_elements(&self) -> f64 {
        self.mean_length
    }

    fn check(&self) -> Result<()> {
        if !(1..=LONGEST).contains(&self.longest) {
            return Err(Error::invalid("samples of a recording", format!("1 to {LONGEST}"), self.longest));
        }
        if self.rate == 0 || !(self.mean_length >= 1.0 && self.mean_length <= self.longest as f64) {
            return Err(Error::invalid(
                "sample rate and mean length",
                "positive numbers",
                format!("{} and {}", self.rate, self.mean_length),
            ));
        }
        classes::check(&self.classes)
    }

    fn check_comparable(&self, other: &Self) -> Result<()> {
        let described = |Waveform { rate, varying, .. }: &Waveform| {
            format!("recordings of {rate} samples per second{}", if *varying { ", whose lengths vary" } else { "" })
        };
        let [own, found] = [self, other].map(described);
        if own == found {
            Ok(())
        } else {
            Err(Error::invalid("models to compare", format!("two models of {own}"), format!("a model of {found}")))
        }
    }

    fn declare(&mut self, _: Law) -> Result<()> {
        // Levels are codes. A family of real numbers does not support their space, and says so.
        Ok(())
    }

    fn encode(&self, set: &RecordingSet) -> Result<Rows> {
        set.check_rate(self.rate)?;
        if set.labels.is_none() && !self.classes.is_empty() {
            return Err(Error::table(&set.path, "expected a label for each recording, found none", Hint::NameLabels));
        }
        let dim = self.dim();
        // Every row is as long as the longest recording of the model.
        memory::check(
            format!("{} recordings of up to {} samples", set.len(), self.longest),
            memory::product(&[size_of::<f64>(), set.len(), dim]),
        )?;
        let mut values = vec![0.0; set.len() * dim];
        for (at, row) in values.chunks_exact_mut(dim.max(1)).enumerate() {
            let recording = set.recording(at);
            let n = recording.len().min(self.longest);
            if self.varying {
                // A recording that is longer than the longest of the model is impossible.
                row[0] = recording.len() as f64;
            } else if recording.len() != self.longest {
                let problem = format!("expected recordings of {} samples each, found one of {}", self.longest, recording.len());
                return Err(Error::Table { path: set.path.clone(), column: None, row: Some(at as u64 + 1), problem, hint: None });
            }
            let steps = row[usize::from(self.varying)..].iter_mut().zip(&recording[..n]);
            steps.for_each(|(value, &amplitude)| *value = f64::from(Self::level(amplitude)));
        }
        let labels = if self.classes.is_empty() { &[] } else { set.labels.as_deref().unwrap_or_default() };
        let own = classes::of_labels(&set.path, labels, &self.classes, |label| self.class(label))?;
        let count = self.classes.len();
        Ok(Rows { context_dim: count, context: classes::columns(&own, count), ..Rows::new(values, dim) })
    }

    fn context_of(&self, set: &RecordingSet) -> Vec<f64> {
        if self.classes.is_empty() {
            return Vec::new();
        }
        set.labels.iter().flatten().map(|label| self.class(label).map_or(f64::NAN, |class| class as f64)).collect()
    }

    fn encode_context(&self, given: &[f64]) -> Result<Vec<f64>> {
        let count = self.classes.len();
        let class = |&class: &f64| {
            let known = class.fract() == 0.0 && (0.0..count as f64).contains(&class);
            if known { Ok(class as usize) } else { Err(Error::invalid(CLASS, format!("a number below {count}"), class)) }
        };
        Ok(classes::columns(&given.iter().map(class).collect::<Result<Vec<_>>>()?, count))
    }

    fn usual_context(&self, n: usize) -> Option<Vec<f64>> {
        // The classes take turns.
        let classes = self.classes.len();
        Some((0..if classes == 0 { 0 } else { n }).map(|row| (row % classes) as f64).collect())
    }

    fn decode(&self, values: Vec<f64>, given: Vec<f64>) -> Result<RecordingSet> {
        let dim = self.dim();
        if !values.len().is_multiple_of(dim.max(1)) {
            return Err(Error::shape("samples", format!("recordings of {dim} numbers"), values.len()));
        }
        let mut set = RecordingSet { path: PathBuf::new(), rate: self.rate, ..RecordingSet::default() };
        for row in values.chunks_exact(dim.max(1)) {
            let (n, steps) = if self.varying { (row[0] as usize, &row[1..]) } else { (dim, row) };
            set.samples.extend(steps.iter().take(n).map(|&level| Self::amplitude(level as u8)));
            set.ends.push(set.samples.len());
        }
        set.labels = (!self.classes.is_empty()).then(|| {
            let label = |&class: &f64| self.classes.get(class as usize).cloned().unwrap_or_default();
            given.iter().map(label).collect()
        });
        Ok(set)
    }
}
