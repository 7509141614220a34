//! Neal's funnels by the sampler `nuts-rs`, alone and in the coordinates of a map.
//!
//!     cargo run --release --manifest-path benches/inference/nuts/Cargo.toml -- [DIM ...] [--seed N]
//!
//! The funnel has y ~ N(0, 3²) and dim − 1 coordinates x_i ~ N(0, exp(y)). During tuning, the sampler asks repeatedly for a better map. Each update fits the map to the latest 20,000 points of the trajectories and
//! their gradients, by Fisher divergence. For 4 chains of 1,000 draws, it prints a Markdown table: the smallest effective sample size over all
//! coordinates, that of y, the largest R̂, the divergences, and the seconds to the first draw that is kept and in all.

mod map;

use std::{collections::HashMap, time::Instant};

use anyhow::{Context, Result};
use knothe::inference::Chains;
use nuts_rs::{Chain, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, FlowNutsSettings, HasDims, LogpError, Settings};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use map::Map;

/// Chains, draws of each that tune, and draws of each that are kept.
const CHAINS: usize = 4;
const TUNE: u64 = 1000;
const DRAWS: usize = 1000;
/// Chains at a time.
const THREADS: usize = 2;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(#[from] knothe::Error);

impl LogpError for Failed {
    /// A position that the map cannot place counts as a divergence.
    fn is_recoverable(&self) -> bool {
        matches!(self.0, knothe::Error::NotFinite { .. })
    }
}

/// The funnel's log density.
struct Funnel {
    dim: usize,
}

impl HasDims for Funnel {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_string(), self.dim as u64)])
    }
}

impl CpuLogpFunc for Funnel {
    type LogpError = Failed;
    type FlowParameters = Map;
    type ExpandedVector = Vec<f64>;

    fn dim(&self) -> usize {
        self.dim
    }

    fn logp(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64, Failed> {
        let (y, x) = (position[0], &position[1..]);
        let (precision, squares) = ((-y).exp(), x.iter().map(|x| x * x).sum::<f64>());
        let half = 0.5 * precision * squares;
        gradient[0] = -y / 9.0 - 0.5 * x.len() as f64 + half;
        gradient[1..].iter_mut().zip(x).for_each(|(g, x)| *g = -precision * x);
        Ok(-y * y / 18.0 - 0.5 * x.len() as f64 * y - half)
    }

    fn expand_vector<R: Rng + ?Sized>(&mut self, _: &mut R, position: &[f64]) -> Result<Vec<f64>, CpuMathError> {
        Ok(position.to_vec())
    }

    fn new_transformation<R: Rng + ?Sized>(&mut self, rng: &mut R, dim: usize, _: u64) -> Result<Map, Failed> {
        Ok(Map::new(dim, rng.random())?)
    }

    fn init_transformation<R: Rng + ?Sized>(&mut self, rng: &mut R, position: &[f64], _: &[f64], _: u64) -> Result<Map, Failed> {
        Ok(Map::new(position.len(), rng.random())?)
    }

    fn update_transformation<'a, R: Rng + ?Sized>(
        &'a mut self,
        rng: &mut R,
        positions: impl ExactSizeIterator<Item = &'a [f64]>,
        gradients: impl ExactSizeIterator<Item = &'a [f64]>,
        _: impl ExactSizeIterator<Item = &'a f64>,
        map: &'a mut Map,
    ) -> Result<(), Failed> {
        Ok(map.update(positions, gradients, rng.random())?)
    }

    fn transformation_id(&self, map: &Map) -> Result<i64, Failed> {
        Ok(map.id())
    }

    fn inv_transform_normalize(&mut self, map: &Map, x: &[f64], scores: &[f64], z: &mut [f64], gradient: &mut [f64]) -> Result<f64, Failed> {
        let (at, ladj) = map.coordinates().to_source(x)?;
        gradient.copy_from_slice(&map.coordinates().pulled_back(&at, scores)?);
        z.copy_from_slice(&at);
        Ok(ladj[0])
    }

    fn init_from_untransformed_position(
        &mut self,
        map: &Map,
        x: &[f64],
        scores: &mut [f64],
        z: &mut [f64],
        gradient: &mut [f64],
        _: Option<f64>,
    ) -> Result<(f64, f64), Failed> {
        let log_density = self.logp(x, scores)?;
        Ok((log_density, self.inv_transform_normalize(map, x, scores, z, gradient)?))
    }

    fn init_from_transformed_position(
        &mut self,
        map: &Map,
        x: &mut [f64],
        scores: &mut [f64],
        z: &[f64],
        gradient: &mut [f64],
        _: Option<f64>,
    ) -> Result<(f64, f64), Failed> {
        let (at, ladj) = map.coordinates().to_target(z)?;
        x.copy_from_slice(&at);
        let log_density = self.logp(x, scores)?;
        gradient.copy_from_slice(&map.coordinates().pulled_back(z, scores)?);
        Ok((log_density, ladj[0]))
    }
}

/// The kept draws of a chain, row-major, its divergences, its evaluations, and the seconds to the first kept draw.
struct Drawn {
    draws: Vec<f64>,
    divergences: usize,
    gradients: u64,
    first: f64,
}

fn chain(settings: &impl Settings, dim: usize, chain: u64, seed: u64, started: Instant) -> Result<Drawn> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (chain << 32));
    let mut sampler = settings.new_chain(chain, CpuMath::new(Funnel { dim }), &mut rng)?;
    let start: Vec<f64> = (0..dim).map(|_| rng.random_range(-1.0..1.0)).collect();
    sampler.set_position(&start)?;
    let mut drawn = Drawn { draws: Vec::with_capacity(dim * DRAWS), divergences: 0, gradients: 0, first: 0.0 };
    for draw in 0..settings.hint_num_tune() + DRAWS {
        let (position, progress) = sampler.draw()?;
        drawn.gradients += progress.num_gradients;
        if draw == settings.hint_num_tune() {
            drawn.first = started.elapsed().as_secs_f64();
        }
        if draw >= settings.hint_num_tune() {
            drawn.draws.extend(position.iter());
            drawn.divergences += usize::from(progress.diverging);
        } else if (draw + 1) % 100 == 0 {
            eprintln!("chain {chain}, draw {}: step {:.3}, {} gradients, {:.0} s", draw + 1, progress.step_size, drawn.gradients, started.elapsed().as_secs_f64());
        }
    }
    Ok(drawn)
}

/// A row of the table.
fn row(name: &str, settings: &(impl Settings + Sync), dim: usize, seed: u64) -> Result<()> {
    let started = Instant::now();
    let mut all = Vec::new();
    for first in (0..CHAINS).step_by(THREADS) {
        let some: Vec<Result<Drawn>> = std::thread::scope(|scope| {
            let run = |k: usize| scope.spawn(move || chain(settings, dim, k as u64, seed, started));
            let running: Vec<_> = (first..(first + THREADS).min(CHAINS)).map(run).collect();
            running.into_iter().map(|one| one.join().unwrap_or_else(|_| anyhow::bail!("a chain panicked"))).collect()
        });
        all.extend(some.into_iter().collect::<Result<Vec<_>>>()?);
    }
    let seconds = started.elapsed().as_secs_f64();
    // The draws of all chains at one iteration stand together.
    let of = |j: usize| -> Vec<f64> { (0..DRAWS).flat_map(|i| all.iter().map(move |one| one.draws[i * dim + j])).collect() };
    let found: Vec<_> = (0..dim).map(|j| Chains::new(&of(j), CHAINS).convergence()).collect();
    let least = found.iter().map(|one| one.effective_draws).fold(f64::INFINITY, f64::min);
    let r_hat = found.iter().map(|one| one.r_hat).fold(0.0, f64::max);
    let (divergences, gradients) = (all.iter().map(|one| one.divergences).sum::<usize>(), all.iter().map(|one| one.gradients).sum::<u64>());
    let y = of(0);
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let deviation = (y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / y.len() as f64).sqrt();
    println!(
        "| {dim} | {name} | {least:.0} | {:.0} | {r_hat:.3} | {divergences} | {mean:.2} | {deviation:.2} | {gradients} | {:.1} | {seconds:.1} |",
        found[0].effective_draws,
        all.iter().map(|one| one.first).fold(f64::INFINITY, f64::min),
    );
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (dims, seed) = match arguments.iter().position(|a| a == "--seed") {
        Some(at) => (&arguments[..at], arguments.get(at + 1).context("--seed: expected a number, found none")?.parse()?),
        None => (&arguments[..], 0),
    };
    let dims: Vec<usize> = if dims.is_empty() { vec![11, 101] } else { dims.iter().map(|d| d.parse()).collect::<Result<_, _>>()? };
    println!("| dimensions | sampler | smallest effective sample size | effective sample size of y | largest R̂ | divergences | mean of y | standard deviation of y | gradients | seconds to the first draw | seconds |");
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for dim in dims {
        let alone = DiagNutsSettings { num_tune: TUNE, ..DiagNutsSettings::default() };
        row("nuts-rs", &alone, dim, seed)?;
        let mut with_map = FlowNutsSettings { num_tune: TUNE, ..FlowNutsSettings::default() };
        // The Fisher divergence does not need draws from the target. It can use all points of the trajectories, many of which lie farther in the tails.
        with_map.adapt_options.use_orbit_for_training = true;
        row("nuts-rs with a map", &with_map, dim, seed)?;
    }
    Ok(())
}
