//! A residual network without masks (He et al. 2016, *Identity mappings in deep residual networks*).

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    conditioner::{Activation, Linear, OUTPUT_GAIN},
    error::Result,
    placement::Placement,
};

/// h = W x + b, then h ← h + W₂ σ(W₁ σ(h)) per block, and θ = W₃ σ(h) + b₃.
#[derive(Module, Debug)]
pub(super) struct Residual {
    first: Linear,
    blocks: Vec<Linear>,
    last: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Residual {
    /// A network with random weights whose outputs are near 0, for these numbers of inputs, hidden units and outputs.
    pub fn new(
        [inputs, hidden, outputs]: [usize; 3],
        blocks: usize,
        activation: Activation,
        place: &Placement,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        let first = Linear::new(inputs, hidden, None, 1.0, place, rng);
        // The second layer of a block begins small, so that a deep network starts near a shallow one.
        let gains = (0..2 * blocks).map(|k| if k % 2 == 0 { 1.0 } else { OUTPUT_GAIN });
        let blocks = gains.map(|gain| Linear::new(hidden, hidden, None, gain, place, rng)).collect();
        let last = Linear::new(hidden, outputs, None, OUTPUT_GAIN, place, rng);
        place.count(0)?;
        Ok(Residual { first, blocks, last, activation })
    }

    /// θ, `[rows, outputs]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let mut h = self.first.forward(x);
        for block in self.blocks.chunks_exact(2) {
            let inner = block[0].forward(self.activation.apply(h.clone()));
            h = h + block[1].forward(self.activation.apply(inner));
        }
        self.last.forward(self.activation.apply(h))
    }

    /// The biases of the outputs.
    pub fn bias(&self) -> Tensor<1> {
        self.last.bias()
    }

    /// Replaces them.
    pub fn set_bias(&mut self, values: Vec<f64>) {
        self.last.set_bias(values);
    }
}
