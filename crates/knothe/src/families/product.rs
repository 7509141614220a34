//! What a layer's conditioner reads, and which direction of its univariate map U is explicit: two independent choices.
//!
//! | | density form | generative form |
//! |---|---|---|
//! | autoregressive | z_j = U(x_j; θ(x_<j)) | x_j = U(z_j; θ(x_<j)) |
//! | coupling | z_A = U(x_A; θ(x_P)), z_P = x_P | x_A = U(z_A; θ(x_P)), x_P = z_P |
//!
//! All four read the data, so their density takes one pass of the network; couplings also sample in one.

use serde::{Deserialize, Serialize};

use super::Model;

/// What the parameters of a column read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Triangular {
    /// Every column before it: one masked network.
    Autoregressive,
    /// The half of the columns that stands still; odd and even columns move in turn (Dinh et al. 2015).
    Coupling,
}

/// The direction in which the univariate map is explicit. The other one takes its inverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// z_j = U(x_j; θ).
    Density,
    /// x_j = U(z_j; θ).
    Generative,
}

impl Triangular {
    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Triangular::Autoregressive => "autoregressive",
            Triangular::Coupling => "coupling",
        }
    }
}

impl Form {
    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Form::Density => "density",
            Form::Generative => "generative",
        }
    }
}

impl Model {
    /// Whether both choices are open: the flows by conditioner × univariate map. The other models are one of the four by their names,
    /// or none of them.
    pub fn leaves_product_open(self) -> bool {
        matches!(self, Model::Maf | Model::Nsf | Model::Naf | Model::NafDdsf | Model::Sos | Model::MixtureCdf)
    }

    /// The two choices when none are asked for. Affine maps are generative: their parameters are then the mean and the standard deviation.
    pub fn product(self) -> (Triangular, Form) {
        match self {
            Model::Nsf | Model::Naf | Model::NafDdsf | Model::Sos | Model::MixtureCdf => (Triangular::Autoregressive, Form::Density),
            Model::Nice | Model::RealNvp => (Triangular::Coupling, Form::Generative),
            _ => (Triangular::Autoregressive, Form::Generative),
        }
    }
}
