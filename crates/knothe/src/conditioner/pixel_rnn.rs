//! The Row LSTM and the Diagonal BiLSTM (van den Oord, Kalchbrenner & Kavukcuoglu 2016, *Pixel recurrent neural networks*).

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor, activation::relu};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::{
    Conditioner, Convolution, Linear, Order, Widths, Window, check_context,
    pixel_cnn::{order, read},
};
use crate::{
    error::{Error, Result},
    given::Given,
    kernels::{Lines, convolve, recur},
    placement::Placement,
    shape::check_input,
    space::ImageShape,
};

/// The path of the states of a [`PixelRnn`] through an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recurrence {
    /// From row to row. A state depends on the states of the three pixels above it. A pixel sees a triangle above it and the nearest pixels to its left.
    #[default]
    Row,
    /// From diagonal to diagonal, in both directions. A state depends on the states of the pixel above and of the pixel beside it. A pixel sees all earlier pixels.
    Diagonal,
}

/// The settings of a [`PixelRnn`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelRnnConfig {
    /// Context columns, which all gates read.
    pub context_dim: usize,
    /// The number of levels. The values of an element are 0, 1, …, levels − 1.
    pub levels: usize,
    /// Hidden states per pixel in each layer, rounded up to a multiple of the channels of the image. The feature map between layers has twice as many channels.
    pub width: usize,
    /// The number of recurrent layers.
    pub layers: usize,
    /// How far the first convolution sees, in pixels.
    pub radius: usize,
    /// Parameters per element.
    pub parameters: usize,
    /// The kind of the layers.
    pub recurrence: Recurrence,
}

/// θ_j(x_<j, context), `[rows, parameters, dim]`, for the elements j of an image. They are ordered by row, within a row by pixel, and within a pixel by channel.
///
/// A masked convolution makes the first feature map s from the image. Each recurrent layer then goes through the lines t of its map and adds to the map:
///
/// (o, f, i, g) = W_s ∗ s_t + W_h ∗ h_{t−1} + b,   c_t = σ(f) c_{t−1} + σ(i) tanh(g),   h_t = σ(o) tanh(c_t),   s ← s + W_r h.
///
/// The lines of [`Recurrence::Row`] are the rows. W_s reads a pixel and the one to its left, and W_h reads three states of the row above. The lines of
/// [`Recurrence::Diagonal`] are the diagonals. W_s reads the pixel, and W_h reads the states of the pixels to its left and above it. A second pass
/// mirrors the first, with weights of its own. Its h moves down by one row before it is added to the first h, so that no pixel sees later ones.
/// The context adds a bias to the gates. The network ends with ReLU, a 1 × 1 convolution, ReLU and a 1 × 1 convolution. θ is 0 at the start.
///
/// One point differs from the paper. The mirrored pass of the first layer also reads the image, since all pixels of a row are known before the row below it. In the paper's form,
/// a pixel sees the last pixel of the row above it only if the window of the first convolution reaches that far.
///
/// ```
/// use knothe::{Given, Placement, Precision, space::ImageShape};
/// use knothe::conditioner::{Conditioner, PixelRnn, PixelRnnConfig, Recurrence};
/// use rand::SeedableRng;
/// let (cpu, mut rng) = (Placement::cpu(Precision::F32), rand_chacha::ChaCha12Rng::seed_from_u64(0));
/// let image = ImageShape { channels: 1, height: 5, width: 4 };
/// let config =
///     PixelRnnConfig { context_dim: 0, levels: 2, width: 8, layers: 2, radius: 1, parameters: 1, recurrence: Recurrence::Diagonal };
/// let network = PixelRnn::new(image, config, &cpu, &mut rng)?;
/// assert_eq!(network.parameters(cpu.zeros([3, 20]), &Given::default())?.dims(), [3, 1, 20]);
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct PixelRnn {
    pub(super) first: Convolution,
    pub(super) layers: Vec<Layer>,
    pub(super) hidden: Convolution,
    pub(super) output: Convolution,
    #[module(skip)]
    pub(super) image: ImageShape,
    #[module(skip)]
    pub(super) config: PixelRnnConfig,
    #[module(skip)]
    pub(super) order: Order,
}

/// A recurrent layer.
#[derive(Module, Debug)]
pub(super) struct Layer {
    pub ahead: Pass,
    /// The mirrored pass of a diagonal layer, if the image has more than one row.
    pub mirrored: Option<Pass>,
    pub residual: Convolution,
}

/// The weights of an LSTM. The gates are (o, f, i, g) of all hidden states.
#[derive(Module, Debug)]
pub(super) struct Pass {
    /// W_s and b.
    pub given: Convolution,
    /// W_h, `[4 · width, width, taps]`.
    pub followed: Param<Tensor<3>>,
    /// `[context_dim, 4 · width]`.
    context: Option<Param<Tensor<2>>>,
}

impl PixelRnn {
    /// A network over `image`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a network without layers, channels or parameters, for a radius of 0, and for elements of fewer than two levels;
    /// [`Error::Shape`] for an image without pixels.
    pub fn new(image: ImageShape, config: PixelRnnConfig, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        let PixelRnnConfig { context_dim, levels, layers: count, radius, parameters, recurrence, .. } = config;
        let counts = [("layers", count), ("width", config.width), ("radius", radius), ("parameters", parameters)];
        counts.into_iter().try_for_each(|(what, count)| Error::check_count(what, count))?;
        if levels < 2 {
            return Err(Error::invalid("levels", "at least 2", levels));
        }
        image.check_dim(image.dim())?;
        place.count(image.dim())?;
        let channels = image.channels;
        let width = config.width.next_multiple_of(channels);
        // Channel u of a map belongs to channel u mod channels of the image. At its own pixel it reads the channels that belong to the same or an earlier channel of the image.
        let own = |o: usize, c: usize| c % channels <= o % channels;
        let one = |widths: [usize; 2], gain: f64, rng: &mut _| {
            if channels > 1 {
                Convolution::masked(widths, Window::same(1), &|o, c, _| own(o, c), gain, place, rng)
            } else {
                Convolution::new(widths, Window::same(1), gain, place, rng)
            }
        };
        // The first convolution sees the rows above, the pixels to the left, and the earlier channels of the pixel. The last input is 1 everywhere.
        let sees = |o: usize, c: usize, tap: usize| {
            let (down, across) = (tap / (2 * radius + 1), tap % (2 * radius + 1));
            down < radius || across < radius || across == radius && (c == channels || c < o % channels)
        };
        let first = Convolution::masked([channels + 1, 2 * width], Window::down_to(radius), &sees, 1.0, place, rng);
        place.count(0)?;
        let lines = recurrence.lines();
        let mut layers = Vec::new();
        for l in 0..count {
            let given = match recurrence {
                // The taps are the pixel to the left and the pixel itself.
                Recurrence::Row => {
                    Convolution::masked([2 * width, 4 * width], Window::causal(2, 1), &|o, c, tap| tap == 0 || own(o, c), 1.0, place, rng)
                }
                Recurrence::Diagonal => one([2 * width, 4 * width], 1.0, rng),
            };
            let ahead = Pass::new(given, width, lines, context_dim, place, rng);
            let mirrored = (recurrence == Recurrence::Diagonal && image.height > 1).then(|| {
                let inputs = 2 * width + if l == 0 { channels + 1 } else { 0 };
                let given = Convolution::new([inputs, 4 * width], Window::same(1), 1.0, place, rng);
                Pass::new(given, width, Lines::Mirrored, context_dim, place, rng)
            });
            layers.push(Layer { ahead, mirrored, residual: one([width, 2 * width], 1.0, rng) });
            place.count(0)?;
        }
        let hidden = one([2 * width; 2], 1.0, rng);
        let output = one([2 * width, parameters * channels], 0.0, rng);
        place.count(0)?;
        Ok(PixelRnn { first, layers, hidden, output, image, config: PixelRnnConfig { width, ..config }, order: order(image)? })
    }

    /// The shape of the images.
    pub fn image(&self) -> ImageShape {
        self.image
    }

    /// The settings.
    pub fn config(&self) -> &PixelRnnConfig {
        &self.config
    }
}

impl Recurrence {
    /// The lines of the first pass.
    pub(super) fn lines(self) -> Lines {
        match self {
            Recurrence::Row => Lines::Rows,
            Recurrence::Diagonal => Lines::Diagonals,
        }
    }
}

impl Pass {
    fn new(given: Convolution, width: usize, lines: Lines, context_dim: usize, place: &Placement, rng: &mut impl Rng) -> Self {
        let inputs = width * lines.taps();
        let bound = 1.0 / (inputs as f64).sqrt();
        let draw = || (0..4 * width * inputs).map(|_| bound * (2.0 * rng.random::<f64>() - 1.0)).collect();
        let followed = Param::from_tensor(place.tensor_of([4 * width, width, lines.taps()], draw));
        let context = (context_dim > 0).then(|| Param::from_tensor(Linear::new(context_dim, 4 * width, None, 1.0, place, rng).weight()));
        Pass { given, followed, context }
    }

    /// The contribution of the context to the gates, `[rows, 4 · width]`.
    pub fn added(&self, context: Option<&Tensor<2>>) -> Option<Tensor<2>> {
        self.context.as_ref().zip(context).map(|(weight, context)| context.clone().matmul(weight.val()))
    }

    /// The hidden states of all pixels.
    fn run(&self, map: Tensor<4>, context: Option<&Tensor<2>>, lines: Lines) -> Tensor<4> {
        let gates = convolve(map, vec![self.given.layer(self.added(context), false)]);
        recur(gates, self.followed.val(), lines)
    }
}

/// The map, moved down by one row.
fn lowered(map: Tensor<4>) -> Tensor<4> {
    let [rows, channels, height, width] = map.dims();
    let top = Placement::of(&map.clone().inner()).zeros([rows, channels, 1, width]);
    Tensor::cat(vec![top, map.narrow(2, 0, height - 1)], 2)
}

impl Conditioner for PixelRnn {
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
        let image = read(x.reshape([rows, channels, height, width]), self.config.levels);
        let mut map = convolve(image.clone(), vec![self.first.layer(None, false)]);
        let mut seen = Some(image);
        for layer in &self.layers {
            let mut states = layer.ahead.run(map.clone(), context, self.config.recurrence.lines());
            if let Some(mirrored) = &layer.mirrored {
                let read: Vec<Tensor<4>> = [map.clone()].into_iter().chain(seen.take()).collect();
                states = states + lowered(mirrored.run(Tensor::cat(read, 1), context, Lines::Mirrored));
            }
            map = map + convolve(states, vec![layer.residual.layer(None, false)]);
        }
        let theta = convolve(relu(map), vec![self.hidden.layer(None, true), self.output.layer(None, false)]);
        Ok(theta.reshape([rows, self.config.parameters, dim]))
    }
}
