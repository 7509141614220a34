//! The draws of `knothe posterior`, and how they are made.

use std::time::Instant;

use clap::ValueEnum;
use knothe::{
    Flow, Placement, Precision,
    families::Nsf,
    inference::{
        AdaptiveProposal, Counted, FittedMap, InSource, LibraryTarget, MapDiagnostic, OptimalMap, Reliability, Smoothed, SourceHmc, Target,
        WeightedDraws,
    },
    source::{Source, StudentT},
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::{PosteriorArguments, progress::Line};
use crate::failure::{Failure, say};

/// Weighted draws per draw that is made from them.
pub const WEIGHTED: usize = 5;
/// Chains of Hamiltonian Monte Carlo.
const CHAINS: usize = 32;
/// Degrees of freedom of the wide source of a defensive mixture.
const DEGREES_OF_FREEDOM: f64 = 5.0;

/// How to make draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Finish {
    /// Importance sampling if it is reliable, and otherwise Hamiltonian Monte Carlo
    Auto,
    /// Importance sampling with the map as the proposal
    Importance,
    /// Importance sampling with an adaptive proposal: a spline flow in the map's coordinates, refitted to its weighted draws until k̂ is reliable
    Adaptive,
    /// Independence Metropolis with the map as the proposal
    Metropolis,
    /// Hamiltonian Monte Carlo in the coordinates of the map
    Hmc,
}

/// How draws were made.
pub enum Method {
    /// Resampled from weighted draws.
    Importance,
    /// The same, after so many rounds of adaptation.
    Adaptive(usize),
    /// Every fifth state of independence Metropolis, with the share of the proposals that were accepted.
    Metropolis(f64),
    /// Hamiltonian Monte Carlo, with its acceptance and the number of its divergent trajectories.
    Hmc(f64, usize),
}

impl Method {
    pub fn name(&self) -> &'static str {
        match self {
            Method::Importance => "importance",
            Method::Adaptive(_) => "adaptive",
            Method::Metropolis(_) => "metropolis",
            Method::Hmc(..) => "hmc",
        }
    }

    /// The number of Markov chains that the draws come from, side by side.
    pub fn chains(&self) -> Option<usize> {
        match self {
            Method::Importance | Method::Adaptive(_) => None,
            Method::Metropolis(_) => Some(1),
            Method::Hmc(..) => Some(CHAINS),
        }
    }
}

/// A fitted map, and draws.
pub struct Found {
    pub fitted: FittedMap,
    pub method: Method,
    /// Weighted draws from the proposal.
    pub weighted: WeightedDraws,
    pub smoothed: Smoothed,
    /// The draws of unconstrained parameters, row-major.
    pub x: Vec<f64>,
    /// Evaluations of the target, with its gradient and without.
    pub evaluations: [u64; 2],
    /// The number of evaluations that failed.
    pub failures: u64,
    /// Whether some of the weighted draws come from a wide source.
    defended: bool,
    pub seconds: f64,
}

impl Found {
    /// Fits a map and draws.
    pub fn new(target: &LibraryTarget, arguments: &PosteriorArguments) -> Result<Self, Failure> {
        let started = Instant::now();
        let settings = OptimalMap {
            draws: arguments.map_draws as usize,
            degree: arguments.degree as usize,
            maps: arguments.maps as usize,
            tolerance: arguments.tolerance,
            evaluations: arguments.evaluations,
            seed: arguments.seed,
            ..OptimalMap::default()
        };
        if settings.maps > 0 && settings.degree > 1 && !settings.bends(target.dim()) {
            say(format_args!("note: the map is affine, since polynomials in {} parameters have too many terms", target.dim()));
        }
        let (library, before) = (target, target.failures());
        let (target, line, dim) = (&Counted::new(target), Line::new(), target.dim());
        let fitted = settings.observed(target, &mut |step| {
            line.step(step);
            true
        })?;
        let n = arguments.n as usize;
        // The held-out draws of the fit have another seed.
        let seed = arguments.seed.wrapping_add(1);
        // The same map of a source with heavier tails.
        let wide = StudentT::new(dim, DEGREES_OF_FREEDOM, &Placement::cpu(Precision::F64))?;
        let wide = Flow::new(Source::StudentT(wide), fitted.flow.bijection().clone(), 0)?;
        let mut weighted = WeightedDraws::defended(&fitted.flow, (&wide, arguments.defensive.unwrap_or(0.0)), target, WEIGHTED * n, seed)?;
        let mut smoothed = Smoothed::of(&weighted.weights);
        let mut rng = ChaCha12Rng::seed_from_u64(arguments.seed);
        let rows = |weighted: &WeightedDraws, picked: Vec<usize>| -> Vec<f64> {
            picked.into_iter().flat_map(|at| weighted.x[at * dim..(at + 1) * dim].to_vec()).collect()
        };
        let finish = match arguments.finish {
            Finish::Auto if smoothed.reliability() == Reliability::Good => Finish::Importance,
            Finish::Auto => Finish::Hmc,
            chosen => chosen,
        };
        let (x, method) = match finish {
            Finish::Importance => (rows(&weighted, smoothed.weights.resample(n, &mut rng)), Method::Importance),
            Finish::Adaptive => {
                let source = InSource::new(&fitted.flow, target)?;
                let start = Nsf::new(dim).layers(3).hidden([32]).seed(arguments.seed).flow(&Placement::cpu(Precision::F64))?;
                let settings = AdaptiveProposal { draws: WEIGHTED * n, seed, ..AdaptiveProposal::default() };
                let adapted = settings.observed(&source, start, &mut |round| line.round(round))?;
                // The weights are the same in both coordinates.
                weighted = WeightedDraws { x: source.to_target(&adapted.draws.x)?, ..adapted.draws };
                smoothed = adapted.smoothed;
                (rows(&weighted, smoothed.weights.resample(n, &mut rng)), Method::Adaptive(adapted.rounds.len()))
            }
            Finish::Metropolis => {
                let (states, accepted) = weighted.weights.metropolis(&mut rng);
                (rows(&weighted, states.into_iter().step_by(WEIGHTED).collect()), Method::Metropolis(accepted))
            }
            Finish::Auto | Finish::Hmc => {
                let iterations = n.div_ceil(CHAINS);
                let settings = SourceHmc { chains: CHAINS, iterations, seed: arguments.seed, ..SourceHmc::default() };
                let all = settings.warm_up + settings.thin * iterations;
                let mut drawn = settings.observed(&fitted.flow, target, &mut |iteration| line.iteration(iteration, all))?;
                drawn.x.truncate(n * dim);
                (drawn.x, Method::Hmc(drawn.acceptance, drawn.divergences))
            }
        };
        line.finish();
        let (evaluations, failures) = ([target.gradients(), target.values()], library.failures() - before);
        let (defended, seconds) = (arguments.defensive.is_some(), started.elapsed().as_secs_f64());
        Ok(Found { fitted, method, weighted, smoothed, x, evaluations, failures, defended, seconds })
    }

    /// The variance diagnostic of the map, at draws that played no part in its fit. The draws of another proposal say nothing of the map, so held-out draws of the fit take their place.
    pub fn variance(&self) -> f64 {
        if self.defended || matches!(self.method, Method::Adaptive(_)) {
            return self.fitted.diagnostic().variance;
        }
        MapDiagnostic::of(&self.weighted.weights).variance
    }
}
