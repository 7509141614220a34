//! Activation normalisation (Kingma & Dhariwal 2018, §3.1): a shift and a scale that start from the data.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::{assign, constant, is_raised, moments::Moments, of_present};
use crate::{
    bijection::{Bijection, Given, Replay, check_input},
    error::Result,
    placement::{Placement, values},
    univariate::bounded,
};

/// x = σ z + t with log σ = s₀ + b(s), t and s trained, b bounded as in [`crate::univariate::Affine`].
///
/// The first [`Bijection::initialise`] sets t and s₀ so that z has mean 0 and variance 1 over the training set; later
/// ones change nothing. A constant coordinate keeps σ = 1. Absent elements of the training set count for nothing.
#[derive(Module, Debug)]
pub struct ActNorm {
    pub(super) shift: Param<Tensor<1>>,
    raw_scale: Param<Tensor<1>>,
    start: Param<Tensor<1>>,
    initialised: Param<Tensor<1>>,
}

impl ActNorm {
    /// The identity, until the data are seen.
    pub fn new(dim: usize, place: &Placement) -> Self {
        ActNorm {
            shift: Param::from_tensor(place.zeros([dim])),
            raw_scale: Param::from_tensor(place.zeros([dim])),
            start: constant(place.zeros([dim])),
            initialised: constant(place.zeros([1])),
        }
    }

    /// The map that standardises each coordinate by the mean and the standard deviation of the training set, and is never trained.
    pub fn standardising(dim: usize, place: &Placement) -> Self {
        ActNorm { shift: constant(place.zeros([dim])), raw_scale: constant(place.zeros([dim])), ..ActNorm::new(dim, place) }
    }

    /// t and σ of each coordinate.
    pub(crate) fn shift_and_scale(&self) -> (Vec<f64>, Vec<f64>) {
        (values(self.shift.val().inner()), values(self.log_scale().inner().exp()))
    }

    fn log_scale(&self) -> Tensor<1> {
        bounded(self.raw_scale.val()) + self.start.val()
    }
}

impl Bijection for ActNorm {
    fn dim(&self) -> usize {
        self.shift.dims()[0]
    }

    fn check_absent(&self) -> Result<()> {
        Ok(())
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_input("z", &z, self.dim(), self.shift.val().dtype())?;
        given.check_present(z.dims(), z.dtype())?;
        let log_scale = self.log_scale();
        let x = z * log_scale.clone().exp().unsqueeze() + self.shift.val().unsqueeze();
        Ok((given.masked(x), of_present(rows, log_scale, given)))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_input("x", &x, self.dim(), self.shift.val().dtype())?;
        given.check_present(x.dims(), x.dtype())?;
        let log_scale = self.log_scale().neg();
        let z = (x - self.shift.val().unsqueeze()) * log_scale.clone().exp().unsqueeze();
        Ok((given.masked(z), of_present(rows, log_scale, given)))
    }

    fn starts_from_data(&self) -> bool {
        true
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        if is_raised(&self.initialised) {
            return Ok(());
        }
        let moments = Moments::of(data, self.dim())?;
        let start = moments.variance.iter().map(|v| if *v > 0.0 { 0.5 * v.ln() } else { 0.0 }).collect();
        assign(&mut self.shift, moments.mean);
        assign(&mut self.start, start);
        assign(&mut self.initialised, vec![1.0]);
        Ok(())
    }
}
