//! Optimal maps: a triangular map that carries a normal source to a target, built up step by step (El Moselhy and Marzouk 2012).

use std::sync::Arc;

use burn::module::Module;

use super::{
    Counted, LogWeights, MapDiagnostic, Target,
    at_draws::{Aim, AtDraws, even_draws, log_ratios_at},
    laplace::{Laplace, Mode},
    terms::{Terms, strongest},
};
use crate::{
    Compose, Flow, Layer,
    bijection::Batch,
    conditioner::{MultiIndex, PolynomialConditioner},
    error::{Error, Result},
    fit::{Lbfgs, loss},
    linear::TriangularAffine,
    network::TabularFlow,
    order::Order,
    placement::{Placement, Precision, values},
    random::{Purpose, stream},
    source::{Normal, Source},
    triangular::Autoregressive,
    univariate::RectifiedPolynomial,
};

/// The share of the tolerance that an iteration of a step must gain to go on.
const SLOW: f64 = 0.1;
/// Iterations between two looks at held-out draws, and looks without a better map after which a step ends.
const LOOK: u64 = 10;
const LOOKS: usize = 2;
/// Searches for modes, from 0 and from draws of the standard normal distribution.
const SEARCHES: usize = 16;
/// The modes from which a map may start.
const CANDIDATES: usize = 4;
/// Draws per term of the polynomials, so that they do not fit the draws alone.
const DRAWS_PER_TERM: usize = 8;
/// Draws per coefficient of the affine map.
const DRAWS_PER_COEFFICIENT: usize = 2;
/// The evaluations between two looks at held-out draws are at most this share of all, as long as an iteration takes no more.
const SHARE: u64 = 20;

/// The settings of a fit of a map to a target.
///
/// The map starts as an affine triangular map, from Laplace's approximation of the target if that is better than the standard normal distribution. A map of polynomials then bends it. The polynomials are linear at first, and each step adds the terms to which the lower bound on log Z is most
/// sensitive, from the reduced margin of the terms so far (Baptista, Marzouk and Zahm 2023, algorithm 2). When more terms no longer help, another map of polynomials is put between the
/// first and the source, and so on.
///
/// Each step maximises the lower bound on log Z over fixed draws from the source. Held-out draws say whether a map is better. Its lower bound on log Z must be higher by more than two
/// standard errors of the difference; if the bounds differ by less, its variance diagnostic must be smaller. The variance diagnostic alone does not decide, since a map onto a small part of the
/// target has a small variance too. The steps end when the diagnostic is below the tolerance, or when a step finds no better map. A last fit then looks for all digits that the draws give.
///
/// ```
/// use knothe::{inference::{OptimalMap, TensorTarget}, burn::tensor::Tensor};
/// let banana = TensorTarget::new(2, |x: Tensor<2>| {
///     let (a, b) = (x.clone().narrow(1, 0, 1), x.narrow(1, 1, 1));
///     Ok(((a.clone().square() + (b - a.square()).square()) * -0.5).squeeze_dim(1))
/// });
/// let found = OptimalMap { draws: 64, ..OptimalMap::default() }.fit(&banana)?;
/// // Polynomials of degree 2 are exact.
/// assert!(found.diagnostic().variance < 1e-10);
/// assert!((found.diagnostic().log_evidence.value - std::f64::consts::TAU.ln()).abs() < 1e-5);
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptimalMap {
    /// The minimum number of draws from the source in each fit. Maps with many terms get more. Powers of 2 cover the source best.
    pub draws: usize,
    /// Draws that judge a map. No fit uses them.
    pub held_out: usize,
    /// The highest total degree of the polynomials.
    pub degree: usize,
    /// The maximum number of maps of polynomials one after another.
    pub maps: usize,
    /// The variance diagnostic at which the steps end.
    pub tolerance: f64,
    /// The number of evaluations of the target after which nothing new is tried, at least 20 per draw. What has begun ends within a few percent more.
    pub evaluations: u64,
    /// L-BFGS.
    pub lbfgs: Lbfgs,
    /// Seeds the draws.
    pub seed: u64,
}

impl Default for OptimalMap {
    fn default() -> Self {
        OptimalMap {
            draws: 512,
            held_out: 1000,
            degree: 5,
            maps: 2,
            tolerance: 1e-4,
            evaluations: 500_000,
            lbfgs: Lbfgs { iterations: 200, ..Lbfgs::default() },
            seed: 0,
        }
    }
}

/// A step of a fit.
#[derive(Clone, Debug)]
pub struct MapStep {
    /// The highest total degree of the terms of the latest map; 1 for the affine map.
    pub degree: usize,
    /// The number of terms of the latest map of polynomials.
    pub terms: usize,
    /// The number of maps of polynomials.
    pub maps: usize,
    /// The held-out diagnostic of the best map after the step.
    pub diagnostic: MapDiagnostic,
    /// Whether the map is better than all before.
    pub better: bool,
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
    /// The modes found from several starts, in order of decreasing mass. The map may have missed some of them.
    pub modes: Vec<Mode>,
    /// The held-out diagnostic of the map.
    best: MapDiagnostic,
}

impl FittedMap {
    /// The held-out diagnostic of the map.
    pub fn diagnostic(&self) -> &MapDiagnostic {
        &self.best
    }
}

impl OptimalMap {
    /// Fits a map to a target.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a setting of 0 and for a target without density at all draws from the start, and the errors of the target.
    pub fn fit(&self, target: &(impl Target + ?Sized)) -> Result<FittedMap> {
        self.observed(target, &mut |_| true)
    }

    /// The same. `observe` sees each step, and the fit ends when it returns false.
    ///
    /// # Errors
    /// Those of [`OptimalMap::fit`].
    pub fn observed(&self, target: &(impl Target + ?Sized), observe: &mut dyn FnMut(&MapStep) -> bool) -> Result<FittedMap> {
        for (what, count) in [
            ("draws", self.draws),
            ("held_out", self.held_out),
            ("degree", self.degree),
            ("coordinates of the target", target.dim()),
            ("evaluations", self.evaluations as usize),
        ] {
            Error::check_count(what, count)?;
        }
        if self.evaluations < SHARE * self.draws as u64 {
            return Err(Error::invalid(
                "evaluations",
                format!("at least {SHARE} per draw, {}", SHARE * self.draws as u64),
                self.evaluations,
            ));
        }
        let dim = target.dim();
        let counted = Counted::new(target);
        // The affine map has d (d + 3) / 2 coefficients.
        let draws = self.batch(DRAWS_PER_COEFFICIENT * Terms::linear(dim).count(), dim);
        // Searches are a small part of the work.
        let laplace = Laplace::all(&counted, &self.starts(dim), || counted.gradients() > self.evaluations / 10);
        let (flow, best) = self.start(&counted, &laplace)?;
        let mut search = Search { settings: self, target: &counted, draws, flow, best, steps: Vec::new(), observe };
        search.run()?;
        let modes = laplace.iter().filter_map(Laplace::mode).collect();
        Ok(FittedMap { flow: search.flow, steps: search.steps, modes, best: search.best.diagnostic() })
    }

    /// An affine map: one of the first of Laplace's approximations, if it is better than the identity, on which nothing is known of the target.
    fn start(&self, target: &impl Target, laplace: &[Laplace]) -> Result<(TabularFlow, Judged)> {
        let (dim, place) = (target.dim(), Placement::cpu(Precision::F64));
        let identity = TriangularAffine::new(&Order::natural(dim), 0, &place);
        let with = |affine: TriangularAffine| {
            let flow = flow_of(dim, vec![Layer::TriangularAffine(affine)], &place)?;
            let judged = Judged::of(self.judgement(&flow, target)?);
            Ok::<_, Error>((flow, judged))
        };
        let found = laplace.iter().take(CANDIDATES).filter_map(|laplace| {
            let (mean, factor) = laplace.gaussian();
            with(identity.clone().at(mean, factor)?).ok()
        });
        found
            .map(Ok)
            .chain([with(identity.clone())])
            .reduce(|best, other| match (best, other) {
                (Ok(best), Ok(other)) => Ok(if other.1.is_better(&best.1) { other } else { best }),
                (best, other) => best.or(other),
            })
            .unwrap_or_else(|| with(identity.clone()))
    }

    /// The starts of searches for modes: 0 first.
    fn starts(&self, dim: usize) -> Vec<f64> {
        let mut starts = values(even_draws(SEARCHES, dim, self.seed, &Placement::cpu(Precision::F64)));
        starts[..dim].fill(0.0);
        starts
    }

    /// Whether the map of a target of so many coordinates gets polynomials. It stays affine if the settings leave no room for them, or if polynomials of degree 2 have too many terms.
    pub fn bends(&self, dim: usize) -> bool {
        self.maps > 0 && self.degree > 1 && PolynomialConditioner::is_possible(dim, 2)
    }

    /// At least so many draws from the source, as far as the evaluations allow.
    fn batch(&self, least: usize, dim: usize) -> Batch {
        let least = least.min((self.evaluations / SHARE) as usize);
        Batch::new(even_draws(self.draws.max(least.next_power_of_two()), dim, self.seed, &Placement::cpu(Precision::F64)))
    }

    /// The importance weights of held-out draws.
    fn judgement(&self, flow: &TabularFlow, target: &impl Target) -> Result<LogWeights> {
        // The seeds of the fits and of the judgement are streams of different purposes.
        let mut rng = stream(self.seed, Purpose::Check, 2);
        let z = Placement::cpu(Precision::F64).normal([self.held_out, target.dim()], &mut rng);
        let ratios = values(log_ratios_at(target, flow, z)?);
        // A draw that the target cannot judge is impossible.
        LogWeights::new(ratios.into_iter().map(|l| if l.is_finite() { l } else { f64::NEG_INFINITY }).collect())
    }
}

/// A fit on its way.
struct Search<'a, T: ?Sized> {
    settings: &'a OptimalMap,
    target: &'a Counted<'a, T>,
    draws: Batch,
    /// The best map so far.
    flow: TabularFlow,
    best: Judged,
    steps: Vec<MapStep>,
    observe: &'a mut dyn FnMut(&MapStep) -> bool,
}

impl<T: Target + ?Sized> Search<'_, T> {
    fn run(&mut self) -> Result<()> {
        self.step(Aim::Bound, self.rough(), self.flow.clone())?;
        if !self.record((1, 0), 0, true) {
            return Ok(());
        }
        let maps = if self.settings.bends(self.target.dim()) { self.settings.maps } else { 0 };
        for maps in 1..=maps {
            match self.bend(maps)? {
                Bent::Stopped => return Ok(()),
                Bent::InVain => break,
                Bent::Better => {}
            }
        }
        // All the digits that the draws give. The variance of log-ratios that are far apart has minima of its own.
        for aim in [Aim::Bound, Aim::Variance] {
            let is_far = matches!(aim, Aim::Variance) && self.best.of_possible.variance > 1.0;
            if self.is_spent() || is_far {
                return Ok(());
            }
            let better = self.step(aim, self.settings.lbfgs, self.flow.clone())?;
            let kept = self.steps.iter().rev().find(|step| step.better).map_or((1, 0, 0), |step| (step.degree, step.terms, step.maps));
            if !self.record((kept.0, kept.1), kept.2, better) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Puts a map of polynomials at the source, which gets terms as long as they help.
    fn bend(&mut self, maps: usize) -> Result<Bent> {
        let dim = self.target.dim();
        let (mut terms, mut outcome) = (Terms::linear(dim), Bent::InVain);
        while self.best.diagnostic().variance > self.settings.tolerance && !self.is_spent() {
            let new = outcome == Bent::InVain;
            let tried = bent(&self.flow, &terms.with_margin(self.settings.degree), new)?;
            let chosen = strongest(&self.gradient(&tried)?, &terms);
            if chosen.is_empty() {
                break;
            }
            terms.extend(chosen);
            self.draws = self.settings.batch(DRAWS_PER_TERM * terms.count(), dim);
            let better = self.step(Aim::Bound, self.rough(), bent(&self.flow, &terms, new)?)?;
            if !self.record((terms.degree(), terms.count()), maps, better) {
                return Ok(Bent::Stopped);
            }
            if !better {
                break;
            }
            outcome = Bent::Better;
        }
        Ok(outcome)
    }

    /// Whether the evaluations of the target are used up.
    fn is_spent(&self) -> bool {
        self.evaluations() >= self.settings.evaluations
    }

    /// Evaluations of the target so far.
    fn evaluations(&self) -> u64 {
        self.target.gradients() + self.target.values()
    }

    /// L-BFGS that does not look for digits below the tolerance.
    fn rough(&self) -> Lbfgs {
        Lbfgs { decrease: SLOW * self.settings.tolerance, ..self.settings.lbfgs }
    }

    /// L-BFGS from a flow that is the same map as the best one. Keeps the best map on its way, and returns whether it is better.
    fn step(&mut self, aim: Aim, lbfgs: Lbfgs, flow: TabularFlow) -> Result<bool> {
        let (mut best, mut found, mut misses) = (self.best.clone(), None, 0);
        let mut look = |flow: &TabularFlow| {
            let judged = Judged::of(self.settings.judgement(flow, self.target)?);
            let better = judged.is_better(&best);
            misses = if better { 0 } else { misses + 1 };
            if better {
                best = judged;
                found = Some(flow.clone());
            }
            Ok(misses < LOOKS && !self.is_spent())
        };
        let every = (self.settings.evaluations / (SHARE * self.draws.x.dims()[0] as u64)).clamp(1, LOOK);
        match lbfgs.observed(&AtDraws { target: self.target, aim }, flow, &self.draws, every, &mut look) {
            Ok((last, _)) => look(&last).map(drop)?,
            // A draw without density at the start leaves nothing to follow.
            Err(Error::Diverged { .. }) => {}
            Err(error) => return Err(error),
        }
        let Some(flow) = found else { return Ok(false) };
        (self.flow, self.best) = (flow, best);
        Ok(true)
    }

    /// The gradient of the loss by the coefficients of the map at the source.
    fn gradient(&self, flow: &TabularFlow) -> Result<Vec<(usize, MultiIndex, f64)>> {
        let flow = flow.clone().train();
        let gradients = loss(&AtDraws { target: self.target, aim: Aim::Bound }, &flow, &self.draws)?.backward();
        Ok(match flow.bijection().layers().first() {
            Some(Layer::Polynomial(map)) => map.conditioner().gradient_of_terms(&gradients),
            _ => Vec::new(),
        })
    }

    /// Notes a step with the degree and the number of its terms, and returns whether to go on.
    fn record(&mut self, (degree, terms): (usize, usize), maps: usize, better: bool) -> bool {
        let step = MapStep { degree, terms, maps, diagnostic: self.best.diagnostic(), better, evaluations: self.evaluations() };
        let goes_on = (self.observe)(&step);
        self.steps.push(step);
        goes_on
    }
}

/// The outcome of a map of polynomials.
#[derive(Clone, Copy, PartialEq)]
enum Bent {
    Better,
    InVain,
    /// The observer ended the fit.
    Stopped,
}

/// What held-out draws say of a map.
#[derive(Clone)]
struct Judged {
    /// Draws where the target has no density.
    impossible: usize,
    /// The diagnostic of the others.
    of_possible: MapDiagnostic,
    weights: LogWeights,
}

impl Judged {
    fn of(weights: LogWeights) -> Self {
        let possible: Vec<f64> = weights.logs().iter().copied().filter(|l| l.is_finite()).collect();
        let impossible = weights.logs().len() - possible.len();
        Judged { impossible, of_possible: MapDiagnostic::of(&LogWeights::trusted(possible)), weights }
    }

    /// The diagnostic of all draws.
    fn diagnostic(&self) -> MapDiagnostic {
        MapDiagnostic::of(&self.weights)
    }

    /// Whether the map is better, by log-ratios at the same draws from the source. One odd draw does not decide by itself.
    fn is_better(&self, other: &Self) -> bool {
        let most = other.impossible.max(self.weights.logs().len() / 100);
        if self.impossible > most {
            return false;
        }
        if self.impossible * 2 < other.impossible {
            return true;
        }
        let pairs = self.weights.logs().iter().zip(other.weights.logs());
        let gains: Vec<f64> = pairs.map(|(own, other)| own - other).filter(|gain| gain.is_finite()).collect();
        let n = gains.len() as f64;
        let mean = gains.iter().sum::<f64>() / n;
        let error = (gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
        if mean.abs() > 2.0 * error { mean > 0.0 } else { self.of_possible.variance < other.of_possible.variance }
    }
}

/// A normal source under layers.
fn flow_of(dim: usize, layers: Vec<Layer>, place: &Placement) -> Result<TabularFlow> {
    Flow::new(Source::Normal(Normal::new(dim, place)), Compose::new(dim, layers)?, 0)
}

/// The same flow with these terms in the map at the source, or with a new map of polynomials there.
fn bent(flow: &TabularFlow, terms: &Terms, new: bool) -> Result<TabularFlow> {
    let (dim, place, mut layers) = (terms.dim(), Placement::cpu(Precision::F64), flow.bijection().layers().to_vec());
    let degree = terms.degree();
    let mut conditioner = PolynomialConditioner::new(Order::natural(dim), 0, terms.sets().to_vec(), degree + 1, &place)?;
    if let (false, Some(Layer::Polynomial(old))) = (new, layers.first()) {
        conditioner = conditioner.with_coefficients_of(old.conditioner());
        layers.remove(0);
    }
    let map = Autoregressive::of(conditioner, Arc::new(RectifiedPolynomial { degree, bound: RectifiedPolynomial::BOUND }))?;
    layers.insert(0, Layer::Polynomial(map));
    flow_of(dim, layers, &place)
}

#[cfg(test)]
#[path = "optimal_map_tests.rs"]
mod tests;
