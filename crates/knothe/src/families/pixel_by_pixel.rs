//! The common part of the families that go through the pixels of an image: everything except the network and the law of a pixel.

use std::fmt::Debug;

use rand_chacha::ChaCha12Rng;

use super::{Description, DiagonalBilstm, Family, FamilyOption, PixelCnn, PixelCnnPp, Recipe, RowLstm, pixels};
use crate::{error::Result, fit::FitConfig, network::Network, placement::Placement};

/// The options of a network that goes through the pixels of an image.
pub(super) trait PixelConditioner {
    /// All options.
    fn options() -> Vec<FamilyOption>;

    /// Checks conditions that the ranges of single options do not express.
    fn check(recipe: &Recipe) -> Result<()>;
}

/// A [`Family`] that goes through the pixels of an image, given by its network and its law.
pub(super) trait PixelByPixel: Debug + Sync {
    /// The network.
    type Conditioner: PixelConditioner;

    /// Its name, its documentation and the events that it takes.
    fn description(&self) -> Description;

    /// The options of the law.
    fn own(&self) -> Vec<FamilyOption> {
        Vec::new()
    }

    /// The network joined to the law.
    fn joined(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network>;
}

/// Rust allows only one `impl<P: …> Family for P`, and `Product` has it.
macro_rules! families {
    ($($family:ident),+ $(,)?) => {$(
        impl Family for $family {
            fn description(&self) -> Description {
                PixelByPixel::description(self)
            }

            fn options(&self) -> Vec<FamilyOption> {
                [<Self as PixelByPixel>::Conditioner::options(), self.own()].concat()
            }

            fn check(&self, recipe: &Recipe) -> Result<()> {
                pixels::check_sides(recipe)?;
                <Self as PixelByPixel>::Conditioner::check(recipe)
            }

            fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
                self.joined(recipe, place, rng)
            }

            fn fitting(&self, _events: usize) -> FitConfig {
                FitConfig { batch: 32, learning_rate: 1e-3, ..FitConfig::default() }
            }

            fn parts(&self, recipe: &Recipe) -> usize {
                pixels::image(recipe).height
            }

            fn part_words(&self) -> &'static str {
                "rows of pixels"
            }
        }
    )+};
}

families!(PixelCnn, PixelCnnPp, RowLstm, DiagonalBilstm);
