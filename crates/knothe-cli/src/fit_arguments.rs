//! The options of `knothe fit`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use knothe::{
    Precision,
    events::table::MissingPolicy,
    families::ALL,
    fit::{FitConfig, Schedule},
    model::Weighting,
};

use crate::{
    budget::{AUTO, Budget},
    family_arguments::FamilyArguments,
    options::{Runtime, above_zero, at_least_zero, fraction},
    text_files::TextFiles,
};

/// The most steps, epochs or events of a step: more than any fit takes.
const MOST_STEPS: u64 = 1_000_000_000_000;

/// The most true values that are drawn of a row in a step.
const MOST_DRAWS: u64 = 4_096;

/// Fit a density to a table, to images or to recordings by maximum likelihood
#[derive(Args, Debug)]
#[command(after_help = "\
Data: Without --validation, a random tenth of the rows serves for early stopping and another tenth
is held out. The report at the end uses the held-out tenth and compares the model with a baseline:
for real columns, a Gaussian with full covariance.

Families: `knothe models` lists them, and `knothe models NAME` describes one with its options and
their defaults. An option that the family does not have is an error.

Several families: --model auto fits the Gaussian, the Gaussian copula, mixtures of Gaussians and flows
of several families and sizes within --budget. The flows are trained in rounds. After each round, the
half with the higher validation likelihood continues, and each of these flows is then trained for
twice as long. The result is a mixture of the candidates, with the weights that maximise the
likelihood of the validation rows. With few of these rows, simple candidates are favoured. Candidates
with a very small weight are left out. With a budget in steps, the same seed gives the same model.

Interruptions: Ctrl-C stops the fit and leaves a checkpoint. Run the same command with --resume to
continue. The result is the same as without the interruption. With --model auto this needs a budget in
steps.

More training: --continue MODEL trains every member of a finished model further, with the training
options of this command. The batch size stays the same unless --batch is given. Use the same data
and the same --validation, if any. The model's seed reproduces the split; another --seed would move
training rows into the validation and held-out rows. If no epoch improves the validation score, the
model stays as it is.

Ensembles: The members differ in their seed and, from the second one on, in the column order.
The result is their mixture, which is again a density.

Measurement errors: With --errors x=x_err, the column x_err holds the standard deviation of the
Gaussian error of x in each row. The model is the density of the true values. Likelihoods are those
of the measured values: a lower bound that uses random draws. If x_err is empty, the value is exact.
If a table to score lacks the column x_err, all its values of x count as exact.

Memory: The data need up to 32 bytes per number. The parameters of one member are held seven
times. A fit that needs more memory than is available is refused before its first step.

Examples:
  knothe fit data/magic.parquet --context class --out magic.safetensors
  knothe fit data/flights.parquet --missing drop --model maf_mog,nsf --out flights.safetensors
  knothe fit stars.csv --errors parallax=parallax_error,pmra=pmra_error --out stars.safetensors
  knothe fit data/magic.parquet --context class --model auto --budget 5m --out magic.safetensors
  knothe fit data/digits.npz --labels labels --out digits.safetensors
  knothe fit speech/ --labels prefix --out speech.safetensors")]
pub struct FitArguments {
    /// Table, images or recordings. A table is a text, Parquet, Arrow or NPY file, a pattern such as 'data/*.parquet', or - for standard input. Images are a folder of PNG and JPEG files, or an NPZ or NPY file. Recordings are a WAV file, a folder of WAV files, or an NPZ file
    pub data: PathBuf,

    /// Separate data for early stopping and for the reported score [default: hold out 20 % of the data, 10 % for each]
    #[arg(long, value_name = "DATA", help_heading = "Input")]
    pub validation: Option<PathBuf>,
    /// Condition the density on these columns instead of modelling them
    #[arg(long, value_name = "A,B", help_heading = "Input")]
    pub context: Vec<String>,
    /// Leave these columns out of the model
    #[arg(long, value_name = "A,B", help_heading = "Input")]
    pub drop: Vec<String>,
    /// Column that holds the weight of each row. For images: an NPY file, or the name of an array in the NPZ file
    #[arg(long, value_name = "COLUMN", help_heading = "Input")]
    pub weights: Option<String>,
    /// Columns with measurement errors, each with the column of its standard deviations. The model is the density of the true values
    #[arg(long, value_name = "A=ERROR,…", help_heading = "Input")]
    pub errors: Vec<String>,
    /// JSON file that declares the kinds of columns, for example {"price": "positive", "n": "integer"}
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub schema: Option<PathBuf>,
    /// Missing values: model (give them a probability), drop (leave the row out) or reject (stop with an error). With model, rows that lack a context value are left out [default: model]
    #[arg(long, value_name = "POLICY", hide_possible_values = true, help_heading = "Input")]
    pub missing: Option<Missing>,
    /// Class of each image or recording: the name of an array in the NPZ file or, for images, an NPY file. With WAV files, 'prefix' takes what precedes the first '_', '-' or space of each file name. The density is conditioned on it
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    pub labels: Option<String>,
    /// Name of the array that holds the images or the samples in an NPZ file [default: images or pcm]
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    pub key: Option<String>,
    /// Sample rate of the recordings in an NPZ file without the array sample_rate, in samples per second
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000), help_heading = "Input")]
    pub sample_rate: Option<u32>,
    /// Keep the N highest bits of each pixel value, 1 to 8 [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8), help_heading = "Input")]
    pub bits: Option<u8>,
    #[command(flatten)]
    pub text_files: TextFiles,

    /// Family of the model; a list such as A,B fits an ensemble. For tables, auto tries several families and sizes within --budget [default: maf_mog for tables, glow for images, wavenet for recordings]
    #[arg(long = "model", value_name = "NAME", hide_possible_values = true, value_delimiter = ',',
          value_parser = PossibleValuesParser::new(names()), help_heading = "Model")]
    pub models: Vec<String>,
    /// Budget of --model auto: a time such as 90s, 5m or 1h, or a total number of training steps such as 2000steps. Only a budget in steps gives a reproducible result [default: 2m]
    #[arg(long, value_name = "BUDGET", allow_negative_numbers = true, help_heading = "Model")]
    pub budget: Option<Budget>,
    /// Fit N models, at most 1000, and average their densities. The families of --model take turns [default: one model per family]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000), help_heading = "Model")]
    pub ensemble: Option<u64>,
    /// Weights of the ensemble's members: uniform, or validation (maximise the likelihood of the validation rows)
    #[arg(long, value_name = "W", default_value = "uniform", hide_possible_values = true, help_heading = "Model")]
    pub ensemble_weights: WeightingName,
    /// Precision of all numbers: f32 or f64
    #[arg(long, value_name = "P", default_value = "f32", hide_possible_values = true, help_heading = "Model")]
    pub precision: PrecisionName,
    #[command(flatten)]
    pub family: FamilyArguments,

    /// Number of passes over the training data, at most 10^12
    #[arg(long, value_name = "N", default_value_t = FitConfig::default().epochs, value_parser = clap::value_parser!(u64).range(..=MOST_STEPS), help_heading = "Training")]
    pub epochs: u64,
    /// Total number of steps, at most 10^12, instead of --epochs
    #[arg(long, value_name = "N", conflicts_with = "epochs", value_parser = clap::value_parser!(u64).range(..=MOST_STEPS), help_heading = "Training")]
    pub steps: Option<u64>,
    /// Rows per step, at most 10^12 [default: a 16th of the training rows, rounded down to a power of two from 32 to 512; 32 for images; 8 for recordings]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_STEPS), help_heading = "Training")]
    pub batch: Option<u64>,
    /// Learning rate of Adam [default: 0.002; 0.004 for flows of images; 0.001 for autoregressive models of images]
    #[arg(long = "lr", value_name = "X", value_parser = above_zero, allow_negative_numbers = true, help_heading = "Training")]
    pub learning_rate: Option<f64>,
    /// Learning-rate schedule: constant, cosine or plateau
    #[arg(long, value_name = "NAME", default_value = "cosine", hide_possible_values = true, help_heading = "Training")]
    pub schedule: ScheduleName,
    /// Raise the learning rate linearly over the first N steps, or over a tenth of all steps if that is fewer. N is at most 10^12
    #[arg(long, value_name = "N", default_value_t = FitConfig::default().warm_up, value_parser = clap::value_parser!(u64).range(..=MOST_STEPS), help_heading = "Training")]
    pub warm_up: u64,
    /// Decoupled weight decay (as in AdamW)
    #[arg(long, value_name = "X", default_value_t = FitConfig::default().weight_decay, value_parser = at_least_zero, allow_negative_numbers = true, help_heading = "Training")]
    pub weight_decay: f64,
    /// Stop after N epochs without a better validation score, with N below 2^32. 0 turns early stopping off
    #[arg(long, value_name = "N", default_value_t = FitConfig::default().patience, help_heading = "Training")]
    pub patience: u32,
    /// Scale gradients down to this norm if they exceed it
    #[arg(long, value_name = "X", default_value_t = FitConfig::default().clip, value_parser = above_zero, allow_negative_numbers = true, help_heading = "Training")]
    pub clip: f64,
    /// Keep an exponential moving average of the parameters with decay D (for example 0.999) and use it as the model
    #[arg(long, value_name = "D", value_parser = fraction, allow_negative_numbers = true, help_heading = "Training")]
    pub average: Option<f64>,
    /// Add Gaussian noise with standard deviation S to each batch, in standardised units
    #[arg(long, value_name = "S", default_value_t = FitConfig::default().noise, value_parser = at_least_zero, allow_negative_numbers = true, help_heading = "Training")]
    pub noise: f64,
    /// With --errors: draw K true values per row and step, at most 4096. The bound on the likelihood tightens as K grows [default: 16]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..=MOST_DRAWS), help_heading = "Training")]
    pub error_draws: Option<u64>,
    /// Seed of the random split, the initial parameters, the shuffling and the noise [default: 0; with --continue, the model's seed]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub seed: Option<u64>,
    /// Train this finished model further on the same data. The family, the columns and the precision stay the same
    #[arg(long = "continue", value_name = "MODEL", help_heading = "Training",
          conflicts_with_all = ["models", "budget", "ensemble", "ensemble_weights", "precision", "context", "drop", "errors", "schema", "missing", "bits"])]
    pub from: Option<PathBuf>,
    /// Continue from the checkpoint that an interrupted fit left behind (FILE.checkpoint)
    #[arg(long, help_heading = "Training")]
    pub resume: bool,

    /// Model file to write. Checkpoints go to FILE.checkpoint
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: PathBuf,
    /// Print the result as JSON on standard output
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// The names that --model takes.
fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = vec![AUTO];
    for family in ALL {
        if !names.contains(&family.name()) {
            names.push(family.name());
        }
    }
    names
}

impl FitArguments {
    /// The options of one kind of event alone, and whether they are given.
    pub fn supplied(&self) -> Vec<(&'static str, bool)> {
        let own = [
            ("context", !self.context.is_empty()),
            ("drop", !self.drop.is_empty()),
            ("errors", !self.errors.is_empty()),
            ("error-draws", self.error_draws.is_some()),
            ("schema", self.schema.is_some()),
            ("missing", self.missing.is_some()),
            ("labels", self.labels.is_some()),
            ("key", self.key.is_some()),
            ("bits", self.bits.is_some()),
            ("sample-rate", self.sample_rate.is_some()),
        ];
        own.into_iter().chain(self.text_files.supplied()).collect()
    }

    /// The options of training and of ensembles that are not at their default.
    pub fn of_one_fit(&self) -> Vec<&'static str> {
        let FitConfig { epochs, warm_up, weight_decay, patience, clip, noise, .. } = FitConfig::default();
        let given = [
            ("--ensemble", self.ensemble.is_some()),
            ("--ensemble-weights", Weighting::from(self.ensemble_weights) != Weighting::Uniform),
            ("--epochs", self.epochs != epochs),
            ("--steps", self.steps.is_some()),
            ("--batch", self.batch.is_some()),
            ("--lr", self.learning_rate.is_some()),
            ("--schedule", Schedule::from(self.schedule) != Schedule::Cosine),
            ("--warm-up", self.warm_up != warm_up),
            ("--weight-decay", self.weight_decay != weight_decay),
            ("--patience", self.patience != patience),
            ("--clip", self.clip != clip),
            ("--average", self.average.is_some()),
            ("--noise", self.noise != noise),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }

    /// The settings of the fit, of the batch size and the learning rate of `own` unless the user has others.
    pub fn config(&self, own: FitConfig) -> FitConfig {
        FitConfig {
            epochs: self.epochs,
            steps: self.steps,
            batch: self.batch.map_or(own.batch, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            learning_rate: self.learning_rate.unwrap_or(own.learning_rate),
            weight_decay: self.weight_decay,
            schedule: self.schedule.into(),
            warm_up: self.warm_up,
            clip: self.clip,
            patience: self.patience,
            average: self.average,
            noise: self.noise,
            error_draws: self.error_draws.map_or(own.error_draws, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            seed: self.seed.unwrap_or(0),
            ..own
        }
    }
}

/// An option's names for the values of a type of the library.
macro_rules! names {
    ($name:ident for $library:ty: $($variant:ident),+) => {
        #[doc = concat!("The names of a [`", stringify!($library), "`].")]
        #[derive(Clone, Copy, Debug, ValueEnum)]
        pub enum $name { $(#[allow(missing_docs)] $variant),+ }

        impl From<$name> for $library {
            fn from(name: $name) -> Self {
                match name { $($name::$variant => <$library>::$variant),+ }
            }
        }
    };
}

names!(WeightingName for Weighting: Uniform, Validation);
names!(Missing for MissingPolicy: Model, Drop, Reject);
names!(ScheduleName for Schedule: Constant, Cosine, Plateau);
names!(PrecisionName for Precision: F32, F64);
