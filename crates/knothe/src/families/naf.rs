//! The neural autoregressive flow of deep sigmoidal maps (Huang et al. 2018).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Recipe, Takes, chain, product};
use crate::{error::Result, network::Network, placement::Placement, univariate::Sigmoidal};

/// Units of each sigmoidal map.
const COMPONENTS: FamilyOption =
    FamilyOption::count("components", "Units of each sigmoidal map, and Gaussians of a gaussian_mixture source", (1, 500), 16);

/// z_j = logit Σ_k w_k sigmoid(a_k x_j + b_k), with all parameters from a masked network (Huang, Krueger, Lacoste & Courville 2018, DSF).
#[derive(Clone, Copy, Debug)]
pub struct Naf;

impl Family for Naf {
    fn description(&self) -> Description {
        Description {
            name: "naf",
            about: "Neural autoregressive flow of deep sigmoidal maps",
            details: "z_j = logit Σ_k w_k sigmoid(a_k x_j + b_k), with all parameters from a masked network (Huang, Krueger, Lacoste & Courville 2018, DSF).",
            takes: Takes::Reals,
        }
    }

    fn options(&self) -> Vec<FamilyOption> {
        product::options(&[chain::LAYERS, COMPONENTS], "density")
    }

    fn check(&self, recipe: &Recipe) -> Result<()> {
        product::check(recipe)
    }

    fn size(&self, recipe: &Recipe) -> usize {
        product::size(recipe, recipe.count(&COMPONENTS))
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        product::build(recipe, Arc::new(Sigmoidal(recipe.count(&COMPONENTS))), place, rng)
    }
}
