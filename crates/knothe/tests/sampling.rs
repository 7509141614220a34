//! Exact sampling of a masked network equals D passes.

use std::sync::Arc;

use burn::tensor::Tensor;
use knothe::{
    Density, Error, Given, Placement, Precision, Result,
    bijection::Bijection,
    conditioner::{Activation, AutoregressiveConditioner, Degrees, Made, MadeConfig, Order},
    conformance::naive_solve,
    source::AutoregressiveDensity,
    triangular::Autoregressive,
    univariate::{Affine, MonotoneMap, Pushforward, Standard},
    values,
};

use crate::common::{context, randomised, registry::made, rng};

/// The largest difference over all values, relative to the largest value of its row.
fn difference(a: &[f64], b: &[f64], dim: usize) -> f64 {
    let rows = a.chunks(dim).zip(b.chunks(dim));
    rows.flat_map(|(a, b)| {
        let scale = b.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
        a.iter().zip(b).map(move |(a, b)| (a - b).abs() / scale)
    })
    .fold(0.0, f64::max)
}

/// Every combination of sizes, networks, orders, degrees and contexts.
fn cases() -> Vec<MadeConfig> {
    let mut all = Vec::new();
    for (dim, width) in [(1, 4), (2, 2), (3, 7), (8, 16), (9, 9), (17, 40), (20, 31)] {
        let networks = [
            (vec![], false),
            (vec![width], false),
            (vec![width; 2], false),
            (vec![width, width + 3, width], false),
            (vec![width; 3], true),
        ];
        for (hidden, residual) in networks {
            for context_dim in [0, 2] {
                for degrees in [Degrees::Sequential, Degrees::Random] {
                    let order = if context_dim > 0 { Order::random(dim, &mut rng(dim as u64)) } else { Order::natural(dim).reversed() };
                    let activation = if residual { Activation::Silu } else { Activation::Tanh };
                    all.push(MadeConfig { activation, degrees, ..made(order, context_dim, &hidden, residual) });
                }
            }
        }
    }
    all
}

/// z of x by the map, by D passes.
fn naive(conditioner: &Made, x: &Tensor<2>, given: &Given) -> Vec<f64> {
    let place = Placement::of(x);
    let step = |column, theta| Ok(Affine::default().inverse(x.clone().narrow(1, column, 1), theta)?.0);
    values(naive_solve(conditioner, x.dims()[0], given, &place, step).unwrap())
}

fn exact_sampling_is_d_passes(precision: Precision, tolerance: f64) {
    let place = Placement::cpu(precision);
    for config in cases() {
        let (name, dim, context_dim) = (format!("{config:?}"), config.order.dim(), config.context_dim);
        let mut rng = rng(3);
        let map = Autoregressive::new(config, Arc::new(Affine::default()), &place, &mut rng).unwrap();
        let map = randomised(map, 0.1, &mut rng);
        let x = place.normal([11, dim], &mut rng);
        let c = context(11, context_dim, &place, &mut rng);
        let given = Given::context(c.as_ref());
        let slow = naive(map.conditioner(), &x, &given);
        let fast = values(map.inverse_and_ladj(x.clone(), &given).unwrap().0);
        let found = difference(&fast, &slow, dim);
        assert!(found <= tolerance, "{name}: relative difference {found:e}");
        // The comparison says something: the network does move the points.
        assert!(difference(&slow, &values(x), dim) > 0.01, "{name}: the map is the identity");
    }
}

#[test]
fn exact_sampling_is_d_passes_in_f64() {
    exact_sampling_is_d_passes(Precision::F64, 1e-10);
}

#[test]
fn exact_sampling_is_d_passes_in_f32() {
    exact_sampling_is_d_passes(Precision::F32, 1e-4);
}

/// Gradients of a loss through the exact inverse equal those through D passes.
#[test]
fn gradients_pass_through_exact_sampling() {
    let place = Placement::cpu(Precision::F64).autodiff();
    for config in cases().into_iter().step_by(3) {
        let (name, dim, context_dim) = (format!("{config:?}"), config.order.dim(), config.context_dim);
        let mut rng = rng(4);
        let map = Autoregressive::new(config, Arc::new(Affine::default()), &place, &mut rng).unwrap();
        let x = place.normal([5, dim], &mut rng);
        let c = context(5, context_dim, &place, &mut rng);
        let given = Given::context(c.as_ref());
        let gradient = |fast: bool| {
            let x = x.clone().require_grad();
            let step = |column, theta| Ok(Affine::default().inverse(x.clone().narrow(1, column, 1), theta)?.0);
            let z = if fast {
                map.inverse_and_ladj(x.clone(), &given).unwrap().0
            } else {
                naive_solve(map.conditioner(), 5, &given, &place, step).unwrap()
            };
            let gradients = z.powi_scalar(3).sum().backward();
            values(x.grad(&gradients).unwrap())
        };
        let found = difference(&gradient(true), &gradient(false), dim);
        assert!(found <= 1e-10, "{name}: relative difference {found:e}");
    }
}

/// Rows of several tiles, so that a tile that took another's context would show.
const ROWS: usize = 1300;

#[test]
fn every_row_of_every_tile_has_its_own_context() {
    let place = Placement::cpu(Precision::F64);
    let mut rng = rng(6);
    let config = made(Order::natural(3).reversed(), 2, &[9, 9], false);
    let map = Autoregressive::new(config.clone(), Arc::new(Affine::default()), &place, &mut rng).unwrap();
    let map = randomised(map, 0.1, &mut rng);
    let x = place.normal([ROWS, 3], &mut rng);
    let c = context(ROWS, 2, &place, &mut rng);
    let given = Given::context(c.as_ref());
    let slow = naive(map.conditioner(), &x, &given);
    let fast = values(map.inverse_and_ladj(x, &given).unwrap().0);
    assert!(difference(&fast, &slow, 3) <= 1e-10);

    // A sample is the quantile of the uniform numbers that the generator gives, and these come back in one pass.
    let law = Pushforward { source: Standard::Normal, map: Arc::new(Affine::default()) };
    let density = randomised(AutoregressiveDensity::new(config, Arc::new(law), &place, &mut rng).unwrap(), 0.1, &mut rng);
    let samples = density.sample(ROWS, &given, &mut crate::common::rng(7)).unwrap();
    let u = values(place.open_uniform([ROWS, 3], &mut crate::common::rng(7)));
    let back = values(density.to_uniform(samples.clone(), &given).unwrap());
    // A rounding of x moves u by at most |x| φ(x) < 1 of them, and the standardisation and Φ add a few.
    let worst = back.iter().zip(&u).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < 1e-12, "{worst:e}");
    // The comparison says something: with the contexts turned by a row, they do not come back.
    let turned = c.map(|c| Tensor::cat(vec![c.clone().narrow(0, 1, ROWS - 1), c.narrow(0, 0, 1)], 0));
    let other = values(density.to_uniform(samples, &Given::context(turned.as_ref())).unwrap());
    assert!(other.iter().zip(&u).filter(|(a, b)| (*a - *b).abs() > 1e-3).count() > ROWS);
}

/// The identity, which has no inverse above 50.
#[derive(Debug)]
struct NoneAbove50;

impl MonotoneMap for NoneAbove50 {
    fn parameters(&self) -> usize {
        1
    }

    fn value(&self, x: Tensor<2>, _: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        let ladj = x.zeros_like();
        Ok((x, ladj))
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        let rows: Vec<usize> = values(y.clone()).iter().enumerate().filter(|(_, y)| **y > 50.0).map(|(row, _)| row).collect();
        if rows.is_empty() { self.value(y, theta) } else { Err(Error::NotInvertible { what: "the map".into(), rows }) }
    }
}

#[test]
fn rows_without_an_inverse_are_counted_over_all_tiles() {
    let place = Placement::cpu(Precision::F64);
    let map = Autoregressive::new(made(Order::natural(2), 0, &[4], false), Arc::new(NoneAbove50), &place, &mut rng(8)).unwrap();
    let mut x = vec![0.0; ROWS * 2];
    // The first and the last row of all, and two neighbours in a tile between; in the first column, so that every tile fails there.
    let broken = [0, 650, 651, ROWS - 1];
    broken.iter().for_each(|row| x[row * 2] = 99.0);
    match map.inverse_and_ladj(place.tensor(x, [ROWS, 2]), &Given::default()) {
        Err(Error::NotInvertible { what, rows }) => assert_eq!((what.as_str(), rows.as_slice()), ("the map", broken.as_slice())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bad_shapes_are_errors() {
    let place = Placement::cpu(Precision::F64);
    let mut rng = rng(5);
    let made_error = |dim: usize, context_dim: usize, hidden: &[usize], residual: bool| {
        Made::new(made(Order::natural(dim), context_dim, hidden, residual), &place, &mut crate::common::rng(0))
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(made_error(5, 0, &[3], false), "hidden: expected at least 4 units a layer for 5 columns, found 3");
    assert_eq!(made_error(5, 2, &[4], false), "hidden: expected at least 5 units a layer for 5 columns and a context, found 4");
    assert_eq!(made_error(0, 0, &[4], false), "dim: expected at least one coordinate, found 0");
    assert!(made_error(2, 0, &[4, 4], true).contains("odd number"));
    assert!(made_error(2, 0, &[], true).contains("odd number"));

    let map = Autoregressive::new(made(Order::natural(2), 1, &[4], false), Arc::new(Affine::default()), &place, &mut rng).unwrap();
    let (x, c) = (place.zeros([3, 2]), place.zeros([3, 1]));
    let short = place.zeros([2, 1]);
    let message = |x: &Tensor<2>, c| {
        let (forward, inverse) = (map.forward_and_ladj(x.clone(), &Given::context(c)), map.inverse_and_ladj(x.clone(), &Given::context(c)));
        (forward.map(|_| ()).unwrap_err().to_string(), inverse.map(|_| ()).unwrap_err().to_string())
    };
    let (forward, inverse) = message(&x, None);
    assert_eq!(forward, "context: expected [3, 1], found None");
    assert_eq!(inverse, forward);
    let (forward, inverse) = message(&x, Some(&short));
    assert_eq!(forward, "context: expected [3, 1], found Some([2, 1])");
    assert_eq!(inverse, forward);
    let (forward, inverse) = message(&place.zeros([3, 5]), Some(&c));
    assert!(forward.contains("expected [rows, 2]") && inverse.contains("expected [rows, 2]"), "{forward}, {inverse}");
    let single = Placement::cpu(Precision::F32).zeros([3, 2]);
    let (forward, inverse) = message(&single, Some(&c));
    assert!(forward.contains("F64") && inverse.contains("F64"), "{forward}, {inverse}");
    let single = Placement::cpu(Precision::F32);
    let solved = map.conditioner().solve(3, &Given::context(Some(&c)), &single, |_, _| Ok(single.zeros([3, 1]))).unwrap_err().to_string();
    assert_eq!(solved, "placement: expected numbers of type F64, found F32");
    let theta = Affine::default().value(single.zeros([3, 2]), place.zeros([3, 2, 2])).unwrap_err().to_string();
    assert_eq!(theta, "theta: expected numbers of type F32, found F64");
}
