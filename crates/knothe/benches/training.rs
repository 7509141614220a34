//! The time of a training step and of scoring, by model and size. `cargo bench --workspace --bench training [-- MODEL D …]`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{hint::black_box, time::Instant};

use burn::module::Module;
use knothe::{
    Density, Given, Placement, Precision,
    conditioner::Activation,
    fit::{Adam, Batch},
    models::{Architecture, Model},
    objective::max_likelihood,
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

const BATCH: usize = 512;
const ROWS: usize = 10_000;

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
    let (dims, models): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).filter(|a| !a.starts_with('-')).partition(|a| a.parse::<usize>().is_ok());
    let wide = [(8, 64), (21, 256), (43, 512), (63, 512)];
    let cases = [
        (Model::Maf, 5, 0, &wide[..]),
        (Model::Nsf, 5, 8, &wide[..2]),
        (Model::Sos, 5, 3, &wide[..2]),
        (Model::Naf, 5, 16, &wide[..2]),
        (Model::RealNvp, 10, 0, &wide[..2]),
    ];
    println!(
        "{} threads, f32; milliseconds, medians: step of {BATCH} rows (forward and backward, Adam), {ROWS} rows scored, sampling 1,000\n",
        rayon::current_num_threads()
    );
    println!("model          D    H     step  gradient     adam    score   sample");
    for (model, layers, components, sizes) in cases {
        if !models.is_empty() && !models.iter().any(|m| m.as_str() == model.name()) {
            continue;
        }
        for &(dim, width) in sizes.iter().filter(|(dim, _)| dims.is_empty() || dims.contains(&dim.to_string())) {
            let mut architecture = Architecture::new(model, dim, 0, 0);
            architecture.layers = layers;
            architecture.hidden = vec![width, width];
            architecture.activation = Activation::Relu;
            if components > 0 {
                architecture.components = components;
            }
            let place = Placement::cpu(Precision::F32);
            let mut rng = ChaCha12Rng::seed_from_u64(0);
            let mut module = Some(architecture.build(&place.autodiff()).unwrap());
            let batch = Batch::new(place.normal([BATCH, dim], &mut rng));
            let mut adam = Adam::default();
            let times = if width > 64 { 31 } else { 101 };
            let mut gradient = 0.0;
            let mut spent = Vec::new();
            let step = median(times, || {
                let start = Instant::now();
                let own = module.take().unwrap();
                let gradients = max_likelihood(&own, &batch).unwrap().backward();
                spent.push(start.elapsed().as_secs_f64() * 1e3);
                module = Some(adam.step(own, &gradients, 1e-3, 0.0, f64::INFINITY).0);
            });
            spent.sort_by(f64::total_cmp);
            gradient += spent[spent.len() / 2];
            let plain = module.unwrap().valid();
            let x = place.normal([ROWS, dim], &mut rng);
            let score = median(11, || {
                black_box(plain.log_prob(x.clone(), &Given::default()).unwrap());
            });
            let sample = median(11, || {
                black_box(plain.sample(1000, &Given::default(), &mut rng).unwrap());
            });
            println!("{:12} {dim:3} {width:4} {step:8.2} {gradient:9.2} {:8.2} {score:8.2} {sample:8.2}", model.name(), step - gradient);
        }
    }
}
