//! Products with a weight matrix whose mask is a staircase, without the masked half.
//!
//! Outputs sorted by how many inputs they read: output o reads the first `reads[o]`, so that blocks of outputs read
//! prefixes of the inputs, and blocks of inputs are read by suffixes of the outputs. A matrix that has no mask is the
//! staircase of one step. Tables are stored by columns: the n rows of one unit stand in a piece.

use super::{
    Real,
    gemm::{Shape, multiply},
};

/// Columns a block: small enough to skip nearly the whole masked half, large enough for a fast product.
const BLOCK: usize = 32;

/// Columns `first..first + width` of a packed matrix, over the rows `from..to`, from `at` on in the packed numbers.
#[derive(Clone, Copy, Debug)]
struct Block {
    first: usize,
    width: usize,
    from: usize,
    to: usize,
    at: usize,
}

/// The mask of a layer, with the order in which its weights stand in the parameters.
#[derive(Clone, Debug)]
pub(crate) struct Stairs {
    /// How many inputs each output reads, ascending.
    reads: Vec<usize>,
    /// Input i of the staircase is row `rows[i]` of the weights.
    rows: Vec<usize>,
    /// Output o of the staircase is column `columns[o]` of the weights.
    columns: Vec<usize>,
    /// Blocks of outputs, of W.
    forward: Vec<Block>,
    /// Blocks of inputs, of Wᵀ.
    backward: Vec<Block>,
}

/// The weights of a layer, masked, in blocks of W and of Wᵀ.
#[derive(Clone, Debug)]
pub(super) struct Packed<T> {
    forward: Vec<T>,
    backward: Vec<T>,
}

impl Stairs {
    /// The layer whose output `columns[o]` reads the first `reads[o]` of the inputs `rows`.
    pub fn new(reads: Vec<usize>, rows: Vec<usize>, columns: Vec<usize>) -> Self {
        debug_assert!(reads.is_sorted() && reads.len() == columns.len());
        let (inputs, outputs) = (rows.len(), columns.len());
        let blocks = |count: usize, range: &dyn Fn(usize, usize) -> (usize, usize)| {
            let mut at = 0;
            (0..count)
                .step_by(BLOCK)
                .map(|first| {
                    let width = BLOCK.min(count - first);
                    let (from, to) = range(first, width);
                    let block = Block { first, width, from, to, at };
                    at += width * (to - from);
                    block
                })
                .collect()
        };
        let forward = blocks(outputs, &|first, width| (0, reads[first + width - 1]));
        let backward = blocks(inputs, &|first, _| (reads.partition_point(|&r| r <= first), outputs));
        Stairs { reads, rows, columns, forward, backward }
    }

    pub fn inputs(&self) -> usize {
        self.rows.len()
    }

    pub fn outputs(&self) -> usize {
        self.columns.len()
    }

    /// Entry (row, column) of the staircase in the row-major weights, if it is not masked.
    fn entry(&self, input: usize, output: usize) -> Option<usize> {
        (input < self.reads[output]).then(|| self.rows[input] * self.outputs() + self.columns[output])
    }

    /// The biases in the order of the staircase.
    pub(super) fn pack_bias<T: Real>(&self, bias: &[T]) -> Vec<T> {
        self.columns.iter().map(|&c| bias[c]).collect()
    }

    /// Back from the order of the staircase.
    pub(super) fn unpack_bias<T: Real>(&self, packed: &[T]) -> Vec<T> {
        let mut bias = vec![T::of(0.0); packed.len()];
        self.columns.iter().zip(packed).for_each(|(&c, &b)| bias[c] = b);
        bias
    }

    pub(super) fn pack<T: Real>(&self, weight: &[T]) -> Packed<T> {
        let entry = |i, o| self.entry(i, o).map_or(T::of(0.0), |at| weight[at]);
        Packed { forward: gather(&self.forward, entry), backward: gather(&self.backward, |o, i| entry(i, o)) }
    }

    /// How many numbers the packed gradient of the weights has.
    pub(super) fn packed_length(&self) -> usize {
        self.forward.last().map_or(0, |b| b.at + b.width * (b.to - b.from))
    }

    /// The row-major gradient of the weights from its packed form; masked entries are 0.
    pub(super) fn unpack<T: Real>(&self, packed: &[T]) -> Vec<T> {
        let mut weight = vec![T::of(0.0); self.inputs() * self.outputs()];
        for block in &self.forward {
            for (row, values) in (block.from..block.to).zip(packed[block.at..].chunks(block.width)) {
                for (column, &value) in (block.first..block.first + block.width).zip(values) {
                    if let Some(at) = self.entry(row, column) {
                        weight[at] = value;
                    }
                }
            }
        }
        weight
    }

    /// y += h W, for h of `[inputs, n]` and y of `[outputs, n]`.
    pub(super) fn apply<T: Real>(&self, packed: &Packed<T>, h: &[T], y: &mut [T], n: usize) {
        for block in &self.forward {
            product(block, &packed.forward, h, y, n);
        }
    }

    /// gh += g Wᵀ, for g of `[outputs, n]` and gh of `[inputs, n]`.
    pub(super) fn pull<T: Real>(&self, packed: &Packed<T>, g: &[T], gh: &mut [T], n: usize) {
        for block in &self.backward {
            product(block, &packed.backward, g, gh, n);
        }
    }

    /// into += hᵀ g, packed.
    pub(super) fn weight_gradient<T: Real>(&self, h: &[T], g: &[T], n: usize, into: &mut [T]) {
        for block in &self.forward {
            let (depth, width) = (block.to - block.from, block.width);
            if depth > 0 {
                let shape = Shape { rows: depth, columns: width, strides: [width, 1] };
                let transposed = Shape { rows: depth, columns: n, strides: [n, 1] };
                let of_g = Shape { rows: n, columns: width, strides: [1, n] };
                multiply((&mut into[block.at..], shape), (&h[block.from * n..], transposed), (&g[block.first * n..], of_g), true);
            }
        }
    }
}

/// The entries (row, column) of all blocks, one block after another, each by rows.
fn gather<T>(blocks: &[Block], entry: impl Fn(usize, usize) -> T) -> Vec<T> {
    let entries = blocks.iter().flat_map(|b| (b.from..b.to).flat_map(move |row| (b.first..b.first + b.width).map(move |c| (row, c))));
    entries.map(|(row, column)| entry(row, column)).collect()
}

/// Adds the product of the columns `from..to` of a table with a block to the block's columns of another.
fn product<T: Real>(block: &Block, packed: &[T], table: &[T], into: &mut [T], n: usize) {
    let (depth, width) = (block.to - block.from, block.width);
    if depth > 0 {
        let shape = Shape { rows: n, columns: width, strides: [1, n] };
        let of_table = Shape { rows: n, columns: depth, strides: [1, n] };
        let of_block = Shape { rows: depth, columns: width, strides: [width, 1] };
        multiply((&mut into[block.first * n..], shape), (&table[block.from * n..], of_table), (&packed[block.at..], of_block), true);
    }
}
