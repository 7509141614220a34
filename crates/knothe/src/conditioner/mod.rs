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
mod multi_index;
mod pixel_cnn;
mod pixel_cnn_solve;
mod pixel_rnn;
mod pixel_rnn_solve;
mod polynomial;
mod solve;
mod wavenet;
mod wavenet_solve;

pub use crate::order::Order;
pub(crate) use crate::order::index;
pub use activation::Activation;
pub use convolution::Convolution;
pub use convolutional::{Convolutional, ConvolutionalConfig};
pub use degrees::Degrees;
pub use dense::{Dense, DenseConfig};
pub use linear::Linear;
pub use made::{Made, MadeConfig};
pub use multi_index::{MultiIndex, degree_of, reduced_margin, total_degree};
pub use pixel_cnn::{PixelCnn, PixelCnnConfig};
pub use pixel_rnn::{PixelRnn, PixelRnnConfig, Recurrence};
pub use polynomial::PolynomialConditioner;
pub use wavenet::{WaveNet, WaveNetConfig};
pub(crate) use wavenet_solve::Stepper;

pub use crate::kernels::{Step, Window};

use burn::tensor::{DType, Tensor};

use crate::{
    error::{Error, Result},
    given::Given,
    kernels::{FAR, Kernel},
    placement::Placement,
    shape::{check_context_shape, check_input},
};

/// The rows of a table that one thread takes through a masked network at once.
pub(crate) const TILE: usize = 512;

/// What a conditioner reads and gives, in numbers of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Columns that it reads, without the context.
    pub inputs: usize,
    /// Columns of the context that it reads; 0 if it reads no context.
    pub context_dim: usize,
    /// Parameters per coordinate.
    pub parameters: usize,
    /// Coordinates that get parameters.
    pub outputs: usize,
}

/// A network θ(x, context) that gives the parameters of univariate maps.
///
/// [`Coupling::of`](crate::triangular::Coupling::of) joins a network of yours to a univariate map: there x are the columns that
/// stand still, and the outputs are the columns that move. An autoregressive map needs an [`AutoregressiveConditioner`] as well.
/// Both check the shape and precision of what they hand to [`Conditioner::parameters`], and of what it returns.
pub trait Conditioner: Sync {
    /// The widths of its two ends.
    fn widths(&self) -> Widths;

    /// The device and precision of the weights: `Placement::of` any of them.
    fn placement(&self) -> Placement;

    /// θ of `[rows, parameters, outputs]` from x of `[rows, inputs]` and `given.context` of `[rows, context_dim]`. A network with
    /// `context_dim` 0 ignores the context.
    ///
    /// All of them should be about 0 for a fresh network, where the univariate maps are about the identity.
    fn parameters(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<3>>;

    /// The precision of the weights.
    fn dtype(&self) -> DType {
        self.placement().dtype()
    }

    /// The same network, for a coupling that reads the columns `reads` and moves the columns `mapped`.
    #[doc(hidden)]
    fn between(self, _reads: &[usize], _mapped: &[usize]) -> Self
    where
        Self: Sized,
    {
        self
    }

    /// A map of this conditioner for fused operations: y_j = T(x_j; θ_j) with θ of x, or, with `solve`, with θ of y. None if it has
    /// no fused form; networks outside of this crate have none.
    #[doc(hidden)]
    fn step(&self, _kernel: Kernel, _solve: bool, _x: &Tensor<2>, _given: &Given) -> Result<Option<Step>> {
        Ok(None)
    }
}

/// A network whose parameters θ_j(x_<j, context) read only the coordinates before j in an order. Its inputs are its outputs.
///
/// [`Autoregressive::of`](crate::triangular::Autoregressive::of) joins a network of yours to a univariate map, and
/// [`AutoregressiveDensity::of`](crate::source::AutoregressiveDensity::of) joins it to a conditional law. The law
/// [`is_triangular`](crate::conformance::is_triangular) of the map says whether the network reads what it should not.
///
/// The file `examples/own_conditioner.rs` is such a network:
///
/// ```
#[doc = include_str!("../../examples/own_conditioner.rs")]
/// ```
// Two traits, since the network of a coupling has no order: none of the columns that it reads gets parameters.
pub trait AutoregressiveConditioner: Conditioner {
    /// The order of the coordinates.
    fn order(&self) -> &Order;

    /// Goes through the coordinates in order: `step(column, θ)` gets the parameters of one coordinate, `[rows, parameters, 1]`,
    /// given the values of those before it, and returns the coordinate's value, `[rows, 1]`. Returns all values, `[rows, dim]`.
    ///
    /// A map that reads its own outputs is inverted and a density is sampled this way, exactly. The default computes the whole
    /// network once per coordinate; a network that can do less ([`Made`] does) computes what is new after each one.
    ///
    /// # Errors
    /// A context whose shape or precision does not fit, another precision of `place`, and whatever `step` returns.
    fn solve(
        &self,
        rows: usize,
        given: &Given,
        place: &Placement,
        step: impl FnMut(usize, Tensor<3>) -> Result<Tensor<2>>,
    ) -> Result<Tensor<2>> {
        by_passes(self, rows, given, place, step)
    }

    /// The rows that one thread takes through [`AutoregressiveConditioner::solve`] at once.
    #[doc(hidden)]
    fn tile(&self) -> usize {
        TILE
    }
}

/// [`AutoregressiveConditioner::solve`] by one pass of the whole network per coordinate.
pub(crate) fn by_passes<C: AutoregressiveConditioner + ?Sized>(
    conditioner: &C,
    rows: usize,
    given: &Given,
    place: &Placement,
    mut step: impl FnMut(usize, Tensor<3>) -> Result<Tensor<2>>,
) -> Result<Tensor<2>> {
    check_placement(place, conditioner.dtype())?;
    let dim = conditioner.order().dim();
    let mut x = place.zeros([rows, dim]);
    if rows == 0 {
        return Ok(x);
    }
    for &column in conditioner.order().columns() {
        let theta = checked_parameters(conditioner, x.clone(), given)?;
        let value = step(column, theta.narrow(2, column, 1))?;
        x = x.slice_assign([0..rows, column..column + 1], value);
    }
    Ok(x)
}

/// [`Conditioner::parameters`] with its arguments and its result checked, for networks that are not ours.
pub(crate) fn checked_parameters<C: Conditioner + ?Sized>(conditioner: &C, x: Tensor<2>, given: &Given) -> Result<Tensor<3>> {
    let Widths { inputs, context_dim, parameters, outputs } = conditioner.widths();
    let dtype = conditioner.dtype();
    let rows = check_input("conditioner input", &x, inputs, dtype)?;
    check_context(given.context, rows, context_dim, dtype)?;
    // Not every operation of Burn takes a batch without rows.
    if rows == 0 {
        return Ok(Placement::of(&x).zeros([0, parameters, outputs]));
    }
    let theta = conditioner.parameters(x, given)?;
    let found = (theta.dims(), theta.dtype());
    if found == ([rows, parameters, outputs], dtype) {
        return Ok(theta);
    }
    Err(Error::shape("parameters of the conditioner", format!("[{rows}, {parameters}, {outputs}] of type {dtype:?}"), found))
}

/// Checks that a network fits what it is joined to.
pub(crate) fn check_widths(conditioner: &impl Conditioner, inputs: usize, parameters: usize, outputs: usize) -> Result<()> {
    let found = conditioner.widths();
    let expected = Widths { inputs, parameters, outputs, ..found };
    if found == expected { Ok(()) } else { Err(Error::shape("conditioner", format!("{expected:?}"), found)) }
}

/// Checks that new tensors have the precision of the weights.
fn check_placement(place: &Placement, dtype: DType) -> Result<()> {
    if place.dtype() == dtype { Ok(()) } else { Err(Error::shape("placement", format!("numbers of type {dtype:?}"), place.dtype())) }
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
