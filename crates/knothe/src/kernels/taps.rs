//! The products of a convolution on a part of a batch.
//!
//! Of the two sides of a convolution, input and output, the taps of the one with fewer channels, the narrow one, are what is written out in
//! columns. With N its pixels, B those of the broad side and W of `[broad channels, narrow channels · taps]`, the three products
//! of a convolution and its gradient are B = W · gather(N), N = scatter(Wᵀ B) and ∂W = B · gather(N)ᵀ: the first is the value and the second the
//! gradient of the input where the output is broad, and the other way round where the input is.

use std::borrow::Cow;

use super::{
    Real,
    columns::{Layout, Part, Window},
    gemm::{Shape, multiply},
};

/// Pixels to read, and where they stand.
pub(super) type Pixels<'a, T> = (&'a [T], Layout);
/// Pixels to write, and where they stand.
pub(super) type PixelsMut<'a, T> = (&'a mut [T], Layout);

/// A convolution as a matrix.
pub(super) struct Taps<'a, T: Real> {
    /// W.
    weight: Cow<'a, [T]>,
    window: Window,
    pub inputs: usize,
    pub outputs: usize,
}

/// Buffers, kept from part to part, since fresh memory costs about as much as filling it.
#[derive(Default)]
pub(super) struct Work<T> {
    columns: Vec<T>,
    beside: Vec<T>,
    product: Vec<T>,
}

/// A matrix by rows.
pub(super) fn by_rows(rows: usize, columns: usize) -> Shape {
    Shape { rows, columns, strides: [columns, 1] }
}

/// The same matrix with rows and columns exchanged.
pub(super) fn transposed(shape: Shape) -> Shape {
    Shape { rows: shape.columns, columns: shape.rows, strides: [shape.strides[1], shape.strides[0]] }
}

/// The first and the second index of a matrix of runs of `length` numbers exchanged; it has `inner` runs a row.
fn exchanged<T: Real>(runs: &[T], inner: usize, length: usize) -> Vec<T> {
    let outer = runs.len() / (inner * length).max(1);
    let mut found = vec![T::of(0.0); runs.len()];
    for (k, run) in runs.chunks_exact(length).enumerate() {
        found[(k % inner * outer + k / inner) * length..][..length].copy_from_slice(run);
    }
    found
}

impl<'a, T: Real> Taps<'a, T> {
    /// From weights of `[outputs, inputs, taps]`.
    pub fn new(window: Window, [outputs, inputs]: [usize; 2], weight: &'a [T]) -> Self {
        let weight = if inputs <= outputs { Cow::Borrowed(weight) } else { Cow::Owned(exchanged(weight, inputs, window.taps())) };
        Taps { weight, window, inputs, outputs }
    }

    /// A gradient of W as one of the weights.
    pub fn of_weight(&self, gradient: Vec<T>) -> Vec<T> {
        if self.widens() { gradient } else { exchanged(&gradient, self.outputs, self.window.taps()) }
    }

    /// How many weights there are.
    pub fn size(&self) -> usize {
        self.weight.len()
    }

    /// Whether the input is the narrow side.
    fn widens(&self) -> bool {
        self.inputs <= self.outputs
    }

    /// The shape of W.
    fn shape(&self) -> Shape {
        let (broad, narrow) = (self.inputs.max(self.outputs), self.inputs.min(self.outputs));
        by_rows(broad, narrow * self.window.taps())
    }

    /// gather(N), or N itself where that is the same.
    fn gathered<'b>(&self, part: Part, (narrow, layout): Pixels<'b, T>, buffer: &'b mut Vec<T>) -> &'b [T] {
        if self.window.taps() == 1 && part.is_beside(layout) {
            return narrow;
        }
        buffer.resize(self.shape().columns * part.columns(), T::of(0.0));
        part.gather(buffer, (narrow, layout), self.window, !self.widens());
        buffer
    }

    /// Whether a pass from pixels to pixels is one product, which can add to the pixels that are there.
    pub fn adds(&self, part: Part, [from, into]: [Layout; 2]) -> bool {
        self.window.taps() == 1 && part.is_beside(from) && part.is_beside(into)
    }

    /// B = W · columns, or B + W · columns if the layer [adds](Taps::adds) and `add` is set.
    fn expand(&self, part: Part, columns: &[T], (into, layout): PixelsMut<T>, add: bool, buffer: &mut Vec<T>) {
        let (shape, n) = (self.shape(), part.columns());
        let product = |into: &mut [T], add: bool| {
            multiply((into, by_rows(shape.rows, n)), (&self.weight, shape), (columns, by_rows(shape.columns, n)), add);
        };
        if part.is_beside(layout) {
            return product(into, add);
        }
        buffer.resize(shape.rows * n, T::of(0.0));
        product(buffer, false);
        part.scatter((into, layout), buffer, Window::same(1), false);
    }

    /// N = scatter(Wᵀ B), or the sum of N and that.
    fn contract(&self, part: Part, broad: &[T], (into, layout): PixelsMut<T>, add: bool, buffer: &mut Vec<T>) {
        let (shape, n) = (self.shape(), part.columns());
        let product = |into: &mut [T], add: bool| {
            multiply((into, by_rows(shape.columns, n)), (&self.weight, transposed(shape)), (broad, by_rows(shape.rows, n)), add);
        };
        if self.window.taps() == 1 && part.is_beside(layout) {
            return product(into, add);
        }
        buffer.resize(shape.columns * n, T::of(0.0));
        product(buffer, false);
        part.scatter((into, layout), buffer, self.window, !self.widens());
    }

    /// Adds B · columnsᵀ to the gradient of W.
    fn outer(&self, part: Part, broad: &[T], columns: &[T], sum: &mut [T]) {
        let (shape, n) = (self.shape(), part.columns());
        multiply((sum, shape), (broad, by_rows(shape.rows, n)), (columns, transposed(by_rows(shape.columns, n))), true);
    }

    /// Writes y from x, without the bias, or adds it to y if the layer [adds](Taps::adds) and `add` is set.
    pub fn forward(&self, part: Part, x: Pixels<T>, y: PixelsMut<T>, add: bool, work: &mut Work<T>) {
        if self.widens() {
            let columns = self.gathered(part, x, &mut work.columns);
            self.expand(part, columns, y, add, &mut work.product);
        } else {
            let broad = beside(part, x, self.inputs, &mut work.beside);
            self.contract(part, broad, y, add, &mut work.columns);
        }
    }

    /// Adds the gradient of W to `sum`, and writes that of x, where it is wanted, from that of y. With `add`, it is added to what is there, if the layer [adds](Taps::adds).
    pub fn backward(&self, part: Part, x: Pixels<T>, g: Pixels<T>, sum: &mut [T], gx: Option<(PixelsMut<T>, bool)>, work: &mut Work<T>) {
        if self.widens() {
            let broad = beside(part, g, self.outputs, &mut work.beside);
            let columns = self.gathered(part, x, &mut work.columns);
            self.outer(part, broad, columns, sum);
            if let Some((gx, add)) = gx {
                self.contract(part, broad, gx, add, &mut work.columns);
            }
        } else {
            let broad = beside(part, x, self.inputs, &mut work.beside);
            let columns = self.gathered(part, g, &mut work.columns);
            self.outer(part, broad, columns, sum);
            if let Some((gx, add)) = gx {
                self.expand(part, columns, gx, add, &mut work.product);
            }
        }
    }
}

/// The channels as the rows of a matrix, copied where they are not.
fn beside<'b, T: Real>(part: Part, (images, layout): Pixels<'b, T>, channels: usize, buffer: &'b mut Vec<T>) -> &'b [T] {
    if part.is_beside(layout) {
        return images;
    }
    buffer.resize(channels * part.columns(), T::of(0.0));
    part.gather(buffer, (images, layout), Window::same(1), false);
    buffer
}
