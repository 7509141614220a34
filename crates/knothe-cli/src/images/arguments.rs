//! The options of images.

use std::path::Path;

use clap::Args;
use knothe::data::images::ImageSet;

use crate::failure::Failure;

/// Where the parts of a set of images are.
#[derive(Args, Debug)]
#[command(next_help_heading = "Images")]
pub struct SetArguments {
    /// Classes to be conditional on: a .npy file, or an array of the .npz file
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
    /// Bits of a number, 1 to 8; fewer than the images have leave out the lowest [default: those of the images]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    pub bits: Option<u8>,
    /// Scales of the model [default: as often as height and width are halved, at most 3]
    #[arg(long, value_name = "N")]
    pub levels: Option<usize>,
    /// Steps of a scale [default: the model's]
    #[arg(long, value_name = "N")]
    pub steps_per_level: Option<usize>,
    /// Channels of the hidden layers of a conditioner [default: the model's]
    #[arg(long, value_name = "N")]
    pub width: Option<usize>,
}

impl ImageFitArguments {
    /// The first option that is given.
    pub fn given(&self) -> Option<&'static str> {
        let own = [
            ("--bits", self.bits.is_some()),
            ("--levels", self.levels.is_some()),
            ("--steps-per-level", self.steps_per_level.is_some()),
            ("--width", self.width.is_some()),
        ];
        self.set.given().or_else(|| own.into_iter().find(|(_, given)| *given).map(|(name, _)| name))
    }
}
