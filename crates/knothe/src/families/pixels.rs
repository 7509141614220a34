//! What multi-scale flows of images share: their options, couplings of convolutions, splits, and dequantisation.

use std::sync::Arc;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{FamilyOption, Initial, Recipe};
use crate::{
    Compose, Flow, Inverse, Layer,
    compose::{Partial, Pixelwise},
    conditioner::{Activation, ConvolutionalConfig},
    dequantised::{Dequantised, Preprocessing},
    error::{Error, Result},
    fit::FitConfig,
    linear::{ActNorm, Lu, Matrix, Permutation},
    network::Network,
    placement::Placement,
    source::{Normal, Source},
    space::{ImageShape, Law, Shape, Space},
    triangular::Coupling,
    univariate::{Affine, Bernoulli, Categorical, Conditional, Scale},
};

/// The most levels: sides have at most 2¹² pixels.
const MOST_LEVELS: u64 = 12;

/// Scales, as many as halve height and width, at most 3.
pub(super) const LEVELS: FamilyOption = FamilyOption {
    initial: Initial::Of(|recipe| halvings(recipe).clamp(1, 3).into()),
    ..FamilyOption::count("levels", "Number of scales", (1, MOST_LEVELS), 1)
};
/// Steps of a scale.
pub(super) const STEPS: FamilyOption = FamilyOption::count("steps_per_level", "Steps of each scale", (1, 1_000), 8);
/// Channels of hidden layers.
pub(super) const WIDTH: FamilyOption =
    FamilyOption::count("width", "Channels of the hidden layers of each network at the finest scale", (1, 65_536), 128);
/// The factor of the width.
pub(super) const WIDENING: FamilyOption =
    FamilyOption::count("widening", "Factor by which the width grows from one scale to the next coarser one", (1, 65_536), 1);
/// The windows of the convolutions.
pub(super) const WINDOWS: FamilyOption = FamilyOption::counts(
    "windows",
    "Window sizes of the convolutions in each network, one per layer",
    100,
    (1, 99),
    Initial::Counts(&[3, 1, 3]),
);
/// The nonlinearity of networks.
pub(super) const ACTIVATION: FamilyOption = super::chain::ACTIVATION.or(Initial::Name("relu"));
/// Whether networks are residual.
pub(super) const RESIDUAL: FamilyOption = super::chain::RESIDUAL.about("Make all hidden layers except the first residual");
/// The scale of couplings.
pub(super) const COUPLING: FamilyOption = FamilyOption::name(
    "coupling",
    "Scale that a coupling applies: below 1 (sigmoid), positive (exp), or 1 (additive)",
    &["sigmoid", "exp", "additive"],
);
/// The noise of dequantisation.
pub(super) const DEQUANTISATION: FamilyOption = FamilyOption::name(
    "dequantisation",
    "Noise that makes integers continuous: uniform, or learned by a coupling (variational)",
    &["uniform", "variational"],
);
/// The network of the noise.
pub(super) const NOISE_WIDTH: FamilyOption = FamilyOption::count(
    "noise_width",
    "Hidden channels of the network that learns the noise; used only with variational dequantisation",
    (1, 4_096),
    32,
);
/// What numbers go through before the flow.
pub(super) const PREPROCESSING: FamilyOption =
    FamilyOption::name("preprocessing", "Transformation of the pixel values before the flow", &["logit", "centred"]);
/// What keeps the logit finite.
pub(super) const ALPHA: FamilyOption = FamilyOption::number(
    "alpha",
    "Margin that keeps the darkest and brightest values away from 0 and 1 before the logit",
    (0.0, 0.5),
    0.05,
);

/// What mixes the channels of [`Glow`](super::Glow).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelMixing {
    /// A 1 × 1 convolution by the factors of its matrix.
    #[default]
    Lu,
    /// A 1 × 1 convolution with a free matrix.
    Matrix,
    /// Nothing.
    None,
}

/// The noise that makes integers continuous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// Uniform on [0, 1).
    #[default]
    Uniform,
    /// Learned, by one coupling (Ho et al. 2019, §3.1).
    Variational,
}

/// The options of a family of images: the size, then what all have.
pub(super) fn options(own: &[FamilyOption]) -> Vec<FamilyOption> {
    [own, &[ACTIVATION, COUPLING, DEQUANTISATION, NOISE_WIDTH, PREPROCESSING, ALPHA]].concat()
}

/// How often height and width can be halved.
pub(super) fn halvings(recipe: &Recipe) -> usize {
    let ImageShape { height, width, .. } = image(recipe);
    (height | width).trailing_zeros().min(64) as usize
}

/// The shape of the images; without pixels where the space has none, which no family of images supports.
pub(super) fn image(recipe: &Recipe) -> ImageShape {
    match recipe.space().shape {
        Shape::Grid(image) => image,
        _ => ImageShape { channels: 0, height: 0, width: 0 },
    }
}

/// The bits of a number, where they are whole.
fn bits(space: &Space) -> Option<usize> {
    match space.law() {
        Some(Law::Codes(codes)) if codes.is_power_of_two() => Some(codes.trailing_zeros() as usize),
        _ => None,
    }
}

/// The numbers that an element of an image can be; 1 where the space has no images.
pub(super) fn levels_of(recipe: &Recipe) -> usize {
    1 << bits(recipe.space()).unwrap_or(0)
}

/// The law of an element of an image whose values have probabilities. It is Bernoulli for one bit, and otherwise categorical.
pub(super) fn law(recipe: &Recipe) -> Arc<dyn Conditional> {
    match levels_of(recipe) {
        2 => Arc::new(Bernoulli),
        levels => Arc::new(Categorical(levels)),
    }
}

/// Whether a space has images of 1 to 8 bits.
pub(super) fn supports(space: &Space) -> bool {
    matches!(space.shape, Shape::Grid(_)) && bits(space).is_some_and(|bits| (1..=8).contains(&bits))
}

/// Images in a batch, and the learning rate: a Glow of MNIST's digits is at 1.83 bits per dimension after 1,200 steps with it, and at 2.17 with a
/// quarter of it.
pub(super) fn fitting() -> FitConfig {
    FitConfig { batch: 32, learning_rate: 4e-3, ..FitConfig::default() }
}

/// Checks the sides of the images.
pub(super) fn check_sides(recipe: &Recipe) -> Result<()> {
    let ImageShape { channels, height, width } = image(recipe);
    [channels, height, width].into_iter().try_for_each(|n| range("sides of an image", n, 1 << 12))
}

fn range(what: &str, value: usize, highest: usize) -> Result<()> {
    let fits = (1..=highest).contains(&value);
    if fits { Ok(()) } else { Err(Error::invalid(what, format!("1 to {highest}"), value)) }
}

/// Checks the sides of the images and the channels of the coarsest level.
pub(super) fn check(recipe: &Recipe) -> Result<()> {
    check_sides(recipe)?;
    range("layers of a network", recipe.counts(&WINDOWS).len(), 100)?;
    let broadest = Pixels::of(recipe).width_at(recipe.count(&LEVELS) - 1);
    range("channels of a network of the coarsest level", broadest, 65_536)
}

/// The dequantised flow of a map of images.
pub(super) fn network(recipe: &Recipe, map: Compose, place: &Placement, rng: &mut impl Rng) -> Result<Network> {
    let flow = Flow::new(Source::Normal(Normal::new(recipe.dim(), place)), map, recipe.context_dim())?;
    let preprocessing = match recipe.get(&PREPROCESSING) {
        super::Setting::Name(name) if name == "centred" => Preprocessing::Centred,
        _ => Preprocessing::Logit { alpha: recipe.number(&ALPHA) },
    };
    let q = Dequantised::new(flow, bits(recipe.space()).unwrap_or(0), preprocessing)?;
    if recipe.choice::<Noise>(&DEQUANTISATION) == Noise::Uniform {
        return Ok(Network::Dequantised(q));
    }
    let image = image(recipe);
    let both = ImageShape { channels: 2 * image.channels, ..image };
    let config = Pixels::of(recipe).network(recipe.count(&NOISE_WIDTH));
    let noise = Coupling::of_image(both, &both.half_of_channels(true), config, Arc::new(Affine::default()), place, rng)?;
    Ok(Network::Dequantised(q.with_noise(Compose::new(both.dim(), vec![Layer::ImageCoupling(noise)])?)?))
}

/// The parts of a map of images.
pub(super) struct Pixels<'a> {
    pub recipe: &'a Recipe,
    pub levels: usize,
    pub steps: usize,
}

impl<'a> Pixels<'a> {
    /// The parts that a recipe asks for.
    pub fn of(recipe: &'a Recipe) -> Self {
        Pixels { recipe, levels: recipe.count(&LEVELS), steps: recipe.count(&STEPS) }
    }

    /// Channels of the hidden layers at a level.
    pub fn width_at(&self, level: usize) -> usize {
        let widening = self.recipe.count(&WIDENING);
        (0..level).fold(self.recipe.count(&WIDTH), |width, _| width.saturating_mul(widening))
    }

    /// Networks of `width` channels.
    pub fn network(&self, width: usize) -> ConvolutionalConfig {
        ConvolutionalConfig {
            context_dim: self.recipe.context_dim(),
            width,
            windows: self.recipe.counts(&WINDOWS),
            activation: self.recipe.choice::<Activation>(&ACTIVATION),
            residual: self.recipe.flag(&RESIDUAL),
        }
    }

    /// z_A = σ(x_P) x_A + μ(x_P), from networks of `width` channels.
    pub fn coupling(&self, image: ImageShape, moves: &[bool], width: usize, place: &Placement, rng: &mut impl Rng) -> Result<Layer> {
        let map = Arc::new(Affine { scale: self.recipe.choice::<Scale>(&COUPLING) });
        Ok(Layer::InverseImageCoupling(Inverse::of(Coupling::of_image(image, moves, self.network(width), map, place, rng)?)))
    }

    /// Mixing of the channels on the source's side of activation normalisation.
    pub fn channels(&self, image: ImageShape, mixing: ChannelMixing, place: &Placement, rng: &mut impl Rng) -> Result<Layer> {
        let mut layers = match mixing {
            ChannelMixing::None => vec![],
            ChannelMixing::Lu => vec![Layer::Lu(Lu::rotated(image.channels, place, rng))],
            ChannelMixing::Matrix => vec![Layer::Matrix(Matrix::new(image.channels, place, rng))],
        };
        layers.push(Layer::ActNorm(ActNorm::new(image.channels, place)));
        Ok(Layer::Pixelwise(Pixelwise::new(image, Compose::new(image.channels, layers)?)?))
    }

    /// The channels that go on to the next level.
    pub fn half(image: ImageShape) -> ImageShape {
        ImageShape { channels: image.channels / 2, ..image }
    }

    /// Goes on with the first half of the channels; the second is split off, and is μ(x_A) + σ(x_A) z_B where its prior is `learned`.
    pub fn split(&self, image: ImageShape, next: Compose, learned: bool, place: &Placement, rng: &mut impl Rng) -> Result<Vec<Layer>> {
        let mut layers = vec![Layer::Partial(Partial::new(image.dim(), next)?)];
        if learned {
            let config = ConvolutionalConfig { windows: vec![3], ..self.network(self.recipe.count(&WIDTH)) };
            let prior = Coupling::of_image(image, &image.half_of_channels(true), config, Arc::new(Affine::default()), place, rng)?;
            layers.push(Layer::ImageCoupling(prior));
        }
        Ok(layers)
    }

    /// The squeeze between an image and its blocks.
    pub fn squeeze(image: ImageShape, place: &Placement) -> Result<Layer> {
        // Orders of pixels take more than the weights of a small network.
        place.count(image.dim())?;
        Ok(Layer::Permutation(Permutation::new(&image.squeeze()?, place)))
    }
}
