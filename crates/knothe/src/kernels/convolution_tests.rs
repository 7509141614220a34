//! The convolution against its composed form.
#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::placement::{Placement, Precision, values};

/// Batch, input and output channels, height, width, window; and whether each row has a bias of its own.
type Case = ([usize; 5], Window, bool);

/// Odd sizes, either side broad, batches that are no multiple of a part, images below and above a part, and smaller than the window.
fn cases() -> [Case; 12] {
    [
        ([3, 2, 5, 7, 5], Window::same(3), false),
        ([3, 5, 2, 7, 5], Window::same(3), true),
        ([19, 3, 4, 5, 5], Window::same(1), true),
        ([19, 4, 3, 5, 5], Window::same(1), false),
        ([2, 3, 3, 17, 19], Window::same(5), false),
        ([2, 6, 4, 17, 19], Window::same(1), false),
        ([5, 2, 3, 1, 2], Window::same(5), true),
        ([3, 2, 4, 1, 40], Window::causal(2, 8), false),
        ([3, 4, 2, 1, 300], Window::causal(3, 1), true),
        ([3, 2, 5, 7, 5], Window::above(2), true),
        ([3, 5, 2, 3, 6], Window::down_to(1), false),
        ([2, 2, 3, 2, 2], Window::above(3), false),
    ]
}

type Form = fn(Tensor<4>, Vec<ConvolutionLayer>) -> Tensor<4>;

/// One layer after another from tensor operations.
fn in_turn(x: Tensor<4>, layers: Vec<ConvolutionLayer>) -> Tensor<4> {
    layers.into_iter().fold(x, composed)
}

/// The value and the gradients, by x and by the weights and the bias of each layer, of a loss that weighs each output on its own. After the layer
/// of the case come those of `then`, channels and window.
fn run(form: Form, case: Case, then: &[(usize, Window)], rectified: bool, precision: Precision) -> Vec<Vec<f64>> {
    let ([rows, inputs, outputs, height, width], window, own) = case;
    let place = Placement::cpu(precision).autodiff();
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    let x = place.normal([rows, inputs, height, width], &mut rng).require_grad();
    let mut layers: Vec<ConvolutionLayer> = Vec::new();
    for (l, &(channels, window)) in [(outputs, window)].iter().chain(then).enumerate() {
        let reads = layers.last().map_or(inputs, |before| before.weight.dims()[0]);
        let weight = place.normal([channels, reads, window.kernel[0], window.kernel[1]], &mut rng).require_grad();
        let bias = place.normal([if own { rows } else { 1 }, channels], &mut rng).require_grad();
        layers.push(ConvolutionLayer { weight, bias, window, rectified: rectified == (l % 2 == 0) });
    }
    let weighed = place.normal([rows, layers.last().unwrap().weight.dims()[0], height, width], &mut rng);
    let y = form(x.clone(), layers.clone());
    let gradients = (y.clone() * weighed).sum().backward();
    let mut found = vec![values(y), values(x.grad(&gradients).unwrap())];
    for layer in &layers {
        found.extend([values(layer.weight.grad(&gradients).unwrap()), values(layer.bias.grad(&gradients).unwrap())]);
    }
    found
}

/// What may come after a layer: nothing, and layers that get broader and thinner.
fn continuations() -> [Vec<(usize, Window)>; 3] {
    [vec![], vec![(6, Window::same(1)), (2, Window::same(3))], vec![(2, Window::same(3)), (2, Window::same(1)), (5, Window::same(1))]]
}

#[test]
fn agrees_with_the_composed_form() {
    for ((index, case), then) in cases().into_iter().enumerate().flat_map(|case| continuations().map(|then| (case, then))) {
        for rectified in [false, true] {
            for precision in [Precision::F32, Precision::F64] {
                let [found, expected] = [convolve, in_turn as Form].map(|form| run(form, case, &then, rectified, precision));
                for (what, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let name = format!("case {index}, {} more layers, rectified {rectified}, result {what}", then.len());
                    assert_eq!(found.len(), expected.len(), "{name}");
                    let size = expected.iter().fold(1.0_f64, |m, e| m.max(e.abs()));
                    // Either is a sum of a thousand products at most a layer, in another order.
                    let tolerance = 100.0 * (1 + then.len()) as f64 * precision.epsilon() * size;
                    for (k, (f, e)) in found.iter().zip(expected).enumerate() {
                        assert!((f - e).abs() <= tolerance, "{name}, {k}: {f} against {e}");
                    }
                }
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for (case, then) in cases().into_iter().flat_map(|case| continuations().map(|then| (case, then))) {
        let [one, two] = [1, 2].map(|threads| pool(threads).install(|| run(convolve, case, &then, true, Precision::F32)));
        assert_eq!(one, two);
    }
}

#[test]
fn a_causal_window_sees_nothing_that_comes_after() {
    let place = Placement::cpu(Precision::F64);
    let mut rng = ChaCha12Rng::seed_from_u64(4);
    let (weight, bias) = (place.normal([2, 2, 1, 3], &mut rng), place.normal([1, 2], &mut rng));
    let layer = ConvolutionLayer { weight, bias, window: Window::causal(3, 2), rectified: false };
    let x: Tensor<4> = place.normal([1, 2, 1, 20], &mut rng);
    let later = place.tensor((0..40).map(|k| f64::from(k % 20 >= 12)).collect(), [1, 2, 1, 20]);
    let y = |x: Tensor<4>| values(convolve(x, vec![layer.clone()]));
    for (k, (before, after)) in y(x.clone()).into_iter().zip(y(x + later)).enumerate() {
        assert_eq!(before == after, k % 20 < 12, "sample {k}: {before} and {after}");
    }
}

#[test]
fn no_rows_give_no_rows() {
    let place = Placement::cpu(Precision::F64);
    let layer = ConvolutionLayer { weight: place.zeros([5, 2, 3, 3]), bias: place.zeros([1, 5]), window: Window::same(3), rectified: true };
    let y = convolve(place.zeros([0, 2, 3, 4]), vec![layer]);
    assert_eq!(y.dims(), [0, 5, 3, 4]);
}
