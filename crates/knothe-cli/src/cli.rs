//! The commands and their options.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    failure::Failure,
    fit_arguments::{FitArguments, at_least_zero},
    given::Value,
    images::{InterpolateArguments, ReconstructArguments, SetArguments},
};

/// Fit a probability density to a table, score rows, draw samples, and check that it can be trusted
#[derive(Debug, Parser)]
#[command(name = "knothe", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
Example:
  knothe fit data/magic.parquet --context class --out magic.safetensors
  knothe evaluate magic.safetensors data/magic.parquet
  knothe score magic.safetensors data/magic.parquet --given class=0
  knothe sample magic.safetensors -n 1000 --given class=1 > samples.csv

Tables are CSV, TSV, Parquet, Arrow IPC or NPY files, by the ending of their name.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Fit(Box<FitArguments>),
    Score(ScoreArguments),
    Sample(SampleArguments),
    Evaluate(EvaluateArguments),
    Inspect(InspectArguments),
    Plot(PlotArguments),
    Reconstruct(ReconstructArguments),
    Interpolate(InterpolateArguments),
    Models(ModelsArguments),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Where and with how many threads a command computes.
#[derive(Args, Debug)]
pub struct Runtime {
    /// Device: cpu, or cuda or vulkan where they are built in
    #[arg(long, value_name = "NAME", default_value = "cpu", hide_possible_values = true, value_parser = ["cpu", "cuda", "vulkan"])]
    pub device: String,
    /// Threads on the CPU [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

impl Runtime {
    /// Sets the number of threads; before any tensor exists, since the first of them starts the pool.
    pub fn start(&self) -> Result<(), Failure> {
        let Some(threads) = self.threads else { return Ok(()) };
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global()
            .map_err(|e| Failure::usage(format!("--threads {threads}: {e}"), ""))
    }
}

/// Print log q(x | context) of each row of a table, in nats
#[derive(Args, Debug)]
#[command(after_help = "\
The units are those of the table's columns: a density for continuous columns, a mass for integer
ones. A row that lacks a value (in a model fitted with --missing drop) has NaN as its log_prob, so
the rows of the output are those of the table.

Example:
  knothe score magic.safetensors data/magic.parquet --given class=0 --out log_prob.parquet")]
pub struct ScoreArguments {
    /// The model file
    pub model: PathBuf,
    /// The table; columns are matched by name, in any order
    pub table: PathBuf,
    /// Set a context column for every row; may be repeated
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub given: Vec<Value>,
    /// Write a CSV, TSV, Parquet, Arrow or NPY file instead of CSV on stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub noise: NoiseArguments,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// The noise that makes integers continuous.
#[derive(Args, Debug)]
pub struct NoiseArguments {
    /// Seed of the noise that makes integer columns continuous
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Noise samples a row for integer columns: a bound that tightens as K grows
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub samples: u64,
}

impl NoiseArguments {
    /// As the library takes them.
    pub fn scoring(&self) -> knothe::tabular::Scoring {
        knothe::tabular::Scoring { seed: self.seed, samples: self.samples as usize }
    }
}

/// Draw rows from a model, as CSV with the columns of its table; or a picture of images
#[derive(Args, Debug)]
#[command(after_help = "\
Integers are integers, and columns that were constant are restored. Context columns come last, with
the values they were given. The same seed gives the same bytes. A model of images writes a grid of
pictures (.png) or their numbers (.npy, and .npz with the classes) to --out; without --given class=…
the classes take turns. With --nearest each stands beside the image of a set that is nearest to it by
squared differences: a model that has learned its training set by heart shows it there.

Example:
  knothe sample magic.safetensors -n 1000 --given class=1 > gamma.csv
  knothe sample magic.safetensors -n 1000 --context data/magic.parquet --out samples.parquet
  knothe sample digits.safetensors -n 64 --temperature 0.8 --out grid.png")]
pub struct SampleArguments {
    /// The model file
    pub model: PathBuf,
    /// Rows to draw
    #[arg(short = 'n', long = "rows", value_name = "N")]
    pub n: usize,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Set a context column for every row; may be repeated
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub given: Vec<Value>,
    /// Standard deviation of the source of images, 1 in the model itself; less draws likelier images
    #[arg(long, value_name = "T", value_parser = at_least_zero, allow_negative_numbers = true)]
    pub temperature: Option<f64>,
    /// Images of which the nearest is drawn beside each
    #[arg(long, value_name = "IMAGES")]
    pub nearest: Option<PathBuf>,
    /// The array of its .npz file [default: images]
    #[arg(long, value_name = "NAME", requires = "nearest")]
    pub key: Option<String>,
    /// Take the context from the rows of a table, from the first again when it has fewer than N
    #[arg(long, value_name = "TABLE")]
    pub context: Option<PathBuf>,
    /// Write a CSV, TSV, Parquet, Arrow or NPY file instead of CSV on stdout; a PNG, NPY or NPZ file of images
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// Report the log-likelihood of a table, and whether the density can be trusted
#[derive(Args, Debug)]
#[command(after_help = "\
Use rows that the fit has not seen. The checks ask whether the rows' source coordinates are those of
the source (ks, tails) and whether samples look like the rows (energy). Their verdicts go by size,
since with enough rows every model is wrong beyond doubt; p-values on 2,000 rows stand beside them.

A model of images gives bits per dimension, and nothing to check: --labels has the classes of one that
is fitted to classes.

Example:
  knothe evaluate magic.safetensors test.parquet --json
  knothe evaluate digits.safetensors data/digits.npz --labels labels")]
pub struct EvaluateArguments {
    /// The model file
    pub model: PathBuf,
    /// The table; columns are matched by name, in any order. Or the images, for a model of images
    pub table: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub set: SetArguments,
    /// Set a context column for every row; may be repeated
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub given: Vec<Value>,
    #[command(flatten)]
    pub noise: NoiseArguments,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// Print what a model file holds: architecture, columns, and how it was fitted
#[derive(Args, Debug)]
#[command(after_help = "\
With --moments: mean, variance, skewness and excess kurtosis of each column given the columns before
it, as CSV, at each row of --at, or at the mean row. They need a model of one autoregressive layer
over a standard normal source (--layers 1); with --form generative they are exact for sos.

Example:
  knothe inspect magic.safetensors
  knothe inspect sos.safetensors --moments --at table.csv")]
pub struct InspectArguments {
    /// The model file
    pub model: PathBuf,
    /// Print the conditional moments of the columns
    #[arg(long)]
    pub moments: bool,
    /// The table with the rows at which to take the moments [default: the mean row]
    #[arg(long, value_name = "TABLE", requires = "moments")]
    pub at: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Draw a model's density, beside or over the rows of a table, as a PNG
#[derive(Args, Debug)]
#[command(after_help = "\
A model of one column is drawn as a curve over the histogram of the rows, one of two columns as an
image beside them, one of more as samples over the rows, pair by pair: lines and filled regions hold
25, 50, 75 and 95 % of either. Without a table its own samples take the place of the rows. The axes
are in the units of the table and leave out 0.2 % of the rows at each end.

A model with context needs --given, or a table whose contexts are averaged over. With both, the rows
are those that have the context which is given.

Example:
  knothe plot magic.safetensors data/magic.parquet --given class=1 --out magic.png
  knothe plot magic.safetensors data/magic.parquet --columns fLength,fWidth --out pair.png")]
pub struct PlotArguments {
    /// The model file
    pub model: PathBuf,
    /// A table to compare with; columns are matched by name, in any order
    pub table: Option<PathBuf>,
    /// Where to write the picture, a .png file
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Samples to draw from the model
    #[arg(short = 'n', long = "rows", value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub n: u64,
    /// Seed of the samples
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Set a context column; may be repeated
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub given: Vec<Value>,
    /// The columns to draw [default: the first 12]
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub columns: Vec<String>,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// List the models that can be fitted
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  knothe models
  knothe fit table.csv --model real_nvp --out model.safetensors")]
pub struct ModelsArguments {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
