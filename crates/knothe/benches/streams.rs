//! Times a training step and sampling of WaveNet, with 256 levels and 128 skip channels. A step has 8 recordings of 4,000 samples.
//! Sampling draws 1 and 16 streams of 4,000 samples.
//!
//! `cargo bench --workspace --bench streams [-- LAYERS WIDTH]` prints the medians. `--json wavenet train|sample|stream LAYERS WIDTH` prints one measurement in a process of its
//! own, for `benches/peers/speed.py`. `stream` draws one stream, and `sample` draws 16.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::hint::black_box;

use burn::module::Module;
use knothe::{
    Density, Given, Placement, Precision,
    families::{Recipe, WaveNet},
    fit::{Adam, Batch, MaxLikelihood, loss},
    parameters,
    space::{Law, Shape, Space},
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use common::{print, time};

const LENGTH: usize = 4_000;
const BATCH: usize = 8;
const STREAMS: usize = 16;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    // On a thread of the pool, as `fit` does it.
    rayon::scope(|_| match arguments.split_first() {
        Some((json, [_, operation, layers, width])) if json == "--json" => {
            let recipe = recipe(layers.parse().unwrap(), width.parse().unwrap());
            let found = match operation.as_str() {
                "train" => train(&recipe),
                "stream" => sample(&recipe, 1),
                _ => sample(&recipe, STREAMS),
            };
            print(found, None, || parameters::count(&recipe.build(&Placement::cpu(Precision::F32)).unwrap()));
        }
        _ => {
            let asked: Vec<usize> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
            let (layers, width) = (asked.first().copied().unwrap_or(20), asked.get(1).copied().unwrap_or(32));
            let recipe = recipe(layers, width);
            let ([_, step], [_, one], [_, many]) = (train(&recipe), sample(&recipe, 1), sample(&recipe, STREAMS));
            let rate = |streams: usize, milliseconds: f64| (streams * LENGTH) as f64 / milliseconds * 1e3;
            println!("{} threads, f32, {layers} layers of {width} channels; medians", rayon::current_num_threads());
            println!("step of {BATCH} recordings {step:.0} ms, {:.0} samples per second", rate(BATCH, step));
            println!("1 stream {:.0}, {STREAMS} streams {:.0} samples per second", rate(1, one), rate(STREAMS, many));
        }
    });
}

fn recipe(layers: usize, width: usize) -> Recipe {
    WaveNet::new(Space::new(Shape::Sequence { channels: 1, length: LENGTH }, Law::Codes(256))).layers(layers).width(width)
}

fn train(recipe: &Recipe) -> [f64; 2] {
    let (place, mut rng) = (Placement::cpu(Precision::F32), ChaCha12Rng::seed_from_u64(0));
    let batch = Batch::new((place.uniform([BATCH, LENGTH], &mut rng) * 256.0).floor());
    let mut module = Some(recipe.build(&place.autodiff()).unwrap());
    let mut adam = Adam::default();
    time(5, || {
        let own = module.take().unwrap();
        let gradients = loss(&MaxLikelihood, &own, &batch).unwrap().backward();
        module = Some(adam.step(own, gradients, 1e-4, 0.0, 1.0).0);
    })
}

fn sample(recipe: &Recipe, streams: usize) -> [f64; 2] {
    let (model, mut rng) = (recipe.build(&Placement::cpu(Precision::F32)).unwrap().valid(), ChaCha12Rng::seed_from_u64(0));
    time(3, || drop(black_box(model.sample(streams, &Given::default(), &mut rng).unwrap())))
}
