//! Laws of a density.
//!
//! Statistical tolerances are five standard errors (two-sided chance 6·10⁻⁷) or the Dvoretzky–Kiefer–Wolfowitz bound at 10⁻⁶.

use burn::tensor::Tensor;
use rand::Rng;

use super::{Law, Violation, check, failed, measure::rounding};
use crate::{
    bijection::{Bijection, Given},
    conditioner::index,
    density::Density,
    error::{Error, Result},
    evaluate::ks_distance,
    flow::Flow,
    placement::{Placement, values},
};

/// Standard errors allowed to a Monte-Carlo mean.
pub(super) const STANDARD_ERRORS: f64 = 5.0;
/// Chance of a false alarm of a Kolmogorov–Smirnov check.
const FALSE_ALARM: f64 = 1e-6;

/// A grid over the plane: the midpoint rule in t, x = centre + scale · tan(πt/2), with t on (−1, 1) in each coordinate.
///
/// The tangent reaches the whole line, so heavy tails are counted; for smooth densities the error falls faster than any
/// power of `points`, with kinks like its square, with jumps like its inverse.
#[derive(Clone, Copy, Debug)]
pub struct Quadrature {
    /// Points a coordinate, at least 16.
    pub points: usize,
    /// The centre of the grid.
    pub centre: [f64; 2],
    /// Half of the points lie within this distance of the centre in each coordinate.
    pub scale: [f64; 2],
}

impl Default for Quadrature {
    fn default() -> Self {
        Quadrature { points: 300, centre: [0.0, 0.0], scale: [1.5, 1.5] }
    }
}

impl Quadrature {
    /// A grid that fits samples of `[rows, 2]`: centred at the medians, scaled to the distance between the quartiles.
    pub fn around(samples: Tensor<2>) -> Self {
        let x = values(samples);
        let (first, second) = (quartiles(x.iter().step_by(2)), quartiles(x.iter().skip(1).step_by(2)));
        Quadrature { centre: [first[1], second[1]], scale: [first[2] - first[0], second[2] - second[0]], ..Quadrature::default() }
    }

    /// ∫ g(x, log q(x)) dx over the grid.
    fn integrate<Q: Density>(
        &self,
        q: &Q,
        points: usize,
        context: Option<&Tensor<2>>,
        place: &Placement,
        g: fn(f64) -> f64,
    ) -> Result<f64> {
        use std::f64::consts::FRAC_PI_2;
        let nodes: Vec<(f64, f64)> = (0..points)
            .map(|k| {
                let angle = FRAC_PI_2 * ((2 * k + 1) as f64 / points as f64 - 1.0);
                (angle.tan(), 2.0 * FRAC_PI_2 / points as f64 / angle.cos().powi(2))
            })
            .collect();
        let mut total = 0.0;
        // One line of the grid a call bounds the memory.
        for &(x0, w0) in &nodes {
            let line =
                nodes.iter().flat_map(|&(x1, _)| [self.centre[0] + self.scale[0] * x0, self.centre[1] + self.scale[1] * x1]).collect();
            let context = context.map(|c| c.clone().expand([points, c.dims()[1]]));
            let log_q = q.log_prob(place.tensor(line, [points, 2]), &Given::context(context.as_ref()))?;
            total += w0 * values(log_q).iter().zip(&nodes).map(|(&l, &(_, w1))| w1 * g(l)).sum::<f64>();
        }
        Ok(total * self.scale[0] * self.scale[1])
    }

    /// The integral, and how far it may be off: four times its change from half as many points.
    fn with_error<Q: Density>(&self, q: &Q, context: Option<&Tensor<2>>, place: &Placement, g: fn(f64) -> f64) -> Result<(f64, f64)> {
        if q.dim() != 2 {
            return Err(Error::shape("density", "dim 2 for quadrature in the plane", q.dim()));
        }
        if self.points < 16 {
            return Err(Error::invalid("points", "at least 16", self.points));
        }
        if let Some(found) = context.map(Tensor::dims).filter(|d| d[0] != 1) {
            return Err(Error::shape("context", "one row", found));
        }
        let fine = self.integrate(q, self.points, context, place, g)?;
        let coarse = self.integrate(q, self.points / 2, context, place, g)?;
        Ok((fine, 4.0 * (fine - coarse).abs() + rounding(place, fine, 0.0)))
    }
}

/// ∫ q(x | context) dx = 1 in two dimensions, for one row of context.
///
/// Tolerance: four times the change from a grid of half as many points, and never above 0.01: a grid that is too coarse
/// to say fails.
pub fn integrates_to_one<Q: Density>(q: &Q, context: Option<&Tensor<2>>, grid: &Quadrature, place: &Placement) -> Result<(), Violation> {
    let law = Law::Normalised;
    let (found, error) = grid.with_error(q, context, place, f64::exp).map_err(failed(law))?;
    check(law, 0, || "∫ q".into(), 1.0, found, error.min(0.01))
}

/// The probability integral transform of `n` samples is uniform on (0, 1), coordinate by coordinate. A given context has `n`
/// rows. For continuous densities.
///
/// Tolerance: the Dvoretzky–Kiefer–Wolfowitz–Massart bound √(log(2 dim / 10⁻⁶) / 2n) on the Kolmogorov–Smirnov distance.
pub fn samples_are_uniform<Q: Density>(q: &Q, n: usize, given: &Given, rng: &mut impl Rng) -> Result<(), Violation> {
    let law = Law::SamplesUniform;
    let u = q.sample(n, given, rng).and_then(|x| q.to_uniform(x, given)).map_err(failed(law))?;
    let dim = q.dim();
    let u = values(u);
    let tolerance = ((2.0 * dim as f64 / FALSE_ALARM).ln() / (2.0 * n as f64)).sqrt();
    for j in 0..dim {
        let column: Vec<f64> = u.iter().skip(j).step_by(dim).copied().collect();
        check(law, 0, || format!("Kolmogorov–Smirnov distance of column {j}"), 0.0, ks_distance(&column), tolerance)?;
    }
    Ok(())
}

/// E_q[p(x)/q(x)] = 1 over `n` samples of q, with p the normal that fits the inner half of the samples: it holds only when the
/// samples follow q and ∫q = 1, in any number of dimensions. A given context must be `n` equal rows.
///
/// Tolerance: five standard errors of the mean, which are finite because p is narrower than q; and never above 0.2.
pub fn samples_agree<Q: Density>(q: &Q, n: usize, given: &Given, rng: &mut impl Rng) -> Result<(), Violation> {
    let law = Law::SamplesAgree;
    let dim = q.dim();
    let x = q.sample(n, given, rng).map_err(failed(law))?;
    let log_q = values(q.log_prob(x.clone(), given).map_err(failed(law))?);
    let x = values(x);
    let spread: Vec<[f64; 3]> = (0..dim).map(|j| quartiles(x.iter().skip(j).step_by(dim))).collect();
    let far = |row: &[f64]| row.iter().zip(&spread).map(|(v, q)| ((v - q[1]) / (q[2] - q[0])).powi(2)).sum::<f64>();
    let mut rows: Vec<&[f64]> = x.chunks(dim).collect();
    rows.sort_by(|a, b| far(a).total_cmp(&far(b)));
    rows.truncate(n / 2);
    let inner = nalgebra::DMatrix::from_fn(rows.len(), dim, |i, j| rows[i][j]);
    let mean = inner.row_mean();
    let from_mean = |m: &nalgebra::DMatrix<f64>| nalgebra::DMatrix::from_fn(m.nrows(), dim, |i, j| m[(i, j)] - mean[j]);
    let inner = from_mean(&inner);
    let covariance = inner.transpose() * &inner / rows.len() as f64;
    let centred = from_mean(&nalgebra::DMatrix::from_row_slice(n, dim, &x));
    let Some(cholesky) = covariance.cholesky() else {
        return check(law, 0, || "covariance of the samples".into(), 1.0, f64::NAN, 0.0);
    };
    let standard = cholesky.l().solve_lower_triangular(&centred.transpose()).unwrap_or(centred.transpose());
    let log_scale: f64 = cholesky.l().diagonal().iter().map(|d| d.ln()).sum();
    let constant = 0.5 * dim as f64 * (2.0 * std::f64::consts::PI).ln() + log_scale;
    let ratios = log_q.iter().enumerate().map(|(i, l)| (-0.5 * standard.column(i).norm_squared() - constant - l).exp());
    let (found, error) = mean_and_error(ratios);
    check(law, 0, || "mean of p/q".into(), 1.0, found, (STANDARD_ERRORS * error).min(0.2))
}

/// −mean log q(x_i) over `n` samples is −∫ q log q, in two dimensions. `context` is one row.
///
/// Tolerance: five standard errors of the mean and the error of the quadrature (see [`integrates_to_one`]).
pub fn entropy_agrees<Q: Density>(
    q: &Q,
    n: usize,
    context: Option<&Tensor<2>>,
    grid: &Quadrature,
    place: &Placement,
    rng: &mut impl Rng,
) -> Result<(), Violation> {
    let law = Law::Entropy;
    // q log q → 0 where q → 0.
    let integrand = |l: f64| if l.exp() == 0.0 { 0.0 } else { -l * l.exp() };
    let (expected, error) = grid.with_error(q, context, place, integrand).map_err(failed(law))?;
    let rows = context.map(|c| c.clone().expand([n, c.dims()[1]]));
    let given = Given::context(rows.as_ref());
    let log_q = q.sample(n, &given, rng).and_then(|x| q.log_prob(x, &given)).map_err(failed(law))?;
    let (found, standard_error) = mean_and_error(values(log_q).into_iter().map(|l| -l));
    check(law, 0, || "entropy".into(), expected, found, STANDARD_ERRORS * standard_error + error.min(0.01))
}

/// The log density that [`Flow::sample_and_log_prob`] returns beside a sample is [`Density::log_prob`] of that sample.
///
/// Tolerance: rounding, with the condition of log_prob at the sample, measured by a relative step of √ε.
pub fn sample_and_log_prob_agree<S, B>(q: &Flow<S, B>, n: usize, given: &Given, rng: &mut impl Rng) -> Result<(), Violation>
where
    S: Density + burn::module::Module,
    B: Bijection + burn::module::Module,
{
    let law = Law::SampleAndLogProb;
    let (x, beside) = q.sample_and_log_prob(n, given, rng).map_err(failed(law))?;
    let place = Placement::of(&x);
    let (log_q, sensitivity) = with_condition(q, x, given).map_err(failed(law))?;
    for (row, (expected, found)) in log_q.into_iter().zip(values(beside)).enumerate() {
        check(law, row, || format!("row {row}"), expected, found, rounding(&place, expected, sensitivity[row]))?;
    }
    Ok(())
}

/// log q′(x′) = log q(x) for x′ = (x at `columns[0]`, x at `columns[1]`, …), where q′ is q with its columns and its order permuted
/// the same way; `x` is `[rows, dim]`.
///
/// Tolerance: rounding, because sums run in another order.
pub fn is_invariant<P: Density, Q: Density>(q: &P, permuted: &Q, columns: &[usize], x: Tensor<2>, given: &Given) -> Result<(), Violation> {
    let law = Law::Invariant;
    let place = Placement::of(&x);
    let moved = permuted.log_prob(x.clone().select(1, index(columns, &x.device())), given).map_err(failed(law))?;
    let (log_q, sensitivity) = with_condition(q, x, given).map_err(failed(law))?;
    for (row, (expected, found)) in log_q.into_iter().zip(values(moved)).enumerate() {
        check(law, row, || format!("row {row}"), expected, found, rounding(&place, expected, sensitivity[row]))?;
    }
    Ok(())
}

/// log q at each row, and how much it moves for a relative step of each coordinate.
fn with_condition<Q: Density>(q: &Q, x: Tensor<2>, given: &Given) -> Result<(Vec<f64>, Vec<f64>)> {
    let place = Placement::of(&x);
    let step = place.precision.epsilon().sqrt();
    let log_q = values(q.log_prob(x.clone(), given)?);
    let dims = x.dims();
    let start = values(x);
    let mut worst = vec![0.0_f64; dims[0]];
    for sign in [1.0, -1.0] {
        let moved = start.iter().map(|v| v + sign * step * (1.0 + v.abs())).collect();
        for (row, l) in values(q.log_prob(place.tensor(moved, dims), given)?).into_iter().enumerate() {
            worst[row] = worst[row].max((l - log_q[row]).abs() / step);
        }
    }
    Ok((log_q, worst))
}

/// The quartiles of some numbers.
fn quartiles<'a>(numbers: impl Iterator<Item = &'a f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = numbers.copied().collect();
    sorted.sort_by(f64::total_cmp);
    [1, 2, 3].map(|q| sorted.get(sorted.len() * q / 4).copied().unwrap_or(f64::NAN))
}

/// The mean and its standard error.
fn mean_and_error(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut n, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for v in numbers {
        n += 1.0;
        let delta: f64 = v - mean;
        mean += delta / n;
        squares += delta * (v - mean);
    }
    (mean, (squares / (n - 1.0) / n).sqrt())
}
