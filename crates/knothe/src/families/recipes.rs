//! How each model is put together.

use std::sync::Arc;

use rand::Rng;

use super::{Architecture, Form, Mixing, Model, SourceKind, TabularFlow, Triangular};
use crate::{
    Compose, Flow, Inverse, Layer,
    conditioner::MadeConfig,
    error::Result,
    linear::{BatchNorm, Lu, Permutation, Rotation, RotationStart, TriangularAffine},
    order::Order,
    placement::Placement,
    random::{Purpose, stream},
    source::{Covariance, GaussianMixture as JointMixture, Logistic, Normal, Source, StudentT},
    triangular::{Autoregressive, AutoregressiveDensity, Coupling, Elementwise, Marginals},
    univariate::{
        Affine, Bernoulli, Composed, Conditional, DeepSigmoidal, GaussianMixture, Inverted, MixtureCdf, MonotoneMap, Scale, Sigmoidal,
        Spline, Standard, SumOfSquares,
    },
};

/// Degrees of freedom from which Student's t starts: heavy tails, but a variance.
const DEGREES_OF_FREEDOM: f64 = 5.0;

pub(super) fn build(a: &Architecture, place: &Placement, rng: &mut impl Rng) -> Result<TabularFlow> {
    let one_layer = |hidden: &[usize]| Architecture { layers: 1, hidden: hidden.to_vec(), ..a.clone() };
    let layers = match a.model {
        Model::Gaussian => vec![Layer::TriangularAffine(TriangularAffine::new(&Order::natural(a.dim), a.context_dim, place))],
        Model::ArGaussian => layers(&one_layer(&[]), place, rng)?,
        Model::Made => layers(&one_layer(&a.hidden), place, rng)?,
        Model::MadeMog | Model::MadeBinary => vec![],
        Model::Iaf => inverse_autoregressive(a, place, rng)?,
        Model::Nice => {
            let mut all = vec![Layer::Elementwise(Elementwise::new(a.dim, 0, Arc::new(Affine::default()), place))];
            all.extend(layers(a, place, rng)?);
            all
        }
        Model::Maf | Model::MafMog | Model::RealNvp | Model::Nsf | Model::Naf | Model::NafDdsf | Model::Sos | Model::MixtureCdf => {
            layers(a, place, rng)?
        }
    };
    let source = match a.model {
        Model::MadeMog | Model::MafMog => conditionals(a, layers.len(), Arc::new(GaussianMixture(a.components)), place, rng)?,
        Model::MadeBinary => conditionals(a, 0, Arc::new(Bernoulli), place, rng)?,
        _ => source(a, place, rng)?,
    };
    let mut layers = mixed(a, layers, place, rng)?;
    if a.marginals > 0 {
        layers.push(Layer::Marginals(Marginals::new(a.dim, a.marginals, place)?));
    }
    Flow::new(source, Compose::new(a.dim, layers), a.context_dim)
}

fn source(a: &Architecture, place: &Placement, rng: &mut impl Rng) -> Result<Source> {
    Ok(match a.source {
        SourceKind::Normal => Source::Normal(Normal::new(a.dim, place)),
        SourceKind::Logistic => Source::Logistic(Logistic::new(a.dim, place)),
        SourceKind::StudentT => Source::StudentT(StudentT::new(a.dim, DEGREES_OF_FREEDOM, place)?),
        SourceKind::GaussianMixture => {
            let covariance = if a.dim > 1 { Covariance::Full } else { Covariance::Diagonal };
            Source::GaussianMixture(JointMixture::new(a.dim, a.components, covariance, place, rng)?)
        }
    })
}

/// The univariate map U, from x to z in the density form and from z to x in the generative one.
fn map(a: &Architecture) -> Arc<dyn MonotoneMap> {
    let spline = Spline { bins: a.components, bound: a.bound };
    match (a.model, a.product().1) {
        // A spline leaves what is outside its square in its place, so that a conditional location and scale stand between it and the data.
        (Model::Nsf, Form::Density) => Arc::new(Composed(Inverted(Affine::default()), spline)),
        (Model::Nsf, Form::Generative) => Arc::new(Composed(spline, Affine::default())),
        (Model::Naf, _) => Arc::new(Sigmoidal(a.components)),
        (Model::NafDdsf, _) => Arc::new(DeepSigmoidal { units: a.components, ..DeepSigmoidal::default() }),
        (Model::Sos, _) => Arc::new(SumOfSquares { polynomials: a.components, degree: a.degree, bound: Some(a.bound) }),
        (Model::MixtureCdf, _) => Arc::new(Composed(MixtureCdf { law: Standard::Logistic, components: a.components }, Affine::default())),
        (Model::Nice, _) => Arc::new(Affine { scale: Scale::One }),
        _ => Arc::new(Affine::default()),
    }
}

/// The triangular layers, the last of them next to the data.
fn layers(a: &Architecture, place: &Placement, rng: &mut impl Rng) -> Result<Vec<Layer>> {
    let (triangular, form) = a.product();
    let map = map(a);
    let layer = |k: usize| {
        Ok(match (triangular, form) {
            (Triangular::Coupling, Form::Density) => Layer::InverseCoupling(Inverse::of(coupling(a, k, map.clone(), place, rng)?)),
            (Triangular::Coupling, Form::Generative) => Layer::Coupling(coupling(a, k, map.clone(), place, rng)?),
            (Triangular::Autoregressive, _) => {
                let map = if form == Form::Density { map.clone() } else { Arc::new(Inverted(map.clone())) };
                Layer::InverseAutoregressive(Inverse::of(Autoregressive::new(network(a, k), map, place, rng)?))
            }
        })
    };
    (0..a.layers).rev().map(layer).collect()
}

/// The k-th coupling from the data: odd and even columns, in the model's order, move in turn.
fn coupling(a: &Architecture, k: usize, map: Arc<dyn MonotoneMap>, place: &Placement, rng: &mut impl Rng) -> Result<Coupling> {
    let moves: Vec<bool> = order(a).inverse().columns().iter().map(|rank| (rank + k) % 2 == 1).collect();
    Coupling::new(&moves, a.context_dim, &a.hidden, a.activation, map, place, rng)
}

/// x_j = σ_j(z_<j) z_j + μ_j(z_<j).
fn inverse_autoregressive(a: &Architecture, place: &Placement, rng: &mut impl Rng) -> Result<Vec<Layer>> {
    let layer = |k| Autoregressive::new(network(a, k), map(a), place, rng).map(Layer::Autoregressive);
    (0..a.layers).rev().map(layer).collect()
}

/// A masked network with one conditional law a column, as the `k`-th layer from the data.
fn conditionals(a: &Architecture, k: usize, law: Arc<dyn Conditional>, place: &Placement, rng: &mut impl Rng) -> Result<Source> {
    Ok(Source::Autoregressive(AutoregressiveDensity::new(network(a, k), law, place, rng)?))
}

/// The order of the columns next to the data.
fn order(a: &Architecture) -> Order {
    if a.random_order { Order::random(a.dim, &mut stream(a.seed, Purpose::Order, 0)) } else { Order::natural(a.dim) }
}

/// The masked network of the k-th layer from the data. The order is reversed from layer to layer, unless something else mixes.
fn network(a: &Architecture, k: usize) -> MadeConfig {
    let order = order(a);
    MadeConfig {
        order: if k.is_multiple_of(2) || a.mixing != Mixing::Reversed { order } else { order.reversed() },
        context_dim: a.context_dim,
        hidden: a.hidden.clone(),
        parameters: 0,
        activation: a.activation,
        degrees: a.degrees,
        residual: a.residual,
    }
}

/// Puts batch normalisation and what mixes the columns on the source's side of every layer.
fn mixed(a: &Architecture, layers: Vec<Layer>, place: &Placement, rng: &mut impl Rng) -> Result<Vec<Layer>> {
    let mut all = Vec::with_capacity(3 * layers.len());
    for layer in layers {
        match a.mixing {
            Mixing::Reversed => {}
            Mixing::Random => all.push(Layer::Permutation(Permutation::new(&Order::random(a.dim, rng), place))),
            Mixing::Lu => all.push(Layer::Lu(Lu::new(a.dim, place))),
            Mixing::Rotation => {
                let reflections = a.dim.next_multiple_of(2);
                all.push(Layer::Rotation(Rotation::new(a.dim, reflections, RotationStart::Random, place, rng)?));
            }
        }
        if a.batch_norm {
            all.push(Layer::BatchNorm(BatchNorm::new(a.dim, place)));
        }
        all.push(layer);
    }
    Ok(all)
}
