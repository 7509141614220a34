//! An LSTM over the lines of images. The gates of a line are given, except for a convolution of the hidden states of the line before.
//!
//! The division of the batch into parts depends only on its sizes. The numbers of a line form a matrix, with one row per channel and the images side by side. The convolution is
//! then one product per line. Gradients of the weights are summed over runs of parts in order, so the number of threads changes no bit.

use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::{
    Real,
    bias::add,
    cell::{cell, step, step_back},
    columns::Window,
    convolution::{ConvolutionLayer, convolve},
    fused::{FusedOp, Input, Plain, apply, has_kernels, numbers, plain},
    gemm::multiply,
    lines::Lines,
    taps::{by_rows, transposed},
};
use crate::placement::Placement;

/// The fewest pixels on the longest line of a part, unless the batch is smaller. With so many columns, a matrix product repays the packing of its weights.
const COLUMNS: usize = 64;
/// The largest number of runs of parts. Each run sums its gradients on its own, in parallel with the others.
const RUNS: usize = 8;
/// The offsets of the positions on the line before on which a pixel depends.
const OFFSETS: [isize; 3] = [-1, 0, 1];
/// A cell depends on the cell at its own position.
const SAME: [isize; 1] = [0];

/// The hidden states h of `[rows, width, height, width of the images]` from gates of `[rows, 4 · width, …]` and weights W of `[4 · width, width, taps]`
/// (van den Oord, Kalchbrenner & Kavukcuoglu 2016, *Pixel recurrent neural networks*, eq. 3). The formula for each line is
///
/// (o, f, i, g) = gates_t + W ∗ h_{t−1},   c_t = σ(f) c_{t−1} + σ(i) tanh(g),   h_t = σ(o) tanh(c_t).
pub(crate) fn recur(gates: Tensor<4>, weight: Tensor<3>, lines: Lines) -> Tensor<4> {
    if has_kernels(&gates)
        && gates.dims().iter().all(|&n| n > 0)
        && let Some([y]) = apply(&Recurrence(lines), vec![Input::Image(gates.clone()), Input::Cube(weight.clone())])
    {
        return y.tensor();
    }
    composed(gates, weight, lines)
}

/// The layer that turns the hidden states of a line, `[rows, width, 1, positions]`, into their contribution to the gates of the next line. The bias is `[1 or rows, 4 · width]`.
pub(crate) fn followed(weight: Tensor<3>, bias: Tensor<2>) -> ConvolutionLayer {
    let [outputs, inputs, taps] = weight.dims();
    let window = Window { kernel: [1, taps], before: [0, 1], dilation: 1 };
    ConvolutionLayer { weight: weight.reshape([outputs, inputs, 1, taps]), bias, window, rectified: false }
}

fn composed(gates: Tensor<4>, weight: Tensor<3>, lines: Lines) -> Tensor<4> {
    let [rows, four, height, width] = gates.dims();
    let place = Placement::of(&gates.clone().inner());
    if rows * four * height * width == 0 {
        return place.zeros([rows, four / 4, height, width]);
    }
    let gates = if lines == Lines::Mirrored { gates.flip([3]) } else { gates };
    let gates = if lines == Lines::Rows { gates } else { skewed(gates).swap_dims(2, 3) };
    let layer = followed(weight, place.zeros([1, four]));
    let mut hidden: Vec<Tensor<4>> = Vec::new();
    let mut cells = None;
    for t in 0..gates.dims()[2] {
        let own = gates.clone().narrow(2, t, 1);
        let gates = match hidden.last() {
            Some(h) => own + convolve(h.clone(), vec![layer.clone()]),
            None => own,
        };
        let [c, h] = cell(gates, cells);
        cells = Some(c);
        hidden.push(h);
    }
    let h = Tensor::cat(hidden, 2);
    let h = if lines == Lines::Rows { h } else { straightened(h.swap_dims(2, 3)) };
    if lines == Lines::Mirrored { h.flip([3]) } else { h }
}

/// Moves row i by i columns to the right, with zeros around it, so that diagonals become columns. Gates of 0 keep a state of 0.
fn skewed(x: Tensor<4>) -> Tensor<4> {
    let [rows, channels, height, width] = x.dims();
    let gap = Placement::of(&x.clone().inner()).zeros([rows, channels, height, height]);
    let wide = Tensor::cat(vec![x, gap], 3).reshape([rows, channels, height * (height + width)]);
    wide.narrow(2, 0, height * (height + width - 1)).reshape([rows, channels, height, height + width - 1])
}

/// The reverse of [`skewed`].
fn straightened(x: Tensor<4>) -> Tensor<4> {
    let [rows, channels, height, lines] = x.dims();
    let gap = Placement::of(&x.clone().inner()).zeros([rows, channels, height]);
    let flat = Tensor::cat(vec![x.reshape([rows, channels, height * lines]), gap], 2);
    flat.reshape([rows, channels, height, lines + 1]).narrow(3, 0, lines + 1 - height)
}

#[derive(Clone, Debug)]
struct Recurrence(Lines);

/// The values that the gradient needs.
#[derive(Clone, Debug)]
struct Saved {
    weight: Plain,
    /// The hidden states.
    y: Plain,
    /// For each part, the activations of the gates and the cells, line by line.
    parts: Vec<Plain>,
}

impl FusedOp<1> for Recurrence {
    type Saved = Saved;

    fn forward(&self, inputs: Vec<Plain>, keep: bool) -> ([Plain; 1], Option<Saved>) {
        let (gates, weight) = (inputs[0].to_contiguous(), inputs[1].to_contiguous());
        let of = Sizes::of(self.0, gates.layout().shape());
        let (y, parts) =
            if gates.dtype() == DType::F64 { of.value::<f64>(&gates, &weight, keep) } else { of.value::<f32>(&gates, &weight, keep) };
        let saved = keep.then(|| Saved { weight, y: y.clone(), parts });
        ([y], saved)
    }

    fn backward(&self, saved: Saved, [g]: [Option<Plain>; 1], _: &[bool]) -> Vec<Option<Plain>> {
        let Some(g) = g.map(|g| g.to_contiguous()) else { return vec![None; 2] };
        let shape = g.layout().shape();
        let of = Sizes::of(self.0, &[shape[0], 4 * shape[1], shape[2], shape[3]]);
        let found = if g.dtype() == DType::F64 { of.gradient::<f64>(&saved, &g) } else { of.gradient::<f32>(&saved, &g) };
        found.map(Some).into()
    }
}

/// The sizes of a call.
#[derive(Clone, Copy)]
struct Sizes {
    lines: Lines,
    rows: usize,
    /// Hidden states per pixel.
    width: usize,
    size: [usize; 2],
    /// Images per part.
    images: usize,
}

/// Buffers of a thread.
#[derive(Default)]
struct Buffers<T> {
    gates: Vec<T>,
    columns: Vec<T>,
    hidden: Vec<T>,
    cells: Vec<T>,
    old: Vec<T>,
    of_hidden: Vec<T>,
    of_cells: Vec<T>,
    later: Vec<T>,
}

/// A buffer of this length. Its contents are arbitrary.
fn sized<T: Real>(buffer: &mut Vec<T>, length: usize) -> &mut [T] {
    buffer.resize(length, T::of(0.0));
    buffer
}

impl Sizes {
    fn of(lines: Lines, shape: &[usize]) -> Self {
        let size = [shape[2], shape[3]];
        let images = COLUMNS.div_ceil(lines.longest(size)).min(shape[0]);
        Sizes { lines, rows: shape[0], width: shape[1] / 4, size, images }
    }

    fn pixels(self) -> usize {
        self.size[0] * self.size[1]
    }

    /// The number of hidden states of the line before that each position sees.
    fn depth(self) -> usize {
        self.width * self.lines.taps()
    }

    /// The hidden states, and the saved values of each part if `keep` is set.
    fn value<T: Real>(self, gates: &Plain, weight: &Plain, keep: bool) -> (Plain, Vec<Plain>) {
        let of_image = self.width * self.pixels();
        let mut y = vec![T::of(0.0); self.rows * of_image];
        let parts = y.par_chunks_mut(self.images * of_image).zip(numbers::<T>(gates).par_chunks(4 * self.images * of_image));
        let saved: Vec<Plain> = parts
            .map_init(Buffers::default, |buffers, (y, gates)| {
                let mut saved = Vec::with_capacity(if keep { 5 * y.len() } else { 0 });
                self.part_value(gates, numbers(weight), y, keep.then_some(&mut saved), buffers);
                let length = saved.len();
                plain(saved, &[length])
            })
            .collect();
        (plain(y, &[self.rows, self.width, self.size[0], self.size[1]]), if keep { saved } else { Vec::new() })
    }

    fn part_value<T: Real>(self, gates: &[T], weight: &[T], y: &mut [T], mut saved: Option<&mut Vec<T>>, buffers: &mut Buffers<T>) {
        let (width, pixels, depth) = (self.width, self.pixels(), self.depth());
        let images = y.len() / (width * pixels);
        let Buffers { gates: own, columns, hidden, cells, old, .. } = buffers;
        let mut before = None;
        for t in 0..self.lines.count(self.size) {
            let line = self.lines.line(t, self.size);
            let n = images * line.positions;
            let (own, old) = (sized(own, 4 * width * n), sized(old, width * n));
            line.take(gates, [4 * width, pixels], own);
            old.fill(T::of(0.0));
            if let Some(before) = before {
                let columns = sized(columns, depth * n);
                line.look_back((hidden, before), images, &OFFSETS[..self.lines.taps()], columns);
                multiply((own, by_rows(4 * width, n)), (weight, by_rows(4 * width, depth)), (columns, by_rows(depth, n)), true);
                line.look_back((cells, before), images, &SAME, old);
            }
            step(own, old, sized(cells, width * n), sized(hidden, width * n));
            line.put(hidden, y, [width, pixels]);
            if let Some(saved) = saved.as_deref_mut() {
                saved.extend_from_slice(own);
                saved.extend_from_slice(cells);
            }
            before = Some(line);
        }
    }

    /// The gradients of the gates and of the weights.
    fn gradient<T: Real>(self, saved: &Saved, g: &Plain) -> [Plain; 2] {
        let (of_image, weight) = (self.width * self.pixels(), numbers::<T>(&saved.weight));
        let run = saved.parts.len().div_ceil(RUNS).max(1);
        let part = self.images * of_image;
        let mut of_gates = vec![T::of(0.0); 4 * self.rows * of_image];
        let tables = numbers::<T>(&saved.y).par_chunks(run * part).zip(numbers::<T>(g).par_chunks(run * part));
        let runs = of_gates.par_chunks_mut(4 * run * part).zip(tables).zip(saved.parts.par_chunks(run));
        let sums: Vec<Vec<T>> = runs
            .map(|((of_gates, (y, g)), saved)| {
                let mut sum = vec![T::of(0.0); weight.len()];
                let mut buffers = Buffers::default();
                let parts = of_gates.chunks_mut(4 * part).zip(y.chunks(part)).zip(g.chunks(part)).zip(saved);
                for (((of_gates, y), g), saved) in parts {
                    self.part_gradient((y, numbers(saved)), weight, g, of_gates, &mut sum, &mut buffers);
                }
                sum
            })
            .collect();
        let mut total = vec![T::of(0.0); weight.len()];
        sums.iter().for_each(|sum| add(&mut total, sum));
        let [height, width] = self.size;
        [plain(of_gates, &[self.rows, 4 * self.width, height, width]), plain(total, &[4 * self.width, self.width, self.lines.taps()])]
    }

    /// Goes back through the lines of a part, and adds the gradient of the weights to `sum`.
    fn part_gradient<T: Real>(
        self,
        (y, mut saved): (&[T], &[T]),
        weight: &[T],
        g: &[T],
        of_gates: &mut [T],
        sum: &mut [T],
        buffers: &mut Buffers<T>,
    ) {
        let (width, pixels, depth) = (self.width, self.pixels(), self.depth());
        let images = y.len() / (width * pixels);
        let offsets = &OFFSETS[..self.lines.taps()];
        let Buffers { gates: own, columns, hidden, old, of_hidden, of_cells, later, .. } = buffers;
        // The gradients from the lines after a line.
        later.clear();
        of_cells.clear();
        for t in (0..self.lines.count(self.size)).rev() {
            let line = self.lines.line(t, self.size);
            let n = images * line.positions;
            let (rest, found) = saved.split_at(saved.len() - 5 * width * n);
            let (gates, cells) = found.split_at(4 * width * n);
            saved = rest;
            let (own, old, of_hidden) = (sized(own, 4 * width * n), sized(old, width * n), sized(of_hidden, width * n));
            line.take(g, [width, pixels], of_hidden);
            add(of_hidden, later);
            of_cells.resize(width * n, T::of(0.0));
            let before = t.checked_sub(1).map(|t| self.lines.line(t, self.size));
            match before {
                Some(before) => line.look_back((&saved[saved.len() - width * images * before.positions..], before), images, &SAME, old),
                None => old.fill(T::of(0.0)),
            }
            step_back(gates, [old, cells], of_hidden, of_cells, own);
            line.put(own, of_gates, [4 * width, pixels]);
            let Some(before) = before else { continue };
            let length = width * images * before.positions;
            let (hidden, columns) = (sized(hidden, length), sized(columns, depth * n));
            before.take(y, [width, pixels], hidden);
            line.look_back((hidden, before), images, offsets, columns);
            let (of_weight, of_own, of_columns) = (by_rows(4 * width, depth), by_rows(4 * width, n), by_rows(depth, n));
            multiply((sum, of_weight), (own, of_own), (columns, transposed(of_columns)), true);
            multiply((columns, of_columns), (weight, transposed(of_weight)), (own, of_own), false);
            line.give_back(columns, images, offsets, (sized(later, length), before));
            // The buffer of the hidden states is free again.
            line.give_back(of_cells, images, &SAME, (hidden, before));
            of_cells.clear();
            of_cells.extend_from_slice(hidden);
        }
    }
}

#[cfg(test)]
#[path = "recurrence_tests.rs"]
mod tests;
