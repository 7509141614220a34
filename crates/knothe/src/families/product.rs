//! What a layer's conditioner reads, and which direction of its univariate map U is explicit: two independent choices.
//!
//! | | density form | generative form |
//! |---|---|---|
//! | autoregressive | z_j = U(x_j; θ(x_<j)) | x_j = U(z_j; θ(x_<j)) |
//! | coupling | z_A = U(x_A; θ(x_P)), z_P = x_P | x_A = U(z_A; θ(x_P)), x_P = z_P |
//!
//! All four read the data, so their density takes one pass of the network; couplings also sample in one.

use std::sync::Arc;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{
    FamilyOption, Initial, Recipe,
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

/// The options of a family that leaves both choices open: `own` first, then those of every flow. `form` is the family's own.
pub(super) fn options(own: &[FamilyOption], form: &'static str) -> Vec<FamilyOption> {
    chain::flow_options(&[own, &[TRIANGULAR, FORM.or(Initial::Name(form))]].concat())
}

/// The form that a recipe asks for.
pub(super) fn form(recipe: &Recipe) -> Form {
    recipe.choice(&FORM)
}

/// What the parameters of a column read in a recipe.
pub(super) fn triangular(recipe: &Recipe) -> Triangular {
    recipe.choice(&TRIANGULAR)
}

/// Checks that the columns can be shared out, where they have to be.
pub(super) fn check(recipe: &Recipe) -> Result<()> {
    if triangular(recipe) == Triangular::Coupling { chain::check_coupling(recipe) } else { Ok(()) }
}

/// At least about how many parameters a flow has whose map takes `parameters` numbers or more for each column.
pub(super) fn size(recipe: &Recipe, parameters: usize) -> usize {
    let moving = if triangular(recipe) == Triangular::Coupling { recipe.dim() / 2 } else { recipe.dim() };
    chain::flow_size(recipe, chain::product(&[parameters, moving]))
}

/// The flow of layers of one univariate map, with the conditioner and the form that a recipe asks for.
pub(super) fn build(recipe: &Recipe, map: Arc<dyn MonotoneMap>, place: &Placement, rng: &mut impl Rng) -> Result<Network> {
    let layers = Chain::of(recipe, triangular(recipe), form(recipe), map).build(place, rng)?;
    let source = chain::source(recipe, place, rng)?;
    chain::flow(recipe, source, layers, place, rng)
}
