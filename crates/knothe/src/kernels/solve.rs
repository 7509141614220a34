//! The inverse of an autoregressive map in one operation: one coordinate after another, each unit once, when its inputs are known.
//!
//! Nodes of a layer are sorted by degree, and a node of degree d reads the inputs of degrees up to d, a prefix (see
//! [`crate::conditioner::Made::solve`], which is the composed form). Degrees are taken in blocks: what a block reads of the degrees
//! before it is one product a layer.

use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::{
    Kernel, Real,
    conditioned::{Conditioned, by_columns, filled, set_columns},
    fused::{Input, Output, Plain, has_kernels, numbers, plain},
    gemm::{Shape, multiply},
    network::{activate, add, read},
};

/// Degrees a block: at the usual 8 to 16 units a degree, a block is about 100 wide.
const BLOCK: usize = 8;
/// Rows a tile.
const TILE: usize = 128;

/// A layer with inputs and nodes sorted by degree.
struct Stage<T> {
    /// `[inputs, nodes]`.
    weight: Vec<T>,
    bias: Vec<T>,
    /// The degree of each node and of each input, ascending.
    degrees: Vec<usize>,
    inputs: Vec<usize>,
}

/// How many of the ascending `degrees` are below `degree`.
fn below(degrees: &[usize], degree: usize) -> usize {
    degrees.partition_point(|&d| d < degree)
}

impl Conditioned {
    /// z with z_j = T(x_j; θ_j(z_<j)), `[rows, dim]`, and Σ log T′, `[rows]`, for T of a kernel; none where there is none, or where a
    /// gradient is asked for. `degrees` are those of the hidden layers.
    pub fn solve(
        &self,
        kernel: &Kernel,
        degrees: &[Vec<usize>],
        x: &Tensor<2>,
        added: Option<Tensor<2>>,
        parameters: Vec<(Tensor<2>, Tensor<1>)>,
    ) -> Option<(Tensor<2>, Tensor<1>)> {
        let tracked = x.is_autodiff() || parameters.iter().any(|(w, _)| w.is_autodiff()) || added.as_ref().is_some_and(|a| a.is_autodiff());
        if tracked || !has_kernels(x) {
            return None;
        }
        let primitive = |input: Input| input.plain().map(|t| t.to_contiguous());
        let x = primitive(Input::Table(x.clone()))?;
        let added = match added {
            Some(added) => Some(primitive(Input::Table(added))?),
            None => None,
        };
        let parameters: Option<Vec<_>> =
            parameters.into_iter().map(|(w, b)| Some([primitive(Input::Table(w))?, primitive(Input::Row(b))?])).collect();
        let parameters = parameters?;
        let [z, ladj] = if x.dtype() == DType::F64 {
            self.solve_all::<f64>(kernel, degrees, &x, added.as_ref(), &parameters)
        } else {
            self.solve_all::<f32>(kernel, degrees, &x, added.as_ref(), &parameters)
        };
        Some((Output::Plain(z).tensor(), Output::Plain(ladj).tensor()))
    }

    fn solve_all<T: Real>(
        &self,
        kernel: &Kernel,
        degrees: &[Vec<usize>],
        x: &Plain,
        added: Option<&Plain>,
        parameters: &[[Plain; 2]],
    ) -> [Plain; 2] {
        let (rows, dim) = (x.layout().shape()[0], x.layout().shape()[1]);
        let stages = self.stages::<T>(degrees, parameters);
        let first = stages[0].degrees.len();
        let units: Vec<usize> = (0..first).collect();
        let (mut z, mut ladj) = (numbers::<T>(x).to_vec(), vec![T::of(0.0); rows]);
        let added = added.map(numbers::<T>);
        z.par_chunks_mut(TILE * dim).zip(ladj.par_chunks_mut(TILE)).enumerate().for_each(|(t, (z, ladj))| {
            let added = added.map(|a| by_columns(&a[t * TILE * first..][..ladj.len() * first], first, &units));
            let (values, sum) = self.solve_tile(kernel, &stages, &by_columns(z, dim, &self.mapped), added.as_deref(), filled(ladj.len()));
            ladj.copy_from_slice(&sum[..ladj.len()]);
            set_columns(z, dim, &self.mapped, &values);
        });
        [plain(z, &[rows, dim]), plain(ladj, &[rows])]
    }

    fn stages<T: Real>(&self, degrees: &[Vec<usize>], parameters: &[[Plain; 2]]) -> Vec<Stage<T>> {
        let dim = self.mapped.len();
        let count = self.network.layers.last().map_or(0, |l| l.outputs() / dim);
        let outputs = (0..dim).flat_map(|rank| std::iter::repeat_n(rank, count)).collect();
        let mut inputs: Vec<usize> = (1..=dim).collect();
        let layers = self.network.layers.iter().zip(parameters).zip(degrees.iter().chain([&outputs]));
        layers
            .map(|((layer, [weight, bias]), degrees)| Stage {
                weight: layer.sorted(numbers::<T>(weight)),
                bias: layer.pack_bias(numbers::<T>(bias)),
                degrees: degrees.clone(),
                inputs: std::mem::replace(&mut inputs, degrees.clone()),
            })
            .collect()
    }

    /// Values and Σ log T′ of a tile of n rows; `x` is by rank.
    fn solve_tile<T: Real>(&self, kernel: &Kernel, stages: &[Stage<T>], x: &[T], added: Option<&[T]>, n: usize) -> (Vec<T>, Vec<T>) {
        let dim = self.mapped.len();
        let table = |units: usize| vec![T::of(0.0); units * n];
        let (mut z, mut sum, mut slope) = (table(dim), table(1), table(1));
        // The inputs of each stage, as far as they are known, and its nodes in the block; sums that residual connections carry.
        let mut known: Vec<Vec<T>> = stages.iter().map(|s| table(s.inputs.len())).collect();
        let mut nodes: Vec<Vec<T>> = stages.iter().map(|_| Vec::new()).collect();
        let mut carry = if self.network.residual { table(stages[0].degrees.len()) } else { Vec::new() };
        for first in (0..dim).step_by(BLOCK) {
            let end = (first + BLOCK).min(dim);
            for (l, stage) in stages.iter().enumerate() {
                let (from, to) = (below(&stage.degrees, first), below(&stage.degrees, end));
                let y = &mut nodes[l];
                y.clear();
                stage.bias[from..to].iter().for_each(|&bias| y.resize(y.len() + n, bias));
                if let (0, Some(added)) = (l, added) {
                    add(y, &added[from * n..to * n]);
                }
                stage.add_products(&known[l], (0, below(&stage.inputs, first)), (from, to), y, n);
            }
            for rank in first..end {
                for (l, stage) in stages.iter().enumerate() {
                    let (start, from, to) = (below(&stage.degrees, first), below(&stage.degrees, rank), below(&stage.degrees, rank + 1));
                    if from == to {
                        continue;
                    }
                    let y = &mut nodes[l][(from - start) * n..(to - start) * n];
                    let inputs = (below(&stage.inputs, first), below(&stage.inputs, rank + 1));
                    stage.add_products(&known[l], inputs, (from, to), y, n);
                    let unit = from * n..to * n;
                    if l + 1 == stages.len() {
                        let own = rank * n..(rank + 1) * n;
                        kernel.value(&x[own.clone()], y, &mut z[own.clone()], &mut slope);
                        add(&mut sum, &slope);
                        known[0][own.clone()].copy_from_slice(&z[own.clone()]);
                        read(&mut known[0][own], false);
                        continue;
                    }
                    if self.network.residual && l % 2 == 0 {
                        add(y, &carry[unit.clone()]);
                        carry[unit.clone()].copy_from_slice(y);
                    }
                    activate(self.network.activation, y, false);
                    known[l + 1][unit].copy_from_slice(y);
                }
            }
        }
        (z, sum)
    }
}

impl<T: Real> Stage<T> {
    /// Adds what the nodes `from..to` get of the inputs `low..high`.
    fn add_products(&self, known: &[T], (low, high): (usize, usize), (from, to): (usize, usize), y: &mut [T], n: usize) {
        if low < high && from < to {
            let width = self.degrees.len();
            let shape = Shape { rows: n, columns: to - from, strides: [1, n] };
            let of_known = Shape { rows: n, columns: high - low, strides: [1, n] };
            let of_weight = Shape { rows: high - low, columns: to - from, strides: [width, 1] };
            multiply((y, shape), (&known[low * n..], of_known), (&self.weight[low * width + from..], of_weight), true);
        }
    }
}
