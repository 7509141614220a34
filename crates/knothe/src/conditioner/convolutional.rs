//! A convolutional conditioner: what the moving part of an image reads of its standing part (Dinh et al. 2017; Kingma & Dhariwal 2018).

use burn::module::{Module, Param};
use burn::tensor::{DType, Int, Tensor};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{Activation, Conditioner, Convolution, Linear, Widths, Window, check_context, index};
use crate::{
    error::{Error, Result},
    given::Given,
    kernels::convolve,
    placement::Placement,
    shape::check_input,
    space::ImageShape,
};

/// What a [`Convolutional`] network is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvolutionalConfig {
    /// Context columns.
    pub context_dim: usize,
    /// Channels of the hidden layers.
    pub width: usize,
    /// The sizes of the square windows, an odd one per layer. Glow has 3, 1, 3.
    pub windows: Vec<usize>,
    /// The nonlinearity between layers.
    pub activation: Activation,
    /// Whether each hidden layer but the first adds what it finds to what it reads.
    pub residual: bool,
}

impl ConvolutionalConfig {
    /// The network of Glow: 3 × 3, 1 × 1 and 3 × 3 with ReLU between them.
    pub fn glow(width: usize, context_dim: usize) -> Self {
        ConvolutionalConfig { context_dim, width, windows: vec![3, 1, 3], activation: Activation::Relu, residual: false }
    }
}

/// θ = CNN(x_P), the context adding a bias a channel to the first layer. The last layer starts at 0, and θ with it.
///
/// Where whole channels stand, the network reads those alone and gives as many parameters as there are moving ones; of any other mask,
/// such as a checkerboard, it reads the whole image with 0 for what moves, and what it says of the standing pixels is not used.
#[derive(Module, Debug)]
pub struct Convolutional {
    layers: Vec<Convolution>,
    context: Option<Param<Tensor<2>>>,
    /// For each pixel of the network's input, which standing one it is; one past the last is 0.
    reads: Option<Tensor<1, Int>>,
    /// The moving pixels among those of the network's output.
    gives: Option<Tensor<1, Int>>,
    standing: usize,
    moving: usize,
    parameters: usize,
    #[module(skip)]
    image: ImageShape,
    #[module(skip)]
    config: ConvolutionalConfig,
}

impl Convolutional {
    /// A network over `image`, of which the pixels that `moves` says move get `parameters` parameters each.
    pub fn new(
        image: ImageShape,
        moves: &[bool],
        parameters: usize,
        config: ConvolutionalConfig,
        place: &Placement,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        image.check_dim(moves.len())?;
        // Indices of pixels take more than the weights of a small network.
        place.count(moves.len())?;
        let windows = &config.windows;
        if windows.is_empty() || windows.iter().any(|size| size.is_multiple_of(2)) {
            return Err(Error::invalid("windows", "one odd size a layer", format!("{windows:?}")));
        }
        if config.width == 0 && windows.len() > 1 {
            return Err(Error::invalid("width", "at least 1 channel", 0));
        }
        let whole = moves.chunks(image.pixels()).all(|channel| channel.iter().all(|m| *m == channel[0]));
        let standing = moves.iter().filter(|m| !**m).count();
        let inputs = if whole { standing / image.pixels() } else { image.channels };
        let outputs = parameters * if whole { image.channels - inputs } else { image.channels };
        let mut widths = vec![config.width; windows.len() + 1];
        (widths[0], widths[windows.len()]) = (inputs, outputs);
        let last = windows.len() - 1;
        let layer = |(l, &size): (usize, &usize)| {
            Convolution::new([widths[l], widths[l + 1]], Window::same(size), if l == last { 0.0 } else { 1.0 }, place, rng)
        };
        let layers: Vec<_> = windows.iter().enumerate().map(layer).collect();
        place.count(0)?;
        let context = (config.context_dim > 0).then(|| {
            Param::from_tensor(Linear::new(config.context_dim, widths[1], None, if last == 0 { 0.0 } else { 1.0 }, place, rng).weight())
        });
        let mut before = 0;
        let rank = |&moves: &bool| {
            before += usize::from(!moves);
            if moves { standing } else { before - 1 }
        };
        let reads: Vec<usize> = moves.iter().map(rank).collect();
        let gives: Vec<usize> = (0..moves.len()).filter(|&j| moves[j]).collect();
        Ok(Convolutional {
            layers,
            context,
            reads: (!whole).then(|| index(&reads, &place.device)),
            gives: (!whole).then(|| index(&gives, &place.device)),
            standing,
            moving: moves.len() - standing,
            parameters,
            image: ImageShape { channels: inputs, ..image },
            config,
        })
    }
}

impl Conditioner for Convolutional {
    fn widths(&self) -> Widths {
        let &Convolutional { standing: inputs, moving: outputs, parameters, .. } = self;
        Widths { inputs, context_dim: self.config.context_dim, parameters, outputs }
    }

    fn placement(&self) -> Placement {
        self.layers[0].placement()
    }

    fn dtype(&self) -> DType {
        self.layers[0].dtype()
    }

    fn parameters(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<3>> {
        let dtype = self.dtype();
        let rows = check_input("conditioner input", &x, self.standing, dtype)?;
        let context = check_context(given.context, rows, self.config.context_dim, dtype)?;
        let x = match &self.reads {
            Some(reads) => Tensor::cat(vec![x.clone(), x.zeros_like().narrow(1, 0, 1)], 1).select(1, reads.clone()),
            None => x,
        };
        let ImageShape { channels, height, width } = self.image;
        let mut h = x.reshape([rows, channels, height, width]);
        let (last, activation) = (self.layers.len() - 1, self.config.activation);
        let is_residual = |l: usize| self.config.residual && l > 0 && l < last;
        let mut waiting = Vec::new();
        for (l, layer) in self.layers.iter().enumerate() {
            let added = self.context.as_ref().zip(context).filter(|_| l == 0).map(|(weight, c)| c.clone().matmul(weight.val()));
            let rectified = l < last && activation == Activation::Relu;
            waiting.push(layer.layer(added, rectified));
            // Layers with nothing but a ReLU between them are one operation.
            if rectified && !is_residual(l) && !is_residual(l + 1) {
                continue;
            }
            let found = convolve(h.clone(), std::mem::take(&mut waiting));
            let found = if l < last && !rectified { activation.apply(found) } else { found };
            h = if is_residual(l) { h + found } else { found };
        }
        let count = h.dims()[1] / self.parameters.max(1) * self.image.pixels();
        let theta = h.reshape([rows, self.parameters, count]);
        Ok(match &self.gives {
            Some(gives) => theta.select(2, gives.clone()),
            None => theta,
        })
    }
}
