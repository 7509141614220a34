//! The Row LSTM (van den Oord et al. 2016), of images.

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{
    Description, Family, FamilyOption, Initial, Recipe, pixel_cnn,
    pixels::{self, WIDTH},
};
use crate::{
    conditioner::{PixelRnn, PixelRnnConfig, Recurrence},
    error::{Error, Result},
    fit::FitConfig,
    network::Network,
    placement::Placement,
    source::AutoregressiveDensity,
    univariate::{Bernoulli, Categorical, Conditional},
};

/// Recurrent layers.
const LAYERS: FamilyOption = FamilyOption::count("layers", "Recurrent layers of the network", (1, 1_000), 7);
/// The window of the first convolution.
const WINDOWS: FamilyOption =
    FamilyOption::counts("windows", "Window size of the first convolution: an odd number of at least 3", 1, (3, 99), Initial::Counts(&[7]));

family! {
    RowLstm {
        name: "row_lstm",
        about: "Autoregressive model of images: an LSTM that goes from row to row",
        details: "P(x) = Π P(x_j | x_<j), row by row, within a row pixel by pixel, and within a pixel channel by channel. The state of a pixel follows those of the three pixels above it, so \
             the context is a triangle above the pixel, and the pixels to its left (van den Oord, Kalchbrenner & Kavukcuoglu 2016, Pixel recurrent neural networks, §3.1). The layers are residual. \
             Images of one bit have Bernoulli laws, others categorical ones. log_prob is exact, without noise. Sampling goes pixel by pixel.",
        takes: Images,
    }
}

impl Family for RowLstm {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        options()
    }

    fn check(&self, recipe: &Recipe) -> Result<()> {
        check(recipe)
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        network(recipe, Recurrence::Row, place, rng)
    }

    fn scales(&self, recipe: &Recipe) -> usize {
        pixels::image(recipe).height
    }

    fn scale_words(&self) -> &'static str {
        pixel_cnn::SCALE_WORDS
    }

    fn fitting(&self) -> FitConfig {
        pixel_cnn::fitting()
    }
}

/// The options of the network.
pub(super) fn options() -> Vec<FamilyOption> {
    vec![
        LAYERS,
        WIDTH.about("Hidden states of each pixel per layer; the map between layers has twice as many channels").or(Initial::Count(16)),
        WINDOWS,
    ]
}

/// Checks the options of the network.
pub(super) fn check(recipe: &Recipe) -> Result<()> {
    pixels::check_sides(recipe)?;
    match recipe.counts(&WINDOWS)[..] {
        [first] if first % 2 == 1 => Ok(()),
        _ => Err(Error::invalid("windows", "one odd number, such as 7", recipe.get(&WINDOWS))),
    }
}

/// The density, with a Bernoulli or a categorical law.
pub(super) fn network(recipe: &Recipe, recurrence: Recurrence, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
    let (image, levels) = (pixels::image(recipe), pixels::levels_of(recipe));
    let law: Arc<dyn Conditional> = if levels == 2 { Arc::new(Bernoulli) } else { Arc::new(Categorical(levels)) };
    // Beyond the borders of an image there is nothing to see.
    let farthest = image.height.max(image.width).saturating_sub(1).max(1);
    let config = PixelRnnConfig {
        context_dim: recipe.context_dim(),
        levels,
        width: recipe.count(&WIDTH),
        layers: recipe.count(&LAYERS),
        radius: recipe.counts(&WINDOWS).first().map_or(1, |window| (window / 2).min(farthest)),
        parameters: law.parameters(),
        recurrence,
    };
    Ok(Network::RecurrentPixels(AutoregressiveDensity::of(PixelRnn::new(image, config, place, rng)?, law)?))
}
