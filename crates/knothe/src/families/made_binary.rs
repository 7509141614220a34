//! MADE with Bernoulli conditionals (Germain et al. 2015).

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Recipe, chain};
use crate::{error::Result, network::Network, placement::Placement, univariate::Bernoulli};

family! {
    MadeBinary {
        name: "made_binary",
        about: "Masked network with Bernoulli conditionals, for tables of 0 and 1",
        details: "P(x_j = 1 | x_<j) comes from one masked network (Germain, Gregor, Murray & Larochelle 2015). Every column must hold only 0 and 1. log_prob is the exact log-probability.",
        takes: Binary,
    }
}

impl Family for MadeBinary {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        chain::network_options()
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let source = chain::conditionals(recipe, 0, Arc::new(Bernoulli), place, rng)?;
        chain::flow(recipe, source, Vec::new(), place, rng)
    }
}
