//! The inverse autoregressive flow (Kingma et al. 2016).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{
    Description, Family, FamilyOption, Recipe, Takes,
    chain::{self, HIDDEN, LAYERS},
};
use crate::{Layer, error::Result, network::Network, placement::Placement, triangular::Autoregressive, univariate::Affine};

/// x_j = σ_j(z_<j) z_j + μ_j(z_<j) (Kingma et al. 2016). Samples and their densities take one pass; the density of given rows goes column by column.
#[derive(Clone, Copy, Debug)]
pub struct Iaf;

impl Family for Iaf {
    fn description(&self) -> Description {
        Description {
            name: "iaf",
            about: "Inverse autoregressive flow: sampling in one pass, a slower density",
            details: "x_j = σ_j(z_<j) z_j + μ_j(z_<j) (Kingma et al. 2016). Samples and their densities take one pass; the density of given rows goes column by column.",
            takes: Takes::Reals,
        }
    }

    fn options(&self) -> Vec<FamilyOption> {
        chain::flow_options(&[LAYERS])
    }

    fn size(&self, recipe: &Recipe) -> usize {
        chain::flow_size(recipe, recipe.dim().div_ceil(2))
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
