//! Real-NVP (Dinh et al. 2017), of tables and of images.

use std::sync::Arc;

use rand::Rng;
use rand_chacha::ChaCha12Rng;

use super::{
    ChannelMixing, Description, Family, FamilyOption, Form, Initial, Recipe, Setting, Triangular,
    chain::{self, Chain},
    pixels::{self, COUPLING, LEVELS, Pixels, RESIDUAL, STEPS, WIDENING, WIDTH, WINDOWS},
};
use crate::{Compose, Layer, error::Result, fit::FitConfig, network::Network, placement::Placement, space::ImageShape, univariate::Affine};

family! {
    RealNvp {
        name: "real_nvp",
        about: "Affine couplings: density and sampling in one pass",
        details: "x_A = σ(z_P) z_A + μ(z_P), x_P = z_P; odd and even columns move in turn (Dinh, Sohl-Dickstein & Bengio 2017). Use it where samples are needed fast; maf fits most tables better.",
        takes: Reals,
    }
}

impl Family for RealNvp {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        chain::coupling_options(10)
    }

    fn check(&self, recipe: &Recipe) -> Result<()> {
        chain::check_coupling(recipe)
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        chain::build(recipe, Chain::of(recipe, Triangular::Coupling, Form::Generative, Arc::new(Affine::default())), place, rng)
    }
}

family! {
    ImageRealNvp {
        name: "real_nvp",
        about: "Multi-scale flow of images by couplings of checkerboards and of channels",
        details: "Each scale has couplings of checkerboards, a squeeze of blocks of 2 × 2 pixels into channels, and couplings of channels; then half of the channels \
             are split off (Dinh, Sohl-Dickstein & Bengio 2017, §3.6). The last scale has one coupling of checkerboards more and nothing else. Activation normalisation \
             takes the place of the paper's batch normalisation, and one residual layer that of its residual block of two.",
        takes: Images,
    }
}

impl Family for ImageRealNvp {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        let levels = LEVELS.or(Initial::Of(levels));
        let steps = STEPS.about("Number of couplings per scale and kind of mask (checkerboard, channel)").or(Initial::Count(3));
        let (width, widening) = (WIDTH.or(Initial::Count(64)), WIDENING.or(Initial::Count(2)));
        // The others are as those of every family of images.
        let own = [levels, steps, width, widening, WINDOWS.or(Initial::Counts(&[3, 3, 3, 3])), RESIDUAL.or(Initial::Of(|_| true.into()))];
        let exp = |option: FamilyOption| if option.name == COUPLING.name { option.or(Initial::Name("exp")) } else { option };
        pixels::options(&own).into_iter().map(exp).collect()
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

/// Scales, at most 3: one more than height and width can be halved, but not so many that the last has one pixel, which no checkerboard can share out.
fn levels(recipe: &Recipe) -> Setting {
    let pixels = pixels::image(recipe).pixels();
    let fits = |levels: &usize| pixels >> (2 * (levels - 1)) >= 2;
    (1..=(pixels::halvings(recipe) + 1).min(3)).rev().find(fits).unwrap_or(1).into()
}

/// The map of this level and of those towards the source, over images of the shape that comes into it.
fn level(pixels: &Pixels, image: ImageShape, level: usize, place: &Placement, rng: &mut impl Rng) -> Result<Compose> {
    let (last, width) = (level + 1 == pixels.levels, pixels.width_at(level));
    let mut layers = Vec::new();
    let step = |layers: &mut Vec<Layer>, image: ImageShape, moves: &[bool], rng: &mut _| -> Result<()> {
        layers.push(pixels.coupling(image, moves, width, place, rng)?);
        layers.push(pixels.channels(image, ChannelMixing::None, place, rng)?);
        Ok(())
    };
    if !last {
        let squeezed = image.squeezed()?;
        let next = self::level(pixels, Pixels::half(squeezed), level + 1, place, rng)?;
        layers.extend(pixels.split(squeezed, next, false, place, rng)?);
        for k in 0..pixels.steps {
            step(&mut layers, squeezed, &squeezed.half_of_channels(k % 2 == 0), rng)?;
        }
        layers.push(Pixels::squeeze(image, place)?);
    }
    for k in 0..pixels.steps + usize::from(last) {
        step(&mut layers, image, &image.checkerboard(k % 2 == 0), rng)?;
    }
    Compose::new(image.dim(), layers)
}
