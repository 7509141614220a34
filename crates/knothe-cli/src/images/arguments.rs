//! The options of images.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use knothe::{events::image::ImageSet, univariate::Scale};

use crate::{cli::Runtime, failure::Failure, fit_arguments::at_least_zero, given::Value};

/// Where the parts of a set of images are.
#[derive(Args, Debug)]
#[command(next_help_heading = "Images")]
pub struct SetArguments {
    /// Classes to condition on: a .npy file, or an array of the .npz file
    #[arg(long, value_name = "NAME")]
    pub labels: Option<String>,
    /// The array of the .npz file with the images [default: images]
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
}

impl SetArguments {
    /// The first option that is given.
    pub fn given(&self) -> Option<&'static str> {
        [("--labels", self.labels.is_some()), ("--key", self.key.is_some())].into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Reads a set.
    pub fn read(&self, path: &Path) -> Result<ImageSet, Failure> {
        let images = ImageSet::read(path, self.key.as_deref())?;
        Ok(match &self.labels {
            Some(name) => images.with_labels(name)?,
            None => images,
        })
    }
}

/// The options of a fit to images.
#[derive(Args, Debug)]
#[command(next_help_heading = "Images")]
pub struct ImageFitArguments {
    #[command(flatten)]
    pub set: SetArguments,
    /// Bits of a number, 1 to 8; fewer leave out the lowest [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    pub bits: Option<u8>,
    /// Scales [default: as often as both sides are halved, at most 3]
    #[arg(long, value_name = "N")]
    pub levels: Option<usize>,
    /// Steps of a scale [default: the model's]
    #[arg(long, value_name = "N")]
    pub steps_per_level: Option<usize>,
    /// Hidden channels of conditioners, finest scale [default: the model's]
    #[arg(long, value_name = "N")]
    pub width: Option<usize>,
    /// Factor of --width from scale to scale [default: the model's]
    #[arg(long, value_name = "N")]
    pub widening: Option<usize>,
    /// Couplings: exp, sigmoid (below 1) or additive [default: the model's]
    #[arg(long, value_name = "NAME", hide_possible_values = true)]
    pub coupling: Option<Coupling>,
    /// Noise on the numbers: uniform, or variational (learned)
    #[arg(long, value_name = "NAME", default_value = "uniform", hide_possible_values = true)]
    pub dequantisation: Noise,
}

/// What a coupling multiplies the numbers that it moves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Coupling {
    Exp,
    Sigmoid,
    Additive,
}

impl From<Coupling> for Scale {
    fn from(coupling: Coupling) -> Self {
        match coupling {
            Coupling::Exp => Scale::Exp,
            Coupling::Sigmoid => Scale::Sigmoid,
            Coupling::Additive => Scale::One,
        }
    }
}

/// Where the noise of dequantisation is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Noise {
    Uniform,
    Variational,
}

impl ImageFitArguments {
    /// The first option that is given.
    pub fn given(&self) -> Option<&'static str> {
        let own = [
            ("--bits", self.bits.is_some()),
            ("--levels", self.levels.is_some()),
            ("--steps-per-level", self.steps_per_level.is_some()),
            ("--width", self.width.is_some()),
            ("--widening", self.widening.is_some()),
            ("--coupling", self.coupling.is_some()),
            ("--dequantisation", self.dequantisation != Noise::Uniform),
        ];
        self.set.given().or_else(|| own.into_iter().find(|(_, given)| *given).map(|(name, _)| name))
    }
}

/// Bring images to a model's source and back, and draw the pairs
#[derive(Args, Debug)]
#[command(after_help = "\
A map is invertible: with the coordinates of all scales each image comes back, but where rounding
carries a number over the edge of its level. With --keep N the coordinates of the N coarsest scales
stay and the others are drawn anew, which shows what each scale holds.

Example:
  knothe reconstruct digits.safetensors data/digits.npz --labels labels --out pairs.png
  knothe reconstruct digits.safetensors data/digits.npz --labels labels --keep 1 --out coarse.png")]
pub struct ReconstructArguments {
    /// The model file
    pub model: PathBuf,
    /// The images, of which the first N are taken
    pub images: PathBuf,
    /// Where to write pairs of image and reconstruction: a PNG, NPY or NPZ file
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Images
    #[arg(short = 'n', long = "rows", value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub n: u64,
    /// Scales whose coordinates stay, the coarsest first [default: all]
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
    /// Standard deviation of the coordinates that are drawn anew
    #[arg(long, value_name = "T", default_value_t = 1.0, value_parser = at_least_zero, allow_negative_numbers = true)]
    pub temperature: f64,
    /// Seed of the noise and of the draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub set: SetArguments,
    #[command(flatten)]
    pub runtime: Runtime,
}

/// Draw the images between two, along a great circle of the model's source
#[derive(Args, Debug)]
#[command(after_help = "\
An image is a PNG or JPEG file, made grey or coloured as the model's images are and 255 of it their
white; or one of an array, the fourth as images.npz:3. For a model of classes --given class=… sets the
class of both or, given twice, of each; --labels takes them from the array.

Example:
  knothe interpolate faces.safetensors a.png b.png --out strip.png
  knothe interpolate digits.safetensors data/digits.npz:0 data/digits.npz:7 --labels labels --out strip.png")]
pub struct InterpolateArguments {
    /// The model file
    pub model: PathBuf,
    /// The first image
    pub from: PathBuf,
    /// The last image
    pub to: PathBuf,
    /// Where to write the images in a row: a PNG, NPY or NPZ file
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Images, with both ends
    #[arg(short = 'n', long = "rows", value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub n: u64,
    /// Set the class; twice for one of each end
    #[arg(long, value_name = "class=VALUE")]
    pub given: Vec<Value>,
    /// Seed of the noise that makes numbers continuous
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub set: SetArguments,
    #[command(flatten)]
    pub runtime: Runtime,
}
