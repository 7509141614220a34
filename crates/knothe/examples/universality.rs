//! One triangular layer of a universal map learns a density whose conditionals its network can follow; two layers learn more.
//!
//! For each toy density and each univariate map: the gap mean(log q_true − log q_model) over 100,000 new points, in nats, and a
//! picture of every learned density beside the true one in `docs/images`.
//!
//! `cargo run --release --package knothe --features plot --example universality -- [TOY …] [MAP …]`

#[path = "toy/mod.rs"]
mod toy;

use std::path::Path;
use std::sync::Arc;

use knothe::{
    Compose, Error, Flow, Inverse, Layer, Result,
    conditioner::{Activation, Degrees, MadeConfig, Order},
    fit::FitConfig,
    plot::{Axis, ColourScale, Grid, montage},
    source::{Normal, Source},
    toys::Toy,
    triangular::Autoregressive,
    univariate::{Affine, Composed, DeepSigmoidal, Inverted, MixtureCdf, MonotoneMap, Sigmoidal, Spline, Standard, SumOfSquares},
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use toy::{Learned, learn, place};

/// Cells of a picture along each axis.
const CELLS: usize = 170;
const SEED: u64 = 0;

/// The maps by name, and the steps that each learns for. Splines, which leave what is beyond their bounds in its place, come after a
/// conditional location and scale.
fn maps() -> Vec<(&'static str, u64, Arc<dyn MonotoneMap>)> {
    let location_and_scale = || Inverted(Affine::default());
    vec![
        ("affine", 500, Arc::new(location_and_scale())),
        ("spline", 1_000, Arc::new(Composed(location_and_scale(), Spline { bins: 32, bound: 4.0 }))),
        ("dsf", 2_000, Arc::new(Sigmoidal(16))),
        ("ddsf", 1_500, Arc::new(DeepSigmoidal { units: 4, layers: 2 })),
        ("sos", 3_000, Arc::new(SumOfSquares { polynomials: 2, degree: 8, bound: Some(4.0) })),
        ("mixture cdf", 1_500, Arc::new(MixtureCdf { law: Standard::Normal, components: 12 })),
    ]
}

/// How many layers a toy gets, and the column that the layer next to the data generates first.
fn plan(toy: Toy) -> (usize, usize) {
    match toy {
        Toy::Parabola => (1, 1),
        Toy::Banana | Toy::Funnel | Toy::Ring => (1, 0),
        Toy::EightGaussians | Toy::Moons | Toy::Checkerboard => (2, 0),
    }
}

/// A standard normal under layers z_j = T(x_j; θ_j(x_<j)) whose orders alternate.
fn flow(map: &Arc<dyn MonotoneMap>, layers: usize) -> Result<Flow<Source, Compose>> {
    let (place, mut rng) = (place(), ChaCha12Rng::seed_from_u64(SEED));
    let mut layer = |k: usize| {
        let natural = Order::natural(2);
        let config = MadeConfig {
            order: if k.is_multiple_of(2) { natural } else { natural.reversed() },
            context_dim: 0,
            hidden: vec![64, 64],
            parameters: 0,
            activation: Activation::Silu,
            degrees: Degrees::default(),
            residual: false,
        };
        Ok(Layer::InverseAutoregressive(Inverse::of(Autoregressive::new(config, map.clone(), &place, &mut rng)?)))
    };
    let layers = (0..layers).rev().map(&mut layer).collect::<Result<_>>()?;
    Flow::new(Source::Normal(Normal::new(2, &place)), Compose::new(2, layers)?, 0)
}

fn axes(toy: Toy) -> [Axis; 2] {
    toy.window().map(|[low, high]| Axis::between("", low, high, CELLS))
}

/// Trains one map on one toy.
fn train(toy: Toy, map: &Arc<dyn MonotoneMap>, steps: u64) -> Result<Learned<Flow<Source, Compose>>> {
    let (layers, first) = plan(toy);
    // Batches out of a million draws: no point is seen often enough to be learned by heart.
    let config =
        FitConfig { steps: Some(steps), learning_rate: 5e-3, patience: 0, average: Some(0.99), seed: SEED, ..FitConfig::default() };
    learn(toy, [first, 1 - first], flow(map, layers)?, &config)
}

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |name: &str| asked.iter().any(|a| a == name);
    let all_toys = !Toy::ALL.iter().any(|toy| is_asked(toy.name()));
    let all_maps = !maps().iter().any(|(name, ..)| is_asked(name));
    for toy in Toy::ALL.into_iter().filter(|toy| all_toys || is_asked(toy.name())) {
        let axes = axes(toy);
        let values = Grid::centres(&axes).into_iter().map(|x| toy.log_prob(x).exp()).collect();
        let mut pictures = vec![("the truth".to_owned(), Grid { axes: axes.clone(), values })];
        for (name, steps, map) in maps().into_iter().filter(|(name, ..)| all_maps || is_asked(name)) {
            let learned = train(toy, &map, steps)?;
            let (gap, two_se, report) = (learned.gap, learned.two_se, &learned.report);
            println!("{:16} {name:12} gap {gap:7.4} ± {two_se:.4}  skipped {}  {:4.0} s", toy.name(), report.skipped, report.seconds);
            let values = learned.log_prob(&Grid::centres(&axes))?.into_iter().map(f64::exp).collect();
            pictures.push((format!("{name} {gap:.3}"), Grid { axes: axes.clone(), values }));
        }
        if !all_maps {
            continue;
        }
        let shown: Vec<(String, &Grid)> = pictures.iter().map(|(title, grid)| (title.clone(), grid)).collect();
        let folder = Path::new("docs/images");
        std::fs::create_dir_all(folder).map_err(|source| Error::Io { action: "create", path: folder.into(), source })?;
        montage(&shown, 4, ColourScale::of(shown[0].1))?.write(&folder.join(format!("{}.png", toy.name())))?;
    }
    Ok(())
}
