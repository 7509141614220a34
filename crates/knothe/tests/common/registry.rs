//! Every bijection and every density by name. The laws run over all of them: a new one is one line here.

pub mod images;
mod linear;
mod own;

use std::sync::Arc;

use burn::{module::Module, tensor::Tensor};
use knothe::{
    Bijection, Compose, Flow, Inverse, Mixture, Never, Partial, Pixelwise, Placement, Result,
    conditioner::{Activation, ConvolutionalConfig, Degrees, MadeConfig, Order, PolynomialConditioner},
    families::{ALL, Family, Range, Recipe},
    fit::Dataset,
    linear::{ActNorm, BatchNorm, Lu, Matrix, Permutation, Rotation, RotationStart, TriangularAffine},
    source::{self, AutoregressiveDensity, Covariance, FullNormal, Logistic, Normal, Source, StudentT},
    space::{ImageShape, Space},
    triangular::{Autoregressive, Coupling, Elementwise, Marginals},
    univariate::{
        self, Affine, Bernoulli, Categorical, Conditional, GaussianMixture, Inverted, LogisticMixture, MonotoneMap, Pushforward,
        RectifiedPolynomial, Scale, Standard,
    },
    values,
};
use rand_chacha::ChaCha12Rng;

use super::own::{Banana, Laplace, OneLayer, Own};

/// A layer of a chain with own layers, unless another type of them is given.
pub type Layer<U = Own> = knothe::Layer<U>;

/// A chain that may have own layers.
pub type Map = Compose<Own>;

/// The number of layers; a chain as a layer counts as the layers that it has.
pub fn depth(map: &Map) -> usize {
    let of = |layer: &Layer| if let Layer::Own(Own::Chain(chain)) = layer { chain.layers().len() } else { 1 };
    map.layers().iter().map(of).sum()
}

type Build<T> = Box<dyn Fn(&Placement, &mut ChaCha12Rng) -> Result<T>>;

/// A map or a density, how it is made, and what is promised of it.
pub struct Entry<T> {
    pub name: String,
    pub dim: usize,
    pub context_dim: usize,
    /// The order in which the map is triangular, if it is.
    pub order: Option<Vec<usize>>,
    /// Whether it starts near the identity.
    pub near_identity: bool,
    pub build: Build<T>,
}

/// A hidden network by its widths, residual or not.
const NETWORKS: [(&[usize], bool); 4] = [(&[], false), (&[8], false), (&[16, 16], false), (&[16, 16, 16], true)];

pub fn affine(scale: Scale) -> Arc<dyn MonotoneMap> {
    Arc::new(Affine { scale })
}

/// The settings of a masked network with one parameter a coordinate.
pub fn made(order: Order, context_dim: usize, hidden: &[usize], residual: bool) -> MadeConfig {
    MadeConfig {
        order,
        context_dim,
        hidden: hidden.to_vec(),
        parameters: 1,
        activation: Activation::Silu,
        degrees: Degrees::Sequential,
        residual,
    }
}

/// One layer.
fn layer(
    name: impl Into<String>,
    (dim, context_dim): (usize, usize),
    order: Option<Vec<usize>>,
    build: impl Fn(&Placement, &mut ChaCha12Rng) -> Result<Layer> + 'static,
) -> Entry<Map> {
    let build: Build<Map> = Box::new(move |place, rng| {
        let layer = build(place, rng)?;
        Map::with_own(layer.dim(), vec![layer])
    });
    Entry { name: name.into(), dim, context_dim, order, near_identity: true, build }
}

/// An autoregressive map, and its inverse.
fn autoregressive(name: &str, config: MadeConfig, map: Arc<dyn MonotoneMap>) -> [Entry<Map>; 2] {
    let dims = (config.order.dim(), config.context_dim);
    let order = Some(config.order.columns().to_vec());
    let (config2, map2) = (config.clone(), map.clone());
    [
        layer(format!("{name}, forward in one pass"), dims, order.clone(), move |place, rng| {
            Ok(Layer::Autoregressive(Autoregressive::new(config.clone(), map.clone(), place, rng)?))
        }),
        layer(format!("{name}, inverse in one pass"), dims, order, move |place, rng| {
            Ok(Layer::InverseAutoregressive(Inverse::of(Autoregressive::new(config2.clone(), map2.clone(), place, rng)?)))
        }),
    ]
}

/// Maps whose parameters are polynomials, with terms of several columns and of the context, and their inverses.
fn polynomials() -> Vec<Entry<Map>> {
    let mut all = Vec::new();
    for (dim, context_dim, degree) in [(1, 0, 3), (3, 0, 3), (3, 2, 2), (5, 0, 1)] {
        let order = Order::natural(dim).reversed();
        let columns = Some(order.columns().to_vec());
        let build = move |place: &Placement| {
            let map = Arc::new(RectifiedPolynomial { degree, bound: 4.0 });
            Autoregressive::of(PolynomialConditioner::of_degree(order.clone(), context_dim, degree, place)?, map)
        };
        let (build2, name) = (build.clone(), format!("polynomials of degree {degree}, D = {dim}, context {context_dim}"));
        all.push(layer(format!("{name}, forward in one pass"), (dim, context_dim), columns.clone(), move |place, _| {
            Ok(Layer::Polynomial(build(place)?))
        }));
        all.push(layer(format!("{name}, inverse in one pass"), (dim, context_dim), columns, move |place, _| {
            Ok(Layer::InversePolynomial(Inverse::of(build2(place)?)))
        }));
    }
    all
}

/// A coupling of alternating columns, and its inverse. The columns that stand still come first in its order.
fn coupling(name: &str, dim: usize, context_dim: usize, hidden: &'static [usize], map: Arc<dyn MonotoneMap>) -> [Entry<Map>; 2] {
    let moves: Vec<bool> = (0..dim).map(|j| j % 2 == 0).collect();
    let order = Some((0..dim).filter(|j| j % 2 == 1).chain((0..dim).filter(|j| j % 2 == 0)).collect());
    let build = move |place: &Placement, rng: &mut ChaCha12Rng| {
        Coupling::new(&moves, context_dim, hidden, Activation::Silu, map.clone(), place, rng)
    };
    let build2 = build.clone();
    [
        layer(name, (dim, context_dim), order.clone(), move |p, r| Ok(Layer::Coupling(build(p, r)?))),
        layer(format!("inverse {name}"), (dim, context_dim), order, move |p, r| Ok(Layer::InverseCoupling(Inverse::of(build2(p, r)?)))),
    ]
}

/// A masked autoregressive flow of `count` layers in alternating orders.
fn flow_of(count: usize, dim: usize, context_dim: usize) -> Entry<Map> {
    let build: Build<Map> = Box::new(move |place, rng| {
        let order = |k: usize| if k.is_multiple_of(2) { Order::natural(dim) } else { Order::natural(dim).reversed() };
        let config = |k| MadeConfig { activation: Activation::Tanh, ..made(order(k), context_dim, &[16], false) };
        let one = |k, rng: &mut _| Autoregressive::new(config(k), affine(Scale::Exp), place, rng);
        let layers = (0..count).map(|k| Ok(Layer::InverseAutoregressive(Inverse::of(one(k, rng)?)))).collect::<Result<_>>()?;
        Map::with_own(dim, layers)
    });
    Entry {
        name: format!("composition of {count}, D = {dim}, context {context_dim}"),
        dim,
        context_dim,
        order: None,
        near_identity: true,
        build,
    }
}

/// Every bijection.
pub fn bijections() -> Vec<Entry<Map>> {
    let mut all = Vec::new();
    for dim in [1, 2, 5] {
        for context_dim in [0, 2] {
            for (hidden, residual) in NETWORKS {
                let name = format!("affine, D = {dim}, context {context_dim}, hidden {hidden:?}, residual {residual}");
                all.extend(autoregressive(&name, made(Order::natural(dim), context_dim, hidden, residual), affine(Scale::Exp)));
            }
            all.push(flow_of(3, dim, context_dim));
        }
    }
    for scale in [Scale::Exp, Scale::Softplus, Scale::Sigmoid, Scale::One] {
        let first = all.len();
        let config = made(Order::natural(5).reversed(), 2, &[16, 16], false);
        all.extend(autoregressive(&format!("affine {scale:?}, reversed"), config.clone(), affine(scale)));
        let random = MadeConfig { degrees: Degrees::Random, activation: Activation::Tanh, ..config };
        all.extend(autoregressive(&format!("inverted affine {scale:?}"), random, Arc::new(Inverted(Affine { scale }))));
        all.extend(coupling(&format!("coupling {scale:?}"), 5, 2, &[16, 16], affine(scale)));
        for context_dim in [0, 2] {
            let name = format!("elementwise {scale:?}, context {context_dim}");
            all.push(layer(name, (5, context_dim), Some((0..5).collect()), move |place, _| {
                Ok(Layer::Elementwise(Elementwise::new(5, context_dim, affine(scale), place)))
            }));
        }
        all[first..].iter_mut().for_each(|entry| entry.near_identity = scale != Scale::Sigmoid);
    }
    for (name, map) in univariate::all() {
        all.extend(autoregressive(name, made(Order::natural(3), 2, &[16, 16], false), map.clone()));
        // Of couplings the two forms are each other's inverse; of autoregressive maps they are not.
        all.extend(coupling(&format!("{name} coupling"), 3, 0, &[16], map.clone()));
        let [_, generative] =
            autoregressive(&format!("generative {name}"), made(Order::natural(3), 2, &[16, 16], false), Arc::new(Inverted(map.clone())));
        all.push(generative);
        all.push(layer(format!("elementwise {name}"), (2, 0), Some(vec![0, 1]), move |place, _| {
            Ok(Layer::Elementwise(Elementwise::new(2, 0, map.clone(), place)))
        }));
    }
    all.extend(polynomials());
    all.extend(linear::linear());
    all.extend(images::images());
    all.extend(own::own());
    all.extend(coupling("coupling of two columns", 2, 0, &[], affine(Scale::Exp)));
    all.push(Entry {
        name: "no layer".into(),
        dim: 3,
        context_dim: 0,
        order: Some(vec![0, 1, 2]),
        near_identity: true,
        build: Box::new(|_, _| Map::with_own(3, Vec::new())),
    });
    all
}

/// A density over the reals: a source under a map.
pub type Real = Flow<Source, Map>;

/// A source under three masked layers, or under none.
fn density(
    name: &str,
    (dim, context_dim): (usize, usize),
    layers: usize,
    source: impl Fn(&Placement, &mut ChaCha12Rng) -> Result<Source> + 'static,
) -> Entry<Real> {
    let build: Build<Real> = Box::new(move |place, rng| {
        let map = (flow_of(layers, dim, context_dim).build)(place, rng)?;
        Flow::new(source(place, rng)?, map, context_dim)
    });
    Entry {
        name: format!("{name}, D = {dim}, context {context_dim}, {layers} layers"),
        dim,
        context_dim,
        order: None,
        near_identity: true,
        build,
    }
}

/// A standard normal under one masked layer of a map, with context.
fn one_layer(name: &str, map: Arc<dyn MonotoneMap>) -> Entry<Real> {
    let build: Build<Real> = Box::new(move |place, rng| {
        let config = MadeConfig { activation: Activation::Tanh, ..made(Order::natural(2), 2, &[16], false) };
        let layer = Layer::InverseAutoregressive(Inverse::of(Autoregressive::new(config, map.clone(), place, rng)?));
        Flow::new(Source::Normal(Normal::new(2, place)), Map::with_own(2, vec![layer])?, 2)
    });
    Entry { name: format!("normal under a {name}"), dim: 2, context_dim: 2, order: None, near_identity: true, build }
}

/// An autoregressive density of a conditional law.
pub fn conditionals(context_dim: usize, dim: usize, law: Arc<dyn Conditional>, place: &Placement, rng: &mut ChaCha12Rng) -> Result<Source> {
    let config = MadeConfig { activation: Activation::Tanh, ..made(Order::natural(dim).reversed(), context_dim, &[12], false) };
    Ok(Source::Autoregressive(AutoregressiveDensity::new(config, law, place, rng)?))
}

/// Every conditional law over the reals.
fn laws() -> Vec<(&'static str, Arc<dyn Conditional>)> {
    vec![
        ("Gaussian mixture of 1", Arc::new(GaussianMixture(1))),
        ("Gaussian mixture of 3", Arc::new(GaussianMixture(3))),
        ("logistic mixture of 3", Arc::new(LogisticMixture(3))),
        ("normal pushed forward", Arc::new(Pushforward { source: Standard::Normal, map: affine(Scale::Exp) })),
        ("logistic pushed forward", Arc::new(Pushforward { source: Standard::Logistic, map: affine(Scale::Softplus) })),
    ]
}

/// Every density of masses over 0, 1, …, `support` − 1.
pub fn masses() -> Vec<(Entry<Source>, usize)> {
    let mut all = Vec::new();
    for (name, law, support) in
        [("Bernoulli", Arc::new(Bernoulli) as Arc<dyn Conditional>, 2), ("categorical of 3", Arc::new(Categorical(3)), 3)]
    {
        for (dim, context_dim) in [(1, 0), (3, 0), (3, 2)] {
            let law = law.clone();
            let build: Build<Source> = Box::new(move |place, rng| conditionals(context_dim, dim, law.clone(), place, rng));
            let name = format!("{name}, D = {dim}, context {context_dim}");
            all.push((Entry { name, dim, context_dim, order: None, near_identity: true, build }, support));
        }
    }
    all
}

/// Mixtures of flows of different families: a normal under layers, Student's t, and a mixture of Gaussians.
pub fn mixtures() -> Vec<Entry<Mixture<Real>>> {
    let one = |(dim, context_dim): (usize, usize)| {
        let build: Build<Mixture<Real>> = Box::new(move |place, rng| {
            let normal =
                Flow::new(Source::Normal(Normal::new(dim, place)), (flow_of(2, dim, context_dim).build)(place, rng)?, context_dim)?;
            let tails = Source::StudentT(StudentT::new(dim, 5.0, place)?);
            let tails = Flow::new(tails, (flow_of(1, dim, context_dim).build)(place, rng)?, context_dim)?;
            let apart = Source::GaussianMixture(source::GaussianMixture::new(dim, 3, Covariance::Diagonal, place, rng)?);
            let apart = Flow::new(apart, Map::with_own(dim, Vec::new())?, context_dim)?;
            Mixture::weighted(vec![normal, tails, apart], vec![0.5, 0.3, 0.2])
        });
        let name = format!("mixture of three, D = {dim}, context {context_dim}");
        Entry { name, dim, context_dim, order: None, near_identity: true, build }
    };
    [(1, 0), (2, 0), (2, 2), (5, 0)].map(one).into()
}

/// Every density over the reals.
pub fn densities() -> Vec<Entry<Real>> {
    let mut all = Vec::new();
    for dim in [1, 2, 5] {
        all.push(density("normal", (dim, 0), 0, move |place, _| Ok(Source::Normal(Normal::new(dim, place)))));
        for context_dim in [0, 2] {
            all.push(density("normal", (dim, context_dim), 3, move |place, _| Ok(Source::Normal(Normal::new(dim, place)))));
        }
    }
    for dim in [1, 2, 5] {
        all.push(density("logistic", (dim, 0), 0, move |place, _| Ok(Source::Logistic(Logistic::new(dim, place)))));
        all.push(density("Student's t", (dim, 0), 0, move |place, _| Ok(Source::StudentT(StudentT::new(dim, 5.0, place)?))));
        all.push(density("full normal", (dim, 0), 0, move |place, _| Ok(Source::FullNormal(FullNormal::new(dim, place)))));
        for covariance in [Covariance::Diagonal, Covariance::Full] {
            all.push(density(&format!("{covariance:?} mixture"), (dim, 0), 0, move |place, rng| {
                Ok(Source::GaussianMixture(source::GaussianMixture::new(dim, 3, covariance, place, rng)?))
            }));
        }
    }
    for (name, map) in univariate::all() {
        all.push(one_layer(name, map));
    }
    all.push(density("Student's t", (2, 2), 2, move |place, _| Ok(Source::StudentT(StudentT::new(2, 5.0, place)?))));
    for (name, law) in laws() {
        for (dim, context_dim, layers) in [(1, 0, 0), (2, 0, 0), (2, 2, 0), (5, 0, 0), (2, 2, 2)] {
            let law = law.clone();
            all.push(density(name, (dim, context_dim), layers, move |place, rng| conditionals(context_dim, dim, law.clone(), place, rng)));
        }
    }
    all
}

/// Densities whose source is not built in.
pub fn own_densities() -> Vec<Entry<Flow<Laplace, Map>>> {
    let one = |(dim, layers, context_dim): (usize, usize, usize)| {
        let build: Build<Flow<Laplace, Map>> = Box::new(move |place, rng| {
            Flow::new(Laplace::new(dim, place), (flow_of(layers, dim, context_dim).build)(place, rng)?, context_dim)
        });
        let name = format!("own source, D = {dim}, context {context_dim}, {layers} layers");
        Entry { name, dim, context_dim, order: None, near_identity: true, build }
    };
    [(1, 0, 0), (2, 0, 0), (2, 2, 2), (5, 1, 0)].map(one).into()
}
