//! The inverse autoregressive flow (Kingma et al. 2016).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{
    Description, Family, FamilyOption, Recipe,
    chain::{self, HIDDEN, LAYERS},
};
use crate::{Layer, error::Result, network::Network, placement::Placement, triangular::Autoregressive, univariate::Affine};

family! {
    Iaf {
        name: "iaf",
        about: "Inverse autoregressive flow: sampling in one pass, a slower density",
        details: "x_j = σ_j(z_<j) z_j + μ_j(z_<j) (Kingma et al. 2016). Samples and their densities take one pass; the density of given rows goes column by column.",
        takes: Reals,
    }
}

impl Family for Iaf {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        chain::flow_options(&[LAYERS])
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let hidden = recipe.counts(&HIDDEN);
        let layer = |k| {
            let network = chain::network(recipe, &hidden, k);
            Autoregressive::new(network, Arc::new(Affine::default()), place, rng).map(Layer::Autoregressive)
        };
        let layers = (0..recipe.count(&LAYERS)).rev().map(layer).collect::<Result<_>>()?;
        let source = chain::source(recipe, place, rng)?;
        chain::flow(recipe, source, layers, place, rng)
    }
}
