//! T_K ∘ … ∘ T_1: chains of built-in layers and of a user's own, and the layers that hold a chain.

mod partial;
mod pixelwise;

pub use partial::Partial;
pub use pixelwise::Pixelwise;

use std::convert::Infallible;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{DType, Tensor};

use crate::{
    bijection::{Batch, Bijection, Given, Mapped, Replay, Seen, check_dim, check_input},
    conditioner::{Convolutional, PolynomialConditioner},
    error::{Error, Result},
    inverse::Inverse,
    kernels::{Step, run, run_of},
    linear::{ActNorm, BatchNorm, Lu, Matrix, Permutation, Rotation, TriangularAffine},
    placement::{Placement, dtype_of},
    triangular::{Autoregressive, Coupling, Elementwise, Marginals},
};

/// One layer of a chain: a built-in bijection, or [`Layer::Own`] for a bijection of yours.
///
/// Burn's modules cannot be trait objects, so layers are an enum. `U` is the type of the layers that are not built in; a chain
/// with several such types takes an enum of them as its `U`. Without any, `U` is [`Never`]; a layer that goes into no chain says
/// so in its type, `let layer: Layer = …`.
// Burn has no modules behind a Box, and a model has a few layers only.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum Layer<U: Module = Never> {
    /// x_j = T(z_j; θ(z_<j)): sampling in one pass.
    Autoregressive(Autoregressive),
    /// z_j = T(x_j; θ(x_<j)): the density in one pass.
    InverseAutoregressive(Inverse<Autoregressive>),
    /// x_j = T(z_j; θ(z_<j)), where θ are polynomials.
    Polynomial(Autoregressive<PolynomialConditioner>),
    /// z_j = T(x_j; θ(x_<j)), where θ are polynomials.
    InversePolynomial(Inverse<Autoregressive<PolynomialConditioner>>),
    /// x_A = T(z_A; θ(z_P)).
    Coupling(Coupling),
    /// z_A = T(x_A; θ(x_P)).
    InverseCoupling(Inverse<Coupling>),
    /// x_j = T(z_j; θ_j).
    Elementwise(Elementwise),
    /// z_j = Φ⁻¹(F_j(x_j)), from the data.
    Marginals(Marginals),
    /// x_A = T(z_A; θ(z_P)) of images.
    ImageCoupling(Coupling<Convolutional>),
    /// z_A = T(x_A; θ(x_P)) of images.
    InverseImageCoupling(Inverse<Coupling<Convolutional>>),
    /// A bijection of the channels at every pixel.
    Pixelwise(Pixelwise),
    /// A bijection of the first columns.
    Partial(Partial<U>),
    /// A fixed permutation.
    Permutation(Permutation),
    /// z = L U x + b.
    Lu(Lu),
    /// z = W x + b.
    Matrix(Matrix),
    /// x = Q z.
    Rotation(Rotation),
    /// A shift and a scale that start from the data.
    ActNorm(ActNorm),
    /// Batch normalisation.
    BatchNorm(BatchNorm),
    /// x = b + C·context + L z.
    TriangularAffine(TriangularAffine),
    /// A bijection that is not built in.
    Own(U),
}

/// The type of a layer that cannot exist: a chain of `Layer<Never>` has built-in layers only.
// An enum without variants would be simpler, but Burn does not derive `Module` for one.
#[derive(Module, Debug)]
pub struct Never {
    #[module(skip)]
    _never: Infallible,
}

impl Bijection for Never {
    fn dim(&self) -> usize {
        match self._never {}
    }

    fn forward_and_ladj(&self, _: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        match self._never {}
    }

    fn inverse_and_ladj(&self, _: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        match self._never {}
    }
}

/// Whichever bijection a layer is, borrowed as the layer is.
macro_rules! inner {
    ($layer:expr) => {
        match $layer {
            Layer::Autoregressive(b) => b,
            Layer::InverseAutoregressive(b) => b,
            Layer::Polynomial(b) => b,
            Layer::InversePolynomial(b) => b,
            Layer::Coupling(b) => b,
            Layer::InverseCoupling(b) => b,
            Layer::Elementwise(b) => b,
            Layer::Marginals(b) => b,
            Layer::Permutation(b) => b,
            Layer::Lu(b) => b,
            Layer::Matrix(b) => b,
            Layer::ImageCoupling(b) => b,
            Layer::InverseImageCoupling(b) => b,
            Layer::Pixelwise(b) => b,
            Layer::Partial(b) => b,
            Layer::Rotation(b) => b,
            Layer::ActNorm(b) => b,
            Layer::BatchNorm(b) => b,
            Layer::TriangularAffine(b) => b,
            Layer::Own(b) => b,
        }
    };
}

impl<U: Bijection + Module + ModuleDisplay> Layer<U> {
    fn inner(&self) -> &dyn Bijection {
        inner!(self)
    }

    fn inner_mut(&mut self) -> &mut dyn Bijection {
        inner!(self)
    }

    /// This layer, or its inverse, for fused operations; none if it has no kernel.
    fn step(&self, forward: bool, x: &Tensor<2>, given: &Given) -> Result<Option<Step>> {
        match self {
            Layer::Autoregressive(b) => b.step(forward, x, given),
            Layer::InverseAutoregressive(b) => b.inner().step(!forward, x, given),
            Layer::Coupling(b) => b.step(forward, x, given),
            Layer::InverseCoupling(b) => b.inner().step(!forward, x, given),
            _ => Ok(None),
        }
    }

    /// A call of this layer. What goes into a layer that is not built in, and what comes out, is checked: Burn panics where
    /// precisions meet, and a ladj of one number would be added to every row without a word.
    fn checked(
        &self,
        what: &str,
        x: Tensor<2>,
        given: &Given,
        call: impl FnOnce(Tensor<2>) -> Result<(Tensor<2>, Tensor<1>)>,
    ) -> Result<(Tensor<2>, Tensor<1>)> {
        let Layer::Own(own) = self else { return call(x) };
        if given.present.is_some() {
            own.check_absent()?;
        }
        let (dim, dtype) = (own.dim(), dtype_of(own).unwrap_or(x.dtype()));
        let rows = check_input(what, &x, dim, dtype)?;
        if let Some(found) = given.context.map(Tensor::dtype).filter(|found| *found != dtype) {
            return Err(Error::shape("context", format!("numbers of type {dtype:?}"), found));
        }
        let (y, ladj) = call(x)?;
        let (found, of_ladj) = ((y.dims(), y.dtype()), (ladj.dims(), ladj.dtype()));
        if found != ([rows, dim], dtype) {
            return Err(Error::shape("result of an own layer", format!("[{rows}, {dim}] of type {dtype:?}"), found));
        }
        if of_ladj != ([rows], dtype) {
            return Err(Error::shape("ladj of an own layer", format!("[{rows}] of type {dtype:?}"), of_ladj));
        }
        Ok((y, ladj))
    }
}

impl<U: Bijection + Module + ModuleDisplay> Bijection for Layer<U> {
    fn dim(&self) -> usize {
        self.inner().dim()
    }

    fn check_absent(&self) -> Result<()> {
        self.inner().check_absent()
    }

    fn present_forward(&self, present: Tensor<2>) -> Tensor<2> {
        self.inner().present_forward(present)
    }

    fn present_inverse(&self, present: Tensor<2>) -> Tensor<2> {
        self.inner().present_inverse(present)
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.checked("z", z, given, |z| self.inner().forward_and_ladj(z, given))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.checked("x", x, given, |x| self.inner().inverse_and_ladj(x, given))
    }

    fn starts_from_data(&self) -> bool {
        self.inner().starts_from_data()
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        self.inner_mut().initialise(data)
    }

    fn has_statistics(&self) -> bool {
        self.inner().has_statistics()
    }

    fn collect_statistics(&mut self, data: &mut dyn Replay) -> Result<()> {
        self.inner_mut().collect_statistics(data)
    }
}

/// T_K ∘ … ∘ T_1: the first layer is the one next to the source.
#[derive(Module, Debug)]
pub struct Compose<U: Module = Never> {
    layers: Vec<Layer<U>>,
    dim: usize,
}

impl Compose {
    /// A chain of built-in layers over `dim` coordinates, listed from the source to the data. Without a layer it is the identity.
    ///
    /// # Errors
    /// Those of [`Compose::with_own`].
    pub fn new(dim: usize, layers: Vec<Layer>) -> Result<Self> {
        Compose::with_own(dim, layers)
    }
}

impl<U: Bijection + Module + ModuleDisplay> Compose<U> {
    /// A chain of layers of which some are not built in; see [`Bijection`]. Built-in neighbours are still one operation.
    ///
    /// # Errors
    /// [`Error::Shape`] names the first layer whose dim is another, and the first whose parameters have another precision
    /// than those of the layers before it.
    // Not `new`: its callers without an own layer would have to write out the type U.
    pub fn with_own(dim: usize, layers: Vec<Layer<U>>) -> Result<Self> {
        let count = layers.len();
        let mut precision: Option<DType> = None;
        for (k, layer) in layers.iter().enumerate() {
            let name = || format!("layer {} of {count}, counted from the source", k + 1);
            if layer.dim() != dim {
                return Err(Error::shape(name(), format!("dim {dim}"), layer.dim()));
            }
            let own = dtype_of(layer);
            if let (Some(expected), Some(found)) = (precision, own)
                && expected != found
            {
                return Err(Error::shape(name(), format!("parameters of type {expected:?}"), found));
            }
            precision = precision.or(own);
        }
        Ok(Compose { layers, dim })
    }

    /// The layers, from the source to the data.
    pub fn layers(&self) -> &[Layer<U>] {
        &self.layers
    }
}

impl<U: Bijection + Module + ModuleDisplay> Bijection for Compose<U> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn check_absent(&self) -> Result<()> {
        self.layers.iter().try_for_each(Bijection::check_absent)
    }

    fn present_forward(&self, present: Tensor<2>) -> Tensor<2> {
        self.layers.iter().fold(present, |present, layer| layer.present_forward(present))
    }

    fn present_inverse(&self, present: Tensor<2>) -> Tensor<2> {
        self.layers.iter().rev().fold(present, |present, layer| layer.present_inverse(present))
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        check_dim("z", &z, self.dim)?;
        through(&self.layers.iter().collect::<Vec<_>>(), true, z, given)
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        check_dim("x", &x, self.dim)?;
        through(&self.layers.iter().rev().collect::<Vec<_>>(), false, x, given)
    }

    fn starts_from_data(&self) -> bool {
        self.layers.iter().any(Bijection::starts_from_data)
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        self.each_from_the_data(data, Bijection::starts_from_data, |layer, seen| layer.initialise(seen))
    }

    fn has_statistics(&self) -> bool {
        self.layers.iter().any(Bijection::has_statistics)
    }

    fn collect_statistics(&mut self, data: &mut dyn Replay) -> Result<()> {
        self.each_from_the_data(data, Bijection::has_statistics, |layer, seen| layer.collect_statistics(seen))
    }
}

impl<U: Bijection + Module + ModuleDisplay> Compose<U> {
    /// Visits the layers that `need` the data, from the data's side, each with what the layers after it, in evaluation, make of the data.
    fn each_from_the_data(
        &mut self,
        data: &mut dyn Replay,
        need: impl Fn(&Layer<U>) -> bool,
        visit: impl Fn(&mut Layer<U>, &mut dyn Replay) -> Result<()>,
    ) -> Result<()> {
        let Some(last) = self.layers.iter().position(need) else { return Ok(()) };
        if let (true, Some(layer)) = (last + 1 == self.layers.len(), self.layers.last_mut()) {
            // Nothing stands between it and the data, which need no copy then.
            return visit(layer, &mut Mapped { data, map: |batch: &Batch| Ok(batch.clone().inner()) });
        }
        let mut seen = Seen(Vec::new());
        data.each(&mut |batch| {
            seen.0.push(batch.clone().inner());
            Ok(())
        })?;
        for (index, layer) in self.layers.iter_mut().enumerate().skip(last).rev() {
            visit(layer, &mut seen)?;
            if index > last {
                let evaluated = layer.valid();
                for batch in &mut seen.0 {
                    batch.x = evaluated.inverse_and_ladj(batch.x.clone(), &batch.given())?.0;
                    batch.present = batch.present.take().map(|present| evaluated.present_inverse(present));
                }
            }
        }
        Ok(())
    }
}

/// One layer after another, each with the mask in the order of its own coordinates; those that follow one another and have kernels, as one
/// operation.
fn through<U: Bijection + Module + ModuleDisplay>(
    mut layers: &[&Layer<U>],
    forward: bool,
    mut x: Tensor<2>,
    given: &Given,
) -> Result<(Tensor<2>, Tensor<1>)> {
    given.check_present(x.dims(), x.dtype())?;
    let mut total = Placement::of(&x).zeros([x.dims()[0]]);
    let mut present = given.present.cloned();
    while !layers.is_empty() {
        let steps = run_of(layers.iter().map(|layer| layer.step(forward, &x, given)), present.is_some())?;
        let (these, rest) = layers.split_at(steps.len().max(1));
        // What has a kernel leaves each coordinate in its place, and the mask with it.
        if let Some((y, ladj)) = run(&x, steps, present.as_ref()) {
            (x, total) = (y, total + ladj);
        } else {
            for layer in these {
                let given = Given { present: present.as_ref(), ..*given };
                let (y, ladj) = if forward { layer.forward_and_ladj(x, &given)? } else { layer.inverse_and_ladj(x, &given)? };
                (x, total) = (y, total + ladj);
                present = present.map(|present| if forward { layer.present_forward(present) } else { layer.present_inverse(present) });
            }
        }
        layers = rest;
    }
    Ok((x, total))
}
