//! A masked autoregressive flow over mixture-of-Gaussians conditionals.

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{
    Description, Family, FamilyOption, Form, Initial, Recipe, Triangular,
    chain::{self, Chain},
};
use crate::{
    error::Result,
    network::Network,
    placement::Placement,
    univariate::{Affine, GaussianMixture},
};

family! {
    MafMog {
        name: "maf_mog",
        about: "Masked autoregressive flow over mixture-of-Gaussians conditionals; the default for tables",
        details: "A masked autoregressive flow whose source is an autoregressive density of mixtures of Gaussians (Papamakarios, Pavlakou & Murray 2017, MAF MoG).",
        takes: Reals,
    }
}

impl Family for MafMog {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        let components = chain::COMPONENTS.about("Gaussians of each conditional mixture of the source");
        let own = [vec![chain::LAYERS.or(Initial::Count(3)), components], chain::network_options()].concat();
        [own, vec![chain::MIXING, chain::BATCH_NORM], chain::ends()].concat()
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let chain = Chain::of(recipe, Triangular::Autoregressive, Form::Generative, Arc::new(Affine::default()));
        let layers = chain.build(place, rng)?;
        let law = Arc::new(GaussianMixture(recipe.count(&chain::COMPONENTS)));
        let source = chain::conditionals(recipe, layers.len(), law, place, rng)?;
        chain::flow(recipe, source, layers, place, rng)
    }
}
