//! Convolutions in a row, each with its bias and a ReLU after it where it is asked for, in one operation.
//!
//! The batch is cut into parts by its size alone, and a part goes through all layers. Gradients of the weights are summed over runs of
//! parts in order, so that threads change no bit.

use burn::tensor::{DType, Tensor, activation::relu, module::conv2d, ops::ConvOptions};
use rayon::prelude::*;

use super::{
    Real,
    columns::{Layout, Part, Window},
    fused::{FusedOp, Input, Plain, apply, has_kernels, numbers, plain},
    lanes::{LANES, vectorised},
    taps::{Taps, Work},
};
use crate::placement::Placement;

/// Pixels a part, at least: enough columns for a product to pay for packing its weights.
const PIXELS: usize = 128;
/// Sums of gradients that may be formed at once.
const RUNS: usize = 8;

/// y[n, o] = b[n, o] + Σ_{c, tap} W[o, c, tap] x[n, c](· + tap), and max(y, 0) where `rectified`.
#[derive(Clone)]
pub(crate) struct ConvolutionLayer {
    /// W, of `[o, c, kernel]`.
    pub weight: Tensor<4>,
    /// b, of `[rows, o]` or `[1, o]`.
    pub bias: Tensor<2>,
    /// The taps.
    pub window: Window,
    /// Whether a ReLU comes after it.
    pub rectified: bool,
}

/// The layers one after another on x of `[rows, channels, height, width]`.
pub(crate) fn convolve(x: Tensor<4>, layers: Vec<ConvolutionLayer>) -> Tensor<4> {
    if has_kernels(&x) && x.dims().iter().all(|&n| n > 0) && !layers.is_empty() {
        let op = Convolutions(layers.iter().map(|layer| (layer.window, layer.rectified)).collect());
        let parameters = layers.iter().flat_map(|layer| [Input::Image(layer.weight.clone()), Input::Table(layer.bias.clone())]);
        if let Some([y]) = apply(&op, [Input::Image(x.clone())].into_iter().chain(parameters).collect()) {
            return y.tensor();
        }
    }
    layers.into_iter().fold(x, composed)
}

fn composed(x: Tensor<4>, ConvolutionLayer { weight, bias, window, rectified }: ConvolutionLayer) -> Tensor<4> {
    let [rows, _, height, width] = x.dims();
    let [outputs, ..] = weight.dims();
    if rows * height * width == 0 {
        return Placement::of(&x).zeros([rows, outputs, height, width]);
    }
    // As much on either side; a causal window then keeps the outputs that see nothing of the padding after it.
    let options = ConvOptions::new([1, 1], window.before, [window.dilation; 2], 1);
    let y = conv2d(x, weight, None, options).narrow(2, 0, height).narrow(3, 0, width);
    let y = y + bias.unsqueeze_dim::<3>(2).unsqueeze_dim::<4>(3);
    if rectified { relu(y) } else { y }
}

/// The window of each layer, and whether a ReLU comes after it.
#[derive(Clone, Debug)]
struct Convolutions(Vec<(Window, bool)>);

/// What the gradient needs.
#[derive(Clone, Debug)]
struct Saved {
    x: Plain,
    weights: Vec<Plain>,
    /// The rows of the bias of each layer.
    bias_rows: Vec<usize>,
    /// Of each part, the outputs of all layers but the last.
    hidden: Vec<Vec<Plain>>,
    /// The output, where a ReLU comes last.
    y: Option<Plain>,
}

/// The gradients of a layer over a run of parts.
struct Sums<T> {
    weight: Vec<T>,
    bias: Vec<T>,
}

impl FusedOp<1> for Convolutions {
    type Saved = Saved;

    fn forward(&self, inputs: Vec<Plain>, keep: bool) -> ([Plain; 1], Option<Saved>) {
        let x = inputs[0].to_contiguous();
        let parameters = inputs[1..].chunks_exact(2).map(|layer| (layer[0].to_contiguous(), layer[1].to_contiguous()));
        let (weights, biases): (Vec<_>, Vec<_>) = parameters.unzip();
        let (y, hidden) = if x.dtype() == DType::F64 {
            self.value::<f64>(&x, &weights, &biases, keep)
        } else {
            self.value::<f32>(&x, &weights, &biases, keep)
        };
        let bias_rows = biases.iter().map(|bias| bias.layout().shape()[0]).collect();
        let rectified = self.0.last().is_some_and(|(_, rectified)| *rectified);
        let saved = keep.then(|| Saved { x, weights, bias_rows, hidden, y: rectified.then(|| y.clone()) });
        ([y], saved)
    }

    fn backward(&self, saved: Saved, [g]: [Option<Plain>; 1], want: &[bool]) -> Vec<Option<Plain>> {
        let Some(g) = g.map(|g| g.to_contiguous()) else { return vec![None; 1 + 2 * self.0.len()] };
        if g.dtype() == DType::F64 { self.gradient::<f64>(&saved, &g, want[0]) } else { self.gradient::<f32>(&saved, &g, want[0]) }
    }
}

/// A part of a batch of as many images as have enough pixels.
fn part_of(x: &Plain) -> Part {
    let shape = x.layout().shape();
    let (height, width) = (shape[2], shape[3]);
    Part { images: PIXELS.div_ceil(height * width).min(shape[0]), height, width }
}

impl Convolutions {
    fn layers<'a, T: Real>(&self, weights: &'a [Plain]) -> Vec<Taps<'a, T>> {
        let layer = |(weight, (window, _)): (&'a Plain, &(Window, bool))| {
            let shape = weight.layout().shape();
            Taps::new(*window, [shape[0], shape[1]], numbers::<T>(weight))
        };
        weights.iter().zip(&self.0).map(layer).collect()
    }

    /// The output; and of each part, where they are to be kept, those of the layers before the last.
    fn value<T: Real>(&self, x: &Plain, weights: &[Plain], biases: &[Plain], keep: bool) -> (Plain, Vec<Vec<Plain>>) {
        let (whole, rows, layers) = (part_of(x), x.layout().shape()[0], self.layers::<T>(weights));
        let (inputs, outputs) = (layers.first().map_or(0, |l| l.inputs), layers.last().map_or(0, |l| l.outputs));
        let (pixels, images) = (whole.pixels(), whole.images);
        let mut y = vec![T::of(0.0); rows * outputs * pixels];
        let parts = y.par_chunks_mut(images * outputs * pixels).zip(numbers::<T>(x).par_chunks(images * inputs * pixels)).enumerate();
        let hidden = parts.map_init(
            || (Work::default(), Vec::new()),
            |(work, hidden), (index, (y, x))| {
                let part = Part { images: x.len() / (inputs * pixels), ..whole };
                hidden.resize(layers.len() - 1, Vec::new());
                for (l, layer) in layers.iter().enumerate() {
                    let (before, after) = hidden.split_at_mut(l);
                    let from = before.last().map_or((x, part.apart(inputs)), |h| (h, part.beside()));
                    let into = match after.first_mut() {
                        Some(h) => {
                            h.resize(layer.outputs * part.columns(), T::of(0.0));
                            (&mut h[..], part.beside())
                        }
                        None => (&mut *y, part.apart(outputs)),
                    };
                    layer.forward(part, from, (&mut *into.0, into.1), work);
                    finish(part, into, numbers::<T>(&biases[l]), (index * images, layer.outputs), self.0[l].1);
                }
                let kept = if keep { std::mem::take(hidden) } else { Vec::new() };
                let row = |h: Vec<T>| {
                    let length = h.len();
                    plain(h, &[length])
                };
                kept.into_iter().map(row).collect()
            },
        );
        let hidden = hidden.collect();
        (plain(y, &[rows, outputs, whole.height, whole.width]), hidden)
    }

    fn gradient<T: Real>(&self, saved: &Saved, g: &Plain, x_wanted: bool) -> Vec<Option<Plain>> {
        let (whole, rows, layers) = (part_of(&saved.x), saved.x.layout().shape()[0], self.layers::<T>(&saved.weights));
        let (inputs, outputs) = (layers.first().map_or(0, |l| l.inputs), layers.last().map_or(0, |l| l.outputs));
        let (pixels, images) = (whole.pixels(), whole.images);
        let run = saved.hidden.len().div_ceil(RUNS);
        let of_run = run * images * pixels;
        let mut gx = vec![T::of(0.0); if x_wanted { rows * inputs * pixels } else { 0 }];
        let mut gx_runs: Vec<&mut [T]> = gx.chunks_mut(of_run * inputs).collect();
        gx_runs.resize_with(saved.hidden.len().div_ceil(run), Default::default);
        let tables = numbers::<T>(&saved.x).par_chunks(of_run * inputs).zip(numbers::<T>(g).par_chunks(of_run * outputs));
        let runs = gx_runs.into_par_iter().zip(tables).zip(saved.hidden.par_chunks(run)).enumerate();
        let sums: Vec<Vec<Sums<T>>> = runs
            .map(|(index, ((gx, (x, g)), hidden))| {
                let in_run = x.len() / (inputs * pixels);
                let sum = |(layer, &rows): (&Taps<T>, &usize)| Sums {
                    weight: vec![T::of(0.0); layer.size()],
                    bias: vec![T::of(0.0); layer.outputs * if rows == 1 { 1 } else { in_run }],
                };
                let mut sums: Vec<Sums<T>> = layers.iter().zip(&saved.bias_rows).map(sum).collect();
                let mut buffers = Buffers::default();
                let mut gx = gx.chunks_mut(images * inputs * pixels);
                let parts = x.chunks(images * inputs * pixels).zip(g.chunks(images * outputs * pixels)).zip(hidden).enumerate();
                for (k, ((x, g), hidden)) in parts {
                    let part = Part { images: x.len() / (inputs * pixels), ..whole };
                    let g = match &saved.y {
                        Some(y) => {
                            let at = (index * of_run + k * images * pixels) * outputs;
                            buffers.last.clear();
                            buffers.last.extend_from_slice(g);
                            mask(&mut buffers.last, &numbers::<T>(y)[at..][..g.len()]);
                            None
                        }
                        None => Some(g),
                    };
                    self.part_gradient(&layers, (part, k * images), (x, hidden), (g, gx.next()), &mut sums, &mut buffers);
                }
                sums
            })
            .collect();
        let mut found = vec![x_wanted.then(|| plain(gx, &[rows, inputs, whole.height, whole.width]))];
        for (l, layer) in layers.iter().enumerate() {
            let mut total = Sums { weight: vec![T::of(0.0); layer.size()], bias: Vec::new() };
            for sums in sums.iter().map(|layers| &layers[l]) {
                add(&mut total.weight, &sums.weight);
                if total.bias.is_empty() || saved.bias_rows[l] > 1 {
                    total.bias.extend_from_slice(&sums.bias);
                } else {
                    add(&mut total.bias, &sums.bias);
                }
            }
            found.push(Some(plain(layer.of_weight(total.weight), &saved.weights[l].layout().shape().to_vec())));
            found.push(Some(plain(total.bias, &[saved.bias_rows[l], layer.outputs])));
        }
        found
    }

    /// Goes back through the layers, for images from the `first` of the run on, with the gradient g of the output or else what `buffers` has as such.
    fn part_gradient<T: Real>(
        &self,
        layers: &[Taps<T>],
        (part, first): (Part, usize),
        (x, hidden): (&[T], &[Plain]),
        (mut g, gx): (Option<&[T]>, Option<&mut [T]>),
        sums: &mut [Sums<T>],
        Buffers { last, next, work }: &mut Buffers<T>,
    ) {
        let mut layout = part.apart(layers.last().map_or(0, |l| l.outputs));
        for (l, layer) in layers.iter().enumerate().skip(1).rev() {
            let (g, input) = ((g.take().unwrap_or(last), layout), numbers::<T>(&hidden[l - 1]));
            add_bias(part, g, &mut sums[l].bias, (first, layer.outputs));
            next.resize(input.len(), T::of(0.0));
            layer.backward(part, (input, part.beside()), g, &mut sums[l].weight, Some((next, part.beside())), work);
            if self.0[l - 1].1 {
                mask(next, input);
            }
            std::mem::swap(last, next);
            layout = part.beside();
        }
        let (g, apart) = ((g.take().unwrap_or(last), layout), part.apart(layers[0].inputs));
        add_bias(part, g, &mut sums[0].bias, (first, layers[0].outputs));
        layers[0].backward(part, (x, apart), g, &mut sums[0].weight, gx.map(|gx| (gx, apart)), work);
    }
}

/// The gradient of a layer's output and that of its input, and what a layer computes with.
#[derive(Default)]
struct Buffers<T> {
    last: Vec<T>,
    next: Vec<T>,
    work: Work<T>,
}

/// Runs of pixels that share a bias: all images at once where they stand side by side and have one bias.
fn runs(part: Part, layout: Layout, shared: bool) -> Part {
    if shared && part.is_beside(layout) { part.merged() } else { part }
}

/// Adds the bias, and cuts off what is negative. What is not a number stays.
fn finish<T: Real>(part: Part, (y, layout): (&mut [T], Layout), bias: &[T], (first, outputs): (usize, usize), rectified: bool) {
    let least = T::of(if rectified { 0.0 } else { f64::NEG_INFINITY });
    let part = runs(part, layout, bias.len() == outputs);
    vectorised(
        #[inline(always)]
        || {
            for n in 0..part.images {
                for c in 0..outputs {
                    let bias = bias[((first + n) * outputs + c) % bias.len()];
                    for y in &mut y[layout.at(part, n, c)] {
                        let value = *y + bias;
                        *y = if value < least { least } else { value };
                    }
                }
            }
        },
    );
}

/// Adds the gradient of the bias, in as many sums as a vector has lanes, and the rest.
fn add_bias<T: Real>(part: Part, (g, layout): (&[T], Layout), sums: &mut [T], (first, outputs): (usize, usize)) {
    let part = runs(part, layout, sums.len() == outputs);
    vectorised(
        #[inline(always)]
        || {
            for n in 0..part.images {
                for c in 0..outputs {
                    let (whole, rest) = g[layout.at(part, n, c)].as_chunks::<LANES>();
                    let mut lanes = [T::of(0.0); LANES];
                    for chunk in whole {
                        for (sum, &g) in lanes.iter_mut().zip(chunk) {
                            *sum += g;
                        }
                    }
                    let sum = &mut sums[((first + n) * outputs + c) % sums.len()];
                    for &g in lanes.iter().chain(rest) {
                        *sum += g;
                    }
                }
            }
        },
    );
}

/// Leaves of a gradient what a ReLU with this output lets through.
fn mask<T: Real>(g: &mut [T], y: &[T]) {
    vectorised(
        #[inline(always)]
        || {
            for (g, &y) in g.iter_mut().zip(y) {
                *g = if y > T::of(0.0) { *g } else { T::of(0.0) };
            }
        },
    );
}

fn add<T: Real>(total: &mut [T], found: &[T]) {
    for (total, &found) in total.iter_mut().zip(found) {
        *total += found;
    }
}

#[cfg(test)]
#[path = "convolution_tests.rs"]
mod tests;
