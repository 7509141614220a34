//! MADE with Bernoulli conditionals (Germain et al. 2015).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{Family, FamilyOption, Recipe, chain};
use crate::{
    error::Result,
    network::Network,
    placement::Placement,
    space::{Law, Shape, Space},
    univariate::Bernoulli,
};

/// P(x_j = 1 | x_<j) comes from one masked network (Germain, Gregor, Murray & Larochelle 2015). Every column has to hold 0 and 1 alone; log_prob is the log of an exact mass.
#[derive(Clone, Copy, Debug)]
pub struct MadeBinary;

impl Family for MadeBinary {
    fn name(&self) -> &'static str {
        "made_binary"
    }

    fn about(&self) -> &'static str {
        "Masked network with Bernoulli conditionals, for tables of 0 and 1"
    }

    fn details(&self) -> &'static str {
        "P(x_j = 1 | x_<j) comes from one masked network (Germain, Gregor, Murray & Larochelle 2015). Every column has to hold 0 and 1 alone; log_prob is the log of an exact mass."
    }

    fn spaces(&self) -> &'static str {
        "tables of columns of 0 and 1"
    }

    fn supports(&self, space: &Space) -> bool {
        matches!(space.shape, Shape::Columns(_)) && space.law() == Some(self.law())
    }

    fn options(&self) -> Vec<FamilyOption> {
        chain::network_options()
    }

    fn law(&self) -> Law {
        Law::Codes(2)
    }

    fn size(&self, recipe: &Recipe) -> usize {
        chain::network_size(recipe, recipe.dim())
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let source = chain::conditionals(recipe, 0, Arc::new(Bernoulli), place, rng)?;
        chain::flow(recipe, source, Vec::new(), place, rng)
    }
}
