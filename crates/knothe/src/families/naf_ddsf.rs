//! The neural autoregressive flow of dense deep sigmoidal maps (Huang et al. 2018).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Recipe, Takes, chain, product};
use crate::{error::Result, network::Network, placement::Placement, univariate::DeepSigmoidal};

/// Units of each layer of the sigmoidal maps.
const COMPONENTS: FamilyOption =
    FamilyOption::count("components", "Units of each layer of the sigmoidal maps, and Gaussians of a gaussian_mixture source", (1, 100), 8);

/// Dense deep sigmoidal maps of two layers, with all parameters from a masked network (Huang, Krueger, Lacoste & Courville 2018, DDSF).
#[derive(Clone, Copy, Debug)]
pub struct NafDdsf;

impl Family for NafDdsf {
    fn description(&self) -> Description {
        Description {
            name: "naf_ddsf",
            about: "Neural autoregressive flow of dense deep sigmoidal maps",
            details: "Dense deep sigmoidal maps of two layers, with all parameters from a masked network (Huang, Krueger, Lacoste & Courville 2018, DDSF).",
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
        let map = DeepSigmoidal { units: recipe.count(&COMPONENTS), ..DeepSigmoidal::default() };
        product::build(recipe, Arc::new(map), place, rng)
    }
}
