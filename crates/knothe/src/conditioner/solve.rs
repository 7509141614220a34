//! The conditionals of a masked network one after another, for the arithmetic of about one pass.
//!
//! A unit of degree d reads only coordinates of rank < d, at every depth, so it is computed once: when the d-th coordinate has
//! become known. Give coordinate values the degree rank + 1 and the parameters of a coordinate the degree rank; then every
//! node of every layer reads exactly the nodes of the layer before whose degree is not above its own, a prefix, because
//! nodes are sorted by degree. No mask is needed.
//!
//! Degrees are taken in blocks. What a block reads of the degrees before it is one matrix product a layer; only what it reads
//! of itself goes degree by degree, on matrices that stay in cache.

use burn::tensor::Tensor;

use super::{AutoregressiveConditioner, Conditioner, Made, Order, check_context, check_placement, index};
use crate::{error::Result, given::Given, placement::Placement};

/// Degrees a block: at the usual 8 to 16 units a degree, a block's activations are about 100 wide.
const BLOCK: usize = 8;

/// One layer as [`AutoregressiveConditioner::solve`] sees it.
struct Stage {
    /// `[nodes, inputs]`, both sorted by degree.
    weight: Tensor<2>,
    /// `[nodes, 1]`, or `[nodes, rows]` where the context enters.
    bias: Tensor<2>,
    /// The degree of each node, ascending.
    degrees: Vec<usize>,
    /// The degree of each input, ascending.
    inputs: Vec<usize>,
}

impl AutoregressiveConditioner for Made {
    fn order(&self) -> &Order {
        &self.config.order
    }

    fn solve(
        &self,
        rows: usize,
        given: &Given,
        place: &Placement,
        mut step: impl FnMut(usize, Tensor<3>) -> Result<Tensor<2>>,
    ) -> Result<Tensor<2>> {
        let dtype = self.placement().dtype();
        check_placement(place, dtype)?;
        let context = check_context(given.context, rows, self.config.context_dim, dtype)?;
        if rows == 0 {
            return Ok(place.zeros([0, self.dim()]));
        }
        let stages = self.stages(context, place);
        let (dim, columns) = (self.dim(), self.config.order.columns());
        // Activations of the degrees before the block, `[inputs, rows]` a stage, as far as they are known.
        let mut known: Vec<Tensor<2>> = stages.iter().map(|s| place.zeros([s.inputs.len(), rows])).collect();
        let mut values: Vec<Tensor<2>> = Vec::with_capacity(dim);
        for first in (0..dim).step_by(BLOCK) {
            let end = (first + BLOCK).min(dim);
            let base: Vec<Option<Tensor<2>>> = stages.iter().zip(&known).map(|(s, k)| s.base(first, end, k)).collect();
            let mut recent: Vec<Tensor<2>> = stages.iter().map(|s| place.zeros([count(&s.inputs, first, end).max(1), rows])).collect();
            for (rank, &column) in columns.iter().enumerate().take(end).skip(first) {
                if let Some(value) = values.last() {
                    put(
                        &mut recent[0],
                        count(&stages[0].inputs, first, rank),
                        super::read(value.clone().reshape([1, rows]), &self.config.hidden),
                    );
                }
                let mut carry = None;
                for (l, stage) in stages.iter().enumerate() {
                    let Some(mut y) = stage.nodes(&base[l], first, rank) else { continue };
                    let read = count(&stage.inputs, first, rank + 1);
                    if read > 0 {
                        y = y + stage.weights(rank, rank + 1, first, read).matmul(recent[l].clone().narrow(0, 0, read));
                    }
                    if l + 1 < stages.len() {
                        let activated = self.config.activation.apply(self.residual(l, y, &mut carry));
                        put(&mut recent[l + 1], count(&stage.degrees, first, rank), activated);
                    } else {
                        values.push(step(column, y.transpose().unsqueeze_dim(2))?);
                    }
                }
            }
            for ((stage, known), recent) in stages.iter().zip(&mut known).zip(recent) {
                if end < dim && count(&stage.inputs, first, end) > 0 {
                    put(known, count(&stage.inputs, 0, first), recent);
                }
            }
        }
        let ranks = self.config.order.inverse();
        Ok(Tensor::cat(ranks.columns().iter().map(|&rank| values[rank].clone()).collect(), 1))
    }
}

impl Made {
    /// The layers with their nodes sorted by degree.
    fn stages(&self, context: Option<&Tensor<2>>, place: &Placement) -> Vec<Stage> {
        let (dim, parameters, hidden) = (self.dim(), self.config.parameters, self.degrees.len());
        let columns = self.config.order.columns();
        let by_rank = |stride: usize| {
            let nodes: Vec<usize> = columns.iter().flat_map(|&c| (0..stride).map(move |p| p * dim + c)).collect();
            index(&nodes, &place.device)
        };
        let ranked = self.config.order != Order::natural(dim);
        let mut context = context.zip(self.context.as_ref()).map(|(c, w)| w.val().transpose().matmul(c.clone().transpose()));
        let mut inputs: Vec<usize> = (1..=dim).collect();
        (0..=hidden)
            .map(|l| {
                let mut weight = self.layers[l].unmasked().transpose();
                let mut bias = self.layers[l].bias().unsqueeze_dim::<2>(1);
                if let Some(c) = context.take() {
                    bias = bias + c;
                }
                if l == 0 && ranked {
                    weight = weight.select(1, by_rank(1));
                }
                let degrees = if l < hidden {
                    self.degrees[l].clone()
                } else {
                    weight = weight.select(0, by_rank(parameters));
                    bias = bias.select(0, by_rank(parameters));
                    (0..dim).flat_map(|rank| std::iter::repeat_n(rank, parameters)).collect()
                };
                Stage { weight, bias, inputs: std::mem::replace(&mut inputs, degrees.clone()), degrees }
            })
            .collect()
    }
}

impl Stage {
    /// What the nodes of degrees `first..end` get from the inputs of degrees below `first`, and from bias and context.
    fn base(&self, first: usize, end: usize, known: &Tensor<2>) -> Option<Tensor<2>> {
        let nodes = count(&self.degrees, first, end);
        if nodes == 0 {
            return None;
        }
        let bias = self.bias.clone().narrow(0, count(&self.degrees, 0, first), nodes);
        let read = count(&self.inputs, 0, first);
        if read == 0 {
            return Some(bias.expand([nodes, known.dims()[1]]));
        }
        Some(self.weights(first, end, 0, read).matmul(known.clone().narrow(0, 0, read)) + bias)
    }

    /// The weights of the nodes of degrees `from..to` on `read` inputs, from the first of degree `input` on.
    fn weights(&self, from: usize, to: usize, input: usize, read: usize) -> Tensor<2> {
        let nodes = self.weight.clone().narrow(0, count(&self.degrees, 0, from), count(&self.degrees, from, to));
        nodes.narrow(1, count(&self.inputs, 0, input), read)
    }

    /// The part of a block's base that belongs to the nodes of degree `rank`; none if there are none.
    fn nodes(&self, base: &Option<Tensor<2>>, first: usize, rank: usize) -> Option<Tensor<2>> {
        let nodes = count(&self.degrees, rank, rank + 1);
        base.as_ref().filter(|_| nodes > 0).map(|b| b.clone().narrow(0, count(&self.degrees, first, rank), nodes))
    }
}

/// How many of the ascending `degrees` are in `from..to`.
fn count(degrees: &[usize], from: usize, to: usize) -> usize {
    degrees.partition_point(|&d| d < to) - degrees.partition_point(|&d| d < from)
}

/// Writes rows into a buffer from row `at` on; in place where nothing else holds it.
fn put(buffer: &mut Tensor<2>, at: usize, rows: Tensor<2>) {
    let [length, width] = rows.dims();
    buffer.inplace(|b| b.slice_assign([at..at + length, 0..width], rows));
}
