//! Triangular matrices and systems, differentiable in the matrix and the right-hand side.

use burn::tensor::Tensor;

/// A lower-triangular matrix with the given positive diagonal: the strict lower part of `strict`, and e^`log_diagonal`.
/// `identity` is the identity matrix of the same size.
pub(crate) fn lower_triangular(strict: Tensor<2>, log_diagonal: Tensor<1>, identity: &Tensor<2>) -> Tensor<2> {
    strict.tril(-1) + identity.clone() * log_diagonal.exp().unsqueeze_dim::<2>(0)
}

/// Z of `[rows, dim]` with L z = b for each row b of `b`, L lower triangular (forward substitution).
pub(crate) fn solve_lower(l: &Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    substitute(l, b, false)
}

/// Z of `[rows, dim]` with U z = b for each row b of `b`, U upper triangular (backward substitution).
pub(crate) fn solve_upper(u: &Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    substitute(u, b, true)
}

/// Coordinates are rows here, `[dim, rows]`, so that those solved so far are contiguous.
fn substitute(matrix: &Tensor<2>, b: Tensor<2>, from_the_end: bool) -> Tensor<2> {
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
