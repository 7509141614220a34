//! The time of a training step and of sampling of PixelCNN: binary images of 28 × 28, batches of 32, 64 samples.
//!
//! `cargo bench --workspace --bench pixels [-- LAYERS WIDTH]` prints a line; `--json pixel_cnn train|sample LAYERS WIDTH` one measurement in a process of its own, which
//! `benches/peers/speed.py` reads.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::hint::black_box;

use burn::module::Module;
use knothe::{
    Density, Given, Placement, Precision,
    families::{PixelCnn, Recipe},
    fit::{Adam, Batch, MaxLikelihood, loss},
    parameters,
    space::{ImageShape, Law, Shape, Space},
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use common::{print, time};

const IMAGE: ImageShape = ImageShape { channels: 1, height: 28, width: 28 };
const BATCH: usize = 32;
const SAMPLES: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    // On a thread of the pool, as `fit` does it.
    rayon::scope(|_| match arguments.split_first() {
        Some((json, [_, operation, layers, width])) if json == "--json" => {
            let recipe = recipe(layers.parse().unwrap(), width.parse().unwrap());
            let found = if operation == "train" { train(&recipe) } else { sample(&recipe) };
            print(found, None, || parameters::count(&recipe.build(&Placement::cpu(Precision::F32)).unwrap()));
        }
        _ => {
            let asked: Vec<usize> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
            let (layers, width) = (asked.first().copied().unwrap_or(8), asked.get(1).copied().unwrap_or(32));
            let recipe = recipe(layers, width);
            let ([_, step], [_, sample]) = (train(&recipe), sample(&recipe));
            println!("{} threads, f32, {layers} layers of {width} channels; milliseconds, medians", rayon::current_num_threads());
            println!("step of {BATCH} images {step:.0}, {SAMPLES} samples {sample:.0}");
        }
    });
}

fn recipe(layers: usize, width: usize) -> Recipe {
    PixelCnn::new(Space::new(Shape::Grid(IMAGE), Law::Codes(2))).layers(layers).width(width)
}

fn train(recipe: &Recipe) -> [f64; 2] {
    let (place, mut rng) = (Placement::cpu(Precision::F32), ChaCha12Rng::seed_from_u64(0));
    let batch = Batch::new((place.uniform([BATCH, IMAGE.dim()], &mut rng) * 2.0).floor());
    let mut module = Some(recipe.build(&place.autodiff()).unwrap());
    let mut adam = Adam::default();
    time(5, || {
        let own = module.take().unwrap();
        let gradients = loss(&MaxLikelihood, &own, &batch).unwrap().backward();
        module = Some(adam.step(own, gradients, 1e-4, 0.0, 1.0).0);
    })
}

fn sample(recipe: &Recipe) -> [f64; 2] {
    let (model, mut rng) = (recipe.build(&Placement::cpu(Precision::F32)).unwrap().valid(), ChaCha12Rng::seed_from_u64(0));
    time(2, || drop(black_box(model.sample(SAMPLES, &Given::default(), &mut rng).unwrap())))
}
