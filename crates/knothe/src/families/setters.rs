//! The options of [`Recipe`] by name, with their types.

use super::{ChannelMixing, Form, Mixing, Noise, Recipe, Setting, SourceKind, Triangular, pixels};
use crate::{
    conditioner::{Activation, Degrees},
    dequantised::Preprocessing,
    univariate::Scale,
};

/// A setter for each option that several families share; [`Recipe::set`] sets any option by its name.
macro_rules! setters {
    ($($(#[$about:meta])* $name:ident: $type:ty;)+) => {
        impl Recipe {
            $($(#[$about])* pub fn $name(self, value: $type) -> Self {
                self.set(stringify!($name), value)
            })+
        }
    };
}

/// Enumerations whose variants are names of an option.
macro_rules! names {
    ($($type:ty),+) => {
        $(impl From<$type> for Setting {
            fn from(value: $type) -> Self {
                Setting::named(&value)
            }
        })+
    };
}

names!(Activation, Degrees, Form, Mixing, Noise, SourceKind, Triangular, ChannelMixing, Scale);

setters! {
    /// Sets the number of layers of a flow.
    layers: usize;
    /// Sets the components of a mixture, the bins of a spline, the units of a sigmoidal map, and the like.
    components: usize;
    /// Sets the degree of the polynomials of a sum of squares.
    degree: usize;
    /// Sets B of the interval [−B, B] in which a map bends.
    bound: f64;
    /// Sets what the parameters of a column read.
    triangular: Triangular;
    /// Sets the direction in which the univariate map is explicit.
    form: Form;
    /// Sets the nonlinearity of the networks.
    activation: Activation;
    /// Sets the degrees of masked networks.
    degrees: Degrees;
    /// Makes the networks residual.
    residual: bool;
    /// Sets what mixes the columns between layers.
    mixing: Mixing;
    /// Puts the quantiles of each column, in so many bins, next to the data.
    marginals: usize;
    /// Standardises the columns first, by the means and standard deviations of the training rows.
    standardise: bool;
    /// Whitens the columns first, by the mean and the covariance of the training rows, where they are nearly linear in one another.
    whiten: bool;
    /// Puts batch normalisation between layers.
    batch_norm: bool;
    /// Sets the source density.
    source: SourceKind;
    /// Draws the order of the columns from the seed.
    random_order: bool;
    /// Sets the scales of a model of images.
    levels: usize;
    /// Sets the steps of a scale.
    steps_per_level: usize;
    /// Sets the channels of the hidden layers at the finest scale.
    width: usize;
    /// Sets the factor of the width from scale to scale.
    widening: usize;
    /// Sets the scale of couplings of images.
    coupling: Scale;
    /// Sets what mixes the channels.
    channel_mixing: ChannelMixing;
    /// Sets the noise that makes integers continuous.
    dequantisation: Noise;
    /// Sets the channels of the network that learns the noise.
    noise_width: usize;
}

impl Recipe {
    /// Sets the widths of the hidden layers of each network.
    pub fn hidden(self, widths: impl AsRef<[usize]>) -> Self {
        self.set("hidden", widths.as_ref())
    }

    /// Sets the windows of the layers of convolutions.
    pub fn windows(self, sides: impl AsRef<[usize]>) -> Self {
        self.set("windows", sides.as_ref())
    }

    /// Sets what the numbers of an image go through before the flow.
    pub fn preprocessing(self, value: Preprocessing) -> Self {
        match value {
            Preprocessing::Centred => self.set(pixels::PREPROCESSING.name, "centred"),
            Preprocessing::Logit { alpha } => self.set(pixels::PREPROCESSING.name, "logit").set(pixels::ALPHA.name, alpha),
        }
    }
}
