//! Laplace's approximation of a target: the normal law at its mode.

use std::cell::{Cell, RefCell};

use argmin::{
    core::{CostFunction, Error as SolverError, Executor, Gradient, IterState},
    solver::{linesearch::MoreThuenteLineSearch, quasinewton::LBFGS},
};
use nalgebra::{DMatrix, SymmetricEigen};

use super::Target;

/// Iterations of a search for the mode, the steps that it remembers, and the change of log π̃ at which it ends.
const ITERATIONS: u64 = 200;
const MEMORY: usize = 20;
const PRECISE: f64 = 1e-8;
/// The step of the central differences of the gradient.
const STEP: f64 = 1e-4;
/// The least curvature, which bounds the standard deviations by 10.
const LEAST_CURVATURE: f64 = 1e-2;

/// How often the search begins again from the best point so far, with smaller steps, after a step led to where there is no density.
const RESTARTS: usize = 6;
/// The factor by which steps become smaller then.
const SHORTER: f64 = 0.1;

/// −log π̃ times a scale for the solver, whose first step is the negative gradient.
struct Problem<'a, T: ?Sized> {
    target: &'a T,
    scale: Cell<f64>,
    /// The lowest value so far, and where it is.
    best: RefCell<(f64, Vec<f64>)>,
}

impl<T: Target + ?Sized> Problem<'_, T> {
    /// −log π̃ and its gradient. None where one is not finite.
    fn at(&self, x: &[f64]) -> Option<(f64, Vec<f64>)> {
        let mut gradient = vec![0.0; x.len()];
        let value = -self.target.log_density_and_gradient(x, &mut gradient).ok()?;
        if !value.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
            return None;
        }
        if value < self.best.borrow().0 {
            *self.best.borrow_mut() = (value, x.to_vec());
        }
        Some((value, gradient.into_iter().map(|g| -g).collect()))
    }
}

impl<T: Target + ?Sized> CostFunction for &Problem<'_, T> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, x: &Vec<f64>) -> Result<f64, SolverError> {
        let (value, _) = self.at(x).ok_or_else(|| SolverError::msg("no density"))?;
        Ok(self.scale.get() * value)
    }
}

impl<T: Target + ?Sized> Gradient for &Problem<'_, T> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, x: &Vec<f64>) -> Result<Vec<f64>, SolverError> {
        let (_, gradient) = self.at(x).ok_or_else(|| SolverError::msg("no density"))?;
        Ok(gradient.into_iter().map(|g| self.scale.get() * g).collect())
    }
}

/// Rows of the normal law with the mode of the target as its mean and the inverse of the curvature there as its covariance, made from rows z of the standard normal law. The search for the mode starts
/// at `start`. None if there is no density at the start.
pub(super) fn laplace(target: &(impl Target + ?Sized), start: &[f64], z: &[f64]) -> Option<Vec<f64>> {
    let dim = start.len();
    let problem = Problem { target, scale: Cell::new(1.0), best: RefCell::new((f64::INFINITY, start.to_vec())) };
    let (_, gradient) = problem.at(start)?;
    problem.scale.set(gradient.iter().map(|g| g * g).sum::<f64>().sqrt().max(1.0).recip());
    for _ in 0..=RESTARTS {
        let from = problem.best.borrow().1.clone();
        let solver = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY).with_tolerance_cost(PRECISE * problem.scale.get()).ok()?;
        let configured = |state: IterState<Vec<f64>, Vec<f64>, (), (), (), f64>| state.param(from).max_iters(ITERATIONS);
        if Executor::new(&problem, solver).configure(configured).ctrlc(false).run().is_ok() {
            break;
        }
        problem.scale.set(problem.scale.get() * SHORTER);
    }
    let mode = problem.best.borrow().1.clone();
    let mut curvature = DMatrix::zeros(dim, dim);
    for j in 0..dim {
        let at = |by: f64| {
            let mut x = mode.clone();
            x[j] += by;
            problem.at(&x)
        };
        let ((_, above), (_, below)) = (at(STEP)?, at(-STEP)?);
        for k in 0..dim {
            curvature[(j, k)] = (above[k] - below[k]) / (2.0 * STEP);
        }
    }
    let symmetric = (&curvature + curvature.transpose()) * 0.5;
    let SymmetricEigen { eigenvectors, eigenvalues } = SymmetricEigen::new(symmetric);
    let deviations = eigenvalues.map(|value| value.max(LEAST_CURVATURE).sqrt().recip());
    let factor = eigenvectors * DMatrix::from_diagonal(&deviations);
    Some(
        z.chunks_exact(dim)
            .flat_map(|z| (0..dim).map(|j| mode[j] + (0..dim).map(|k| factor[(j, k)] * z[k]).sum::<f64>()).collect::<Vec<_>>())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use burn::tensor::Tensor;

    use super::*;
    use crate::inference::TensorTarget;

    #[test]
    fn the_mode_and_the_curvature_of_a_normal_law() {
        // −½ (x − 3)² / 0.25 − ½ (y − x)²: mode (3, 3); the curvature [[5, −1], [−1, 1]] has the inverse [[¼, ¼], [¼, 5/4]].
        let target = TensorTarget::new(2, |v: Tensor<2>| {
            let (x, y) = (v.clone().narrow(1, 0, 1), v.narrow(1, 1, 1));
            Ok((((x.clone() - 3.0).square() * 4.0 + (y - x).square()) * -0.5).squeeze_dim(1))
        });
        let rows = laplace(&target, &[0.0, 0.0], &[0.0, 0.0, 1.0, 0.0, 0.0, 1.0]).unwrap();
        assert!((rows[0] - 3.0).abs() < 1e-4 && (rows[1] - 3.0).abs() < 1e-4, "{rows:?}");
        let moved = |row: usize, j: usize| rows[2 * row + j] - rows[j];
        let covariance = |i: usize, j: usize| (1..3).map(|row| moved(row, i) * moved(row, j)).sum::<f64>();
        for (i, j, expected) in [(0, 0, 0.25), (0, 1, 0.25), (1, 1, 1.25)] {
            assert!((covariance(i, j) - expected).abs() < 1e-4, "{i}, {j}: {}", covariance(i, j));
        }
        // A target without density at the start has no mode to find.
        let none = TensorTarget::new(1, |v: Tensor<2>| Ok((v * f64::NEG_INFINITY).squeeze_dim(1)));
        assert!(laplace(&none, &[1.0], &[0.0]).is_none());
    }
}
