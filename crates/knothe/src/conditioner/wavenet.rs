//! WaveNet: dilated causal convolutions over the steps of a sequence.

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};
use rand::Rng;

use super::{AutoregressiveConditioner, Conditioner, Convolution, Linear, Order, Widths, Window, check_context, check_placement};
use crate::{
    error::{Error, Result},
    given::Given,
    kernels::{ConvolutionLayer, Operation, Program},
    placement::Placement,
    shape::check_input,
};

/// The number of steps before a step that the first convolution reads.
pub(super) const FIRST: usize = 2;
/// The number of features of a step: its level, its amplitude, and 1.
pub(super) const FEATURES: usize = 3;
/// The longest dilation is 2 to this power.
const LONGEST: usize = 24;

/// The architecture of a [`WaveNet`].
#[derive(Clone, Debug)]
pub struct WaveNetConfig {
    /// Context columns, which every layer reads.
    pub context_dim: usize,
    /// The number of levels. The values of a step are 0, 1, …, levels − 1.
    pub levels: usize,
    /// The number of gated layers.
    pub layers: usize,
    /// Layer l has the dilation 2^(l mod cycle).
    pub cycle: usize,
    /// Channels between layers.
    pub residual: usize,
    /// Channels from the layers to the output, where they are added up.
    pub skip: usize,
    /// Parameters per step.
    pub parameters: usize,
}

/// θ_t(x_<t, context) for the steps of a sequence (van den Oord et al. 2016, *WaveNet: a generative model for raw audio*, §2).
///
/// Layer l reads its input h at two steps: the step itself, and 2^(l mod cycle) steps before it.
///
/// z_l = tanh(W_l ∗ h_l + V_l c) ⊙ σ(W′_l ∗ h_l + V′_l c),  h_{l+1} = h_l + R_l z_l,  θ = O ReLU(H ReLU(Σ_l S_l z_l)),
///
/// Here c is the context, and R, S, H and O are 1 × 1 convolutions. The network reads a step of level k as three numbers: y = 2k/(levels − 1) − 1, the amplitude of y by the
/// [μ-law](crate::special::mu_law_inverse) with μ = levels − 1, and 1. h_0 reads the two steps before a step. θ_t therefore depends on the [`WaveNet::reach`] steps before
/// step t.
///
/// θ is 0 at the start. Sampling computes nothing twice, because each layer keeps the inputs that it will read again, as many as its dilation.
///
/// ```
/// use knothe::{Placement, Precision, bijection::Given, conditioner::{Conditioner, WaveNet, WaveNetConfig}};
/// use rand::SeedableRng;
/// let (cpu, mut rng) = (Placement::cpu(Precision::F32), rand_chacha::ChaCha12Rng::seed_from_u64(0));
/// let config = WaveNetConfig { context_dim: 0, levels: 256, layers: 4, cycle: 4, residual: 16, skip: 16, parameters: 256 };
/// let network = WaveNet::new(100, config, &cpu, &mut rng)?;
/// assert_eq!(network.reach(), 17);
/// assert_eq!(network.parameters(cpu.zeros([2, 100]), &Given::default())?.dims(), [2, 256, 100]);
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct WaveNet {
    pub(super) input: Convolution,
    pub(super) blocks: Vec<Block>,
    pub(super) hidden: Convolution,
    pub(super) output: Convolution,
    #[module(skip)]
    config: WaveNetConfig,
    #[module(skip)]
    order: Order,
}

/// A gated layer.
#[derive(Module, Debug)]
pub(super) struct Block {
    pub dilated: Convolution,
    /// None in the last layer, because nothing reads h after it.
    pub residual: Option<Convolution>,
    pub skip: Convolution,
    /// `[context_dim, 2 · residual]`.
    pub context: Option<Param<Tensor<2>>>,
}

impl Block {
    /// The contribution of the context before the gate, `[rows, 2 · residual]`.
    pub fn added(&self, context: Option<&Tensor<2>>) -> Option<Tensor<2>> {
        self.context.as_ref().zip(context).map(|(weight, context)| context.clone().matmul(weight.val()))
    }
}

impl WaveNet {
    /// A network over sequences of `length` steps of one number each.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a network without steps, layers, a cycle, channels or parameters, for fewer than two levels, and for a cycle above 25.
    pub fn new(length: usize, config: WaveNetConfig, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        let WaveNetConfig { context_dim, levels, layers, cycle, residual, skip, parameters } = config;
        let counts =
            [("length", length), ("layers", layers), ("cycle", cycle), ("residual", residual), ("skip", skip), ("parameters", parameters)];
        counts.into_iter().try_for_each(|(what, count)| Error::check_count(what, count))?;
        if levels < 2 {
            return Err(Error::invalid("levels", "at least 2", levels));
        }
        if cycle > LONGEST + 1 {
            return Err(Error::invalid("cycle", format!("at most {}", LONGEST + 1), cycle));
        }
        place.count(length)?;
        let one = |widths: [usize; 2], gain: f64, rng: &mut _| Convolution::new(widths, Window::same(1), gain, place, rng);
        let input = Convolution::new([FEATURES, residual], Window::before(FIRST), 1.0, place, rng);
        let mut blocks = Vec::new();
        for l in 0..layers {
            let dilated = Convolution::new([residual, 2 * residual], Window::causal(2, 1 << (l % cycle)), 1.0, place, rng);
            let context =
                (context_dim > 0).then(|| Param::from_tensor(Linear::new(context_dim, 2 * residual, None, 1.0, place, rng).weight()));
            let own = (l + 1 < layers).then(|| one([residual; 2], 1.0, rng));
            blocks.push(Block { dilated, residual: own, skip: one([residual, skip], 1.0, rng), context });
            place.count(0)?;
        }
        let hidden = one([skip; 2], 1.0, rng);
        let output = one([skip, parameters], 0.0, rng);
        place.count(0)?;
        Ok(WaveNet { input, blocks, hidden, output, config, order: Order::natural(length) })
    }

    /// The settings.
    pub fn config(&self) -> &WaveNetConfig {
        &self.config
    }

    /// The number of steps before a step on which its parameters depend.
    pub fn reach(&self) -> usize {
        FIRST + (0..self.config.layers).map(|l| self.dilation(l)).sum::<usize>()
    }

    /// The dilation of a layer.
    pub(super) fn dilation(&self, l: usize) -> usize {
        1 << (l % self.config.cycle)
    }

    /// The features of values, `[rows, 3, 1, steps]`.
    fn read(&self, x: Tensor<2>) -> Tensor<4> {
        let mu = (self.config.levels - 1) as f64;
        let level = x * (2.0 / mu) - 1.0;
        let amplitude = ((level.clone().abs() * mu.ln_1p()).exp() - 1.0) * level.clone().sign() * mu.recip();
        let ones = level.zeros_like() + 1.0;
        Tensor::stack::<3>(vec![level, amplitude, ones], 1).unsqueeze_dim(2)
    }

    /// θ of the first steps of sequences, `[rows, parameters, steps]`, from their values, `[rows, steps]`. `steps` is at most the length of the network.
    ///
    /// # Errors
    /// [`Error::Shape`] for more steps than the network has, for another precision, and for a context that does not fit.
    pub fn of_first(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<3>> {
        let (dtype, [_, steps]) = (self.dtype(), x.dims());
        let rows = check_input("conditioner input", &x, steps.min(self.order.dim()), dtype)?;
        let context = check_context(given.context, rows, self.config.context_dim, dtype)?;
        if rows * steps == 0 {
            return Ok(Placement::of(&x).zeros([rows, self.config.parameters, steps]));
        }
        let (mut program, mut layers) = (Program::new(), Vec::new());
        let mut layer = |layer: ConvolutionLayer| {
            layers.push(layer);
            Operation::Convolve(layers.len() - 1)
        };
        let mut h = program.made(layer(self.input.layer(None, false)), 0);
        let mut gates = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let before = program.made(layer(block.dilated.layer(block.added(context), false)), h);
            let gate = program.made(Operation::Gate, before);
            gates.push(gate);
            if let Some(residual) = &block.residual {
                let next = program.made(layer(residual.layer(None, false)), gate);
                program.add(Operation::Same, h, next);
                h = next;
            }
        }
        let mut sum = None;
        for (block, &gate) in self.blocks.iter().zip(&gates) {
            let skip = layer(block.skip.layer(None, false));
            match sum {
                None => sum = Some(program.made(skip, gate)),
                Some(sum) => program.add(skip, gate, sum),
            }
        }
        let positive = program.made(Operation::Relu, sum.unwrap_or(h));
        let hidden = program.made(layer(self.hidden.layer(None, true)), positive);
        program.made(layer(self.output.layer(None, false)), hidden);
        Ok(program.run(self.read(x), layers).squeeze_dim(2))
    }
}

impl Conditioner for WaveNet {
    fn widths(&self) -> Widths {
        let dim = self.order.dim();
        Widths { inputs: dim, context_dim: self.config.context_dim, parameters: self.config.parameters, outputs: dim }
    }

    fn placement(&self) -> Placement {
        self.output.placement()
    }

    fn dtype(&self) -> DType {
        self.output.dtype()
    }

    fn parameters(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<3>> {
        check_input("conditioner input", &x, self.order.dim(), self.dtype())?;
        self.of_first(x, given)
    }
}

impl AutoregressiveConditioner for WaveNet {
    fn order(&self) -> &Order {
        &self.order
    }

    fn solve(
        &self,
        rows: usize,
        given: &Given,
        place: &Placement,
        step: impl FnMut(usize, Tensor<3>) -> Result<Tensor<2>>,
    ) -> Result<Tensor<2>> {
        check_placement(place, self.dtype())?;
        let context = check_context(given.context, rows, self.config.context_dim, place.dtype())?;
        match place.dtype() {
            DType::F64 => self.stepwise::<f64>(rows, context, place, step),
            _ => self.stepwise::<f32>(rows, context, place, step),
        }
    }
}
