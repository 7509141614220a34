//! The neural autoregressive flow of deep sigmoidal maps (Huang et al. 2018).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{Family, FamilyOption, Recipe, chain, product};
use crate::{error::Result, network::Network, placement::Placement, space::Space, univariate::Sigmoidal};

/// Units of each sigmoidal map.
const COMPONENTS: FamilyOption = FamilyOption::count("components", "Units of each sigmoidal map", (1, 500), 16);

/// z_j = logit Σ_k w_k sigmoid(a_k x_j + b_k), with all parameters from a masked network (Huang, Krueger, Lacoste & Courville 2018, DSF).
#[derive(Clone, Copy, Debug)]
pub struct Naf;

impl Family for Naf {
    fn name(&self) -> &'static str {
        "naf"
    }

    fn about(&self) -> &'static str {
        "Neural autoregressive flow of deep sigmoidal maps"
    }

    fn details(&self) -> &'static str {
        "z_j = logit Σ_k w_k sigmoid(a_k x_j + b_k), with all parameters from a masked network (Huang, Krueger, Lacoste & Courville 2018, DSF)."
    }

    fn spaces(&self) -> &'static str {
        "tables of columns of real numbers"
    }

    fn supports(&self, space: &Space) -> bool {
        chain::supports(space)
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
