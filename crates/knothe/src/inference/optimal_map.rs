//! Optimal maps: a triangular map that carries a normal source to a target, built up step by step (El Moselhy and Marzouk 2012).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{LogRatioVariance, LogWeights, MapDiagnostic, ReverseKl, Target, target::log_densities};
use crate::{
    Compose, Density, Flow, Layer,
    bijection::{Batch, Given},
    conditioner::PolynomialConditioner,
    error::{Error, Result},
    fit::{Lbfgs, Objective},
    linear::TriangularAffine,
    network::TabularFlow,
    order::Order,
    placement::{Placement, Precision, values},
    random::{Purpose, stream},
    source::{Normal, Source},
    triangular::Autoregressive,
    univariate::RectifiedPolynomial,
};

/// The maps of polynomials are straight lines outside ± this number.
const BOUND: f64 = RectifiedPolynomial::BOUND;

/// The settings of a fit of a map to a target.
///
/// The map starts as an affine triangular map. Polynomials of a growing total degree then bend it, and after the highest degree further maps of polynomials are put between it and the source. Each
/// step minimises [`ReverseKl`] over fixed draws from the source, and then [`LogRatioVariance`] if that makes the map better. A map is better if held-out draws give it a higher lower bound on log Z.
/// The variance diagnostic does not decide, since a map onto a small part of the target has a small variance too. The fit ends when the diagnostic is below the tolerance, or when no degree of a
/// map raises the bound.
///
/// ```
/// use knothe::{inference::{OptimalMap, TensorTarget}, burn::tensor::Tensor};
/// let banana = TensorTarget::new(2, |x: Tensor<2>| {
///     let (a, b) = (x.clone().narrow(1, 0, 1), x.narrow(1, 1, 1));
///     Ok(((a.clone().square() + (b - a.square()).square()) * -0.5).squeeze_dim(1))
/// });
/// let found = OptimalMap { draws: 50, ..OptimalMap::default() }.fit(&banana)?;
/// // Polynomials of degree 2 are exact.
/// assert!(found.diagnostic().variance < 1e-10);
/// assert!((found.diagnostic().log_evidence.value - std::f64::consts::TAU.ln()).abs() < 1e-5);
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptimalMap {
    /// Draws from the source in each fit.
    pub draws: usize,
    /// Draws that judge a map. No fit uses them.
    pub held_out: usize,
    /// The highest total degree of the polynomials.
    pub degree: usize,
    /// The largest number of maps of polynomials one after another.
    pub maps: usize,
    /// The variance diagnostic at which the fit ends.
    pub tolerance: f64,
    /// L-BFGS.
    pub lbfgs: Lbfgs,
    /// Seeds the draws.
    pub seed: u64,
}

impl Default for OptimalMap {
    fn default() -> Self {
        OptimalMap {
            draws: 400,
            held_out: 1000,
            degree: 3,
            maps: 2,
            tolerance: 1e-4,
            lbfgs: Lbfgs { iterations: 200, ..Lbfgs::default() },
            seed: 0,
        }
    }
}

/// A step of a fit.
#[derive(Clone, Debug)]
pub struct MapStep {
    /// The total degree of the polynomials; 1 for the affine map.
    pub degree: usize,
    /// The number of maps of polynomials.
    pub maps: usize,
    /// The held-out diagnostic after the step.
    pub diagnostic: MapDiagnostic,
    /// Evaluations of the target from the start, with its gradient and without.
    pub evaluations: u64,
}

/// A map and how it was found.
#[derive(Clone, Debug)]
pub struct FittedMap {
    /// The normal source under the map.
    pub flow: TabularFlow,
    /// The steps, of which the best one is kept.
    pub steps: Vec<MapStep>,
    /// The held-out diagnostic of the map.
    best: MapDiagnostic,
}

impl FittedMap {
    /// The held-out diagnostic of the map.
    pub fn diagnostic(&self) -> &MapDiagnostic {
        &self.best
    }
}

/// Counts evaluations.
struct Counted<'a, T: ?Sized> {
    target: &'a T,
    evaluations: AtomicU64,
}

impl<T: Target + ?Sized> Target for Counted<'_, T> {
    fn dim(&self) -> usize {
        self.target.dim()
    }

    fn log_density_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        self.target.log_density_and_gradient(x, gradient)
    }

    fn log_density(&self, x: &[f64]) -> Result<f64> {
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        self.target.log_density(x)
    }

    fn is_parallel(&self) -> bool {
        self.target.is_parallel()
    }
}

impl OptimalMap {
    /// Fits a map to a target.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a setting of 0, [`Error::Diverged`] if the target has no density at draws from the source, and the errors of the target.
    pub fn fit(&self, target: &(impl Target + ?Sized)) -> Result<FittedMap> {
        for (what, count) in
            [("draws", self.draws), ("held_out", self.held_out), ("degree", self.degree), ("coordinates of the target", target.dim())]
        {
            Error::check_count(what, count)?;
        }
        let (target, place) = (Counted { target, evaluations: AtomicU64::new(0) }, Placement::cpu(Precision::F64));
        let order = Order::natural(target.dim());
        // What is too large is refused before the work.
        PolynomialConditioner::of_degree(order.clone(), 0, self.degree, &place)?;
        let affine = Layer::TriangularAffine(TriangularAffine::new(&order, 0, &place));
        let (mut flow, mut best) = self.improved(flow_of(target.dim(), vec![affine], &place)?, &target)?;
        let mut steps = vec![self.step(1, 0, &best, &target)];
        for maps in 1..=self.maps {
            // Whether this map has polynomials already.
            let mut bends = false;
            for degree in 2..=self.degree {
                if best.diagnostic().variance <= self.tolerance {
                    break;
                }
                let (next, judged) = self.improved(bent(&flow, degree, !bends, &place)?, &target)?;
                steps.push(self.step(degree, maps, &judged, &target));
                if judged.is_better(&best) {
                    (flow, best, bends) = (next, judged, true);
                }
            }
            if !bends {
                break;
            }
        }
        Ok(FittedMap { flow, steps, best: best.diagnostic() })
    }

    fn step<T: Target + ?Sized>(&self, degree: usize, maps: usize, judged: &Judged, target: &Counted<T>) -> MapStep {
        MapStep { degree, maps, diagnostic: judged.diagnostic(), evaluations: target.evaluations.load(Ordering::Relaxed) }
    }

    /// A flow after both objectives, with what held-out draws say of it.
    fn improved(&self, flow: TabularFlow, target: &impl Target) -> Result<(TabularFlow, Judged)> {
        let first = self.minimised(&ReverseKl(target), flow)?;
        let found = self.judged(&first, target)?;
        // The variance of log-ratios that are far apart has minima of its own.
        if found.of_possible.variance > 1.0 {
            return Ok((first, found));
        }
        let second = self.minimised(&LogRatioVariance(target), first.clone())?;
        let other = self.judged(&second, target)?;
        Ok(if other.is_better(&found) { (second, other) } else { (first, found) })
    }

    fn minimised(&self, objective: &(impl Objective<TabularFlow> + Sync), flow: TabularFlow) -> Result<TabularFlow> {
        let place = Placement::cpu(Precision::F64);
        let batch = Batch { seed: self.seed, ..Batch::new(place.zeros([self.draws, flow.dim()])) };
        Ok(self.lbfgs.run(objective, flow, &batch)?.0)
    }

    fn judged(&self, flow: &TabularFlow, target: &impl Target) -> Result<Judged> {
        // The seeds of the fits and of the judgement are streams of different purposes.
        let mut rng = stream(self.seed, Purpose::Check, 2);
        let (x, log_q) = flow.sample_and_log_prob(self.held_out, &Given::default(), &mut rng)?;
        let log_target = log_densities(target, &values(x))?;
        // A draw that the target cannot judge is impossible.
        let ratio = |(target, q): (f64, f64)| if target.is_finite() { target - q } else { f64::NEG_INFINITY };
        let weights = LogWeights::new(log_target.into_iter().zip(values(log_q)).map(ratio).collect())?;
        let possible: Vec<f64> = weights.logs().iter().copied().filter(|l| l.is_finite()).collect();
        let impossible = self.held_out - possible.len();
        let of_possible = MapDiagnostic::of(&LogWeights::new(possible)?);
        Ok(Judged { impossible, of_possible, weights })
    }
}

/// Held-out draws of a map.
struct Judged {
    /// Draws where the target has no density.
    impossible: usize,
    /// The diagnostic of the others.
    of_possible: MapDiagnostic,
    weights: LogWeights,
}

impl Judged {
    /// The diagnostic of all draws.
    fn diagnostic(&self) -> MapDiagnostic {
        MapDiagnostic::of(&self.weights)
    }

    /// Whether the lower bound on log Z is higher. One odd draw does not decide by itself.
    fn is_better(&self, other: &Self) -> bool {
        let most = other.impossible.max(self.weights.logs().len() / 100);
        self.impossible <= most && self.of_possible.bound.value > other.of_possible.bound.value || self.impossible * 2 < other.impossible
    }
}

/// A normal source under layers.
fn flow_of(dim: usize, layers: Vec<Layer>, place: &Placement) -> Result<TabularFlow> {
    Flow::new(Source::Normal(Normal::new(dim, place)), Compose::new(dim, layers)?, 0)
}

/// The same flow with polynomials up to a degree in the map at the source, or with a new map of polynomials there.
fn bent(flow: &TabularFlow, degree: usize, new: bool, place: &Placement) -> Result<TabularFlow> {
    let (dim, mut layers) = (flow.dim(), flow.bijection().layers().to_vec());
    let mut conditioner = PolynomialConditioner::of_degree(Order::natural(dim), 0, degree, place)?;
    if let (false, Some(Layer::Polynomial(old))) = (new, layers.first()) {
        conditioner = conditioner.with_coefficients_of(old.conditioner());
        layers.remove(0);
    }
    let map = Autoregressive::of(conditioner, Arc::new(RectifiedPolynomial { degree, bound: BOUND }))?;
    layers.insert(0, Layer::Polynomial(map));
    flow_of(dim, layers, place)
}
