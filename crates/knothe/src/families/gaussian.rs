//! The full-covariance Gaussian.

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Recipe, chain};
use crate::{
    Layer,
    error::Result,
    linear::TriangularAffine,
    network::Network,
    order::Order,
    placement::Placement,
    source::{Normal, Source},
};

family! {
    Gaussian {
        name: "gaussian",
        about: "Full-covariance Gaussian, fitted in closed form; linear in the context",
        details: "x = b + C·context + L z with a lower triangular L and z standard normal. The maximum of the likelihood has a closed form, so the fit takes no steps. With the option marginals it is a Gaussian copula.",
        takes: Reals,
    }
}

impl Family for Gaussian {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        vec![chain::MARGINALS]
    }

    fn closed_form(&self) -> bool {
        true
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let layer = TriangularAffine::new(&Order::natural(recipe.dim()), recipe.context_dim(), place);
        let source = Source::Normal(Normal::new(recipe.dim(), place));
        chain::flow(recipe, source, vec![Layer::TriangularAffine(layer)], place, rng)
    }
}
