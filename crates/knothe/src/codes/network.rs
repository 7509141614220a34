//! One masked network for laws of several kinds: the parameters of element j read the features of elements before j, and the context.
//!
//! It is the network of [`crate::conditioner::Made`] (Germain et al. 2015) with several features and parameters per element. Direct connections lead from the
//! features to the parameters, so every element is read even if layers are narrow.

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    conditioner::{Activation, Linear, OUTPUT_GAIN},
    error::Result,
    order::index,
    placement::Placement,
};

/// θ(features, context).
#[derive(Module, Debug)]
pub(super) struct MaskedNetwork {
    layers: Vec<Linear>,
    /// The output layer, which reads the last hidden layer and the inputs.
    output: Linear,
    /// The degrees of the units of each hidden layer, sorted: a unit of degree d reads the elements before d.
    #[module(skip)]
    degrees: Vec<Vec<usize>>,
    #[module(skip)]
    activation: Activation,
}

/// The units computed so far, layer by layer, in a pass through the elements in order.
pub(super) struct Known(Vec<Option<Tensor<2>>>);

impl MaskedNetwork {
    /// A network with random weights whose outputs are near 0. `features` and `parameters` say to which element each belongs.
    pub fn new(
        features: &[usize],
        parameters: &[usize],
        context_dim: usize,
        hidden: &[usize],
        activation: Activation,
        place: &Placement,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        let highest = parameters.iter().max().copied().unwrap_or(0);
        // Without a context, a unit of degree 0 has no input.
        let lowest = if context_dim > 0 { 0 } else { highest.min(1) };
        let span = highest - lowest + 1;
        let degrees: Vec<Vec<usize>> = hidden.iter().map(|&h| (0..h).map(|u| lowest + u * span / h).collect()).collect();
        let inputs = features.len() + context_dim;
        let mut layers: Vec<Linear> = Vec::with_capacity(degrees.len());
        for (l, own) in degrees.iter().enumerate() {
            let layer = match l.checked_sub(1).and_then(|before| degrees.get(before)) {
                None => {
                    let mask = |i: usize, u: usize| features.get(i).is_none_or(|&element| element < own[u]);
                    Linear::new(inputs, own.len(), Some(&mask), 1.0, place, rng)
                }
                Some(before) => Linear::new(before.len(), own.len(), Some(&|i, u| before[i] <= own[u]), 1.0, place, rng),
            };
            layers.push(layer);
        }
        let last: &[usize] = degrees.last().map_or(&[], Vec::as_slice);
        let mask = |i: usize, o: usize| match last.get(i) {
            Some(&degree) => degree <= parameters[o],
            None => features.get(i - last.len()).is_none_or(|&element| element < parameters[o]),
        };
        let output = Linear::new(last.len() + inputs, parameters.len(), Some(&mask), OUTPUT_GAIN, place, rng);
        place.count(0)?;
        Ok(MaskedNetwork { layers, output, degrees, activation })
    }

    /// All parameters of features and context, `[rows, inputs]`.
    pub fn forward(&self, inputs: Tensor<2>) -> Tensor<2> {
        let mut h: Option<Tensor<2>> = None;
        for layer in &self.layers {
            h = Some(self.activation.apply(layer.forward(h.unwrap_or_else(|| inputs.clone()))));
        }
        self.output.forward(match h {
            Some(h) => Tensor::cat(vec![h, inputs], 1),
            None => inputs,
        })
    }

    /// The biases of the parameters.
    pub fn bias(&self) -> Tensor<1> {
        self.output.bias()
    }

    /// Replaces the biases of the parameters.
    pub fn set_bias(&mut self, biases: Vec<f64>) {
        self.output.set_bias(biases);
    }

    /// The masked weights and the biases of all layers. The output is the last.
    pub fn weights(&self) -> Vec<(Tensor<2>, Tensor<1>)> {
        self.layers.iter().chain([&self.output]).map(|layer| (layer.weight(), layer.bias())).collect()
    }

    /// The start of a pass, before any element is known.
    pub fn start(&self) -> Known {
        Known(vec![None; self.degrees.len()])
    }

    /// The parameters at `places` of one element, from the features of the elements before it. Elements come in order, and each unit is computed once, when
    /// its inputs are known.
    pub fn advance(
        &self,
        weights: &[(Tensor<2>, Tensor<1>)],
        inputs: &Tensor<2>,
        Known(known): &mut Known,
        element: usize,
        places: &[usize],
    ) -> Tensor<2> {
        for (l, degrees) in self.degrees.iter().enumerate() {
            let (from, to) = (width(&known[l]), degrees.partition_point(|&degree| degree <= element));
            if to == from {
                continue;
            }
            let (weight, bias) = &weights[l];
            let bias = bias.clone().narrow(0, from, to - from);
            let before = if l == 0 { Some(inputs.clone()) } else { known[l - 1].clone() };
            let new = match before {
                Some(before) => {
                    let rows = weight.clone().narrow(0, 0, before.dims()[1]);
                    before.matmul(rows.narrow(1, from, to - from)) + bias.unsqueeze()
                }
                None => bias.unsqueeze::<2>().expand([inputs.dims()[0], to - from]),
            };
            let new = self.activation.apply(new);
            known[l] = Some(match known[l].take() {
                Some(old) => Tensor::cat(vec![old, new], 1),
                None => new,
            });
        }
        let (weight, bias) = &weights[self.degrees.len()];
        let columns = index(places, &weight.device());
        let weight = weight.clone().select(1, columns.clone());
        let hidden = self.degrees.last().map_or(0, Vec::len);
        let direct =
            inputs.clone().matmul(weight.clone().narrow(0, hidden, inputs.dims()[1])) + bias.clone().select(0, columns).unsqueeze();
        match known.last().cloned().flatten() {
            Some(last) => direct + last.clone().matmul(weight.narrow(0, 0, last.dims()[1])),
            None => direct,
        }
    }
}

fn width(units: &Option<Tensor<2>>) -> usize {
    units.as_ref().map_or(0, |units| units.dims()[1])
}
