//! The map: affine couplings, fitted to draws and scores.

use std::sync::Arc;

use knothe::{
    Compose, Flow, Layer, Placement, Precision, Result,
    conditioner::Activation,
    fit::Fit,
    inference::{FisherDivergence, SourceCoordinates, SourceDraws},
    linear::ActNorm,
    source::{Normal, Source},
    triangular::Coupling,
    univariate::Affine,
};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha12Rng;

/// Units of the hidden layer of each coupling.
const HIDDEN: usize = 32;
/// Optimisation steps of a fit to fewer than `MANY` points, and of a fit to at least as many.
const STEPS: [u64; 2] = [200, 2000];
const MANY: usize = 100;
/// The latest points that a fit uses.
const LATEST: usize = 20_000;

/// A map from a normal source to the target.
pub struct Map {
    flow: Flow<Source, Compose>,
    coordinates: SourceCoordinates<Compose>,
    id: i64,
}

impl Map {
    /// A map close to the identity.
    pub fn new(dim: usize, seed: u64) -> Result<Self> {
        let (place, mut rng) = (Placement::cpu(Precision::F64), ChaCha12Rng::seed_from_u64(seed));
        // Each coordinate has a number. The couplings of a pair move the coordinates whose number has a bit, and then the others. So of any two coordinates, one moves while the other stands
        // still in some pair.
        let mut numbers: Vec<usize> = (0..dim).collect();
        numbers.shuffle(&mut rng);
        let mut layers = Vec::new();
        for bit in 0..usize::BITS - (dim - 1).leading_zeros() {
            let moves: Vec<bool> = numbers.iter().map(|number| number >> bit & 1 == 1).collect();
            for flip in [false, true] {
                let moves: Vec<bool> = moves.iter().map(|moved| moved ^ flip).collect();
                let map = Arc::new(Affine::default());
                layers.push(Layer::Coupling(Coupling::new(&moves, 0, &[HIDDEN], Activation::Silu, map, &place, &mut rng)?));
            }
        }
        layers.push(Layer::ActNorm(ActNorm::new(dim, &place)));
        let flow = Flow::new(Source::Normal(Normal::new(dim, &place)), Compose::new(dim, layers)?, 0)?;
        Ok(Map { coordinates: SourceCoordinates::new(&flow), flow, id: rng.random_range(0..1 << 40) })
    }

    /// Continues the fit of the map, to the latest points.
    pub fn update<'a>(
        &mut self,
        positions: impl ExactSizeIterator<Item = &'a [f64]>,
        gradients: impl ExactSizeIterator<Item = &'a [f64]>,
        seed: u64,
    ) -> Result<()> {
        let (place, n) = (Placement::cpu(Precision::F64), positions.len());
        if n == 0 {
            return Ok(());
        }
        let skipped = n.saturating_sub(LATEST);
        let latest = |rows: &mut dyn Iterator<Item = &'a [f64]>| -> Vec<f64> { rows.skip(skipped).flatten().copied().collect() };
        let (x, scores) = (latest(&mut { positions }), latest(&mut { gradients }));
        let dim = x.len() / (n - skipped);
        let objective = FisherDivergence::new(dim, x, scores)?.robust(true);
        let draws = SourceDraws::new(dim, &place);
        let steps = STEPS[usize::from(n >= MANY)];
        let fit = Fit::new().objective(objective).as_it_is(true).steps(steps).batch(128).learning_rate(5e-3).warm_up(0).patience(0).seed(seed);
        let (flow, _) = fit.run(self.flow.clone(), &draws, &draws)?;
        (self.coordinates, self.flow, self.id) = (SourceCoordinates::new(&flow), flow, self.id + 1);
        Ok(())
    }

    /// The coordinates of its source.
    pub fn coordinates(&self) -> &SourceCoordinates<Compose> {
        &self.coordinates
    }

    /// A number that tells two maps apart.
    pub fn id(&self) -> i64 {
        self.id
    }
}
