#![allow(clippy::unwrap_used)]

use burn::tensor::activation;

use super::*;
use crate::placement::{Placement, Precision, values};

/// x, log(1 + eˣ) and log cosh x from mpmath at 700 digits.
const KNOWN: [(f64, f64, f64); 33] = [
    (-745.0, 5e-324, 744.3068528194401),
    (-700.0, 9.85967654375977e-305, 699.3068528194401),
    (-300.0, 5.148200222412013e-131, 299.30685281944005),
    (-100.0, 3.720075976020836e-44, 99.30685281944005),
    (-40.0, 4.248354255291589e-18, 39.30685281944005),
    (-36.5, 1.4068617124461467e-16, 35.80685281944005),
    (-20.5, 1.2501528656053015e-09, 19.806852819440056),
    (-20.0, 2.061153620314381e-09, 19.306852819440056),
    (-5.0, 0.006715348489118068, 4.3068982183392714),
    (-1.0, 0.3132616875182228, 0.4337808304830272),
    (-0.7, 0.4031860488854579, 0.22727022935850558),
    (-0.001, 0.6926473055599401, 4.999999166666889e-07),
    (-1e-10, 0.6931471805099453, 5.0000000000000005e-21),
    (0.0, LN_2, 0.0),
    (1e-10, 0.6931471806099453, 5.0000000000000005e-21),
    (0.001, 0.6936473055599401, 4.999999166666889e-07),
    (0.3, 0.8543552444685271, 0.04434076992594031),
    (0.9999, 1.3131885826434346, 0.43370467316740996),
    (1.0, 1.3132616875182228, 0.4337808304830272),
    (1.5, 1.7014132779827524, 0.8554401710137968),
    (3.0, 3.048587351573742, 2.309328504577785),
    (9.9, 9.900050173423349, 9.206852821957554),
    (10.0, 10.000045398899218, 9.306852821501208),
    (10.1, 10.100041078711483, 9.406852821127584),
    (19.9, 19.900000002277924, 19.206852819440055),
    (20.0, 20.000000002061153, 19.306852819440056),
    (20.1, 20.10000000186501, 19.406852819440058),
    (30.0, 30.000000000000092, 29.306852819440056),
    (36.0, 36.0, 35.30685281944005),
    (50.0, 50.0, 49.30685281944005),
    (710.0, 710.0, 709.3068528194401),
    (10000.0, 10000.0, 9999.30685281944),
    (1e+300, 1e+300, 1e+300),
];

/// x and log cosh x, where a difference of numbers of size 1 would have no digit left.
const SMALL: [(f64, f64); 3] = [(1e-150, 5e-301), (3e-20, 4.500000000000001e-40), (1e-08, 5e-17)];

/// A function of each element.
type Function = fn(Tensor<1>) -> Tensor<1>;

fn at(x: &[f64], precision: Precision) -> Tensor<1> {
    Placement::cpu(precision).tensor(x.to_vec(), [x.len()])
}

/// The largest relative error of `f` at points whose values are known. Points that a precision lacks are rounded to it, so
/// `expected` sees the rounded point.
fn worst(x: &[f64], precision: Precision, f: Function, expected: impl Fn(usize, f64) -> f64) -> (f64, f64) {
    let points = at(x, precision);
    let found = values(f(points.clone()));
    let errors = values(points).into_iter().zip(found).enumerate().map(|(k, (x, found))| {
        let expected = expected(k, x);
        let error = if found == expected { 0.0 } else { (found / expected - 1.0).abs() };
        (if error.is_nan() { f64::INFINITY } else { error }, x)
    });
    errors.fold((0.0, 0.0), |worst, error| if error.0 > worst.0 { error } else { worst })
}

#[test]
fn double_precision_has_all_digits() {
    let x = KNOWN.map(|row| row.0);
    let rows: [(&str, Function, Vec<f64>); 2] =
        [("softplus", softplus, KNOWN.map(|row| row.1).to_vec()), ("log cosh", log_cosh, KNOWN.map(|row| row.2).to_vec())];
    for (name, f, expected) in rows {
        // At −745 the result itself is a subnormal number of few digits.
        let (error, at) = worst(&x[1..], Precision::F64, f, |k, _| expected[k + 1]);
        assert!(error < 1e-15, "{name} at {at}: {error:.1e}");
    }
    let (error, at) = worst(&SMALL.map(|row| row.0), Precision::F64, log_cosh, |k, _| SMALL[k].1);
    assert!(error < 1e-15, "log cosh at {at}: {error:.1e}");
    // Burn's own function is a line above 20.
    assert!(worst(&x, Precision::F64, |x| activation::softplus(x, 1.0), |k, _| KNOWN[k].1).0 > 1e-11);
}

#[test]
fn single_precision_has_all_digits() {
    let x: Vec<f64> = (-87_000..=2_000_000).step_by(37).map(|k| f64::from(k) / 1000.0).collect();
    // Exact at the rounded points, by the functions of 64 bits.
    let double = |f: Function| move |_, x| values(f(at(&[x], Precision::F64)))[0];
    for (name, f) in [("softplus", softplus as Function), ("log cosh", log_cosh)] {
        let (error, at) = worst(&x, Precision::F32, f, double(f));
        assert!(error <= 2.0 * f64::from(f32::EPSILON), "{name} at {at}: {error:.1e}");
    }
}

/// Whether `f` rises strictly over 4,001 points `step` apart around each of ±`centre`, after the sign of x.
fn rises(f: impl Fn(Tensor<1>) -> Tensor<1>, even: bool, centre: f64, step: f64, precision: Precision) -> bool {
    [-centre, centre].into_iter().all(|middle| {
        let x: Vec<f64> = (-2000..=2000).map(|k| middle + f64::from(k) * step).collect();
        let sign = if even { middle.signum() } else { 1.0 };
        values(f(at(&x, precision))).windows(2).all(|pair| sign * (pair[1] - pair[0]) > 0.0)
    })
}

#[test]
fn they_rise_where_the_terms_change_places() {
    // Steps of more than a rounding of the result; that of 64 bits is far below the 2e-9 by which a line misses softplus at 20.
    for (precision, step) in [(Precision::F64, 2f64.powi(-31)), (Precision::F32, 2f64.powi(-13))] {
        for centre in [1.0, 5.0, 10.0, 20.0] {
            assert!(rises(softplus, false, centre, step, precision), "softplus around {centre} in {precision:?}");
            assert!(rises(log_cosh, true, centre, step, precision), "log cosh around {centre} in {precision:?}");
        }
    }
    assert!(!rises(|x| activation::softplus(x, 1.0), false, 20.0, 2f64.powi(-31), Precision::F64));
}

#[test]
fn derivatives_are_the_logistic_function_and_tanh() {
    for (precision, epsilon) in [(Precision::F64, f64::EPSILON), (Precision::F32, f64::from(f32::EPSILON))] {
        let slope = |f: Function, x: f64| {
            let x = at(&[x], precision).autodiff().require_grad();
            values(x.grad(&f(x.clone()).backward()).unwrap())[0]
        };
        for x in [-80.0f64, -20.0, -1.5, -0.25, 0.0, 0.25, 0.75, 1.0, 1.5, 20.0, 80.0, 1e4] {
            let sigma = if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
            // x is 80 at most where the slope is small, and a rounding of an exponential's argument counts |x| times.
            assert!((slope(softplus, x) / sigma - 1.0).abs() < 8.0 * epsilon, "softplus' at {x}: {}", slope(softplus, x));
            assert!((slope(log_cosh, x) - x.tanh()).abs() <= 8.0 * epsilon * x.tanh().abs(), "log_cosh' at {x}: {}", slope(log_cosh, x));
        }
        for x in [f64::NEG_INFINITY, f64::INFINITY] {
            let found = values(softplus(at(&[x], precision)))[0];
            assert_eq!(found, x.max(0.0));
            assert_eq!((slope(softplus, x), slope(log_cosh, x)), (f64::from(x > 0.0), x.signum()));
        }
        for f in [softplus as Function, log_cosh] {
            assert!(values(f(at(&[f64::NAN], precision)))[0].is_nan());
        }
    }
}

/// logsumexp of one row.
fn sum(t: &[f64], precision: Precision) -> f64 {
    values(logsumexp(Placement::cpu(precision).tensor(t.to_vec(), [1, t.len()]), 1))[0]
}

#[test]
fn logsumexp_has_all_digits_also_beside_a_zero() {
    let ln2 = 2f64.ln();
    for (precision, tolerance) in [(Precision::F64, 1e-15), (Precision::F32, 2.0 * f64::from(f32::EPSILON))] {
        // A second term of e⁻⁴⁰ is lost in 1 + e⁻⁴⁰.
        let cases: [(&[f64], f64); 6] = [
            (&[0.0, -40.0], (-40f64).exp()),
            (&[0.0, -1.0, -20.0], 0.31326168902504686),
            (&[1000.0, 1000.0], 1000.0 + ln2),
            (&[-1000.0, -1000.0, -1000.0, -1000.0], -1000.0 + 2.0 * ln2),
            (&[3.5], 3.5),
            (&[-2.5e4, f64::NEG_INFINITY], -2.5e4),
        ];
        for (t, expected) in cases {
            let found = sum(t, precision);
            assert!((found / expected - 1.0).abs() <= tolerance, "{t:?} in {precision:?}: {found:e} against {expected:e}");
        }
        assert_eq!(sum(&[f64::NEG_INFINITY, f64::NEG_INFINITY], precision), f64::NEG_INFINITY);
        assert_eq!(sum(&[f64::INFINITY, 0.0], precision), f64::INFINITY);
        assert!(sum(&[f64::NAN, 0.0], precision).is_nan());
    }
    assert_eq!(sum(&[-1e300, -1e301], Precision::F64), -1e300);
}

#[test]
fn derivatives_of_logsumexp_are_shares_and_equal_terms_share_equally() {
    let t = Placement::cpu(Precision::F64).tensor::<2>(vec![0.3, 0.3, -1.0, f64::NEG_INFINITY], [1, 4]).autodiff().require_grad();
    let found = values(t.grad(&logsumexp(t.clone(), 1).sum().backward()).unwrap());
    let total = 2.0 * 0.3f64.exp() + (-1f64).exp();
    let expected = [0.3f64.exp() / total, 0.3f64.exp() / total, (-1f64).exp() / total, 0.0];
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((found - expected).abs() < 4.0 * f64::EPSILON, "{found} against {expected}");
    }
}
