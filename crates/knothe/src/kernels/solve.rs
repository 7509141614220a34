//! The inverse of an autoregressive map in one operation: one coordinate after another, each unit once, when its inputs are known.
//!
//! Nodes of a layer are sorted by degree, and a node of degree d reads the inputs of degrees up to d, a prefix (see
//! [`crate::conditioner::AutoregressiveConditioner::solve`] of `Made`, which is the composed form). Degrees are taken in blocks: what a block reads of the degrees
//! before it is one product a layer. The gradient goes the same way back, from the last coordinate to the first.

use super::{
    Kernel, Real,
    conditioned::{Beside, Conditioned, Kept, of_column, reaching},
    lanes::LANES,
    network::{Trace, Weights, activate, add, multiply as scale, read},
    product::{Columns, Matrix, Start, product},
    spare::Table,
    table::gather,
};

/// Degrees a block: at the usual 8 to 16 units a degree, a block is about 100 wide.
const BLOCK: usize = 8;

/// A layer with inputs and nodes sorted by degree.
#[derive(Debug)]
pub(super) struct Stage<T: Real> {
    /// `[inputs, nodes]`.
    weight: Table<T>,
    bias: Vec<T>,
    /// The degree of each node and of each input, ascending.
    degrees: Vec<usize>,
    inputs: Vec<usize>,
}

/// How many of the ascending `degrees` are below `degree`.
fn below(degrees: &[usize], degree: usize) -> usize {
    degrees.partition_point(|&d| d < degree)
}

/// The layers of a masked network, from the weight and the bias of each.
pub(super) fn stages<T: Real>(shape: &Conditioned, parameters: &[&[T]]) -> Vec<Stage<T>> {
    let dim = shape.mapped.len();
    let count = shape.network.layers.last().map_or(0, |l| l.outputs() / dim);
    let outputs = (0..dim).flat_map(|rank| std::iter::repeat_n(rank, count)).collect();
    let mut inputs: Vec<usize> = (1..=dim).collect();
    let layers = shape.network.layers.iter().zip(parameters.chunks(2)).zip(shape.degrees.iter().chain([&outputs]));
    layers
        .map(|((layer, pair), degrees)| Stage {
            weight: layer.sorted(pair[0]),
            bias: layer.pack_bias(pair[1]),
            degrees: degrees.clone(),
            inputs: std::mem::replace(&mut inputs, degrees.clone()),
        })
        .collect()
}

impl Conditioned {
    /// Puts z with z_j = T(x_j; θ_j(z_<j)) in the place of x, `[dim, n]`, and adds Σ log T′ to `ladj`; where x is absent, z and log T′ are 0. Returns what
    /// the gradient needs, if there are weights to find it with.
    pub(super) fn solve<T: Real>(
        &self,
        kernel: &Kernel,
        (stages, weights): (&[Stage<T>], Option<&Weights<T>>),
        table: &mut [T],
        ladj: &mut [T],
        beside: Beside<'_, T>,
    ) -> Option<Kept<T>> {
        let n = ladj.len();
        let x = gather(table, &self.mapped, n);
        let z = self.solve_ranks(kernel, stages, &x, ladj, beside);
        self.mapped.iter().zip(z.chunks(n)).for_each(|(&column, z)| table[column * n..][..n].copy_from_slice(z));
        let mut trace = Trace::default();
        let theta = self.network.forward(weights?, z, beside.added, n, Some(&mut trace));
        Some(Kept { trace, x, theta })
    }

    /// z by rank, from x by rank.
    fn solve_ranks<T: Real>(&self, kernel: &Kernel, stages: &[Stage<T>], x: &[T], ladj: &mut [T], beside: Beside<'_, T>) -> Table<T> {
        let n = ladj.len();
        let dim = self.mapped.len();
        let table = |units: usize| Table::unwritten(units * n);
        let (mut z, mut slope) = (table(dim), table(1));
        // The inputs of each stage, as far as they are known, and its nodes in the block; sums that residual connections carry.
        let mut known: Vec<Table<T>> = stages.iter().map(|s| table(s.inputs.len())).collect();
        let mut nodes: Vec<Table<T>> = stages.iter().map(|_| Table::default()).collect();
        let mut carry = if self.network.residual { Table::zeros(stages[0].degrees.len() * n) } else { Table::default() };
        for first in (0..dim).step_by(BLOCK) {
            let end = (first + BLOCK).min(dim);
            for (l, stage) in stages.iter().enumerate() {
                let (from, to) = (below(&stage.degrees, first), below(&stage.degrees, end));
                let mut y = Table::unwritten((to - from) * n);
                stage.products(&known[l], (0, below(&stage.inputs, first)), (from, to), (&mut y, Start::Bias(&stage.bias[from..])), n);
                if let (0, Some(added)) = (l, beside.added) {
                    add(&mut y, &added[from * n..to * n]);
                }
                nodes[l] = y;
            }
            for rank in first..end {
                for (l, stage) in stages.iter().enumerate() {
                    let (start, from, to) = (below(&stage.degrees, first), below(&stage.degrees, rank), below(&stage.degrees, rank + 1));
                    if from == to {
                        continue;
                    }
                    let y = &mut nodes[l][(from - start) * n..(to - start) * n];
                    let inputs = (below(&stage.inputs, first), below(&stage.inputs, rank + 1));
                    stage.products(&known[l], inputs, (from, to), (y, Start::Sum), n);
                    let unit = from * n..to * n;
                    if l + 1 == stages.len() {
                        let own = rank * n..(rank + 1) * n;
                        kernel.value(&x[own.clone()], y, &mut z[own.clone()], &mut slope);
                        if let Some(present) = of_column(beside.present, self.mapped[rank], n) {
                            scale(&mut z[own.clone()], present);
                            scale(&mut slope, present);
                        }
                        add(ladj, &slope);
                        known[0][own.clone()].copy_from_slice(&z[own.clone()]);
                        read(&mut known[0][own], None);
                        continue;
                    }
                    if self.network.residual && l % 2 == 0 {
                        add(y, &carry[unit.clone()]);
                        carry[unit.clone()].copy_from_slice(y);
                    }
                    activate(self.network.activation, y, None);
                    known[l + 1][unit].copy_from_slice(y);
                }
            }
        }
        z
    }
}

impl Conditioned {
    /// Puts the gradient by x in the place of that by z, `g`, with `h` that by Σ log T′ and then what is present; returns those of the outputs of
    /// each layer of the network.
    ///
    /// With z_j = T(x_j; θ_j(z_<j)), the gradient by z_j is its own and what the θ_k after it hand down, so it is whole when those are.
    pub(super) fn solve_backward<T: Real>(
        &self,
        kernel: &Kernel,
        stages: &[Stage<T>],
        kept: &Kept<T>,
        (g, h, present): (&mut [T], &[T], Option<&[T]>),
    ) -> Vec<Table<T>> {
        let (n, dim) = (h.len(), self.mapped.len());
        let size = kept.theta.len() / dim;
        let table = |units: usize| Table::zeros(units * n);
        let mut of_inputs: Vec<Table<T>> = stages.iter().map(|s| table(s.inputs.len())).collect();
        let mut of_outputs: Vec<Table<T>> = stages.iter().map(|s| table(s.degrees.len())).collect();
        let mut gx = table(1);
        let mut end = dim + 1;
        while end > 0 {
            let first = end.saturating_sub(BLOCK);
            // What the block's units get of the degrees beyond it.
            for (l, stage) in stages.iter().enumerate() {
                let units = (below(&stage.inputs, first), below(&stage.inputs, end));
                stage.add_pull(&of_outputs[l], units, (below(&stage.degrees, end), stage.degrees.len()), &mut of_inputs[l], n);
            }
            for degree in (first..end).rev() {
                for (l, stage) in stages.iter().enumerate().rev() {
                    let (from, to) = (below(&stage.inputs, degree), below(&stage.inputs, degree + 1));
                    if from == to {
                        continue;
                    }
                    let nodes = (below(&stage.degrees, degree), below(&stage.degrees, end));
                    stage.add_pull(&of_outputs[l], (from, to), nodes, &mut of_inputs[l], n);
                    let unit = from * n..to * n;
                    let found = &mut of_inputs[l][unit.clone()];
                    let Some(before) = l.checked_sub(1) else {
                        scale(found, &kept.trace.read[unit.clone()]);
                        let (rank, column) = (from, self.mapped[from]);
                        let g = &mut g[column * n..][..n];
                        add(g, found);
                        let own = rank * size..(rank + 1) * size;
                        let gtheta = &mut of_outputs[stages.len() - 1][own.clone()];
                        let masked = of_column(present, column, n).map(|present| reaching(g, h, present));
                        kernel.gradient(&kept.x[unit], &kept.theta[own], [g, masked.as_deref().unwrap_or(h)], gtheta, &mut gx);
                        g.copy_from_slice(&gx);
                        continue;
                    };
                    self.network.scale_by_slopes(found, &kept.trace, before, unit.clone());
                    if self.network.residual && before % 2 == 0 && before + 2 < stages.len() - 1 {
                        add(found, &of_outputs[before + 2][unit.clone()]);
                    }
                    of_outputs[before][unit].copy_from_slice(found);
                }
            }
            end = first;
        }
        of_outputs
    }
}

impl<T: Real> Stage<T> {
    /// Adds what the inputs `low..high` get of the gradients of the nodes `from..to`.
    fn add_pull(&self, g: &[T], (low, high): (usize, usize), (from, to): (usize, usize), into: &mut [T], n: usize) {
        if low < high && from < to {
            let width = self.degrees.len();
            let (g, matrix) =
                (Columns { numbers: &g[from * n..], stride: n }, Matrix::ByColumns(&self.weight[low * width + from..], width));
            product((&mut into[low * n..], n), Start::Sum, g, matrix, [n / LANES, to - from, high - low]);
        }
    }

    /// What the nodes `from..to` get of the inputs `low..high`.
    fn products(
        &self,
        known: &[T],
        (low, high): (usize, usize),
        (from, to): (usize, usize),
        (y, start): (&mut [T], Start<'_, T>),
        n: usize,
    ) {
        let width = self.degrees.len();
        // There is none, of no inputs.
        let weight = self.weight.get(low * width + from..).unwrap_or_default();
        let (known, matrix) = (Columns { numbers: &known[low * n..], stride: n }, Matrix::ByRows(weight, width));
        product((y, n), start, known, matrix, [n / LANES, high - low, to - from]);
    }
}
