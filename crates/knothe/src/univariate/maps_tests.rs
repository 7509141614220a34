//! Facts that hold of every universal map, with parameters far beyond those of a fit.
#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::{Placement, Precision, values};

/// The maps of a precision. The powers of raw monomials are for 64 bits alone.
fn maps(precision: Precision) -> Vec<Box<dyn MonotoneMap>> {
    let mut all: Vec<Box<dyn MonotoneMap>> = vec![
        Box::new(Spline::default()),
        Box::new(Spline { bins: 3, bound: 1.0 }),
        Box::new(Sigmoidal(8)),
        Box::new(DeepSigmoidal::default()),
        Box::new(DeepSigmoidal { units: 5, layers: 1 }),
        Box::new(DeepSigmoidal { units: 3, layers: 3 }),
        Box::new(MixtureCdf { law: Standard::Normal, components: 6 }),
        Box::new(MixtureCdf { law: Standard::Logistic, components: 6 }),
        Box::new(SumOfSquares::default()),
        Box::new(SumOfSquares { polynomials: 7, degree: 2, bound: Some(3.0) }),
    ];
    if precision == Precision::F64 {
        all.push(Box::new(SumOfSquares { polynomials: 2, degree: 3, bound: None }));
    }
    all
}

/// Parameters for `sets` rows, repeated `each` times; the sets go through the sizes 0.1, 1, 10 and 50.
fn theta(map: &dyn MonotoneMap, sets: usize, each: usize, place: &Placement) -> Tensor<3> {
    let (p, mut rng) = (map.parameters(), ChaCha12Rng::seed_from_u64(7));
    let mut all = Vec::with_capacity(sets * each * p);
    for set in 0..sets {
        let size = [0.1, 1.0, 10.0, 50.0][set % 4];
        let one: Vec<f64> = (0..p).map(|_| size * (2.0 * rng.random::<f64>() - 1.0)).collect();
        (0..each).for_each(|_| all.extend(&one));
    }
    place.tensor(all, [sets * each, p, 1])
}

/// `each` increasing points for each of `sets` sets, half of them within ±4 and the others out to ±`far`.
fn points(sets: usize, each: usize, far: f64, place: &Placement) -> Tensor<2> {
    let mut rng = ChaCha12Rng::seed_from_u64(8);
    let mut all = Vec::with_capacity(sets * each);
    for _ in 0..sets {
        let mut one: Vec<f64> = (0..each)
            .map(|i| {
                let u = 2.0 * rng.random::<f64>() - 1.0;
                if i % 2 == 0 { 4.0 * u } else { u.signum() * (far.ln() * u.abs()).exp() }
            })
            .collect();
        one.sort_by(f64::total_cmp);
        all.extend(one);
    }
    place.tensor(all, [sets * each, 1])
}

const SETS: usize = 80;
const EACH: usize = 100;

#[test]
fn maps_increase_and_their_log_slopes_are_finite() {
    for (precision, far) in [(Precision::F64, 1e4), (Precision::F32, 1e3)] {
        let place = Placement::cpu(precision);
        let ulp = if precision == Precision::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
        for map in maps(place.precision) {
            let x = points(SETS, EACH, far, &place);
            let (y, ladj) = map.value(x.clone(), theta(&*map, SETS, EACH, &place)).unwrap();
            let (x, y, ladj) = (values(x), values(y), values(ladj));
            assert!(y.iter().chain(&ladj).all(|v| v.is_finite()), "{map:?} in {precision:?}");
            for i in (0..x.len() - 1).filter(|i| (i + 1) % EACH != 0) {
                let rise = y[i + 1] - y[i];
                // Rounding of sums of a few dozen terms of the size of y, or of the knots.
                let rounding = 64.0 * ulp * (10.0 + y[i].abs().max(y[i + 1].abs()));
                assert!(rise >= -rounding, "{map:?} falls from {} to {} at {}", y[i], y[i + 1], x[i]);
                let moderate = ladj[i].abs() < 1e4f64.ln() && ladj[i + 1].abs() < 1e4f64.ln();
                if moderate && x[i + 1] - x[i] > 1e4 * rounding {
                    assert!(rise > 0.0, "{map:?} is level between {} and {}", x[i], x[i + 1]);
                }
            }
        }
    }
}

#[test]
fn log_slopes_are_those_of_automatic_differentiation() {
    let place = Placement::cpu(Precision::F64);
    for map in maps(place.precision) {
        let x = points(SETS, EACH, 1e4, &place).autodiff().require_grad();
        let (y, ladj) = map.value(x.clone(), theta(&*map, SETS, EACH, &place).autodiff()).unwrap();
        let slope = values(x.grad(&y.sum().backward()).unwrap());
        for ((slope, ladj), x) in slope.into_iter().zip(values(ladj)).zip(values(x.inner())) {
            // A slope is the sum of a few dozen terms of one sign; exp magnifies the rounding of ladj by |ladj|.
            let tolerance = 1e4 * f64::EPSILON * (1.0 + ladj.abs());
            assert!((slope.ln() - ladj).abs() < tolerance || ladj < -600.0, "{map:?} at {x}: {} against {ladj}", slope.ln());
        }
    }
}

#[test]
fn inverses_return() {
    let places = [(Precision::F64, 1e4, 1e-10), (Precision::F32, 1e3, 1e-4)];
    for (precision, far, close) in places {
        let place = Placement::cpu(precision);
        for map in maps(place.precision) {
            let (y, theta) = (points(SETS, EACH / 10, far, &place), theta(&*map, SETS, EACH / 10, &place));
            let (x, inverse_ladj) = map.inverse(y.clone(), theta.clone()).unwrap();
            let (back, ladj) = map.value(x.clone(), theta.clone()).unwrap();
            assert!(values(inverse_ladj).into_iter().all(f64::is_finite), "{map:?}");
            for ((back, y), (x, ladj)) in values(back).into_iter().zip(values(y.clone())).zip(values(x).into_iter().zip(values(ladj))) {
                // The promise of the interface; x is known to its rounding at best, which a slope magnifies.
                let resolution = if precision == Precision::F64 { 0.0 } else { f64::from(f32::EPSILON) * ladj.exp() * x.abs() * 4.0 };
                assert!(
                    (back - y).abs() <= close * (1.0 + y.abs()) + resolution,
                    "{map:?} in {precision:?}: {y} came back as {back} from {x}, ladj {ladj}"
                );
            }
            if precision == Precision::F32 {
                continue;
            }
            let (there, ladj) = map.value(y.clone(), theta.clone()).unwrap();
            let moderate = values(ladj).into_iter().map(|l| l.abs() < 1e4f64.ln()).collect::<Vec<_>>();
            let (again, _) = map.inverse(there, theta).unwrap();
            for ((x, again), moderate) in values(y).into_iter().zip(values(again)).zip(moderate) {
                assert!(!moderate || (x - again).abs() <= close * (1.0 + x.abs()), "{map:?}: {x} came back as {again}");
            }
        }
    }
}

#[test]
fn gradients_equal_finite_differences_both_ways() {
    let place = Placement::cpu(Precision::F64);
    for map in maps(place.precision) {
        let (p, rows) = (map.parameters(), 4);
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let input: Vec<f64> = vec![-1.3, 0.2, 0.9, 7.0];
        let start: Vec<f64> = (0..rows * p).map(|_| rng.random::<f64>() - 0.5).collect();
        for inverse in [false, true] {
            let loss = |x: Tensor<2>, theta: Tensor<3>| {
                let (y, ladj) = if inverse { map.inverse(x, theta) } else { map.value(x, theta) }.unwrap();
                // Smooth also where y is large.
                (y.asinh() + ladj * 0.7).sum()
            };
            let x: Tensor<2> = place.tensor(input.clone(), [rows, 1]).autodiff().require_grad();
            let theta: Tensor<3> = place.tensor(start.clone(), [rows, p, 1]).autodiff().require_grad();
            let grads = loss(x.clone(), theta.clone()).backward();
            let found: Vec<f64> = values(x.grad(&grads).unwrap()).into_iter().chain(values(theta.grad(&grads).unwrap())).collect();
            let all: Vec<f64> = input.iter().chain(&start).copied().collect();
            let at =
                |v: &[f64]| values(loss(place.tensor(v[..rows].to_vec(), [rows, 1]), place.tensor(v[rows..].to_vec(), [rows, p, 1])))[0];
            let h = 1e-5;
            for i in 0..all.len() {
                let moved = |d: f64| {
                    let mut v = all.clone();
                    v[i] += d;
                    at(&v)
                };
                let expected = (moved(h) - moved(-h)) / (2.0 * h);
                // h² times third derivatives, and ε/h: both about 1e-10 times what the map magnifies.
                assert!(
                    (found[i] - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                    "{map:?}, inverse {inverse}, {i}: {} against {expected}",
                    found[i]
                );
            }
        }
    }
}

#[test]
fn zero_parameters_are_near_the_identity_with_no_two_gradients_equal() {
    let place = Placement::cpu(Precision::F64);
    let grid: Vec<f64> = (-300..=300).map(|i| f64::from(i) / 100.0).collect();
    let rows = grid.len();
    for map in maps(place.precision) {
        let theta = place.zeros([rows, map.parameters(), 1]).autodiff().require_grad();
        let (y, ladj) = map.value(place.tensor(grid.clone(), [rows, 1]).autodiff(), theta.clone()).unwrap();
        let worst = values(y.clone().inner()).iter().zip(&grid).map(|(y, x)| (y - x).abs()).fold(0.0, f64::max);
        assert!(worst < 0.05, "{map:?}: {worst}");
        // The likelihood of a skewed sample under a standard normal source.
        let weight = place.tensor(grid.iter().map(|x| (x - 0.4).exp()).collect::<Vec<_>>(), [rows, 1]);
        let loss = ((ladj - y.square() * 0.5) * Tensor::from_inner(weight)).sum();
        let mut slopes = values(theta.grad(&loss.backward()).unwrap().sum_dim(0));
        slopes.sort_by(f64::total_cmp);
        let scale = slopes.iter().map(|s| s.abs()).fold(0.0, f64::max);
        assert!(slopes.windows(2).all(|w| w[1] - w[0] > 1e-9 * scale), "{map:?}: equal gradients {slopes:?}");
    }
}

#[test]
fn bad_input_is_an_error_and_nan_does_not_become_a_number() {
    let place = Placement::cpu(Precision::F64);
    for map in maps(place.precision) {
        let x = place.zeros([2, 1]);
        let wrong = place.zeros([2, map.parameters() + 1, 1]);
        assert!(matches!(map.value(x.clone(), wrong.clone()), Err(Error::Shape { .. })), "{map:?}");
        assert!(matches!(map.inverse(x, wrong), Err(Error::Shape { .. })), "{map:?}");
        let nan = place.tensor(vec![f64::NAN], [1, 1]);
        let theta = place.zeros([1, map.parameters(), 1]);
        assert!(values(map.value(nan.clone(), theta.clone()).unwrap().0)[0].is_nan(), "{map:?}");
        match map.inverse(nan, theta) {
            Err(Error::NotInvertible { rows, .. }) => assert_eq!(rows, [0]),
            Ok((x, _)) => assert!(values(x)[0].is_nan(), "{map:?}"),
            Err(other) => panic!("{other}"),
        }
    }
    let zeros = || (place.zeros::<2>([1, 1]), place.zeros::<3>([1, 2, 1]));
    for broken in [(0, 1, None), (2, 17, None), (2, 2, Some(-1.0)), (2, 2, Some(f64::INFINITY))] {
        let (polynomials, degree, bound) = broken;
        let found = SumOfSquares { polynomials, degree, bound }.value(zeros().0, zeros().1);
        assert!(matches!(found, Err(Error::Invalid { .. })), "{broken:?}");
    }
    for broken in [DeepSigmoidal { units: 0, layers: 1 }, DeepSigmoidal { units: 1, layers: 0 }] {
        assert!(matches!(broken.value(zeros().0, zeros().1), Err(Error::Invalid { .. })), "{broken:?}");
    }
    for (law, components) in [(Standard::Normal, 0), (Standard::Uniform, 1)] {
        assert!(matches!(MixtureCdf { law, components }.value(zeros().0, zeros().1), Err(Error::Invalid { .. })), "{law:?}");
    }
    assert!(matches!(Sigmoidal(0).value(zeros().0, zeros().1), Err(Error::Invalid { .. })));
    for broken in [Spline { bins: 1, bound: 1.0 }, Spline { bins: 8, bound: 0.0 }, Spline { bins: 8, bound: f64::NAN }] {
        assert!(matches!(broken.value(zeros().0, zeros().1), Err(Error::Invalid { .. })), "{broken:?}");
    }
}
