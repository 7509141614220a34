//! The coordinates of a flow's source, and a target in them.

use burn::{module::Module, tensor::Tensor};

use super::{
    Target,
    target::{gradients_by_tensors, log_density_of},
};
use crate::{
    bijection::{Bijection, Given},
    density::Density,
    error::{Error, Result},
    flow::Flow,
    placement::{Placement, Precision, values},
};

/// The coordinates z of a flow's source, for samplers that move there. Converts positions and gradients by the flow's map T. Rows are row-major. The flow has 64-bit numbers on the CPU.
///
/// ```
/// use knothe::{Placement, Precision, families::Gaussian, inference::SourceCoordinates};
/// let flow = Gaussian::new(1).flow(&Placement::cpu(Precision::F64))?;
/// let coordinates = SourceCoordinates::new(&flow);
/// // The flow is the identity at its start.
/// let (z, ladj) = coordinates.to_source(&[2.0])?;
/// assert!((z[0] - 2.0).abs() < 1e-12 && ladj[0].abs() < 1e-12);
/// assert!((coordinates.pulled_back(&z, &[-2.0])?[0] + 2.0).abs() < 1e-12);
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SourceCoordinates<B> {
    map: B,
}

impl<B: Bijection + Module> SourceCoordinates<B> {
    /// The coordinates of this flow's source.
    pub fn new<S: Density + Module>(flow: &Flow<S, B>) -> Self {
        // Gradients by the parameters of the map are not needed.
        SourceCoordinates { map: flow.bijection().clone().train().no_grad() }
    }

    /// z = T⁻¹(x), and log|det ∂T/∂z| there.
    ///
    /// # Errors
    /// [`Error::Shape`] for numbers that make no whole rows, and those of the map.
    pub fn to_source(&self, x: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (z, ladj) = self.map.inverse_and_ladj(self.tensor("x", x)?, &Given::default())?;
        Ok((values(z.inner()), values(ladj.inner().neg())))
    }

    /// x = T(z), and log|det ∂T/∂z|.
    ///
    /// # Errors
    /// Those of [`SourceCoordinates::to_source`].
    pub fn to_target(&self, z: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (x, ladj) = self.map.forward_and_ladj(self.tensor("z", z)?, &Given::default())?;
        Ok((values(x.inner()), values(ladj.inner())))
    }

    /// The gradient by z of log π̃(T(z)) + log|det ∂T/∂z|, which is Jᵀ s + ∇ log|det J| with J = ∂T/∂z, for the scores s = ∇ log π̃(x) at x = T(z).
    ///
    /// # Errors
    /// Those of [`SourceCoordinates::to_source`], and [`Error::Shape`] for another number of scores.
    pub fn pulled_back(&self, z: &[f64], scores: &[f64]) -> Result<Vec<f64>> {
        if scores.len() != z.len() {
            return Err(Error::shape("scores", format!("{} numbers, as many as coordinates", z.len()), scores.len()));
        }
        let (z, scores) = (self.tensor("z", z)?.require_grad(), self.tensor("scores", scores)?);
        let (x, ladj) = self.map.forward_and_ladj(z.clone(), &Given::default())?;
        let gradients = ((x * scores).sum() + ladj.sum()).backward();
        Ok(z.grad(&gradients).map_or_else(|| vec![0.0; z.shape().num_elements()], values))
    }

    fn tensor(&self, what: &str, rows: &[f64]) -> Result<Tensor<2>> {
        let dim = self.map.dim();
        if !rows.len().is_multiple_of(dim) {
            return Err(Error::shape(what, format!("rows of {dim} numbers"), rows.len()));
        }
        Ok(Placement::cpu(Precision::F64).autodiff().tensor(rows.to_vec(), [rows.len() / dim, dim]))
    }
}

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
    coordinates: SourceCoordinates<B>,
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
        Ok(InSource { coordinates: SourceCoordinates::new(flow), target })
    }

    /// T(z) for rows of z, row-major.
    ///
    /// # Errors
    /// [`Error::Shape`] for numbers that make no whole rows, and those of the map.
    pub fn to_target(&self, z: &[f64]) -> Result<Vec<f64>> {
        Ok(self.coordinates.to_target(z)?.0)
    }

    fn rows(&self, z: Tensor<2>) -> Result<Tensor<1>> {
        let (x, ladj) = self.coordinates.map.forward_and_ladj(z, &Given::default())?;
        Ok(log_density_of(self.target, x)? + ladj)
    }
}

impl<B: Bijection + Module + Sync, T: Target + ?Sized> Target for InSource<'_, B, T> {
    fn name(&self) -> String {
        self.target.name()
    }

    fn first_message(&self) -> Option<String> {
        self.target.first_message()
    }

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
        Ok(values(self.rows(self.coordinates.tensor("z", z)?)?.inner()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        families::Nsf,
        fit::Fit,
        inference::{ReverseKl, SourceDraws, TensorTarget},
    };

    /// Of a map that is not affine.
    #[test]
    fn a_gradient_that_is_pulled_back_is_that_of_the_target_in_the_source() {
        let place = Placement::cpu(Precision::F64);
        let target = TensorTarget::new(2, |x: Tensor<2>| Ok(((x - 0.7).square() * -0.8).sum_dim(1).squeeze_dim(1)));
        // The start of a spline flow is the identity.
        let (flow, draws) = (Nsf::new(2).layers(2).hidden([8]).seed(3).flow(&place).unwrap(), SourceDraws::new(2, &place));
        let fit = Fit::new().objective(ReverseKl(&target)).steps(20).batch(16).learning_rate(0.03);
        let (flow, _) = fit.run(flow, &draws, &draws).unwrap();
        let coordinates = SourceCoordinates::new(&flow);
        let z = [0.4, -1.1, 1.3, 0.2];
        let (x, ladj) = coordinates.to_target(&z).unwrap();
        let (back, same) = coordinates.to_source(&x).unwrap();
        assert!(z.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-8), "{back:?}");
        assert!(ladj.iter().zip(&same).all(|(a, b)| (a - b).abs() < 1e-8) && ladj.iter().all(|l| l.abs() > 1e-3), "{ladj:?} {same:?}");
        let (_, scores) = target.log_densities_and_gradients(&x).unwrap();
        let (_, expected) = InSource::new(&flow, &target).unwrap().log_densities_and_gradients(&z).unwrap();
        let found = coordinates.pulled_back(&z, &scores).unwrap();
        assert!(expected.iter().zip(&found).all(|(e, f)| (e - f).abs() < 1e-10 * (1.0 + e.abs())), "{expected:?} {found:?}");
    }
}
