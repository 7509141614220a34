//! What a layer's conditioner reads, and which direction of its univariate map U is explicit: two independent choices.
//!
//! | | density form | generative form |
//! |---|---|---|
//! | autoregressive | z_j = U(x_j; θ(x_<j)) | x_j = U(z_j; θ(x_<j)) |
//! | coupling | z_A = U(x_A; θ(x_P)), z_P = x_P | x_A = U(z_A; θ(x_P)), x_P = z_P |
//!
//! All four read the data, so their density takes one pass of the network; couplings also sample in one.

use std::fmt::Debug;
use std::sync::Arc;

use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};

use super::{
    Description, Family, FamilyOption, Initial, Recipe,
    chain::{self, Chain, FORM, TRIANGULAR},
};
use crate::{error::Result, network::Network, placement::Placement, univariate::MonotoneMap};

/// What the parameters of a column read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Triangular {
    /// Every column before it: one masked network.
    #[default]
    Autoregressive,
    /// The half of the columns that stands still; odd and even columns move in turn (Dinh et al. 2015).
    Coupling,
}

/// The direction in which the univariate map is explicit. The other one takes its inverse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// z_j = U(x_j; θ).
    #[default]
    Density,
    /// x_j = U(z_j; θ).
    Generative,
}

/// Where a map ends to bend.
pub(super) const BOUND: FamilyOption =
    FamilyOption::number("bound", "Bound B: the map is curved within [-B, B] and a straight line outside", (0.0, f64::INFINITY), 5.0);

/// A [`Family`] of layers of one univariate map that leaves both choices open: all of it but the map.
pub(super) trait Product: Debug + Sync {
    /// Which direction of the map is explicit unless the user chooses.
    const FORM: &'static str = "density";

    /// Its name, its documentation and the events that it takes.
    fn description(&self) -> Description;

    /// The options of its map.
    fn own(&self) -> Vec<FamilyOption> {
        Vec::new()
    }

    /// U, from x to z in the density form and from z to x in the generative one.
    fn map(&self, recipe: &Recipe) -> Arc<dyn MonotoneMap>;
}

impl<P: Product> Family for P {
    fn description(&self) -> Description {
        Product::description(self)
    }

    fn options(&self) -> Vec<FamilyOption> {
        let own = [vec![chain::LAYERS], self.own(), vec![TRIANGULAR, FORM.or(Initial::Name(P::FORM))]].concat();
        chain::flow_options(&own)
    }

    fn check(&self, recipe: &Recipe) -> Result<()> {
        if recipe.choice::<Triangular>(&TRIANGULAR) == Triangular::Coupling { chain::check_coupling(recipe) } else { Ok(()) }
    }

    fn build(&self, recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
        let layers = Chain::of(recipe, recipe.choice(&TRIANGULAR), recipe.choice(&FORM), self.map(recipe));
        chain::build(recipe, layers, place, rng)
    }
}
