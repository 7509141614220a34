//! The triangular factors of the marginals of a Gaussian.

use std::collections::HashMap;

use burn::tensor::Tensor;
use nalgebra::DMatrix;

use crate::{
    order::{Order, index},
    placement::{Placement, values},
};

/// The Cholesky factor L_o of Σ_oo for the present coordinates o of each row, where Σ = L Lᵀ: `[rows, dim, dim]` in the places of the coordinates, with 0 for absent ones; its
/// inverse where `inverse` is set. And Σ log of its diagonal, `[rows]`.
///
/// With Lᵀ restricted to the columns o being Q R, Σ_oo is Rᵀ R, so that Σ itself, of which rounding would take half of the digits, is never formed.
pub(super) fn marginal_factors(factor: &DMatrix<f64>, order: &Order, present: &Tensor<2>, inverse: bool) -> (Tensor<3>, Tensor<1>) {
    let (place, dim, columns) = (Placement::of(&present.clone().inner()), factor.nrows(), order.columns());
    let (mut known, mut matrices, mut logarithms) = (HashMap::new(), Vec::new(), Vec::new());
    let mut which = Vec::new();
    for row in values(present.clone().inner()).chunks_exact(dim) {
        let there: Vec<usize> = (0..dim).filter(|&k| row[columns[k]] != 0.0).collect();
        let next = known.len();
        which.push(*known.entry(there).or_insert_with_key(|there| {
            let (matrix, logarithm) = marginal_factor(factor, there, inverse);
            let mut whole = vec![0.0; dim * dim];
            for (a, &k) in there.iter().enumerate() {
                for (b, &l) in there.iter().enumerate().take(a + 1) {
                    whole[columns[k] * dim + columns[l]] = matrix[(a, b)];
                }
            }
            matrices.extend(whole);
            logarithms.push(logarithm);
            next
        }));
    }
    let (patterns, rows, which) = (logarithms.len(), which.len(), index(&which, &place.device));
    let matrices = place.tensor(matrices, [patterns, dim * dim]).select(0, which.clone()).reshape([rows, dim, dim]);
    (matrices, place.tensor(logarithms, [patterns]).select(0, which))
}

/// That of some coordinates, in the order of L.
fn marginal_factor(factor: &DMatrix<f64>, there: &[usize], inverse: bool) -> (DMatrix<f64>, f64) {
    if there.is_empty() {
        return (DMatrix::zeros(0, 0), 0.0);
    }
    let mut own = factor.select_rows(there).transpose().qr().r().transpose();
    for mut column in own.column_iter_mut().enumerate().filter_map(|(k, c)| (c[k] < 0.0).then_some(c)) {
        column.neg_mut();
    }
    let logarithm = own.diagonal().iter().map(|d| d.ln()).sum();
    let matrix = if inverse {
        let identity = DMatrix::identity(there.len(), there.len());
        own.solve_lower_triangular(&identity).unwrap_or_else(|| identity * f64::NAN)
    } else {
        own
    };
    (matrix, logarithm)
}
