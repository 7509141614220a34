//! Flows of mixture-of-logistics distribution functions (Ho et al. 2019).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Recipe, Takes, chain, product};
use crate::{
    error::Result,
    network::Network,
    placement::Placement,
    univariate::{self, Affine, Composed, Standard},
};

/// Logistic laws of each mixture.
const COMPONENTS: FamilyOption =
    FamilyOption::count("components", "Logistic distributions of each mixture, and Gaussians of a gaussian_mixture source", (1, 500), 8);

/// Each layer is the distribution function of a mixture of logistic laws before a conditional scale and shift (the univariate map of Flow++, Ho et al. 2019).
#[derive(Clone, Copy, Debug)]
pub struct MixtureCdf;

impl Family for MixtureCdf {
    fn description(&self) -> Description {
        Description {
            name: "mixture_cdf",
            about: "Flow of mixture-of-logistics distribution functions",
            details: "z_j = a logit Σ_k w_k sigmoid((x_j − m_k)/s_k) + b, with all parameters from a masked network (the univariate map of Flow++, Ho et al. 2019).",
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
        let cdf = univariate::MixtureCdf { law: Standard::Logistic, components: recipe.count(&COMPONENTS) };
        product::build(recipe, Arc::new(Composed(cdf, Affine::default())), place, rng)
    }
}
