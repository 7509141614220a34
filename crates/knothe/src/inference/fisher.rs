//! Fits of maps to draws with scores, for samplers that move in the coordinates of a map.

use burn::{module::Module, tensor::Tensor};
use rand::RngExt;

use crate::{
    bijection::{Batch, Bijection},
    density::Density,
    error::{Error, Result},
    fit::Objective,
    flow::Flow,
    placement::Placement,
};

/// Fits a flow q to a target π by the Fisher divergence in the source's coordinates: E ‖Jᵀ (∇ log π − ∇ log q)‖² with J = ∂T/∂z. The expectation is over draws x with scores ∇ log π(x). It is 0 if
/// q is the target, and it does not depend on the scales of the coordinates. The draws need not come from π, so the first draws of a sampler serve (Seyboldt, Carlson and Carpenter 2026,
/// *Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence*, for linear maps).
///
/// Each row of a batch is one of the draws. The norm is estimated along one direction v of random signs: E (v · Jᵀ r)² = ‖Jᵀ r‖², and v · Jᵀ r = u · r with u = J v. There u · ∇ log q is a central
/// difference of log q. The gradient treats J as constant. [`SourceDraws`](super::SourceDraws) gives the batches.
///
/// ```
/// use knothe::{Placement, Precision, families::Gaussian, fit::Fit, inference::{FisherDivergence, SourceDraws}};
/// // Three draws near N(3, 4), whose score is −(x − 3)/4. They determine the Gaussian.
/// let x = vec![1.0, 4.0, 6.0];
/// let scores = x.iter().map(|x| -(x - 3.0) / 4.0).collect();
/// let place = Placement::cpu(Precision::F64);
/// let (flow, batches) = (Gaussian::new(1).flow(&place)?, SourceDraws::new(1, &place));
/// let objective = FisherDivergence::new(1, x, scores)?;
/// let (flow, _) = Fit::new().objective(objective).steps(2000).batch(16).learning_rate(1e-2).run(flow, &batches, &batches)?;
/// let coordinates = knothe::inference::SourceCoordinates::new(&flow);
/// let (x, _) = coordinates.to_target(&[0.0, 1.0])?;
/// assert!((x[0] - 3.0).abs() < 0.01 && (x[1] - 5.0).abs() < 0.01, "{x:?}");
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FisherDivergence {
    robust: bool,
    dim: usize,
    x: Vec<f64>,
    scores: Vec<f64>,
}

impl FisherDivergence {
    /// Draws x and their scores, row-major `[n, dim]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for no draws and for numbers that make no whole rows, and [`Error::NotFinite`] for numbers that are not finite, with the draws.
    pub fn new(dim: usize, x: Vec<f64>, scores: Vec<f64>) -> Result<Self> {
        Error::check_count("coordinates", dim)?;
        if x.is_empty() || !x.len().is_multiple_of(dim) || scores.len() != x.len() {
            return Err(Error::shape("draws and scores", format!("rows of {dim} numbers, as many of both"), [x.len(), scores.len()]));
        }
        let bad = |row: &usize| [&x, &scores].iter().any(|all| all[row * dim..(row + 1) * dim].iter().any(|v| !v.is_finite()));
        let rows: Vec<usize> = (0..x.len() / dim).filter(bad).collect();
        if !rows.is_empty() {
            return Err(Error::NotFinite { what: "draws with their scores".into(), rows });
        }
        Ok(FisherDivergence { robust: false, dim, x, scores })
    }

    /// Minimises E ln(1 + r²) instead of E r². Here r is the residual along v. If the flow can represent the target, the optimum is the same. A few draws with huge residuals, such as
    /// those from the neck of a funnel, do not outweigh all others.
    pub fn robust(self, yes: bool) -> Self {
        FisherDivergence { robust: yes, ..self }
    }

    /// The squared residual of each row, or its robust form, `[rows]`.
    fn squares<S, B>(&self, flow: &Flow<S, B>, batch: &Batch) -> Result<Tensor<1>>
    where
        S: Density + Module,
        B: Bijection + Module,
    {
        if flow.dim() != self.dim {
            return Err(Error::shape("draws", format!("{} coordinates, as the density has", flow.dim()), self.dim));
        }
        if flow.context_dim() > 0 {
            return Err(Error::invalid("density", "one without context", format!("{} context columns", flow.context_dim())));
        }
        let (rows, dim, mut rng) = (batch.x.dims()[0], self.dim, batch.rng());
        let (tracked, place) = (Placement::of(&batch.x), Placement::of(&batch.x.clone().inner()));
        let picked: Vec<usize> = (0..rows).map(|_| rng.random_range(0..self.x.len() / dim)).collect();
        let of = |all: &[f64]| -> Vec<f64> { picked.iter().flat_map(|row| all[row * dim..(row + 1) * dim].to_vec()).collect() };
        let (x, scores) = (place.tensor(of(&self.x), [rows, dim]), tracked.tensor(of(&self.scores), [rows, dim]));
        // Balances the rounding of a difference with its curvature.
        let step = place.precision.epsilon().cbrt();
        let (map, given) = (flow.bijection().clone().valid(), batch.given());
        let z = map.inverse_and_ladj(x.clone(), &given)?.0;
        let v = place.normal::<2>([rows, dim], &mut rng).sign();
        let moved = |by: f64| Ok::<_, Error>(map.forward_and_ladj(z.clone() + v.clone() * by, &given)?.0);
        let u = (moved(step)? - moved(-step)?) / (2.0 * step);
        let [x, u] = [x, u].map(|t| tracked.tensor(crate::placement::values(t), [rows, dim]));
        let along = |by: f64| flow.log_prob(x.clone() + u.clone() * by, &given);
        let slope = (along(step)? - along(-step)?) / (2.0 * step);
        let squares = ((u * scores).sum_dim(1).squeeze_dim::<1>(1) - slope).square();
        Ok(if self.robust { squares.log1p() } else { squares })
    }
}

impl<S: Density + Module, B: Bijection + Module> Objective<Flow<S, B>> for FisherDivergence {
    fn loss(&self, flow: &Flow<S, B>, batch: &Batch) -> Result<Tensor<1>> {
        Ok(self.squares(flow, batch)?.mean())
    }

    fn scores(&self, flow: &Flow<S, B>, batch: &Batch) -> Result<Tensor<1>> {
        Ok(self.squares(flow, batch)?.neg())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        Compose, Layer,
        fit::loss,
        linear::TriangularAffine,
        order::Order,
        placement::{Precision, values},
        source::{Normal, Source},
    };

    /// q = N(0, Σ) and π = N(0, I): J is a Cholesky factor L of Σ, and the residual at x is Lᵀ (−x + Σ⁻¹ x).
    #[test]
    fn the_divergence_of_gaussians_is_exact() {
        let place = Placement::cpu(Precision::F64).autodiff();
        let rows = [1.0, 2.0, -0.5, 1.5, 0.3, -1.0, -0.8, -2.5];
        let mut affine = TriangularAffine::new(&Order::natural(2), 0, &place);
        affine.initialise(&mut crate::bijection::Seen(vec![Batch::new(place.tensor(rows.to_vec(), [4, 2]))])).unwrap();
        let flow =
            Flow::new(Source::Normal(Normal::new(2, &place)), Compose::new(2, vec![Layer::TriangularAffine(affine)]).unwrap(), 0).unwrap();
        let (to, _) = super::super::SourceCoordinates::new(&flow).to_target(&[0.0, 0.0, 1.0, 0.0, 0.0, 1.0]).unwrap();
        let mean = [to[0], to[1]];
        let [a, b, c] = [to[2] - mean[0], to[3] - mean[1], to[5] - mean[1]];
        let x = [0.7, -1.2];
        // z = L⁻¹ (x − mean) with L = [[a, 0], [b, c]]; the residual is Lᵀ s + z with s = −x.
        let z0 = (x[0] - mean[0]) / a;
        let z1 = (x[1] - mean[1] - b * z0) / c;
        let residual = [-(a * x[0] + b * x[1]) + z0, -c * x[1] + z1];
        let objective = FisherDivergence::new(2, x.to_vec(), x.map(|x| -x).to_vec()).unwrap();
        let batch = Batch::new(place.zeros([200, 2]));
        let squares = values(objective.squares(&flow, &batch).unwrap().inner());
        // Along the signs of v it is (r_0 ± r_1)².
        let [sum, difference] = [(residual[0] + residual[1]).powi(2), (residual[0] - residual[1]).powi(2)];
        assert!(squares.iter().all(|s| (s - sum).abs() < 1e-6 || (s - difference).abs() < 1e-6), "{sum} {difference} {:?}", &squares[..4]);
        assert!(squares.iter().any(|s| (s - sum).abs() < 1e-6) && squares.iter().any(|s| (s - difference).abs() < 1e-6));
        let robust = values(objective.clone().robust(true).squares(&flow, &batch).unwrap().inner());
        assert!(robust.iter().zip(&squares).all(|(r, s)| (r - s.ln_1p()).abs() < 1e-12));
        // The loss is their mean, and carries gradients.
        let found = values(loss(&objective, &flow.clone().train(), &batch).unwrap().inner())[0];
        assert!((found - squares.iter().sum::<f64>() / 200.0).abs() < 1e-6, "{found}");
        // T(z) = L z + mean, log|det L| = log a c, and a gradient s becomes Lᵀ s.
        let coordinates = super::super::SourceCoordinates::new(&flow);
        let (z, ladj) = coordinates.to_source(&x).unwrap();
        assert!((z[0] - z0).abs() < 1e-9 && (z[1] - z1).abs() < 1e-9 && (ladj[0] - (a * c).ln()).abs() < 1e-9);
        let pulled = coordinates.pulled_back(&z, &x.map(|x| -x)).unwrap();
        assert!((pulled[0] + a * x[0] + b * x[1]).abs() < 1e-9 && (pulled[1] + c * x[1]).abs() < 1e-9, "{pulled:?}");
    }

    #[test]
    fn draws_and_scores_are_checked() {
        assert!(FisherDivergence::new(2, vec![0.0; 3], vec![0.0; 3]).is_err());
        assert!(FisherDivergence::new(2, vec![0.0; 4], vec![0.0; 2]).is_err());
        assert!(FisherDivergence::new(1, Vec::new(), Vec::new()).is_err());
        let error = FisherDivergence::new(2, vec![0.0; 4], vec![0.0, 0.0, f64::NAN, 0.0]).unwrap_err();
        assert!(matches!(error, Error::NotFinite { rows, .. } if rows == [1]));
    }
}
