//! Families of flows for tables with columns that are not real numbers: the flow of the reals, given the codes.

use rand::Rng;
use rand_chacha::ChaCha12Rng;

use super::{Recipe, Takes, chain};
use crate::{
    codes::{CodesConfig, CodesDensity},
    error::{Error, Result},
    mixed::Mixed,
    network::{Network, TabularFlow},
    placement::Placement,
    space::Space,
};

/// Discretised logistic laws of each lattice.
const COMPONENTS: usize = 8;

/// Whether a family of flows over real numbers has to be joined to a density of codes.
pub(super) fn has_codes(recipe: &Recipe) -> bool {
    recipe.family().description().takes == Takes::Reals && recipe.space().discrete() > 0
}

/// The density of the codes, with the hidden layers that a recipe asks for, and the recipe's flow of the reals.
pub(super) fn build(recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
    let codes = codes(recipe, place, rng)?;
    let reals = match of_reals(recipe)? {
        Some(recipe) => Some(flow(&recipe, place, rng)?),
        None => None,
    };
    Ok(Network::Mixed(Mixed::new(codes, reals)?))
}

fn codes(recipe: &Recipe, place: &Placement, rng: &mut impl Rng) -> Result<CodesDensity> {
    let (space, context_dim) = (recipe.space(), recipe.context_dim());
    if recipe.family().closed_form() {
        return CodesDensity::independent(space, context_dim, place);
    }
    let (hidden, activation) = (recipe.counts(&chain::HIDDEN), recipe.choice(&chain::ACTIVATION));
    CodesDensity::new(space, &CodesConfig { context_dim, hidden, activation, components: COMPONENTS }, place, rng)
}

/// The recipe of the flow of the reals, whose context is the context and then the features of the codes; none without reals.
pub(super) fn of_reals(recipe: &Recipe) -> Result<Option<Recipe>> {
    let space = recipe.space();
    let dim = space.dim() - space.discrete();
    if dim == 0 {
        return Ok(None);
    }
    let context_dim = recipe.context_dim().saturating_add(CodesDensity::features(space));
    let own = Recipe::new(recipe.family(), Space::from(dim)).context(context_dim).seed(recipe.start_seed());
    // Defaults can depend on the number of columns: they are those of the whole row.
    let own = recipe.family().options().iter().fold(own, |own, option| own.set(option.name, recipe.get(option)));
    own.check()?;
    Ok(Some(own))
}

fn flow(recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<TabularFlow> {
    match recipe.family().build(recipe, place, rng)? {
        Network::Flow(flow) => Ok(flow),
        _ => Err(Error::Unsupported {
            what: format!("the family {}", recipe.name()),
            reason: "it has no flow of real numbers".into(),
            hint: None,
        }),
    }
}
