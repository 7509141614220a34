//! Exact sampling of a masked network equals D passes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{context, randomised, registry::made, rng};
use knothe::{
    Given, Placement, Precision,
    bijection::Bijection,
    conditioner::{Activation, Degrees, Made, MadeConfig, Order},
    conformance::naive_solve,
    triangular::Autoregressive,
    univariate::{Affine, MonotoneMap},
    values,
};

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
fn naive(conditioner: &Made, x: &burn::tensor::Tensor<2>, given: &Given) -> Vec<f64> {
    let place = Placement::of(x);
    let step = |column, theta| Ok(Affine::default().inverse(x.clone().narrow(1, column, 1), theta)?.0);
    values(naive_solve(conditioner, x.dims()[0], given.context, &place, step).unwrap())
}

fn exact_sampling_is_d_passes(precision: Precision, tolerance: f64) {
    let place = Placement::cpu(precision);
    for config in cases() {
        let (name, dim, context_dim) = (format!("{config:?}"), config.order.dim(), config.context_dim);
        let mut rng = rng(3);
        let map = Autoregressive::new(config, std::sync::Arc::new(Affine::default()), &place, &mut rng).unwrap();
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
        let map = Autoregressive::new(config, std::sync::Arc::new(Affine::default()), &place, &mut rng).unwrap();
        let x = place.normal([5, dim], &mut rng);
        let c = context(5, context_dim, &place, &mut rng);
        let given = Given::context(c.as_ref());
        let gradient = |fast: bool| {
            let x = x.clone().require_grad();
            let step = |column, theta| Ok(Affine::default().inverse(x.clone().narrow(1, column, 1), theta)?.0);
            let z = if fast {
                map.inverse_and_ladj(x.clone(), &given).unwrap().0
            } else {
                naive_solve(map.conditioner(), 5, given.context, &place, step).unwrap()
            };
            let gradients = z.powi_scalar(3).sum().backward();
            values(x.grad(&gradients).unwrap())
        };
        let found = difference(&gradient(true), &gradient(false), dim);
        assert!(found <= 1e-10, "{name}: relative difference {found:e}");
    }
}

#[test]
fn bad_shapes_are_errors() {
    let place = Placement::cpu(Precision::F64);
    let mut rng = rng(5);
    let made_error = |dim: usize, context_dim: usize, hidden: &[usize], residual: bool| {
        Made::new(made(Order::natural(dim), context_dim, hidden, residual), &place, &mut common::rng(0))
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(made_error(5, 0, &[3], false), "hidden: expected at least 4 units a layer for 5 columns, found 3");
    assert_eq!(made_error(5, 2, &[4], false), "hidden: expected at least 5 units a layer for 5 columns and a context, found 4");
    assert_eq!(made_error(0, 0, &[4], false), "dim: expected at least one coordinate, found 0");
    assert!(made_error(2, 0, &[4, 4], true).contains("odd number"));
    assert!(made_error(2, 0, &[], true).contains("odd number"));

    let map =
        Autoregressive::new(made(Order::natural(2), 1, &[4], false), std::sync::Arc::new(Affine::default()), &place, &mut rng).unwrap();
    let (x, c) = (place.zeros([3, 2]), place.zeros([3, 1]));
    let short = place.zeros([2, 1]);
    let message = |x: &burn::tensor::Tensor<2>, c| {
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
}
