//! A dense linear map with a free matrix; at every pixel of an image, the invertible 1 × 1 convolution (Kingma & Dhariwal 2018, §3.2).

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use nalgebra::{DMatrix, DVector, Dyn, PermutationSequence};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::same_for_all;
use crate::{
    bijection::{Bijection, Given, check_input},
    error::{Error, Result},
    placement::{Placement, values},
    univariate::BOUND,
};

/// z = W x + b. W starts as a random rotation or mirror, as [`super::Lu::rotated`] does with the same generator.
///
/// log|det W| and W⁻¹ are found from the factors of W on the host in 64 bits, in time dim³: a matrix of channels is small. [`super::Lu`] has them for
/// less, and cannot become singular; a singular W is [`Error::NotInvertible`].
#[derive(Module, Debug)]
pub struct Matrix {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Matrix {
    /// A uniformly random orthogonal W, and b = 0.
    pub fn new(dim: usize, place: &Placement, rng: &mut impl Rng) -> Self {
        let weight = place.tensor_of([dim, dim], || by_rows(&orthogonal(dim, rng)));
        Matrix { weight: Param::from_tensor(weight), bias: Param::from_tensor(place.zeros([dim])) }
    }

    /// W⁻¹ and log|det W|, both with their gradients by W.
    fn inverse_and_log_det(&self, rows: usize) -> Result<(Tensor<2>, Tensor<1>)> {
        let weight = self.weight.val();
        let dim = self.dim();
        let plain = weight.clone().inner();
        let host = DMatrix::from_row_slice(dim, dim, &values(plain.clone()));
        let log_det: f64 = host.clone().lu().u().diagonal().iter().map(|d| d.abs().ln()).sum();
        let inverse = host.try_inverse().filter(|i| log_det.is_finite() && i.iter().all(|v| v.is_finite()));
        let Some(inverse) = inverse else {
            return Err(Error::NotInvertible { what: "a singular matrix".into(), rows: (0..rows).collect() });
        };
        let place = Placement::of(&plain);
        let constant = place.tensor(by_rows(&inverse), [dim, dim]);
        let log_det = place.tensor(vec![log_det], [1]);
        if !weight.is_autodiff() {
            return Ok((constant, log_det));
        }
        // W less itself is 0, and has the gradient of W: ∂ log|det W| = tr(W⁻¹ ∂W) and ∂W⁻¹ = −W⁻¹ ∂W W⁻¹.
        let [constant, plain] = [constant, plain].map(Tensor::from_inner);
        let change = weight - plain;
        let log_det = Tensor::from_inner(log_det) + (constant.clone().transpose() * change.clone()).sum();
        Ok((constant.clone() - constant.clone().matmul(change).matmul(constant), log_det))
    }
}

/// An orthogonal matrix without a preferred direction, whose factors P L U have a positive diagonal.
///
/// Q of a matrix of normal numbers is one up to signs of its rows, and those of U's diagonal are given to them.
pub(super) fn orthogonal(dim: usize, rng: &mut impl Rng) -> DMatrix<f64> {
    loop {
        let normal = DMatrix::from_fn(dim, dim, |_, _| rng.sample::<f64, _>(StandardNormal));
        let mut q = normal.qr().q();
        let (rows, _, upper) = q.clone().lu().unpack();
        for (k, row) in permuted(&rows, dim).into_iter().enumerate() {
            if upper[(k, k)] < 0.0 {
                q.row_mut(row).neg_mut();
            }
        }
        // One that bounded log-scales cannot hold is drawn about never.
        if upper.diagonal().iter().all(|d| d.abs().ln() > -0.95 * BOUND) {
            return q;
        }
    }
}

/// For each row of L U, which row of P L U it is.
pub(super) fn permuted(rows: &PermutationSequence<Dyn>, dim: usize) -> Vec<usize> {
    let mut places = DVector::from_fn(dim, |row, _| row);
    rows.permute_rows(&mut places);
    places.iter().copied().collect()
}

/// The numbers of a matrix in row-major order.
pub(super) fn by_rows(matrix: &DMatrix<f64>) -> Vec<f64> {
    matrix.transpose().iter().copied().collect()
}

impl Bijection for Matrix {
    fn dim(&self) -> usize {
        self.bias.dims()[0]
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.refuse_absent("Matrix")?;
        let rows = check_input("z", &z, self.dim(), self.bias.val().dtype())?;
        let (inverse, log_det) = self.inverse_and_log_det(rows)?;
        Ok(((z - self.bias.val().unsqueeze()).matmul(inverse.transpose()), same_for_all(rows, log_det.neg())))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.refuse_absent("Matrix")?;
        let rows = check_input("x", &x, self.dim(), self.bias.val().dtype())?;
        let (_, log_det) = self.inverse_and_log_det(rows)?;
        Ok((x.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze(), same_for_all(rows, log_det)))
    }
}
