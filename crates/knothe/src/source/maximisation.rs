//! Mixtures of Gaussians of most likelihood, by the EM algorithm (Dempster, Laird and Rubin 1977, *Maximum likelihood from incomplete data via the EM algorithm*).

use nalgebra::{Cholesky, DMatrix, DVector};
use rand::{Rng, RngExt};
use rayon::prelude::*;

use crate::{
    bijection::{Replay, check_dim},
    error::{Error, Result},
    mixture::choose,
    placement::values,
};

/// The most rows, and the most numbers, that are read until the algorithm converges. More rows are read at its end.
const MOST_ROWS: usize = 30_000;
const MOST_NUMBERS: usize = 1 << 24;
/// Passes over all rows at the end.
const LAST_PASSES: usize = 5;
/// The most passes until then, and the growth of the objective per row at which it counts as converged.
const MOST_PASSES: usize = 200;
const TOLERANCE: f64 = 1e-5;
/// Rows that the centres of the start are chosen from, and the passes that move them.
const SEEDING_ROWS: usize = 10_000;
const SEEDING_PASSES: usize = 10;
/// Variances of the start, relative to those of the rows: so small that each row belongs to its nearest centre.
const HARD: f64 = 1e-6;
/// Numbers of an intermediate result.
const CHUNK: usize = 1 << 21;

/// Takes rows with their weights.
type Visit<'a> = &'a mut dyn FnMut(&DMatrix<f64>, &[f64]) -> Result<()>;

/// Σ_k π_k N(μ_k, Σ_k). With diagonal covariances, elements may be absent, which NaN stands for.
#[derive(Clone, Debug)]
pub(super) struct Components {
    /// Whether all covariances are diagonal.
    pub diagonal: bool,
    /// log π_k.
    pub log_weights: Vec<f64>,
    /// μ_k.
    pub means: Vec<DVector<f64>>,
    /// A_k, the inverse of the Cholesky factor of Σ_k.
    pub factors: Vec<DMatrix<f64>>,
}

/// What the objective adds to the likelihood: for each component ν rows of covariance Λ = S / K^{2/d} about its mean, with ν = d + 2 and S the covariance of the rows (Fraley and Raftery
/// 2007, *Bayesian regularization for normal mixture estimation and model-based clustering*), and one row that all components share. So no covariance is singular and no weight is 0.
struct Prior {
    rows: f64,
    covariance: DMatrix<f64>,
}

/// Sums over rows with the weights r: Σ r of all rows and of those that have each element, Σ r (x − μ) and Σ r (x − μ)(x − μ)ᵀ, of which a diagonal mixture has the diagonal.
#[derive(Clone)]
struct Sums {
    count: f64,
    counts: DVector<f64>,
    sum: DVector<f64>,
    gram: DMatrix<f64>,
}

impl Sums {
    fn none(dim: usize) -> Self {
        Sums { count: 0.0, counts: DVector::zeros(dim), sum: DVector::zeros(dim), gram: DMatrix::zeros(dim, dim) }
    }

    fn add(&mut self, other: &Sums) {
        self.count += other.count;
        self.counts += &other.counts;
        self.sum += &other.sum;
        self.gram += &other.gram;
    }

    /// The mean less μ, and the scatter about the mean.
    fn about_mean(&self, diagonal: bool) -> (DVector<f64>, DMatrix<f64>) {
        let shift = self.sum.zip_map(&self.counts, |sum, count| if count > 0.0 { sum / count } else { 0.0 });
        let product = if diagonal {
            DMatrix::from_diagonal(&shift.component_mul(&shift).component_mul(&self.counts))
        } else {
            &shift * shift.transpose() * self.count
        };
        (shift, &self.gram - product)
    }
}

/// Rows with their weights, in parts.
struct Held(Vec<(DMatrix<f64>, Vec<f64>)>);

/// The mixture of `count` components that maximises the likelihood of the training rows plus the [`Prior`]. Rows that lack an element count only if covariances are diagonal. Weights are scaled so that they sum to the effective number of rows, (Σ w)² / Σ w².
pub(super) fn likeliest(data: &mut dyn Replay, dim: usize, count: usize, diagonal: bool, rng: &mut impl Rng) -> Result<Components> {
    let chunk = (CHUNK / (count * dim)).clamp(64, 4096);
    let (held, rows, scale) = held(data, dim, (chunk, diagonal), rng)?;
    let prior = Prior::of(&held, dim, count, diagonal)?;
    let mut components = start(&held, dim, count, diagonal, &prior, rng)?;
    let mut before = f64::NEG_INFINITY;
    for _ in 0..MOST_PASSES {
        let (next, objective, total) = components.step(&prior, |visit| held.0.iter().try_for_each(|(x, w)| visit(x, w)))?;
        if !objective.is_finite() {
            return Err(Error::NotFinite { what: "training set".into(), rows: Vec::new() });
        }
        components = next;
        if objective - before < TOLERANCE * total {
            break;
        }
        before = objective;
    }
    if rows > held.rows() {
        for _ in 0..LAST_PASSES {
            components = components.step(&prior, |visit| each(data, dim, (chunk, diagonal), scale, visit))?.0;
        }
    }
    Ok(components)
}

/// Calls `visit` with the rows of a training set and their weights times `scale`, `chunk` rows at a time. An absent element is NaN. Rows that lack one have the weight 0, unless covariances are diagonal.
fn each(data: &mut dyn Replay, dim: usize, (chunk, diagonal): (usize, bool), scale: f64, visit: Visit) -> Result<()> {
    data.each(&mut |batch| {
        let rows = check_dim("x", &batch.x, dim)?;
        let mut weights: Vec<f64> = (0..rows).map(|i| scale * batch.weight(i)).collect();
        let mut x = values(batch.x.clone().inner());
        if let Some(present) = &batch.present {
            for (at, _) in values(present.clone().inner()).iter().enumerate().filter(|(_, present)| **present == 0.0) {
                if diagonal { x[at] = f64::NAN } else { weights[at / dim] = 0.0 }
            }
        }
        x.chunks(chunk * dim).zip(weights.chunks(chunk)).try_for_each(|(x, w)| visit(&DMatrix::from_row_slice(w.len(), dim, x), w))
    })
}

/// A random part of the rows of a weight above 0 (Vitter 1985, algorithm R) with scaled weights, the number of all of these rows, and the scale of their weights.
fn held(data: &mut dyn Replay, dim: usize, (chunk, diagonal): (usize, bool), rng: &mut impl Rng) -> Result<(Held, usize, f64)> {
    let most = MOST_ROWS.min(MOST_NUMBERS / dim).max(1);
    let (mut rows, mut weights) = (Vec::<f64>::new(), Vec::<f64>::new());
    let (mut seen, mut sum, mut squares) = (0, 0.0, 0.0);
    each(data, dim, (chunk, diagonal), 1.0, &mut |x, w| {
        for (i, &weight) in w.iter().enumerate().filter(|(_, w)| **w > 0.0) {
            (sum, squares) = (sum + weight, squares + weight * weight);
            seen += 1;
            if weights.len() < most {
                rows.extend(x.row(i).iter());
                weights.push(weight);
            } else {
                let at = rng.random_range(0..seen);
                if at < most {
                    rows[at * dim..(at + 1) * dim].iter_mut().zip(x.row(i).iter()).for_each(|(old, new)| *old = *new);
                    weights[at] = weight;
                }
            }
        }
        Ok(())
    })?;
    if weights.is_empty() {
        return Err(Error::invalid("training set", "at least one row", 0));
    }
    let parts = rows.chunks(chunk * dim).zip(weights.chunks(chunk));
    let held = Held(parts.map(|(x, w)| (DMatrix::from_row_slice(w.len(), dim, x), w.to_vec())).collect());
    Ok((held.scaled(), seen, sum / squares))
}

impl Held {
    fn rows(&self) -> usize {
        self.0.iter().map(|(_, w)| w.len()).sum()
    }

    /// The mean of each element, the scatter about the means, and the weight of the rows that have each element.
    fn about_zero(&self, dim: usize, diagonal: bool) -> (DVector<f64>, DMatrix<f64>, DVector<f64>) {
        // A first row that is not far from the others, so that the scatter keeps its digits.
        let first =
            self.0.first().map_or_else(|| DVector::zeros(dim), |(x, _)| x.row(0).transpose().map(|v| if v.is_nan() { 0.0 } else { v }));
        let all = Components { diagonal, log_weights: vec![0.0], means: vec![first.clone()], factors: vec![DMatrix::identity(dim, dim)] };
        let mut sums = Sums::none(dim);
        self.0.iter().for_each(|(x, w)| all.expectation(x, w).0.iter().for_each(|part| sums.add(part)));
        let (shift, scatter) = sums.about_mean(diagonal);
        (first + shift, scatter, sums.counts)
    }

    /// Σ w.
    fn total(&self) -> f64 {
        self.0.iter().flat_map(|(_, w)| w).sum()
    }

    /// With weights that sum to the effective number of rows.
    fn scaled(mut self) -> Self {
        let squares: f64 = self.0.iter().flat_map(|(_, w)| w).map(|w| w * w).sum();
        let scale = self.total() / squares;
        self.0.iter_mut().flat_map(|(_, w)| w).for_each(|w| *w *= scale);
        self
    }
}

impl Prior {
    /// Of `count` components of these rows.
    fn of(held: &Held, dim: usize, count: usize, diagonal: bool) -> Result<Self> {
        let (shift, scatter, counts) = held.about_zero(dim, diagonal);
        let over = if diagonal { counts } else { DVector::from_element(dim, held.total()) };
        let covariance = DMatrix::from_fn(dim, dim, |i, j| if over[i] > 0.0 { scatter[(i, j)] / over[i] } else { f64::from(i == j) });
        if !covariance.iter().chain(shift.iter()).all(|v| v.is_finite()) {
            return Err(Error::NotFinite { what: "training set".into(), rows: Vec::new() });
        }
        let covariance = covariance / (count as f64).powf(2.0 / dim as f64);
        if inverse_factor(&covariance).is_none() {
            let expected = "columns with a positive-definite covariance";
            return Err(Error::invalid("training set", expected, "one that is constant or a combination of others"));
        }
        Ok(Prior { rows: dim as f64 + 2.0, covariance })
    }

    /// Its part of the objective.
    fn log_density(&self, components: &Components) -> f64 {
        let share = components.log_weights.iter().sum::<f64>() / components.log_weights.len() as f64;
        let of = |a: &DMatrix<f64>| a.diagonal().iter().map(|d| 2.0 * d.ln()).sum::<f64>() - (a * &self.covariance).component_mul(a).sum();
        share + 0.5 * self.rows * components.factors.iter().map(of).sum::<f64>()
    }
}

/// The inverse of the Cholesky factor of a covariance.
fn inverse_factor(covariance: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let identity = DMatrix::identity(covariance.nrows(), covariance.ncols());
    Cholesky::new(covariance.clone())?.l().solve_lower_triangular(&identity).filter(|a| a.iter().all(|v| v.is_finite()))
}

/// Components at the centres of k-means: rows far from one another (Arthur and Vassilvitskii 2007, *k-means++*), moved by a few steps of Lloyd's algorithm. A centre has the mean of all rows in
/// the place of an absent element.
fn start(held: &Held, dim: usize, count: usize, diagonal: bool, prior: &Prior, rng: &mut impl Rng) -> Result<Components> {
    let whiten = inverse_factor(&(&prior.covariance * HARD)).unwrap_or_else(|| DMatrix::identity(dim, dim));
    let mean = held.about_zero(dim, diagonal).0;
    let all: Vec<(DVector<f64>, f64)> =
        held.0.iter().flat_map(|(x, w)| x.row_iter().zip(w).map(|(row, w)| (row.transpose(), *w)).collect::<Vec<_>>()).collect();
    let some: Vec<&(DVector<f64>, f64)> = all.iter().step_by(all.len().div_ceil(SEEDING_ROWS)).collect();
    let mut nearest = vec![1.0; some.len()];
    let mut means: Vec<DVector<f64>> = Vec::new();
    while means.len() < count {
        let shares: Vec<f64> = nearest.iter().zip(&some).map(|(distance, (_, weight))| distance * weight).collect();
        let centre = some[choose(&shares, rng.random())].0.zip_map(&mean, |v, mean| if v.is_nan() { mean } else { v });
        let distance = |x: &DVector<f64>| (&whiten * x.zip_map(&centre, |v, c| if v.is_nan() { 0.0 } else { v - c })).norm_squared();
        let first = means.is_empty();
        nearest.par_iter_mut().zip(&some).for_each(|(old, (x, _))| *old = if first { distance(x) } else { old.min(distance(x)) });
        means.push(centre);
    }
    let log_weights = vec![-(count as f64).ln(); count];
    let mut components = Components { diagonal, log_weights, means, factors: vec![whiten; count] };
    for _ in 1..SEEDING_PASSES {
        let sums = components.sums(held, dim);
        components.means.iter_mut().zip(&sums).for_each(|(mean, sum)| *mean += sum.about_mean(diagonal).0);
    }
    components.maximised(&components.sums(held, dim), prior)
}

impl Components {
    /// The sums of each component over all rows.
    fn sums(&self, held: &Held, dim: usize) -> Vec<Sums> {
        let mut sums = vec![Sums::none(dim); self.means.len()];
        for (x, w) in &held.0 {
            self.expectation(x, w).0.iter().zip(&mut sums).for_each(|(part, sum)| sum.add(part));
        }
        sums
    }

    /// The sums of each component with its responsibilities for rows, and Σ w log q.
    fn expectation(&self, x: &DMatrix<f64>, weights: &[f64]) -> (Vec<Sums>, f64) {
        let (rows, dim) = x.shape();
        let present = self.diagonal.then(|| x.map(|v| f64::from(!v.is_nan())));
        let joint: Vec<(DMatrix<f64>, DVector<f64>)> =
            (0..self.means.len()).into_par_iter().map(|k| self.log_density(k, x, present.as_ref())).collect();
        let log_prob: Vec<f64> = (0..rows)
            .map(|i| {
                let most = joint.iter().map(|(_, log)| log[i]).fold(f64::NEG_INFINITY, f64::max);
                most + joint.iter().map(|(_, log)| (log[i] - most).exp()).sum::<f64>().ln()
            })
            .collect();
        let total = log_prob.iter().zip(weights).map(|(l, w)| l * w).sum();
        let sums = joint.into_par_iter().map(|(mut centred, log)| {
            let share = DVector::from_fn(rows, |i, _| weights[i] * (log[i] - log_prob[i]).exp());
            let (count, sum) = (share.sum(), centred.tr_mul(&share));
            if let Some(present) = &present {
                let squares = centred.component_mul(&centred).tr_mul(&share);
                return Sums { count, counts: present.tr_mul(&share), sum, gram: DMatrix::from_diagonal(&squares) };
            }
            let root = share.map(f64::sqrt);
            centred.column_iter_mut().for_each(|mut column| column.component_mul_assign(&root));
            Sums { count, counts: DVector::from_element(dim, count), sum, gram: centred.tr_mul(&centred) }
        });
        (sums.collect(), total)
    }

    /// x − μ_k, with 0 for absent elements, and log π_k N(x; μ_k, Σ_k) of the present ones.
    fn log_density(&self, k: usize, x: &DMatrix<f64>, present: Option<&DMatrix<f64>>) -> (DMatrix<f64>, DVector<f64>) {
        let (mut centred, a) = (x.clone(), &self.factors[k]);
        for (mut column, mean) in centred.column_iter_mut().zip(self.means[k].iter()) {
            column.apply(|v| *v = if v.is_nan() { 0.0 } else { *v - mean });
        }
        let constant = a.diagonal().map(|d| d.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln());
        let mut log = match present {
            Some(present) => present * &constant,
            None => DVector::from_element(x.nrows(), constant.sum()),
        };
        for column in (&centred * a.transpose()).column_iter() {
            log.zip_apply(&column, |log, e| *log -= 0.5 * e * e);
        }
        log.add_scalar_mut(self.log_weights[k]);
        (centred, log)
    }

    /// The components that maximise the expected objective.
    fn maximised(&self, sums: &[Sums], prior: &Prior) -> Result<Self> {
        let count = sums.len() as f64;
        let total: f64 = sums.iter().map(|sum| sum.count).sum();
        let mut next = self.clone();
        for (k, sum) in sums.iter().enumerate() {
            let (shift, scatter) = sum.about_mean(self.diagonal);
            next.means[k] += shift;
            next.log_weights[k] = ((sum.count + 1.0 / count) / (total + 1.0)).ln();
            let whole = scatter + &prior.covariance * prior.rows;
            // All counts are the same unless elements are absent.
            let covariance = DMatrix::from_fn(whole.nrows(), whole.ncols(), |i, j| whole[(i, j)] / (sum.counts[i] + prior.rows));
            let factor = inverse_factor(&covariance);
            next.factors[k] = factor.ok_or_else(|| Error::NotFinite { what: "training set".into(), rows: Vec::new() })?;
        }
        Ok(next)
    }

    /// One step of the algorithm: the new components, the objective of the old ones, and Σ w.
    fn step(&self, prior: &Prior, rows: impl FnOnce(Visit) -> Result<()>) -> Result<(Self, f64, f64)> {
        let dim = self.means.first().map_or(0, DVector::len);
        let mut sums = vec![Sums::none(dim); self.means.len()];
        let mut objective = prior.log_density(self);
        rows(&mut |x, w| {
            let (parts, log_prob) = self.expectation(x, w);
            objective += log_prob;
            sums.iter_mut().zip(&parts).for_each(|(sum, part)| sum.add(part));
            Ok(())
        })?;
        let total = sums.iter().map(|sum| sum.count).sum();
        Ok((self.maximised(&sums, prior)?, objective, total))
    }
}

#[cfg(test)]
#[path = "maximisation_tests.rs"]
mod tests;
