//! The time of a training step, of scoring and of sampling of Glow: L = 3, K = 16, 256 channels, 3 × 32 × 32, batches of 16.
//!
//! `cargo bench --workspace --bench glow [-- K WIDTH]` prints a line; `--json glow train|score|sample L WIDTH` one measurement in a process of its own,
//! which `benches/peers/speed.py` reads.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::{hint::black_box, time::Instant};

use burn::{module::Module, tensor::Tensor};
use knothe::{
    Density, Given, Placement, Precision,
    families::{Glow, Recipe},
    fit::{Adam, Batch, MaxLikelihood, loss},
    parameters,
    space::ImageShape,
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use common::{print, time};

const IMAGE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
const BATCH: usize = 16;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    // On a thread of the pool, as `fit` does it.
    rayon::scope(|_| match arguments.split_first() {
        Some((json, case)) if json == "--json" => one(case),
        _ => line(&arguments),
    });
}

fn recipe(levels: usize, steps: usize, width: usize) -> Recipe {
    Glow::new(IMAGE).levels(levels).steps_per_level(steps).width(width)
}

fn images() -> Tensor<2> {
    let (place, mut rng) = (Placement::cpu(Precision::F32), ChaCha12Rng::seed_from_u64(0));
    (place.uniform([BATCH, IMAGE.dim()], &mut rng) * 256.0).floor()
}

/// Times of a step, and the medians of its parts that are the value and the gradient.
fn train(recipe: &Recipe) -> ([f64; 2], [f64; 2]) {
    let batch = Batch::new(images());
    let mut module = Some(recipe.dequantised(&Placement::cpu(Precision::F32).autodiff()).unwrap());
    let mut adam = Adam::default();
    let mut parts = [vec![], vec![]];
    let step = time(7, || {
        let start = Instant::now();
        let own = module.take().unwrap();
        let number = loss(&MaxLikelihood, &own, &batch).unwrap();
        let value = start.elapsed().as_secs_f64() * 1e3;
        let gradients = number.backward();
        parts[0].push(value);
        parts[1].push(start.elapsed().as_secs_f64() * 1e3 - value);
        module = Some(adam.step(own, gradients, 1e-4, 0.0, 1.0).0);
    });
    let medians = parts.map(|mut part| {
        part.sort_by(f64::total_cmp);
        part[part.len() / 2]
    });
    (step, medians)
}

fn score(recipe: &Recipe) -> [f64; 2] {
    let (model, x) = (recipe.dequantised(&Placement::cpu(Precision::F32)).unwrap(), images());
    time(7, || drop(black_box(model.log_prob(x.clone(), &Given::default()).unwrap())))
}

fn sample(recipe: &Recipe) -> [f64; 2] {
    let (model, mut rng) = (recipe.dequantised(&Placement::cpu(Precision::F32)).unwrap(), ChaCha12Rng::seed_from_u64(0));
    time(7, || drop(black_box(model.sample(BATCH, &Given::default(), &mut rng).unwrap())))
}

fn one(case: &[String]) {
    let [_, operation, levels, width] = case else { panic!("glow OPERATION L WIDTH") };
    let recipe = recipe(levels.parse().unwrap(), 16, width.parse().unwrap());
    let found = match operation.as_str() {
        "train" => train(&recipe).0,
        "score" => score(&recipe),
        _ => sample(&recipe),
    };
    print(found, None, || parameters::count(&recipe.dequantised(&Placement::cpu(Precision::F32)).unwrap().valid()));
}

fn line(arguments: &[String]) {
    let asked: Vec<usize> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let (steps, width) = (asked.first().copied().unwrap_or(16), asked.get(1).copied().unwrap_or(256));
    let recipe = recipe(3, steps, width);
    let ([_, step], [value, gradient]) = train(&recipe);
    let ([_, score], [_, sample]) = (score(&recipe), sample(&recipe));
    println!("{} threads, f32, K = {steps}, {width} channels, batch {BATCH}; milliseconds, medians", rayon::current_num_threads());
    println!("step {step:.0} (value {value:.0}, gradient {gradient:.0}, Adam {:.0})", step - value - gradient);
    println!("score {score:.0}, sample {sample:.0}");
}
