//! The comparison of a kernel with its composed form.
#![allow(clippy::unwrap_used)]

use burn::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::{
    error::Result,
    placement::{Placement, Precision, values},
    univariate::MonotoneMap,
};

/// Rows and columns: more than one part of a kernel, of which the last is not full; and rows that are parts of their own.
const SHAPES: [[usize; 2]; 2] = [[150, 3], [3, 70]];

/// Value, log-derivative and the gradients of both by x and by θ are those of the composed form to `tolerance`, relative to
/// 1 and their size, at x and θ up to ± `extent`.
pub(crate) fn agree(
    composed: impl Fn(Tensor<2>, Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)>,
    map: &dyn MonotoneMap,
    precision: Precision,
    extent: f64,
    tolerance: f64,
) {
    SHAPES.into_iter().for_each(|shape| agree_at(shape, &composed, map, precision, extent, tolerance));
}

fn agree_at(
    shape: [usize; 2],
    composed: &dyn Fn(Tensor<2>, Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)>,
    map: &dyn MonotoneMap,
    precision: Precision,
    extent: f64,
    tolerance: f64,
) {
    let mut place = Placement::cpu(precision);
    place.device = place.device.autodiff();
    let mut rng = ChaCha12Rng::seed_from_u64(11);
    let [rows, dim] = shape;
    let mut draw = |n: usize| (0..n).map(|_| extent * (2.0 * rng.random::<f64>() - 1.0)).collect::<Vec<_>>();
    let (x, theta) = (draw(rows * dim), draw(rows * dim * map.parameters()));
    // Weights that are not symmetric, so that no two errors cancel.
    let (of_y, of_ladj) = (draw(rows * dim), draw(rows * dim));
    let run = |value: &dyn Fn(Tensor<2>, Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)>, [on_y, on_ladj]: [bool; 2]| {
        let x: Tensor<2> = place.tensor(x.clone(), shape).require_grad();
        let theta: Tensor<3> = place.tensor(theta.clone(), [rows, map.parameters(), dim]).require_grad();
        let (y, ladj) = value(x.clone(), theta.clone()).unwrap();
        let mut found = vec![values(y.clone().inner()), values(ladj.clone().inner())];
        let mut loss = place.zeros([1]);
        if on_y {
            loss = loss + (y * place.tensor(of_y.clone(), shape)).sum();
        }
        if on_ladj {
            loss = loss + (ladj * place.tensor(of_ladj.clone(), shape)).sum();
        }
        let gradients = loss.backward();
        found.push(values(x.grad(&gradients).unwrap()));
        found.push(values(theta.grad(&gradients).unwrap()));
        found
    };
    for reads in [[true, true], [true, false], [false, true]] {
        let (found, expected) = (run(&|x, theta| map.value(x, theta), reads), run(composed, reads));
        for ((what, found), expected) in ["y", "ladj", "gradient by x", "gradient by θ"].iter().zip(&found).zip(&expected) {
            assert_eq!(found.len(), expected.len());
            for (k, (f, e)) in found.iter().zip(expected).enumerate() {
                assert!((f - e).abs() <= tolerance * (1.0 + e.abs()), "{what} {k}, {reads:?}, {precision:?}: {f} against {e}");
            }
        }
    }
}
