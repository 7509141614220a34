//! MADE with conditionals that are mixtures of Gaussians.

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Recipe, Takes, chain};
use crate::{error::Result, network::Network, placement::Placement, univariate::GaussianMixture};

/// q(x_j | x_<j) is a mixture of Gaussians whose weights, means and deviations come from one masked network (Germain et al. 2015; Papamakarios, Pavlakou & Murray 2017).
#[derive(Clone, Copy, Debug)]
pub struct MadeMog;

impl Family for MadeMog {
    fn description(&self) -> Description {
        Description {
            name: "made_mog",
            about: "Masked network with mixture-of-Gaussians conditionals",
            details: "q(x_j | x_<j) is a mixture of Gaussians whose weights, means and deviations come from one masked network (Germain et al. 2015; Papamakarios, Pavlakou & Murray 2017).",
            takes: Takes::Reals,
        }
    }

    fn options(&self) -> Vec<FamilyOption> {
        let components = chain::COMPONENTS.about("Gaussians of each conditional mixture");
        [vec![components], chain::network_options(), chain::ends()].concat()
    }

    fn size(&self, recipe: &Recipe) -> usize {
        chain::network_size(recipe, chain::product(&[3, recipe.count(&chain::COMPONENTS), recipe.dim()]))
            .saturating_add(chain::marginals_size(recipe))
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let law = Arc::new(GaussianMixture(recipe.count(&chain::COMPONENTS)));
        let source = chain::conditionals(recipe, 0, law, place, rng)?;
        chain::flow(recipe, source, Vec::new(), place, rng)
    }
}
