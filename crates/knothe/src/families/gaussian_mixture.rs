//! A mixture of Gaussians, fitted by the EM algorithm.

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Recipe, chain};
use crate::{
    Layer,
    error::Result,
    linear::TriangularAffine,
    network::Network,
    order::Order,
    placement::Placement,
    source::{self, Covariance, Source},
};

family! {
    GaussianMixture {
        name: "gaussian_mixture",
        about: "Mixture of full-covariance Gaussians, fitted by the EM algorithm; its mean is linear in the context",
        details: "x = b + C·context + L z with z ~ Σ_k π_k N(μ_k, Σ_k). b, C and L come from the family gaussian. The EM algorithm (Dempster, Laird & Rubin 1977) fits the mixture, so the fit takes no gradient steps. Each covariance is estimated from the rows of its component and dim + 2 additional rows with covariance I / K^(2/dim) (Fraley & Raftery 2007). These rows keep every component from collapsing. If values can be missing, the covariances are diagonal and the mixture does not depend on the context.",
        takes: Reals,
    }
}

impl Family for GaussianMixture {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        vec![chain::COMPONENTS.about("Number of Gaussians in the mixture"), chain::MARGINALS]
    }

    fn closed_form(&self) -> bool {
        true
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let dim = recipe.dim();
        let layer = TriangularAffine::fixed(&Order::natural(dim), recipe.context_dim(), place);
        let covariance = if dim > 1 { Covariance::Full } else { Covariance::Diagonal };
        let source = source::GaussianMixture::new(dim, recipe.count(&chain::COMPONENTS), covariance, place, rng)?;
        let source = Source::GaussianMixture(source.of_data(rng.random()));
        chain::flow(recipe, source, vec![Layer::TriangularAffine(layer)], place, rng)
    }
}
