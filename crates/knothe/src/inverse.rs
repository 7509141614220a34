//! T⁻¹ as a bijection.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::{
    bijection::{Bijection, Given, Replay},
    error::Result,
};

/// The inverse of a bijection: its forward is the other's inverse.
#[derive(Module, Debug)]
pub struct Inverse<B: Module> {
    inner: B,
}

impl<B: Bijection + Module> Inverse<B> {
    /// The inverse of `inner`.
    pub fn of(inner: B) -> Self {
        Inverse { inner }
    }

    /// What this is the inverse of.
    pub fn inner(&self) -> &B {
        &self.inner
    }
}

impl<B: Bijection + Module> Bijection for Inverse<B> {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.inner.inverse_and_ladj(z, given)
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.inner.forward_and_ladj(x, given)
    }

    fn check_absent(&self) -> Result<()> {
        self.inner.check_absent()
    }

    fn present_forward(&self, present: Tensor<2>) -> Tensor<2> {
        self.inner.present_inverse(present)
    }

    fn present_inverse(&self, present: Tensor<2>) -> Tensor<2> {
        self.inner.present_forward(present)
    }

    fn starts_from_data(&self) -> bool {
        self.inner.starts_from_data()
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        self.inner.initialise(data)
    }

    fn has_statistics(&self) -> bool {
        self.inner.has_statistics()
    }

    fn collect_statistics(&mut self, data: &mut dyn Replay) -> Result<()> {
        self.inner.collect_statistics(data)
    }
}
