//! The commands and their options.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    conditional_arguments::{ImputeArguments, PredictArguments},
    fit_arguments::FitArguments,
    given::Value,
    importance::ImportanceArguments,
    options::{Input, Runtime, at_least_zero, count},
    posterior::PosteriorArguments,
    text_files::TextFiles,
};

/// Learn a probability density from data, then score rows, draw samples and check the fit
#[derive(Debug, Parser)]
#[command(name = "knothe", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  knothe fit data/magic.parquet --context class --out magic.safetensors
  knothe evaluate magic.safetensors data/magic.parquet
  knothe score magic.safetensors data/magic.parquet --given class=0
  knothe sample magic.safetensors -n 1000 --given class=1 > samples.csv

Tables are text (CSV, TSV and others, also .gz and .zst), Parquet, Arrow or NPY files, a pattern
such as 'data/*.parquet', or - for standard input. Images are a folder of PNG and JPEG files, an NPZ
file or an NPY file. Knothe recognises a format by the ending of the file name.

Results go to standard output; progress, notes and errors go to standard error. The exit code is 0
on success, 1 if the data or a file is at fault, 2 if an option is wrong, and 130 after Ctrl-C.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Fit(Box<FitArguments>),
    Schema(SchemaArguments),
    Score(ScoreArguments),
    Sample(SampleArguments),
    Evaluate(EvaluateArguments),
    Compare(Box<CompareArguments>),
    Predict(Box<PredictArguments>),
    Impute(Box<ImputeArguments>),
    Inspect(InspectArguments),
    Plot(PlotArguments),
    Reconstruct(ReconstructArguments),
    Interpolate(InterpolateArguments),
    Posterior(Box<PosteriorArguments>),
    Importance(ImportanceArguments),
    Models(ModelsArguments),
    /// Print a completion script for a shell
    Completions {
        /// Shell to complete for
        shell: Shell,
    },
}

/// The noise that makes integers continuous.
#[derive(Args, Debug)]
#[command(next_help_heading = "Likelihood")]
pub struct NoiseArguments {
    /// Seed of the dequantisation noise and of the draws of true values
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Draw K noise samples per image, or K times 256 true values per row with measurement errors. K is at most 10^6. The bound on log_prob tightens as K grows. Other tables need no draws
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub samples: u64,
}

impl NoiseArguments {
    /// As the library takes them.
    pub fn scoring(&self) -> knothe::model::Scoring {
        knothe::model::Scoring { seed: self.seed, samples: self.samples as usize }
    }
}

/// Write the kinds that `fit` infers for the columns of a table, as a file for `fit --schema`
#[derive(Args, Debug)]
#[command(after_help = "\
The schema is a JSON object with one entry per modelled column. Edit it and pass it to `knothe fit`
with --schema. The kinds are:

  \"continuous\"                               any real number
  \"positive\"                                 a number above 0
  {\"bounded\": [0, 1]}                        a number strictly between two others
  {\"periodic\": [0, 360]}                     a point of a circle, such as an angle or an hour
  \"integer\", {\"integer\": {\"low\": 0}}         a whole number, with bounds or without
  {\"lattice\": {\"step\": 0.5, \"offset\": 0}}    a multiple of a step, plus an offset
  \"categorical\", {\"categorical\": [\"a\", \"b\"]} one of the table's values, or one of these
  {\"ordered\": [\"low\", \"high\"]}               one of these values, in this order
  {\"time\": \"day\"}                            a date; for a time, second, millisecond or microsecond
  {\"kind\": \"positive\", \"special\": [0]}       any kind without categories; the special values have
                                             their own probabilities

Constant columns, and columns of text that hardly repeats, have no entry.

Example:
  knothe schema data/flights.parquet --out flights.json")]
pub struct SchemaArguments {
    /// Table
    pub data: PathBuf,
    /// Leave these columns out
    #[arg(long, value_name = "A,B", help_heading = "Input")]
    pub drop: Vec<String>,
    /// JSON file that declares the kinds of some columns
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub schema: Option<PathBuf>,
    #[command(flatten)]
    pub text_files: TextFiles,
    /// File to write, or - for standard output [default: standard output]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
}

/// Write the log-density of each row, image or recording
#[derive(Args, Debug)]
#[command(after_help = "\
log_prob is log q(x | context) in nats, in the units of the table's own columns: a density for
continuous columns and a probability for all other columns, special values and missing values. For
a flow of images it is a lower bound of the log probability.

With --known or --asked, log_prob is log q(asked columns | known columns, context). An impossible
value in a known column is ignored.

The output has one row per row of the table. log_prob is -inf if the row is impossible under the
model; a note names the column. It is NaN if a context value is missing, and with a model fitted
with --missing drop, if any value is missing.

With a model fitted with --errors, log_prob is the log-likelihood of the measured values. Values
whose column of errors the table lacks count as exact.

A table is scored in parts, so it may be larger than the memory. Images are read as a whole.

Examples:
  knothe score magic.safetensors data/magic.parquet --given class=0 --out log_prob.parquet
  knothe score digits.safetensors data/digits.npz --labels labels --samples 16")]
pub struct ScoreArguments {
    /// Model file
    pub model: PathBuf,
    /// Table, images or recordings to score. Columns are matched by name, in any order
    pub data: PathBuf,
    #[command(flatten)]
    pub input: Input,
    /// Condition on these columns and score the others. The model must be fitted with --model any_order
    #[arg(long, value_name = "A,B", value_delimiter = ',', help_heading = "Likelihood")]
    pub known: Vec<String>,
    /// Score only these columns. Columns that are in neither list have no influence [default: all columns that are not known]
    #[arg(long, value_name = "A,B", value_delimiter = ',', help_heading = "Likelihood")]
    pub asked: Vec<String>,
    #[command(flatten)]
    pub noise: NoiseArguments,
    /// CSV, TSV, Parquet, Arrow IPC or NPY file to write, or - for standard output [default: CSV on standard output]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// Draw new rows, images or recordings from a model
#[derive(Args, Debug)]
#[command(after_help = "\
Rows have the columns of the table that the model was fitted to. Each has values of its kind,
including missing ones. Constant columns are restored. Context columns come last. The same seed
gives the same bytes.

Recordings become a WAV file, an NPZ file, or spectrograms in a PNG file. In a WAV file, they
follow one another with silence between them.

Images become a grid in a PNG file, or an array in an NPY or NPZ file; an NPZ file also holds the
classes. Without --given class=VALUE, the samples go through the classes in turn.

With --nearest, compare each sample with the image beside it. A model that has memorised its
training images shows the same image twice. Neighbours have the smallest squared pixel distance.

Rows, and images in NPY and NPZ files, are written in parts, so the output may be larger than
memory. With a PNG file or --nearest, all images must fit into memory.

Examples:
  knothe sample magic.safetensors -n 1000 --given class=1 > gamma.csv
  knothe sample magic.safetensors -n 1000 --context data/magic.parquet --out samples.parquet
  knothe sample digits.safetensors -n 64 --temperature 0.8 --out grid.png")]
pub struct SampleArguments {
    /// Model file
    pub model: PathBuf,
    /// Set a context column to this value in every row (images and recordings: class=VALUE). A model fitted with --model any_order takes any column. Repeat the option for more columns
    #[arg(long, value_name = "COLUMN=VALUE", help_heading = "Input")]
    pub given: Vec<Value>,
    /// Take the context columns from the rows of this table. Its rows repeat if there are fewer than N
    #[arg(long, value_name = "TABLE", help_heading = "Input")]
    pub context: Option<PathBuf>,
    /// Draw each sample beside its nearest neighbour among these images
    #[arg(long, value_name = "IMAGES", help_heading = "Input")]
    pub nearest: Option<PathBuf>,
    /// Name of the array that holds the --nearest images in an NPZ file [default: images]
    #[arg(long, value_name = "NAME", requires = "nearest", help_heading = "Input")]
    pub key: Option<String>,
    #[command(flatten)]
    pub text_files: TextFiles,
    /// Number of rows, images or recordings to draw, at most 10^15
    #[arg(short = 'n', long = "rows", value_name = "N", value_parser = count, help_heading = "Sampling")]
    pub n: usize,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Sampling")]
    pub seed: u64,
    /// Scale the source's standard deviation by T. Values below 1 give more typical events. Only for flows of images, and for models of continuous columns without special or missing values
    #[arg(long, value_name = "T", default_value_t = 1.0, value_parser = at_least_zero, allow_negative_numbers = true, help_heading = "Sampling")]
    pub temperature: f64,
    /// Rows: a CSV, TSV, Parquet, Arrow IPC or NPY file [default: CSV on standard output]. Images: a PNG, NPY or NPZ file. Recordings: a WAV, NPZ or PNG file. - means standard output (CSV or PNG)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub runtime: Runtime,
}

impl SampleArguments {
    /// The options of one kind of event alone, and whether they are given.
    pub fn supplied(&self) -> Vec<(&'static str, bool)> {
        let own = [("context", self.context.is_some()), ("nearest", self.nearest.is_some()), ("key", self.key.is_some())];
        own.into_iter().chain(self.text_files.supplied()).collect()
    }
}

/// Measure a model's log-likelihood on data and check whether to trust it
#[derive(Args, Debug)]
#[command(after_help = "\
Use data that the fit has not seen. Three checks follow the log-likelihood:

  ks      Mapped to the source, the rows follow the source density in every coordinate
          (Kolmogorov-Smirnov distance).
  energy  Samples of the model are as close to the rows as random halves of the rows to each other
          (energy distance).
  tails   Extreme rows are as frequent as the model predicts.

A check passes if the deviation is small. A p-value alone would reject every model once there are
enough rows. For reference, the report shows p-values computed from at most 2,000 rows.

For images, the log-likelihood is reported in bits per dimension, and for recordings in bits per
sample.

Examples:
  knothe evaluate magic.safetensors test.parquet --json
  knothe evaluate digits.safetensors data/digits.npz --labels labels")]
pub struct EvaluateArguments {
    /// Model file
    pub model: PathBuf,
    /// Table, images or recordings that the fit has not seen. Columns are matched by name, in any order
    pub data: PathBuf,
    #[command(flatten)]
    pub input: Input,
    #[command(flatten)]
    pub noise: NoiseArguments,
    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// Compare the log-likelihoods of two models on the same data
#[derive(Args, Debug)]
#[command(after_help = "\
Use data that neither fit has seen. The difference is the log-likelihood of B minus the log-likelihood
of A, averaged over the events. Its error is computed from the spread of the differences event by
event, so it is usually far smaller than the errors of the two log-likelihoods. A model is called
better if the difference exceeds two standard errors. If only one model gives some events probability
zero, the other model is better.

For images and recordings, the difference is printed in bits, so a negative value favours B. The
quantiles are in nats, so a positive value favours B.

Both models must describe the same columns. A column must be a probability in both models or a density
in both. The context columns may differ, but a column that --given sets must be one of both models. Rows that one of the models cannot score, because they lack a
value, are left out for both.

The picture shows a histogram of the differences, and the mean difference along each column with
a band of two standard errors. It shows the 12 columns along which the difference varies most.

Examples:
  knothe compare maf.safetensors nsf.safetensors test.parquet
  knothe compare maf.safetensors nsf.safetensors test.parquet --out gains.png --json")]
pub struct CompareArguments {
    /// Model file A
    pub first: PathBuf,
    /// Model file B
    pub second: PathBuf,
    /// Table, images or recordings that neither fit has seen. Columns are matched by name, in any order
    pub data: PathBuf,
    #[command(flatten)]
    pub input: Input,
    #[command(flatten)]
    pub noise: NoiseArguments,
    /// PNG file for a picture of the differences
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// Show the contents of a model file
#[derive(Args, Debug)]
#[command(after_help = "\
Without --moments: families and their options, columns and their kinds, the course of the fit and
the held-out score.

With --moments: mean, variance, skewness and excess kurtosis of each column, given earlier columns.
The model must have one autoregressive layer (--layers 1) and a standard normal source. The
moments are exact for affine maps, as in maf, and for --model sos --form generative. For other maps
they are computed by quadrature.

Examples:
  knothe inspect magic.safetensors
  knothe inspect sos.safetensors --moments --at table.csv")]
pub struct InspectArguments {
    /// Model file
    pub model: PathBuf,
    /// Print the conditional moments of each column instead, as CSV
    #[arg(long, help_heading = "Conditional moments")]
    pub moments: bool,
    /// Compute the moments at each row of this table [default: at the mean row]
    #[arg(long, value_name = "TABLE", requires = "moments", help_heading = "Conditional moments")]
    pub at: Option<PathBuf>,
    #[command(flatten)]
    pub text_files: TextFiles,
    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Draw a model's density or samples as a PNG picture
#[derive(Args, Debug)]
#[command(after_help = "\
A model of one column is drawn as its density over a histogram of the rows. A model of two columns
of real numbers is drawn as its density beside the rows. Every other model is drawn as samples over
the rows, for each column and each pair of columns. Rows are filled regions and samples are lines
that hold 25, 50, 75 and 95 % of the points.

Categories and other columns with few values have one bar per value. A pair of such columns has
circles whose areas are proportional to the shares of the rows, with one scale per panel. A pair
with one such column has one violin per value.
Special and missing values have separate bars. A column with many categories shows the most frequent
ones.

Axes are in the units of the table and leave out 0.2 % of the rows at each end. Without a table,
samples take the place of the rows. Images are drawn in a square, with samples to their right.
Recordings are drawn as spectrograms, each beside a sample of its class.

If the model has context columns, either set them with --given or name a table. With a table alone
the density is averaged over the table's contexts; with both, only the rows that match --given are
drawn.

Examples:
  knothe plot magic.safetensors data/magic.parquet --given class=1 --out magic.png
  knothe plot magic.safetensors data/magic.parquet --columns fLength,fWidth --out pair.png
  knothe plot digits.safetensors data/digits.npz --out digits.png")]
pub struct PlotArguments {
    /// Model file
    pub model: PathBuf,
    /// Data to compare with. Columns are matched by name, in any order
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub input: Input,
    /// Columns to draw [default: the first 12]
    #[arg(long, value_name = "A,B,…", help_heading = "Input")]
    pub columns: Vec<String>,
    /// Number of samples to draw from the model, at most 10^8 [default: 20000 rows or 64 images]
    #[arg(short = 'n', long = "rows", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000), help_heading = "Sampling")]
    pub n: Option<u64>,
    /// Seed of the samples
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Sampling")]
    pub seed: u64,
    /// PNG file to write, or - for standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: PathBuf,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// Reconstruct or complete events and compare them with the originals
#[derive(Args, Debug)]
#[command(after_help = "\
A flow is invertible, so the reconstruction equals the event. An integer differs only where rounding
crosses the boundary between two values. The command prints how many numbers differ. Images are
written in pairs, each followed by its reconstruction.

With --keep N the finer scales are drawn anew, which shows the content of the N coarsest scales. An
autoregressive model (pixel_cnn, pixel_cnn_pp, row_lstm, diagonal_bilstm, wavenet) completes the
events instead: it keeps the first N rows of pixels, or the first N samples of a recording, and
draws the others given them.

Examples:
  knothe reconstruct digits.safetensors data/digits.npz --labels labels --out pairs.png
  knothe reconstruct digits.safetensors data/digits.npz --labels labels --keep 1 --out coarse.png")]
pub struct ReconstructArguments {
    /// Model file
    pub model: PathBuf,
    /// Table, images or recordings; the first N events are used
    pub data: PathBuf,
    #[command(flatten)]
    pub input: Input,
    /// Number of events, at most 10^6
    #[arg(short = 'n', long = "rows", value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=1_000_000), help_heading = "Reconstruction")]
    pub n: u64,
    /// Keep the N coarsest scales of a flow, or the first N rows of pixels or samples of an autoregressive model, and draw the others anew [default: keep all]
    #[arg(long, value_name = "N", help_heading = "Reconstruction")]
    pub keep: Option<usize>,
    /// Scale the standard deviation of the coordinates that are drawn anew
    #[arg(long, value_name = "T", default_value_t = 1.0, value_parser = at_least_zero, allow_negative_numbers = true, help_heading = "Reconstruction")]
    pub temperature: f64,
    /// Seed of the dequantisation noise and of the draws
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Reconstruction")]
    pub seed: u64,
    /// File to write: a table, a PNG, NPY or NPZ file of images, or a WAV, NPZ or PNG file of recordings
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: PathBuf,
    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// Draw the events between two
#[derive(Args, Debug)]
#[command(after_help = "\
Both events are mapped to the source. The path between them follows a great circle there, and each
point of the path is mapped back.

An event is a PNG or JPEG file, or FILE:NUMBER: images.npz:3 is the third image, table.csv:3 the
third row. Pictures are converted to the model's colour or grey scale; their value 255 becomes the
model's white. A model with classes needs the class of each end, from --given or from --labels;
to set them separately, give --given class=VALUE twice.

Examples:
  knothe interpolate faces.safetensors a.png b.png --out strip.png
  knothe interpolate digits.safetensors data/digits.npz:1 data/digits.npz:8 \\
    --labels labels --out strip.png")]
pub struct InterpolateArguments {
    /// Model file
    pub model: PathBuf,
    /// First event
    pub from: PathBuf,
    /// Last event
    pub to: PathBuf,
    #[command(flatten)]
    pub input: Input,
    /// Number of events, including both ends, at most 10^6
    #[arg(short = 'n', long = "rows", value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1_000_000), help_heading = "Interpolation")]
    pub n: u64,
    /// Seed of the dequantisation noise
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Interpolation")]
    pub seed: u64,
    /// File to write: a table, or a PNG, NPY or NPZ file of images
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: PathBuf,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// List the model families, or describe one of them
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  knothe models
  knothe models maf
  knothe fit table.csv --model real_nvp --out model.safetensors")]
pub struct ModelsArguments {
    /// Describe this family: its options, their defaults and the data it supports
    pub name: Option<String>,
    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}
