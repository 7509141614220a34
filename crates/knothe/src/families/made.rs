//! MADE: Gaussian conditionals from one masked network (Germain et al. 2015).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{
    Description, Family, FamilyOption, Form, Recipe, Takes, Triangular,
    chain::{self, Chain},
};
use crate::{error::Result, network::Network, placement::Placement, univariate::Affine};

/// x_j = σ_j(x_<j) z_j + μ_j(x_<j), all parameters from one masked network (Germain, Gregor, Murray & Larochelle 2015).
#[derive(Clone, Copy, Debug)]
pub struct Made;

impl Family for Made {
    fn description(&self) -> Description {
        Description {
            name: "made",
            about: "Masked network with Gaussian conditionals",
            details: "x_j = σ_j(x_<j) z_j + μ_j(x_<j), all parameters from one masked network (Germain, Gregor, Murray & Larochelle 2015).",
            takes: Takes::Reals,
        }
    }

    fn options(&self) -> Vec<FamilyOption> {
        [chain::network_options(), vec![chain::SOURCE, chain::COMPONENTS], chain::ends()].concat()
    }

    fn size(&self, recipe: &Recipe) -> usize {
        chain::network_size(recipe, recipe.dim()).saturating_add(chain::marginals_size(recipe))
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let chain = Chain {
            recipe,
            layers: 1,
            hidden: recipe.counts(&chain::HIDDEN),
            triangular: Triangular::Autoregressive,
            form: Form::Generative,
            map: Arc::new(Affine::default()),
        };
        let layers = chain.build(place, rng)?;
        let source = chain::source(recipe, place, rng)?;
        chain::flow(recipe, source, layers, place, rng)
    }
}
