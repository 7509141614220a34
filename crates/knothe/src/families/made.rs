//! MADE: Gaussian conditionals from one masked network (Germain et al. 2015).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{
    Description, Family, FamilyOption, Recipe,
    chain::{self, Chain},
};
use crate::{error::Result, network::Network, placement::Placement, univariate::Affine};

family! {
    Made {
        name: "made",
        about: "Masked network with Gaussian conditionals",
        details: "x_j = σ_j(x_<j) z_j + μ_j(x_<j), all parameters from one masked network (Germain, Gregor, Murray & Larochelle 2015).",
        takes: Reals,
    }
}

impl Family for Made {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        [chain::network_options(), vec![chain::SOURCE, chain::COMPONENTS], chain::ends()].concat()
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let layer = Chain::single(recipe, recipe.counts(&chain::HIDDEN), Arc::new(Affine::default()));
        chain::build(recipe, layer, place, rng)
    }
}
