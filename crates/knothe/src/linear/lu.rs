//! A dense linear map by its LU factors (Kingma & Dhariwal 2018, §3.2; Oliva et al. 2018), without a permutation of its own.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::{
    identity, same_for_all,
    substitution::{solve_lower, solve_upper},
};
use crate::{
    bijection::{Bijection, Given, check_input},
    error::Result,
    placement::Placement,
    univariate::bounded,
};

/// z = L U x + b: L unit lower triangular, U upper triangular with diagonal e^{b(u)} bounded as the scales of
/// [`crate::univariate::Affine`]. The density takes two products; samples take two substitutions.
#[derive(Module, Debug)]
pub struct Lu {
    /// The strict lower part holds L, the strict upper part U; the diagonal is not read.
    factors: Param<Tensor<2>>,
    raw_diagonal: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    identity: Tensor<2>,
}

impl Lu {
    /// The identity, from which the entries of L and U part at once: each has a gradient of its own.
    pub fn new(dim: usize, place: &Placement) -> Self {
        Lu {
            factors: Param::from_tensor(place.zeros([dim, dim])),
            raw_diagonal: Param::from_tensor(place.zeros([dim])),
            bias: Param::from_tensor(place.zeros([dim])),
            identity: identity(dim, place),
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

    fn forward_and_ladj(&self, z: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_input("z", &z, self.dim(), self.bias.val().dtype())?;
        let (lower, upper, log_diagonal) = self.factors();
        let x = solve_upper(&upper, solve_lower(&lower, z - self.bias.val().unsqueeze()));
        Ok((x, same_for_all(rows, log_diagonal.neg())))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_input("x", &x, self.dim(), self.bias.val().dtype())?;
        let (lower, upper, log_diagonal) = self.factors();
        let z = x.matmul(lower.matmul(upper).transpose()) + self.bias.val().unsqueeze();
        Ok((z, same_for_all(rows, log_diagonal)))
    }
}
