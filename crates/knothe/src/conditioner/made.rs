//! The masked autoencoder (Germain, Gregor, Murray & Larochelle 2015), plain or residual (Nash & Durkan 2019):
//! one network whose outputs for coordinate j read only the coordinates before j.
//!
//! With degrees d of the hidden units and ranks r of the coordinates in the order (from 0), a weight survives its mask when
//!
//! - input i → hidden u: d_u > r_i,
//! - hidden v → hidden u: d_u ≥ d_v,
//! - hidden u → output j: r_j ≥ d_u.
//!
//! Units are sorted by degree, so every mask is block-triangular, and the units of degree ≤ d are a prefix of each layer.
//! [`AutoregressiveConditioner::solve`](super::AutoregressiveConditioner::solve) uses that to go through the coordinates one after another, computing each unit once, when its inputs
//! are known: D conditionals for the arithmetic of one pass.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use rand::Rng;

use super::{Activation, Conditioner, Degrees, Linear, OUTPUT_GAIN, Order, Widths, check_context, read};
use crate::{
    error::{Error, Result},
    given::Given,
    kernels::{Conditioned, Kernel, Network, Stairs, Step, has_kernels},
    placement::Placement,
    shape::check_input,
};

/// What a [`Made`] is made of.
#[derive(Clone, Debug)]
pub struct MadeConfig {
    /// The order of the coordinates.
    pub order: Order,
    /// Context columns, which every unit reads.
    pub context_dim: usize,
    /// Widths of the hidden layers; none at all is a linear conditioner.
    pub hidden: Vec<usize>,
    /// Parameters per coordinate.
    pub parameters: usize,
    /// The nonlinearity between layers.
    pub activation: Activation,
    /// How hidden units get their degrees.
    pub degrees: Degrees,
    /// Residual form: the first hidden layer, then blocks h ← h + W₂ act(W₁ act(h)); `hidden` then has an odd
    /// number of layers of equal width.
    pub residual: bool,
}

/// θ_j = MADE_j(x_<j, context).
#[derive(Module, Debug)]
pub struct Made {
    /// Hidden layers, then the output layer.
    pub(super) layers: Vec<Linear>,
    /// The context's way into the first layer, `[context_dim, first width]`.
    pub(super) context: Option<Param<Tensor<2>>>,
    #[module(skip)]
    pub(super) config: MadeConfig,
    #[module(skip)]
    pub(super) degrees: Vec<Vec<usize>>,
    /// The whole as one operation; none without hidden layers.
    #[module(skip)]
    shape: Option<Arc<Conditioned>>,
}

impl Made {
    /// A network with random weights whose outputs are near 0.
    pub fn new(config: MadeConfig, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        let dim = config.order.dim();
        if dim == 0 {
            return Err(Error::invalid("dim", "at least one coordinate", 0));
        }
        let equal = config.hidden.windows(2).all(|w| w[0] == w[1]);
        if config.residual && (config.hidden.len().is_multiple_of(2) || !equal) {
            return Err(Error::invalid(
                "hidden",
                "an odd number of layers of one width for a residual network",
                format!("{:?}", config.hidden),
            ));
        }
        let mut degrees = config.degrees.draw(dim, config.context_dim, &config.hidden, rng)?;
        if config.residual {
            let first = degrees[0].clone();
            degrees.fill(first);
        }
        let ranks = config.order.inverse();
        let ranks = ranks.columns();
        let outputs = config.parameters * dim;
        let mut layers = Vec::with_capacity(degrees.len() + 1);
        for (l, d) in degrees.iter().enumerate() {
            let inputs = if l == 0 { dim } else { degrees[l - 1].len() };
            let mask = |i: usize, u: usize| if l == 0 { d[u] > ranks[i] } else { d[u] >= degrees[l - 1][i] };
            // The second layer of a residual block starts small, so that the block starts near the identity.
            let gain = if config.residual && l > 0 && l % 2 == 0 { 0.1 } else { 1.0 };
            layers.push(Linear::new(inputs, d.len(), Some(&mask), gain, place, rng));
        }
        let last = match degrees.last() {
            Some(d) => Linear::new(d.len(), outputs, Some(&|u, o| ranks[o % dim] >= d[u]), OUTPUT_GAIN, place, rng),
            None => Linear::new(dim, outputs, Some(&|i, o| ranks[o % dim] > ranks[i]), OUTPUT_GAIN, place, rng),
        };
        layers.push(last);
        let context = (config.context_dim > 0).then(|| {
            let width = degrees.first().map_or(outputs, Vec::len);
            let gain = if degrees.is_empty() { OUTPUT_GAIN } else { 1.0 };
            Param::from_tensor(Linear::new(config.context_dim, width, None, gain, place, rng).weight())
        });
        place.count(0)?;
        let shape = (!degrees.is_empty()).then(|| Arc::new(shape(&config, &degrees)));
        Ok(Made { layers, context, config, degrees, shape })
    }

    /// The number of coordinates.
    pub fn dim(&self) -> usize {
        self.config.order.dim()
    }

    /// The number of context columns.
    pub fn context_dim(&self) -> usize {
        self.config.context_dim
    }

    /// Adds the residual connection that ends at layer `l`, and remembers its sum as the start of the next one.
    pub(super) fn residual(&self, l: usize, y: Tensor<2>, carry: &mut Option<Tensor<2>>) -> Tensor<2> {
        if !self.config.residual || l % 2 == 1 {
            return y;
        }
        let sum = match carry.take() {
            Some(before) => before + y,
            None => y,
        };
        *carry = Some(sum.clone());
        sum
    }
}

impl Conditioner for Made {
    fn widths(&self) -> Widths {
        let (dim, &MadeConfig { context_dim, parameters, .. }) = (self.dim(), &self.config);
        Widths { inputs: dim, context_dim, parameters, outputs: dim }
    }

    fn placement(&self) -> Placement {
        Placement::of(&self.layers[0].bias())
    }

    fn parameters(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<3>> {
        let dtype = self.placement().dtype();
        let rows = check_input("conditioner input", &x, self.dim(), dtype)?;
        let context = check_context(given.context, rows, self.config.context_dim, dtype)?;
        let mut carry: Option<Tensor<2>> = None;
        let mut h = read(x, &self.config.hidden);
        for (l, layer) in self.layers.iter().enumerate() {
            let mut y = layer.forward(h);
            if let (0, Some(w), Some(c)) = (l, &self.context, context) {
                y = y + c.clone().matmul(w.val());
            }
            if l + 1 == self.layers.len() {
                return Ok(y.reshape([rows, self.config.parameters, self.dim()]));
            }
            h = self.config.activation.apply(self.residual(l, y, &mut carry));
        }
        Err(Error::invalid("layers", "an output layer", 0))
    }

    /// None without hidden layers, and where there are no kernels.
    fn step(&self, kernel: Kernel, solve: bool, x: &Tensor<2>, given: &Given) -> Result<Option<Step>> {
        let dtype = self.placement().dtype();
        let rows = check_input("conditioner input", x, self.dim(), dtype)?;
        let context = check_context(given.context, rows, self.config.context_dim, dtype)?;
        let Some(shape) = self.shape.clone().filter(|_| has_kernels(x)) else { return Ok(None) };
        let added = self.context.as_ref().zip(context).map(|(w, c)| c.clone().matmul(w.val()));
        let parameters = self.layers.iter().map(|l| (l.unmasked(), l.bias())).collect();
        Ok(Some(Step { shape, kernel, solve, added, parameters }))
    }
}

/// The network with its masks as staircases.
fn shape(config: &MadeConfig, degrees: &[Vec<usize>]) -> Conditioned {
    let (columns, dim, parameters) = (config.order.columns(), config.order.dim(), config.parameters);
    let mut inputs: (Vec<usize>, Vec<usize>) = ((1..=dim).collect(), columns.to_vec());
    let mut layers = Vec::with_capacity(degrees.len() + 1);
    let outputs = (0..dim).flat_map(|rank| std::iter::repeat_n(rank, parameters)).collect();
    for (l, d) in degrees.iter().chain([&outputs]).enumerate() {
        let reads = d.iter().map(|&d| inputs.0.partition_point(|&before| before <= d)).collect();
        let places: Vec<usize> = if l < degrees.len() {
            (0..d.len()).collect()
        } else {
            columns.iter().flat_map(|&c| (0..parameters).map(move |p| p * dim + c)).collect()
        };
        layers.push(Stairs::new(reads, std::mem::replace(&mut inputs.1, places.clone()), places));
        inputs.0.clone_from(d);
    }
    let network = Network { layers, activation: config.activation, residual: config.residual };
    Conditioned { network, reads: columns.to_vec(), mapped: columns.to_vec(), degrees: degrees.to_vec() }
}
