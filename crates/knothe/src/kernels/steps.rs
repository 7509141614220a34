//! Layers that follow one another, in one operation.
//!
//! Rows are cut into tiles by their number alone, and a tile goes through all the layers. Gradients of the parameters are
//! sums over the tiles in order, for some units at a time: so results do not depend on the number of threads.

use std::sync::Arc;

use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::{
    Kernel, Real,
    conditioned::{Beside, Conditioned, Kept},
    fused::{FusedOp, Input, MOST_INPUTS, Plain, apply, numbers, plain},
    network::Weights,
    solve::{Stage, stages},
    spare::Table,
    stairs::Stairs,
    table::{filled, turn_back, turned},
};
use crate::error::Result;

/// Rows a tile: enough to make up for the calls of small products, few enough for the caches and for a second thread.
const TILE: usize = 128;

/// Numbers of gradients by outputs that are formed before those of the weights are: of such layers as have more, of one at a time.
const TOGETHER: usize = 1 << 19;

/// A layer and the tensors of its network, for an operation that takes several layers at once.
pub struct Step {
    pub(crate) shape: Arc<Conditioned>,
    pub(crate) kernel: Kernel,
    /// Whether x is what the conditioner reads, or what the map makes of it is, coordinate after coordinate.
    pub(crate) solve: bool,
    /// The context's part of the first hidden layer, `[rows, units]`.
    pub(crate) added: Option<Tensor<2>>,
    /// Weight and bias of each layer of the network.
    pub(crate) parameters: Vec<(Tensor<2>, Tensor<1>)>,
}

impl Step {
    fn inputs(&self) -> usize {
        usize::from(self.added.is_some()) + 2 * self.parameters.len()
    }
}

/// The first steps of several, as long as there are some and one operation can take them; with a mask of what is present, or without.
pub(crate) fn run_of(steps: impl Iterator<Item = Result<Option<Step>>>, masked: bool) -> Result<Vec<Step>> {
    let (mut taken, mut inputs) = (Vec::new(), 1 + usize::from(masked));
    for step in steps {
        let Some(step) = step? else { break };
        inputs += step.inputs();
        if inputs > MOST_INPUTS {
            break;
        }
        taken.push(step);
    }
    Ok(taken)
}

/// y of `[rows, dim]` and Σ log T′ of `[rows]` over the steps; none without rows or steps. With `present`, 1 or 0 of each element of x, a step leaves
/// what is absent at 0 with a log T′ of 0.
pub(crate) fn run(x: &Tensor<2>, steps: Vec<Step>, present: Option<&Tensor<2>>) -> Option<(Tensor<2>, Tensor<1>)> {
    if x.dims()[0] == 0 || steps.is_empty() {
        return None;
    }
    let mut inputs: Vec<Input> = [x].into_iter().chain(present).cloned().map(Input::Table).collect();
    let layers = steps.into_iter().map(|step| {
        let layer = Layer { shape: step.shape, kernel: step.kernel, solve: step.solve, context: step.added.is_some() };
        inputs.extend(step.added.map(Input::Table));
        inputs.extend(step.parameters.into_iter().flat_map(|(weight, bias)| [Input::Table(weight), Input::Row(bias)]));
        layer
    });
    let op = Op { layers: layers.collect(), masked: present.is_some() };
    let [y, ladj] = apply(&op, inputs)?;
    Some((y.tensor(), ladj.tensor()))
}

#[derive(Clone, Debug)]
struct Layer {
    shape: Arc<Conditioned>,
    kernel: Kernel,
    solve: bool,
    context: bool,
}

#[derive(Clone, Debug)]
struct Op {
    layers: Arc<[Layer]>,
    /// Whether the table after x says what is present of it, for every layer.
    masked: bool,
}

/// A layer's parameters as its direction wants them.
#[derive(Debug)]
enum Prepared<T: Real> {
    Pass(Weights<T>),
    /// And, for the gradient, the weights of one pass.
    Solve(Vec<Stage<T>>, Option<Weights<T>>),
}

#[derive(Debug)]
struct State<T: Real> {
    prepared: Vec<Prepared<T>>,
    /// Of each tile, of each layer.
    tiles: Vec<Vec<Kept<T>>>,
    /// What is present of x.
    present: Option<Plain>,
    dims: [usize; 2],
}

#[derive(Clone, Debug)]
enum Saved {
    Single(Arc<State<f32>>),
    Double(Arc<State<f64>>),
}

impl FusedOp<2> for Op {
    type Saved = Saved;

    fn forward(&self, inputs: Vec<Plain>, keep: bool) -> ([Plain; 2], Option<Saved>) {
        if inputs[0].dtype() == DType::F64 {
            let (outputs, state) = self.forward::<f64>(&inputs, keep);
            (outputs, state.map(|s| Saved::Double(Arc::new(s))))
        } else {
            let (outputs, state) = self.forward::<f32>(&inputs, keep);
            (outputs, state.map(|s| Saved::Single(Arc::new(s))))
        }
    }

    fn backward(&self, saved: Saved, gradients: [Option<Plain>; 2], want: &[bool]) -> Vec<Option<Plain>> {
        match saved {
            Saved::Single(state) => self.backward(&state, gradients, want[0]),
            Saved::Double(state) => self.backward(&state, gradients, want[0]),
        }
    }
}

impl Op {
    fn forward<T: Real>(&self, inputs: &[Plain], keep: bool) -> ([Plain; 2], Option<State<T>>) {
        let [rows, dim] = [0, 1].map(|k| inputs[0].layout().shape()[k]);
        let inputs: Vec<Plain> = inputs.iter().map(Plain::to_contiguous).collect();
        let present = self.masked.then(|| &inputs[1]);
        let mut rest = inputs[1 + usize::from(self.masked)..].iter().map(numbers::<T>);
        let mut next = |count: usize| rest.by_ref().take(count).collect::<Vec<&[T]>>();
        let tensors = self.layers.iter().map(|layer| (next(usize::from(layer.context)), next(2 * layer.shape.network.layers.len())));
        let (added, parameters): (Vec<_>, Vec<_>) = tensors.unzip();
        let prepared: Vec<_> = self.layers.par_iter().zip(&parameters).map(|(layer, parameters)| layer.prepare(parameters, keep)).collect();
        let x = numbers::<T>(&inputs[0]);
        let (mut y, mut ladj) = (vec![T::of(0.0); x.len()], vec![T::of(0.0); rows]);
        let parts = y.par_chunks_mut(TILE * dim).zip(ladj.par_chunks_mut(TILE)).enumerate();
        let tiles = parts.map(|(t, (y, ladj))| {
            let count = ladj.len();
            let mut table = turned(rows_of(x, dim, t * TILE, count), dim);
            let present = present.map(|present| turned(rows_of(numbers::<T>(present), dim, t * TILE, count), dim));
            let present = present.as_deref();
            let mut sum = Table::zeros(filled(count));
            let mut kept = Vec::new();
            for ((layer, prepared), added) in self.layers.iter().zip(&prepared).zip(&added) {
                let first = layer.shape.first();
                let added = added.first().map(|added| turned(rows_of(added, first, t * TILE, count), first));
                let (shape, kernel, beside) = (&layer.shape, &layer.kernel, Beside { added: added.as_deref(), present });
                kept.extend(match prepared {
                    Prepared::Pass(weights) => shape.forward(kernel, weights, &mut table, &mut sum, beside, keep),
                    Prepared::Solve(stages, weights) => shape.solve(kernel, (stages, weights.as_ref()), &mut table, &mut sum, beside),
                });
            }
            turn_back(&table, y, dim);
            ladj.copy_from_slice(&sum[..count]);
            kept
        });
        let tiles: Vec<Vec<Kept<T>>> = tiles.collect();
        let state = keep.then(|| State { prepared, tiles, present: present.cloned(), dims: [rows, dim] });
        ([plain(y, &[rows, dim]), plain(ladj, &[rows])], state)
    }

    fn backward<T: Real>(&self, state: &State<T>, gradients: [Option<Plain>; 2], wanted: bool) -> Vec<Option<Plain>> {
        let [rows, dim] = state.dims;
        let gradients = gradients.map(|g| g.map(|g| g.to_contiguous()));
        let [gy, gladj] = gradients.each_ref().map(|g| g.as_ref().map(numbers::<T>));
        let mut tiles: Vec<Reached<T>> = (0..state.tiles.len())
            .into_par_iter()
            .map(|t| {
                let (from, count) = (t * TILE, TILE.min(rows - t * TILE));
                let n = filled(count);
                let g = gy.map_or_else(|| Table::zeros(dim * n), |gy| turned(rows_of(gy, dim, from, count), dim));
                let h = gladj.map_or_else(|| Table::zeros(n), |gladj| turned(rows_of(gladj, 1, from, count), 1));
                let present = state.present.as_ref().map(|present| turned(rows_of(numbers::<T>(present), dim, from, count), dim));
                Reached { g, h, present }
            })
            .collect();
        // From the last layer to the first, as the tiles come to them.
        let mut found = Vec::new();
        let mut end = self.layers.len();
        while end > 0 {
            let first = self.start_of_group(end, rows);
            let of_outputs = tiles.par_iter_mut().zip(&state.tiles).map(|(Reached { g, h, present }, kept)| {
                let mut of_outputs: Vec<Vec<Table<T>>> = Vec::with_capacity(end - first);
                for k in (first..end).rev() {
                    let (shape, kernel, kept) = (&self.layers[k].shape, &self.layers[k].kernel, &kept[k]);
                    let reached = (&mut g[..], &h[..], present.as_deref());
                    of_outputs.push(match &state.prepared[k] {
                        Prepared::Pass(weights) => shape.backward(kernel, weights, kept, reached, k > 0 || wanted),
                        Prepared::Solve(stages, _) => shape.solve_backward(kernel, stages, kept, reached),
                    });
                }
                of_outputs
            });
            let of_outputs: Vec<_> = of_outputs.collect();
            let of_layer = |k: usize| {
                let (layer, place) = (&self.layers[k], end - 1 - k);
                // Tasks of one matrix, since matrices differ in size and a thread without work can take whole tasks only.
                let parameters = (0..layer.shape.network.layers.len()).into_par_iter().with_max_len(1).map(|l| {
                    let tiles = state.tiles.iter().zip(&of_outputs).map(|(kept, of)| [&kept[k].trace.inputs[l][..], &of[place][l]]);
                    layer.shape.network.layers[l].gradients(&tiles.collect::<Vec<_>>())
                });
                let parameters: Vec<[Plain; 2]> = parameters.collect();
                let added = layer.context.then(|| by_rows(of_outputs.iter().map(|of| &of[place][0][..]), rows, layer.shape.first()));
                added.into_iter().chain(parameters.into_iter().flatten()).map(Some).collect::<Vec<_>>()
            };
            let of_layers: Vec<_> = (first..end).into_par_iter().with_max_len(1).map(of_layer).collect();
            found.push(of_layers);
            end = first;
        }
        let of_x = wanted.then(|| by_rows(tiles.iter().map(|tile| &tile.g[..]), rows, dim));
        // The mask has no gradient.
        std::iter::once(of_x).chain(self.masked.then_some(None)).chain(found.into_iter().rev().flatten().flatten()).collect()
    }

    /// The first of the layers before `end` that are worked through together: few, so that what the tiles leave of them is in the caches when
    /// gradients of weights are formed of it, but enough to keep the threads busy.
    fn start_of_group(&self, end: usize, rows: usize) -> usize {
        let (mut first, mut numbers) = (end, 0);
        while first > 0 && numbers < TOGETHER {
            first -= 1;
            numbers += rows * self.layers[first].shape.network.layers.iter().map(Stairs::outputs).sum::<usize>();
        }
        first
    }
}

/// What has come to a tile on its way back: the gradient by what a layer made of it, and that by Σ log T′; and what is present of it.
struct Reached<T: Real> {
    g: Table<T>,
    h: Table<T>,
    present: Option<Table<T>>,
}

impl Layer {
    fn prepare<T: Real>(&self, parameters: &[&[T]], keep: bool) -> Prepared<T> {
        let weights = |backward: bool| {
            let layers = self.shape.network.layers.par_iter().zip(parameters.par_chunks(2));
            let (weights, biases) = layers.map(|(layer, pair)| (layer.pack(pair[0], backward), layer.pack_bias(pair[1]))).unzip();
            Weights { weights, biases }
        };
        if self.solve {
            Prepared::Solve(stages(&self.shape, parameters), keep.then(|| weights(false)))
        } else {
            Prepared::Pass(weights(keep))
        }
    }
}

/// Rows `from..from + count` of a row-major table.
fn rows_of<T>(table: &[T], width: usize, from: usize, count: usize) -> &[T] {
    &table[from * width..][..count * width]
}

/// A row-major table of tiles.
fn by_rows<'a, T: Real>(tiles: impl Iterator<Item = &'a [T]>, rows: usize, width: usize) -> Plain {
    let mut table = vec![T::of(0.0); rows * width];
    table.chunks_mut(TILE * width).zip(tiles).for_each(|(rows, tile)| turn_back(tile, rows, width));
    plain(table, &[rows, width])
}
