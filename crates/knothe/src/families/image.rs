//! Models of images, as a file records them.

use std::sync::Arc;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{TabularFlow, glow, image_real_nvp};
use crate::{
    Compose, Flow, Inverse, Layer,
    conditioner::{Activation, ConvolutionalConfig},
    dequantised::{Dequantised, Preprocessing},
    error::{Error, Result},
    grid::{Partial, Pixelwise},
    linear::{ActNorm, Lu, Matrix, Permutation},
    placement::Placement,
    random::{Purpose, stream},
    source::{Normal, Source},
    space::ImageShape,
    triangular::{Coupling, Elementwise},
    univariate::{Affine, Scale},
};

/// The type of every built-in model of images: a density over integers from a flow over the reals.
pub type ImageFlow = Dequantised<TabularFlow>;

/// The most levels: sides have at most 2¹² pixels.
const MOST_LEVELS: usize = 12;

/// A model of images by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageModel {
    /// Activation normalisation, invertible 1 × 1 convolution, coupling of channels (Kingma & Dhariwal 2018).
    Glow,
    /// Couplings of checkerboards and of channels (Dinh et al. 2017).
    RealNvp,
}

impl ImageModel {
    /// Every model.
    pub const ALL: [ImageModel; 2] = [ImageModel::Glow, ImageModel::RealNvp];

    /// The name, as the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            ImageModel::Glow => "glow",
            ImageModel::RealNvp => "real_nvp",
        }
    }

    /// What it is, in a line.
    pub fn summary(self) -> &'static str {
        match self {
            ImageModel::Glow => "actnorm, invertible 1 × 1 convolutions and couplings of channels, multi-scale (Kingma & Dhariwal 2018)",
            ImageModel::RealNvp => "couplings of checkerboards and of channels, multi-scale (Dinh et al. 2017)",
        }
    }
}

/// What mixes the channels of [`ImageModel::Glow`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelMixing {
    /// Nothing.
    None,
    /// A 1 × 1 convolution by the factors of its matrix.
    #[default]
    Lu,
    /// A 1 × 1 convolution with a free matrix.
    Matrix,
}

/// Everything that decides the shapes and the start of an image model's parameters. Two equal ones build equal models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageArchitecture {
    /// The recipe.
    pub model: ImageModel,
    /// The shape of the images.
    pub image: ImageShape,
    /// Context columns, such as one a class.
    pub context_dim: usize,
    /// Scales L: after each but the last, half of the numbers are split off. The image is squeezed once a level, or once less for Real-NVP.
    pub levels: usize,
    /// Steps K of a level; couplings of each kind of mask of a level, for Real-NVP.
    pub steps: usize,
    /// Channels of the hidden layers of the conditioners at the finest level.
    pub width: usize,
    /// The factor of `width` from level to level: 1 in Glow, and 2 in Real-NVP.
    pub widening: usize,
    /// The windows of the layers of the conditioners.
    pub windows: Vec<usize>,
    /// The nonlinearity of the conditioners.
    pub activation: Activation,
    /// Whether the hidden layers of the conditioners but the first are residual.
    #[serde(default)]
    pub residual: bool,
    /// The scale of the couplings; [`Scale::One`] makes them additive.
    pub scale: Scale,
    /// What mixes the channels.
    pub mixing: ChannelMixing,
    /// Bits of a number.
    pub bits: usize,
    /// What comes before the flow.
    pub preprocessing: Preprocessing,
    /// Channels of the network that learns the dequantisation noise; 0 for uniform noise.
    #[serde(default)]
    pub noise_width: usize,
    /// Seeds the parameters' start.
    pub seed: u64,
}

impl ImageArchitecture {
    /// A model of a size for small images: as many levels as halve height and width, at most 3.
    pub fn new(model: ImageModel, image: ImageShape, context_dim: usize, seed: u64) -> Self {
        let halvings = (image.height | image.width).trailing_zeros() as usize;
        let (squeezes, steps, width, widening, windows) = match model {
            ImageModel::Glow => (halvings, 8, 128, 1, vec![3, 1, 3]),
            ImageModel::RealNvp => (halvings + 1, 3, 64, 2, vec![3, 3, 3, 3]),
        };
        ImageArchitecture {
            model,
            image,
            context_dim,
            levels: squeezes.clamp(1, 3),
            steps,
            width,
            widening,
            windows,
            activation: Activation::Relu,
            residual: model == ImageModel::RealNvp,
            // Below 1, so that no image is scaled out of range: with e^b(s) a Glow of MNIST's digits diverges at the rate that is the best for it.
            scale: if model == ImageModel::Glow { Scale::Sigmoid } else { Scale::Exp },
            mixing: ChannelMixing::default(),
            bits: 8,
            preprocessing: Preprocessing::Logit { alpha: 0.05 },
            noise_width: 0,
            seed,
        }
    }

    /// Builds the model with its parameters at their start.
    pub fn build(&self, place: &Placement) -> Result<ImageFlow> {
        let mut rng = stream(self.seed, Purpose::Start, 0);
        let q = Dequantised::new(self.flow(place, &mut rng)?, self.bits, self.preprocessing)?;
        if self.noise_width == 0 {
            return Ok(q);
        }
        let both = ImageShape { channels: 2 * self.image.channels, ..self.image };
        let noise = Coupling::of_image(
            both,
            &both.half_of_channels(true),
            self.network(self.noise_width),
            Arc::new(Affine::default()),
            place,
            &mut rng,
        )?;
        q.with_noise(Compose::new(both.dim(), vec![Layer::ImageCoupling(noise)]))
    }

    fn flow(&self, place: &Placement, rng: &mut impl Rng) -> Result<TabularFlow> {
        self.check()?;
        let map = match self.model {
            ImageModel::Glow => glow::level(self, self.image, 0, place, rng)?,
            ImageModel::RealNvp => image_real_nvp::level(self, self.image, 0, place, rng)?,
        };
        Flow::new(Source::Normal(Normal::new(self.image.dim(), place)), map, self.context_dim)
    }

    fn check(&self) -> Result<()> {
        let range = |what: &str, value: usize, lowest: usize, highest: usize| {
            let fits = (lowest..=highest).contains(&value);
            if fits { Ok(()) } else { Err(Error::invalid(what, format!("{lowest} to {highest}"), value)) }
        };
        let ImageShape { channels, height, width } = self.image;
        [channels, height, width].into_iter().try_for_each(|n| range("sides of an image", n, 1, 1 << 12))?;
        range("numbers of an image", self.image.dim(), 1, 1 << 24)?;
        range("context columns", self.context_dim, 0, 65_536)?;
        range("levels", self.levels, 1, MOST_LEVELS)?;
        range("steps", self.steps, 1, 1_000)?;
        range("channels of a conditioner", self.width, 1, 65_536)?;
        range("widening", self.widening, 1, 65_536)?;
        range("channels of a conditioner of the coarsest level", self.width_at(self.levels - 1), 1, 65_536)?;
        range("channels of the network of the noise", self.noise_width, 0, 4_096)?;
        range("layers of a conditioner", self.windows.len(), 1, 100)?;
        self.windows.iter().try_for_each(|&size| range("window", size, 1, 99))?;
        let convolutions = self.windows.iter().map(|size| size * size).sum::<usize>();
        let broadest = self.width_at(self.levels - 1);
        let size = [self.levels, self.steps, broadest, broadest].iter().fold(convolutions, |a, &b| a.saturating_mul(b));
        range("weights", size, 1, 1 << 32)
    }

    /// At least about how many parameters the model has, without building it: the networks of its couplings and of its noise.
    pub fn size(&self) -> usize {
        let last = self.windows.len().saturating_sub(1);
        let network = |width: usize| {
            let layer = |(k, window): (usize, &usize)| {
                // The outer layers read and give one channel or more.
                let sides = usize::from(k > 0) + usize::from(k < last);
                (0..sides).fold(window.saturating_mul(*window), |size, _| size.saturating_mul(width))
            };
            self.windows.iter().enumerate().map(layer).fold(0usize, usize::saturating_add)
        };
        let noise = if self.noise_width > 0 { network(self.noise_width) } else { 0 };
        let levels = (0..self.levels.min(MOST_LEVELS)).map(|level| network(self.width_at(level))).fold(0usize, usize::saturating_add);
        levels.saturating_mul(self.steps).saturating_add(noise)
    }

    /// Channels of the hidden layers at a level.
    pub(super) fn width_at(&self, level: usize) -> usize {
        (0..level).fold(self.width, |width, _| width.saturating_mul(self.widening))
    }

    fn network(&self, width: usize) -> ConvolutionalConfig {
        ConvolutionalConfig {
            context_dim: self.context_dim,
            width,
            windows: self.windows.clone(),
            activation: self.activation,
            residual: self.residual,
        }
    }

    /// The mean and the scale of the coarsest level, given the class; nothing without classes.
    pub(super) fn prior(&self, image: ImageShape, place: &Placement) -> Vec<Layer> {
        let prior = || Layer::Elementwise(Elementwise::new(image.dim(), self.context_dim, Arc::new(Affine::default()), place));
        (self.context_dim > 0).then(prior).into_iter().collect()
    }

    /// z_A = σ(x_P) x_A + μ(x_P), from networks of `width` channels.
    pub(super) fn coupling(&self, image: ImageShape, moves: &[bool], width: usize, place: &Placement, rng: &mut impl Rng) -> Result<Layer> {
        let map = Arc::new(Affine { scale: self.scale });
        Ok(Layer::InverseImageCoupling(Inverse::of(Coupling::of_image(image, moves, self.network(width), map, place, rng)?)))
    }

    /// Mixing of the channels on the source's side of activation normalisation.
    pub(super) fn channels(&self, image: ImageShape, mixing: ChannelMixing, place: &Placement, rng: &mut impl Rng) -> Result<Layer> {
        let mut layers = match mixing {
            ChannelMixing::None => vec![],
            ChannelMixing::Lu => vec![Layer::Lu(Lu::rotated(image.channels, place, rng))],
            ChannelMixing::Matrix => vec![Layer::Matrix(Matrix::new(image.channels, place, rng))],
        };
        layers.push(Layer::ActNorm(ActNorm::new(image.channels, place)));
        Ok(Layer::Pixelwise(Pixelwise::new(image, Compose::new(image.channels, layers))?))
    }

    /// The channels that go on to the next level.
    pub(super) fn half(image: ImageShape) -> ImageShape {
        ImageShape { channels: image.channels / 2, ..image }
    }

    /// Goes on with the first half of the channels; the second is split off, and is μ(x_A) + σ(x_A) z_B where its prior is `learned`.
    pub(super) fn split(
        &self,
        image: ImageShape,
        next: Compose,
        learned: bool,
        place: &Placement,
        rng: &mut impl Rng,
    ) -> Result<Vec<Layer>> {
        let mut layers = vec![Layer::Partial(Partial::new(image.dim(), next)?)];
        if learned {
            let config = ConvolutionalConfig { windows: vec![3], ..self.network(self.width) };
            let prior = Coupling::of_image(image, &image.half_of_channels(true), config, Arc::new(Affine::default()), place, rng)?;
            layers.push(Layer::ImageCoupling(prior));
        }
        Ok(layers)
    }

    /// The squeeze between an image and its blocks.
    pub(super) fn squeeze(image: ImageShape, place: &Placement) -> Result<Layer> {
        Ok(Layer::Permutation(Permutation::new(&image.squeeze()?, place)))
    }
}
