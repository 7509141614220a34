//! The time of a training step, of scoring and of sampling of Glow: L = 3, K = 16, 256 channels, 3 × 32 × 32, batches of 16.
//! `cargo bench --workspace --bench glow [-- K WIDTH]`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{hint::black_box, time::Instant};

use burn::{module::Module, tensor::Tensor};
use knothe::{
    Density, Given, Placement, Precision,
    fit::{Adam, Batch},
    image::ImageShape,
    models::{ImageArchitecture, ImageModel},
    objective::max_likelihood,
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

/// Milliseconds of the median of `times` calls.
fn median(times: usize, mut call: impl FnMut()) -> f64 {
    call();
    let mut found: Vec<f64> = (0..times)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    found.sort_by(f64::total_cmp);
    found[times / 2]
}

fn main() {
    // On a thread of the pool, as `fit` does it.
    rayon::scope(|_| measure());
}

fn measure() {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (steps, width) = (asked.first().copied().unwrap_or(16), asked.get(1).copied().unwrap_or(256));
    let (place, mut rng) = (Placement::cpu(Precision::F32), ChaCha12Rng::seed_from_u64(0));
    let image = ImageShape { channels: 3, height: 32, width: 32 };
    let fresh = ImageArchitecture::new(ImageModel::Glow, image, 0, 0);
    let architecture = ImageArchitecture { levels: 3, steps, width, ..fresh };
    let x: Tensor<2> = (place.uniform([16, image.dim()], &mut rng) * 256.0).floor();
    let batch = Batch::new(x.clone());
    let mut module = Some(architecture.build(&place.autodiff()).unwrap());
    let mut adam = Adam::default();
    let mut spent = Vec::new();
    let step = median(7, || {
        let start = Instant::now();
        let own = module.take().unwrap();
        let loss = max_likelihood(&own, &batch).unwrap();
        let forward = start.elapsed().as_secs_f64() * 1e3;
        let gradients = loss.backward();
        spent.push((forward, start.elapsed().as_secs_f64() * 1e3));
        module = Some(adam.step(own, &gradients, 1e-4, 0.0, 1.0).0);
    });
    spent.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (forward, gradient) = spent[spent.len() / 2];
    let plain = module.unwrap().valid();
    let score = median(5, || drop(black_box(plain.log_prob(x.clone(), &Given::default()).unwrap())));
    let sample = median(5, || drop(black_box(plain.sample(16, &Given::default(), &mut rng).unwrap())));
    println!("{} threads, f32, K = {steps}, {width} channels, batch 16; milliseconds, medians", rayon::current_num_threads());
    println!("step {step:.0} (value {forward:.0}, gradient {:.0}, Adam {:.0})", gradient - forward, step - gradient);
    println!("score {score:.0}, sample {sample:.0}");
}
