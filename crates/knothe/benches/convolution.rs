//! The time of a convolution, forward and with its gradients, beside Burn's, and the share of what a large matrix product reaches.
//!
//! `cargo bench --workspace --bench convolution [-- CALLS]` prints a table; `--json convolution forward|gradients INDEX 0` one measurement in a process of
//! its own, which `benches/peers/speed.py` reads.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::hint::black_box;

use burn::module::Module;
use burn::tensor::{Tensor, module::conv2d, ops::ConvOptions};
use knothe::{
    Placement, Precision,
    conditioner::{Convolution, Window},
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use common::{print, time};

/// Images, input and output channels, height and width, and the sides of the window. What is one pixel high is causal.
const SHAPES: [(&str, [usize; 5], [usize; 2]); 5] = [
    ("3×3 6→256 16×16", [16, 6, 256, 16, 16], [3, 3]),
    ("1×1 256→256 16×16", [16, 256, 256, 16, 16], [1, 1]),
    ("3×3 256→12 16×16", [16, 256, 12, 16, 16], [3, 3]),
    ("3×3 64→64 28×28", [16, 64, 64, 28, 28], [3, 3]),
    ("causal 2, 64→128, 8,000", [4, 64, 128, 1, 8000], [1, 2]),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    // On a thread of the pool, as `fit` does it.
    rayon::scope(|_| match arguments.split_first() {
        Some((json, case)) if json == "--json" => one(case),
        _ => table(arguments.first().and_then(|a| a.parse().ok()).unwrap_or(15)),
    });
}

/// A layer, an input for it, and the operations of a forward pass.
fn setup([rows, inputs, outputs, height, width]: [usize; 5], [high, wide]: [usize; 2]) -> (Convolution, Tensor<4>, f64) {
    let (place, mut rng) = (Placement::cpu(Precision::F32), ChaCha12Rng::seed_from_u64(0));
    let window = if high == 1 && wide > 1 { Window::causal(wide, 1) } else { Window::same(high) };
    let layer = Convolution::new([inputs, outputs], window, 1.0, &place.autodiff(), &mut rng);
    let flops = 2.0 * (rows * inputs * outputs * height * width * high * wide) as f64;
    (layer, place.normal([rows, inputs, height, width], &mut rng), flops)
}

fn forward(layer: &Convolution, x: &Tensor<4>, calls: usize) -> [f64; 2] {
    let plain = layer.valid();
    time(calls, || drop(black_box(plain.forward(x.clone()).unwrap())))
}

/// A forward pass and the gradients of the input and of the weights.
fn gradients(layer: &Convolution, x: &Tensor<4>, calls: usize) -> [f64; 2] {
    time(calls, || drop(black_box(layer.forward(Tensor::from_inner(x.clone()).require_grad()).unwrap().sum().backward())))
}

fn one(case: &[String]) {
    let [_, operation, index, _] = case else { panic!("convolution OPERATION INDEX 0") };
    let (_, sizes, window) = SHAPES[index.parse::<usize>().unwrap()];
    let (layer, x, flops) = setup(sizes, window);
    match operation.as_str() {
        "forward" => print(forward(&layer, &x, 41), Some(flops), || layer.num_params()),
        _ => print(gradients(&layer, &x, 41), Some(3.0 * flops), || layer.num_params()),
    }
}

fn table(calls: usize) {
    let (place, mut rng) = (Placement::cpu(Precision::F32), ChaCha12Rng::seed_from_u64(0));
    let square: Tensor<2> = place.normal([1536, 1536], &mut rng);
    let peak = 2.0 * 1536f64.powi(3) / (time(calls, || drop(black_box(square.clone().matmul(square.clone()))))[1] * 1e6);
    println!("{} threads, f32; a product of 1,536² takes {peak:.0} GFLOP/s; milliseconds, medians\n", rayon::current_num_threads());
    println!("shape                      forward  of peak  and gradients  of peak   Burn's: forward  and gradients");
    for (name, sizes, window) in SHAPES {
        let (layer, x, flops) = setup(sizes, window);
        let padding = window.map(|side| side / 2);
        let weight: Tensor<4> = place.normal([sizes[2], sizes[1], window[0], window[1]], &mut rng);
        let weight = Tensor::from_inner(weight).require_grad();
        let burns = |x: Tensor<4>, weight: Tensor<4>| conv2d(x, weight, None, ConvOptions::new([1, 1], padding, [1, 1], 1));
        let tracked = || Tensor::from_inner(x.clone()).require_grad();
        let found = [
            forward(&layer, &x, calls),
            gradients(&layer, &x, calls),
            time(calls, || drop(black_box(burns(x.clone(), weight.clone().inner())))),
            time(calls, || drop(black_box(burns(tracked(), weight.clone()).sum().backward()))),
        ]
        .map(|[_, median]| median);
        let share = |times: f64, ms: f64| 100.0 * times * flops / (ms * 1e6) / peak;
        println!(
            "{name:26} {:7.2} {:7.0}% {:14.2} {:7.0}% {:17.2} {:14.2}",
            found[0],
            share(1.0, found[0]),
            found[1],
            share(3.0, found[1]),
            found[2],
            found[3]
        );
    }
}
