//! Hamiltonian Monte Carlo in the space of a flow's source: an exact finish for a map that is close to the target.

use burn::module::Module;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use super::{InSource, Target};
use crate::{
    bijection::{Bijection, Given},
    density::Density,
    error::{Error, Result},
    flow::Flow,
    placement::{Placement, Precision, values},
    random::{Purpose, stream},
};

/// The time of a trajectory: about a quarter of the period of a normal source.
const TIME: f64 = 1.5;
/// The longest trajectory, in steps.
const LONGEST: usize = 64;
/// One trajectory in this many uses fine steps. It reaches narrow regions in which longer steps are rejected (Neal 2011, *MCMC using Hamiltonian dynamics*, §5.4.2).
const FINE_EACH: usize = 4;
/// The size of fine steps, as a share of the tuned size. If the tuned size is below 0.1, [`LONGEST`] makes the trajectories with fine steps shorter than [`TIME`].
const FINE: f64 = 0.25;
/// The target acceptance of the trajectories with steps of the tuned size.
const ACCEPTANCE: f64 = 0.8;
/// Steps whose energy differs by more are divergent.
const DIVERGENT: f64 = 1000.0;

/// The settings of Hamiltonian Monte Carlo with the target π in the coordinates z of a flow's source, π̃(T(z)) |det ∂T/∂z| (Parno and Marzouk 2018, *Transport map accelerated Markov chain Monte
/// Carlo*; Hoffman et al. 2019, *NeuTra-lizing bad geometry in Hamiltonian Monte Carlo using neural transport*). If T carries the source to the target, this is the source itself.
///
/// All chains move at once. Their draws are exact in the limit, whatever the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceHmc {
    /// Chains side by side.
    pub chains: usize,
    /// Iterations of the warm-up. Three out of four tune the step size, and none is kept.
    pub warm_up: usize,
    /// Iterations that are kept.
    pub iterations: usize,
    /// Trajectories per iteration that is kept. Neighbouring trajectories resemble each other where the map is far from the target.
    pub thin: usize,
    /// Seeds starts, momenta and acceptance.
    pub seed: u64,
}

impl Default for SourceHmc {
    /// 32 chains, 200 iterations of warm-up and 125 of four trajectories that are kept: 4,000 draws.
    fn default() -> Self {
        SourceHmc { chains: 32, warm_up: 200, iterations: 125, thin: 4, seed: 0 }
    }
}

/// Draws of Hamiltonian Monte Carlo.
#[derive(Clone, Debug)]
pub struct HmcDraws {
    /// x = T(z), row-major `[iterations · chains, dim]`. The draws of all chains at one iteration stand together.
    pub x: Vec<f64>,
    /// The number of coordinates.
    pub dim: usize,
    /// The mean acceptance probability of all trajectories after the warm-up. Those with fine steps raise it.
    pub acceptance: f64,
    /// Trajectories after the warm-up that diverged.
    pub divergences: usize,
    /// The tuned step size. Every fourth trajectory uses a quarter of it.
    pub step: f64,
}

/// Positions with their log densities and gradients.
#[derive(Clone, Debug)]
struct State {
    z: Vec<f64>,
    log: Vec<f64>,
    gradient: Vec<f64>,
}

impl SourceHmc {
    /// Draws from a target by way of a flow.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no chains or iterations, [`Error::Shape`] for another number of coordinates, [`Error::NotFinite`] if the target has no density at any start, and the errors of the target.
    pub fn run<S, B, T>(&self, flow: &Flow<S, B>, target: &T) -> Result<HmcDraws>
    where
        S: Density + Module,
        B: Bijection + Module + Sync,
        T: Target + ?Sized,
    {
        self.observed(flow, target, &mut |_| {})
    }

    /// The same. `observe` sees the number of each trajectory before it starts, from 0 on and with the warm-up.
    ///
    /// # Errors
    /// Those of [`SourceHmc::run`].
    pub fn observed<S, B, T>(&self, flow: &Flow<S, B>, target: &T, observe: &mut dyn FnMut(usize)) -> Result<HmcDraws>
    where
        S: Density + Module,
        B: Bijection + Module + Sync,
        T: Target + ?Sized,
    {
        Error::check_count("chains", self.chains)?;
        Error::check_count("iterations", self.iterations)?;
        Error::check_count("thin", self.thin)?;
        let dim = flow.dim();
        let target = InSource::new(flow, target)?;
        let at = |z: Vec<f64>| evaluated(&target, z);
        let mut rng = stream(self.seed, Purpose::Objective, 1);
        let mut state = at(values(flow.source().sample(self.chains, &Given::default(), &mut rng)?))?;
        let dead: Vec<usize> = (0..self.chains).filter(|&c| !state.log[c].is_finite()).collect();
        if dead.len() == self.chains {
            return Err(Error::NotFinite { what: "the log density of the target".into(), rows: dead });
        }
        self.revive(&mut state, dim);
        let mut tuning = Tuning::new();
        let mut found =
            HmcDraws { x: Vec::with_capacity(self.iterations * self.chains * dim), dim, acceptance: 0.0, divergences: 0, step: 0.0 };
        let trajectories = self.iterations * self.thin;
        for iteration in 0..self.warm_up + trajectories {
            observe(iteration);
            let tuned = iteration >= self.warm_up;
            let is_fine = (iteration + 1).is_multiple_of(FINE_EACH);
            let step = if tuned { tuning.average() } else { tuning.step() } * if is_fine { FINE } else { 1.0 };
            let (acceptance, divergences);
            (state, acceptance, divergences) = self.iterate(state, step, dim, &at, &mut rng)?;
            if tuned {
                found.acceptance += acceptance / trajectories as f64;
                found.divergences += divergences;
                if (iteration - self.warm_up + 1).is_multiple_of(self.thin) {
                    found.x.extend(target.to_target(&state.z)?);
                }
            } else if !is_fine {
                tuning.update(acceptance);
            }
        }
        found.step = tuning.average();
        Ok(found)
    }

    /// Puts chains that start where the target has no density to where others start.
    fn revive(&self, state: &mut State, dim: usize) {
        let alive: Vec<usize> = (0..self.chains).filter(|&c| state.log[c].is_finite()).collect();
        for c in (0..self.chains).filter(|c| !alive.contains(c)).collect::<Vec<_>>() {
            let from = alive[c % alive.len()];
            state.log[c] = state.log[from];
            for values in [&mut state.z, &mut state.gradient] {
                values.copy_within(from * dim..(from + 1) * dim, c * dim);
            }
        }
    }

    /// One trajectory of each chain. Returns the states, the mean probability of acceptance and the number of divergences.
    fn iterate(
        &self,
        state: State,
        step: f64,
        dim: usize,
        at: &impl Fn(Vec<f64>) -> Result<State>,
        rng: &mut ChaCha12Rng,
    ) -> Result<(State, f64, usize)> {
        let place = Placement::cpu(Precision::F64);
        let mut momentum = values(place.normal::<2>([self.chains, dim], rng));
        // Trajectories of one length could be periodic.
        let steps = ((TIME / step * rng.random_range(0.5..1.5)).ceil() as usize).clamp(1, LONGEST);
        let energy = |log: &[f64], momentum: &[f64]| -> Vec<f64> {
            log.iter().zip(momentum.chunks_exact(dim)).map(|(log, p)| 0.5 * p.iter().map(|p| p * p).sum::<f64>() - log).collect()
        };
        let before = energy(&state.log, &momentum);
        let mut moved = state.clone();
        let kick = |momentum: &mut [f64], gradient: &[f64]| momentum.iter_mut().zip(gradient).for_each(|(p, g)| *p += 0.5 * step * g);
        for _ in 0..steps {
            kick(&mut momentum, &moved.gradient);
            let z = moved.z.iter().zip(&momentum).map(|(z, p)| z + step * p).collect();
            moved = at(z)?;
            kick(&mut momentum, &moved.gradient);
        }
        let after = energy(&moved.log, &momentum);
        let (mut next, mut sum, mut divergences) = (state, 0.0, 0);
        for c in 0..self.chains {
            let change = before[c] - after[c];
            // NaN is no way to go.
            let probability = if change.is_nan() { 0.0 } else { change.exp().min(1.0) };
            divergences += usize::from(change.is_nan() || change < -DIVERGENT);
            sum += probability;
            if rng.random::<f64>() < probability {
                next.log[c] = moved.log[c];
                let own = c * dim..(c + 1) * dim;
                next.z[own.clone()].copy_from_slice(&moved.z[own.clone()]);
                next.gradient[own.clone()].copy_from_slice(&moved.gradient[own]);
            }
        }
        Ok((next, sum / self.chains as f64, divergences))
    }
}

/// The log densities and gradients at positions.
fn evaluated(target: &impl Target, z: Vec<f64>) -> Result<State> {
    // A chain far out may overflow; it is not accepted there.
    let inside: Vec<f64> = z.iter().map(|z| if z.is_finite() { *z } else { 0.0 }).collect();
    let (mut log, mut gradient) = target.log_densities_and_gradients(&inside)?;
    for (log, z) in log.iter_mut().zip(z.chunks_exact(target.dim())) {
        // A chain would never leave an infinite density.
        if !log.is_finite() || z.iter().any(|z| !z.is_finite()) {
            *log = f64::NEG_INFINITY;
        }
    }
    // Trajectories along any function of the position are reversible and keep volumes. So the draws stay exact in the limit, although fewer are accepted.
    gradient.iter_mut().filter(|g| !g.is_finite()).for_each(|g| *g = 0.0);
    Ok(State { z, log, gradient })
}

/// The size of a step by dual averaging (Hoffman and Gelman 2014, §3.2).
struct Tuning {
    iteration: f64,
    error: f64,
    log_step: f64,
    log_average: f64,
}

impl Tuning {
    /// The size that the tuning starts from, and to ten times which it is drawn.
    const START: f64 = 0.2;

    fn new() -> Self {
        Tuning { iteration: 0.0, error: 0.0, log_step: Self::START.ln(), log_average: Self::START.ln() }
    }

    fn step(&self) -> f64 {
        self.log_step.exp()
    }

    fn average(&self) -> f64 {
        self.log_average.exp()
    }

    fn update(&mut self, acceptance: f64) {
        self.iteration += 1.0;
        let share = 1.0 / (self.iteration + 10.0);
        self.error = (1.0 - share) * self.error + share * (ACCEPTANCE - acceptance);
        self.log_step = (10.0 * Self::START).ln() - self.error * self.iteration.sqrt() / 0.05;
        let weight = self.iteration.powf(-0.75);
        self.log_average = weight * self.log_step + (1.0 - weight) * self.log_average;
    }
}
