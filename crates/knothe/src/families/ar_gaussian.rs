//! Gaussian conditionals that are linear in the columns before.

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{
    Description, Family, FamilyOption, Recipe,
    chain::{self, Chain},
};
use crate::{error::Result, network::Network, placement::Placement, univariate::Affine};

family! {
    ArGaussian {
        name: "ar_gaussian",
        about: "Autoregressive model with Gaussian conditionals, linear in the columns before",
        details: "x_j = σ_j z_j + μ_j, where μ_j and log σ_j are linear in the columns before it and in the context. Use it as a simple baseline whose scale may depend on the earlier columns.",
        takes: Reals,
    }
}

impl Family for ArGaussian {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        [vec![chain::SOURCE, chain::COMPONENTS, chain::RANDOM_ORDER], chain::ends()].concat()
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let layer = Chain::single(recipe, Vec::new(), Arc::new(Affine::default()));
        chain::build(recipe, layer, place, rng)
    }
}
