//! The Row LSTM (van den Oord et al. 2016), of images.

use rand_chacha::ChaCha12Rng;

use super::{
    Description, FamilyOption, Initial, Recipe,
    pixel_by_pixel::{PixelByPixel, PixelConditioner},
    pixels::{self, WIDTH},
};
use crate::{
    conditioner::{PixelRnn, PixelRnnConfig, Recurrence},
    error::{Error, Result},
    network::Network,
    placement::Placement,
    source::AutoregressiveDensity,
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
        details: "P(x) = Π P(x_j | x_<j), row by row, within a row pixel by pixel, and within a pixel channel by channel. The state of a pixel depends on the states of the \
             three pixels above it. A pixel thus depends on a triangle above it and on the nearest pixels to its left (van den Oord, Kalchbrenner & Kavukcuoglu 2016, Pixel \
             recurrent neural networks, §3.1). The layers are residual. Images of one bit have Bernoulli laws, and other images have categorical laws. log_prob is exact, \
             without noise. Sampling goes pixel by pixel.",
        takes: Images,
    }
}

impl PixelByPixel for RowLstm {
    type Conditioner = PixelRnn;

    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn joined(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        network(recipe, Recurrence::Row, place, rng)
    }
}

impl PixelConditioner for PixelRnn {
    fn options() -> Vec<FamilyOption> {
        vec![
            LAYERS,
            WIDTH.about("Hidden states of each pixel per layer; the map between layers has twice as many channels").or(Initial::Count(16)),
            WINDOWS,
        ]
    }

    fn check(recipe: &Recipe) -> Result<()> {
        match recipe.counts(&WINDOWS)[..] {
            [first] if first % 2 == 1 => Ok(()),
            _ => Err(Error::invalid("windows", "one odd number, such as 7", recipe.get(&WINDOWS))),
        }
    }
}

/// The density, with Bernoulli or categorical laws.
pub(super) fn network(recipe: &Recipe, recurrence: Recurrence, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
    let (image, law) = (pixels::image(recipe), pixels::law(recipe));
    // A window need not reach beyond the borders of an image.
    let farthest = image.height.max(image.width).saturating_sub(1).max(1);
    let config = PixelRnnConfig {
        context_dim: recipe.context_dim(),
        levels: pixels::levels_of(recipe),
        width: recipe.count(&WIDTH),
        layers: recipe.count(&LAYERS),
        radius: recipe.counts(&WINDOWS).first().map_or(1, |window| (window / 2).min(farthest)),
        parameters: law.parameters(),
        recurrence,
    };
    Ok(Network::RecurrentPixels(AutoregressiveDensity::of(PixelRnn::new(image, config, place, rng)?, law)?))
}
