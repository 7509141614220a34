//! Gaussian conditionals that are linear in the columns before.

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{
    Description, Family, FamilyOption, Form, Recipe, Takes, Triangular,
    chain::{self, Chain},
};
use crate::{error::Result, network::Network, placement::Placement, univariate::Affine};

/// x_j = σ_j z_j + μ_j, where μ_j and log σ_j are linear in the columns before it and in the context.
#[derive(Clone, Copy, Debug)]
pub struct ArGaussian;

impl Family for ArGaussian {
    fn description(&self) -> Description {
        Description {
            name: "ar_gaussian",
            about: "Autoregressive model with Gaussian conditionals, linear in the columns before",
            details: "x_j = σ_j z_j + μ_j, where μ_j and log σ_j are linear in the columns before it and in the context. Use it as a simple baseline whose scale may depend on the earlier columns.",
            takes: Takes::Reals,
        }
    }

    fn options(&self) -> Vec<FamilyOption> {
        [vec![chain::SOURCE, chain::COMPONENTS, chain::RANDOM_ORDER], chain::ends()].concat()
    }

    fn size(&self, recipe: &Recipe) -> usize {
        chain::product(&[recipe.dim(), recipe.dim()]) / 2
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let chain = Chain {
            recipe,
            layers: 1,
            hidden: Vec::new(),
            triangular: Triangular::Autoregressive,
            form: Form::Generative,
            map: Arc::new(Affine::default()),
        };
        let layers = chain.build(place, rng)?;
        let source = chain::source(recipe, place, rng)?;
        chain::flow(recipe, source, layers, place, rng)
    }
}
