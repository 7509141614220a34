//! What a triangular layer says of each column: mean, variance, skewness and excess kurtosis of x_j given x_<j.
//!
//! Under one autoregressive layer over a standard normal source, x_j | x_<j is the law of T(z; θ_j), z ~ N(0, 1), and its moments are
//! integrals against φ:
//!
//! m = ∫ T φ,   v = ∫ (T − m)² φ,   skewness ∫ (T − m)³ φ / v^(3/2),   excess kurtosis ∫ (T − m)⁴ φ / v² − 3.
//!
//! Where T is a polynomial of degree d, as the sum of squares in the generative form is (Jaini, Selby & Yu 2019: "coefficients control
//! higher-order moments"), its fourth power is one of degree 4d, and Gauss–Hermite quadrature with 2d + 1 nodes is the closed form: exact.
//! A polynomial that goes on as a straight line outside [−B, B] is integrated piece by piece, exactly to rounding. Any other map is sampled at
//! Gauss–Hermite nodes of its own inverse: numerical.

use std::num::NonZeroUsize;

use burn::tensor::{DType, Tensor};
use gauss_quad::{GaussHermite, GaussLegendre};
use serde::Serialize;

use crate::{
    Compose, Flow, Layer,
    bijection::{Bijection, Given},
    conditioner::{AutoregressiveConditioner, Conditioner},
    density::Density,
    error::{Error, Result},
    hint::Hint,
    order::Order,
    placement::{Placement, Precision, values},
    source::Source,
    triangular::Autoregressive,
    univariate::{Inverted, MonotoneMap, Polynomial},
};

/// Nodes for a map that is no polynomial. The inverse of a nearly flat one is steep: 128 nodes, 0.2 apart, are 0.02 standard deviations off there.
const NODES: usize = 512;
/// Nodes of a panel beside those that the degree asks for: φ over 8 units is a polynomial of degree 90 to rounding.
const PANEL_NODES: usize = 48;
/// The greatest width of a panel.
const PANEL: f64 = 8.0;
/// How far a straight tail is integrated: φ(12) is 1e-32.
const TAIL: f64 = 12.0;
/// Where a straight tail has no weight: φ(40) is below every 64-bit number.
const FAR: f64 = 40.0;
/// Rows evaluated at a time.
const ROWS: usize = 64;

/// The first four moments of a law of one number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moments {
    /// E x.
    pub mean: f64,
    /// E (x − mean)².
    pub variance: f64,
    /// E (x − mean)³ / variance^(3/2); 0 for a normal law.
    pub skewness: f64,
    /// E (x − mean)⁴ / variance² − 3; 0 for a normal law.
    pub excess_kurtosis: f64,
}

/// How moments were computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// In closed form, to rounding.
    Exact,
    /// By Gauss–Hermite quadrature of a map that is no polynomial.
    Numerical,
}

/// The moments of every column given the columns before it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConditionalMoments {
    /// `[rows][dim]`.
    pub rows: Vec<Vec<Moments>>,
    /// How they were computed.
    pub method: Method,
}

/// Nodes z and weights w with Σ w f(z) = E f(z), z ~ N(0, 1), for what a map makes of z to the fourth power.
struct Rule {
    nodes: Vec<(f64, f64)>,
    method: Method,
}

impl Rule {
    fn of(polynomial: Option<Polynomial>) -> Self {
        match polynomial {
            None => Rule { nodes: hermite(NODES), method: Method::Numerical },
            Some(Polynomial { degree, bound: Some(bound) }) if bound < FAR => {
                let panels = (2.0 * bound / PANEL).ceil();
                let inner = (0..panels as usize).map(|i| (-bound + 2.0 * bound * i as f64 / panels, 2.0 * bound / panels));
                let outer = [(-bound - TAIL, TAIL), (bound, TAIL)].into_iter().flat_map(|(a, w)| [(a, w / 2.0), (a + w / 2.0, w / 2.0)]);
                let nodes = inner.chain(outer).flat_map(|(start, width)| legendre(PANEL_NODES + 2 * degree, start, width)).collect();
                Rule { nodes, method: Method::Exact }
            }
            Some(Polynomial { degree, .. }) => Rule { nodes: hermite(2 * degree + 1), method: Method::Exact },
        }
    }
}

impl ConditionalMoments {
    /// The moments of shift_j + scale_j x_j.
    fn affine(self, (shift, scale): &(Vec<f64>, Vec<f64>)) -> Self {
        let one = |(m, (shift, scale)): (Moments, (&f64, &f64))| Moments {
            mean: shift + scale * m.mean,
            variance: scale * scale * m.variance,
            ..m
        };
        let row = |row: Vec<Moments>| row.into_iter().zip(shift.iter().zip(scale)).map(one).collect();
        ConditionalMoments { rows: self.rows.into_iter().map(row).collect(), method: self.method }
    }

    /// The moments of x = b + L z, L lower triangular with this diagonal, of rows of x and their z: given x_<j, and with it z_<j, x_j is L_jj z_j and a constant.
    fn triangular(self, x: &[f64], z: &[f64], diagonal: &[f64]) -> Self {
        let row = |(row, (x, z)): (Vec<Moments>, (&[f64], &[f64]))| {
            let shift = x.iter().zip(z).zip(diagonal).map(|((x, z), slope)| x - slope * z).collect();
            let one = ConditionalMoments { rows: vec![row], method: self.method };
            one.affine(&(shift, diagonal.to_vec())).rows
        };
        let dim = diagonal.len().max(1);
        let rows = self.rows.into_iter().zip(x.chunks_exact(dim).zip(z.chunks_exact(dim))).flat_map(row).collect();
        ConditionalMoments { rows, method: self.method }
    }
}

/// The Gauss–Hermite rule of the standard normal law.
fn hermite(nodes: usize) -> Vec<(f64, f64)> {
    let rule = GaussHermite::new(NonZeroUsize::MIN.saturating_add(nodes.saturating_sub(1)));
    // Its weight is exp(−t²): z = √2 t.
    let scaled = rule.as_node_weight_pairs().iter().map(|(t, w)| (t * std::f64::consts::SQRT_2, w / std::f64::consts::PI.sqrt()));
    scaled.collect()
}

/// The Gauss–Legendre rule of φ on an interval.
fn legendre(nodes: usize, start: f64, width: f64) -> Vec<(f64, f64)> {
    let rule = GaussLegendre::new(NonZeroUsize::MIN.saturating_add(nodes.saturating_sub(1)));
    let moved = rule.as_node_weight_pairs().iter().map(|(t, w)| {
        let z = start + width * 0.5 * (t + 1.0);
        (z, w * 0.5 * width * (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt())
    });
    moved.collect()
}

/// Moments from the values at the nodes of a rule.
fn moments(values: &[f64], nodes: &[(f64, f64)]) -> Moments {
    let sum = |f: &dyn Fn(f64) -> f64| values.iter().zip(nodes).map(|(x, (_, w))| w * f(*x)).sum::<f64>();
    let mean = sum(&|x| x);
    let variance = sum(&|x| (x - mean).powi(2));
    Moments {
        mean,
        variance,
        skewness: sum(&|x| (x - mean).powi(3)) / variance.powf(1.5),
        excess_kurtosis: sum(&|x| (x - mean).powi(4)) / variance.powi(2) - 3.0,
    }
}

/// The moments of T(z; θ), z ~ N(0, 1), for each θ of `[rows, parameters, dim]`.
///
/// Exact where [`MonotoneMap::polynomial`] says that T is one. Computed in 64 bits where the device has them. Errors: those of the map.
pub fn univariate_moments(map: &dyn MonotoneMap, theta: Tensor<3>) -> Result<ConditionalMoments> {
    let [rows, _, dim] = theta.dims();
    let Rule { nodes, method } = Rule::of(map.polynomial());
    let double = Placement::new(theta.device(), Precision::F64);
    let place = if double.device.supports_dtype(DType::F64) { double } else { Placement::of(&theta) };
    let (theta, count) = (theta.inner().cast(place.dtype()), nodes.len());
    let mut all = Vec::with_capacity(rows);
    for first in (0..rows).step_by(ROWS) {
        let part = ROWS.min(rows - first);
        // Every row at every node.
        let theta = theta.clone().narrow(0, first, part).repeat_dim(0, count);
        let z = nodes.iter().flat_map(|(z, _)| std::iter::repeat_n(*z, part * dim)).collect();
        let x = values(map.value(place.tensor(z, [count * part, dim]), theta)?.0);
        let law = |row: usize, j: usize| {
            let at: Vec<f64> = (0..count).map(|node| x[(node * part + row) * dim + j]).collect();
            moments(&at, &nodes)
        };
        all.extend((0..part).map(|row| (0..dim).map(|j| law(row, j)).collect::<Vec<_>>()));
    }
    Ok(ConditionalMoments { rows: all, method })
}

impl Flow<Source, Compose> {
    /// Mean, variance, skewness and excess kurtosis of x_j given x_<j and the context, for the columns of each row of `x`, `[rows, dim]`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless the flow is one autoregressive layer over a standard normal source (permutations and rotations of the
    /// source leave it what it is); those of the map.
    pub fn conditional_moments(&self, x: Tensor<2>, given: &Given) -> Result<ConditionalMoments> {
        let cannot = |reason: &str| Error::Unsupported {
            what: "conditional moments".into(),
            reason: format!("expected one autoregressive layer over a standard normal source, found {reason}"),
            hint: Some(Hint::OneLayer.into()),
        };
        if !matches!(self.source(), Source::Normal(_)) {
            return Err(cannot("another source"));
        }
        let layers = match self.bijection().layers() {
            // What standardises is affine: the moments are those of the layers before it, moved and scaled.
            [rest @ .., Layer::ActNorm(standard)] => {
                let rest = Flow::new(self.source().clone(), Compose::new(self.dim(), rest.to_vec())?, self.context_dim())?;
                let found = rest.conditional_moments(standard.inverse_and_ladj(x, given)?.0, given)?;
                return Ok(found.affine(&standard.shift_and_scale()));
            }
            [rest @ .., Layer::TriangularAffine(affine)] if rest.last().and_then(order_of).is_none_or(|order| order == affine.order()) => {
                let rest = Flow::new(self.source().clone(), Compose::new(self.dim(), rest.to_vec())?, self.context_dim())?;
                let z = affine.inverse_and_ladj(x.clone(), given)?.0;
                return Ok(rest.conditional_moments(z.clone(), given)?.triangular(&values(x), &values(z), &affine.diagonal()));
            }
            layers => layers,
        };
        let Some((last, before)) = layers.split_last() else { return Err(cannot("no layer")) };
        if matches!(last, Layer::Marginals(_)) {
            return Err(cannot("maps of the marginals"));
        }
        if !before.iter().all(|layer| matches!(layer, Layer::Permutation(_) | Layer::Rotation(_))) {
            return Err(cannot(&format!("{} layers", layers.len())));
        }
        match last {
            Layer::InverseAutoregressive(layer) => of_layer(layer.inner(), &Inverted(layer.inner().univariate().clone()), x, given),
            Layer::Autoregressive(layer) => {
                let z = layer.inverse_and_ladj(x.clone(), given)?.0;
                of_layer(layer, layer.univariate(), z, given)
            }
            _ => Err(cannot("a layer of another kind")),
        }
    }
}

/// The order of the columns of an autoregressive layer.
fn order_of(layer: &Layer) -> Option<&Order> {
    match layer {
        Layer::InverseAutoregressive(layer) => Some(layer.inner().conditioner().order()),
        Layer::Autoregressive(layer) => Some(layer.conditioner().order()),
        _ => None,
    }
}

/// The moments under a layer whose conditioner reads `read` and whose map from z to x is `map`.
fn of_layer(layer: &Autoregressive, map: &dyn MonotoneMap, read: Tensor<2>, given: &Given) -> Result<ConditionalMoments> {
    univariate_moments(map, layer.conditioner().parameters(read, given)?)
}
