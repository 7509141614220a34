//! MADE with conditionals that are mixtures of Gaussians.

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Recipe, chain};
use crate::{error::Result, network::Network, placement::Placement, univariate::GaussianMixture};

family! {
    MadeMog {
        name: "made_mog",
        about: "Masked network with mixture-of-Gaussians conditionals",
        details: "q(x_j | x_<j) is a mixture of Gaussians whose weights, means and deviations come from one masked network (Germain et al. 2015; Papamakarios, Pavlakou & Murray 2017).",
        takes: Reals,
    }
}

impl Family for MadeMog {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        let components = chain::COMPONENTS.about("Gaussians of each conditional mixture");
        [vec![components], chain::network_options(), chain::ends()].concat()
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let law = Arc::new(GaussianMixture(recipe.count(&chain::COMPONENTS)));
        let source = chain::conditionals(recipe, 0, law, place, rng)?;
        chain::flow(recipe, source, Vec::new(), place, rng)
    }
}
