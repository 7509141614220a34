//! A normal source with a trained mean and covariance.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    bijection::{Given, check_input},
    density::Density,
    error::Result,
    linear::{
        identity,
        substitution::{lower_triangular, solve_lower},
    },
    placement::Placement,
    triangular::sum_coordinates,
    univariate::{Standard, bounded},
};

/// p(z) = N(z; m, L Lᵀ): L lower triangular with diagonal e^{b(d)}, b bounded as in [`crate::univariate::Affine`].
#[derive(Module, Debug)]
pub struct FullNormal {
    mean: Param<Tensor<1>>,
    strict: Param<Tensor<2>>,
    raw_diagonal: Param<Tensor<1>>,
    identity: Tensor<2>,
}

impl FullNormal {
    /// N(0, I) at the start.
    pub fn new(dim: usize, place: &Placement) -> Self {
        FullNormal {
            mean: Param::from_tensor(place.zeros([dim])),
            strict: Param::from_tensor(place.zeros([dim, dim])),
            raw_diagonal: Param::from_tensor(place.zeros([dim])),
            identity: identity(dim, place),
        }
    }

    fn factor(&self) -> (Tensor<2>, Tensor<1>) {
        let log_diagonal = bounded(self.raw_diagonal.val());
        (lower_triangular(self.strict.val(), log_diagonal.clone(), &self.identity), log_diagonal)
    }

    /// L⁻¹(z − m) and log|det L|.
    fn standardise(&self, x: Tensor<2>) -> Result<(Tensor<2>, Tensor<1>)> {
        check_input("z", &x, self.dim(), self.mean.val().dtype())?;
        let (factor, log_diagonal) = self.factor();
        Ok((solve_lower(&factor, x - self.mean.val().unsqueeze()), log_diagonal.sum()))
    }
}

impl Density for FullNormal {
    fn dim(&self) -> usize {
        self.mean.dims()[0]
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        given.refuse_absent("FullNormal")?;
        let (e, log_det) = self.standardise(x)?;
        Ok(sum_coordinates(Standard::Normal.log_prob(e)) - log_det)
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        given.refuse_absent("FullNormal")?;
        let e: Tensor<2> = Placement::of(&self.identity).normal([n, self.dim()], rng);
        Ok(e.matmul(self.factor().0.transpose()) + self.mean.val().unsqueeze())
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        given.refuse_absent("FullNormal")?;
        Ok(Standard::Normal.cdf(self.standardise(x)?.0))
    }
}
