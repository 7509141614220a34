//! A program as one operation against its steps.
#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::placement::{Placement, Precision, values};

/// Two stacks with sums, gates, a ReLU and a place that two steps read, on images of 2 channels; and the channels and the window of each layer.
fn program() -> (Program, Vec<([usize; 2], Window, bool)>) {
    let mut program = Program::new();
    let v = program.made(Operation::Convolve(0), 0);
    let p = program.made(Operation::Convolve(1), 0);
    program.add(Operation::Convolve(2), v, p);
    let gated = program.made(Operation::Gate, p);
    let again = program.made(Operation::Gate, v);
    let h = program.made(Operation::Convolve(3), gated);
    program.add(Operation::Same, again, h);
    let positive = program.made(Operation::Relu, h);
    let hidden = program.made(Operation::Convolve(4), positive);
    program.made(Operation::Convolve(5), hidden);
    let layers = vec![
        ([2, 6], Window::above(2), false),
        ([2, 6], Window::causal(3, 1), false),
        ([6, 6], Window::same(1), false),
        ([3, 3], Window::same(3), false),
        ([3, 4], Window::same(1), true),
        ([4, 2], Window::same(1), false),
    ];
    (program, layers)
}

type Form = fn(&Program, Tensor<4>, Vec<ConvolutionLayer>) -> Tensor<4>;

/// The value and all gradients of a loss that weighs each output on its own.
fn run(form: Form, [rows, height, width]: [usize; 3], own_bias: bool, precision: Precision) -> Vec<Vec<f64>> {
    let place = Placement::cpu(precision).autodiff();
    let mut rng = ChaCha12Rng::seed_from_u64(8);
    let (program, layers) = program();
    let x: Tensor<4> = place.normal([rows, 2, height, width], &mut rng).require_grad();
    let layer = |(channels, window, rectified): ([usize; 2], Window, bool)| {
        let weight = place.normal([channels[1], channels[0], window.kernel[0], window.kernel[1]], &mut rng) * 0.5;
        let bias = place.normal([if own_bias { rows } else { 1 }, channels[1]], &mut rng);
        ConvolutionLayer { weight: weight.require_grad(), bias: bias.require_grad(), window, rectified }
    };
    let layers: Vec<ConvolutionLayer> = layers.into_iter().map(layer).collect();
    let weights = place.normal([rows, 2, height, width], &mut rng);
    let y = form(&program, x.clone(), layers.clone());
    let gradients = (y.clone() * weights).sum().backward();
    let mut found = vec![values(y), values(x.grad(&gradients).unwrap())];
    for layer in &layers {
        found.extend([values(layer.weight.grad(&gradients).unwrap()), values(layer.bias.grad(&gradients).unwrap())]);
    }
    found
}

#[test]
fn agrees_with_its_steps() {
    for shape in [[3, 4, 5], [19, 5, 5], [2, 13, 17], [1, 1, 2]] {
        for (own_bias, precision) in [(false, Precision::F32), (true, Precision::F32), (false, Precision::F64), (true, Precision::F64)] {
            let [found, expected] = [|p: &Program, x, layers| p.run(x, layers), |p: &Program, x, layers: Vec<_>| p.composed(x, &layers)]
                .map(|form: Form| run(form, shape, own_bias, precision));
            for (what, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(found.len(), expected.len());
                let size = expected.iter().fold(1.0_f64, |m, e| m.max(e.abs()));
                for (k, (f, e)) in found.iter().zip(expected).enumerate() {
                    // Sums of hundreds of products through six layers, in another order.
                    assert!((f - e).abs() <= 600.0 * precision.epsilon() * size, "{shape:?} {what}, {k}: {f} against {e}");
                }
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let form: Form = |p, x, layers| p.run(x, layers);
    let [one, two] = [1, 2].map(|threads| pool(threads).install(|| run(form, [19, 5, 5], true, Precision::F32)));
    assert_eq!(one, two);
}
