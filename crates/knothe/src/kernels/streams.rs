//! A stack of dilated gated layers, step by step. [`super::program`] computes the same for all steps at once. Here nothing is computed twice.
//!
//! Sequences run side by side in groups, so each weight is loaded once per group. Channels are padded to whole vectors.

use super::{
    Real,
    lanes::{LANES, Lanes, vectorised},
};

/// The most sequences of a group. Their sums fit into the registers during a product.
pub(crate) const GROUP: usize = 4;

/// y = b + W x. x has `inputs` numbers, and y has as many as the bias.
#[derive(Clone, Debug)]
pub(crate) struct Matrix<T> {
    inputs: usize,
    /// Ordered by vectors of outputs, and within each vector by inputs.
    weight: Vec<T>,
    /// Padded to whole vectors.
    pub bias: Vec<T>,
}

/// The number of channels, rounded up to whole vectors.
pub(crate) fn padded(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

impl<T: Real> Matrix<T> {
    /// The matrix of `weight(output, input)`. `outputs` is rounded up to whole vectors.
    pub fn new(inputs: usize, outputs: usize, weight: impl Fn(usize, usize) -> f64, bias: impl Fn(usize) -> f64) -> Self {
        let outputs = padded(outputs);
        let place = |k: usize| (k / (inputs * LANES) * LANES + k % LANES, k / LANES % inputs);
        let weight = (0..inputs * outputs).map(place).map(|(o, i)| T::of(weight(o, i))).collect();
        Matrix { inputs, weight, bias: (0..outputs).map(|o| T::of(bias(o))).collect() }
    }

    /// The number of outputs.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Adds W x to y for each of S sequences.
    #[inline(always)]
    fn add<const S: usize>(&self, x: &[T], y: &mut [T]) {
        // One sequence needs several vectors of outputs at a time to keep the arithmetic units busy.
        let (vectors, mut from) = (self.outputs() / LANES, 0);
        if S == 1 {
            while from + 4 <= vectors {
                self.add_block::<S, 4>(from, x, y);
                from += 4;
            }
        }
        if S <= 2 {
            while from + 2 <= vectors {
                self.add_block::<S, 2>(from, x, y);
                from += 2;
            }
        }
        while from < vectors {
            self.add_block::<S, 1>(from, x, y);
            from += 1;
        }
    }

    /// The same for B vectors of outputs, starting at vector `from`.
    #[inline(always)]
    fn add_block<const S: usize, const B: usize>(&self, from: usize, x: &[T], y: &mut [T]) {
        let (n, outputs) = (self.inputs, self.outputs());
        let mut sums = [[Lanes::of(0.0); B]; S];
        for s in 0..S {
            for b in 0..B {
                sums[s][b] = Lanes::load(&y[s * outputs + (from + b) * LANES..]);
            }
        }
        let weights: [&[[T; LANES]]; B] = std::array::from_fn(
            #[inline(always)]
            |b| &self.weight[(from + b) * n * LANES..][..n * LANES].as_chunks().0[..n],
        );
        let inputs: [&[T]; S] = std::array::from_fn(
            #[inline(always)]
            |s| &x[s * n..][..n],
        );
        for i in 0..n {
            for b in 0..B {
                let weight = Lanes(weights[b][i]);
                for s in 0..S {
                    sums[s][b] = weight.fused(Lanes([inputs[s][i]; LANES]), sums[s][b]);
                }
            }
        }
        for s in 0..S {
            for b in 0..B {
                sums[s][b].store(&mut y[s * outputs + (from + b) * LANES..]);
            }
        }
    }
}

/// A layer: z = tanh(a) σ(b) with (a, b) = W (older input, newer input). z then adds to the input of the next layer and to the output.
#[derive(Clone, Debug)]
pub(crate) struct GatedLayer<T> {
    /// The number of steps between the older and the newer input.
    pub dilation: usize,
    /// From 2 C inputs to 2 C outputs, where C is the number of padded channels.
    pub gate: Matrix<T>,
    /// From C channels to the C channels of the next layer and the channels of the output.
    pub sums: Matrix<T>,
}

/// A stack of layers with its input and its output.
#[derive(Clone, Debug)]
pub(crate) struct Stack<T> {
    /// From the features of the last steps to C channels.
    pub input: Matrix<T>,
    pub layers: Vec<GatedLayer<T>>,
    /// From the rectified sum of the layers to the hidden layer.
    pub hidden: Matrix<T>,
    /// From the rectified hidden layer to the parameters.
    pub output: Matrix<T>,
}

/// Up to [`GROUP`] sequences on their way through a stack.
pub(crate) struct Streams<'a, T> {
    stack: &'a Stack<T>,
    /// The number of sequences that are computed: 1, 2 or [`GROUP`].
    group: usize,
    /// The number of steps taken.
    time: usize,
    /// The bias of the gates for each layer, per sequence.
    biases: Vec<Vec<T>>,
    /// The inputs of the last steps for each layer, in a ring.
    rings: Vec<Vec<T>>,
    /// The older and the newer input of a layer.
    pair: Vec<T>,
    gates: Vec<T>,
    gated: Vec<T>,
    /// The input of the next layer, and the sum for the output.
    sums: Vec<T>,
    /// That sum, rectified.
    positive: Vec<T>,
    hidden: Vec<T>,
    theta: Vec<T>,
}

impl<'a, T: Real> Streams<'a, T> {
    /// Starts this number of sequences of at most `steps` steps. `added(layer, sequence, channel)` is added before the gates.
    pub fn new(stack: &'a Stack<T>, sequences: usize, steps: usize, added: impl Fn(usize, usize, usize) -> f64) -> Self {
        let group = if sequences <= 2 { sequences.max(1) } else { GROUP };
        let channels = stack.input.outputs();
        let width = stack.layers.first().map_or(channels, |layer| layer.sums.outputs());
        let zeros = |each: usize| vec![T::of(0.0); group * each];
        let bias = |(l, layer): (usize, &GatedLayer<T>)| {
            let of = |s: usize| {
                let sum = layer.gate.bias.iter().enumerate().map(move |(o, &b)| (o, b));
                let added = &added;
                sum.map(move |(o, b)| if s < sequences { b + T::of(added(l, s, o)) } else { b })
            };
            (0..group).flat_map(of).collect()
        };
        Streams {
            stack,
            group,
            time: 0,
            biases: stack.layers.iter().enumerate().map(bias).collect(),
            // Without a step before it, the older input is 0, which is what a place of the ring holds at first.
            rings: stack.layers.iter().map(|layer| zeros(layer.dilation.min(steps).max(1) * channels)).collect(),
            pair: zeros(2 * channels),
            gates: zeros(2 * channels),
            gated: zeros(channels),
            sums: zeros(width),
            positive: zeros(width - channels),
            hidden: zeros(stack.hidden.outputs()),
            theta: zeros(stack.output.outputs()),
        }
    }

    /// The number of sequences that are computed. Some of them may be idle.
    pub fn group(&self) -> usize {
        self.group
    }

    /// The parameters of the next step of each sequence, `[group, padded parameters]`, from the features of the last steps, `[group, features]`.
    pub fn next(&mut self, features: &[T]) -> &[T] {
        vectorised(
            #[inline(always)]
            || match self.group {
                1 => self.step::<1>(features),
                2 => self.step::<2>(features),
                _ => self.step::<GROUP>(features),
            },
        );
        self.time += 1;
        &self.theta
    }

    #[inline(always)]
    fn step<const S: usize>(&mut self, features: &[T]) {
        let (stack, zero) = (self.stack, Lanes::of(0.0));
        let channels = stack.input.outputs();
        let width = self.sums.len() / S;
        for s in 0..S {
            self.gated[s * channels..][..channels].copy_from_slice(&stack.input.bias);
        }
        stack.input.add::<S>(features, &mut self.gated);
        for s in 0..S {
            let sums = &mut self.sums[s * width..][..width];
            sums[..channels].copy_from_slice(&self.gated[s * channels..][..channels]);
            sums[channels..].fill(T::of(0.0));
        }
        for (l, layer) in stack.layers.iter().enumerate() {
            let at = self.time * S * channels % self.rings[l].len();
            let older = &mut self.rings[l][at..][..S * channels];
            for s in 0..S {
                let (newer, older) = (&self.sums[s * width..][..channels], &mut older[s * channels..][..channels]);
                let pair = &mut self.pair[s * 2 * channels..][..2 * channels];
                pair[..channels].copy_from_slice(older);
                pair[channels..].copy_from_slice(newer);
                older.copy_from_slice(newer);
            }
            self.gates.copy_from_slice(&self.biases[l]);
            layer.gate.add::<S>(&self.pair, &mut self.gates);
            for s in 0..S {
                let (a, b) = self.gates[s * 2 * channels..][..2 * channels].split_at(channels);
                let gated = &mut self.gated[s * channels..][..channels];
                for at in (0..channels).step_by(LANES) {
                    let (a, b) = (Lanes::load(&a[at..]), Lanes::load(&b[at..]));
                    let (above, below) = (a + a).sigmoids();
                    ((above - below) * b.sigmoids().0).store(&mut gated[at..]);
                }
                let sums = &mut self.sums[s * width..][..width];
                for at in (0..width).step_by(LANES) {
                    (Lanes::load(&sums[at..]) + Lanes::load(&layer.sums.bias[at..])).store(&mut sums[at..]);
                }
            }
            layer.sums.add::<S>(&self.gated, &mut self.sums);
        }
        let skip = width - channels;
        for s in 0..S {
            for at in (0..skip).step_by(LANES) {
                let sum = Lanes::load(&self.sums[s * width + channels + at..]);
                sum.larger(zero).store(&mut self.positive[s * skip + at..]);
            }
            self.hidden[s * stack.hidden.outputs()..][..stack.hidden.outputs()].copy_from_slice(&stack.hidden.bias);
            self.theta[s * stack.output.outputs()..][..stack.output.outputs()].copy_from_slice(&stack.output.bias);
        }
        stack.hidden.add::<S>(&self.positive, &mut self.hidden);
        for at in (0..self.hidden.len()).step_by(LANES) {
            Lanes::load(&self.hidden[at..]).larger(zero).store(&mut self.hidden[at..]);
        }
        stack.output.add::<S>(&self.hidden, &mut self.theta);
    }
}
