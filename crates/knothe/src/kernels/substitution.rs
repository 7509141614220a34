//! Triangular systems: sixteen right-hand sides at a time, one a lane.

use std::ops::Range;

use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::{
    Real,
    fused::{FusedOp, Input, Plain, apply, has_kernels, numbers, plain},
    lanes::{LANES, vectorised},
    table::{turn_back, turned},
};

/// Sums of the gradient of the matrix that may be formed at once.
const RUNS: usize = 8;

/// z of `[rows, dim]` with M z = b for each row b, M lower or `upper` triangular: what is on its other side is not read. None on a device that has no kernels.
pub(crate) fn substitute(matrix: &Tensor<2>, b: &Tensor<2>, upper: bool) -> Option<Tensor<2>> {
    if !has_kernels(matrix) || b.dims().contains(&0) {
        return None;
    }
    let [z] = apply(&Substitution { upper }, vec![Input::Table(matrix.clone()), Input::Table(b.clone())])?;
    Some(z.tensor())
}

#[derive(Clone, Debug)]
struct Substitution {
    upper: bool,
}

impl FusedOp<1> for Substitution {
    type Saved = [Plain; 2];

    fn forward(&self, inputs: Vec<Plain>, keep: bool) -> ([Plain; 1], Option<[Plain; 2]>) {
        let [matrix, b] = [0, 1].map(|k| inputs[k].to_contiguous());
        let z = if matrix.dtype() == DType::F64 { self.value::<f64>(&matrix, &b) } else { self.value::<f32>(&matrix, &b) };
        ([z.clone()], keep.then_some([matrix, z]))
    }

    fn backward(&self, saved: [Plain; 2], [g]: [Option<Plain>; 1], _: &[bool]) -> Vec<Option<Plain>> {
        let Some(g) = g.map(|g| g.to_contiguous()) else { return vec![None; 2] };
        let found = if g.dtype() == DType::F64 { self.gradient::<f64>(&saved, &g) } else { self.gradient::<f32>(&saved, &g) };
        found.map(Some).into()
    }
}

impl Substitution {
    /// The entries of row j beside the diagonal.
    fn others(&self, j: usize, dim: usize) -> Range<usize> {
        if self.upper { j + 1..dim } else { 0..j }
    }

    /// The coordinate that is solved for at a step.
    fn at(&self, step: usize, dim: usize) -> usize {
        if self.upper { dim - 1 - step } else { step }
    }

    /// M z = b in place, of sixteen rows by columns.
    fn solve<T: Real>(&self, matrix: &[T], z: &mut [T]) {
        let (z, _) = z.as_chunks_mut::<LANES>();
        let dim = z.len();
        vectorised(
            #[inline(always)]
            || {
                for j in (0..dim).map(|step| self.at(step, dim)) {
                    let (row, mut rest) = (&matrix[j * dim..][..dim], z[j]);
                    for k in self.others(j, dim) {
                        rest.iter_mut().zip(&z[k]).for_each(|(rest, &z)| *rest -= row[k] * z);
                    }
                    z[j] = rest.map(|rest| rest / row[j]);
                }
            },
        );
    }

    /// Mᵀ h = g in place, of sixteen rows by columns.
    fn solve_transposed<T: Real>(&self, matrix: &[T], h: &mut [T]) {
        let (h, _) = h.as_chunks_mut::<LANES>();
        let dim = h.len();
        vectorised(
            #[inline(always)]
            || {
                for j in (0..dim).rev().map(|step| self.at(step, dim)) {
                    let row = &matrix[j * dim..][..dim];
                    let found = h[j].map(|g| g / row[j]);
                    h[j] = found;
                    for k in self.others(j, dim) {
                        h[k].iter_mut().zip(&found).for_each(|(g, &h)| *g -= row[k] * h);
                    }
                }
            },
        );
    }

    fn value<T: Real>(&self, matrix: &Plain, b: &Plain) -> Plain {
        let [count, dim] = [0, 1].map(|k| b.layout().shape()[k]);
        let mut z = vec![T::of(0.0); count * dim];
        z.par_chunks_mut(LANES * dim).zip(numbers::<T>(b).par_chunks(LANES * dim)).for_each(|(z, b)| {
            let mut found = turned(b, dim);
            self.solve(numbers::<T>(matrix), &mut found);
            turn_back(&found, z, dim);
        });
        plain(z, &[count, dim])
    }

    /// ∂M = −h zᵀ within the triangle and ∂b = h, where Mᵀ h = ∂z.
    fn gradient<T: Real>(&self, [matrix, z]: &[Plain; 2], g: &Plain) -> [Plain; 2] {
        let [count, dim] = [0, 1].map(|k| z.layout().shape()[k]);
        let (matrix, run) = (numbers::<T>(matrix), count.div_ceil(RUNS).next_multiple_of(LANES) * dim);
        let mut gb = vec![T::of(0.0); count * dim];
        let runs = gb.par_chunks_mut(run).zip(numbers::<T>(g).par_chunks(run)).zip(numbers::<T>(z).par_chunks(run));
        let sums: Vec<Vec<T>> = runs
            .map(|((gb, g), z)| {
                let mut sum = vec![T::of(0.0); dim * dim];
                for ((gb, g), z) in gb.chunks_mut(LANES * dim).zip(g.chunks(LANES * dim)).zip(z.chunks(LANES * dim)) {
                    let (mut h, z) = (turned(g, dim), turned(z, dim));
                    self.solve_transposed(matrix, &mut h);
                    let (z, _) = z.as_chunks::<LANES>();
                    for (j, h) in h.as_chunks::<LANES>().0.iter().enumerate() {
                        for k in self.others(j, dim).chain([j]) {
                            sum[j * dim + k] -= h.iter().zip(&z[k]).fold(T::of(0.0), |sum, (&h, &z)| sum + h * z);
                        }
                    }
                    turn_back(&h, gb, dim);
                }
                sum
            })
            .collect();
        let mut gm = vec![T::of(0.0); dim * dim];
        sums.iter().for_each(|sum| gm.iter_mut().zip(sum).for_each(|(total, &found)| *total += found));
        [plain(gm, &[dim, dim]), plain(gb, &[count, dim])]
    }
}
