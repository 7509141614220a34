//! Recordings on the command line.

use std::path::Path;

use knothe::{
    Model,
    events::{
        Coding, Events,
        audio::{LARGEST_SPECTROGRAM, RecordingSet, Waveform, is_recording, spectrograms},
    },
    families::{Family, Takes},
    file::ending,
    memory,
    model::{HeldOut, Split},
    plot::{Axis, Picture, check_mosaic, mosaic},
    space::Law,
};
use serde_json::{Value as Json, json};

use super::{Kind, Opened, Parts, Read, Sink, check_labels, class_context, in_parts, is_picture, numbered, split};
use crate::{
    cli::{PlotArguments, SampleArguments},
    context::Context,
    drawing::{self, BINS, Facet},
    failure::{Failure, say},
    fit_arguments::FitArguments,
    given::Value,
    hints::file_for_shell,
    options::Input,
    output::{is_stdout, write_picture},
    text_files::TextFiles,
};

/// The number of recordings that are scored at a time.
const PART: usize = 64;
/// The default number of recordings in a picture.
const DRAWN: usize = 12;
/// The most spectrograms per row.
const COLUMNS: usize = 4;

/// Recordings to fit to.
fn to_fit(path: &Path, arguments: &FitArguments) -> Result<RecordingSet, Failure> {
    if arguments.weights.is_some() {
        return Err(Failure::usage("--weights: expected a table or images, found recordings", ""));
    }
    set(path, &arguments.labels, &arguments.key, arguments.sample_rate)
}

impl Kind for Waveform {
    const NOUN: &'static str = "recordings";
    const FAMILIES: &'static str = "recordings";
    const FAMILY: &'static str = "wavenet";
    const OPTIONS: &'static [&'static str] = &["labels", "key", "sample-rate"];

    fn takes(family: &dyn Family) -> bool {
        family.description().takes == Takes::Recordings
    }

    fn open(arguments: &FitArguments, _: Law) -> Result<Opened<Self>, Failure> {
        let recordings = to_fit(&arguments.data, arguments)?;
        let split = split(recordings, arguments, arguments.seed.unwrap_or(0), to_fit)?;
        let mut sets = vec![&split.train, &split.validation];
        if let HeldOut::Events(held_out) = &split.held_out {
            sets.push(held_out);
        }
        let coding = Waveform::of(&sets)?;
        Ok(Opened { coding, split })
    }

    fn split(&self, arguments: &FitArguments, seed: u64) -> Result<Split<RecordingSet>, Failure> {
        // A recording that the model calls impossible has no gradient.
        let short = |path: &Path, arguments: &FitArguments| {
            let set = to_fit(path, arguments)?;
            self.check_lengths(&set)?;
            Ok(set)
        };
        split(short(&arguments.data, arguments)?, arguments, seed, short)
    }

    fn described(&self, n: usize) -> String {
        let seconds = |samples: f64| samples / f64::from(self.rate);
        let length = if self.varying {
            format!("{:.2} seconds on average and {:.2} at most", seconds(self.mean_length), seconds(self.longest as f64))
        } else {
            format!("{:.2} seconds each", seconds(self.longest as f64))
        };
        let given = if self.classes.is_empty() { String::new() } else { format!(" given one of {} classes", self.classes.len()) };
        let law = if self.varying { "; the length has a law of its own" } else { "" };
        format!("{n} recordings of {length} at {} samples per second, in 256 levels of the μ-law{given}{law}", self.rate)
    }

    fn read(&self, path: &Path, input: &Input) -> Result<Read<RecordingSet>, Failure> {
        check_labels(input, !self.classes.is_empty())?;
        let mut recordings = set(path, &input.labels, &input.key, Some(self.rate))?;
        if let Some(class) = class(&input.given, self)? {
            recordings.labels = Some(vec![self.classes[class].clone(); recordings.len()]);
        }
        Ok(Read { events: recordings, dropped: 0 })
    }

    fn parts<'a>(&'a self, path: &Path, input: &'a Input) -> Result<Parts<'a, RecordingSet>, Failure> {
        in_parts(self, self.read(path, input)?.events, PART)
    }

    fn context(&self, given: &[Value], _: Option<&Path>, _: &TextFiles) -> Result<Context, Failure> {
        Ok(class_context(self, class(given, self)?.map(|class| class as f64), self.classes.len()))
    }

    fn sink<'a>(&'a self, arguments: &'a SampleArguments, _: &'a Context) -> Result<Box<dyn Sink<RecordingSet> + 'a>, Failure> {
        let Some(out) = arguments.out.as_deref() else {
            return Err(Failure::usage("--out: expected a name that ends in .wav, .npz or .png for recordings, found none", ""));
        };
        Self::check_out(out)?;
        if is_picture(out) {
            check_picture(arguments.n, COLUMNS)?;
        }
        memory::check(format!("drawing {} recordings", arguments.n), memory::product(&[8, arguments.n, self.longest]))?;
        Ok(Box::new(Recordings {
            coding: self,
            drawn: RecordingSet { rate: self.rate, labels: Some(Vec::new()), ..RecordingSet::default() },
            out,
        }))
    }

    fn one(&self, name: &Path, input: &Input) -> Result<RecordingSet, Failure> {
        if is_recording(name) {
            return set(name, &None, &None, Some(self.rate));
        }
        numbered::<Self>(name, "recordings.npz", |file| set(file, &input.labels, &input.key, Some(self.rate)))
    }

    fn both(&self, [mut a, b]: [RecordingSet; 2], _: &[Value]) -> Result<RecordingSet, Failure> {
        a.extend(&b)?;
        Ok(a)
    }

    fn check_out(out: &Path) -> Result<(), Failure> {
        if !is_stdout(out) && !matches!(ending(out).as_str(), "wav" | "npz" | "png") {
            let message = format!("--out: expected a name that ends in .wav, .npz or .png for recordings, found {}", out.display());
            return Err(Failure::usage(message, ""));
        }
        Ok(())
    }

    fn write(&self, recordings: &RecordingSet, columns: usize, out: &Path) -> Result<(), Failure> {
        if is_picture(out) { write_picture(&picture(recordings, columns)?, out) } else { Ok(recordings.write(out)?) }
    }

    fn write_pairs(&self, recordings: &RecordingSet, others: &RecordingSet, out: &Path) -> Result<(), Failure> {
        self.write(&recordings.interleaved(others)?, COLUMNS, out)
    }

    fn shown(&self) -> Vec<(String, String)> {
        let length = if self.varying {
            format!("1 to {} samples, {:.0} on average; the length has a law of its own", self.longest, self.mean_length)
        } else {
            format!("{} samples", self.longest)
        };
        let mut lines = vec![
            ("recordings".to_owned(), format!("{} samples per second, 256 levels of the μ-law", self.rate)),
            ("length".to_owned(), length),
        ];
        if !self.classes.is_empty() {
            lines.push(("classes".to_owned(), self.classes.join(", ")));
        }
        lines
    }

    fn document(&self) -> Json {
        json!({ "coding": self })
    }

    fn next(&self, arguments: &FitArguments) -> Vec<(String, &'static str)> {
        let given = if self.classes.is_empty() { "" } else { " --labels …" };
        let [out, data] = [&arguments.out, &arguments.data].map(|path| file_for_shell(path));
        vec![
            (format!("knothe sample {out} -n 10 --out samples.wav"), "new recordings, one after another"),
            (format!("knothe evaluate {out} {data}{given}"), "bits per sample and checks"),
        ]
    }

    fn facets(&self, recordings: &RecordingSet) -> Vec<Facet> {
        let seconds: Vec<f64> = recordings.lengths().map(|n| n as f64 / f64::from(self.rate)).collect();
        let axis = Axis::new("seconds", &[&seconds], [0.0, f64::INFINITY], BINS);
        let length = self.varying.then(|| (axis.into(), seconds));
        length.into_iter().chain(recordings.labels.iter().map(|labels| drawing::classes(labels.iter().cloned()))).collect()
    }

    fn picture(model: &Model<Self>, arguments: &PlotArguments) -> Result<Picture, Failure> {
        let coding = &model.coding;
        let n = arguments.n.map_or(DRAWN, |n| usize::try_from(n).unwrap_or(usize::MAX));
        memory::check(format!("drawing {n} recordings at once"), memory::product(&[16, n, coding.longest]))?;
        check_picture(if arguments.data.is_some() { n.saturating_mul(2) } else { n }, COLUMNS)?;
        let context = coding.context(&arguments.input.given, None, &arguments.input.text_files)?;
        let Some(path) = &arguments.data else {
            return picture(&model.sample(n, &context.part(0, n), arguments.seed)?, COLUMNS);
        };
        // Each recording is beside a sample of its class.
        let recordings = coding.read(path, &arguments.input)?.events;
        let recordings = recordings.pick(&(0..recordings.len().min(n)).collect::<Vec<_>>());
        coding.encode(&recordings)?;
        let samples = model.sample(recordings.len(), &coding.context_of(&recordings), arguments.seed)?;
        picture(&recordings.interleaved(&samples)?, COLUMNS)
    }
}

/// The columns of a picture of `n` spectrograms, if it is not too large.
fn check_picture(n: usize, columns: usize) -> Result<usize, Failure> {
    let columns = columns.clamp(1, COLUMNS);
    check_mosaic(LARGEST_SPECTROGRAM, n, columns)?;
    Ok(columns)
}

/// The spectrograms of recordings, with `columns` per row.
fn picture(recordings: &RecordingSet, columns: usize) -> Result<Picture, Failure> {
    let columns = check_picture(recordings.len(), columns)?;
    Ok(mosaic(&spectrograms(recordings), columns)?)
}

/// Recordings on their way to a file.
struct Recordings<'a> {
    coding: &'a Waveform,
    drawn: RecordingSet,
    out: &'a Path,
}

impl Sink<RecordingSet> for Recordings<'_> {
    fn take(&mut self, recordings: RecordingSet) -> Result<(), Failure> {
        Ok(self.drawn.extend(&recordings)?)
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        if ending(self.out) == "npz" && !self.coding.classes.is_empty() && self.drawn.whole_labels().is_none() {
            say(format_args!("note: the classes are left out, because an NPZ file holds only classes that are whole numbers"));
        }
        self.coding.write(&self.drawn, COLUMNS, self.out)
    }
}

/// Reads recordings.
fn set(path: &Path, labels: &Option<String>, key: &Option<String>, rate: Option<u32>) -> Result<RecordingSet, Failure> {
    let recordings = RecordingSet::read(path, key.as_deref(), rate)?;
    Ok(match labels {
        Some(name) => recordings.with_labels(name)?,
        None => recordings,
    })
}

/// The class of `--given class=…`.
fn class(given: &[Value], coding: &Waveform) -> Result<Option<usize>, Failure> {
    let Some(value) = given.first() else { return Ok(None) };
    match coding.class(&value.text) {
        Some(class) if value.column == "class" => Ok(Some(class)),
        _ => {
            let known =
                if coding.classes.is_empty() { "a model with classes".into() } else { format!("one of {}", coding.classes.join(", ")) };
            Err(Failure::usage(format!("--given {}: expected {known}, found '{}'", value.column, value.text), ""))
        }
    }
}
