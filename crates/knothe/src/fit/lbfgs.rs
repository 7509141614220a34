//! L-BFGS on one fixed batch (Liu and Nocedal 1989), with the line search of Moré and Thuente (1994).

use std::cell::{Cell, RefCell};

use argmin::{
    core::{CostFunction, Error as SolverError, Executor, Gradient, IterState, State, TerminationReason, TerminationStatus},
    solver::{linesearch::MoreThuenteLineSearch, quasinewton::LBFGS},
};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

use super::{Objective, loss};
use crate::{
    bijection::Batch,
    density::Density,
    error::{Error, Result},
    placement::{Placement, values},
};

/// The settings of L-BFGS. It suits few parameters and an objective that is a smooth function of them, such as a map of polynomials with fixed draws from its source. Use 64 bits.
///
/// ```
/// use knothe::{Placement, Precision, families::Gaussian, fit::{Batch, Lbfgs, MaxLikelihood}, values};
/// let place = Placement::cpu(Precision::F64);
/// let flow = Gaussian::new(1).flow(&place)?;
/// let rows = Batch::new(place.tensor(vec![1.0, 3.0, 5.0, 7.0], [4, 1]));
/// let (_, report) = Lbfgs::default().run(&MaxLikelihood, flow, &rows)?;
/// // −E log q of a normal law with the variance 5 of these rows: ½ log(2πe · 5).
/// assert!((report.loss - 0.5 * (std::f64::consts::TAU * std::f64::consts::E * 5.0).ln()).abs() < 1e-10);
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lbfgs {
    /// The largest number of iterations. Each takes one evaluation of the objective with its gradient, or a few.
    pub iterations: u64,
    /// The number of steps from which the curvature is estimated.
    pub memory: usize,
    /// The norm of the gradient at which the fit ends.
    pub tolerance: f64,
    /// The fit ends when an iteration changes the loss by less than this number. 0 stands for never.
    pub decrease: f64,
}

impl Default for Lbfgs {
    /// 500 iterations, 20 steps, a norm of 10⁻⁹ and no least decrease.
    fn default() -> Self {
        Lbfgs { iterations: 500, memory: 20, tolerance: 1e-9, decrease: 0.0 }
    }
}

/// The result of a run of L-BFGS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LbfgsReport {
    /// The loss at the end.
    pub loss: f64,
    /// The norm of its gradient.
    pub gradient_norm: f64,
    /// Iterations.
    pub iterations: u64,
    /// Evaluations of the objective with its gradient.
    pub evaluations: u64,
}

/// A point with the value and the gradient of the objective.
#[derive(Clone, Debug)]
struct Evaluated {
    x: Vec<f64>,
    loss: f64,
    gradient: Vec<f64>,
}

/// How often a search begins again, from the best point so far with smaller steps, after a step led to a loss that is not finite.
const RESTARTS: u32 = 6;
/// The factor by which steps become smaller then.
const SHORTER: f64 = 0.1;

/// An objective as a function of the trained parameters.
struct Problem<'a, M, O> {
    objective: &'a O,
    batch: &'a Batch,
    /// The solver sees the loss times this number. Its first step is the negative gradient, whose norm is then at most 1.
    scale: Cell<f64>,
    /// The first error of the objective.
    problem: RefCell<Option<Error>>,
    /// Whether a loss was not finite.
    diverged: Cell<bool>,
    /// The density, whose trained parameters are exchanged.
    module: RefCell<M>,
    latest: RefCell<Option<Evaluated>>,
    best: RefCell<Option<Evaluated>>,
    evaluations: Cell<u64>,
}

impl<M: Density + Module, O: Objective<M>> Problem<'_, M, O> {
    /// The density with the least loss so far, ready for evaluation.
    fn module_at_best(&self) -> M {
        let module = self.module.borrow().clone();
        match self.best.borrow().as_ref() {
            Some(best) => module.map(&mut Write { values: &best.x }).valid(),
            None => module.valid(),
        }
    }

    fn at(&self, x: &[f64]) -> Result<Evaluated> {
        if let Some(known) = self.latest.borrow().as_ref().filter(|known| known.x == x) {
            return Ok(known.clone());
        }
        let module = self.module.borrow().clone().map(&mut Write { values: x });
        let loss = loss(self.objective, &module, self.batch)?;
        let value = values(loss.clone().inner())[0];
        let mut slopes = Slopes { gradients: &loss.backward(), found: Vec::with_capacity(x.len()) };
        module.visit(&mut slopes);
        self.evaluations.set(self.evaluations.get() + 1);
        let found = Evaluated { x: x.to_vec(), loss: value, gradient: slopes.found };
        if value.is_finite() && self.best.borrow().as_ref().is_none_or(|best| value < best.loss) {
            *self.best.borrow_mut() = Some(found.clone());
        }
        *self.latest.borrow_mut() = Some(found.clone());
        Ok(found)
    }

    /// The same for the solver, which keeps errors to itself.
    fn told(&self, x: &[f64]) -> Result<Evaluated, SolverError> {
        match self.at(x) {
            Ok(found) if found.loss.is_finite() && found.gradient.iter().all(|g| g.is_finite()) => Ok(found),
            // The line search would go on with NaN.
            Ok(_) => {
                self.diverged.set(true);
                Err(Error::Diverged { steps: 1 }.into())
            }
            Err(error) => {
                let text = error.to_string();
                self.problem.borrow_mut().get_or_insert(error);
                Err(SolverError::msg(text))
            }
        }
    }
}

impl<M: Density + Module, O: Objective<M>> CostFunction for &Problem<'_, M, O> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, x: &Vec<f64>) -> Result<f64, SolverError> {
        Ok(self.scale.get() * self.told(x)?.loss)
    }
}

impl<M: Density + Module, O: Objective<M>> Gradient for &Problem<'_, M, O> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, x: &Vec<f64>) -> Result<Vec<f64>, SolverError> {
        let scale = self.scale.get();
        Ok(self.told(x)?.gradient.into_iter().map(|g| scale * g).collect())
    }
}

impl Lbfgs {
    /// Minimises the loss of a batch over the trained parameters of a density, from its parameters as they are. Returns the density with the least loss that was found, ready for
    /// evaluation. If a step leads to a loss that is not finite, the search begins again from there with smaller steps.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a memory of 0 and for numbers below 0, [`Error::Diverged`] if the loss is not finite at the start, and the errors of the objective.
    pub fn run<M: Density + Module>(&self, objective: &(impl Objective<M> + Sync), density: M, batch: &Batch) -> Result<(M, LbfgsReport)> {
        self.observed(objective, density, batch, self.iterations, &mut |_| Ok(true))
    }

    /// The same. `observe` sees the density with the least loss so far after every so many iterations, and the fit ends when it returns false.
    ///
    /// # Errors
    /// Those of [`Lbfgs::run`] and of `observe`.
    pub fn observed<M: Density + Module>(
        &self,
        objective: &(impl Objective<M> + Sync),
        density: M,
        batch: &Batch,
        every: u64,
        observe: &mut dyn FnMut(&M) -> Result<bool>,
    ) -> Result<(M, LbfgsReport)> {
        Error::check_count("memory of L-BFGS", self.memory)?;
        for (what, number) in [("tolerance of L-BFGS", self.tolerance), ("decrease of L-BFGS", self.decrease)] {
            if number.is_nan() || number < 0.0 {
                return Err(Error::invalid(what, "a number of at least 0", number));
            }
        }
        let module = density.train();
        let mut read = Read::default();
        module.visit(&mut read);
        let problem = Problem {
            objective,
            batch,
            scale: Cell::new(1.0),
            problem: RefCell::new(None),
            diverged: Cell::new(false),
            module: RefCell::new(module),
            latest: RefCell::new(None),
            best: RefCell::new(None),
            evaluations: Cell::new(0),
        };
        let start = problem.at(&read.values)?;
        if !start.loss.is_finite() {
            return Err(Error::Diverged { steps: 1 });
        }
        problem.scale.set(1.0 / norm(&start.gradient).max(1.0));
        let (mut iterations, mut restarts) = (0, 0);
        let mut search = self.start(&problem, read.values)?;
        while iterations < self.iterations {
            let most = every.clamp(1, self.iterations - iterations);
            let (done, goes_on) = search.advance(&problem, most);
            iterations += done;
            if let Some(error) = problem.problem.take() {
                return Err(error);
            }
            if problem.diverged.take() {
                if restarts == RESTARTS {
                    break;
                }
                restarts += 1;
                problem.scale.set(problem.scale.get() * SHORTER);
                search = self.start(&problem, problem.best.borrow().as_ref().map_or_else(Vec::new, |best| best.x.clone()))?;
            } else if !goes_on || !observe(&problem.module_at_best())? {
                break;
            }
        }
        let module = problem.module_at_best();
        let Some(best) = problem.best.take() else { return Err(Error::Diverged { steps: 1 }) };
        let report =
            LbfgsReport { loss: best.loss, gradient_norm: norm(&best.gradient), iterations, evaluations: problem.evaluations.get() };
        Ok((module, report))
    }

    /// A search from a point.
    fn start<M, O>(&self, problem: &Problem<M, O>, from: Vec<f64>) -> Result<Search> {
        let own = |error: SolverError| Error::invalid("L-BFGS", "settings that the solver takes", error);
        let solver = LBFGS::new(MoreThuenteLineSearch::new(), self.memory).with_tolerance_grad(self.tolerance * problem.scale.get());
        let solver = solver.and_then(|solver| solver.with_tolerance_cost(self.decrease * problem.scale.get()));
        Ok(Search(Some((solver.map_err(own)?, IterState::new().param(from)))))
    }
}

type Solver = LBFGS<MoreThuenteLineSearch<Vec<f64>, Vec<f64>, f64>, Vec<f64>, Vec<f64>, f64>;
type SolverState = IterState<Vec<f64>, Vec<f64>, (), (), (), f64>;

/// A search on its way: the solver with the steps that it remembers, and where it is. None after a failure.
struct Search(Option<(Solver, SolverState)>);

impl Search {
    /// Some iterations more. Returns their number, and whether there is more to gain.
    fn advance<M: Density + Module, O: Objective<M>>(&mut self, problem: &Problem<M, O>, most: u64) -> (u64, bool) {
        let Some((solver, mut state)) = self.0.take() else { return (0, false) };
        let before = state.get_iter();
        state.termination_status = TerminationStatus::NotTerminated;
        let executor = Executor::new(problem, solver).configure(|_| state.max_iters(before + most)).ctrlc(false);
        // The problem knows why a search failed.
        let Ok(done) = executor.run() else { return (1, false) };
        let goes_on = done.state.termination_status == TerminationStatus::Terminated(TerminationReason::MaxItersReached);
        let iterations = done.state.get_iter() - before;
        self.0 = Some((done.solver, done.state));
        (iterations, goes_on)
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Reads the trained parameters.
#[derive(Default)]
struct Read {
    values: Vec<f64>,
}

impl ModuleVisitor for Read {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.values.extend(values(param.val().inner()));
        }
    }
}

/// Sets the trained parameters.
struct Write<'a> {
    values: &'a [f64],
}

impl ModuleMapper for Write<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() {
            return param;
        }
        param.map(|old| {
            let (own, rest) = self.values.split_at(old.shape().num_elements());
            self.values = rest;
            let place = Placement::of(&old.clone().inner());
            Tensor::from_inner(place.tensor(own.to_vec(), old.dims())).require_grad()
        })
    }
}

/// The gradient by the trained parameters. It is 0 for a parameter that the loss does not depend on.
struct Slopes<'a> {
    gradients: &'a Gradients,
    found: Vec<f64>,
}

impl ModuleVisitor for Slopes<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            let count = param.val().shape().num_elements();
            self.found.extend(param.val().grad(self.gradients).map_or_else(|| vec![0.0; count], values));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Precision, families::Gaussian, network::TabularFlow};

    /// A steep bowl in the log-density of one point, whose loss is not finite or fails far away.
    struct Bowl {
        steepness: f64,
        wall: f64,
        fails: bool,
    }

    impl Objective<TabularFlow> for Bowl {
        fn loss(&self, density: &TabularFlow, batch: &Batch) -> Result<Tensor<1>> {
            let log_prob = density.log_prob(batch.x.clone(), &batch.given())?.mean();
            let far = (values(log_prob.clone().inner())[0] + 2.0).abs() > self.wall;
            if far && self.fails {
                return Err(Error::invalid("bowl", "a point inside", "one outside"));
            }
            let loss = (log_prob + 2.0).square() * self.steepness;
            Ok(if far { loss + f64::INFINITY } else { loss })
        }
    }

    fn run(bowl: Bowl) -> Result<LbfgsReport> {
        let place = Placement::cpu(Precision::F64);
        let rows = Batch::new(place.tensor(vec![0.3, 1.1], [2, 1]));
        Ok(Lbfgs::default().run(&bowl, Gaussian::new(1).marginals(0).flow(&place)?, &rows)?.1)
    }

    #[test]
    fn a_steep_objective_with_a_wall_is_minimised() {
        // The start is 0.7 from the bottom. A step of the gradient would go far beyond the wall.
        let report = run(Bowl { steepness: 1e6, wall: 1.0, fails: false }).unwrap();
        assert!(report.loss < 1e-12, "{report:?}");
    }

    #[test]
    fn errors_of_the_objective_are_returned() {
        assert!(matches!(run(Bowl { steepness: 1.0, wall: 0.1, fails: true }), Err(Error::Invalid { .. })));
        assert!(matches!(run(Bowl { steepness: 1.0, wall: 0.1, fails: false }), Err(Error::Diverged { .. })));
        let place = Placement::cpu(Precision::F64);
        let rows = Batch::new(place.zeros([2, 1]));
        let wrong = Lbfgs { tolerance: -1.0, ..Lbfgs::default() };
        let flow = Gaussian::new(1).flow(&place).unwrap();
        assert!(matches!(wrong.run(&crate::fit::MaxLikelihood, flow, &rows), Err(Error::Invalid { .. })));
    }
}
