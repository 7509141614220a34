//! MADE with Bernoulli conditionals (Germain et al. 2015).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Recipe, Takes, chain};
use crate::{error::Result, network::Network, placement::Placement, univariate::Bernoulli};

/// P(x_j = 1 | x_<j) comes from one masked network (Germain, Gregor, Murray & Larochelle 2015). Every column has to hold 0 and 1 alone; log_prob is the log of an exact mass.
#[derive(Clone, Copy, Debug)]
pub struct MadeBinary;

impl Family for MadeBinary {
    fn description(&self) -> Description {
        Description {
            name: "made_binary",
            about: "Masked network with Bernoulli conditionals, for tables of 0 and 1",
            details: "P(x_j = 1 | x_<j) comes from one masked network (Germain, Gregor, Murray & Larochelle 2015). Every column must hold only 0 and 1. log_prob is the exact log-probability.",
            takes: Takes::Binary,
        }
    }

    fn options(&self) -> Vec<FamilyOption> {
        chain::network_options()
    }

    fn size(&self, recipe: &Recipe) -> usize {
        chain::network_size(recipe, recipe.dim())
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let source = chain::conditionals(recipe, 0, Arc::new(Bernoulli), place, rng)?;
        chain::flow(recipe, source, Vec::new(), place, rng)
    }
}
