//! Some columns of a table carried by a univariate map, the others as they are: what a coupling does once it has its parameters.

use std::sync::Arc;

use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::{
    Kernel, Real,
    elementwise::filled,
    fused::{FusedOp, Input, Plain, apply, has_kernels, numbers, plain},
    lanes::LANES,
};

/// y_j = T(x_j; θ_j) for the columns j that move and y_j = x_j for the others, and Σ log T′ of each row: x of `[rows, dim]`, θ of `[rows, parameters,
/// moving]`; none on a device that has no kernels, and for fewer moving columns than a vector has numbers, of which most would be idle.
pub(crate) fn moved(kernel: &Kernel, x: &Tensor<2>, theta: &Tensor<3>, moving: &Arc<[usize]>) -> Option<(Tensor<2>, Tensor<1>)> {
    if !has_kernels(theta) || x.dims()[0] == 0 || moving.len() < LANES {
        return None;
    }
    let op = Moved { kernel: kernel.clone(), moving: moving.clone() };
    let [y, ladj] = apply(&op, vec![Input::Table(x.clone()), Input::Cube(theta.clone())])?;
    Some((y.tensor(), ladj.tensor()))
}

#[derive(Clone, Debug)]
struct Moved {
    kernel: Kernel,
    moving: Arc<[usize]>,
}

impl FusedOp<2> for Moved {
    type Saved = Vec<Plain>;

    fn forward(&self, inputs: Vec<Plain>, keep: bool) -> ([Plain; 2], Option<Vec<Plain>>) {
        let inputs: Vec<Plain> = inputs.iter().map(Plain::to_contiguous).collect();
        let outputs = if inputs[0].dtype() == DType::F64 { self.value::<f64>(&inputs) } else { self.value::<f32>(&inputs) };
        (outputs, keep.then_some(inputs))
    }

    fn backward(&self, inputs: Vec<Plain>, gradients: [Option<Plain>; 2], _: &[bool]) -> Vec<Option<Plain>> {
        let gradients = gradients.map(|g| g.map(|g| g.to_contiguous()));
        let found = if inputs[0].dtype() == DType::F64 {
            self.gradient::<f64>(&inputs, gradients)
        } else {
            self.gradient::<f32>(&inputs, gradients)
        };
        found.map(Some).into()
    }
}

impl Moved {
    /// Rows, columns, and the parameters of a column.
    fn sizes(&self, inputs: &[Plain]) -> [usize; 3] {
        let (x, theta) = (inputs[0].layout().shape(), inputs[1].layout().shape());
        [x[0], x[1], theta[1]]
    }

    /// The moving numbers of a row, filled up to whole vectors with the last of them.
    fn gathered<T: Real>(&self, row: &[T]) -> Vec<T> {
        let last = self.moving.len() - 1;
        (0..self.moving.len().next_multiple_of(LANES)).map(|k| row[self.moving[k.min(last)]]).collect()
    }

    fn value<T: Real>(&self, inputs: &[Plain]) -> [Plain; 2] {
        let [rows, dim, parameters] = self.sizes(inputs);
        let (mut y, mut ladj) = (numbers::<T>(&inputs[0]).to_vec(), vec![T::of(0.0); rows]);
        let thetas = numbers::<T>(&inputs[1]).par_chunks_exact(parameters * self.moving.len());
        y.par_chunks_exact_mut(dim).zip(&mut ladj).zip(thetas).for_each(|((row, ladj), theta)| {
            let x = self.gathered(row);
            let (mut value, mut slope) = (vec![T::of(0.0); x.len()], vec![T::of(0.0); x.len()]);
            self.kernel.value(&x, &filled(theta, self.moving.len()), &mut value, &mut slope);
            for (&j, value) in self.moving.iter().zip(value) {
                row[j] = value;
            }
            *ladj = slope[..self.moving.len()].iter().fold(T::of(0.0), |sum, &slope| sum + slope);
        });
        [plain(y, &[rows, dim]), plain(ladj, &[rows])]
    }

    fn gradient<T: Real>(&self, inputs: &[Plain], [g, h]: [Option<Plain>; 2]) -> [Plain; 2] {
        let [rows, dim, parameters] = self.sizes(inputs);
        let width = self.moving.len();
        let mut gx = g.map_or_else(|| vec![T::of(0.0); rows * dim], |g| numbers::<T>(&g).to_vec());
        let h = h.map_or_else(|| vec![T::of(0.0); rows], |h| numbers::<T>(&h).to_vec());
        let mut gtheta = vec![T::of(0.0); rows * parameters * width];
        let inputs = numbers::<T>(&inputs[0]).par_chunks_exact(dim).zip(numbers::<T>(&inputs[1]).par_chunks_exact(parameters * width));
        let outputs = gx.par_chunks_exact_mut(dim).zip(gtheta.par_chunks_exact_mut(parameters * width));
        outputs.zip(inputs).zip(h).for_each(|(((gx, gtheta), (x, theta)), h)| {
            let (x, g) = (self.gathered(x), self.gathered(gx));
            let (mut of_theta, mut of_x) = (vec![T::of(0.0); x.len() * parameters], vec![T::of(0.0); x.len()]);
            self.kernel.gradient(&x, &filled(theta, self.moving.len()), [&g, &vec![h; x.len()]], &mut of_theta, &mut of_x);
            for (&j, found) in self.moving.iter().zip(&of_x) {
                gx[j] = *found;
            }
            gtheta
                .chunks_exact_mut(width)
                .zip(of_theta.chunks_exact(x.len()))
                .for_each(|(into, found)| into.copy_from_slice(&found[..width]));
        });
        [plain(gx, &[rows, dim]), plain(gtheta, &[rows, parameters, width])]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;
    use crate::{
        conditioner::index,
        kernels::value,
        placement::{Placement, Precision, values},
        triangular::sum_coordinates,
        univariate::{Affine, MonotoneMap},
    };

    /// Value, log-determinant and both gradients are those of selecting, carrying and putting back, with either output unread too.
    #[test]
    fn agrees_with_the_composed_form() {
        let moving: Vec<usize> = (0..50).filter(|j| j % 5 != 2).collect();
        let standing: Vec<usize> = (0..50).filter(|j| j % 5 == 2).collect();
        let places: Vec<usize> = (0..50).map(|j| [&standing[..], &moving].concat().iter().position(|&k| k == j).unwrap()).collect();
        let kernel = Affine::default().kernel().unwrap();
        for precision in [Precision::F32, Precision::F64] {
            let place = Placement::cpu(precision).autodiff();
            let run = |fused: bool, reads: [bool; 2]| {
                let mut rng = ChaCha12Rng::seed_from_u64(5);
                let x = place.normal([7, 50], &mut rng).require_grad();
                let theta: Tensor<3> = place.normal([7, 2, moving.len()], &mut rng).require_grad();
                let (of_y, of_ladj): (Tensor<2>, Tensor<1>) = (place.normal([7, 50], &mut rng), place.normal([7], &mut rng));
                let (y, ladj) = if fused {
                    moved(&kernel, &x, &theta, &moving.clone().into()).unwrap()
                } else {
                    let take = |columns: &[usize]| x.clone().select(1, index(columns, &place.device));
                    let (carried, ladj) = value(&kernel, &take(&moving), &theta).unwrap();
                    let y = Tensor::cat(vec![take(&standing), carried], 1).select(1, index(&places, &place.device));
                    (y, sum_coordinates(ladj))
                };
                let parts = [(y.clone() * of_y).sum(), (ladj.clone() * of_ladj).sum()];
                let read = parts.into_iter().zip(reads).filter(|(_, read)| *read).map(|(part, _)| part);
                let gradients = read.reduce(|a, b| a + b).unwrap().backward();
                [values(y), values(ladj), values(x.grad(&gradients).unwrap()), values(theta.grad(&gradients).unwrap())]
            };
            for reads in [[true, true], [true, false], [false, true]] {
                for (found, expected) in run(true, reads).iter().zip(run(false, reads)) {
                    assert_eq!(found.len(), expected.len());
                    // A sum of forty numbers at most.
                    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 40.0 * precision.epsilon() * (1.0 + b.abs());
                    assert!(found.iter().zip(&expected).all(near), "{reads:?}, {precision:?}");
                }
            }
        }
    }
}
