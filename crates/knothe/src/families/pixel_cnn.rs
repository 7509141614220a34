//! PixelCNN (van den Oord et al. 2016), of images.

use rand_chacha::ChaCha12Rng;

use super::{
    Description, FamilyOption, Initial, Recipe,
    pixel_by_pixel::{PixelByPixel, PixelConditioner},
    pixels::{self, WIDTH},
};
use crate::{
    conditioner::{PixelCnn as Conditioner, PixelCnnConfig},
    error::{Error, Result},
    network::Network,
    placement::Placement,
    source::AutoregressiveDensity,
};

/// Gated blocks.
const LAYERS: FamilyOption = FamilyOption::count("layers", "Gated blocks of the network", (1, 1_000), 8);
/// The windows of the convolutions.
const WINDOWS: FamilyOption = FamilyOption::counts(
    "windows",
    "Window sizes of the first block and of each other block: two odd numbers of at least 3",
    2,
    (3, 99),
    Initial::Counts(&[7, 3]),
);

family! {
    PixelCnn {
        name: "pixel_cnn",
        about: "Autoregressive model of images: each pixel given those above and to the left",
        details: "P(x) = Π P(x_j | x_<j), row by row, within a row pixel by pixel, and within a pixel channel by channel. One network of gated convolutions in a vertical and a horizontal stack \
             gives all conditionals in one pass (van den Oord et al. 2016, Conditional image generation with PixelCNN decoders). Images of one bit have Bernoulli laws, others \
             categorical ones. log_prob is exact, without noise. Sampling goes pixel by pixel.",
        takes: Images,
    }
}

impl PixelByPixel for PixelCnn {
    type Conditioner = Conditioner;

    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn joined(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let law = pixels::law(recipe);
        let conditioner = conditioner(recipe, law.parameters(), true, place, rng)?;
        Ok(Network::Pixels(AutoregressiveDensity::of(conditioner, law)?))
    }
}

impl PixelConditioner for Conditioner {
    fn options() -> Vec<FamilyOption> {
        vec![LAYERS, WIDTH.about("Channels of each of the two stacks").or(Initial::Count(32)), WINDOWS]
    }

    fn check(recipe: &Recipe) -> Result<()> {
        match recipe.counts(&WINDOWS)[..] {
            [first, other] if first % 2 == 1 && other % 2 == 1 => Ok(()),
            _ => Err(Error::invalid("windows", "two odd numbers, such as 7,3", recipe.get(&WINDOWS))),
        }
    }
}

/// The network, with this number of parameters per element. If `within_pixel` is set, a channel reads the channels before it in its pixel.
pub(super) fn conditioner(
    recipe: &Recipe,
    parameters: usize,
    within_pixel: bool,
    place: &Placement,
    rng: &mut ChaCha12Rng,
) -> Result<Conditioner> {
    let image = pixels::image(recipe);
    // Beyond the borders of an image there is nothing to see.
    let farthest = image.height.max(image.width).saturating_sub(1).max(1);
    let radius = |k: usize| recipe.counts(&WINDOWS).get(k).map_or(1, |window| (window / 2).min(farthest));
    let config = PixelCnnConfig {
        context_dim: recipe.context_dim(),
        levels: pixels::levels_of(recipe),
        width: recipe.count(&WIDTH),
        layers: recipe.count(&LAYERS),
        first_radius: radius(0),
        radius: radius(1),
        parameters,
        within_pixel,
    };
    Conditioner::new(image, config, place, rng)
}
