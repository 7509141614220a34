//! A rotation as a product of Householder reflections (Tomczak & Welling 2016).

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::identity;
use crate::{
    bijection::{Bijection, Given, check_input},
    error::{Error, Result},
    placement::Placement,
};

/// Where the reflections of a [`Rotation`] start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationStart {
    /// Random pairs of equal vectors, whose reflections undo each other.
    #[default]
    Identity,
    /// Independent random vectors; with at least `dim` of them, a rotation without a preferred direction.
    Random,
}

/// x = Q z with Q = H₁ H₂ … H_n, H_i = I − 2 v_i v_iᵀ/|v_i|², and ladj 0. An even number of reflections has det Q = 1.
#[derive(Module, Debug)]
pub struct Rotation {
    vectors: Param<Tensor<2>>,
    identity: Tensor<2>,
}

impl Rotation {
    /// A rotation of `dim` coordinates by `reflections` reflections.
    ///
    /// # Errors
    /// [`Error::Invalid`] where `reflections` is odd, which would be a mirror, or zero.
    pub fn new(dim: usize, reflections: usize, start: RotationStart, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        if reflections == 0 || reflections % 2 == 1 {
            return Err(Error::invalid("reflections", "an even number, at least 2", reflections));
        }
        let vectors = match start {
            RotationStart::Random => place.normal([reflections, dim], rng),
            RotationStart::Identity => {
                let half: Tensor<2> = place.normal([reflections / 2, dim], rng);
                half.unsqueeze_dim::<3>(1).expand([reflections / 2, 2, dim]).reshape([reflections, dim])
            }
        };
        Ok(Rotation { vectors: Param::from_tensor(vectors), identity: identity(dim, place) })
    }

    /// Qᵀ = H_n … H₁.
    fn transposed(&self) -> Tensor<2> {
        let vectors = self.vectors.val();
        let count = vectors.dims()[0];
        let unit = vectors.clone() / vectors.square().sum_dim(1).sqrt();
        let mut q = self.identity.clone();
        for i in 0..count {
            let v = unit.clone().narrow(0, i, 1);
            q = q.clone() - v.clone().transpose().matmul(v.matmul(q)) * 2.0;
        }
        q
    }
}

impl Bijection for Rotation {
    fn dim(&self) -> usize {
        self.vectors.dims()[1]
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.refuse_absent("Rotation")?;
        let rows = check_input("z", &z, self.dim(), self.vectors.val().dtype())?;
        let ladj = Placement::of(&z).zeros([rows]);
        Ok((z.matmul(self.transposed()), ladj))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.refuse_absent("Rotation")?;
        let rows = check_input("x", &x, self.dim(), self.vectors.val().dtype())?;
        let ladj = Placement::of(&x).zeros([rows]);
        Ok((x.matmul(self.transposed().transpose()), ladj))
    }
}
