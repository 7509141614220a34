//! The law of x = T(z; θ), z from a standard law: any univariate map as a conditional.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::{Conditional, MonotoneMap, Standard, check_theta};
use crate::error::Result;

/// q(x | θ) = p(T⁻¹(x; θ)) ∂T⁻¹/∂x. With [`super::Affine`] and the normal law these are Gaussian conditionals.
#[derive(Clone, Debug)]
pub struct Pushforward {
    /// The law of z.
    pub source: Standard,
    /// The map T. θ holds its parameters.
    pub map: Arc<dyn MonotoneMap>,
}

impl Conditional for Pushforward {
    fn parameters(&self) -> usize {
        self.map.parameters()
    }

    fn log_prob(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        check_theta(&x, &theta, self.parameters())?;
        let (z, ladj) = self.map.inverse(x, theta)?;
        Ok(self.source.log_prob(z) + ladj)
    }

    fn cdf(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        check_theta(&x, &theta, self.parameters())?;
        Ok(self.source.cdf(self.map.inverse(x, theta)?.0))
    }

    fn quantile(&self, u: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        check_theta(&u, &theta, self.parameters())?;
        Ok(self.map.value(self.source.quantile(u), theta)?.0)
    }
}
