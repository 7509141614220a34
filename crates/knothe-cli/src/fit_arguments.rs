//! The options of `knothe fit`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use knothe::{
    Precision,
    conditioner::Activation,
    events::table::{MissingPolicy, Schema, ending, images::is_image_set},
    families::{Architecture, Form, ImageModel, Mixing, Model, SourceKind, Triangular},
    fit::{FitConfig, Schedule},
    tabular::Weighting,
};

use crate::{cli::Runtime, failure::Failure, images::ImageFitArguments};

/// Fit a density to a table by maximum likelihood
#[derive(Args, Debug)]
#[command(after_help = "\
A tenth of the rows chooses the epoch and a tenth is held out to judge the result, unless
--validation names a table that does both. The full Gaussian's log-likelihood stands beside the
model's. Ctrl-C leaves a checkpoint that --resume goes on from. An ensemble is the mixture of fits
that differ in seed and, from the second on, in the order of the columns; its weights are equal, or
(validation) the likeliest of the rows that choose the epoch. Images are fitted by glow or real_nvp.

Example:
  knothe fit data/magic.parquet --context class --out magic.safetensors
  knothe fit data/flights.parquet --missing drop --model maf_mog,nsf --out flights.safetensors
  knothe fit data/digits.npz --model glow --labels labels --out digits.safetensors")]
pub struct FitArguments {
    /// The table: a CSV, TSV, Parquet, Arrow or NPY file; or images: a folder of PNG and JPEG, .npz or .npy
    pub table: PathBuf,
    /// The model file to write; checkpoints go to FILE.checkpoint
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// A model of `knothe models`; A,B make an ensemble [default: maf_mog; glow for images]
    #[arg(long = "model", value_name = "NAME", hide_possible_values = true, value_delimiter = ',',
          value_parser = PossibleValuesParser::new(names()))]
    pub models: Vec<String>,
    /// Members of the ensemble, in turn [default: one for each --model]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub ensemble: Option<u64>,
    /// Weights of the members: uniform or validation
    #[arg(long, value_name = "W", default_value = "uniform", hide_possible_values = true)]
    pub ensemble_weights: WeightingName,
    /// Table (images) to choose the epoch and to judge [default: a fifth of the rows]
    #[arg(long, value_name = "TABLE")]
    pub validation: Option<PathBuf>,
    /// Columns that are given, not modelled
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub context: Vec<String>,
    /// Columns to leave out
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub drop: Vec<String>,
    /// The column with the weights of the rows
    #[arg(long, value_name = "COLUMN")]
    pub weights: Option<String>,
    /// What columns are, as JSON: {"price": "positive", "n": "integer"}
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// Rows that lack a value: reject table or drop them
    #[arg(long, value_name = "POLICY", default_value = "reject", hide_possible_values = true)]
    pub missing: Missing,
    /// Layers of a flow [default: the model's]
    #[arg(long, value_name = "N")]
    pub layers: Option<usize>,
    /// Widths of the hidden layers of a conditioner [default: the model's]
    #[arg(long, value_name = "256,256", value_delimiter = ',')]
    pub hidden: Option<Vec<usize>>,
    /// Components, bins of a spline and the like [default: the model's]
    #[arg(long, value_name = "N")]
    pub components: Option<usize>,
    /// Degree of the polynomials of sos [default: the model's]
    #[arg(long, value_name = "N")]
    pub degree: Option<usize>,
    /// Layers: autoregressive or coupling [default: the model's]
    #[arg(long, value_name = "NAME", hide_possible_values = true)]
    pub triangular: Option<TriangularName>,
    /// Form of their map: density or generative [default: the model's]
    #[arg(long, value_name = "NAME", hide_possible_values = true)]
    pub form: Option<FormName>,
    /// What mixes the columns between layers: reversed, random, lu or rotation
    #[arg(long, value_name = "NAME", default_value = "reversed", hide_possible_values = true)]
    pub mixing: MixingName,
    /// First each column through its quantiles, in N bins, as 256
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=65_536))]
    pub marginals: Option<u64>,
    /// Batch normalisation between layers
    #[arg(long)]
    pub batch_norm: bool,
    /// Source of a flow: normal, logistic, student-t (trained tails) or gaussian-mixture
    #[arg(long, value_name = "NAME", default_value = "normal", hide_possible_values = true)]
    pub source: SourceName,
    /// Residual masked networks
    #[arg(long)]
    pub residual: bool,
    /// Activation: silu, relu (large tables), tanh or elu
    #[arg(long, value_name = "NAME", default_value = "silu", hide_possible_values = true)]
    pub activation: ActivationName,
    /// Passes over the rows
    #[arg(long, value_name = "N", default_value_t = FitConfig::default().epochs)]
    pub epochs: u64,
    /// Steps in all, in the place of --epochs
    #[arg(long, value_name = "N", conflicts_with = "epochs")]
    pub steps: Option<u64>,
    /// Rows a step [default: 512; 32 images]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub batch: Option<u64>,
    /// Learning rate of Adam [default: 0.002; 0.004 for images]
    #[arg(long = "lr", value_name = "X", value_parser = above_zero, allow_negative_numbers = true)]
    pub learning_rate: Option<f64>,
    /// Schedule of the rate: constant, cosine or plateau
    #[arg(long, value_name = "NAME", default_value = "cosine", hide_possible_values = true)]
    pub schedule: ScheduleName,
    /// Decoupled weight decay
    #[arg(long, value_name = "X", default_value_t = FitConfig::default().weight_decay, value_parser = at_least_zero, allow_negative_numbers = true)]
    pub weight_decay: f64,
    /// Epochs with no better validation until a stop; 0: none
    #[arg(long, value_name = "N", default_value_t = FitConfig::default().patience)]
    pub patience: u32,
    /// Largest norm of a gradient
    #[arg(long, value_name = "X", default_value_t = FitConfig::default().clip, value_parser = above_zero, allow_negative_numbers = true)]
    pub clip: f64,
    /// Keep the Polyak average of the parameters, with this decay, as 0.999
    #[arg(long, value_name = "D", value_parser = decay, allow_negative_numbers = true)]
    pub average: Option<f64>,
    /// Standard deviation of noise on each batch, standardised
    #[arg(long, value_name = "S", default_value_t = FitConfig::default().noise, value_parser = at_least_zero, allow_negative_numbers = true)]
    pub noise: f64,
    /// Seed of the split, the start, shuffling and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// f32 or f64
    #[arg(long, value_name = "P", default_value = "f32", hide_possible_values = true)]
    pub precision: PrecisionName,
    /// Go on from FILE.checkpoint
    #[arg(long)]
    pub resume: bool,
    /// Print the result as JSON on stdout
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub images: ImageFitArguments,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// The names that --model takes.
fn names() -> Vec<&'static str> {
    let tables = Model::ALL.map(Model::name);
    // Real-NVP is a model of both.
    let images = ImageModel::ALL.map(ImageModel::name).into_iter().filter(|name| !tables.contains(name)).collect::<Vec<_>>();
    [&tables[..], &images].concat()
}

impl FitArguments {
    /// Whether it is images that are fitted: a folder or a .npz file, or a .npy file of three or four dimensions with a model of images.
    pub fn is_images(&self) -> bool {
        let of_images = |name: &String| ImageModel::ALL.iter().any(|m| m.name() == name);
        is_image_set(&self.table) && (ending(&self.table).is_err() || self.models.iter().all(of_images))
    }

    /// The models named, of tables.
    fn table_models(&self) -> Result<Vec<Model>, Failure> {
        if self.models.is_empty() {
            return Ok(vec![Model::MafMog]);
        }
        let parse = |name: &String| {
            name.parse::<Model>().map_err(|_| {
                let message = format!("--model {name}: expected images, found {}", self.table.display());
                Failure::usage(message, "images are a folder of PNG and JPEG, a .npz file, or a .npy file of three or four dimensions")
            })
        };
        self.models.iter().map(parse).collect()
    }

    /// The model of each member; options that contradict each other are an error.
    pub fn members(&self) -> Result<Vec<Model>, Failure> {
        if let Some(option) = self.images.given() {
            return Err(Failure::usage(format!("{option}: expected images, found the table {}", self.table.display()), ""));
        }
        let models = self.table_models()?;
        let families = models.len();
        let members = self.ensemble.map_or(families, |n| usize::try_from(n).unwrap_or(usize::MAX));
        if members < families {
            let message = format!("--ensemble {members}: expected a member for each of the {families} models, or more");
            return Err(Failure::usage(message, "leave out --ensemble for one of each"));
        }
        if members == 1 && Weighting::from(self.ensemble_weights) == Weighting::Validation {
            return Err(Failure::usage("--ensemble-weights means nothing to a single model", "add --ensemble N"));
        }
        let binary = |m: &Model| *m == Model::MadeBinary;
        if models.iter().any(binary) && !models.iter().all(binary) {
            let message = "--model: expected models of the same columns, found made_binary, of 0 and 1 alone, among others";
            return Err(Failure::usage(message, "fit made_binary by itself"));
        }
        Ok(models.into_iter().cycle().take(members).collect())
    }

    /// The architecture of each member. Members differ in their seed and, from the second on, in the order of the columns.
    pub fn architectures(&self, models: &[Model], schema: &Schema) -> Result<Vec<Architecture>, Failure> {
        let member = |(k, model): (u64, &Model)| {
            let seed = self.seed.wrapping_add(k);
            Ok(Architecture { seed, random_order: k > 0, ..self.architecture(*model, schema)? })
        };
        (0..).zip(models).map(member).collect()
    }

    /// The architecture of a model for the columns of a schema; an option that the model has no use for is an error.
    fn architecture(&self, model: Model, schema: &Schema) -> Result<Architecture, Failure> {
        let mut a = Architecture::new(model, schema.dim(), schema.context_dim(), self.seed);
        let one_layer = matches!(model, Model::Gaussian | Model::ArGaussian | Model::Made | Model::MadeMog | Model::MadeBinary);
        let linear = matches!(model, Model::Gaussian | Model::ArGaussian);
        let components = a.components > 0 || matches!(self.source, SourceName::GaussianMixture);
        let (triangular, form) = a.product();
        let open = model.leaves_product_open();
        if open {
            a.triangular = Some(self.triangular.map_or(triangular, Into::into));
            a.form = Some(self.form.map_or(form, Into::into));
        }
        let coupling = a.product().0 == Triangular::Coupling;
        let useless = [
            ("--layers", self.layers.is_some() && one_layer),
            ("--hidden", self.hidden.is_some() && linear),
            ("--components", self.components.is_some() && !components),
            ("--degree", self.degree.is_some() && model != Model::Sos),
            ("--triangular", self.triangular.is_some() && !open),
            ("--form", self.form.is_some() && !open),
            ("--residual", self.residual && (linear || coupling)),
        ];
        if let Some((option, _)) = useless.iter().find(|(_, useless)| *useless) {
            let product = if coupling && open { " with --triangular coupling" } else { "" };
            return Err(Failure::usage(
                format!("{option} means nothing to the model {}{product}", model.name()),
                "leave it out, or choose another --model",
            ));
        }
        a.layers = self.layers.unwrap_or(a.layers);
        // A residual network is a layer and blocks of two.
        let default = if self.residual { vec![128; 3] } else { a.hidden };
        a.hidden = self.hidden.clone().unwrap_or(default);
        let default = if components && a.components == 0 { 10 } else { a.components };
        a.components = self.components.unwrap_or(default);
        a.degree = self.degree.unwrap_or(a.degree);
        a.residual = self.residual;
        a.mixing = self.mixing.into();
        a.batch_norm = self.batch_norm;
        a.marginals = self.marginals.map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX));
        a.source = self.source.into();
        a.activation = self.activation.into();
        Ok(a)
    }

    /// The settings of the fit, of the rows a step and the learning rate of `own` unless the user has others.
    pub fn config(&self, own: FitConfig) -> FitConfig {
        FitConfig {
            epochs: self.epochs,
            steps: self.steps,
            batch: self.batch.map_or(own.batch, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            learning_rate: self.learning_rate.unwrap_or(own.learning_rate),
            weight_decay: self.weight_decay,
            schedule: self.schedule.into(),
            clip: self.clip,
            patience: self.patience,
            average: self.average,
            noise: self.noise,
            seed: self.seed,
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
names!(Missing for MissingPolicy: Reject, Drop);
names!(MixingName for Mixing: Reversed, Random, Lu, Rotation);
names!(TriangularName for Triangular: Autoregressive, Coupling);
names!(FormName for Form: Density, Generative);
names!(SourceName for SourceKind: Normal, Logistic, StudentT, GaussianMixture);
names!(ScheduleName for Schedule: Constant, Cosine, Plateau);
names!(ActivationName for Activation: Relu, Tanh, Elu, Silu);
names!(PrecisionName for Precision: F32, F64);

fn number(text: &str, expected: &str, fits: impl Fn(f64) -> bool) -> Result<f64, String> {
    text.parse().ok().filter(|v: &f64| v.is_finite() && fits(*v)).ok_or_else(|| format!("expected {expected}"))
}

fn above_zero(text: &str) -> Result<f64, String> {
    number(text, "a number above 0", |v| v > 0.0)
}

/// A number of at least 0.
pub fn at_least_zero(text: &str) -> Result<f64, String> {
    number(text, "a number of at least 0", |v| v >= 0.0)
}

fn decay(text: &str) -> Result<f64, String> {
    number(text, "a number strictly between 0 and 1", |v| 0.0 < v && v < 1.0)
}
