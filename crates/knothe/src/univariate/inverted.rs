//! A univariate map with value and inverse swapped.

use burn::tensor::Tensor;

use super::{Kernel, MonotoneMap, Polynomial};
use crate::error::Result;

/// T⁻¹ in the place of T. `Inverted<Affine>` is z = (x − μ)/σ: Gaussian conditionals, whose shift and scale are the mean
/// and the standard deviation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inverted<U>(pub U);

impl<U: MonotoneMap> MonotoneMap for Inverted<U> {
    fn parameters(&self) -> usize {
        self.0.parameters()
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        self.0.inverse(x, theta)
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        self.0.value(y, theta)
    }

    fn kernel(&self) -> Option<Kernel> {
        self.0.inverse_kernel()
    }

    fn inverse_kernel(&self) -> Option<Kernel> {
        self.0.kernel()
    }

    fn polynomial(&self) -> Option<Polynomial> {
        self.0.inverse_polynomial()
    }

    fn inverse_polynomial(&self) -> Option<Polynomial> {
        self.0.polynomial()
    }
}
