//! Activations of hidden layers.

use burn::tensor::{Tensor, activation};

pub use crate::kernels::Activation;

impl Activation {
    /// The activation of every element.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Activation::Relu => activation::relu(x),
            Activation::Tanh => x.tanh(),
            Activation::Elu => activation::elu(x, 1.0),
            Activation::Silu => activation::silu(x),
        }
    }
}
