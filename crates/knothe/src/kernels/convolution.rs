//! A convolution with its bias, and a ReLU after it where it is asked for, in one operation.
//!
//! Of the two sides of a convolution, input and output, the taps of the one with fewer channels, the narrow one, are what is written out in
//! columns. With N its pixels, B those of the broad side and W of `[broad channels, narrow channels · taps]`, the three products
//! of a convolution and its gradient are B = W · gather(N), N = scatter(Wᵀ B) and ∂W = B · gather(N)ᵀ: the first is the value and the second the
//! gradient of the input where the output is broad, and the other way round where the input is.
//!
//! The batch is cut into parts by its size alone. Gradients of the weights are summed over runs of parts in order, so that
//! threads change no bit.

use std::borrow::Cow;

use burn::tensor::{DType, Tensor, activation::relu, module::conv2d, ops::ConvOptions};
use rayon::prelude::*;

use super::{
    Real,
    columns::{Part, Window},
    fused::{FusedOp, Input, Plain, apply, has_kernels, numbers, plain},
    gemm::{Shape, multiply},
    lanes::{LANES, vectorised},
};
use crate::placement::Placement;

/// Pixels a part, at least: enough columns for a product to pay for packing its weights.
const PIXELS: usize = 128;
/// Sums of gradients that may be formed at once.
const RUNS: usize = 8;

/// y[n, o] = b[n, o] + Σ_{c, tap} W[o, c, tap] x[n, c](· + tap), and max(y, 0) where `rectified`: x of `[rows, c, height, width]`, `weight` of
/// `[o, c, kernel]`, `bias` of `[rows, o]` or `[1, o]`.
pub(crate) fn convolve(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<2>, window: Window, rectified: bool) -> Tensor<4> {
    if has_kernels(&x) && x.dims().iter().all(|&n| n > 0) {
        let op = Convolution { window, rectified };
        let inputs = vec![Input::Image(x.clone()), Input::Image(weight.clone()), Input::Table(bias.clone())];
        if let Some([y]) = apply(&op, inputs) {
            return y.tensor();
        }
    }
    composed(x, weight, bias, window, rectified)
}

fn composed(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<2>, window: Window, rectified: bool) -> Tensor<4> {
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

#[derive(Clone, Copy, Debug)]
struct Convolution {
    window: Window,
    rectified: bool,
}

/// Input, weights, the output of a ReLU, and the rows of the bias.
type Saved = (Plain, Plain, Option<Plain>, usize);

impl FusedOp<1> for Convolution {
    type Saved = Saved;

    fn forward(&self, inputs: Vec<Plain>, keep: bool) -> ([Plain; 1], Option<Saved>) {
        let [x, weight, bias] = [0, 1, 2].map(|k| inputs[k].to_contiguous());
        let y = if x.dtype() == DType::F64 { self.value::<f64>(&x, &weight, &bias) } else { self.value::<f32>(&x, &weight, &bias) };
        let rows = bias.layout().shape()[0];
        let saved = keep.then(|| (x, weight, self.rectified.then(|| y.clone()), rows));
        ([y], saved)
    }

    fn backward(&self, saved: Saved, [g]: [Option<Plain>; 1], want: &[bool]) -> Vec<Option<Plain>> {
        let Some(g) = g.map(|g| g.to_contiguous()) else { return vec![None; 3] };
        let found =
            if g.dtype() == DType::F64 { self.gradient::<f64>(saved, &g, want[0]) } else { self.gradient::<f32>(saved, &g, want[0]) };
        found.into()
    }
}

/// The sizes of a call.
#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    inputs: usize,
    outputs: usize,
    part: Part,
    taps: usize,
}

impl Sizes {
    fn of(x: &Plain, weight: &Plain) -> Self {
        let (x, weight) = (x.layout().shape(), weight.layout().shape());
        let (height, width) = (x[2], x[3]);
        let images = PIXELS.div_ceil(height * width).min(x[0]);
        Sizes { rows: x[0], inputs: x[1], outputs: weight[0], part: Part { images, height, width }, taps: weight[2] * weight[3] }
    }

    fn pixels(self) -> usize {
        self.part.height * self.part.width
    }

    /// Whether the input is the narrow side.
    fn widens(self) -> bool {
        self.inputs <= self.outputs
    }

    /// Channels of the broad and of the narrow side.
    fn sides(self) -> [usize; 2] {
        if self.widens() { [self.outputs, self.inputs] } else { [self.inputs, self.outputs] }
    }

    /// W of `[broad, narrow · taps]` from that of `[outputs, inputs · taps]`, or back.
    fn turned<T: Real>(self, weight: &[T], back: bool) -> Cow<'_, [T]> {
        if self.widens() {
            return Cow::Borrowed(weight);
        }
        let [outer, inner] = if back { [self.inputs, self.outputs] } else { [self.outputs, self.inputs] };
        let mut turned = vec![T::of(0.0); weight.len()];
        for (k, taps) in weight.chunks_exact(self.taps).enumerate() {
            let (o, c) = (k / inner, k % inner);
            turned[(c * outer + o) * self.taps..][..self.taps].copy_from_slice(taps);
        }
        Cow::Owned(turned)
    }
}

/// A matrix by rows.
fn by_rows(rows: usize, columns: usize) -> Shape {
    Shape { rows, columns, strides: [columns, 1] }
}

/// The same matrix with rows and columns exchanged.
fn transposed(shape: Shape) -> Shape {
    Shape { rows: shape.columns, columns: shape.rows, strides: [shape.strides[1], shape.strides[0]] }
}

/// What a part computes with. Buffers are kept from part to part, since fresh memory costs about as much as filling it.
struct Work<'a, T> {
    weight: &'a [T],
    window: Window,
    mirrored: bool,
    sides: [usize; 2],
    taps: usize,
    columns: Vec<T>,
    broad: Vec<T>,
}

impl<'a, T: Real> Work<'a, T> {
    fn new(op: Convolution, sizes: Sizes, weight: &'a [T]) -> Self {
        let (sides, taps) = (sizes.sides(), sizes.taps);
        Work { weight, window: op.window, mirrored: !sizes.widens(), sides, taps, columns: Vec::new(), broad: Vec::new() }
    }

    fn shape_of_weight(&self) -> Shape {
        by_rows(self.sides[0], self.sides[1] * self.taps)
    }

    /// gather(N), or N itself where that is the same.
    fn gathered<'b>(&'b mut self, part: Part, narrow: &'b [T]) -> &'b [T] {
        if self.taps == 1 && part.images == 1 {
            return narrow;
        }
        self.columns.resize(self.sides[1] * self.taps * part.columns(), T::of(0.0));
        part.gather(&mut self.columns, narrow, self.window, self.mirrored);
        &self.columns
    }

    /// B = W · gather(N).
    fn expand(&mut self, part: Part, narrow: &[T], into: &mut [T]) {
        let (weight, of_weight, n) = (self.weight, self.shape_of_weight(), part.columns());
        let shape = by_rows(self.sides[0], n);
        if part.images == 1 {
            let columns = self.gathered(part, narrow);
            multiply((into, shape), (weight, of_weight), (columns, by_rows(of_weight.columns, n)), false);
            return;
        }
        let mut broad = std::mem::take(&mut self.broad);
        broad.resize(shape.rows * n, T::of(0.0));
        let columns = self.gathered(part, narrow);
        multiply((&mut broad, shape), (weight, of_weight), (columns, by_rows(of_weight.columns, n)), false);
        into.fill(T::of(0.0));
        part.scatter(into, &broad, Window::same(1), false);
        self.broad = broad;
    }

    /// The columns of B side by side, or B itself where they are.
    fn beside<'b>(buffer: &'b mut Vec<T>, part: Part, channels: usize, broad: &'b [T]) -> &'b [T] {
        if part.images == 1 {
            return broad;
        }
        buffer.resize(channels * part.columns(), T::of(0.0));
        part.gather(buffer, broad, Window::same(1), false);
        buffer
    }

    /// N = scatter(Wᵀ B).
    fn contract(&mut self, part: Part, broad: &[T], into: &mut [T]) {
        let (of_weight, n) = (self.shape_of_weight(), part.columns());
        let broad = Self::beside(&mut self.broad, part, self.sides[0], broad);
        let a = (self.weight, transposed(of_weight));
        let b = (broad, by_rows(self.sides[0], n));
        if self.taps == 1 && part.images == 1 {
            multiply((into, by_rows(of_weight.columns, n)), a, b, false);
            return;
        }
        self.columns.resize(of_weight.columns * n, T::of(0.0));
        multiply((&mut self.columns, by_rows(of_weight.columns, n)), a, b, false);
        into.fill(T::of(0.0));
        part.scatter(into, &self.columns, self.window, self.mirrored);
    }

    /// Adds B · gather(N)ᵀ to the gradient of W.
    fn outer(&mut self, part: Part, broad: &[T], narrow: &[T], into: &mut [T]) {
        let (of_weight, n) = (self.shape_of_weight(), part.columns());
        let mut buffer = std::mem::take(&mut self.broad);
        let broad = Self::beside(&mut buffer, part, of_weight.rows, broad);
        let columns = self.gathered(part, narrow);
        let b = (columns, transposed(by_rows(of_weight.columns, n)));
        multiply((into, of_weight), (broad, by_rows(of_weight.rows, n)), b, true);
        self.broad = buffer;
    }
}

impl Convolution {
    fn value<T: Real>(self, x: &Plain, weight: &Plain, bias: &Plain) -> Plain {
        let sizes = Sizes::of(x, weight);
        let Sizes { rows, inputs, outputs, part, .. } = sizes;
        let (pixels, images) = (sizes.pixels(), part.images);
        let (weight, bias) = (sizes.turned(numbers::<T>(weight), false), numbers::<T>(bias));
        let mut y = vec![T::of(0.0); rows * outputs * pixels];
        let parts = y.par_chunks_mut(images * outputs * pixels).zip(numbers::<T>(x).par_chunks(images * inputs * pixels)).enumerate();
        parts.for_each_init(
            || Work::new(self, sizes, &weight),
            |work, (index, (y, x))| {
                let part = Part { images: x.len() / (inputs * pixels), ..part };
                if sizes.widens() {
                    work.expand(part, x, y)
                } else {
                    work.contract(part, x, y)
                }
                for (k, channel) in y.chunks_exact_mut(pixels).enumerate() {
                    self.finish(channel, bias[(index * images * outputs + k) % bias.len()]);
                }
            },
        );
        plain(y, &[rows, outputs, part.height, part.width])
    }

    /// Adds the bias, and cuts off what is negative. What is not a number stays.
    fn finish<T: Real>(self, channel: &mut [T], bias: T) {
        let least = T::of(if self.rectified { 0.0 } else { f64::NEG_INFINITY });
        vectorised(
            #[inline(always)]
            || {
                for y in channel {
                    let value = *y + bias;
                    *y = if value < least { least } else { value };
                }
            },
        );
    }

    fn gradient<T: Real>(self, (x, weight, y, bias_rows): Saved, g: &Plain, x_wanted: bool) -> [Option<Plain>; 3] {
        let sizes = Sizes::of(&x, &weight);
        let Sizes { rows, inputs, outputs, part, .. } = sizes;
        let (pixels, images) = (sizes.pixels(), part.images);
        let own = numbers::<T>(&weight);
        let weight = sizes.turned(own, false);
        let run = rows.div_ceil(images).div_ceil(RUNS) * images;
        let mut gx = vec![T::of(0.0); if x_wanted { rows * inputs * pixels } else { 0 }];
        let mut gbias = vec![T::of(0.0); rows * outputs];
        let mut gx_runs: Vec<&mut [T]> = gx.chunks_mut(run * inputs * pixels).collect();
        gx_runs.resize_with(rows.div_ceil(run), Default::default);
        let runs = gx_runs.into_par_iter().zip(gbias.par_chunks_mut(run * outputs));
        let runs = runs.zip(numbers::<T>(&x).par_chunks(run * inputs * pixels).zip(numbers::<T>(g).par_chunks(run * outputs * pixels)));
        let sums: Vec<Vec<T>> = runs
            .enumerate()
            .map(|(index, ((gx, gbias), (x, g)))| {
                let mut work = Work::new(self, sizes, &weight);
                let mut sum = vec![T::of(0.0); own.len()];
                let mut passed = Vec::new();
                for (k, (x, g)) in x.chunks(images * inputs * pixels).zip(g.chunks(images * outputs * pixels)).enumerate() {
                    let part = Part { images: x.len() / (inputs * pixels), ..part };
                    let y = y.as_ref().map(|y| &numbers::<T>(y)[(index * run + k * images) * outputs * pixels..][..g.len()]);
                    let g = y.map_or(g, |y| {
                        passed.resize(g.len(), T::of(0.0));
                        pass(&mut passed, g, y);
                        &passed
                    });
                    for (sum, channel) in gbias[k * images * outputs..].iter_mut().zip(g.chunks_exact(pixels)) {
                        *sum = sum_of(channel);
                    }
                    let gx = gx.chunks_mut(images * inputs * pixels).nth(k);
                    if sizes.widens() {
                        work.outer(part, g, x, &mut sum);
                        gx.into_iter().for_each(|gx| work.contract(part, g, gx));
                    } else {
                        work.outer(part, x, g, &mut sum);
                        gx.into_iter().for_each(|gx| work.expand(part, g, gx));
                    }
                }
                sum
            })
            .collect();
        let mut gweight = vec![T::of(0.0); own.len()];
        sums.iter().for_each(|sum| gweight.iter_mut().zip(sum).for_each(|(total, &g)| *total += g));
        let gweight = sizes.turned(&gweight, true).into_owned();
        if bias_rows == 1 {
            let (first, others) = gbias.split_at_mut(outputs);
            others.chunks_exact(outputs).for_each(|row| first.iter_mut().zip(row).for_each(|(sum, &g)| *sum += g));
            gbias.truncate(outputs);
        }
        let [height, width] = self.window.kernel;
        [
            x_wanted.then(|| plain(gx, &[rows, inputs, part.height, part.width])),
            Some(plain(gweight, &[outputs, inputs, height, width])),
            Some(plain(gbias, &[bias_rows, outputs])),
        ]
    }
}

/// The gradient that a ReLU lets through.
fn pass<T: Real>(into: &mut [T], g: &[T], y: &[T]) {
    vectorised(
        #[inline(always)]
        || {
            for ((into, &g), &y) in into.iter_mut().zip(g).zip(y) {
                *into = if y > T::of(0.0) { g } else { T::of(0.0) };
            }
        },
    );
}

/// Σ g, in as many sums as a vector has lanes, and the rest.
fn sum_of<T: Real>(g: &[T]) -> T {
    vectorised(
        #[inline(always)]
        || {
            let (whole, rest) = g.as_chunks::<LANES>();
            let mut sums = [T::of(0.0); LANES];
            for chunk in whole {
                for (sum, &g) in sums.iter_mut().zip(chunk) {
                    *sum += g;
                }
            }
            let mut total = T::of(0.0);
            for &g in sums.iter().chain(rest) {
                total += g;
            }
            total
        },
    )
}

#[cfg(test)]
#[path = "convolution_tests.rs"]
mod tests;
