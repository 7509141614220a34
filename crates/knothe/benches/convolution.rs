//! The time of a convolution, forward and with its gradients, beside Burn's, and the share of what a large matrix product reaches.
//! `cargo bench --workspace --bench convolution [-- ROUNDS]`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{hint::black_box, time::Instant};

use burn::tensor::{Tensor, module::conv2d, ops::ConvOptions};
use knothe::{
    Placement, Precision,
    conditioner::{Convolution, Window},
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
    let times = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(15);
    let (place, mut rng) = (Placement::cpu(Precision::F32), ChaCha12Rng::seed_from_u64(0));
    let square: Tensor<2> = place.normal([1536, 1536], &mut rng);
    let peak = 2.0 * 1536f64.powi(3) / (median(times, || drop(black_box(square.clone().matmul(square.clone())))) * 1e6);
    println!("{} threads, f32; a product of 1,536² takes {peak:.0} GFLOP/s; milliseconds, medians\n", rayon::current_num_threads());
    println!("shape                      forward  of peak  and gradients  of peak   Burn's: forward  and gradients");
    let (causal, batch) = (Window::causal(2, 1), 16);
    for (name, [rows, inputs, outputs, height, width], window, padding) in [
        ("3×3 6→256 16×16", [batch, 6, 256, 16, 16], Window::same(3), [1, 1]),
        ("1×1 256→256 16×16", [batch, 256, 256, 16, 16], Window::same(1), [0, 0]),
        ("3×3 256→12 16×16", [batch, 256, 12, 16, 16], Window::same(3), [1, 1]),
        ("3×3 64→64 28×28", [batch, 64, 64, 28, 28], Window::same(3), [1, 1]),
        ("causal 2, 64→128, 8,000", [4, 64, 128, 1, 8000], causal, [0, 1]),
    ] {
        let flops = 2.0 * (rows * inputs * outputs * height * width * window.taps()) as f64;
        let layer = Convolution::new([inputs, outputs], window, 1.0, &place.autodiff(), &mut rng);
        let kernel = if window == causal { [1, 2] } else { [padding[0] * 2 + 1; 2] };
        let weight: Tensor<4> = place.normal([outputs, inputs, kernel[0], kernel[1]], &mut rng);
        let weight = Tensor::from_inner(weight).require_grad();
        let x: Tensor<4> = place.normal([rows, inputs, height, width], &mut rng);
        let plain = burn::module::Module::valid(&layer);
        let burns = |x: Tensor<4>, weight: Tensor<4>| conv2d(x, weight, None, ConvOptions::new([1, 1], padding, [1, 1], 1));
        let tracked = || Tensor::from_inner(x.clone()).require_grad();
        let found = [
            median(times, || drop(black_box(plain.forward(x.clone()).unwrap()))),
            median(times, || drop(black_box(layer.forward(tracked()).unwrap().sum().backward()))),
            median(times, || drop(black_box(burns(x.clone(), weight.clone().inner())))),
            median(times, || drop(black_box(burns(tracked(), weight.clone()).sum().backward()))),
        ];
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
