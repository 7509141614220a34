//! A masked autoregressive flow over mixture-of-Gaussians conditionals.

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{
    Description, Family, FamilyOption, Form, Initial, Recipe, Takes, Triangular,
    chain::{self, Chain},
};
use crate::{
    error::Result,
    network::Network,
    placement::Placement,
    univariate::{Affine, GaussianMixture},
};

/// A masked autoregressive flow whose source is an autoregressive density of mixtures of Gaussians (Papamakarios, Pavlakou & Murray 2017, MAF MoG).
#[derive(Clone, Copy, Debug)]
pub struct MafMog;

impl Family for MafMog {
    fn description(&self) -> Description {
        Description {
            name: "maf_mog",
            about: "Masked autoregressive flow over mixture-of-Gaussians conditionals; the default for tables",
            details: "A masked autoregressive flow whose source is an autoregressive density of mixtures of Gaussians (Papamakarios, Pavlakou & Murray 2017, MAF MoG).",
            takes: Takes::Reals,
        }
    }

    fn options(&self) -> Vec<FamilyOption> {
        let components = chain::COMPONENTS.about("Gaussians of each conditional mixture of the source");
        let own = [vec![chain::LAYERS.or(Initial::Count(3)), components], chain::network_options()].concat();
        [own, vec![chain::MIXING, chain::BATCH_NORM], chain::ends()].concat()
    }

    fn size(&self, recipe: &Recipe) -> usize {
        let law = chain::network_size(recipe, chain::product(&[3, recipe.count(&chain::COMPONENTS), recipe.dim()]));
        chain::flow_size(recipe, recipe.dim().div_ceil(2)).saturating_add(law)
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let chain = Chain::of(recipe, Triangular::Autoregressive, Form::Generative, Arc::new(Affine::default()));
        let layers = chain.build(place, rng)?;
        let law = Arc::new(GaussianMixture(recipe.count(&chain::COMPONENTS)));
        let source = chain::conditionals(recipe, layers.len(), law, place, rng)?;
        chain::flow(recipe, source, layers, place, rng)
    }
}
