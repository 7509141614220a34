//! A network of convolutions as one operation: a program of steps between places, each of which holds the channels of a part of a batch.
//!
//! The batch is cut into parts by its size alone, and a part goes through the whole program while it is in the cache. Gradients of the weights are summed over runs of
//! parts in order, so that threads change no bit.

use burn::tensor::{DType, Tensor, activation::relu};
use rayon::prelude::*;

use super::{
    Real,
    bias::{add, add_bias, finish, mask},
    columns::{Part, Window},
    convolution::{ConvolutionLayer, convolve},
    fused::{FusedOp, Input, Plain, apply, has_kernels, numbers, plain},
    gate::{self, gate},
    taps::{Taps, Work},
};

/// The fewest pixels per part: enough columns that a matrix product repays the packing of its weights.
const PIXELS: usize = 128;
/// The largest number of runs of parts. Each run sums its gradients on its own, in parallel with the others.
const RUNS: usize = 8;

/// What a step makes of a place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// The output of a layer. A rectified layer is the only step that writes to its place.
    Convolve(usize),
    /// tanh of the first half of the channels times σ of the second.
    Gate,
    /// max(x, 0).
    Relu,
    /// x.
    Same,
}

/// An operation on one place, whose result is added to another.
#[derive(Clone, Copy, Debug)]
struct Step {
    operation: Operation,
    from: usize,
    into: usize,
}

/// A network of convolutions. Place 0 is the input and the last one the output; each other place is the sum of what the steps add to it. A step reads a place that is
/// complete and writes one after it. The input is read by layers alone, and the output is written by one layer.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    steps: Vec<Step>,
    places: usize,
}

impl Program {
    /// A program that has its input and no steps.
    pub fn new() -> Self {
        Program { steps: Vec::new(), places: 1 }
    }

    /// So many layers one after another.
    pub fn chain(layers: usize) -> Self {
        let mut program = Program::new();
        for layer in 0..layers {
            program.made(Operation::Convolve(layer), layer);
        }
        program
    }

    /// Adds a place that holds the result of an operation on place `from`, and returns it.
    pub fn made(&mut self, operation: Operation, from: usize) -> usize {
        let into = self.places;
        self.places += 1;
        self.add(operation, from, into);
        into
    }

    /// Adds what an operation makes of one place to another.
    pub fn add(&mut self, operation: Operation, from: usize, into: usize) {
        self.steps.push(Step { operation, from, into });
    }

    /// The output of the program on x of `[rows, channels, height, width]`.
    pub fn run(&self, x: Tensor<4>, layers: Vec<ConvolutionLayer>) -> Tensor<4> {
        if has_kernels(&x)
            && let Some(y) = fused(self, &x, &layers)
        {
            return y;
        }
        self.composed(x, &layers)
    }

    /// Step by step.
    fn composed(&self, x: Tensor<4>, layers: &[ConvolutionLayer]) -> Tensor<4> {
        let mut places: Vec<Option<Tensor<4>>> = vec![None; self.places];
        places[0] = Some(x.clone());
        for step in &self.steps {
            let Some(from) = places[step.from].clone() else { continue };
            let made = match step.operation {
                Operation::Convolve(layer) => convolve(from, vec![layers[layer].clone()]),
                Operation::Gate => gate(from),
                Operation::Relu => relu(from),
                Operation::Same => from,
            };
            let sum = places[step.into].take();
            places[step.into] = Some(sum.map_or_else(|| made.clone(), |sum| sum + made.clone()));
        }
        places.pop().flatten().unwrap_or(x)
    }
}

/// The program as one operation; none where the device has no kernels, where layers are too many, or where there is nothing to do.
pub(super) fn fused(program: &Program, x: &Tensor<4>, layers: &[ConvolutionLayer]) -> Option<Tensor<4>> {
    if layers.is_empty() || x.dims().contains(&0) {
        return None;
    }
    let network = Network { program: program.clone(), layers: layers.iter().map(|layer| (layer.window, layer.rectified)).collect() };
    let parameters = layers.iter().flat_map(|layer| [Input::Image(layer.weight.clone()), Input::Table(layer.bias.clone())]);
    let [y] = apply(&network, [Input::Image(x.clone())].into_iter().chain(parameters).collect())?;
    Some(y.tensor())
}

/// A program with the window of each layer, and whether a ReLU comes after it.
#[derive(Clone, Debug)]
struct Network {
    program: Program,
    layers: Vec<(Window, bool)>,
}

/// What the gradient needs.
#[derive(Clone, Debug)]
struct Saved {
    x: Plain,
    weights: Vec<Plain>,
    /// The rows of the bias of each layer.
    bias_rows: Vec<usize>,
    /// Of each part, what the places between input and output hold.
    hidden: Vec<Vec<Plain>>,
    /// The output, where a ReLU comes last.
    y: Option<Plain>,
}

/// The gradients of a layer over a run of parts.
struct Sums<T> {
    weight: Vec<T>,
    bias: Vec<T>,
}

impl FusedOp<1> for Network {
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
        let saved = keep.then(|| Saved { x, weights, bias_rows, hidden, y: self.is_rectified().then(|| y.clone()) });
        ([y], saved)
    }

    fn backward(&self, saved: Saved, [g]: [Option<Plain>; 1], want: &[bool]) -> Vec<Option<Plain>> {
        let Some(g) = g.map(|g| g.to_contiguous()) else { return vec![None; 1 + 2 * self.layers.len()] };
        if g.dtype() == DType::F64 { self.gradient::<f64>(&saved, &g, want[0]) } else { self.gradient::<f32>(&saved, &g, want[0]) }
    }
}

/// A part of a batch of as many images as have enough pixels.
fn part_of(x: &Plain) -> Part {
    let shape = x.layout().shape();
    let (height, width) = (shape[2], shape[3]);
    Part { images: PIXELS.div_ceil(height * width).min(shape[0]), height, width }
}

/// Buffers of a thread.
#[derive(Default)]
struct Buffers<T> {
    /// What the places between input and output hold, or the gradients of them; an empty one has none yet.
    places: Vec<Vec<T>>,
    /// What is to be added to a place.
    term: Vec<T>,
    /// The gradient of the output before its ReLU.
    last: Vec<T>,
    work: Work<T>,
}

impl<T: Real> Buffers<T> {
    /// Makes the places empty; they keep their memory.
    fn clear(&mut self, places: usize) {
        self.places.resize(places, Vec::new());
        self.places.iter_mut().for_each(Vec::clear);
    }
}

impl Network {
    /// The place of the output.
    fn last(&self) -> usize {
        self.program.places - 1
    }

    /// Whether a ReLU comes last.
    fn is_rectified(&self) -> bool {
        let ends = |step: &&Step| step.into == self.last();
        self.program
            .steps
            .iter()
            .rfind(ends)
            .is_some_and(|step| matches!(step.operation, Operation::Convolve(layer) if self.layers[layer].1))
    }

    fn layers<'a, T: Real>(&self, weights: &'a [Plain]) -> Vec<Taps<'a, T>> {
        let layer = |(weight, (window, _)): (&'a Plain, &(Window, bool))| {
            let shape = weight.layout().shape();
            Taps::new(*window, [shape[0], shape[1]], numbers::<T>(weight))
        };
        weights.iter().zip(&self.layers).map(layer).collect()
    }

    /// The output channels.
    fn outputs<T: Real>(&self, layers: &[Taps<T>]) -> usize {
        let of = |step: &Step| if let Operation::Convolve(layer) = step.operation { layers[layer].outputs } else { 0 };
        self.program.steps.iter().rfind(|step| step.into == self.last()).map_or(0, of)
    }

    /// The output, and the contents of the other places per part if `keep` is set.
    fn value<T: Real>(&self, x: &Plain, weights: &[Plain], biases: &[Plain], keep: bool) -> (Plain, Vec<Vec<Plain>>) {
        let (whole, shape, layers) = (part_of(x), x.layout().shape(), self.layers::<T>(weights));
        let (rows, inputs, outputs) = (shape[0], shape[1], self.outputs(&layers));
        let (pixels, images) = (whole.pixels(), whole.images);
        let mut y = vec![T::of(0.0); rows * outputs * pixels];
        let parts = y.par_chunks_mut(images * outputs * pixels).zip(numbers::<T>(x).par_chunks(images * inputs * pixels)).enumerate();
        let hidden = parts.map_init(Buffers::default, |buffers, (index, (y, x))| {
            let part = Part { images: x.len() / (inputs * pixels), ..whole };
            self.part_value(&layers, biases, (part, index * images), (x, inputs), y, buffers);
            let kept = if keep { std::mem::take(&mut buffers.places) } else { Vec::new() };
            let row = |h: Vec<T>| {
                let length = h.len();
                plain(h, &[length])
            };
            kept.into_iter().map(row).collect()
        });
        let hidden = hidden.collect();
        (plain(y, &[rows, outputs, whole.height, whole.width]), hidden)
    }

    /// Goes through the program with images from the `first` on.
    fn part_value<T: Real>(
        &self,
        layers: &[Taps<T>],
        biases: &[Plain],
        (part, first): (Part, usize),
        (x, inputs): (&[T], usize),
        y: &mut [T],
        buffers: &mut Buffers<T>,
    ) {
        buffers.clear(self.last().saturating_sub(1));
        let Buffers { places, term, work, .. } = buffers;
        for &Step { operation, from, into } in &self.program.steps {
            let (before, after) = places.split_at_mut(into - 1);
            let source = if from == 0 { (x, part.apart(inputs)) } else { (&before[from - 1][..], part.beside()) };
            let Operation::Convolve(l) = operation else {
                let (source, Some(target)) = (source.0, after.first_mut()) else { continue };
                let length = if matches!(operation, Operation::Gate) { source.len() / 2 } else { source.len() };
                target.resize(length, T::of(0.0));
                match operation {
                    Operation::Gate => gate::add_value(source, target),
                    Operation::Relu => target.iter_mut().zip(source).for_each(|(t, &s)| *t += if s < T::of(0.0) { T::of(0.0) } else { s }),
                    _ => add(target, source),
                }
                continue;
            };
            let (layer, bias, rectified) = (&layers[l], numbers::<T>(&biases[l]), self.layers[l].1);
            let mut apply = |into: &mut [T], layout, add| {
                layer.forward(part, source, (&mut *into, layout), add, work);
                finish(part, (into, layout), bias, (first, layer.outputs), rectified);
            };
            match after.first_mut() {
                None => apply(y, part.apart(layer.outputs), false),
                Some(target) if target.is_empty() => {
                    target.resize(layer.outputs * part.columns(), T::of(0.0));
                    apply(target, part.beside(), false);
                }
                Some(target) if !rectified && layer.adds(part, [source.1, part.beside()]) => apply(target, part.beside(), true),
                Some(target) => {
                    term.resize(target.len(), T::of(0.0));
                    apply(term, part.beside(), false);
                    add(target, term);
                }
            }
        }
    }

    fn gradient<T: Real>(&self, saved: &Saved, g: &Plain, x_wanted: bool) -> Vec<Option<Plain>> {
        let (whole, shape, layers) = (part_of(&saved.x), saved.x.layout().shape(), self.layers::<T>(&saved.weights));
        let (rows, inputs, outputs) = (shape[0], shape[1], self.outputs(&layers));
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
                    buffers.last.clear();
                    buffers.last.extend_from_slice(g);
                    if let Some(y) = &saved.y {
                        let at = (index * of_run + k * images * pixels) * outputs;
                        mask(&mut buffers.last, &numbers::<T>(y)[at..][..g.len()]);
                    }
                    self.part_gradient(&layers, (part, k * images), (x, inputs), hidden, gx.next(), &mut sums, &mut buffers);
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

    /// Goes back through the program, for images from the `first` of the run on, with the gradient of the output in `buffers.last`.
    #[allow(clippy::too_many_arguments)]
    fn part_gradient<T: Real>(
        &self,
        layers: &[Taps<T>],
        (part, first): (Part, usize),
        (x, inputs): (&[T], usize),
        hidden: &[Plain],
        mut gx: Option<&mut [T]>,
        sums: &mut [Sums<T>],
        buffers: &mut Buffers<T>,
    ) {
        buffers.clear(self.last().saturating_sub(1));
        let Buffers { places, term, last, work } = buffers;
        let mut of_input = false;
        for &Step { operation, from, into } in self.program.steps.iter().rev() {
            let (before, after) = places.split_at_mut(into - 1);
            let g: &mut [T] = after.first_mut().map_or(&mut last[..], |g| &mut g[..]);
            // The output does not depend on this place, so it has no gradient.
            if g.is_empty() {
                continue;
            }
            let source = if from == 0 { x } else { numbers::<T>(&hidden[from - 1]) };
            let Operation::Convolve(l) = operation else {
                let Some(target) = from.checked_sub(1).and_then(|from| before.get_mut(from)) else { continue };
                target.resize(source.len(), T::of(0.0));
                match operation {
                    Operation::Gate => gate::add_gradient(source, g, target),
                    Operation::Relu => {
                        for ((t, &s), &g) in target.iter_mut().zip(source).zip(&*g) {
                            *t += if s > T::of(0.0) { g } else { T::of(0.0) };
                        }
                    }
                    _ => add(target, g),
                }
                continue;
            };
            let layer = &layers[l];
            let layout = if into == self.last() {
                part.apart(layer.outputs)
            } else {
                if self.layers[l].1 {
                    mask(g, numbers::<T>(&hidden[into - 1]));
                }
                part.beside()
            };
            add_bias(part, (g, layout), &mut sums[l].bias, (first, layer.outputs));
            let weight = &mut sums[l].weight;
            match from.checked_sub(1).and_then(|from| before.get_mut(from)) {
                None => {
                    let apart = part.apart(inputs);
                    let target = gx.as_deref_mut().map(|gx| {
                        if of_input {
                            term.resize(gx.len(), T::of(0.0));
                        }
                        if of_input { &mut term[..] } else { gx }
                    });
                    layer.backward(part, (x, apart), (g, layout), weight, target.map(|gx| ((gx, apart), false)), work);
                    if let Some(gx) = gx.as_deref_mut().filter(|_| of_input) {
                        add(gx, term);
                    }
                    of_input = true;
                }
                Some(target) if target.is_empty() => {
                    target.resize(source.len(), T::of(0.0));
                    layer.backward(part, (source, part.beside()), (g, layout), weight, Some(((target, part.beside()), false)), work);
                }
                Some(target) if layer.adds(part, [layout, part.beside()]) => {
                    layer.backward(part, (source, part.beside()), (g, layout), weight, Some(((target, part.beside()), true)), work);
                }
                Some(target) => {
                    term.resize(source.len(), T::of(0.0));
                    layer.backward(part, (source, part.beside()), (g, layout), weight, Some(((term, part.beside()), false)), work);
                    add(target, term);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
