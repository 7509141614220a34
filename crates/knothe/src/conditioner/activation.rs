//! Activations of hidden layers.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// The nonlinearity between two layers of a conditioner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0). Learns sharp features of large tables in fewer steps.
    Relu,
    /// tanh x.
    Tanh,
    /// x for x > 0, eˣ − 1 otherwise.
    Elu,
    /// x σ(x). Smooth, so that small tables are fitted better.
    #[default]
    Silu,
}

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
