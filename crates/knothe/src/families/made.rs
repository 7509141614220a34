//! MADE: Gaussian conditionals from one masked network (Germain et al. 2015).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{
    Family, FamilyOption, Form, Recipe, Triangular,
    chain::{self, Chain},
};
use crate::{error::Result, network::Network, placement::Placement, space::Space, univariate::Affine};

/// x_j = σ_j(x_<j) z_j + μ_j(x_<j), all parameters from one masked network (Germain, Gregor, Murray & Larochelle 2015).
#[derive(Clone, Copy, Debug)]
pub struct Made;

impl Family for Made {
    fn name(&self) -> &'static str {
        "made"
    }

    fn about(&self) -> &'static str {
        "Masked network with Gaussian conditionals"
    }

    fn details(&self) -> &'static str {
        "x_j = σ_j(x_<j) z_j + μ_j(x_<j), all parameters from one masked network (Germain, Gregor, Murray & Larochelle 2015)."
    }

    fn spaces(&self) -> &'static str {
        "tables of columns of real numbers"
    }

    fn supports(&self, space: &Space) -> bool {
        chain::supports(space)
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
