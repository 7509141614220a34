//! WaveNet (van den Oord et al. 2016), of recordings.

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Recipe};
use crate::{
    conditioner::{WaveNet as Conditioner, WaveNetConfig},
    error::Result,
    fit::FitConfig,
    network::Network,
    placement::Placement,
    sequence::SequenceDensity,
    space::{Law, Shape, Space},
};

/// Gated layers.
const LAYERS: FamilyOption = FamilyOption::count("layers", "Gated layers of the network", (1, 1_000), 20);
/// The number of layers after which the dilation is 1 again.
const CYCLE: FamilyOption =
    FamilyOption::count("cycle", "Number of layers after which the dilation, doubled from layer to layer, is 1 again", (1, 25), 10);
/// Channels between layers.
const RESIDUAL: FamilyOption = FamilyOption::count("width", "Channels from layer to layer", (1, 65_536), 32);
/// Channels to the output.
const SKIP: FamilyOption = FamilyOption::count("skip", "Channels from the layers to the output", (1, 65_536), 128);

family! {
    WaveNet {
        name: "wavenet",
        about: "Autoregressive model of sound: each sample given those before it",
        details: "P(x) = Π P(x_t | x_<t), with a categorical law over 256 levels for each sample. Dilated causal convolutions with gates give all laws in one pass (van den Oord \
             et al. 2016, WaveNet: a generative model for raw audio). With 20 layers in cycles of 10, each law depends on the 2,048 samples before its own. If recordings \
             differ in length, the length has a law of its own. log_prob is exact. Sampling goes sample by sample.",
        takes: Recordings,
    }
}

/// Whether a space has sequences of one number per step, with at least two levels.
pub(super) fn supports(space: &Space) -> bool {
    matches!(space.shape, Shape::Sequence { channels: 1, length: 1.. }) && matches!(space.law(), Some(Law::Codes(2..)))
}

/// The number of steps and the number of levels of sequences.
fn sizes(space: &Space) -> (usize, usize) {
    match (space.shape, space.law()) {
        (Shape::Sequence { length, .. }, Some(Law::Codes(levels))) => (length, levels as usize),
        _ => (0, 0),
    }
}

impl Family for WaveNet {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        vec![LAYERS, CYCLE, RESIDUAL, SKIP]
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let (length, levels) = sizes(recipe.space());
        let config = WaveNetConfig {
            context_dim: recipe.context_dim(),
            levels,
            layers: recipe.count(&LAYERS),
            cycle: recipe.count(&CYCLE),
            residual: recipe.count(&RESIDUAL),
            skip: recipe.count(&SKIP),
            parameters: levels,
        };
        let network = Conditioner::new(length, config, place, rng)?;
        Ok(Network::Sequence(SequenceDensity::new(network, recipe.space().varying, place, rng)?))
    }

    fn parts(&self, recipe: &Recipe) -> usize {
        sizes(recipe.space()).0
    }

    fn part_words(&self) -> &'static str {
        "samples"
    }

    fn fitting(&self, _events: usize) -> FitConfig {
        FitConfig { batch: 8, learning_rate: 2e-3, ..FitConfig::default() }
    }
}
