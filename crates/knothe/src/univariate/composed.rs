//! One univariate map after another.

use burn::tensor::Tensor;

use super::{Kernel, MonotoneMap, check_theta};
use crate::error::Result;

/// T(x; θ) = T₂(T₁(x; θ₁); θ₂), the parameters of the first before those of the second.
///
/// `Composed(Inverted(Affine::default()), Spline::default())` is z = S((x − μ)/σ): a spline that moves and scales with what it is
/// conditioned on, where a [`super::Spline`] alone leaves everything outside [−B, B] in its place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Composed<A, B>(pub A, pub B);

impl<A: MonotoneMap, B: MonotoneMap> Composed<A, B> {
    fn split(&self, x: &Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<3>, Tensor<3>)> {
        check_theta(x, &theta, self.parameters())?;
        let (first, second) = (self.0.parameters(), self.1.parameters());
        Ok((theta.clone().narrow(1, 0, first), theta.narrow(1, first, second)))
    }
}

impl<A: MonotoneMap, B: MonotoneMap> MonotoneMap for Composed<A, B> {
    fn parameters(&self) -> usize {
        self.0.parameters() + self.1.parameters()
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        let (first, second) = self.split(&x, theta)?;
        let (u, inner) = self.0.value(x, first)?;
        let (y, outer) = self.1.value(u, second)?;
        Ok((y, inner + outer))
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        let (first, second) = self.split(&y, theta)?;
        let (u, outer) = self.1.inverse(y, second)?;
        let (x, inner) = self.0.inverse(u, first)?;
        Ok((x, inner + outer))
    }

    fn kernel(&self) -> Option<Kernel> {
        Some(self.0.kernel()?.then(self.0.parameters(), self.1.kernel()?))
    }

    fn inverse_kernel(&self) -> Option<Kernel> {
        Some(self.0.inverse_kernel()?.after(self.0.parameters(), self.1.inverse_kernel()?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        kernels::{agree, value},
        placement::Precision,
        univariate::{Affine, Inverted, Spline},
    };

    /// A kernel, and its number of parameters.
    #[derive(Debug)]
    struct Fused(Kernel, usize);

    impl MonotoneMap for Fused {
        fn parameters(&self) -> usize {
            self.1
        }

        fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
            Ok(value(&self.0, &x, &theta).unwrap())
        }

        fn inverse(&self, y: Tensor<2>, _: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
            Ok((y.clone(), y))
        }
    }

    #[test]
    fn the_kernels_are_one_map_after_the_other() {
        let map = Composed(Inverted(Affine::default()), Spline { bins: 4, bound: 2.0 });
        let [kernel, inverse] = [map.kernel(), map.inverse_kernel()].map(|kernel| Fused(kernel.unwrap(), map.parameters()));
        // One of the maps is made of tensor operations in the composed form, and narrow bins magnify its rounding.
        for (precision, tolerance) in [(Precision::F64, 1e-11), (Precision::F32, 1e-3)] {
            agree(|x, theta| map.value(x, theta), &kernel, precision, 2.0, tolerance);
            agree(|y, theta| map.inverse(y, theta), &inverse, precision, 2.0, tolerance);
        }
    }
}
