//! One network for every conditional of every set of columns.

use rand_chacha::ChaCha12Rng;

use super::{Description, Family, FamilyOption, Initial, Recipe, chain};
use crate::{
    any_order::{self, AnyOrderConfig},
    conditioner::Activation,
    error::Result,
    network::Network,
    placement::Placement,
};

family! {
    AnyOrder {
        name: "any_order",
        about: "One network for the conditional of each column given any set of the others",
        details: "One residual network gives q(x_j | x_S) for every column j and every set S of other columns (Uria, Murray & Larochelle 2014). It reads the values in S and a mask of S, and a fit draws S at random. Real numbers have mixtures of Gaussians, categories and short ranges of integers a softmax, and other columns discretised logistic mixtures. log_prob is the product of the conditionals in one fixed order.",
        takes: Reals,
    }
}

/// Units of the network.
const WIDTH: FamilyOption = FamilyOption::count("width", "Units of each residual block", (1, 65_536), 256);

impl Family for AnyOrder {
    fn description(&self) -> Description {
        Self::DESCRIPTION
    }

    fn options(&self) -> Vec<FamilyOption> {
        let blocks = chain::LAYERS.or(Initial::Count(3)).about("Residual blocks");
        vec![blocks, WIDTH, chain::COMPONENTS.about("Gaussians of each conditional mixture"), chain::ACTIVATION]
    }

    fn takes_codes(&self) -> bool {
        true
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let config = AnyOrderConfig {
            context_dim: recipe.context_dim(),
            hidden: recipe.count(&WIDTH),
            blocks: recipe.count(&chain::LAYERS),
            activation: recipe.choice::<Activation>(&chain::ACTIVATION),
            components: recipe.count(&chain::COMPONENTS),
        };
        Ok(Network::AnyOrder(any_order::AnyOrder::new(recipe.space(), &config, place, rng)?))
    }
}
