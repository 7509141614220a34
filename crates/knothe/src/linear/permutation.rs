//! A fixed permutation of the coordinates, present or absent.

use burn::module::Module;
use burn::tensor::{Int, Tensor};

use crate::{
    bijection::{Bijection, Given, check_dim},
    error::Result,
    order::{Order, index},
    placement::Placement,
};

/// x at `order.columns()[k]` is z_k; ladj 0.
#[derive(Module, Debug)]
pub struct Permutation {
    columns: Tensor<1, Int>,
    ranks: Tensor<1, Int>,
    dim: usize,
}

impl Permutation {
    /// The permutation that carries coordinate k of the source to column `order.columns()[k]` of the data.
    pub fn new(order: &Order, place: &Placement) -> Self {
        Permutation {
            columns: index(order.columns(), &place.device),
            ranks: index(order.inverse().columns(), &place.device),
            dim: order.dim(),
        }
    }
}

impl Bijection for Permutation {
    fn dim(&self) -> usize {
        self.dim
    }

    fn check_absent(&self) -> Result<()> {
        Ok(())
    }

    fn present_forward(&self, present: Tensor<2>) -> Tensor<2> {
        present.select(1, self.ranks.clone())
    }

    fn present_inverse(&self, present: Tensor<2>) -> Tensor<2> {
        present.select(1, self.columns.clone())
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_dim("z", &z, self.dim)?;
        given.check_present(z.dims(), z.dtype())?;
        let ladj = Placement::of(&z).zeros([rows]);
        Ok((z.select(1, self.ranks.clone()), ladj))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_dim("x", &x, self.dim)?;
        given.check_present(x.dims(), x.dtype())?;
        let ladj = Placement::of(&x).zeros([rows]);
        Ok((x.select(1, self.columns.clone()), ladj))
    }
}
