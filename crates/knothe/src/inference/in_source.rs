//! A target in the coordinates of a flow's source.

use burn::{module::Module, tensor::Tensor};

use super::{
    Target,
    target::{gradients_by_tensors, log_density_of, rows_of},
};
use crate::{
    bijection::{Bijection, Given},
    density::Density,
    error::{Error, Result},
    flow::Flow,
    placement::{Placement, Precision, values},
};

/// The target π in the coordinates z of a flow's source: π̃(T(z)) |det ∂T/∂z|. If the flow is close to π, this is close to the source, and easy to draw from.
///
/// ```
/// use knothe::{Placement, Precision, families::Gaussian, inference::{InSource, Target, TensorTarget}, burn::tensor::Tensor};
/// let target = TensorTarget::new(1, |x: Tensor<2>| Ok((x.square() * -0.5).squeeze_dim(1)));
/// let flow = Gaussian::new(1).flow(&Placement::cpu(Precision::F64))?;
/// // The flow is the identity at its start.
/// assert!((InSource::new(&flow, &target)?.log_density(&[2.0])? + 2.0).abs() < 1e-12);
/// # Ok::<(), knothe::Error>(())
/// ```
pub struct InSource<'a, B, T: ?Sized> {
    map: B,
    target: &'a T,
}

impl<'a, B: Bijection + Module + Sync, T: Target + ?Sized> InSource<'a, B, T> {
    /// The target in the coordinates of this flow's source.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of coordinates.
    pub fn new<S: Density + Module>(flow: &Flow<S, B>, target: &'a T) -> Result<Self> {
        if flow.dim() != target.dim() {
            return Err(Error::shape("target", format!("{} coordinates, as the density has", flow.dim()), target.dim()));
        }
        // Gradients by the parameters of the map are not needed.
        Ok(InSource { map: flow.bijection().clone().train().no_grad(), target })
    }

    /// T(z) for rows of z, row-major.
    ///
    /// # Errors
    /// [`Error::Shape`] for numbers that make no whole rows, and those of the map.
    pub fn to_target(&self, z: &[f64]) -> Result<Vec<f64>> {
        Ok(values(self.map.forward_and_ladj(self.tensor(z)?, &Given::default())?.0.inner()))
    }

    fn tensor(&self, z: &[f64]) -> Result<Tensor<2>> {
        let dim = rows_of(self, z)?;
        Ok(Placement::cpu(Precision::F64).autodiff().tensor(z.to_vec(), [z.len() / dim, dim]))
    }

    fn rows(&self, z: Tensor<2>) -> Result<Tensor<1>> {
        let (x, ladj) = self.map.forward_and_ladj(z, &Given::default())?;
        Ok(log_density_of(self.target, x)? + ladj)
    }
}

impl<B: Bijection + Module + Sync, T: Target + ?Sized> Target for InSource<'_, B, T> {
    fn dim(&self) -> usize {
        self.target.dim()
    }

    fn log_density_and_gradient(&self, z: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let (logs, found) = self.log_densities_and_gradients(z)?;
        gradient.copy_from_slice(&found);
        Ok(logs[0])
    }

    fn log_densities_and_gradients(&self, z: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        gradients_by_tensors(self, z, |z| self.rows(z))
    }

    fn log_density(&self, z: &[f64]) -> Result<f64> {
        Ok(self.log_densities(z)?[0])
    }

    fn log_densities(&self, z: &[f64]) -> Result<Vec<f64>> {
        Ok(values(self.rows(self.tensor(z)?)?.inner()))
    }
}
