//! The price of exact sampling beside one parallel pass and D passes. `cargo bench --workspace --bench sampling`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{hint::black_box, sync::Arc, time::Instant};

use burn::tensor::Tensor;
use knothe::{
    Bijection, Given, Placement, Precision, Result,
    conditioner::{Activation, Degrees, MadeConfig, Order},
    conformance::naive_solve,
    triangular::Autoregressive,
    univariate::{Affine, MonotoneMap},
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

const ROWS: usize = 1000;
/// Layers of the flow.
const LAYERS: usize = 5;

/// Milliseconds of the fastest of `times` calls: the machine's noise only adds.
fn fastest(times: usize, mut call: impl FnMut() -> Result<Tensor<2>>) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..times {
        let start = Instant::now();
        black_box(call().unwrap());
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    best
}

fn main() {
    let place = Placement::cpu(Precision::F32);
    println!("{ROWS} rows, f32, two hidden layers of H; milliseconds, fastest call\n");
    println!("   D    H  layers    exact   one pass    D passes  exact/pass  naive/exact");
    for (dim, width) in [(8, 64), (21, 256), (43, 512), (63, 512)] {
        let mut rng = ChaCha12Rng::seed_from_u64(0);
        let layers: Vec<Autoregressive> = (0..LAYERS)
            .map(|k| {
                let natural = Order::natural(dim);
                let config = MadeConfig {
                    order: if k % 2 == 0 { natural } else { natural.reversed() },
                    context_dim: 0,
                    hidden: vec![width, width],
                    parameters: 2,
                    activation: Activation::Relu,
                    degrees: Degrees::Sequential,
                    residual: false,
                };
                Autoregressive::new(config, Arc::new(Affine::default()), &place, &mut rng).unwrap()
            })
            .collect();
        let x = place.normal([ROWS, dim], &mut rng);
        let given = Given::default();
        for layers in [&layers[..1], &layers[..]] {
            let through =
                |one: &dyn Fn(&Autoregressive, Tensor<2>) -> Result<Tensor<2>>| layers.iter().try_fold(x.clone(), |x, l| one(l, x));
            let exact = || through(&|l, x| Ok(l.inverse_and_ladj(x, &given)?.0));
            let pass = || through(&|l, x| Ok(l.forward_and_ladj(x, &given)?.0));
            let naive = || {
                through(&|l, x| {
                    let step = |column, theta| Ok(Affine::default().inverse(x.clone().narrow(1, column, 1), theta)?.0);
                    naive_solve(l.conditioner(), ROWS, &Given::default(), &place, step)
                })
            };
            let (exact, pass) = (fastest(15, exact), fastest(15, pass));
            // One call is enough of what takes seconds.
            let naive = fastest(if exact > 3.0 { 1 } else { 3 }, naive);
            let count = layers.len();
            let (to_pass, to_naive) = (exact / pass, naive / exact);
            println!("{dim:4} {width:4} {count:7} {exact:8.2} {pass:10.2} {naive:11.1} {to_pass:11.2} {to_naive:12.1}");
        }
    }
}
