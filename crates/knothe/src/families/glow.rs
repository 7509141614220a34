//! Glow (Kingma & Dhariwal 2018).

use std::sync::Arc;

use rand::Rng;
use rand_chacha::ChaCha12Rng;

use super::{
    ChannelMixing, Description, Family, FamilyOption, Recipe,
    pixels::{self, LEVELS, Pixels, RESIDUAL, STEPS, WIDENING, WIDTH, WINDOWS},
};
use crate::{
    Compose, Layer, error::Result, fit::FitConfig, network::Network, placement::Placement, space::ImageShape, triangular::Elementwise,
    univariate::Affine,
};

/// What mixes the channels.
const CHANNEL_MIXING: FamilyOption = FamilyOption::name(
    "channel_mixing",
    "Mixing of the channels: a 1 × 1 convolution with an LU-factored matrix (lu) or a free matrix (matrix), or none",
    &["lu", "matrix", "none"],
);

family! {
    Glow {
        name: "glow",
        about: "Multi-scale flow of images by 1 × 1 convolutions and couplings of channels; the default for images",
        details: "Each scale squeezes blocks of 2 × 2 pixels into channels and takes steps of activation normalisation, an invertible 1 × 1 convolution and an affine \
             coupling of channels (Kingma & Dhariwal 2018). By default a coupling multiplies by a sigmoid, which is below 1, so that no image is scaled out of range. Each scale halves height and width, so both must be even at every scale. \
             After each scale except the last, half of the channels are split off and get a learned prior. If the images have classes, the last scale gets one as well: a mean and a deviation per class.",
        takes: Images,
    }
}

impl Family for Glow {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        pixels::options(&[LEVELS, STEPS, WIDTH, WIDENING, WINDOWS, RESIDUAL, CHANNEL_MIXING])
    }

    fn check(&self, recipe: &Recipe) -> Result<()> {
        pixels::check(recipe)
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let map = level(&Pixels::of(recipe), pixels::image(recipe), 0, place, rng)?;
        pixels::network(recipe, map, place, rng)
    }

    fn fitting(&self, _events: usize) -> FitConfig {
        pixels::fitting()
    }

    fn parts(&self, recipe: &Recipe) -> usize {
        recipe.count(&LEVELS)
    }
}

/// The map of this level and of those towards the source, over images of the shape that comes into it.
fn level(pixels: &Pixels, image: ImageShape, level: usize, place: &Placement, rng: &mut impl Rng) -> Result<Compose> {
    let (squeezed, mixing) = (image.squeezed()?, pixels.recipe.choice(&CHANNEL_MIXING));
    let mut layers = if level + 1 < pixels.levels {
        let next = self::level(pixels, Pixels::half(squeezed), level + 1, place, rng)?;
        pixels.split(squeezed, next, true, place, rng)?
    } else {
        prior(pixels.recipe, squeezed, place)
    };
    for k in 0..pixels.steps {
        // Without mixing the halves have to move in turn.
        let second = k % 2 == 0 || mixing != ChannelMixing::None;
        layers.push(pixels.coupling(squeezed, &squeezed.half_of_channels(second), pixels.width_at(level), place, rng)?);
        layers.push(pixels.channels(squeezed, mixing, place, rng)?);
    }
    layers.push(Pixels::squeeze(image, place)?);
    Compose::new(image.dim(), layers)
}

/// The mean and the scale of the coarsest level, given the class; nothing without classes.
fn prior(recipe: &Recipe, image: ImageShape, place: &Placement) -> Vec<Layer> {
    let prior = || Layer::Elementwise(Elementwise::new(image.dim(), recipe.context_dim(), Arc::new(Affine::default()), place));
    (recipe.context_dim() > 0).then(prior).into_iter().collect()
}
