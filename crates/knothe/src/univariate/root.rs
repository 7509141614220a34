//! The inverse that every univariate map without a closed form shares: x with T(x; θ) = y, for all elements at once.
//!
//! [`inverse`] brackets each root by doubling, then takes Newton steps that fall back on bisection whenever they leave
//! the bracket or do not halve (Dekker 1969; Brent 1973). An element without a bracket or without convergence is
//! [`Error::NotInvertible`], never NaN.
//!
//! The search sees no gradients. Where y or θ is tracked, one more Newton step with the derivative held constant,
//! x = x₀ − (T(x₀; θ) − y)/T′(x₀), has the derivatives of the implicit function theorem: ∂x/∂y = 1/T′ and ∂x/∂θ = −T_θ/T′.

use burn::tensor::{Bool, DType, Tensor};

use super::MonotoneMap;
use crate::error::{Error, Result};

/// Doublings of the first interval before a root counts as not bracketed: 2¹⁰⁰ ≈ 10³⁰ fits 32-bit floats.
const DOUBLINGS: usize = 100;
/// Bisection of the widest bracket down to the finest tolerance takes 200 steps; Newton steps come between them.
const ITERATIONS: usize = 400;

/// x = T⁻¹(y; θ) and log ∂x/∂y = −log T′(x; θ), for y of `[rows, dim]` and θ of `[rows, parameters, dim]`.
///
/// # Errors
/// [`Error::NotInvertible`] with the rows that have an element whose root is not bracketed or not found.
pub fn inverse<M: MonotoneMap + ?Sized>(map: &M, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
    let plain = theta.clone().inner();
    let at = |x| map.value(x, plain.clone());
    let target = y.clone().inner();
    let what = || format!("{map:?}");
    let within = bracket(at, &target, &what)?;
    let root = solve(at, &target, within, target.clone(), &what)?;
    let x = if y.is_tracked() || theta.is_tracked() { implicit(|x| map.value(x, theta.clone()), root, y)? } else { root };
    let log_slope = map.value(x.clone(), theta)?.1;
    Ok((x, log_slope.neg()))
}

/// The ends of an interval that holds the root of each element.
#[derive(Clone, Debug)]
struct Bracket {
    lower: Tensor<2>,
    upper: Tensor<2>,
}

/// An interval around y, doubled until the increasing function passes y within it.
fn bracket(f: impl Fn(Tensor<2>) -> Result<(Tensor<2>, Tensor<2>)>, y: &Tensor<2>, what: &dyn Fn() -> String) -> Result<Bracket> {
    // One side: the end y ± step moves away while `passed` is false of it.
    let side = |sign: f64| -> Result<Tensor<2>> {
        let mut step = (y.clone().abs() + 1.0) * sign;
        let mut end = y.clone() + step.clone();
        let mut short = None;
        for _ in 0..DOUBLINGS {
            let value = f(end.clone())?.0;
            // Stated so that NaN counts as short of the root.
            let reached = if sign > 0.0 { value.greater_equal(y.clone()) } else { value.lower_equal(y.clone()) };
            if all(&reached) {
                return Ok(end);
            }
            step = step * 2.0;
            let missed = reached.bool_not();
            end = end.mask_where(missed.clone(), y.clone() + step.clone());
            short = Some(missed);
        }
        Err(not_invertible(short, what))
    };
    Ok(Bracket { lower: side(-1.0)?, upper: side(1.0)? })
}

/// The x in the bracket where the increasing function f, given with its log-derivative, equals y; `start` is the first guess.
fn solve(
    f: impl Fn(Tensor<2>) -> Result<(Tensor<2>, Tensor<2>)>,
    y: &Tensor<2>,
    within: Bracket,
    start: Tensor<2>,
    what: &dyn Fn() -> String,
) -> Result<Tensor<2>> {
    let ulp = if y.dtype() == DType::F64 { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let Bracket { mut lower, mut upper } = within;
    let mut x = start.max_pair(lower.clone()).min_pair(upper.clone());
    let mut previous = upper.clone() - lower.clone();
    let mut done: Option<Tensor<2, Bool>> = None;
    let mut open = None;
    for _ in 0..ITERATIONS {
        let (value, log_slope) = f(x.clone())?;
        let residual = value - y.clone();
        let above = residual.clone().greater_scalar(0.0);
        upper = upper.mask_where(above.clone(), x.clone());
        lower = lower.mask_where(above.bool_not(), x.clone());
        let step = residual.clone() * log_slope.neg().exp();
        let newton = x.clone() - step.clone();

        // The absolute part lets a root at 0 converge: without it the bracket would have to shrink below every float.
        let tolerance = x.clone().abs() * (4.0 * ulp) + ulp * ulp;
        let near = step.clone().abs().lower_equal(tolerance.clone());
        let exact = residual.clone().abs().lower_equal(y.clone().abs() * ulp);
        let closed = (upper.clone() - lower.clone()).lower_equal(tolerance);
        let converged = near.bool_or(exact).bool_or(closed).bool_and(residual.is_finite());

        // Comparisons with NaN are false, so a step that is not a number is a bisection.
        let inside = newton.clone().greater_equal(lower.clone()).bool_and(newton.clone().lower_equal(upper.clone()));
        let accepted = inside.bool_and((step.abs() * 2.0).lower_equal(previous));
        let middle = lower.clone() * 0.5 + upper.clone() * 0.5;
        let next = middle.mask_where(converged.clone(), x.clone()).mask_where(accepted, newton);
        let next = match &done {
            Some(done) => next.mask_where(done.clone(), x.clone()),
            None => next,
        };
        previous = (next.clone() - x).abs();
        x = next;
        let finished = match done {
            Some(done) => done.bool_or(converged),
            None => converged,
        };
        if all(&finished) {
            return Ok(x);
        }
        open = Some(finished.clone().bool_not());
        done = Some(finished);
    }
    Err(not_invertible(open, what))
}

/// The root with the derivatives of the implicit function theorem; `f` is the function with its gradients.
pub(crate) fn implicit(f: impl Fn(Tensor<2>) -> Result<(Tensor<2>, Tensor<2>)>, root: Tensor<2>, y: Tensor<2>) -> Result<Tensor<2>> {
    let (value, log_slope) = f(root.clone())?;
    Ok((y - value) * log_slope.inner().neg().exp() + root)
}

fn all(mask: &Tensor<2, Bool>) -> bool {
    mask.clone().into_data().iter::<bool>().all(|b| b)
}

/// The rows that have an element in the mask.
fn not_invertible(elements: Option<Tensor<2, Bool>>, what: &dyn Fn() -> String) -> Error {
    let rows = elements.map_or_else(Vec::new, |mask| {
        let width = mask.dims()[1].max(1);
        let mut rows: Vec<usize> =
            mask.into_data().iter::<bool>().enumerate().filter(|(_, missed)| *missed).map(|(i, _)| i / width).collect();
        rows.dedup();
        rows
    });
    Error::NotInvertible { what: what(), rows }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::placement::{Placement, Precision, values};

    /// T(x; a, b) = x + e^a tanh(x) + b x³/10: no closed inverse, and flat slopes for a → −∞.
    #[derive(Debug)]
    struct Wavy;

    impl MonotoneMap for Wavy {
        fn parameters(&self) -> usize {
            2
        }

        fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
            let a = super::super::part(&theta, 0).exp();
            let b = super::super::part(&theta, 1).exp();
            let t = x.clone().tanh();
            let slope = (t.clone().square().neg() + 1.0) * a.clone() + 1.0 + x.clone().square() * b.clone() * 0.3;
            Ok((x.clone() + a * t + x.powi_scalar(3) * b * 0.1, slope.log()))
        }

        fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
            inverse(self, y, theta)
        }
    }

    /// T(x) = tanh x + 1e-3 (range bounded): no root beyond it.
    #[derive(Debug)]
    struct Saturating;

    impl MonotoneMap for Saturating {
        fn parameters(&self) -> usize {
            0
        }

        fn value(&self, x: Tensor<2>, _: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
            let t = x.tanh();
            Ok((t.clone(), t.square().neg().log1p()))
        }

        fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
            inverse(self, y, theta)
        }
    }

    fn tensors(precision: Precision) -> (Tensor<2>, Tensor<3>) {
        let place = Placement::cpu(precision);
        let x = vec![0.0, -3.0, 1e-7, 25.0, -1e4, 0.3, 7.0, -0.9];
        let theta = vec![0.5, -1.0, 2.0, -3.0, 4.0, 0.0, 1.0, -2.0, 0.3, 0.1, -0.2, -5.0, 1.5, 0.7, -0.4, 0.9];
        (place.tensor(x, [4, 2]), place.tensor(theta, [4, 2, 2]))
    }

    #[test]
    fn inverts_to_rounding_in_both_precisions() {
        for (precision, ulp) in [(Precision::F64, f64::EPSILON), (Precision::F32, f64::from(f32::EPSILON))] {
            let (x, theta) = tensors(precision);
            let (y, ladj) = Wavy.value(x.clone(), theta.clone()).unwrap();
            let (back, back_ladj) = Wavy.inverse(y, theta).unwrap();
            for (found, expected) in values(back).into_iter().zip(values(x)) {
                // T is well conditioned: x T′/T ≤ 3, so a few ulps of y are a few ulps of x.
                assert!((found - expected).abs() <= 16.0 * ulp * expected.abs(), "{found} against {expected}");
            }
            for sum in values(ladj + back_ladj) {
                assert!(sum.abs() < 64.0 * ulp, "{sum}");
            }
        }
    }

    #[test]
    fn a_missing_root_names_its_rows() {
        let place = Placement::cpu(Precision::F64);
        let y = place.tensor(vec![0.5, -0.2, 1.5, 0.1, 0.3, -2.0, f64::NAN, 0.0], [4, 2]);
        match Saturating.inverse(y, place.zeros([4, 0, 2])) {
            Err(Error::NotInvertible { rows, .. }) => assert!(!rows.is_empty() && rows.iter().all(|&r| (1..4).contains(&r)), "{rows:?}"),
            other => panic!("expected NotInvertible, found {other:?}"),
        }
    }

    #[test]
    fn gradients_pass_through_the_root() {
        let (x, theta) = tensors(Precision::F64);
        let (y, _) = Wavy.value(x.narrow(0, 0, 2), theta.clone().narrow(0, 0, 2)).unwrap();
        let theta = theta.narrow(0, 0, 2);
        // A loss that weighs the root and its log-derivative differently.
        let loss = |y: Tensor<2>, theta: Tensor<3>| {
            let (x, ladj) = Wavy.inverse(y, theta).unwrap();
            (x.sin() + ladj * 0.7).sum()
        };
        let (ty, tt) = (y.clone().autodiff().require_grad(), theta.clone().autodiff().require_grad());
        let grads = loss(ty.clone(), tt.clone()).backward();
        let (gy, gt) = (values(ty.grad(&grads).unwrap()), values(tt.grad(&grads).unwrap()));
        let (vy, vt) = (values(y), values(theta));
        let place = Placement::cpu(Precision::F64);
        let value = |vy: &[f64], vt: &[f64]| values(loss(place.tensor(vy.to_vec(), [2, 2]), place.tensor(vt.to_vec(), [2, 2, 2])))[0];
        let h = 1e-5;
        for i in 0..vy.len() + vt.len() {
            let moved = |d: f64| {
                let (mut a, mut b) = (vy.clone(), vt.clone());
                if i < a.len() {
                    a[i] += d
                } else {
                    b[i - vy.len()] += d
                }
                value(&a, &b)
            };
            let expected = (moved(h) - moved(-h)) / (2.0 * h);
            let found = if i < vy.len() { gy[i] } else { gt[i - vy.len()] };
            // h² third derivatives + the root's own ulps over h: 1e-10 each.
            assert!((found - expected).abs() < 1e-7 * (1.0 + expected.abs()), "parameter {i}: {found} against {expected}");
        }
    }
}
