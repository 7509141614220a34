//! Computes the steps of a [`WaveNet`] one after another, and nothing twice.

use burn::tensor::Tensor;

use super::{
    WaveNet,
    wavenet::{FEATURES, FIRST},
};
use crate::{
    error::Result,
    kernels::{GatedLayer, Matrix, Real, Stack, Streams, padded},
    placement::{Placement, values},
    special::mu_law_inverse,
};

/// A network that is ready to go step by step. Its weights have the layout that the products read.
pub(crate) struct Stepper<T> {
    stack: Stack<T>,
    /// The features of each level.
    features: Vec<[T; FEATURES]>,
    /// V of each layer, `[context_dim, 2 · residual]`.
    contexts: Vec<Vec<f64>>,
    /// Channels between layers, before and after padding.
    channels: [usize; 2],
    parameters: usize,
}

/// Sequences on their way through a network.
pub(crate) struct Walk<'a, T> {
    stepper: &'a Stepper<T>,
    streams: Streams<'a, T>,
    sequences: usize,
    /// The features of the last steps, oldest first, `[group, FIRST · FEATURES]`.
    last: Vec<T>,
}

impl WaveNet {
    /// The weights in the layout that the steps read.
    pub(crate) fn stepper<T: Real>(&self) -> Stepper<T> {
        let config = self.config();
        let channels = [config.residual, padded(config.residual)];
        let [c, wide] = channels;
        let skip = config.skip;
        let weights = |convolution: &super::Convolution| {
            let layer = convolution.layer(None, false);
            let ([outputs, inputs, _, taps], bias) = (layer.weight.dims(), values(layer.bias));
            let weight = values(layer.weight);
            // Channels and taps that padding added have no weights.
            let at = move |o: usize, i: usize, tap: usize| {
                if o < outputs && i < inputs { weight[(o * inputs + i) * taps + tap] } else { 0.0 }
            };
            (at, move |o: usize| bias.get(o).copied().unwrap_or(0.0))
        };
        let (input, input_bias) = weights(&self.input);
        let input = Matrix::new(FIRST * FEATURES, c, |o, k| input(o, k % FEATURES, k / FEATURES), input_bias);
        let layers = self.blocks.iter().enumerate().map(|(l, block)| {
            let (gate, gate_bias) = weights(&block.dilated);
            // The two halves of the gate are padded separately.
            let own = |o: usize| if o % wide < c { o / wide * c + o % wide } else { usize::MAX };
            let gate = Matrix::new(
                2 * wide,
                2 * wide,
                |o, i| gate(own(o), if i % wide < c { i % wide } else { usize::MAX }, i / wide),
                |o| gate_bias(own(o)),
            );
            let residual = block.residual.as_ref().map(weights);
            let (give, give_bias) = weights(&block.skip);
            let sums = Matrix::new(
                wide,
                wide + padded(skip),
                |o, i| match o.checked_sub(wide) {
                    Some(o) => give(o, i, 0),
                    None => residual.as_ref().map_or(0.0, |(weight, _)| weight(o, i, 0)),
                },
                |o| match o.checked_sub(wide) {
                    Some(o) => give_bias(o),
                    None => residual.as_ref().map_or(0.0, |(_, bias)| bias(o)),
                },
            );
            GatedLayer { dilation: self.dilation(l), gate, sums }
        });
        let layers = layers.collect();
        let (hidden, hidden_bias) = weights(&self.hidden);
        let (output, output_bias) = weights(&self.output);
        let stack = Stack {
            input,
            layers,
            hidden: Matrix::new(padded(skip), skip, |o, i| hidden(o, i, 0), hidden_bias),
            output: Matrix::new(padded(skip), config.parameters, |o, i| output(o, i, 0), output_bias),
        };
        let contexts = self.blocks.iter().map(|block| block.context.as_ref().map_or_else(Vec::new, |v| values(v.val()))).collect();
        let mu = (config.levels - 1) as f64;
        let features = |level: usize| {
            let y = level as f64 * 2.0 / mu - 1.0;
            [y, mu_law_inverse(y, mu), 1.0].map(T::of)
        };
        Stepper { stack, features: (0..config.levels).map(features).collect(), contexts, channels, parameters: config.parameters }
    }

    /// [`AutoregressiveConditioner::solve`](super::AutoregressiveConditioner::solve) in one precision.
    pub(super) fn stepwise<T: Real>(
        &self,
        rows: usize,
        context: Option<&Tensor<2>>,
        place: &Placement,
        mut step: impl FnMut(usize, Tensor<3>) -> Result<Tensor<2>>,
    ) -> Result<Tensor<2>> {
        use super::AutoregressiveConditioner;

        let (steps, stepper) = (self.order().dim(), self.stepper::<T>());
        if rows == 0 {
            return Ok(place.zeros([0, steps]));
        }
        let width = self.config().context_dim;
        let context = context.map(|context| values(context.clone())).unwrap_or_default();
        let size = crate::kernels::GROUP;
        let starts = (0..rows).step_by(size);
        let part = |start: usize| &context[start * width..rows.min(start + size) * width];
        let mut walks: Vec<Walk<T>> = starts.map(|start| stepper.walk(size.min(rows - start), steps, part(start))).collect();
        let (mut all, mut last) = (Vec::with_capacity(steps), vec![None; rows]);
        for t in 0..steps {
            let mut theta = Vec::with_capacity(rows * stepper.parameters);
            for (k, walk) in walks.iter_mut().enumerate() {
                let own = &last[k * size..][..walk.sequences];
                theta
                    .extend(walk.next(own).flat_map(|theta| theta.iter().map(|&v| nalgebra::try_convert::<T, f64>(v).unwrap_or(f64::NAN))));
            }
            let value = step(t, place.tensor(theta, [rows, stepper.parameters, 1]))?;
            last = values(value.clone()).into_iter().map(|level| Some(level as usize)).collect();
            all.push(value);
        }
        Ok(Tensor::cat(all, 1))
    }
}

impl<T: Real> Stepper<T> {
    /// Starts sequences of at most `steps` steps, at most [`GROUP`](crate::kernels::GROUP) of them. `context` is `[sequences, context_dim]`.
    pub fn walk(&self, sequences: usize, steps: usize, context: &[f64]) -> Walk<'_, T> {
        let ([c, wide], width) = (self.channels, context.len() / sequences.max(1));
        let added = |l: usize, s: usize, o: usize| {
            let channel = o / wide * c + o % wide;
            let own = context[s * width..][..width].iter().enumerate();
            if o % wide < c { own.map(|(k, value)| value * self.contexts[l][k * 2 * c + channel]).sum() } else { 0.0 }
        };
        let streams = Streams::new(&self.stack, sequences, steps, added);
        let last = vec![T::of(0.0); streams.group() * FIRST * FEATURES];
        Walk { stepper: self, streams, sequences, last }
    }
}

impl<'a, T: Real> Walk<'a, T> {
    /// The parameters of the next step of each sequence. `last` holds the levels of the step before; before the first step, these are `None`. A number above the highest level
    /// counts as the highest level.
    pub fn next<'s>(&'s mut self, last: &[Option<usize>]) -> impl Iterator<Item = &'s [T]> + use<'s, 'a, T> {
        let (features, highest) = (&self.stepper.features, self.stepper.features.len() - 1);
        for (own, level) in self.last.chunks_exact_mut(FIRST * FEATURES).zip(last) {
            own.copy_within(FEATURES.., 0);
            let newest = level.map_or([T::of(0.0); FEATURES], |level| features[level.min(highest)]);
            own[(FIRST - 1) * FEATURES..].copy_from_slice(&newest);
        }
        let parameters = self.stepper.parameters;
        self.streams.next(&self.last).chunks_exact(padded(parameters)).take(self.sequences).map(move |theta| &theta[..parameters])
    }
}
