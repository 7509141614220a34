//! What flows of triangular layers over the columns of a table share: their options, and how layers, mixing and source are joined.

use std::sync::Arc;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{FamilyOption, Form, Initial, Recipe, Setting, Triangular, mixed};
use crate::{
    Compose, Flow, Inverse, Layer,
    conditioner::{Activation, Degrees, MadeConfig},
    error::{Error, Result},
    linear::{ActNorm, BatchNorm, Lu, Permutation, Rotation, RotationStart, TriangularAffine},
    network::Network,
    order::Order,
    placement::Placement,
    random::{Purpose, stream},
    source::{AutoregressiveDensity, Covariance, GaussianMixture, Logistic, Normal, Source, StudentT},
    triangular::{Autoregressive, Coupling, Marginals},
    univariate::{Conditional, Inverted, MonotoneMap},
};

/// Degrees of freedom from which Student's t starts: heavy tails, but a variance.
const DEGREES_OF_FREEDOM: f64 = 5.0;
/// The most columns that are whitened unless the user asks for it: the matrix has as many numbers as all pairs of columns.
const MOST_WHITENED: usize = 1_000;
/// The most columns that are whitened unless the user asks for it where some can be absent: each pattern of absence has a matrix of its own.
const MOST_WHITENED_ABSENT: usize = 32;
/// The least width of a hidden layer, unless another is asked for.
const WIDTH: usize = 128;

/// Layers of a flow.
pub(super) const LAYERS: FamilyOption = FamilyOption::count("layers", "Layers of the flow", (1, 1_000), 5);
/// Widths of hidden layers.
pub(super) const HIDDEN: FamilyOption =
    FamilyOption::counts("hidden", "Widths of the hidden layers of each network", 100, (1, 65_536), Initial::Of(hidden));
/// Whether networks are residual.
pub(super) const RESIDUAL: FamilyOption = FamilyOption::flag("residual", "Add residual connections to the networks");
/// The nonlinearity of networks.
pub(super) const ACTIVATION: FamilyOption =
    FamilyOption::name("activation", "Nonlinearity of the networks; relu is the fastest on large data", &["silu", "relu", "tanh", "elu"]);
/// The degrees of masked networks.
pub(super) const DEGREES: FamilyOption =
    FamilyOption::name("degrees", "How the hidden units of masked networks get their degrees", &["sequential", "random"]);
/// What the parameters of a column read.
pub(super) const TRIANGULAR: FamilyOption = FamilyOption::name(
    "triangular",
    "Inputs of a column's parameters: all earlier columns (autoregressive), or the half that the layer leaves unchanged (coupling)",
    &["autoregressive", "coupling"],
);
/// Which direction of the univariate map is explicit.
pub(super) const FORM: FamilyOption = FamilyOption::name(
    "form",
    "Explicit direction of the univariate map U: z = U(x) (density), or x = U(z) (generative)",
    &["density", "generative"],
);
/// What mixes the columns.
pub(super) const MIXING: FamilyOption =
    FamilyOption::name("mixing", "Mixing of the columns between layers", &["reversed", "random", "lu", "rotation"]);
/// Batch normalisation.
pub(super) const BATCH_NORM: FamilyOption = FamilyOption::flag("batch_norm", "Put batch normalisation between layers");
/// Quantiles of each column next to the data.
pub(super) const MARGINALS: FamilyOption = FamilyOption::count(
    "marginals",
    "Gaussianise each column first, with N quantile bins per column (for example 256); 0 turns this off",
    (0, 65_536),
    0,
);
/// The source density.
pub(super) const SOURCE: FamilyOption =
    FamilyOption::name("source", "Source density; student_t has trained tails", &["normal", "logistic", "student_t", "gaussian_mixture"]);
/// Components of a mixture as the source.
pub(super) const COMPONENTS: FamilyOption =
    FamilyOption::count("components", "Number of Gaussians in the source; used only if the source is gaussian_mixture", (1, 10_000), 10);
/// Standardisation of the columns.
pub(super) const STANDARDISE: FamilyOption = FamilyOption::flag(
    "standardise",
    "Add a layer that standardises the columns; off in `knothe fit` unless set, because the table is standardised already",
);
/// The Gaussian of the training rows next to the data.
pub(super) const WHITEN: FamilyOption = FamilyOption::flag(
    "whiten",
    "Start from the full Gaussian if values can be missing or a column is nearly a linear function of the others (R² above 0.99), by whitening with the training rows",
);
/// The order of the columns.
pub(super) const RANDOM_ORDER: FamilyOption = FamilyOption::flag("random_order", "Draw the order of the columns from the seed");

/// What mixes the columns between two layers of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mixing {
    /// The order is reversed from layer to layer; the halves of couplings move in turn.
    #[default]
    Reversed,
    /// A fixed random permutation.
    Random,
    /// A trained matrix L U.
    Lu,
    /// A trained rotation.
    Rotation,
}

/// The source density of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// Standard normal.
    #[default]
    Normal,
    /// Standard logistic: tails as exp(−|z|).
    Logistic,
    /// Student's t with trained degrees of freedom: power-law tails.
    StudentT,
    /// A joint mixture of Gaussians with trained weights, means and covariances.
    GaussianMixture,
}

/// The options of the masked networks of a layer.
pub(super) fn network_options() -> Vec<FamilyOption> {
    vec![HIDDEN, RESIDUAL, ACTIVATION, DEGREES, RANDOM_ORDER]
}

/// The options of a flow of couplings, whose networks are not masked.
pub(super) fn coupling_options(layers: u64) -> Vec<FamilyOption> {
    let unmasked = |option: &FamilyOption| option.name != RESIDUAL.name && option.name != DEGREES.name;
    flow_options(&[LAYERS.or(Initial::Count(layers))]).into_iter().filter(unmasked).collect()
}

/// The options of a flow of several layers, after `own`.
pub(super) fn flow_options(own: &[FamilyOption]) -> Vec<FamilyOption> {
    let mut all = [own, &network_options(), &[MIXING, BATCH_NORM, SOURCE], &ends()].concat();
    if !own.iter().any(|option| option.name == COMPONENTS.name) {
        all.push(COMPONENTS);
    }
    all
}

/// The options of what stands next to the data.
pub(super) fn ends() -> Vec<FamilyOption> {
    vec![MARGINALS, STANDARDISE.or(Initial::Of(|_| true.into())), WHITEN.or(Initial::Of(|recipe| is_whitened(recipe).into()))]
}

/// Whether the columns of real numbers are whitened unless the user asks for something else.
fn is_whitened(recipe: &Recipe) -> bool {
    recipe.dim() <= MOST_WHITENED && (!mixed::can_be_absent(recipe.space()) || is_small(recipe.dim() - recipe.space().discrete()))
}

/// Whether a Gaussian of so many columns is fast where some of them can be absent.
pub(super) fn is_small(reals: usize) -> bool {
    reals <= MOST_WHITENED_ABSENT
}

/// Two layers of [`WIDTH`] units, or of more where a table has more columns: a masked network needs a unit for each degree. A residual network is a
/// layer and a block of two.
fn hidden(recipe: &Recipe) -> Setting {
    let width = WIDTH.max(recipe.dim().next_multiple_of(64));
    vec![width; if recipe.flag(&RESIDUAL) { 3 } else { 2 }].into()
}

/// Whether couplings can share out the columns and read their networks.
pub(super) fn check_coupling(recipe: &Recipe) -> Result<()> {
    if recipe.dim() < 2 {
        let what = format!("columns of real numbers for the couplings of {}", recipe.name());
        return Err(Error::invalid(what, "at least 2, of which one moves the other (maf takes 1)", recipe.dim()));
    }
    if recipe.flag(&RESIDUAL) {
        return Err(Error::invalid("residual", "false for couplings, whose networks are not masked", true));
    }
    Ok(())
}

/// Triangular layers of one univariate map.
pub(super) struct Chain<'a> {
    recipe: &'a Recipe,
    layers: usize,
    hidden: Vec<usize>,
    triangular: Triangular,
    form: Form,
    /// U, from x to z in the density form and from z to x in the generative one.
    map: Arc<dyn MonotoneMap>,
}

impl<'a> Chain<'a> {
    /// The layers that a recipe asks for.
    pub fn of(recipe: &'a Recipe, triangular: Triangular, form: Form, map: Arc<dyn MonotoneMap>) -> Self {
        Chain { recipe, layers: recipe.count(&LAYERS), hidden: recipe.counts(&HIDDEN), triangular, form, map }
    }

    /// One autoregressive layer, x = U(z), with networks of these hidden layers.
    pub fn single(recipe: &'a Recipe, hidden: Vec<usize>, map: Arc<dyn MonotoneMap>) -> Self {
        Chain { recipe, layers: 1, hidden, triangular: Triangular::Autoregressive, form: Form::Generative, map }
    }

    /// The layers, from the source to the data.
    pub fn build(&self, place: &Placement, rng: &mut impl Rng) -> Result<Vec<Layer>> {
        let (recipe, map) = (self.recipe, &self.map);
        let layer = |k: usize| {
            Ok(match (self.triangular, self.form) {
                (Triangular::Coupling, Form::Density) => Layer::InverseCoupling(Inverse::of(self.coupling(k, place, rng)?)),
                (Triangular::Coupling, Form::Generative) => Layer::Coupling(self.coupling(k, place, rng)?),
                (Triangular::Autoregressive, form) => {
                    let map = if form == Form::Density { map.clone() } else { Arc::new(Inverted(map.clone())) };
                    let network = network(recipe, &self.hidden, k);
                    Layer::InverseAutoregressive(Inverse::of(Autoregressive::new(network, map, place, rng)?))
                }
            })
        };
        (0..self.layers).rev().map(layer).collect()
    }

    /// The k-th coupling from the data: odd and even columns, in the recipe's order, move in turn.
    fn coupling(&self, k: usize, place: &Placement, rng: &mut impl Rng) -> Result<Coupling> {
        let moves: Vec<bool> = order(self.recipe).inverse().columns().iter().map(|rank| (rank + k) % 2 == 1).collect();
        let activation = self.recipe.choice(&ACTIVATION);
        Coupling::new(&moves, self.recipe.context_dim(), &self.hidden, activation, self.map.clone(), place, rng)
    }
}

/// The flow of a recipe's source and layers.
pub(super) fn build(recipe: &Recipe, chain: Chain, place: &Placement, rng: &mut impl Rng) -> Result<Network> {
    let layers = chain.build(place, rng)?;
    let source = source(recipe, place, rng)?;
    flow(recipe, source, layers, place, rng)
}

/// The order of the columns next to the data.
fn order(recipe: &Recipe) -> Order {
    if recipe.flag(&RANDOM_ORDER) {
        Order::random(recipe.dim(), &mut stream(recipe.start_seed(), Purpose::Order, 0))
    } else {
        Order::natural(recipe.dim())
    }
}

/// The masked network of the k-th layer from the data. The order is reversed from layer to layer, unless something else mixes.
pub(super) fn network(recipe: &Recipe, hidden: &[usize], k: usize) -> MadeConfig {
    let order = order(recipe);
    MadeConfig {
        order: if k.is_multiple_of(2) || recipe.choice::<Mixing>(&MIXING) != Mixing::Reversed { order } else { order.reversed() },
        context_dim: recipe.context_dim(),
        hidden: hidden.to_vec(),
        parameters: 0,
        activation: recipe.choice::<Activation>(&ACTIVATION),
        degrees: recipe.choice::<Degrees>(&DEGREES),
        residual: recipe.flag(&RESIDUAL),
    }
}

/// The source that a recipe asks for.
pub(super) fn source(recipe: &Recipe, place: &Placement, rng: &mut impl Rng) -> Result<Source> {
    let dim = recipe.dim();
    Ok(match recipe.choice(&SOURCE) {
        SourceKind::Normal => Source::Normal(Normal::new(dim, place)),
        SourceKind::Logistic => Source::Logistic(Logistic::new(dim, place)),
        SourceKind::StudentT => Source::StudentT(StudentT::new(dim, DEGREES_OF_FREEDOM, place)?),
        SourceKind::GaussianMixture => {
            let covariance = if dim > 1 { Covariance::Full } else { Covariance::Diagonal };
            Source::GaussianMixture(GaussianMixture::new(dim, recipe.count(&COMPONENTS), covariance, place, rng)?)
        }
    })
}

/// A masked network with one conditional law for each column, as the `k`-th layer from the data.
pub(super) fn conditionals(recipe: &Recipe, k: usize, law: Arc<dyn Conditional>, place: &Placement, rng: &mut impl Rng) -> Result<Source> {
    let network = network(recipe, &recipe.counts(&HIDDEN), k);
    Ok(Source::Autoregressive(AutoregressiveDensity::new(network, law, place, rng)?))
}

/// The flow of a source and layers, with mixing and batch normalisation on the source's side of each layer. Next to the data stand the marginals, or else
/// the map that standardises, and after it the map that whitens, in the order of the columns.
pub(super) fn flow(recipe: &Recipe, source: Source, layers: Vec<Layer>, place: &Placement, rng: &mut impl Rng) -> Result<Network> {
    let (dim, mixing) = (recipe.dim(), recipe.choice(&MIXING));
    let mut all = Vec::with_capacity(3 * layers.len() + 1);
    for layer in layers {
        match mixing {
            Mixing::Reversed => {}
            Mixing::Random => all.push(Layer::Permutation(Permutation::new(&Order::random(dim, rng), place))),
            Mixing::Lu => all.push(Layer::Lu(Lu::new(dim, place))),
            Mixing::Rotation => {
                let reflections = dim.next_multiple_of(2);
                all.push(Layer::Rotation(Rotation::new(dim, reflections, RotationStart::Random, place, rng)?));
            }
        }
        if recipe.flag(&BATCH_NORM) {
            all.push(Layer::BatchNorm(BatchNorm::new(dim, place)));
        }
        all.push(layer);
    }
    if recipe.flag(&WHITEN) {
        all.push(Layer::TriangularAffine(TriangularAffine::whitening(&order(recipe), recipe.context_dim(), place)));
    }
    let bins = recipe.count(&MARGINALS);
    if bins > 0 {
        all.push(Layer::Marginals(Marginals::new(dim, bins, place)?));
    } else if recipe.flag(&STANDARDISE) {
        all.push(Layer::ActNorm(ActNorm::standardising(dim, place)));
    }
    Ok(Network::Flow(Flow::new(source, Compose::new(dim, all)?, recipe.context_dim())?))
}
