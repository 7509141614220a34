//! A triangular map in one operation: conditioner, univariate map and log-determinant, forward and backward.
//!
//! Rows are cut into tiles by their number alone, and gradients of the parameters are summed over runs of tiles in order, so
//! that results do not depend on the number of threads.

use std::sync::Arc;

use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::{
    Kernel, Network, Real,
    fused::{FusedOp, Input, Plain, apply, has_kernels, numbers, plain},
    lanes::LANES,
    network::{Sums, Trace, Weights},
};

/// Sums of gradients that may be formed at once.
const RUNS: usize = 8;

/// y_j = T(x_j; θ_j) for the columns that are `mapped`, y_j = x_j for the others, with θ the network's outputs.
#[derive(Clone, Debug)]
pub(crate) struct Conditioned {
    pub network: Network,
    /// Input i of the network is this column of x.
    pub reads: Vec<usize>,
    /// The columns that move; the p-th parameter of the k-th is output k · count + p.
    pub mapped: Vec<usize>,
}

impl Conditioned {
    /// y of `[rows, dim]` and Σ_j log T′ of `[rows]`; none where there is no kernel for it. `added` is the context's part of the first
    /// hidden layer, `[rows, units]`.
    pub fn apply(
        self: &Arc<Self>,
        kernel: &Kernel,
        x: &Tensor<2>,
        added: Option<Tensor<2>>,
        parameters: Vec<(Tensor<2>, Tensor<1>)>,
    ) -> Option<(Tensor<2>, Tensor<1>)> {
        if !has_kernels(x) || x.dims()[0] == 0 {
            return None;
        }
        let op = Op { shape: self.clone(), kernel: kernel.clone(), context: added.is_some() };
        let mut inputs = vec![Input::Table(x.clone())];
        inputs.extend(added.map(Input::Table));
        inputs.extend(parameters.into_iter().flat_map(|(weight, bias)| [Input::Table(weight), Input::Row(bias)]));
        let [y, ladj] = match inputs.len() {
            5 => apply::<_, 5, 2>(&op, inputs),
            6 => apply::<_, 6, 2>(&op, inputs),
            7 => apply::<_, 7, 2>(&op, inputs),
            8 => apply::<_, 8, 2>(&op, inputs),
            9 => apply::<_, 9, 2>(&op, inputs),
            10 => apply::<_, 10, 2>(&op, inputs),
            11 => apply::<_, 11, 2>(&op, inputs),
            12 => apply::<_, 12, 2>(&op, inputs),
            _ => None,
        }?;
        Some((y.tensor(), ladj.tensor()))
    }

    /// Rows a tile: enough to make up for the calls of small products, few enough for the caches.
    fn tile(&self) -> usize {
        if self.network.layers.iter().all(|l| l.outputs() <= 128) { 256 } else { 128 }
    }
}

#[derive(Clone, Debug)]
struct Op {
    shape: Arc<Conditioned>,
    kernel: Kernel,
    context: bool,
}

/// One tile's part of what is saved.
#[derive(Clone, Debug)]
struct Kept<T> {
    trace: Trace<T>,
    /// The columns that move, `[mapped, n]`, and their parameters, `[mapped, count, n]`.
    x: Vec<T>,
    theta: Vec<T>,
}

#[derive(Clone, Debug)]
struct State<T> {
    weights: Weights<T>,
    tiles: Vec<Kept<T>>,
    dims: [usize; 2],
}

#[derive(Clone, Debug)]
enum Saved {
    Single(Arc<State<f32>>),
    Double(Arc<State<f64>>),
}

impl<const N: usize> FusedOp<N, 2> for Op {
    type Saved = Saved;

    fn forward(&self, inputs: [Plain; N], keep: bool) -> ([Plain; 2], Option<Saved>) {
        if inputs[0].dtype() == DType::F64 {
            let (outputs, state) = self.run::<f64>(&inputs, keep);
            (outputs, state.map(|s| Saved::Double(Arc::new(s))))
        } else {
            let (outputs, state) = self.run::<f32>(&inputs, keep);
            (outputs, state.map(|s| Saved::Single(Arc::new(s))))
        }
    }

    fn backward(&self, saved: Saved, gradients: [Option<Plain>; 2], want: [bool; N]) -> [Option<Plain>; N] {
        let found = match saved {
            Saved::Single(state) => self.back(&state, gradients, want[0]),
            Saved::Double(state) => self.back(&state, gradients, want[0]),
        };
        let mut found = found.into_iter();
        std::array::from_fn(|_| found.next().flatten())
    }
}

/// n, the rows of a tile filled up to whole vectors.
pub(super) fn filled(rows: usize) -> usize {
    rows.next_multiple_of(LANES)
}

/// Columns of a row-major table, `[columns, n]`; the rows that fill up are 0.
pub(super) fn by_columns<T: Real>(table: &[T], width: usize, columns: &[usize]) -> Vec<T> {
    let n = filled(table.len() / width);
    let mut into = vec![T::of(0.0); columns.len() * n];
    for (r, row) in table.chunks_exact(width).enumerate() {
        columns.iter().enumerate().for_each(|(k, &c)| into[k * n + r] = row[c]);
    }
    into
}

/// The reverse of [`by_columns`]: `put` gets each entry of the table and what belongs to it.
fn from_columns<T: Real>(table: &mut [T], width: usize, columns: &[usize], from: &[T], put: impl Fn(&mut T, T)) {
    let n = filled(table.len() / width);
    for (r, row) in table.chunks_exact_mut(width).enumerate() {
        columns.iter().enumerate().for_each(|(k, &c)| put(&mut row[c], from[k * n + r]));
    }
}

/// [`from_columns`] in the place of what is there.
pub(super) fn set_columns<T: Real>(table: &mut [T], width: usize, columns: &[usize], from: &[T]) {
    from_columns(table, width, columns, from, |entry, value| *entry = value);
}

/// [`from_columns`] added to what is there.
fn add_columns<T: Real>(table: &mut [T], width: usize, columns: &[usize], from: &[T]) {
    from_columns(table, width, columns, from, |entry, value| *entry += value);
}

impl Op {
    fn run<T: Real>(&self, inputs: &[Plain], keep: bool) -> ([Plain; 2], Option<State<T>>) {
        let (shape, dims) = (&self.shape, inputs[0].layout().shape());
        let (rows, dim) = (dims[0], dims[1]);
        let inputs: Vec<Plain> = inputs.iter().map(Plain::to_contiguous).collect();
        let parameters = &inputs[1 + usize::from(self.context)..];
        let layers = &shape.network.layers;
        let weights = Weights {
            weights: layers.par_iter().enumerate().map(|(l, layer)| layer.pack(numbers::<T>(&parameters[2 * l]), keep)).collect(),
            biases: layers.iter().enumerate().map(|(l, layer)| layer.pack_bias(numbers::<T>(&parameters[2 * l + 1]))).collect(),
        };
        let x = numbers::<T>(&inputs[0]);
        let first = layers[0].outputs();
        let added = self.context.then(|| numbers::<T>(&inputs[1]));
        let units: Vec<usize> = (0..first).collect();
        let tile = shape.tile();
        let (mut y, mut ladj) = (x.to_vec(), vec![T::of(0.0); rows]);
        let parts = y.par_chunks_mut(tile * dim).zip(ladj.par_chunks_mut(tile)).enumerate();
        let tiles = parts.map(|(t, (y, ladj))| {
            let added = added.map(|a| by_columns(&a[t * tile * first..(t * tile + ladj.len()) * first], first, &units));
            let n = filled(ladj.len());
            let mut trace = keep.then(Trace::default);
            let theta = shape.network.forward(&weights, by_columns(y, dim, &shape.reads), added.as_deref(), n, trace.as_mut());
            let moved = by_columns(y, dim, &shape.mapped);
            let mut values = vec![T::of(0.0); moved.len()];
            let (mut slopes, mut sum) = (vec![T::of(0.0); n], vec![T::of(0.0); n]);
            let count = theta.len() / moved.len().max(1);
            for ((x, value), theta) in moved.chunks(n).zip(values.chunks_mut(n)).zip(theta.chunks(n * count)) {
                self.kernel.value(x, theta, value, &mut slopes);
                sum.iter_mut().zip(&slopes).for_each(|(sum, &slope)| *sum += slope);
            }
            ladj.copy_from_slice(&sum[..ladj.len()]);
            set_columns(y, dim, &shape.mapped, &values);
            trace.map(|trace| Kept { trace, x: moved, theta })
        });
        // All of them first: collecting an Option stops at the first that is none.
        let tiles: Vec<Option<Kept<T>>> = tiles.collect();
        let tiles: Option<Vec<_>> = tiles.into_iter().collect();
        ([plain(y, &[rows, dim]), plain(ladj, &[rows])], tiles.map(|tiles| State { weights, tiles, dims: [rows, dim] }))
    }

    fn back<T: Real>(&self, state: &State<T>, gradients: [Option<Plain>; 2], x_wanted: bool) -> Vec<Option<Plain>> {
        let (shape, [rows, dim]) = (&self.shape, state.dims);
        let network = &shape.network;
        let gradients = gradients.map(|g| g.map(|g| g.to_contiguous()));
        let [gy, gladj] = gradients.each_ref().map(|g| g.as_ref().map(numbers::<T>));
        let tile = shape.tile();
        let first = network.layers[0].outputs();
        let units: Vec<usize> = (0..first).collect();
        let mut gx = gy.map_or_else(|| vec![T::of(0.0); rows * dim], <[T]>::to_vec);
        let mut gadded = vec![T::of(0.0); if self.context { rows * first } else { 0 }];
        // Runs of tiles, each with sums of its own.
        let run = state.tiles.len().div_ceil(RUNS);
        let gadded_parts: Vec<&mut [T]> = if self.context {
            gadded.chunks_mut(run * tile * first).collect()
        } else {
            (0..state.tiles.len().div_ceil(run)).map(|_| Default::default()).collect()
        };
        let runs = gx.par_chunks_mut(run * tile * dim).zip(gadded_parts).zip(state.tiles.par_chunks(run)).enumerate();
        let sums: Vec<Sums<T>> = runs
            .map(|(index, ((gx, gadded), tiles))| {
                let mut sums = Sums::zeros(network);
                for (t, (gx, kept)) in gx.chunks_mut(tile * dim).zip(tiles).enumerate() {
                    let (count, from) = (gx.len() / dim, (index * run + t) * tile);
                    let n = filled(count);
                    let mut h = vec![T::of(0.0); n];
                    if let Some(gladj) = gladj {
                        h[..count].copy_from_slice(&gladj[from..from + count]);
                    }
                    let g = by_columns(gx, dim, &shape.mapped);
                    let (mut gtheta, mut gmoved) = (vec![T::of(0.0); kept.theta.len()], vec![T::of(0.0); kept.x.len()]);
                    let size = kept.theta.len() / shape.mapped.len().max(1);
                    let columns = kept.x.chunks(n).zip(kept.theta.chunks(size)).zip(g.chunks(n));
                    let into = gtheta.chunks_mut(size).zip(gmoved.chunks_mut(n));
                    for (((x, theta), g), (gtheta, gmoved)) in columns.zip(into) {
                        self.kernel.gradient(x, theta, [g, &h], gtheta, gmoved);
                    }
                    let (gread, gfirst) = network.backward(&state.weights, &kept.trace, gtheta, n, &mut sums, x_wanted);
                    if let Some(gread) = gread {
                        set_columns(gx, dim, &shape.mapped, &gmoved);
                        add_columns(gx, dim, &shape.reads, &gread);
                    }
                    if self.context {
                        add_columns(&mut gadded[t * tile * first..][..count * first], first, &units, &gfirst);
                    }
                }
                sums
            })
            .collect();
        let mut found = vec![x_wanted.then(|| plain(gx, &[rows, dim]))];
        if self.context {
            found.push(Some(plain(gadded, &[rows, first])));
        }
        let of_layers: Vec<_> = (0..network.layers.len())
            .into_par_iter()
            .map(|l| {
                let layer = &network.layers[l];
                let weight = layer.unpack(&sums.iter().map(|s| &s.weights[l]).collect::<Vec<_>>());
                let mut bias = vec![T::of(0.0); layer.outputs()];
                sums.iter().for_each(|s| bias.iter_mut().zip(&s.biases[l]).for_each(|(sum, &b)| *sum += b));
                let bias = layer.unpack_bias(&bias);
                [plain(weight, &[layer.inputs(), layer.outputs()]), plain(bias, &[layer.outputs()])]
            })
            .collect();
        found.extend(of_layers.into_iter().flatten().map(Some));
        found
    }
}
