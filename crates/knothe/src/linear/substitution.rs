//! Triangular matrices and systems, differentiable in the matrix and the right-hand side.

use burn::tensor::Tensor;

use crate::kernels;

/// A lower-triangular matrix with the given positive diagonal: the strict lower part of `strict`, and e^`log_diagonal`.
/// `identity` is the identity matrix of the same size.
pub(crate) fn lower_triangular(strict: Tensor<2>, log_diagonal: Tensor<1>, identity: &Tensor<2>) -> Tensor<2> {
    strict.tril(-1) + identity.clone() * log_diagonal.exp().unsqueeze_dim::<2>(0)
}

/// Z of `[rows, dim]` with L z = b for each row b of `b`, L lower triangular (forward substitution).
pub(crate) fn solve_lower(l: &Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    kernels::substitute(l, &b, false).unwrap_or_else(|| composed(l, b, false))
}

/// Z of `[rows, dim]` with U z = b for each row b of `b`, U upper triangular (backward substitution).
pub(crate) fn solve_upper(u: &Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    kernels::substitute(u, &b, true).unwrap_or_else(|| composed(u, b, true))
}

/// Coordinates are rows here, `[dim, rows]`, so that those solved so far are contiguous.
fn composed(matrix: &Tensor<2>, b: Tensor<2>, from_the_end: bool) -> Tensor<2> {
    let dim = b.dims()[1];
    // A tracked matrix makes every later coordinate tracked, so the first ones have to live on the same device.
    let b = if matrix.is_autodiff() { b.autodiff() } else { b }.transpose();
    let mut solved: Option<Tensor<2>> = None;
    for step in 0..dim {
        let j = if from_the_end { dim - 1 - step } else { step };
        let mut rest = b.clone().narrow(0, j, 1);
        if let Some(known) = &solved {
            let start = if from_the_end { j + 1 } else { 0 };
            rest = rest - matrix.clone().narrow(0, j, 1).narrow(1, start, step).matmul(known.clone());
        }
        let value = rest / matrix.clone().narrow(0, j, 1).narrow(1, j, 1);
        solved = Some(match solved {
            None => value,
            Some(known) if from_the_end => Tensor::cat(vec![value, known], 0),
            Some(known) => Tensor::cat(vec![known, value], 0),
        });
    }
    solved.unwrap_or(b).transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;
    use crate::{
        linear::identity,
        placement::{Placement, Precision, values},
    };

    /// Solutions and both gradients of the kernel are those of tensor operations, for fewer rows than a vector has numbers and for more, and whatever
    /// stands on the other side of the diagonal.
    #[test]
    fn the_kernel_agrees_with_the_composed_form() {
        let shapes = [1, 7, 150].into_iter().flat_map(|rows| [[rows, 1], [rows, 9]]);
        let kinds = [false, true].into_iter().flat_map(|upper| [Precision::F32, Precision::F64].map(|precision| (upper, precision)));
        for ([rows, dim], (upper, precision)) in shapes.flat_map(|shape| kinds.clone().map(move |kind| (shape, kind))) {
            let place = Placement::cpu(precision).autodiff();
            let run = |fused: bool| {
                let mut rng = ChaCha12Rng::seed_from_u64(5);
                let drawn: Tensor<2> = place.normal([dim, dim], &mut rng) * 0.3;
                let matrix = (drawn + identity(dim, &place) * 2.0).require_grad();
                let b: Tensor<2> = place.normal([rows, dim], &mut rng).require_grad();
                let weighed: Tensor<2> = place.normal([rows, dim], &mut rng);
                let z = if fused { kernels::substitute(&matrix, &b, upper).unwrap() } else { composed(&matrix, b.clone(), upper) };
                let gradients = (z.clone() * weighed).sum().backward();
                [values(z), values(matrix.grad(&gradients).unwrap()), values(b.grad(&gradients).unwrap())]
            };
            for (what, (found, expected)) in run(true).iter().zip(run(false)).enumerate() {
                let size = expected.iter().fold(1.0_f64, |m, e| m.max(e.abs()));
                // Sums over the rows of sums over the coordinates, in another order.
                let tolerance = 200.0 * precision.epsilon() * size;
                assert_eq!(found.len(), expected.len());
                let near = |(f, e): (&f64, &f64)| (f - e).abs() <= tolerance;
                assert!(found.iter().zip(&expected).all(near), "{rows} × {dim}, upper {upper}, {precision:?}, result {what}");
            }
        }
    }
}
