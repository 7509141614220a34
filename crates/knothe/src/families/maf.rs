//! The masked autoregressive flow (Papamakarios et al. 2017).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Recipe, Takes, chain, product};
use crate::{error::Result, network::Network, placement::Placement, univariate::Affine};

/// x_j = σ_j(x_<j) z_j + μ_j(x_<j), several times in alternating orders (Papamakarios, Pavlakou & Murray 2017).
#[derive(Clone, Copy, Debug)]
pub struct Maf;

impl Family for Maf {
    fn description(&self) -> Description {
        Description {
            name: "maf",
            about: "Masked autoregressive flow: density in one pass",
            details: "x_j = σ_j(x_<j) z_j + μ_j(x_<j), several times in alternating orders (Papamakarios, Pavlakou & Murray 2017). The density takes one pass; samples take the time of about one pass as well.",
            takes: Takes::Reals,
        }
    }

    fn options(&self) -> Vec<FamilyOption> {
        product::options(&[chain::LAYERS], "generative")
    }

    fn check(&self, recipe: &Recipe) -> Result<()> {
        product::check(recipe)
    }

    fn size(&self, recipe: &Recipe) -> usize {
        product::size(recipe, 1) / 2
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        product::build(recipe, Arc::new(Affine::default()), place, rng)
    }
}
