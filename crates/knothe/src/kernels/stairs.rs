//! Products with a weight matrix whose mask is a staircase, without the masked half.
//!
//! Outputs sorted by how many inputs they read: output o reads the first `reads[o]`, so that blocks of outputs read
//! prefixes of the inputs, and blocks of inputs are read by suffixes of the outputs. A matrix that has no mask is the
//! staircase of one step. Tables are stored by columns: the n rows of one unit stand in a piece.

use rayon::prelude::*;

use super::{
    Real,
    fused::{Plain, plain},
    gemm::{Shape, multiply},
    lanes::{LANES, Lanes, vectorised},
};

/// Columns a block: one vector, so that nearly the whole masked half is skipped; products of such blocks run at the speed of large ones.
const BLOCK: usize = LANES;

/// Columns `first..first + width` of a matrix, over the rows `from..to`.
#[derive(Clone, Copy, Debug)]
struct Block {
    first: usize,
    width: usize,
    from: usize,
    to: usize,
}

/// Columns of a gradient that are formed together: products of one vector alone leave two thirds of an Intel core idle.
const WIDE: usize = 4 * BLOCK;
/// Such pieces of a gradient a task: as many as stay in the caches while the tiles go by.
const GROUP: usize = 2;
/// Rows of a gradient a task.
const TASK: usize = 128;

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
    /// Wide blocks of outputs, of the gradient of W.
    gradient: Vec<Block>,
    /// The place of each row of the weights among the inputs of the staircase.
    places: Vec<usize>,
    /// Whether columns stand in the order of the staircase.
    in_order: bool,
}

/// The numbers of blocks, each by rows.
pub(super) type Blocks<T> = Vec<Vec<T>>;

/// The weights of a layer, masked, in blocks of W and, if it is asked for, of Wᵀ.
#[derive(Clone, Debug)]
pub(super) struct Packed<T> {
    forward: Blocks<T>,
    backward: Blocks<T>,
}

impl Stairs {
    /// The layer whose output `columns[o]` reads the first `reads[o]` of the inputs `rows`.
    pub fn new(reads: Vec<usize>, rows: Vec<usize>, columns: Vec<usize>) -> Self {
        debug_assert!(reads.is_sorted() && reads.len() == columns.len());
        let (inputs, outputs) = (rows.len(), columns.len());
        let blocks = |count: usize, size: usize, range: &dyn Fn(usize, usize) -> (usize, usize)| {
            let firsts = (0..count).step_by(size);
            let widths = firsts.map(|first| (first, size.min(count - first)));
            let ranged = widths.map(|(first, width)| (first, width, range(first, width)));
            ranged.map(|(first, width, (from, to))| Block { first, width, from, to }).collect()
        };
        let of_outputs = |first: usize, width: usize| (0, reads[first + width - 1]);
        let (forward, gradient) = (blocks(outputs, BLOCK, &of_outputs), blocks(outputs, WIDE, &of_outputs));
        let backward = blocks(inputs, BLOCK, &|first, _| (reads.partition_point(|&r| r <= first), outputs));
        let mut places = vec![0; inputs];
        rows.iter().enumerate().for_each(|(place, &row)| places[row] = place);
        let in_order = columns.iter().copied().eq(0..outputs);
        Stairs { reads, rows, columns, forward, backward, gradient, places, in_order }
    }

    pub fn inputs(&self) -> usize {
        self.rows.len()
    }

    pub fn outputs(&self) -> usize {
        self.columns.len()
    }

    /// The weights in the order of the staircase, row-major, as they are under the mask.
    pub(super) fn sorted<T: Real>(&self, weight: &[T]) -> Vec<T> {
        let rows = self.rows.iter().map(|&row| &weight[row * self.outputs()..][..self.outputs()]);
        rows.flat_map(|row| self.columns.iter().map(|&column| row[column])).collect()
    }

    /// The biases in the order of the staircase.
    pub(super) fn pack_bias<T: Real>(&self, bias: &[T]) -> Vec<T> {
        self.columns.iter().map(|&c| bias[c]).collect()
    }

    pub(super) fn pack<T: Real>(&self, weight: &[T], backward: bool) -> Packed<T> {
        let outputs = self.outputs();
        let of_w = |block: &Block| {
            let mut into = Vec::with_capacity(block.length());
            let columns = &self.columns[block.first..][..block.width];
            for &row in &self.rows[block.from..block.to] {
                let row = &weight[row * outputs..][..outputs];
                if self.in_order {
                    into.extend_from_slice(&row[block.first..][..block.width]);
                } else {
                    into.extend(columns.iter().map(|&column| row[column]));
                }
            }
            for row in self.whole(block)..block.to {
                into[row * block.width..][..self.masked(block, row)].fill(T::of(0.0));
            }
            into
        };
        let of_transposed = |block: &Block| {
            let mut into = vec![T::of(0.0); block.length()];
            let rows = &self.rows[block.first..][..block.width];
            for (output, into) in (block.from..block.to).zip(into.chunks_exact_mut(block.width)) {
                let column = self.columns[output];
                let unmasked = (self.reads[output] - block.first).min(block.width);
                for (into, &row) in into[..unmasked].iter_mut().zip(rows) {
                    *into = weight[row * outputs + column];
                }
            }
            into
        };
        let wanted = if backward { &self.backward[..] } else { &[] };
        let (of_w, of_transposed) = rayon::join(|| self.forward.iter().map(of_w).collect(), || wanted.iter().map(of_transposed).collect());
        Packed { forward: of_w, backward: of_transposed }
    }

    /// The gradients of weight and bias, hᵀ g and the sum of g's rows, over tiles of h of `[inputs, n]` and g of `[outputs, n]`, in their order.
    pub(super) fn gradients<T: Real>(&self, tiles: &[[&[T]; 2]]) -> [Plain; 2] {
        let blocks = self.gradient.par_chunks(GROUP).flat_map_iter(|group| {
            let mut sums: Vec<Vec<T>> = group.iter().map(|block| vec![T::of(0.0); block.length()]).collect();
            for &[h, g] in tiles {
                let n = g.len() / self.outputs();
                group.iter().zip(&mut sums).for_each(|(block, sum)| self.add_gradient(block, h, g, n, sum));
            }
            sums
        });
        let weight = self.unpack(&blocks.collect::<Vec<_>>());
        let mut bias = vec![T::of(0.0); self.outputs()];
        for [_, g] in tiles {
            let n = g.len() / self.outputs();
            self.columns.iter().zip(g.chunks_exact(n)).for_each(|(&column, g)| bias[column] += sum(g));
        }
        [plain(weight, &[self.inputs(), self.outputs()]), plain(bias, &[self.outputs()])]
    }

    /// The row-major table of blocks; masked entries are 0.
    fn unpack<T: Real>(&self, blocks: &[Vec<T>]) -> Vec<T> {
        let mut weight = vec![T::of(0.0); self.inputs() * self.outputs()];
        let rows = weight.par_chunks_exact_mut(self.outputs()).zip(&self.places).with_min_len(TASK);
        rows.for_each(|(into, &row)| {
            let start = self.gradient.partition_point(|block| block.to <= row);
            for (block, from) in self.gradient.iter().zip(blocks).skip(start) {
                let from = &from[row * block.width..][..block.width];
                if self.in_order && row < self.whole(block) {
                    into[block.first..][..block.width].copy_from_slice(from);
                } else {
                    let masked = self.masked(block, row);
                    self.columns[block.first..].iter().zip(from).skip(masked).for_each(|(&column, &entry)| into[column] = entry);
                }
            }
        });
        weight
    }

    /// into += hᵀ g of a wide block: each row of the columns from the first narrow block on that reads it.
    fn add_gradient<T: Real>(&self, block: &Block, h: &[T], g: &[T], n: usize, into: &mut [T]) {
        let (width, mut from) = (block.width, 0);
        for first in (0..width).step_by(BLOCK) {
            let to = self.reads[block.first + width.min(first + BLOCK) - 1];
            if to > from {
                let (depth, columns) = (to - from, width - first);
                let shape = Shape { rows: depth, columns, strides: [width, 1] };
                let transposed = Shape { rows: depth, columns: n, strides: [n, 1] };
                let of_g = Shape { rows: n, columns, strides: [1, n] };
                let into = &mut into[from * width + first..];
                multiply((into, shape), (&h[from * n..], transposed), (&g[(block.first + first) * n..], of_g), true);
                from = to;
            }
        }
    }

    /// The row of W up to which a block has no masked entry.
    fn whole(&self, block: &Block) -> usize {
        self.reads[block.first].min(block.to)
    }

    /// How many of a block's columns do not read this row of W: the first ones.
    fn masked(&self, block: &Block, row: usize) -> usize {
        self.reads[block.first..][..block.width].partition_point(|&reads| reads <= row)
    }

    /// y += h W, for h of `[inputs, n]` and y of `[outputs, n]`.
    pub(super) fn apply<T: Real>(&self, packed: &Packed<T>, h: &[T], y: &mut [T], n: usize) {
        for (block, packed) in self.forward.iter().zip(&packed.forward) {
            product(block, packed, h, y, n);
        }
    }

    /// gh = g Wᵀ, for g of `[outputs, n]` and a gh of zeros, `[inputs, n]`.
    pub(super) fn pull<T: Real>(&self, packed: &Packed<T>, g: &[T], gh: &mut [T], n: usize) {
        for (block, packed) in self.backward.iter().zip(&packed.backward) {
            product(block, packed, g, gh, n);
        }
    }
}

impl Block {
    fn length(&self) -> usize {
        self.width * (self.to - self.from)
    }
}

/// Adds the product of the columns `from..to` of a table with a block to the block's columns of another.
fn product<T: Real>(block: &Block, packed: &[T], table: &[T], into: &mut [T], n: usize) {
    let (depth, width) = (block.to - block.from, block.width);
    if depth > 0 {
        let shape = Shape { rows: n, columns: width, strides: [1, n] };
        let of_table = Shape { rows: n, columns: depth, strides: [1, n] };
        let of_block = Shape { rows: depth, columns: width, strides: [width, 1] };
        multiply((&mut into[block.first * n..], shape), (&table[block.from * n..], of_table), (packed, of_block), true);
    }
}

/// The sum of whole vectors.
fn sum<T: Real>(g: &[T]) -> T {
    vectorised(
        #[inline(always)]
        || {
            let mut lanes = Lanes::of(0.0);
            for rows in g.chunks_exact(LANES) {
                lanes = lanes + Lanes::load(rows);
            }
            let mut sum = T::of(0.0);
            for lane in lanes.0 {
                sum += lane;
            }
            sum
        },
    )
}
