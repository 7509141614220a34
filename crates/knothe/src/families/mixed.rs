//! Joins a family of flows to a density of codes, for tables with columns that are not real numbers.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha12Rng;

use super::{Family, GaussianMixture, Recipe, Takes, chain};
use crate::{
    Layer,
    codes::{CodesConfig, CodesDensity},
    density::Density,
    error::{Error, Result},
    linear::{ActNorm, TriangularAffine},
    mixed::Mixed,
    network::{Network, TabularFlow},
    order::Order,
    placement::Placement,
    source::{self, Covariance, Normal, Source},
    space::Space,
};

/// The number of discretised logistic laws per lattice.
const COMPONENTS: usize = 8;

/// Whether a family of flows over real numbers has to be joined to a density of codes.
pub(super) fn has_codes(recipe: &Recipe) -> bool {
    recipe.family().description().takes == Takes::Reals && recipe.space().discrete() > 0 && !recipe.family().takes_codes()
}

/// Builds the density of the codes, with the recipe's hidden layers, and the recipe's flow for the reals.
pub(super) fn build(recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Network> {
    let codes = codes(recipe, place, rng)?;
    let reals = match of_reals(recipe)? {
        Some(own) if can_be_absent(recipe.space()) && own.family().closed_form() => Some(closed_form(&own, place, rng)?),
        Some(own) => Some(flow(&own, place, rng)?),
        None => None,
    };
    if let Some(reals) = reals.as_ref().filter(|_| can_be_absent(recipe.space())) {
        reals.check_absent()?;
    }
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

/// The recipe of the flow for the reals; nothing if there are none. The flow's context is the context followed by the features of the codes.
pub(super) fn of_reals(recipe: &Recipe) -> Result<Option<Recipe>> {
    let space = recipe.space();
    let dim = space.dim() - space.discrete();
    if dim == 0 {
        return Ok(None);
    }
    let context_dim = recipe.context_dim().saturating_add(CodesDensity::features(space));
    let own = Recipe::new(recipe.family(), Space::from(dim)).context(context_dim).seed(recipe.start_seed());
    // Defaults may depend on the number of columns. They are taken for the whole row.
    let own = recipe.family().options().iter().fold(own, |own, option| own.set(option.name, recipe.get(option)));
    own.check()?;
    Ok(Some(own))
}

/// Whether a real can be absent from a row.
pub(super) fn can_be_absent(space: &Space) -> bool {
    (space.discrete()..space.dim()).any(|j| space.parent(j).is_some())
}

/// The Gaussian of reals of which some can be absent; independent normals if there are too many of them. The components of a mixture are independent normals in any case.
fn closed_form(recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<TabularFlow> {
    let dim = recipe.dim();
    let mixture = recipe.name() == GaussianMixture.name();
    let source = if mixture {
        let source = source::GaussianMixture::new(dim, recipe.count(&chain::COMPONENTS), Covariance::Diagonal, place, rng)?;
        Source::GaussianMixture(source.of_data(rng.random()))
    } else {
        Source::Normal(Normal::new(dim, place))
    };
    let layer = if chain::is_small(dim) && !mixture {
        Layer::TriangularAffine(TriangularAffine::fixed(&Order::natural(dim), recipe.context_dim(), place))
    } else {
        Layer::ActNorm(ActNorm::standardising(dim, place))
    };
    as_flow(recipe, chain::flow(recipe, source, vec![layer], place, rng)?)
}

fn flow(recipe: &Recipe, place: &Placement, rng: &mut ChaCha12Rng) -> Result<TabularFlow> {
    as_flow(recipe, recipe.family().build(recipe, place, rng)?)
}

fn as_flow(recipe: &Recipe, network: Network) -> Result<TabularFlow> {
    match network {
        Network::Flow(flow) => Ok(flow),
        _ => Err(Error::Unsupported {
            what: format!("the family {}", recipe.name()),
            reason: "it has no flow of real numbers".into(),
            hint: None,
        }),
    }
}
