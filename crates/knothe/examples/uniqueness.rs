//! The increasing triangular map from one density to another, in one order of the columns, is unique (Rosenblatt 1952; Knothe 1957).
//!
//! For the banana q(x) = φ(x₁) φ(x₂ − x₁²) it is (z₁, z₂ + z₁²). Three universal maps, fitted without knowing of each other, have
//! to find it, and so agree: r.m.s. distances under the source, all of which should be at most 0.05.
//!
//! `cargo run --release --package knothe --example uniqueness`

use burn::module::Module;
use knothe::{
    Bijection, Error, Given, Placement, Precision, Result, TabularFlow,
    conditioner::Activation,
    families::{Family, Naf, Nsf, Recipe, Sos},
    fit::{Adam, Batch, MaxLikelihood, loss},
    values,
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

/// Each with its components.
const FAMILIES: [(&dyn Family, usize); 3] = [(&Sos, 4), (&Naf, 8), (&Nsf, 4)];
const SEEDS: u64 = 3;
const STEPS: u64 = 1_500;
const ROWS: usize = 1_024;
const RATE: f64 = 5e-3;
const AGREEMENT: f64 = 0.05;

/// Rows of the banana from rows of its source.
fn banana(z: &[f64]) -> Vec<f64> {
    z.chunks(2).flat_map(|z| [z[0], z[1] + z[0] * z[0]]).collect()
}

/// One layer, fitted to new rows at every step: there is nothing to overfit.
fn fitted((family, components): (&'static dyn Family, usize), seed: u64, place: &Placement) -> Result<TabularFlow> {
    // Sums of squares are of degree 2 unless another is asked for.
    let recipe = Recipe::new(family, 2).seed(seed).layers(1).hidden([32, 32]).components(components);
    let mut flow = recipe.activation(Activation::Silu).flow(place)?.train();
    let (mut adam, mut rng) = (Adam::default(), ChaCha12Rng::seed_from_u64(seed));
    for step in 0..STEPS {
        let x = banana(&values(place.normal([ROWS, 2], &mut rng)));
        let batch = Batch::new(place.autodiff().tensor(x, [ROWS, 2]));
        let gradients = loss(&MaxLikelihood, &flow, &batch)?.backward();
        let rate = RATE * 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / STEPS as f64).cos());
        flow = adam.step(flow, gradients, rate, 0.0, 5.0).0;
    }
    Ok(flow.valid())
}

/// The root of the mean square of the distance between rows.
fn rms(a: &[f64], b: &[f64]) -> f64 {
    let square: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    (square / (a.len() / 2) as f64).sqrt()
}

fn main() -> Result<()> {
    let place = Placement::cpu(Precision::F32);
    let z = place.normal([20_000, 2], &mut ChaCha12Rng::seed_from_u64(100));
    let exact = banana(&values(z.clone()));
    println!(
        "{:<6}{:>14}{:>14}{:>14}{:>12}{:>12}{:>12}",
        "seed", "sos to exact", "naf to exact", "nsf to exact", "sos to naf", "naf to nsf", "nsf to sos"
    );
    let mut worst = 0.0f64;
    for seed in 0..SEEDS {
        let map = |family| Ok(values(fitted(family, seed, &place)?.bijection().forward_and_ladj(z.clone(), &Given::default())?.0));
        let maps = FAMILIES.map(map).into_iter().collect::<Result<Vec<_>>>()?;
        let to_exact = maps.iter().map(|x| rms(x, &exact));
        let pairs = (0..3).map(|i| rms(&maps[i], &maps[(i + 1) % 3]));
        let all: Vec<f64> = to_exact.chain(pairs).collect();
        println!("{seed:<6}{:>14.4}{:>14.4}{:>14.4}{:>12.4}{:>12.4}{:>12.4}", all[0], all[1], all[2], all[3], all[4], all[5]);
        worst = all.into_iter().fold(worst, f64::max);
    }
    if worst <= AGREEMENT { Ok(()) } else { Err(Error::invalid("the worst distance", format!("at most {AGREEMENT}"), worst)) }
}
