//! Laws of one univariate map, with parameters far beyond those of a fit.
//!
//! [`every_law`] is the whole test of a new map. The other functions are its parts, for points and parameters of your own:
//! x is `[rows, 1]` and θ is `[rows, parameters, 1]`.
//!
//! ```
//! use knothe::{Precision, conformance, univariate::Spline};
//! conformance::univariate::every_law(&Spline::default(), Precision::F64)?;
//! # Ok::<(), conformance::Violation>(())
//! ```

use burn::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::{Law, Violation, check, failed};
use crate::{
    error::Error,
    placement::{Placement, Precision, values},
    univariate::MonotoneMap,
};

/// Sets of parameters, and points for each of them.
const SETS: usize = 80;
const EACH: usize = 100;
/// Log-slopes of at most this size are moderate: a map's rounding is then not magnified by more than 10⁴.
const MODERATE: f64 = 9.2;

/// Every law of this module, over points out to ±10⁴ (±10³ in 32 bits) and parameters of the sizes 0.1, 1, 10 and 50.
///
/// A polynomial on the whole line of a degree above 1 is checked in 64 bits alone: its terms have other signs and cancel, so
/// that 32 bits cannot resolve it far out. In 32 bits the call then returns `Ok`.
pub fn every_law(map: &dyn MonotoneMap, precision: Precision) -> Result<(), Violation> {
    let cancels = map.polynomial().is_some_and(|polynomial| polynomial.degree > 1 && polynomial.bound.is_none());
    if precision == Precision::F32 && cancels {
        return Ok(());
    }
    let place = Placement::cpu(precision);
    let far = if precision == Precision::F64 { 1e4 } else { 1e3 };
    let theta = parameters(map, EACH, &place);
    let x = points(EACH, far, &place);
    increases(map, x.clone(), theta.clone())?;
    log_slope_is_derivative(map, x, theta)?;
    inverts(map, points(EACH / 10, far, &place), parameters(map, EACH / 10, &place))?;
    gradients_are_differences(map, precision)?;
    starts_near_identity(map, precision)?;
    units_start_apart(map)?;
    refuses_wrong_shapes(map, &place)
}

/// `SETS` sets of parameters, each repeated `each` times; the sets go through the sizes 0.1, 1, 10 and 50.
fn parameters(map: &dyn MonotoneMap, each: usize, place: &Placement) -> Tensor<3> {
    let (count, mut rng) = (map.parameters(), ChaCha12Rng::seed_from_u64(7));
    let mut all = Vec::with_capacity(SETS * each * count);
    for set in 0..SETS {
        let size = [0.1, 1.0, 10.0, 50.0][set % 4];
        let one: Vec<f64> = (0..count).map(|_| size * (2.0 * rng.random::<f64>() - 1.0)).collect();
        (0..each).for_each(|_| all.extend(&one));
    }
    place.tensor(all, [SETS * each, count, 1])
}

/// `each` increasing points for each set of parameters, half of them within ±4 and the others out to ±`far`.
fn points(each: usize, far: f64, place: &Placement) -> Tensor<2> {
    let mut rng = ChaCha12Rng::seed_from_u64(8);
    let mut all = Vec::with_capacity(SETS * each);
    for _ in 0..SETS {
        let mut one: Vec<f64> = (0..each)
            .map(|i| {
                let u = 2.0 * rng.random::<f64>() - 1.0;
                if i % 2 == 0 { 4.0 * u } else { u.signum() * (far.ln() * u.abs()).exp() }
            })
            .collect();
        one.sort_by(f64::total_cmp);
        all.extend(one);
    }
    place.tensor(all, [SETS * each, 1])
}

/// A place in words.
fn at(map: &dyn MonotoneMap, row: usize, x: f64) -> String {
    format!("{map:?}, row {row}, x = {x}")
}

/// T and its log-slope are finite, and T rises from one row to the next wherever x does and the parameters are equal.
///
/// Tolerance: 64 ε (10 + |T|), the rounding of a sum of a few dozen terms. Where the log-slope is moderate and the step in x is far
/// above that rounding, T must rise strictly.
pub fn increases(map: &dyn MonotoneMap, x: Tensor<2>, theta: Tensor<3>) -> Result<(), Violation> {
    let law = Law::Increasing;
    let (epsilon, count) = (Placement::of(&x).precision.epsilon(), map.parameters());
    let (y, ladj) = map.value(x.clone(), theta.clone()).map_err(failed(law))?;
    let (x, y, ladj, theta) = (values(x), values(y), values(ladj), values(theta));
    for (row, value) in y.iter().chain(&ladj).enumerate().filter(|(_, value)| !value.is_finite()) {
        check(law, row % x.len(), || at(map, row % x.len(), x[row % x.len()]), 0.0, *value, f64::MAX)?;
    }
    for row in 1..x.len() {
        let same = theta[(row - 1) * count..row * count] == theta[row * count..(row + 1) * count];
        if !same || x[row] < x[row - 1] {
            continue;
        }
        let rounding = 64.0 * epsilon * (10.0 + y[row - 1].abs().max(y[row].abs()));
        let moderate = ladj[row - 1].abs() < MODERATE && ladj[row].abs() < MODERATE;
        let strict = moderate && x[row] - x[row - 1] > 1e4 * rounding;
        let rise = y[row] - y[row - 1];
        if rise < -rounding || (strict && rise <= 0.0) {
            check(law, row, || format!("{}, from {}", at(map, row, x[row]), x[row - 1]), y[row - 1].next_up(), y[row], 0.0)?;
        }
    }
    Ok(())
}

/// The log-slope that T returns is the logarithm of its derivative by automatic differentiation.
///
/// Tolerance: 10⁴ ε (1 + |log-slope|). A slope is a sum of a few dozen terms of one sign, and exp magnifies the rounding of a logarithm
/// by its size. Slopes that a number of the precision cannot hold are left out. A softplus that is a line above 20 fails this law.
pub fn log_slope_is_derivative(map: &dyn MonotoneMap, x: Tensor<2>, theta: Tensor<3>) -> Result<(), Violation> {
    let law = Law::LogSlope;
    let precision = Placement::of(&x).precision;
    let largest = if precision == Precision::F64 { 600.0 } else { 70.0 };
    let tracked = Tensor::from_inner(x.clone()).require_grad();
    let (y, ladj) = map.value(tracked.clone(), Tensor::from_inner(theta)).map_err(failed(law))?;
    let slopes = tracked.grad(&y.sum().backward()).map_or_else(|| vec![0.0; x.dims()[0]], values);
    for (row, ((slope, ladj), x)) in slopes.into_iter().zip(values(ladj)).zip(values(x)).enumerate() {
        if ladj.is_nan() || ladj.abs() <= largest {
            check(law, row, || at(map, row, x), slope.ln(), ladj, 1e4 * precision.epsilon() * (1.0 + ladj.abs()))?;
        }
    }
    Ok(())
}

/// T(T⁻¹(y)) = y and, in 64 bits where the slope is moderate, T⁻¹(T(y)) = y.
///
/// Tolerance: 10⁻¹⁰ (1 + |y|), in 32 bits 10⁻⁴ (1 + |y|), and what rounding does. A rounding of T⁻¹(y) is magnified by the slope, and that
/// of T, 64 ε (10 + |T|) as in [`increases`], by the slope of the inverse.
pub fn inverts(map: &dyn MonotoneMap, y: Tensor<2>, theta: Tensor<3>) -> Result<(), Violation> {
    let law = Law::RoundTrip;
    let precision = Placement::of(&y).precision;
    let (close, epsilon) = (if precision == Precision::F64 { 1e-10 } else { 1e-4 }, precision.epsilon());
    let (x, inverse_ladj) = map.inverse(y.clone(), theta.clone()).map_err(failed(law))?;
    let (back, ladj) = map.value(x.clone(), theta.clone()).map_err(failed(law))?;
    let (x, ladj, inverse_ladj, start) = (values(x), values(ladj), values(inverse_ladj), values(y.clone()));
    for (row, back) in values(back).into_iter().enumerate() {
        let resolution = 4.0 * epsilon * ladj[row].exp() * x[row].abs();
        check(law, row, || at(map, row, x[row]), start[row], back, close * (1.0 + start[row].abs()) + resolution)?;
        check(law, row, || format!("{}, log-slope of the inverse", at(map, row, x[row])), 0.0, inverse_ladj[row], f64::MAX)?;
    }
    if precision == Precision::F32 {
        return Ok(());
    }
    let (there, ladj) = map.value(y, theta.clone()).map_err(failed(law))?;
    let (again, _) = map.inverse(there.clone(), theta).map_err(failed(law))?;
    let (there, ladj) = (values(there), values(ladj));
    for (row, again) in values(again).into_iter().enumerate() {
        if ladj[row].abs() < MODERATE {
            let resolution = 64.0 * epsilon * (10.0 + there[row].abs()) * (-ladj[row]).exp();
            check(law, row, || at(map, row, start[row]), start[row], again, close * (1.0 + start[row].abs()) + resolution)?;
        }
    }
    Ok(())
}

/// The derivatives of T, T⁻¹ and their log-slopes by x and by every parameter are those of central differences.
///
/// Differences are taken in 64 bits, and the gradients in `precision`. Tolerance relative to 1 and the derivative: 10⁻⁶ for the step of
/// 10⁻⁵, whose two errors are each about 10⁻¹⁰ times what the map magnifies; 10⁻³ in 32 bits.
pub fn gradients_are_differences(map: &dyn MonotoneMap, precision: Precision) -> Result<(), Violation> {
    let law = Law::Gradient;
    let (input, step) = ([-1.3, 0.2, 0.9, 7.0], 1e-5);
    let (rows, count, mut rng) = (input.len(), map.parameters(), ChaCha12Rng::seed_from_u64(3));
    let start: Vec<f64> = input.into_iter().chain((0..rows * count).map(|_| rng.random::<f64>() - 0.5)).collect();
    let tolerance = if precision == Precision::F64 { 1e-6 } else { 1e-3 };
    for inverse in [false, true] {
        let loss = |x: Tensor<2>, theta: Tensor<3>| {
            let (y, ladj) = if inverse { map.inverse(x, theta) } else { map.value(x, theta) }?;
            // Smooth also where y is large.
            Ok((y.asinh() + ladj * 0.7).sum())
        };
        let tensors = |place: &Placement, v: &[f64]| -> (Tensor<2>, Tensor<3>) {
            (place.tensor(v[..rows].to_vec(), [rows, 1]), place.tensor(v[rows..].to_vec(), [rows, count, 1]))
        };
        let (x, theta) = tensors(&Placement::cpu(precision), &start);
        let (x, theta) = (x.autodiff().require_grad(), theta.autodiff().require_grad());
        let gradients = loss(x.clone(), theta.clone()).map_err(failed(law))?.backward();
        let of_x = x.grad(&gradients).map_or_else(|| vec![0.0; rows], values);
        let found = of_x.into_iter().chain(theta.grad(&gradients).map_or_else(|| vec![0.0; rows * count], values));
        let double = Placement::cpu(Precision::F64);
        for (k, found) in found.enumerate() {
            let moved = |by: f64| {
                let mut v = start.clone();
                v[k] += by;
                let (x, theta) = tensors(&double, &v);
                loss(x, theta).map(|loss| values(loss)[0])
            };
            let difference = moved(step).and_then(|up| Ok(up - moved(-step)?)).map_err(failed(law))?;
            let expected = difference / (2.0 * step);
            let place = || format!("{map:?}, {}, input {k}", if inverse { "inverse" } else { "value" });
            check(law, k % rows, place, expected, found, tolerance * (1.0 + expected.abs()))?;
        }
    }
    Ok(())
}

/// The grid of [−3, 3] in steps of 0.01.
fn grid(place: &Placement) -> Tensor<2> {
    place.tensor((-300..=300).map(|k| f64::from(k) / 100.0).collect(), [601, 1])
}

/// |T(x; 0) − x| < 0.05 on [−3, 3].
pub fn starts_near_identity(map: &dyn MonotoneMap, precision: Precision) -> Result<(), Violation> {
    let law = Law::NearIdentity;
    let place = Placement::cpu(precision);
    let x = grid(&place);
    let (y, _) = map.value(x.clone(), place.zeros([601, map.parameters(), 1])).map_err(failed(law))?;
    for (row, (y, x)) in values(y).into_iter().zip(values(x)).enumerate() {
        check(law, row, || at(map, row, x), x, y, 0.05)?;
    }
    Ok(())
}

/// No two parameters have equal gradients at θ = 0 for a skewed sample, or they would stay equal for ever.
///
/// Checked in 64 bits: two gradients differ by more than 10⁻⁹ of the largest.
pub fn units_start_apart(map: &dyn MonotoneMap) -> Result<(), Violation> {
    let law = Law::UnitsApart;
    let place = Placement::cpu(Precision::F64);
    let x = grid(&place);
    let theta: Tensor<3> = place.zeros([601, map.parameters(), 1]).autodiff().require_grad();
    let (y, ladj) = map.value(x.clone().autodiff(), theta.clone()).map_err(failed(law))?;
    // The likelihood of the sample under a standard normal source.
    let loss = ((ladj - y.square() * 0.5) * Tensor::from_inner((x - 0.4).exp())).sum();
    let mut slopes = theta.grad(&loss.backward()).map_or_else(Vec::new, |gradient| values(gradient.sum_dim(0)));
    slopes.sort_by(f64::total_cmp);
    let scale = slopes.iter().map(|slope| slope.abs()).fold(0.0, f64::max);
    for pair in slopes.windows(2).filter(|pair| pair[1] - pair[0] <= 1e-9 * scale) {
        check(law, 0, || format!("{map:?}, gradients {slopes:?}"), pair[0] + 1e-9 * scale, pair[1], 0.0)?;
    }
    Ok(())
}

/// Parameters of a wrong number are [`Error::Shape`], NaN stays NaN or is [`Error::NotInvertible`] with its row.
pub fn refuses_wrong_shapes(map: &dyn MonotoneMap, place: &Placement) -> Result<(), Violation> {
    let law = Law::BadInput;
    let wrong = || (place.zeros([2, 1]), place.zeros([2, map.parameters() + 1, 1]));
    let (value, inverse) = (map.value(wrong().0, wrong().1), map.inverse(wrong().0, wrong().1));
    for result in [value, inverse] {
        match result {
            Err(Error::Shape { .. }) => {}
            Err(source) => return Err(Violation::Failed { law, source }),
            Ok((y, _)) => {
                let source = Error::shape("theta", "an error of its shape", y.dims());
                return Err(Violation::Failed { law, source });
            }
        }
    }
    let (nan, zero) = (place.zeros([1, 1]) + f64::NAN, place.zeros([1, map.parameters(), 1]));
    let inverse = match map.inverse(nan.clone(), zero.clone()) {
        Err(Error::NotInvertible { rows, .. }) if rows == [0] => nan.clone(),
        other => other.map_err(failed(law))?.0,
    };
    let value = map.value(nan, zero).map_err(failed(law))?.0;
    for (found, way) in [(value, "value"), (inverse, "inverse")] {
        let found = values(found)[0];
        if !found.is_nan() {
            check(law, 0, || format!("{map:?}, {way} of NaN"), f64::NAN, found, 0.0)?;
        }
    }
    Ok(())
}
