//! The gated PixelCNN (van den Oord et al. 2016, *Conditional image generation with PixelCNN decoders*).

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{Conditioner, Convolution, Linear, Order, Widths, Window, check_context};
use crate::{
    error::{Error, Result},
    given::Given,
    kernels::{ConvolutionLayer, Operation, Program},
    placement::Placement,
    shape::check_input,
    space::ImageShape,
};

/// The settings of a [`PixelCnn`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelCnnConfig {
    /// Context columns, which every gate reads.
    pub context_dim: usize,
    /// The number of values that an element can take: 0 … levels − 1.
    pub levels: usize,
    /// Channels of each stack, rounded up to a multiple of the channels of the image.
    pub width: usize,
    /// Gated blocks, the first included.
    pub layers: usize,
    /// How far the first block sees, in pixels.
    pub first_radius: usize,
    /// How far each other block sees, in pixels.
    pub radius: usize,
    /// Parameters per element.
    pub parameters: usize,
    /// Whether the parameters of a channel read the earlier channels of the same pixel. Otherwise they read only earlier pixels.
    pub within_pixel: bool,
}

/// θ_j(x_<j, context), `[rows, parameters, dim]`, for the elements j of an image. Their order is row by row, within a row pixel by pixel, and within a pixel channel by channel.
///
/// Two stacks of convolutions run side by side. The vertical stack sees the rows above a pixel. The horizontal stack sees the pixels to its left, the earlier channels
/// of the pixel, and the output of the vertical stack. Together they see all earlier elements and no others. A single stack of masked
/// windows would have a blind spot above and to the right of the pixel. A block computes
///
/// v' = W_v ∗ v,   h' = h + W_r · gate(W_h ∗ h + W_l · v'),   v ← gate(v'),   gate(a, b) = tanh(a) σ(b).
///
/// The first block has no residual connection, and the context adds a bias to each channel before a gate. θ is 0 at the start.
#[derive(Module, Debug)]
pub struct PixelCnn {
    pub(super) blocks: Vec<Block>,
    pub(super) hidden: Convolution,
    pub(super) output: Convolution,
    #[module(skip)]
    pub(super) image: ImageShape,
    #[module(skip)]
    pub(super) config: PixelCnnConfig,
    #[module(skip)]
    pub(super) order: Order,
}

/// One step of both stacks.
#[derive(Module, Debug)]
pub(super) struct Block {
    pub vertical: Convolution,
    pub horizontal: Convolution,
    pub link: Convolution,
    pub residual: Convolution,
    /// `[context_dim, 4 · width]`: for the vertical gate, then for the horizontal one.
    context: Option<Param<Tensor<2>>>,
}

impl PixelCnn {
    /// A network over `image`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a network without layers, channels or parameters, for a radius of 0, and for elements of fewer than two levels.
    pub fn new(image: ImageShape, config: PixelCnnConfig, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        let PixelCnnConfig { context_dim, levels, layers, first_radius, radius, parameters, within_pixel, .. } = config;
        let counts = [("layers", layers), ("width", config.width), ("radius", radius.min(first_radius)), ("parameters", parameters)];
        counts.into_iter().try_for_each(|(what, count)| Error::check_count(what, count))?;
        if levels < 2 {
            return Err(Error::invalid("levels", "at least 2", levels));
        }
        image.check_dim(image.dim())?;
        place.count(image.dim())?;
        let channels = image.channels;
        let width = config.width.next_multiple_of(channels);
        // Channel u of a stack belongs to channel u mod channels of the image, and may read those that belong to it or to one before it.
        let masked = channels > 1 && within_pixel;
        let one = |widths: [usize; 2], gain: f64, grouped: bool, rng: &mut _| {
            if grouped && masked {
                Convolution::masked(widths, Window::same(1), &|o, c, _| c % channels <= o % channels, gain, place, rng)
            } else {
                Convolution::new(widths, Window::same(1), gain, place, rng)
            }
        };
        let mut blocks = Vec::new();
        for l in 0..layers {
            let (inputs, reach) = if l == 0 { (channels + 1, first_radius) } else { (width, radius) };
            let above = if l == 0 { Window::above(reach) } else { Window::down_to(reach) };
            let vertical = Convolution::new([inputs, 2 * width], above, 1.0, place, rng);
            let left = Window::causal(reach + 1, 1);
            let horizontal = if l == 0 {
                // The last input is 1 everywhere.
                let sees = |o: usize, c: usize, tap: usize| tap < reach || c == channels || (within_pixel && c < o % channels);
                Convolution::masked([inputs, 2 * width], left, &sees, 1.0, place, rng)
            } else if masked {
                let sees = |o: usize, c: usize, tap: usize| tap < reach || c % channels <= o % channels;
                Convolution::masked([inputs, 2 * width], left, &sees, 1.0, place, rng)
            } else {
                Convolution::new([inputs, 2 * width], left, 1.0, place, rng)
            };
            let link = one([2 * width; 2], 1.0, false, rng);
            let residual = one([width; 2], 1.0, true, rng);
            let context =
                (context_dim > 0).then(|| Param::from_tensor(Linear::new(context_dim, 4 * width, None, 1.0, place, rng).weight()));
            blocks.push(Block { vertical, horizontal, link, residual, context });
            place.count(0)?;
        }
        let hidden = one([width; 2], 1.0, true, rng);
        let output = one([width, parameters * channels], 0.0, true, rng);
        place.count(0)?;
        Ok(PixelCnn { blocks, hidden, output, image, config: PixelCnnConfig { width, ..config }, order: order(image)? })
    }

    /// The shape of the images.
    pub fn image(&self) -> ImageShape {
        self.image
    }

    /// The settings.
    pub fn config(&self) -> &PixelCnnConfig {
        &self.config
    }

    /// The elements as the network reads them.
    pub(super) fn read(&self, x: Tensor<4>) -> Tensor<4> {
        read(x, self.config.levels)
    }
}

/// Row by row, within a row pixel by pixel, and within a pixel channel by channel.
pub(super) fn order(image: ImageShape) -> Result<Order> {
    let (channels, pixels) = (image.channels, image.pixels());
    Order::new((0..image.dim()).map(|k| k % channels * pixels + k / channels).collect())
}

/// Elements as networks read them: on [−1, 1], with a channel of ones, which marks the border of the image.
pub(super) fn read(x: Tensor<4>, levels: usize) -> Tensor<4> {
    let [rows, _, height, width] = x.dims();
    let ones = Placement::of(&x.clone().inner()).zeros([rows, 1, height, width]).add_scalar(1.0);
    Tensor::cat(vec![x * (2.0 / (levels - 1) as f64) - 1.0, ones], 1)
}

impl Block {
    /// What the context adds before the vertical and the horizontal gate, `[rows, 2 · width]` each.
    pub fn added(&self, context: Option<&Tensor<2>>) -> [Option<Tensor<2>>; 2] {
        let both = self.context.as_ref().zip(context).map(|(weight, context)| context.clone().matmul(weight.val()));
        [0, 1].map(|part| {
            both.as_ref().map(|both| {
                let width = both.dims()[1] / 2;
                both.clone().narrow(1, part * width, width)
            })
        })
    }
}

impl Conditioner for PixelCnn {
    fn widths(&self) -> Widths {
        let dim = self.image.dim();
        Widths { inputs: dim, context_dim: self.config.context_dim, parameters: self.config.parameters, outputs: dim }
    }

    fn placement(&self) -> Placement {
        self.output.placement()
    }

    fn dtype(&self) -> DType {
        self.output.dtype()
    }

    fn parameters(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<3>> {
        let (dtype, dim) = (self.dtype(), self.image.dim());
        let rows = check_input("conditioner input", &x, dim, dtype)?;
        let context = check_context(given.context, rows, self.config.context_dim, dtype)?;
        let ImageShape { channels, height, width } = self.image;
        let (mut program, mut layers) = (Program::new(), Vec::new());
        let mut layer = |layer: ConvolutionLayer| {
            layers.push(layer);
            Operation::Convolve(layers.len() - 1)
        };
        let (mut v, mut h) = (0, 0);
        for (l, block) in self.blocks.iter().enumerate() {
            let [of_v, of_h] = block.added(context);
            let before = program.made(layer(block.vertical.layer(of_v, false)), v);
            let seen = program.made(layer(block.horizontal.layer(of_h, false)), h);
            program.add(layer(block.link.layer(None, false)), before, seen);
            let gated = program.made(Operation::Gate, seen);
            let found = program.made(layer(block.residual.layer(None, false)), gated);
            if l > 0 {
                program.add(Operation::Same, h, found);
            }
            h = found;
            // Nothing reads the vertical stack after the last block.
            if l + 1 < self.blocks.len() {
                v = program.made(Operation::Gate, before);
            }
        }
        let positive = program.made(Operation::Relu, h);
        let hidden = program.made(layer(self.hidden.layer(None, true)), positive);
        program.made(layer(self.output.layer(None, false)), hidden);
        let theta = program.run(self.read(x.reshape([rows, channels, height, width])), layers);
        Ok(theta.reshape([rows, self.config.parameters, dim]))
    }
}
