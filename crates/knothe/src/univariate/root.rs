//! The inverse that every univariate map without a closed form shares: x with T(x; θ) = y, for all elements at once.
//!
//! [`inverse`] brackets each root by doubling, then takes Newton steps that fall back on bisection whenever they leave
//! the bracket or do not halve (Dekker 1969; Brent 1973). An element without a bracket or without convergence is
//! [`Error::NotInvertible`], never NaN.
//!
//! The search sees no gradients. Where y or θ is tracked, one more Newton step with the derivative held constant,
//! x = x₀ − (T(x₀; θ) − y)/T′(x₀), has the derivatives of the implicit function theorem: ∂x/∂y = 1/T′ and ∂x/∂θ = −T_θ/T′.

use burn::tensor::{Bool, Int, Tensor, TensorData};

use super::{MonotoneMap, check_theta};
use crate::{
    error::{Error, Result},
    placement::{Placement, values},
};

/// Doublings of the first interval before a root counts as not bracketed: 2¹⁰⁰ ≈ 10³⁰ fits 32-bit floats.
const DOUBLINGS: usize = 100;
/// Bisection of the widest bracket down to the finest tolerance takes 200 steps; Newton steps come between them.
const ITERATIONS: usize = 400;

/// x = T⁻¹(y; θ) and log ∂x/∂y = −log T′(x; θ), for y of `[rows, dim]` and θ of `[rows, parameters, dim]`.
///
/// # Errors
/// [`Error::NotInvertible`] with the rows that have an element whose root is not bracketed or not found; [`Error::Shape`].
pub fn inverse<M: MonotoneMap + ?Sized>(map: &M, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
    check_theta(&y, &theta, map.parameters())?;
    let ([rows, dim], parameters) = (y.dims(), map.parameters());
    // Every element is a row of its own in the search, so that what is found can leave it.
    let column = y.clone().inner().reshape([rows * dim, 1]);
    // Burn reads a 0 in a new shape as "what it was".
    let plain = match parameters {
        0 => Placement::of(&column).zeros([rows * dim, 0, 1]),
        _ => theta.clone().inner().swap_dims(1, 2).reshape([rows * dim, parameters, 1]),
    };
    let row_of = |error| match error {
        Error::NotInvertible { what, rows } => {
            let mut rows: Vec<usize> = rows.into_iter().map(|element| element / dim).collect();
            rows.dedup();
            Error::NotInvertible { what, rows }
        }
        other => other,
    };
    let root = search(map, column, plain).map_err(row_of)?.reshape([rows, dim]);
    let x = if y.is_tracked() || theta.is_tracked() { implicit(|x| map.value(x, theta.clone()), root, y)? } else { root };
    let log_slope = map.value(x.clone(), theta)?.1;
    Ok((x, log_slope.neg()))
}

/// The roots for y of `[n, 1]` and θ of `[n, parameters, 1]`, without gradients.
fn search<M: MonotoneMap + ?Sized>(map: &M, y: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
    let what = || format!("{map:?}");
    let Bracket { lower, upper } = bracket(|x| map.value(x, theta.clone()), &y, &what)?;
    let start = y.clone().max_pair(lower.clone()).min_pair(upper.clone());
    let previous = upper.clone() - lower.clone();
    solve(map, Search { y, theta, lower, upper, x: start, previous }, &what)
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

/// The elements still searched for, one a row: y and θ, the bracket, the guess x, and the size of the last step.
#[derive(Clone, Debug)]
struct Search {
    y: Tensor<2>,
    theta: Tensor<3>,
    lower: Tensor<2>,
    upper: Tensor<2>,
    x: Tensor<2>,
    previous: Tensor<2>,
}

impl Search {
    /// One step of every element, and which of them have converged. Those keep their x.
    fn step<M: MonotoneMap + ?Sized>(&mut self, map: &M) -> Result<Vec<bool>> {
        let ulp = Placement::of(&self.y).precision.epsilon();
        let (x, y) = (self.x.clone(), self.y.clone());
        let (value, log_slope) = map.value(x.clone(), self.theta.clone())?;
        let residual = value - y.clone();
        let above = residual.clone().greater_scalar(0.0);
        let upper = self.upper.clone().mask_where(above.clone(), x.clone());
        let lower = self.lower.clone().mask_where(above.bool_not(), x.clone());
        let step = residual.clone() * log_slope.neg().exp();
        let newton = x.clone() - step.clone();

        // The absolute part lets a root at 0 converge: without it the bracket would have to shrink below every float.
        let tolerance = x.clone().abs() * (4.0 * ulp) + ulp * ulp;
        let near = step.clone().abs().lower_equal(tolerance.clone());
        let exact = residual.clone().abs().lower_equal(y.abs() * ulp);
        let closed = (upper.clone() - lower.clone()).lower_equal(tolerance);
        let converged = near.bool_or(exact).bool_or(closed).bool_and(residual.is_finite());

        // Comparisons with NaN are false, so a step that is not a number is a bisection.
        let inside = newton.clone().greater_equal(lower.clone()).bool_and(newton.clone().lower_equal(upper.clone()));
        let accepted = inside.bool_and((step.abs() * 2.0).lower_equal(self.previous.clone()));
        let middle = lower.clone() * 0.5 + upper.clone() * 0.5;
        let next = middle.mask_where(converged.clone(), x.clone()).mask_where(accepted, newton);
        self.previous = (next.clone() - x).abs();
        (self.lower, self.upper, self.x) = (lower, upper, next);
        Ok(converged.into_data().iter::<bool>().collect())
    }

    /// The elements at some places alone.
    fn select(&mut self, places: &[usize]) {
        let length = places.len();
        let data = TensorData::new(places.iter().map(|&p| p as i64).collect::<Vec<_>>(), [length]);
        let places = Tensor::<1, Int>::from_data(data, &self.y.device());
        for part in [&mut self.y, &mut self.lower, &mut self.upper, &mut self.x, &mut self.previous] {
            *part = part.clone().select(0, places.clone());
        }
        self.theta = match self.theta.dims() {
            [_, 0, _] => Placement::of(&self.y).zeros([length, 0, 1]),
            _ => self.theta.clone().select(0, places),
        };
    }
}

/// The x in the bracket of each element where the increasing map equals y.
///
/// Most elements take a few Newton steps, some many bisections: what has converged leaves as soon as it is half of the rest.
fn solve<M: MonotoneMap + ?Sized>(map: &M, mut search: Search, what: &dyn Fn() -> String) -> Result<Tensor<2>> {
    let (place, count) = (Placement::of(&search.y), search.y.dims()[0]);
    let mut found = vec![f64::NAN; count];
    // The elements that `search` holds.
    let mut open: Vec<usize> = (0..count).collect();
    for _ in 0..ITERATIONS {
        if open.is_empty() {
            return Ok(place.tensor(found, [count, 1]));
        }
        let converged = search.step(map)?;
        let x = values(search.x.clone());
        let mut rest = Vec::new();
        for (at, &element) in open.iter().enumerate() {
            if found[element].is_nan() {
                if converged[at] {
                    found[element] = x[at];
                } else {
                    rest.push(at);
                }
            }
        }
        if 2 * rest.len() <= open.len() {
            open = rest.iter().map(|&at| open[at]).collect();
            if !rest.is_empty() {
                search.select(&rest);
            }
        }
    }
    Err(Error::NotInvertible { what: what(), rows: open.into_iter().filter(|&element| found[element].is_nan()).collect() })
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
    use crate::placement::Precision;

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
