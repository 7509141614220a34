//! How each model is put together.

use std::sync::Arc;

use rand::Rng;

use super::{Architecture, Model, TabularFlow};
use crate::{
    Compose, Flow, Inverse, Layer,
    conditioner::{MadeConfig, Order},
    error::Result,
    linear::TriangularAffine,
    placement::Placement,
    source::{Normal, Source},
    triangular::{Autoregressive, AutoregressiveDensity, Coupling, Elementwise},
    univariate::{Affine, Bernoulli, Conditional, GaussianMixture, Inverted, MonotoneMap, Scale},
};

pub(super) fn build(a: &Architecture, place: &Placement, rng: &mut impl Rng) -> Result<TabularFlow> {
    let normal = Source::Normal(Normal::new(a.dim, place));
    let (source, layers) = match a.model {
        Model::Gaussian => (normal, vec![Layer::TriangularAffine(TriangularAffine::new(&Order::natural(a.dim), a.context_dim, place))]),
        Model::ArGaussian => (normal, masked_autoregressive(&Architecture { layers: 1, hidden: vec![], ..a.clone() }, place, rng)?),
        Model::Made => (normal, masked_autoregressive(&Architecture { layers: 1, ..a.clone() }, place, rng)?),
        Model::MadeMog => (conditionals(a, Arc::new(GaussianMixture(a.components)), place, rng)?, vec![]),
        Model::MadeBinary => (conditionals(a, Arc::new(Bernoulli), place, rng)?, vec![]),
        Model::Maf => (normal, masked_autoregressive(a, place, rng)?),
        Model::MafMog => (conditionals(a, Arc::new(GaussianMixture(a.components)), place, rng)?, masked_autoregressive(a, place, rng)?),
        Model::Iaf => (normal, inverse_autoregressive(a, place, rng)?),
        Model::Nice => {
            let mut layers = couplings(a, Scale::One, place, rng)?;
            layers.push(Layer::Elementwise(Elementwise::new(a.dim, Arc::new(Affine::default()), place)));
            (normal, layers)
        }
        Model::RealNvp => (normal, couplings(a, Scale::Exp, place, rng)?),
    };
    Flow::new(source, Compose::new(a.dim, layers), a.context_dim)
}

/// z_j = (x_j − μ_j(x_<j)) / σ_j(x_<j), the order reversed from layer to layer, natural next to the data.
fn masked_autoregressive(a: &Architecture, place: &Placement, rng: &mut impl Rng) -> Result<Vec<Layer>> {
    let map: Arc<dyn MonotoneMap> = Arc::new(Inverted(Affine::default()));
    let layer = |k| Autoregressive::new(network(a, k), map.clone(), place, rng).map(|m| Layer::InverseAutoregressive(Inverse::of(m)));
    (0..a.layers).rev().map(layer).collect()
}

/// x_j = σ_j(z_<j) z_j + μ_j(z_<j), the order reversed from layer to layer.
fn inverse_autoregressive(a: &Architecture, place: &Placement, rng: &mut impl Rng) -> Result<Vec<Layer>> {
    let map: Arc<dyn MonotoneMap> = Arc::new(Affine::default());
    (0..a.layers).rev().map(|k| Autoregressive::new(network(a, k), map.clone(), place, rng).map(Layer::Autoregressive)).collect()
}

/// Affine couplings z_A = (x_A − t(x_P)) / σ(x_P); even and odd columns move in turn.
fn couplings(a: &Architecture, scale: Scale, place: &Placement, rng: &mut impl Rng) -> Result<Vec<Layer>> {
    let map: Arc<dyn MonotoneMap> = Arc::new(Affine { scale });
    let layer = |k: usize| {
        let moves: Vec<bool> = (0..a.dim).map(|j| (j + k) % 2 == 1).collect();
        Coupling::new(&moves, a.context_dim, &a.hidden, a.activation, map.clone(), place, rng).map(Layer::Coupling)
    };
    (0..a.layers).rev().map(layer).collect()
}

/// A masked network with one conditional law a column; its order is the one that comes next after the layers.
fn conditionals(a: &Architecture, law: Arc<dyn Conditional>, place: &Placement, rng: &mut impl Rng) -> Result<Source> {
    let next = if a.model == Model::MafMog { a.layers } else { 0 };
    Ok(Source::Autoregressive(AutoregressiveDensity::new(network(a, next), law, place, rng)?))
}

/// The masked network of the k-th layer from the data.
fn network(a: &Architecture, k: usize) -> MadeConfig {
    let natural = Order::natural(a.dim);
    MadeConfig {
        order: if k % 2 == 0 { natural } else { natural.reversed() },
        context_dim: a.context_dim,
        hidden: a.hidden.clone(),
        parameters: 0,
        activation: a.activation,
        degrees: a.degrees,
        residual: a.residual,
    }
}
