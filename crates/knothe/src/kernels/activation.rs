//! The activations of hidden layers by name.

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
