//! A dense linear map by its LU factors (Kingma & Dhariwal 2018, §3.2; Oliva et al. 2018).

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use nalgebra::DMatrix;
use rand::Rng;

use super::{
    identity,
    matrix::{by_rows, orthogonal, permuted},
    same_for_all,
    substitution::{solve_lower, solve_upper},
};
use crate::{
    bijection::{Bijection, Given, check_input},
    conditioner::index,
    error::Result,
    placement::Placement,
    univariate::{bounded, unbounded},
};

/// z = P L U x + b: P a fixed permutation (none at [`Lu::new`]), L unit lower triangular, U upper triangular with diagonal e^{b(u)} bounded as the scales of
/// [`crate::univariate::Affine`]. The density takes two products; samples take two substitutions.
#[derive(Module, Debug)]
pub struct Lu {
    /// The strict lower part holds L, the strict upper part U; the diagonal is not read.
    factors: Param<Tensor<2>>,
    raw_diagonal: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    identity: Tensor<2>,
    /// P, and its inverse.
    permutation: Option<[Tensor<1, Int>; 2]>,
}

impl Lu {
    /// The identity, from which the entries of L and U part at once: each has a gradient of its own.
    pub fn new(dim: usize, place: &Placement) -> Self {
        Lu {
            factors: Param::from_tensor(place.zeros([dim, dim])),
            raw_diagonal: Param::from_tensor(place.zeros([dim])),
            bias: Param::from_tensor(place.zeros([dim])),
            identity: identity(dim, place),
            permutation: None,
        }
    }

    /// P L U is a uniformly random orthogonal matrix, up to signs of its rows: the one that [`super::Matrix::new`] draws from the same generator.
    pub fn rotated(dim: usize, place: &Placement, rng: &mut impl Rng) -> Self {
        if place.is_outline() {
            return Lu::new(dim, place);
        }
        let (rows, lower, upper) = orthogonal(dim, rng).lu().unpack();
        let permuted = permuted(&rows, dim);
        let mut ranks = vec![0; dim];
        permuted.iter().enumerate().for_each(|(k, &row)| ranks[row] = k);
        let factors = DMatrix::from_fn(dim, dim, |i, j| if i > j { lower[(i, j)] } else { upper[(i, j)] });
        let diagonal = upper.diagonal().iter().map(|d| unbounded(d.ln())).collect();
        Lu {
            factors: Param::from_tensor(place.tensor(by_rows(&factors), [dim, dim])),
            raw_diagonal: Param::from_tensor(place.tensor(diagonal, [dim])),
            permutation: Some([index(&ranks, &place.device), index(&permuted, &place.device)]),
            ..Lu::new(dim, place)
        }
    }

    /// L, U and the logarithm of U's diagonal.
    fn factors(&self) -> (Tensor<2>, Tensor<2>, Tensor<1>) {
        let factors = self.factors.val();
        let log_diagonal = bounded(self.raw_diagonal.val());
        let lower = factors.clone().tril(-1) + self.identity.clone();
        let upper = factors.triu(1) + self.identity.clone() * log_diagonal.clone().exp().unsqueeze_dim::<2>(0);
        (lower, upper, log_diagonal)
    }
}

impl Bijection for Lu {
    fn dim(&self) -> usize {
        self.bias.dims()[0]
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.refuse_absent("Lu")?;
        let rows = check_input("z", &z, self.dim(), self.bias.val().dtype())?;
        let (lower, upper, log_diagonal) = self.factors();
        let z = z - self.bias.val().unsqueeze();
        let z = self.permutation.iter().fold(z, |z, [_, rows]| z.select(1, rows.clone()));
        let x = solve_upper(&upper, solve_lower(&lower, z));
        Ok((x, same_for_all(rows, log_diagonal.neg())))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.refuse_absent("Lu")?;
        let rows = check_input("x", &x, self.dim(), self.bias.val().dtype())?;
        let (lower, upper, log_diagonal) = self.factors();
        let matrix = self.permutation.iter().fold(lower.matmul(upper), |matrix, [ranks, _]| matrix.select(0, ranks.clone()));
        let z = x.matmul(matrix.transpose()) + self.bias.val().unsqueeze();
        Ok((z, same_for_all(rows, log_diagonal)))
    }
}
