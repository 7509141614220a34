//! A univariate map over a whole table in one pass: value and log-derivative, and the gradients of both.

use std::borrow::Cow;

use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::{
    Kernel, Real,
    fused::{FusedOp, Input, Plain, apply, has_kernels, numbers, plain},
    lanes::LANES,
    table::turned,
};

/// Rows a task. The parts of a batch depend on nothing but its size.
const ROWS: usize = 64;
/// Columns from which a row is a tile of its own: its parameters stand as those of a tile do, and nothing has to be turned.
const WIDE: usize = 64;

/// T and log T′ of every x of `[rows, dim]` under its θ of `[rows, parameters, dim]`; none on a device that has no kernels.
pub(crate) fn value(kernel: &Kernel, x: &Tensor<2>, theta: &Tensor<3>) -> Option<(Tensor<2>, Tensor<2>)> {
    if !has_kernels(theta) {
        return None;
    }
    let [y, ladj] = apply(&Elementwise(kernel.clone()), vec![Input::Table(x.clone()), Input::Cube(theta.clone())])?;
    Some((y.tensor(), ladj.tensor()))
}

#[derive(Clone, Debug)]
struct Elementwise(Kernel);

impl FusedOp<2> for Elementwise {
    type Saved = Vec<Plain>;

    fn forward(&self, inputs: Vec<Plain>, keep: bool) -> ([Plain; 2], Option<Vec<Plain>>) {
        let inputs: Vec<Plain> = inputs.iter().map(Plain::to_contiguous).collect();
        let outputs = if inputs[0].dtype() == DType::F64 { forward::<f64>(&self.0, &inputs) } else { forward::<f32>(&self.0, &inputs) };
        (outputs, keep.then_some(inputs))
    }

    fn backward(&self, inputs: Vec<Plain>, gradients: [Option<Plain>; 2], _: &[bool]) -> Vec<Option<Plain>> {
        let found = if inputs[0].dtype() == DType::F64 {
            backward::<f64>(&self.0, &inputs, gradients)
        } else {
            backward::<f32>(&self.0, &inputs, gradients)
        };
        found.map(Some).into()
    }
}

/// `[rows, parameters, dim]` of a θ.
fn shape(theta: &Plain) -> [usize; 3] {
    let shape = theta.layout().shape();
    [shape[0], shape[1], shape[2]]
}

/// Rows of `width` numbers filled up to whole vectors by repeating the last.
pub(super) fn filled<T: Real>(table: &[T], width: usize) -> Cow<'_, [T]> {
    let n = width.next_multiple_of(LANES);
    if n == width {
        return Cow::Borrowed(table);
    }
    Cow::Owned(table.chunks_exact(width).flat_map(|row| (0..n).map(|k| row[k.min(width - 1)])).collect())
}

fn forward<T: Real>(kernel: &Kernel, inputs: &[Plain]) -> [Plain; 2] {
    let (x, theta) = (&inputs[0], &inputs[1]);
    let [rows, parameters, dim] = shape(theta);
    let (mut y, mut ladj) = (vec![T::of(0.0); rows * dim], vec![T::of(0.0); rows * dim]);
    if dim >= WIDE {
        let inputs = numbers::<T>(x).par_chunks(dim).zip(numbers::<T>(theta).par_chunks(dim * parameters));
        y.par_chunks_mut(dim).zip(ladj.par_chunks_mut(dim)).zip(inputs).for_each(|((y, ladj), (x, theta))| {
            let (x, theta) = (filled(x, dim), filled(theta, dim));
            let (mut value, mut slope) = (vec![T::of(0.0); x.len()], vec![T::of(0.0); x.len()]);
            kernel.value(&x, &theta, &mut value, &mut slope);
            y.copy_from_slice(&value[..dim]);
            ladj.copy_from_slice(&slope[..dim]);
        });
        return [plain(y, &[rows, dim]), plain(ladj, &[rows, dim])];
    }
    let parts = y.par_chunks_mut(ROWS * dim).zip(ladj.par_chunks_mut(ROWS * dim));
    let inputs = numbers::<T>(x).par_chunks(ROWS * dim).zip(numbers::<T>(theta).par_chunks(ROWS * dim * parameters));
    parts.zip(inputs).for_each(|((y, ladj), (x, theta))| {
        let (x, theta) = (turned(x, dim), turned(theta, parameters * dim));
        let n = x.len() / dim;
        let (mut value, mut slope) = (vec![T::of(0.0); n], vec![T::of(0.0); n]);
        for j in 0..dim {
            kernel.value(&x[j * n..][..n], &column(&theta, j, dim, n), &mut value, &mut slope);
            y.chunks_mut(dim).zip(&value).for_each(|(row, &v)| row[j] = v);
            ladj.chunks_mut(dim).zip(&slope).for_each(|(row, &v)| row[j] = v);
        }
    });
    [plain(y, &[rows, dim]), plain(ladj, &[rows, dim])]
}

fn backward<T: Real>(kernel: &Kernel, inputs: &[Plain], gradients: [Option<Plain>; 2]) -> [Plain; 2] {
    let (x, theta) = (&inputs[0], &inputs[1]);
    let [rows, parameters, dim] = shape(theta);
    let (mut gx, mut gtheta) = (vec![T::of(0.0); rows * dim], vec![T::of(0.0); rows * parameters * dim]);
    let gradients = gradients.map(|g| g.map_or_else(|| plain(vec![T::of(0.0); rows * dim], &[rows, dim]), |g| g.to_contiguous()));
    if dim >= WIDE {
        let [g, h] = gradients.each_ref().map(|g| numbers::<T>(g).par_chunks(dim));
        let inputs = numbers::<T>(x).par_chunks(dim).zip(numbers::<T>(theta).par_chunks(dim * parameters));
        let parts = gx.par_chunks_mut(dim).zip(gtheta.par_chunks_mut(parameters * dim));
        parts.zip(inputs).zip(g.zip(h)).for_each(|(((gx, gtheta), (x, theta)), (g, h))| {
            let (x, theta, g, h) = (filled(x, dim), filled(theta, dim), filled(g, dim), filled(h, dim));
            let n = x.len();
            let (mut of_theta, mut of_x) = (vec![T::of(0.0); n * parameters], vec![T::of(0.0); n]);
            kernel.gradient(&x, &theta, [&g, &h], &mut of_theta, &mut of_x);
            gx.copy_from_slice(&of_x[..dim]);
            gtheta.chunks_mut(dim).zip(of_theta.chunks(n)).for_each(|(row, found)| row.copy_from_slice(&found[..dim]));
        });
        return [plain(gx, &[rows, dim]), plain(gtheta, &[rows, parameters, dim])];
    }
    let [g, h] = gradients.each_ref().map(|g| numbers::<T>(g).par_chunks(ROWS * dim));
    let parts = gx.par_chunks_mut(ROWS * dim).zip(gtheta.par_chunks_mut(ROWS * parameters * dim));
    let inputs = numbers::<T>(x).par_chunks(ROWS * dim).zip(numbers::<T>(theta).par_chunks(ROWS * dim * parameters));
    parts.zip(inputs).zip(g.zip(h)).for_each(|(((gx, gtheta), (x, theta)), (g, h))| {
        let (x, theta) = (turned(x, dim), turned(theta, parameters * dim));
        let (g, h) = (turned(g, dim), turned(h, dim));
        let n = x.len() / dim;
        let (mut of_theta, mut of_x) = (vec![T::of(0.0); n * parameters], vec![T::of(0.0); n]);
        for j in 0..dim {
            let own = |table: &[T]| table[j * n..][..n].to_vec();
            kernel.gradient(&own(&x), &column(&theta, j, dim, n), [&own(&g), &own(&h)], &mut of_theta, &mut of_x);
            gx.chunks_mut(dim).zip(&of_x).for_each(|(row, &v)| row[j] = v);
            for (r, row) in gtheta.chunks_mut(parameters * dim).enumerate() {
                (0..parameters).for_each(|p| row[p * dim + j] = of_theta[p * n + r]);
            }
        }
    });
    [plain(gx, &[rows, dim]), plain(gtheta, &[rows, parameters, dim])]
}

/// The parameters of coordinate j, `[parameters, n]`.
fn column<T: Real>(theta: &[T], j: usize, dim: usize, n: usize) -> Vec<T> {
    theta.chunks(n).skip(j).step_by(dim).flatten().copied().collect()
}
