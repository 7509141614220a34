//! The recurrence against its composed form.
#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::placement::{Precision, values};

const ALL: [Lines; 3] = [Lines::Rows, Lines::Diagonals, Lines::Mirrored];

/// Rows, hidden states, height and width. The cases are one part, several parts of which the last is not full, more parts than [`RUNS`], lines longer than [`COLUMNS`], single rows, columns and
/// pixels, and numbers of states that are no multiple of a vector.
const SHAPES: [[usize; 4]; 7] = [[3, 4, 5, 7], [43, 3, 6, 4], [200, 2, 3, 3], [2, 5, 2, 70], [5, 3, 1, 6], [5, 3, 6, 1], [2, 1, 1, 1]];

type Form = fn(Tensor<4>, Tensor<3>, Lines) -> Tensor<4>;

/// The value and the gradients of a loss that gives each output its own weight.
fn run(form: Form, [rows, width, height, across]: [usize; 4], lines: Lines, precision: Precision) -> Vec<Vec<f64>> {
    let place = Placement::cpu(precision).autodiff();
    let mut rng = ChaCha12Rng::seed_from_u64(6);
    let gates: Tensor<4> = (place.normal([rows, 4 * width, height, across], &mut rng) * 2.0).require_grad();
    // Small enough that a long recurrence does not amplify rounding.
    let weight: Tensor<3> = (place.normal([4 * width, width, lines.taps()], &mut rng) * 0.3).require_grad();
    let weighed = place.normal([rows, width, height, across], &mut rng);
    let y = form(gates.clone(), weight.clone(), lines);
    let gradients = (y.clone() * weighed).sum().backward();
    let of_weight = weight.grad(&gradients).map(values);
    // The composed form of a single line does not read the weights.
    vec![values(y), values(gates.grad(&gradients).unwrap()), of_weight.unwrap_or_else(|| vec![0.0; 4 * width * width * lines.taps()])]
}

#[test]
fn agrees_with_the_composed_form() {
    for (shape, lines) in SHAPES.into_iter().flat_map(|shape| ALL.map(|lines| (shape, lines))) {
        for precision in [Precision::F32, Precision::F64] {
            let [found, expected] = [recur, composed as Form].map(|form| run(form, shape, lines, precision));
            for (what, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(found.len(), expected.len());
                let size = expected.iter().fold(1.0_f64, |m, e| m.max(e.abs()));
                for (k, (f, e)) in found.iter().zip(expected).enumerate() {
                    // Errors grow from line to line; the longest recurrence has 71 lines.
                    assert!((f - e).abs() <= 1000.0 * precision.epsilon() * size, "{lines:?} {shape:?} {what}, {k}: {f} against {e}");
                }
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for lines in ALL {
        let [one, two] = [1, 2].map(|threads| pool(threads).install(|| run(recur, [200, 2, 3, 3], lines, Precision::F32)));
        assert_eq!(one, two);
    }
}

/// Two pixels in a row or in a column, by the formula.
#[test]
fn a_state_follows_the_one_before_it() {
    let place = Placement::cpu(Precision::F64);
    let gates = [0.3, -0.7, 1.1, 0.4, -0.2, 0.9, -1.3, 0.8];
    let weight = |taps: usize| (0..4 * taps).map(|k| 0.5 - 0.3 * k as f64).collect::<Vec<_>>();
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let cell = |[o, f, i, g]: [f64; 4], old: f64| {
        let c = sigmoid(f) * old + sigmoid(i) * g.tanh();
        (c, sigmoid(o) * c.tanh())
    };
    // Gate a of pixel k is at 2 a + k. `tap` is the tap through which the second pixel sees the first. The second cell depends on the first if both have the same position.
    let cases = [
        (Lines::Rows, [2, 1], 1, 0, true),
        (Lines::Diagonals, [2, 1], 0, 0, false),
        (Lines::Diagonals, [1, 2], 1, 0, true),
        (Lines::Mirrored, [1, 2], 1, 1, true),
    ];
    for (lines, [height, width], tap, from, follows) in cases {
        let taps = lines.taps();
        let of = |pixel: usize| [0, 1, 2, 3].map(|a| gates[2 * a + pixel]);
        let (c, h) = cell(of(from), 0.0);
        let own = of(1 - from);
        let (_, next) = cell([0, 1, 2, 3].map(|a| own[a] + weight(taps)[a * taps + tap] * h), if follows { c } else { 0.0 });
        let mut expected = [0.0; 2];
        (expected[from], expected[1 - from]) = (h, next);
        let y = recur(place.tensor(gates.to_vec(), [1, 4, height, width]), place.tensor(weight(taps), [4, 1, taps]), lines);
        for (f, e) in values(y).into_iter().zip(expected) {
            assert!((f - e).abs() < 1e-14, "{lines:?}: {f} against {e}");
        }
    }
}

#[test]
fn no_rows_give_no_rows() {
    let place = Placement::cpu(Precision::F64);
    for lines in ALL {
        assert_eq!(recur(place.zeros([0, 8, 3, 4]), place.zeros([8, 2, lines.taps()]), lines).dims(), [0, 2, 3, 4]);
    }
}
