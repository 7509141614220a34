//! Laplace's approximations of a target: the normal distributions at its modes.

use std::cell::{Cell, RefCell};

use argmin::{
    core::{CostFunction, Error as SolverError, Executor, Gradient, IterState},
    solver::{linesearch::MoreThuenteLineSearch, quasinewton::LBFGS},
};
use nalgebra::{DMatrix, DVector, SymmetricEigen};

use super::Target;

/// Iterations of a search for the mode, the steps that it remembers, and the change of log π̃ at which it ends.
const ITERATIONS: u64 = 200;
const MEMORY: usize = 20;
const PRECISE: f64 = 1e-8;
/// The step of the central differences of the gradient.
const STEP: f64 = 1e-4;
/// The minimum curvature, which bounds the standard deviations by 10.
const LEAST_CURVATURE: f64 = 1e-2;

/// The distance, in standard deviations, beyond which two modes are two.
const APART: f64 = 1.0;
/// The norm of the gradient, in standard deviations, below which a search has ended at a mode.
const SETTLED: f64 = 0.05;

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

/// Laplace's approximation of a target: the normal distribution with a mode of the target as its mean, and the inverse of the curvature there as its covariance.
pub(super) struct Laplace {
    mode: Vec<f64>,
    /// The covariance is F Fᵀ.
    factor: DMatrix<f64>,
    /// The logarithm of the mass of π̃ that the approximation gives the mode.
    log_mass: f64,
    /// Whether the search ended at a maximum. Some targets rise without an end.
    settled: bool,
}

impl Laplace {
    /// The approximations at the modes that searches from rows of `starts` find, each mode once, from the largest mass to the smallest. Searches that did not end at a mode come last.
    ///
    /// Nothing new is tried once `is_spent`.
    pub(super) fn all(target: &(impl Target + ?Sized), starts: &[f64], is_spent: impl Fn() -> bool) -> Vec<Self> {
        let starts = starts.chunks_exact(target.dim()).take_while(|_| !is_spent());
        let mut found: Vec<Laplace> = starts.filter_map(|start| Laplace::from(target, start)).collect();
        found.sort_by(|a, b| b.settled.cmp(&a.settled).then(b.log_mass.total_cmp(&a.log_mass)));
        let mut distinct: Vec<Laplace> = Vec::new();
        for one in found {
            // A narrow mode within a wide one is another one.
            if distinct.iter().all(|known| known.distance(&one.mode).max(one.distance(&known.mode)) > APART) {
                distinct.push(one);
            }
        }
        distinct
    }

    /// The approximation at the mode that a search from `start` finds. None if there is no density at the start.
    fn from(target: &(impl Target + ?Sized), start: &[f64]) -> Option<Self> {
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
        let mut mode = problem.best.borrow().1.clone();
        let (mut value, gradient) = problem.at(&mode)?;
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
        let mut left = factor.transpose() * DVector::from_vec(gradient);
        // A step of Newton's method finds the digits that the search leaves.
        let step = &factor * &left;
        let stepped: Vec<f64> = mode.iter().zip(step.iter()).map(|(x, step)| x - step).collect();
        if let Some((there, gradient)) = problem.at(&stepped) {
            let after = factor.transpose() * DVector::from_vec(gradient);
            if there <= value + PRECISE && after.norm() < left.norm() {
                (mode, value, left) = (stepped, there, after);
            }
        }
        let log_mass = -value + eigenvalues.iter().map(|v| 0.5 * (std::f64::consts::TAU / v.max(f64::MIN_POSITIVE)).ln()).sum::<f64>();
        // A plateau that rises slowly has no mode.
        let moved = |k: usize, by: f64| (0..dim).map(|j| mode[j] + by * factor[(j, k)]).collect::<Vec<f64>>();
        let falls = (0..dim).all(|k| [-1.0, 1.0].into_iter().all(|by| problem.at(&moved(k, by)).is_none_or(|(there, _)| there > value)));
        let settled = left.norm() < SETTLED && eigenvalues.iter().all(|value| *value > 0.0) && falls;
        Some(Laplace { mode, factor, log_mass, settled })
    }

    /// The mean, and a factor F of the covariance F Fᵀ.
    pub(super) fn gaussian(&self) -> (&[f64], &DMatrix<f64>) {
        (&self.mode, &self.factor)
    }

    /// The mode, unless the search ended elsewhere.
    pub(super) fn mode(&self) -> Option<Mode> {
        self.settled.then(|| Mode { at: self.mode.clone(), log_mass: self.log_mass })
    }

    /// How far a point is from the mode, in standard deviations.
    fn distance(&self, x: &[f64]) -> f64 {
        let moved = DVector::from_iterator(x.len(), x.iter().zip(&self.mode).map(|(x, mode)| x - mode));
        self.factor.clone().lu().solve(&moved).map_or(f64::INFINITY, |z| z.norm())
    }
}

/// A mode of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    /// Where the log density is highest.
    pub at: Vec<f64>,
    /// log ∫ π̃ around the mode by Laplace's approximation: log π̃(mode) + (d/2) log 2π − ½ log det(−∇² log π̃).
    pub log_mass: f64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use burn::tensor::Tensor;

    use super::*;
    use crate::inference::TensorTarget;

    #[test]
    fn the_mode_and_the_curvature_of_a_normal_distribution() {
        // −½ (x − 3)² / 0.25 − ½ (y − x)²: mode (3, 3); the curvature [[5, −1], [−1, 1]] has the inverse [[¼, ¼], [¼, 5/4]].
        let target = TensorTarget::new(2, |v: Tensor<2>| {
            let (x, y) = (v.clone().narrow(1, 0, 1), v.narrow(1, 1, 1));
            Ok((((x.clone() - 3.0).square() * 4.0 + (y - x).square()) * -0.5).squeeze_dim(1))
        });
        let found = Laplace::all(&target, &[0.0, 0.0, 5.0, -5.0], || false);
        assert_eq!(found.len(), 1);
        // The mass is 2π · 0.5.
        assert!((found[0].mode().unwrap().log_mass - std::f64::consts::PI.ln()).abs() < 1e-4);
        let (mean, factor) = found[0].gaussian();
        assert!((mean[0] - 3.0).abs() < 1e-4 && (mean[1] - 3.0).abs() < 1e-4, "{mean:?}");
        let covariance = factor * factor.transpose();
        for (i, j, expected) in [(0, 0, 0.25), (0, 1, 0.25), (1, 1, 1.25)] {
            assert!((covariance[(i, j)] - expected).abs() < 1e-4, "{covariance}");
        }
        // A target without density at the start has no mode to find.
        let none = TensorTarget::new(1, |v: Tensor<2>| Ok((v * f64::NEG_INFINITY).squeeze_dim(1)));
        assert!(Laplace::all(&none, &[1.0], || false).is_empty());
        assert!(Laplace::all(&target, &[0.0, 0.0], || true).is_empty());
    }

    /// Modes at −4 and 4 with masses 1 and 3 times √(2π); a target that rises without an end has none.
    #[test]
    fn every_mode_is_found_once_and_the_largest_first() {
        let target = TensorTarget::new(1, |x: Tensor<2>| {
            let bump = |at: f64, mass: f64| ((x.clone() - at).square() * -0.5).exp() * mass;
            Ok((bump(-4.0, 1.0) + bump(4.0, 3.0)).log().squeeze_dim(1))
        });
        let modes: Vec<Mode> = Laplace::all(&target, &[-3.0, -5.0, 3.0, 4.5], || false).iter().map(|one| one.mode().unwrap()).collect();
        assert_eq!(modes.len(), 2, "{modes:?}");
        for (mode, (at, mass)) in modes.iter().zip([(4.0, 3.0_f64), (-4.0, 1.0)]) {
            assert!(
                (mode.at[0] - at).abs() < 1e-3 && (mode.log_mass - mass.ln() - 0.5 * std::f64::consts::TAU.ln()).abs() < 1e-3,
                "{mode:?}"
            );
        }
        let slope = TensorTarget::new(1, |x: Tensor<2>| Ok(x.squeeze_dim(1)));
        let found = Laplace::all(&slope, &[0.0], || false);
        assert!(found.len() == 1 && found[0].mode().is_none());
        // A wide mode is one, and a narrow one within it is another.
        let wide = TensorTarget::new(1, |x: Tensor<2>| {
            let spike = ((x.clone() - 30.0).square() * -5e3).exp() * 2.0;
            Ok(((x.square() * -2e-4).exp() + spike).log().squeeze_dim(1))
        });
        let modes: Vec<Mode> = Laplace::all(&wide, &[1.0, 30.005], || false).iter().filter_map(Laplace::mode).collect();
        assert!(modes.len() == 2 && modes[0].at[0].abs() < 1e-2 && (modes[1].at[0] - 30.0).abs() < 1e-3, "{modes:?}");
        assert!((modes[0].log_mass - 0.5 * (std::f64::consts::TAU / 4e-4).ln()).abs() < 1e-3, "{modes:?}");
    }
}
