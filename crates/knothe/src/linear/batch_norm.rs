//! Batch normalisation as a bijection (Dinh et al. 2017, §3.7; Papamakarios et al. 2017, appendix B).

use burn::module::{Flag, Module, Param};
use burn::tensor::Tensor;

use super::{assign, constant, moments::Moments, same_for_all};
use crate::{
    bijection::{Batch, Bijection, Given, Mapped, Replay, check_input},
    error::Result,
    placement::Placement,
    univariate::bounded,
};

/// Added to the variance, as in the authors' code.
const EPSILON: f64 = 1e-5;

/// z = e^{b(γ)} (x − m)/√(v + 1e-5) + β, b bounded as in [`crate::univariate::Affine`].
///
/// In training (Burn's `train()`, which is also how a new model starts) m and v are the mean and variance of the batch,
/// and gradients pass through them. In evaluation (`valid()`) they are those of the whole training set, which
/// [`Bijection::collect_statistics`] sets before each validation of a fit. So a density never depends on the other rows of
/// its batch. The forward direction, which has no batch of x, always takes the whole training set's.
///
/// Batch statistics are unweighted, since a map does not see the weights of rows; those of the whole training set are weighted.
/// With weights far from equal the two differ, and [`super::ActNorm`] is the better choice.
#[derive(Module, Debug)]
pub struct BatchNorm {
    raw_scale: Param<Tensor<1>>,
    shift: Param<Tensor<1>>,
    mean: Param<Tensor<1>>,
    variance: Param<Tensor<1>>,
    pub(super) training: Param<Flag>,
}

impl BatchNorm {
    /// γ = β = 0, and the statistics of a standard normal until the data are seen.
    pub fn new(dim: usize, place: &Placement) -> Self {
        BatchNorm {
            raw_scale: Param::from_tensor(place.zeros([dim])),
            shift: Param::from_tensor(place.zeros([dim])),
            mean: constant(place.zeros([dim])),
            variance: constant(place.tensor(vec![1.0; dim], [dim])),
            training: Param::from_bool(true),
        }
    }

    /// log ∂z/∂x of every coordinate.
    fn log_slope(&self, variance: Tensor<1>) -> Tensor<1> {
        bounded(self.raw_scale.val()) - (variance + EPSILON).log() * 0.5
    }
}

impl Bijection for BatchNorm {
    fn dim(&self) -> usize {
        self.shift.dims()[0]
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.refuse_absent("BatchNorm")?;
        let rows = check_input("z", &z, self.dim(), self.shift.val().dtype())?;
        let log_slope = self.log_slope(self.variance.val()).neg();
        let x = (z - self.shift.val().unsqueeze()) * log_slope.clone().exp().unsqueeze() + self.mean.val().unsqueeze();
        Ok((x, same_for_all(rows, log_slope)))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.refuse_absent("BatchNorm")?;
        let rows = check_input("x", &x, self.dim(), self.shift.val().dtype())?;
        let (centred, variance) = if self.training.val().is_enabled() && rows > 0 {
            let centred = x.clone() - x.mean_dim(0);
            let variance = centred.clone().square().mean_dim(0).squeeze_dim(0);
            (centred, variance)
        } else {
            (x - self.mean.val().unsqueeze(), self.variance.val())
        };
        let log_slope = self.log_slope(variance);
        let z = centred * log_slope.clone().exp().unsqueeze() + self.shift.val().unsqueeze();
        Ok((z, same_for_all(rows, log_slope)))
    }

    fn starts_from_data(&self) -> bool {
        true
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        self.collect_statistics(data)
    }

    fn has_statistics(&self) -> bool {
        true
    }

    fn collect_statistics(&mut self, data: &mut dyn Replay) -> Result<()> {
        let whole = |batch: &Batch| batch.given().refuse_absent("BatchNorm").map(|()| batch.clone());
        let moments = Moments::of(&mut Mapped { data, map: whole }, self.dim())?;
        assign(&mut self.mean, moments.mean);
        assign(&mut self.variance, moments.variance);
        Ok(())
    }
}
