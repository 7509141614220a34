//! Laws of a bijection about its Jacobian.

use burn::tensor::Tensor;
use nalgebra::DMatrix;

use super::{
    Law, Violation, check, failed,
    measure::{Way, condition, rounding},
};
use crate::{
    bijection::{Bijection, Given},
    error::Result,
    placement::{Placement, values},
};

/// The Jacobian ∂x_i/∂z_j of T at each row of `points` (`[rows, dim]`), by `dim` backward passes: one `dim` × `dim` matrix a
/// row. The sum of a column of T over the rows is differentiated, so rows must not depend on each other.
pub fn jacobian<B: Bijection + ?Sized>(map: &B, points: &Tensor<2>, given: &Given) -> Result<Vec<DMatrix<f64>>> {
    along(map, Way::Forward, points, given)
}

fn along<B: Bijection + ?Sized>(map: &B, way: Way, points: &Tensor<2>, given: &Given) -> Result<Vec<DMatrix<f64>>> {
    let [rows, dim] = points.dims();
    let plain = if points.is_autodiff() { points.clone().inner() } else { points.clone() };
    let lift = |t: &Tensor<2>| if t.is_autodiff() { t.clone() } else { Tensor::from_inner(t.clone()) };
    let given = given.map(lift);
    let mut all = vec![DMatrix::zeros(dim, dim); rows];
    for i in 0..dim {
        let z = Tensor::from_inner(plain.clone()).require_grad();
        let (x, _) = way.apply(map, z.clone(), &given.given())?;
        let gradients = x.narrow(1, i, 1).sum().backward();
        // No gradient at all means that the output reads no input.
        let row_of_each = z.grad(&gradients).map_or_else(|| vec![0.0; rows * dim], values);
        for (k, g) in row_of_each.into_iter().enumerate() {
            all[k / dim][(i, k % dim)] = g;
        }
    }
    Ok(all)
}

/// The Jacobian by central differences, with a step of `factor` · ε^⅓. It has two errors: rounding over the step, and the third
/// derivative times the step squared. For a factor of 1 both are about ε^⅔.
fn central<B: Bijection + ?Sized>(map: &B, points: &Tensor<2>, given: &Given, factor: f64) -> Result<Vec<DMatrix<f64>>> {
    let [rows, dim] = points.dims();
    let place = Placement::of(points);
    let start = values(points.clone());
    let mut all = vec![DMatrix::zeros(dim, dim); rows];
    for j in 0..dim {
        let step = |row: usize| factor * place.precision.epsilon().cbrt() * (1.0 + start[row * dim + j].abs());
        let at = |sign: f64| {
            let moved = start.iter().enumerate().map(|(k, v)| if k % dim == j { v + sign * step(k / dim) } else { *v }).collect();
            let input = place.tensor(moved, [rows, dim]);
            // What was stepped is what the precision made of the step.
            Ok((values(input.clone()), values(map.forward_and_ladj(input, given)?.0)))
        };
        let ((z_up, up), (z_down, down)) = (at(1.0)?, at(-1.0)?);
        for (k, (u, d)) in up.iter().zip(&down).enumerate() {
            let (row, i) = (k / dim, k % dim);
            all[row][(i, j)] = (u - d) / (z_up[row * dim + j] - z_down[row * dim + j]);
        }
    }
    Ok(all)
}

/// Which elements are present, `[rows · dim]`.
fn is_present(given: &Given) -> Option<Vec<bool>> {
    given.present.map(|present| values(present.clone()).into_iter().map(|present| present != 0.0).collect())
}

/// Of the Jacobian of each row, what the results that are present read of the arguments that are.
fn present_blocks<B: Bijection + ?Sized>(map: &B, way: Way, jacobians: Vec<DMatrix<f64>>, given: &Given) -> Vec<DMatrix<f64>> {
    let Some((before, after)) = is_present(given).zip(is_present(&way.after(map, given).given())) else { return jacobians };
    let block = |(row, j): (usize, DMatrix<f64>)| {
        let dim = j.ncols();
        let places = |present: &[bool]| (0..dim).filter(|k| present[row * dim + k]).collect::<Vec<usize>>();
        j.select_rows(&places(&after)).select_columns(&places(&before))
    };
    jacobians.into_iter().enumerate().map(block).collect()
}

/// log|det J|, and κ(J) = ‖J‖‖J⁻¹‖, which magnifies relative errors of J into absolute ones of log|det J|.
fn log_det(j: &DMatrix<f64>) -> (f64, f64) {
    if j.is_empty() {
        return (0.0, 0.0);
    }
    let log_det = j.clone().lu().u().diagonal().iter().map(|d| d.abs().ln()).sum();
    let condition = j.clone().try_inverse().map_or(f64::INFINITY, |inverse| inverse.norm() * j.norm());
    (log_det, condition)
}

/// ladj = log|det J| both ways, J by automatic differentiation, for `points` of `[rows, dim]`. Where [`Given::present`] says that some coordinates are
/// absent, J is the block of the others.
///
/// Tolerance: rounding times κ(J), since an entry's relative error of ε moves log|det J| by up to κ(J) ε, and times the
/// condition of the ladj itself. How much T itself magnifies does not count, so that a wrong digit of the ladj shows where T is steep.
pub fn ladj_is_jacobian<B: Bijection + ?Sized>(map: &B, points: Tensor<2>, given: &Given) -> Result<(), Violation> {
    let law = Law::LadjJacobian;
    let place = Placement::of(&points);
    for way in [Way::Forward, Way::Inverse] {
        let (_, ladj) = way.apply(map, points.clone(), given).map_err(failed(law))?;
        let sensitivity = condition(map, way, &points, given).map_err(failed(law))?;
        let jacobians = present_blocks(map, way, along(map, way, &points, given).map_err(failed(law))?, given);
        for (row, (found, j)) in values(ladj).into_iter().zip(&jacobians).enumerate() {
            let (expected, magnified) = log_det(j);
            let tolerance = rounding(&place, expected, magnified + sensitivity[row].ladj);
            check(law, row, || format!("row {row}, {way:?}"), expected, found, tolerance)?;
        }
    }
    Ok(())
}

/// ladj = log|det J| of T, J by central differences: the check to run where there is no automatic differentiation.
///
/// Tolerance: 100 κ(J) ε^⅔ (see the step in the source), and four times the change from steps of twice the size, up to 0.1. The
/// change is the error where curvature itself is large within a step, as at the knots of a spline in 32 bits. A kink of the
/// conditioner (a ReLU) within ε^⅓ of a point can break the law for maps that are not triangular; choose other points or a smooth
/// activation then.
pub fn ladj_is_finite_difference<B: Bijection + ?Sized>(map: &B, points: Tensor<2>, given: &Given) -> Result<(), Violation> {
    let law = Law::LadjFiniteDifference;
    let place = Placement::of(&points);
    let (_, ladj) = map.forward_and_ladj(points.clone(), given).map_err(failed(law))?;
    let fine = central(map, &points, given, 1.0).map_err(failed(law))?;
    let coarse = central(map, &points, given, 2.0).map_err(failed(law))?;
    for (row, (found, (j, coarse))) in values(ladj).into_iter().zip(fine.iter().zip(&coarse)).enumerate() {
        let (expected, magnified) = log_det(j);
        let change = (expected - log_det(coarse).0).abs();
        let tolerance = 100.0 * (1.0 + magnified) * place.precision.epsilon().powf(2.0 / 3.0) + (4.0 * change).min(0.1);
        check(law, row, || format!("row {row}"), expected, found, tolerance)?;
    }
    Ok(())
}

/// ∂x_i/∂z_j is exactly 0 when j comes after i in `order`, and positive when j = i; both ways, by automatic differentiation.
///
/// `order[k]` is the column generated k-th; `points` is `[rows, dim]`. There is no tolerance: a mask is exact. The
/// diagonal counts where [`Given::present`] says that the coordinate is there: one that is absent does not move.
pub fn is_triangular<B: Bijection + ?Sized>(map: &B, order: &[usize], points: Tensor<2>, given: &Given) -> Result<(), Violation> {
    let law = Law::Triangular;
    let present = is_present(given);
    for way in [Way::Forward, Way::Inverse] {
        for (row, j) in along(map, way, &points, given).map_err(failed(law))?.iter().enumerate() {
            for (rank, &column) in order.iter().enumerate() {
                let at = |other: usize| move || format!("row {row}, {way:?}, ∂x[{column}]/∂z[{other}]");
                for &later in &order[rank + 1..] {
                    check(law, row, at(later), 0.0, j[(column, later)], 0.0)?;
                }
                let slope = j[(column, column)];
                let counts = present.as_ref().is_none_or(|present| present[row * order.len() + column]);
                if counts && !(slope.is_finite() && slope > 0.0) {
                    check(law, row, at(column), f64::MIN_POSITIVE, slope, 0.0)?;
                }
            }
        }
    }
    Ok(())
}
