//! Products with a weight matrix whose mask is a staircase, without the masked half.
//!
//! Outputs sorted by how many inputs they read: output o reads the first `reads[o]`, so that blocks of outputs read
//! prefixes of the inputs, and blocks of inputs are read by suffixes of the outputs. A matrix that has no mask is the
//! staircase of one step. Tables are stored by columns: the n rows of one unit stand in a piece.

use rayon::prelude::*;

use super::{
    Real,
    fused::{Plain, plain},
    lanes::LANES,
    product::{Columns, Matrix, PANEL, Start, product},
    spare::Table,
    table::{filled, turn_back},
};

/// Columns `first..first + width` of a matrix, over the rows `from..to`.
#[derive(Clone, Copy, Debug)]
struct Block {
    first: usize,
    width: usize,
    from: usize,
    to: usize,
}

/// Columns of a gradient that are formed together: as many vectors as a product takes at once.
const WIDE: usize = 4 * LANES;
/// Blocks that are packed together: so much of a row of the weights is in the nearest cache when it is read.
const TOGETHER: usize = 8;
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

/// The weights of a layer, masked and in the order of the staircase.
#[derive(Debug)]
pub(super) struct Packed<T: Real> {
    /// Blocks of outputs, each by rows.
    forward: Table<T>,
    /// Blocks of inputs, each by what reads an input, if there is a way back.
    backward: Table<T>,
}

impl Stairs {
    /// The layer whose output `columns[o]` reads the first `reads[o]` of the inputs `rows`.
    pub fn new(reads: Vec<usize>, rows: Vec<usize>, columns: Vec<usize>) -> Self {
        // Only `Made` and `Dense` call this, with units that they have sorted: no input of a user can break it.
        debug_assert!(reads.is_sorted() && reads.len() == columns.len());
        let (inputs, outputs) = (rows.len(), columns.len());
        let blocks = |count: usize, size: usize, range: &dyn Fn(usize, usize) -> (usize, usize)| {
            let firsts = (0..count).step_by(size);
            let widths = firsts.map(|first| (first, size.min(count - first)));
            let ranged = widths.map(|(first, width)| (first, width, range(first, width)));
            ranged.map(|(first, width, (from, to))| Block { first, width, from, to }).collect()
        };
        let of_outputs = |first: usize, width: usize| (0, reads[first + width - 1]);
        let (forward, gradient) = (blocks(outputs, PANEL, &of_outputs), blocks(outputs, WIDE, &of_outputs));
        let backward = blocks(inputs, PANEL, &|first, _| (reader(&reads, first), outputs));
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
    pub(super) fn sorted<T: Real>(&self, weight: &[T]) -> Table<T> {
        let mut sorted = Table::with_capacity(weight.len());
        for &row in &self.rows {
            let row = &weight[row * self.outputs()..][..self.outputs()];
            if self.in_order {
                sorted.extend_from_slice(row);
            } else {
                sorted.extend(self.columns.iter().map(|&column| row[column]));
            }
        }
        sorted
    }

    /// The biases in the order of the staircase.
    pub(super) fn pack_bias<T: Real>(&self, bias: &[T]) -> Vec<T> {
        self.columns.iter().map(|&c| bias[c]).collect()
    }

    pub(super) fn pack<T: Real>(&self, weight: &[T], backward: bool) -> Packed<T> {
        let outputs = self.outputs();
        let length = |blocks: &[Block]| blocks.iter().map(Block::length).sum();
        let sorted = (!self.in_order).then(|| self.sorted(weight));
        let row = |place: usize| match &sorted {
            Some(sorted) => &sorted[place * outputs..][..outputs],
            None => &weight[self.rows[place] * outputs..][..outputs],
        };
        let mut forward = Table::unwritten(length(&self.forward));
        let mut rest = &mut forward[..];
        for blocks in self.forward.chunks(TOGETHER) {
            let mut parts: Vec<(&Block, &mut [T])> = Vec::with_capacity(TOGETHER);
            for block in blocks {
                let (part, after) = std::mem::take(&mut rest).split_at_mut(block.length());
                parts.push((block, part));
                rest = after;
            }
            for place in 0..self.inputs() {
                let row = row(place);
                for (block, part) in parts.iter_mut().filter(|(block, _)| place < block.to) {
                    let part = &mut part[place * block.width..][..block.width];
                    // A length that the compiler knows is copied without a call.
                    match <&mut [T; PANEL]>::try_from(&mut *part) {
                        Ok(part) => part.copy_from_slice(&row[block.first..][..PANEL]),
                        Err(_) => part.copy_from_slice(&row[block.first..][..block.width]),
                    }
                    if place >= self.whole(block) {
                        part[..self.masked(block, place)].fill(T::of(0.0));
                    }
                }
            }
        }
        if !backward {
            return Packed { forward, backward: Table::default() };
        }
        let mut backward = Table::with_capacity(length(&self.backward));
        for block in &self.backward {
            for place in block.first..block.first + block.width {
                let first = reader(&self.reads, place);
                backward.append(first - block.from, T::of(0.0));
                backward.extend_from_slice(&row(place)[first..]);
            }
        }
        Packed { forward, backward }
    }

    /// The gradients of weight and bias, hᵀ g and the sum of g's rows, over tiles of h of `[inputs, n]` and g of `[outputs, n]`, in their order.
    pub(super) fn gradients<T: Real>(&self, tiles: &[[&[T]; 2]]) -> [Plain; 2] {
        let rows = tiles.iter().map(|[_, g]| g.len() / self.outputs()).max().unwrap_or(0);
        let ones = vec![T::of(1.0); rows];
        // A task for each block, the deepest first, so that threads end together.
        let blocks = self.gradient.par_iter().rev().with_max_len(1).map(|block| {
            let width = filled(block.width);
            // Only what reads an input is written, and used; the last row is the bias, whose input is 1.
            let mut sum = Table::unwritten(width * (block.to + 1));
            let mut turned = Table::default();
            for (t, &[h, g]) in tiles.iter().enumerate() {
                let n = g.len() / self.outputs();
                if turned.len() != width * n {
                    turned = Table::zeros(width * n);
                }
                turn_back(&g[block.first * n..][..block.width * n], &mut turned, width);
                let start = if t == 0 { Start::Zero } else { Start::Sum };
                let g = Columns { numbers: &turned, stride: width };
                self.add_gradient(block, h, g, n, (&mut sum, start));
                product((&mut sum[block.to * width..], width), start, g, Matrix::ByColumns(&ones, n), [width / LANES, n, 1]);
            }
            sum
        });
        let mut blocks: Vec<Table<T>> = blocks.collect();
        blocks.reverse();
        let weight = self.unpack(&blocks);
        let mut bias = Table::<T>::unwritten(self.outputs());
        for (block, sums) in self.gradient.iter().zip(&blocks) {
            let sums = &sums[block.to * filled(block.width)..];
            self.columns[block.first..][..block.width].iter().zip(sums).for_each(|(&column, &sum)| bias[column] = sum);
        }
        [plain(weight.into_vec(), &[self.inputs(), self.outputs()]), plain(bias.into_vec(), &[self.outputs()])]
    }

    /// The row-major table of blocks; masked entries are 0.
    fn unpack<T: Real>(&self, blocks: &[Table<T>]) -> Table<T> {
        let mut weight = Table::unwritten(self.inputs() * self.outputs());
        let rows = weight.par_chunks_exact_mut(self.outputs()).zip(&self.places).with_min_len(TASK);
        rows.for_each(|(into, &row)| {
            let masked = reader(&self.reads, row);
            if self.in_order {
                into[..masked].fill(T::of(0.0));
            } else {
                self.columns[..masked].iter().for_each(|&column| into[column] = T::of(0.0));
            }
            let start = self.gradient.partition_point(|block| block.to <= row);
            for (block, from) in self.gradient.iter().zip(blocks).skip(start) {
                let from = &from[row * filled(block.width)..][..block.width];
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

    /// hᵀ g of a wide block, with the block's columns of g by rows: each row of the vectors from the first on that reads it.
    fn add_gradient<T: Real>(&self, block: &Block, h: &[T], g: Columns<'_, T>, n: usize, (into, start): (&mut [T], Start<'_, T>)) {
        let mut from = 0;
        for first in (0..block.width).step_by(LANES) {
            let to = self.reads[block.first + block.width.min(first + LANES) - 1];
            if to > from {
                let g = Columns { numbers: &g.numbers[first..], ..g };
                let into = (&mut into[from * g.stride + first..], g.stride);
                product(into, start, g, Matrix::ByColumns(&h[from * n..], n), [(g.stride - first) / LANES, n, to - from]);
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
        reader(&self.reads[block.first..][..block.width], row)
    }

    /// h W + b of `[outputs, n]`, for h of `[inputs, n]`, or what of it is not below 0 if it is to be `rectified`; a few units at a time go to
    /// `finish`, with the place of their first number.
    pub(super) fn apply<T: Real>(
        &self,
        packed: &Packed<T>,
        (biases, rectified): (&[T], bool),
        h: &[T],
        n: usize,
        mut finish: impl FnMut(usize, &mut [T]),
    ) -> Table<T> {
        let mut y = Table::unwritten(self.outputs() * n);
        let mut rest = &packed.forward[..];
        for (block, into) in self.forward.iter().zip(y.chunks_mut(PANEL * n)) {
            let biases = &biases[block.first..];
            let start = if rectified { Start::Rectified(biases) } else { Start::Bias(biases) };
            let (entries, shape) = (rest, [n / LANES, block.to, block.width]);
            rest = &rest[block.length()..];
            product((into, n), start, Columns { numbers: h, stride: n }, Matrix::ByRows(entries, block.width), shape);
            finish(block.first * n, into);
        }
        y
    }

    /// g Wᵀ of `[inputs, n]`, for g of `[outputs, n]`; a few units at a time go to `finish`, with the place of their first number.
    pub(super) fn pull<T: Real>(&self, packed: &Packed<T>, g: &[T], n: usize, mut finish: impl FnMut(usize, &mut [T])) -> Table<T> {
        let mut gh = Table::unwritten(self.inputs() * n);
        let mut rest = &packed.backward[..];
        for (block, into) in self.backward.iter().zip(gh.chunks_mut(PANEL * n)) {
            let (entries, depth) = (rest, block.to - block.from);
            rest = &rest[block.length()..];
            let g = Columns { numbers: &g[block.from * n..], stride: n };
            product((into, n), Start::Zero, g, Matrix::ByColumns(entries, depth), [n / LANES, depth, block.width]);
            finish(block.first * n, into);
        }
        gh
    }
}

impl Block {
    fn length(&self) -> usize {
        self.width * (self.to - self.from)
    }
}

/// The first output that reads an input, or how many outputs do not.
fn reader(reads: &[usize], input: usize) -> usize {
    reads.partition_point(|&reads| reads <= input)
}
