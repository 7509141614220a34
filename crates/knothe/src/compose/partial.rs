//! A bijection of the first columns, which leaves the others: how a multi-scale flow stays one bijection (Dinh et al. 2017, §3.6).

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

use super::{Compose, Never};
use crate::{
    bijection::{Batch, Bijection, Given, Mapped, Replay, check_dim},
    error::{Error, Result},
};

/// x_A = T(z_A) for the first columns A, and x_B = z_B for the others.
///
/// With a coupling after it, x_B = μ(x_A) + σ(x_A) z_B, what is split off has a learned prior N(μ(x_A), σ(x_A)²) (Kingma & Dhariwal 2018), and
/// the source is still a standard normal of every column.
#[derive(Module, Debug)]
pub struct Partial<U: Module = Never> {
    inner: Compose<U>,
    dim: usize,
}

impl<U: Bijection + Module + ModuleDisplay> Partial<U> {
    /// `inner` on the first of `dim` columns; at least one is left.
    pub fn new(dim: usize, inner: Compose<U>) -> Result<Self> {
        if inner.dim() == 0 || inner.dim() >= dim {
            return Err(Error::shape("inner map", format!("some of {dim} columns, and not all"), inner.dim()));
        }
        Ok(Partial { inner, dim })
    }

    fn apply(&self, x: Tensor<2>, step: impl FnOnce(Tensor<2>) -> Result<(Tensor<2>, Tensor<1>)>) -> Result<(Tensor<2>, Tensor<1>)> {
        let first = self.inner.dim();
        let others = x.clone().narrow(1, first, self.dim - first);
        let (moved, ladj) = step(x.narrow(1, 0, first))?;
        Ok((Tensor::cat(vec![moved, others], 1), ladj))
    }

    /// The first columns of a batch.
    fn first(dim: usize) -> impl Fn(&Batch) -> Result<Batch> {
        move |batch| {
            batch.given().refuse_absent("Partial")?;
            Ok(Batch { x: batch.x.clone().narrow(1, 0, dim), draws: None, ..batch.clone() })
        }
    }
}

impl<U: Bijection + Module + ModuleDisplay> Bijection for Partial<U> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        check_dim("z", &z, self.dim)?;
        given.refuse_absent("Partial")?;
        self.apply(z, |first| self.inner.forward_and_ladj(first, given))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        check_dim("x", &x, self.dim)?;
        given.refuse_absent("Partial")?;
        self.apply(x, |first| self.inner.inverse_and_ladj(first, given))
    }

    fn starts_from_data(&self) -> bool {
        self.inner.starts_from_data()
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        let map = Self::first(self.inner.dim());
        self.inner.initialise(&mut Mapped { data, map })
    }

    fn has_statistics(&self) -> bool {
        self.inner.has_statistics()
    }

    fn collect_statistics(&mut self, data: &mut dyn Replay) -> Result<()> {
        let map = Self::first(self.inner.dim());
        self.inner.collect_statistics(&mut Mapped { data, map })
    }
}
