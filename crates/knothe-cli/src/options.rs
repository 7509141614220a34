//! Options that several commands share, and the numbers that options take.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::{failure::Failure, given::Value, text_files::TextFiles};

/// The most threads of a core.
const PER_CORE: usize = 16;

/// Where and with how many threads a command computes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Runtime")]
pub struct Runtime {
    /// Compute on cpu, cuda or vulkan. The last two need a build with that feature
    #[arg(long, value_name = "NAME", default_value = "cpu", hide_possible_values = true, value_parser = ["cpu", "cuda", "vulkan"])]
    pub device: String,
    /// Number of CPU threads, at most 16 per core [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

impl Runtime {
    /// Sets the number of threads; before any tensor exists, since the first of them starts the pool.
    pub fn start(&self) -> Result<(), Failure> {
        let Some(threads) = self.threads else { return Ok(()) };
        let most = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).saturating_mul(PER_CORE);
        if threads.get() > most {
            return Err(Failure::usage(format!("--threads: expected at most {most}, {PER_CORE} per core, found {threads}"), ""));
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global()
            .map_err(|e| Failure::usage(format!("--threads {threads}: {e}"), ""))
    }
}

/// What events of a file are given beside themselves.
#[derive(Args, Debug)]
#[command(next_help_heading = "Input")]
pub struct Input {
    /// Set a context column to this value in every row (images and recordings: class=VALUE). `score` also takes modelled columns if the model was fitted with --model any_order. Repeat the option for more columns
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub given: Vec<Value>,
    /// Class of each image or recording: the name of an array in the NPZ file or, for images, an NPY file. With WAV files, 'prefix' takes what precedes the first '_', '-' or space of each file name
    #[arg(long, value_name = "NAME")]
    pub labels: Option<String>,
    /// Name of the array that holds the images or the samples in an NPZ file [default: images or pcm]
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    #[command(flatten)]
    pub text_files: TextFiles,
}

impl Input {
    /// The files that a command reads: these, and the one of the labels.
    pub fn files<'a>(&'a self, others: &[&'a PathBuf]) -> Vec<&'a Path> {
        others.iter().map(|path| path.as_path()).chain(self.labels.iter().map(Path::new)).collect()
    }

    /// The options of one kind of event alone, and whether they are given.
    pub fn supplied(&self) -> Vec<(&'static str, bool)> {
        let own = [("labels", self.labels.is_some()), ("key", self.key.is_some())];
        own.into_iter().chain(self.text_files.supplied()).collect()
    }
}

fn number(text: &str, expected: &str, fits: impl Fn(f64) -> bool) -> Result<f64, String> {
    text.parse().ok().filter(|v: &f64| v.is_finite() && fits(*v)).ok_or_else(|| format!("expected {expected}"))
}

/// A number of events, more of which no disk holds.
pub fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n <= 1_000_000_000_000_000).ok_or_else(|| "expected a whole number from 0 to 10^15".into())
}

/// A number of draws per row.
pub fn draws(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| (1..=10_000).contains(n)).ok_or_else(|| "expected a whole number from 1 to 10^4".into())
}

/// A number above 0.
pub fn above_zero(text: &str) -> Result<f64, String> {
    number(text, "a number above 0", |v| v > 0.0)
}

/// A number of at least 0.
pub fn at_least_zero(text: &str) -> Result<f64, String> {
    number(text, "a number of at least 0", |v| v >= 0.0)
}

/// A number strictly between 0 and 1.
pub fn fraction(text: &str) -> Result<f64, String> {
    number(text, "a number strictly between 0 and 1", |v| 0.0 < v && v < 1.0)
}
