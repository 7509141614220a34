//! The densities that families build.

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    Compose, Flow,
    any_order::AnyOrder,
    bijection::{Given, Replay},
    conditioner::{PixelCnn, PixelRnn},
    density::{Density, Drawn, Exactness},
    dequantised::Dequantised,
    error::{Error, Result},
    mixed::Mixed,
    sequence::SequenceDensity,
    source::{AutoregressiveDensity, PixelMixture, Source},
};

/// A source and a chain of layers, over real numbers.
pub type TabularFlow = Flow<Source, Compose>;

/// A density over integers from a flow over the reals.
pub type ImageFlow = Dequantised<TabularFlow>;

/// A density over codes and one over reals given the codes.
pub type MixedFlow = Mixed<TabularFlow>;

/// The closed sum of the densities that families build.
// Burn has no modules behind a Box, and a model has few networks.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum Network {
    /// A flow over real numbers.
    Flow(TabularFlow),
    /// A flow over integers with noise.
    Dequantised(ImageFlow),
    /// Codes, and a flow over the real numbers given the codes.
    Mixed(MixedFlow),
    /// The pixels of an image one after another.
    Pixels(AutoregressiveDensity<PixelCnn>),
    /// The same with a law of all channels of a pixel.
    PixelMixture(PixelMixture),
    /// The pixels of an image one after another, from the states of a recurrent network.
    RecurrentPixels(AutoregressiveDensity<PixelRnn>),
    /// The steps of a sequence one after another.
    Sequence(SequenceDensity),
    /// Elements given any set of the others.
    AnyOrder(AnyOrder),
}

/// Calls a function of whichever density a network is.
macro_rules! each {
    ($network:expr, $q:ident => $call:expr) => {
        match $network {
            Network::Flow($q) => $call,
            Network::Dequantised($q) => $call,
            Network::Mixed($q) => $call,
            Network::Pixels($q) => $call,
            Network::PixelMixture($q) => $call,
            Network::RecurrentPixels($q) => $call,
            Network::Sequence($q) => $call,
            Network::AnyOrder($q) => $call,
        }
    };
}

impl Network {
    /// The flow over real numbers, without what makes integers continuous.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the events have codes.
    pub fn flow(&self) -> Result<&TabularFlow> {
        match self {
            Network::Flow(flow) => Ok(flow),
            Network::Dequantised(q) => Ok(q.inner()),
            _ => Err(no_source()),
        }
    }

    /// z = T⁻¹(x); integers get the noise of `given.seed` first.
    ///
    /// # Errors
    /// As [`Flow::to_source`] and [`Dequantised::to_source`], and [`Error::Unsupported`] where the events have codes.
    pub fn to_source(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        match self {
            Network::Flow(q) => q.to_source(x, given),
            Network::Dequantised(q) => q.to_source(x, given),
            _ => Err(no_source()),
        }
    }

    /// x = T(z); integers where the density is one of integers.
    ///
    /// # Errors
    /// As [`Flow::from_source`], and [`Error::Unsupported`] where the events have codes.
    pub fn from_source(&self, z: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        match self {
            Network::Flow(q) => q.from_source(z, given),
            Network::Dequantised(q) => q.from_source(z, given),
            _ => Err(no_source()),
        }
    }

    /// Whether the density goes through the elements of an event in order, so that it can [complete](Network::complete) one.
    pub fn completes(&self) -> bool {
        matches!(self, Network::Pixels(_) | Network::PixelMixture(_) | Network::RecurrentPixels(_) | Network::Sequence(_))
    }

    /// Keeps the first `kept` of so many equal `parts` of each row in the order of the density, and draws the others given them. The parts of a sequence are its steps.
    ///
    /// # Errors
    /// As [`AutoregressiveDensity::complete`], and [`Error::Unsupported`] for a density without such an order.
    pub fn complete(&self, x: Tensor<2>, (kept, parts): (usize, usize), given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let known = x.dims()[1] / parts.max(1) * kept;
        match self {
            Network::Pixels(q) => q.complete(x, known, given, rng),
            Network::PixelMixture(q) => q.complete(x, known, given, rng),
            Network::RecurrentPixels(q) => q.complete(x, known, given, rng),
            // The length of a sequence stands before its steps.
            Network::Sequence(q) => q.complete(x, kept, given, rng),
            _ => {
                let reason = "expected an autoregressive model of images or recordings".into();
                Err(Error::Unsupported { what: "a completion".into(), reason, hint: None })
            }
        }
    }

    /// Whether the density draws from a source of real numbers, which a temperature can scale.
    pub fn takes_temperature(&self) -> bool {
        match self {
            Network::Flow(flow) => !matches!(flow.source(), Source::Autoregressive(source) if source.is_discrete()),
            Network::Dequantised(_) => true,
            _ => false,
        }
    }

    /// Refuses a temperature other than 1 if there is no source to scale.
    pub(crate) fn check_temperature(&self, temperature: f64) -> Result<()> {
        if temperature == 1.0 || self.takes_temperature() {
            return Ok(());
        }
        let expected = "1 for a model that draws categories, pixels or samples themselves and has no source to scale";
        Err(Error::invalid("temperature", expected, temperature))
    }

    /// `n` draws at a temperature; see [`Flow::sample_at`].
    ///
    /// # Errors
    /// As [`Flow::sample_at`], and [`Error::Invalid`] for a temperature other than 1 without a [source to scale](Network::takes_temperature).
    pub fn sample_at(&self, n: usize, given: &Given, temperature: f64, rng: &mut impl Rng) -> Result<Tensor<2>> {
        self.check_temperature(temperature)?;
        match self {
            Network::Flow(q) => q.sample_at(n, given, temperature, rng),
            Network::Dequantised(q) => q.sample_at(n, given, temperature, rng),
            _ => self.sample(n, given, rng),
        }
    }
}

fn no_source() -> Error {
    Error::Unsupported {
        what: "coordinates of the source".into(),
        reason: "this model draws categories, pixels or samples themselves and has no source coordinates".into(),
        hint: None,
    }
}

impl Density for Network {
    fn dim(&self) -> usize {
        each!(self, q => q.dim())
    }

    fn context_dim(&self) -> usize {
        each!(self, q => q.context_dim())
    }

    fn exactness(&self) -> Exactness {
        each!(self, q => q.exactness())
    }

    fn check_absent(&self) -> Result<()> {
        each!(self, q => q.check_absent())
    }

    fn starts_from_data(&self) -> bool {
        each!(self, q => q.starts_from_data())
    }

    fn has_statistics(&self) -> bool {
        each!(self, q => q.has_statistics())
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        each!(self, q => q.initialise(data))
    }

    fn collect_statistics(&mut self, data: &mut dyn Replay) -> Result<()> {
        each!(self, q => q.collect_statistics(data))
    }

    fn training_log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        each!(self, q => q.training_log_prob(x, given))
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        each!(self, q => q.log_prob(x, given))
    }

    fn log_prob_given(&self, x: Tensor<2>, known: &Tensor<2>, asked: &Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        each!(self, q => q.log_prob_given(x, known, asked, given))
    }

    fn sample_given(&self, x: Tensor<2>, known: &Tensor<2>, asked: &Drawn, given: &Given) -> Result<Tensor<2>> {
        each!(self, q => q.sample_given(x, known, asked, given))
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        each!(self, q => q.sample(n, given, rng))
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        each!(self, q => q.to_uniform(x, given))
    }
}
