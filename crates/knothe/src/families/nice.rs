//! NICE (Dinh et al. 2015).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{
    Description, Family, FamilyOption, Form, Recipe, Triangular,
    chain::{self, Chain},
};
use crate::{
    Layer,
    error::Result,
    network::Network,
    placement::Placement,
    triangular::Elementwise,
    univariate::{Affine, Scale},
};

family! {
    Nice {
        name: "nice",
        about: "Additive couplings and one scaling",
        details: "x_A = z_A + μ(z_P), x_P = z_P, and one scale for each column at the source (Dinh, Krueger & Bengio 2015). Density and samples take one pass.",
        takes: Reals,
    }
}

impl Family for Nice {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        chain::coupling_options(8)
    }

    fn check(&self, recipe: &Recipe) -> Result<()> {
        chain::check_coupling(recipe)
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let scaling = Elementwise::new(recipe.dim(), 0, Arc::new(Affine::default()), place);
        let chain = Chain::of(recipe, Triangular::Coupling, Form::Generative, Arc::new(Affine { scale: Scale::One }));
        let mut layers = vec![Layer::Elementwise(scaling)];
        layers.extend(chain.build(place, rng)?);
        let source = chain::source(recipe, place, rng)?;
        chain::flow(recipe, source, layers, place, rng)
    }
}
