//! The convolution against its composed form.
#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::placement::{Placement, Precision, values};

/// Batch, input and output channels, height, width, window; and whether each row has a bias of its own.
type Case = ([usize; 5], Window, bool);

/// Odd sizes, either side broad, batches that are no multiple of a part, images below and above a part, and smaller than the window.
fn cases() -> [Case; 9] {
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
    ]
}

type Form = fn(Tensor<4>, Tensor<4>, Tensor<2>, Window, bool) -> Tensor<4>;

/// The value and the three gradients of a loss that weighs each output on its own.
fn run(form: Form, case: Case, rectified: bool, precision: Precision) -> Vec<Vec<f64>> {
    let ([rows, inputs, outputs, height, width], window, own) = case;
    let place = Placement::cpu(precision).autodiff();
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    let x = place.normal([rows, inputs, height, width], &mut rng).require_grad();
    let weight = place.normal([outputs, inputs, window.kernel[0], window.kernel[1]], &mut rng).require_grad();
    let bias = place.normal([if own { rows } else { 1 }, outputs], &mut rng).require_grad();
    let weighed = place.normal([rows, outputs, height, width], &mut rng);
    let y = form(x.clone(), weight.clone(), bias.clone(), window, rectified);
    let gradients = (y.clone() * weighed).sum().backward();
    vec![values(y), values(x.grad(&gradients).unwrap()), values(weight.grad(&gradients).unwrap()), values(bias.grad(&gradients).unwrap())]
}

#[test]
fn agrees_with_the_composed_form() {
    for (index, case) in cases().into_iter().enumerate() {
        for rectified in [false, true] {
            for precision in [Precision::F32, Precision::F64] {
                let (found, expected) = (run(convolve, case, rectified, precision), run(composed, case, rectified, precision));
                for ((what, found), expected) in ["value", "by x", "by weight", "by bias"].iter().zip(found).zip(expected) {
                    assert_eq!(found.len(), expected.len(), "case {index}, {what}");
                    let size = expected.iter().fold(1.0_f64, |m, e| m.max(e.abs()));
                    // Either is a sum of a thousand products at most, in another order.
                    let tolerance = 100.0 * precision.epsilon() * size;
                    for (k, (f, e)) in found.iter().zip(&expected).enumerate() {
                        assert!((f - e).abs() <= tolerance, "case {index}, rectified {rectified}, {what} {k}: {f} against {e}");
                    }
                }
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for case in cases() {
        let [one, two] = [1, 2].map(|threads| pool(threads).install(|| run(convolve, case, true, Precision::F32)));
        assert_eq!(one, two);
    }
}

#[test]
fn a_causal_window_sees_nothing_that_comes_after() {
    let place = Placement::cpu(Precision::F64);
    let mut rng = ChaCha12Rng::seed_from_u64(4);
    let (weight, bias) = (place.normal([2, 2, 1, 3], &mut rng), place.normal([1, 2], &mut rng));
    let x: Tensor<4> = place.normal([1, 2, 1, 20], &mut rng);
    let later = place.tensor((0..40).map(|k| f64::from(k % 20 >= 12)).collect(), [1, 2, 1, 20]);
    let y = |x: Tensor<4>| values(convolve(x, weight.clone(), bias.clone(), Window::causal(3, 2), false));
    for (k, (before, after)) in y(x.clone()).into_iter().zip(y(x + later)).enumerate() {
        assert_eq!(before == after, k % 20 < 12, "sample {k}: {before} and {after}");
    }
}

#[test]
fn no_rows_give_no_rows() {
    let place = Placement::cpu(Precision::F64);
    let y = convolve(place.zeros([0, 2, 3, 4]), place.zeros([5, 2, 3, 3]), place.zeros([1, 5]), Window::same(3), true);
    assert_eq!(y.dims(), [0, 5, 3, 4]);
}
