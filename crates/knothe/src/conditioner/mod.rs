//! Conditioners θ_j(·): networks that give each coordinate's univariate map its parameters.
//!
//! A conditioner knows nothing of what its outputs mean; [`crate::triangular`] joins the two. Its outputs are
//! `[rows, count, dim]`: parameter `p` of coordinate `j` stands at `[.., p, j]`, and all of them are about 0 at the start.

mod activation;
mod convolution;
mod convolutional;
mod degrees;
mod dense;
mod linear;
mod made;
mod solve;

pub use crate::order::Order;
pub(crate) use crate::order::index;
pub use activation::Activation;
pub use convolution::Convolution;
pub use convolutional::{Convolutional, ConvolutionalConfig};
pub use degrees::Degrees;
pub use dense::{Dense, DenseConfig};
pub use linear::Linear;
pub use made::{Made, MadeConfig};

pub use crate::kernels::{Step, Window};

use burn::tensor::{DType, Tensor};

use crate::{
    error::Result,
    kernels::{FAR, Kernel},
    shape::{check_context_shape, check_input},
};

/// A network that gives what moves of a [`crate::triangular::Coupling`] its parameters.
pub trait Conditioner {
    /// The precision of the weights.
    fn dtype(&self) -> DType;

    /// The parameters of each moving column, `[rows, parameters, moving]`, from the standing ones, `[rows, standing]`.
    fn parameters(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Result<Tensor<3>>;

    /// A map and this conditioner, for an operation that takes several layers at once; none if it can be in none.
    fn step(&self, _kernel: &Kernel, _x: &Tensor<2>, _context: Option<&Tensor<2>>) -> Result<Option<Step>> {
        Ok(None)
    }
}

/// Gain of an output layer: small enough for ten layers of affine maps on [−3, 3] to start within 0.05 of the identity.
pub(crate) const OUTPUT_GAIN: f64 = 0.001;

/// The context that a conditioner of width `context_dim` reads: one row a row of the call in the precision of the weights, and
/// none for width 0.
pub(crate) fn check_context(context: Option<&Tensor<2>>, rows: usize, context_dim: usize, dtype: DType) -> Result<Option<&Tensor<2>>> {
    if context_dim == 0 {
        return Ok(None);
    }
    check_context_shape(context, rows, context_dim)?;
    context.map(|c| check_input("context", c, context_dim, dtype).map(|_| c)).transpose()
}

/// How a network with these hidden layers reads a coordinate: as it is without any, and else c asinh(x/c) with c = 5, which is x at
/// the bulk and grows as log |x| far out. A row far from the others then moves shifts and log-scales by little; read as it is, a layer of a deep flow
/// hands it on amplified, and one row can outweigh all others.
fn read<const D: usize>(x: Tensor<D>, hidden: &[usize]) -> Tensor<D> {
    if hidden.is_empty() {
        return x;
    }
    // A product: the gradient of a quotient by a number has 32 bits in Burn, whatever the tensor has.
    (x * FAR.recip()).asinh() * FAR
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Placement, Precision, values};

    #[test]
    fn the_bulk_is_read_as_it_is_and_what_is_far_as_its_logarithm() {
        let place = Placement::cpu(Precision::F64);
        let both = |x: f64| values(read(place.tensor(vec![x, -x], [2]), &[8]));
        // c asinh(x/c) = x − x³/(6c²) + …, and c log(2x/c) + c³/(4x²) − … far out.
        let near = both(0.1);
        assert!((near[0] - 0.1 + 1e-3 / 150.0).abs() < 1e-8 && near[0] == -near[1], "{near:?}");
        let far = both(1e6);
        assert!((far[0] - FAR * (2e6 / FAR).ln()).abs() < 1e-9 && far[0] == -far[1], "{far:?}");
    }
}
