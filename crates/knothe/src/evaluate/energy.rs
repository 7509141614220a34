//! The energy distance of samples and data.

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rayon::prelude::*;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Gamma};

use super::{FALSE_ALARMS, Verdict};
use crate::order::Order;

/// Rows of data that are compared with twice as many samples; the cost grows with the square.
pub const ENERGY_ROWS: usize = 5_000;
/// Fewer rows than this decide nothing.
const FEWEST_ROWS: usize = 20;
/// Random halves of the data that say what chance does; the spread is then known to 7 %.
const SPLITS: usize = 100;

/// E(samples, data) relative to the E of two random halves of the data, at equal sizes: about 1 for a right model.
///
/// E of n and m rows of one law is about a weighted sum of χ² variables that shrinks as 1/n + 1/m (Székely and Rizzo 2013). So the halves tell its mean and
/// spread, and a gamma law of this mean and spread says what chance explains: up to the 5-fold in one column, the 2.5-fold in four, the 2-fold in eight.
/// The verdict is by size because the number of rows is fixed. With [`ENERGY_ROWS`] rows of N(0, I), variances a tenth too large give a relative distance of 3
/// in any dimension: beyond chance in most tables of four columns, in all of eight. In fewer columns [`Tails`](super::Tails) sees it sooner. With 2,000 rows of data and
/// of samples it would be 1.6, which no rule can tell from chance; a table of so few rows shows only larger differences.
/// Where samples share the contexts of the data, a right model has a relative distance somewhat below 1, and the check forgives a little more.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Energy {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether the relative distance is at most the threshold.
    pub pass: bool,
    /// E(samples, data), in standardised units.
    #[serde(serialize_with = "crate::number::serialize")]
    pub distance: f64,
    /// The mean E of halves of the data, at the sizes of samples and data.
    #[serde(serialize_with = "crate::number::serialize")]
    pub halves: f64,
    /// distance / halves.
    #[serde(serialize_with = "crate::number::serialize")]
    pub relative: f64,
    /// The relative distance that a right model exceeds once in a thousand tables.
    #[serde(serialize_with = "crate::number::serialize")]
    pub threshold: f64,
    /// Rows of data.
    pub rows: usize,
}

impl Energy {
    /// Compares `data` and `samples`, row-major `[n, dim]` and `[m, dim]`, in units in which the columns are of one size. The seed is that of the halves.
    pub fn of(data: &[f64], samples: &[f64], dim: usize, seed: u64) -> Self {
        let dim = dim.max(1);
        let (n, m) = (data.len() / dim, samples.len() / dim);
        let distance = energy_distance(data, samples, dim);
        let (mean, spread) = halves(data, dim, seed);
        let half = n / 2;
        let scale = (1.0 / n as f64 + 1.0 / m as f64) / (2.0 / half as f64);
        let (mean, spread) = (mean * scale, spread * scale);
        let (relative, shape) = (distance / mean, (mean / spread).powi(2));
        let threshold = Gamma::new(shape, shape).map_or(f64::INFINITY, |law| law.inverse_cdf(1.0 - FALSE_ALARMS));
        let told = is_told(relative, threshold);
        let pass = told && relative <= threshold;
        let verdict = match pass {
            _ if n < FEWEST_ROWS || m < FEWEST_ROWS || !told => Verdict::Undecided,
            true => Verdict::Pass,
            false => Verdict::Fail,
        };
        Energy { verdict, pass, distance, halves: mean, relative, threshold, rows: n }
    }

    /// Whether the data determine the distance of the samples from them.
    pub fn is_told(&self) -> bool {
        is_told(self.relative, self.threshold)
    }
}

/// Whether a relative distance and its threshold are known. Rows that are all the same have no distance from themselves.
fn is_told(relative: f64, threshold: f64) -> bool {
    relative.is_finite() && threshold.is_finite()
}

/// E(X, Y) = 2 E|X − Y| − E|X − X'| − E|Y − Y'| of the empirical distributions of `x` and `y`, row-major `[_, dim]` (Székely and Rizzo 2004).
///
/// It is at least 0, and 0 only where they are equal.
pub fn energy_distance(x: &[f64], y: &[f64], dim: usize) -> f64 {
    let (x, y) = (single(x), single(y));
    let rows = |v: &[f32]| (v.len() / dim.max(1)) as f64;
    let within =
        |v: &[f32]| 2.0 * triangle(v, dim).map(|row| row.iter().map(|&d| f64::from(d)).sum()).collect::<Vec<f64>>().iter().sum::<f64>();
    let between = x.par_chunks_exact(dim.max(1)).map(|a| y.chunks_exact(dim.max(1)).map(|b| f64::from(euclidean(a, b))).sum::<f64>());
    let between: f64 = between.collect::<Vec<f64>>().iter().sum();
    2.0 * between / (rows(&x) * rows(&y)) - within(&x) / rows(&x).powi(2) - within(&y) / rows(&y).powi(2)
}

/// Mean and standard deviation of E over random halves of `data`.
fn halves(data: &[f64], dim: usize, seed: u64) -> (f64, f64) {
    let distances: Vec<Vec<f32>> = triangle(&single(data), dim).collect();
    let (n, half) = (distances.len(), distances.len() / 2);
    let split = |k: usize| {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        rng.set_stream(k as u64);
        let mut sign = vec![0.0f32; n];
        let order = Order::random(n, &mut rng);
        order.columns().iter().take(2 * half).enumerate().for_each(|(rank, &i)| sign[i] = if rank < half { 1.0 } else { -1.0 });
        // With signs s, E is −Σ_ij s_i s_j d_ij / half²; the distances of i are those to the rows before it.
        let product = |(i, row): (usize, &Vec<f32>)| f64::from(sign[i]) * f64::from(row.iter().zip(&sign).map(|(d, s)| d * s).sum::<f32>());
        -2.0 * distances.iter().enumerate().map(product).sum::<f64>() / (half as f64).powi(2)
    };
    let all: Vec<f64> = (0..SPLITS).into_par_iter().map(split).collect();
    let mean = all.iter().sum::<f64>() / SPLITS as f64;
    let variance = all.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / SPLITS as f64;
    (mean, variance.sqrt())
}

/// For each row the distances to the rows before it.
fn triangle(x: &[f32], dim: usize) -> impl IndexedParallelIterator<Item = Vec<f32>> {
    let dim = dim.max(1);
    x.par_chunks_exact(dim).enumerate().map(move |(i, a)| x.chunks_exact(dim).take(i).map(|b| euclidean(a, b)).collect())
}

fn euclidean(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
}

/// Distances need no more digits than these, and the sums of them are taken in 64 bits. Beyond 10¹⁵ standard deviations all values count as equally far, so that no square
/// is infinite.
fn single(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&v| v.clamp(-1e15, 1e15) as f32).collect()
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    fn normal(rows: usize, dim: usize, scale: f64, seed: u64) -> Vec<f64> {
        StandardNormal.sample_iter(ChaCha12Rng::seed_from_u64(seed)).take(rows * dim).map(|z: f64| scale * z).collect()
    }

    #[test]
    fn distance_by_hand() {
        // X on 0 and 1, Y on 2: 2 · 1.5 − 0.5 − 0.
        assert!((energy_distance(&[0.0, 1.0], &[2.0], 1) - 2.5).abs() < 1e-6);
        assert_eq!(energy_distance(&[1.0, 2.0, 3.0, 4.0], &[3.0, 4.0, 1.0, 2.0], 2), 0.0);
    }

    #[test]
    fn the_farthest_values_have_a_distance() {
        let found = Energy::of(&[1e30; 60], &[-1e30; 60], 2, 0);
        assert!(found.distance.is_finite() && found.distance > 1e15, "{found:?}");
    }

    #[test]
    fn halves_are_the_distance_of_halves() {
        // Of two rows there is one split, whatever the seed: E = 2|a − b|.
        let (mean, spread) = halves(&[0.0, 3.0, 4.0, 0.0], 2, 1);
        assert!((mean - 10.0).abs() < 1e-5 && spread < 1e-5);
    }

    #[test]
    fn a_right_model_passes_and_a_variance_that_is_a_tenth_off_fails() {
        let data = normal(ENERGY_ROWS, 8, 1.0, 1);
        let right = Energy::of(&data, &normal(2 * ENERGY_ROWS, 8, 1.0, 2), 8, 0);
        assert_eq!((right.verdict, right.pass), (Verdict::Pass, true), "{right:?}");
        // Chance moves the relative distance of a right model by a few spreads of 0.3.
        assert!((0.4..1.8).contains(&right.relative), "{right:?}");
        for variance in [0.9f64, 1.1] {
            let wrong = Energy::of(&data, &normal(2 * ENERGY_ROWS, 8, variance.sqrt(), 2), 8, 0);
            assert_eq!(wrong.verdict, Verdict::Fail, "{wrong:?}");
        }
    }

    #[test]
    fn lost_dependence_fails() {
        // A correlation of 0.5 against none; the marginal distributions are the same.
        let z = normal(1_000, 2, 1.0, 3);
        let data: Vec<f64> = z.chunks_exact(2).flat_map(|z| [z[0], 0.5 * z[0] + 0.75f64.sqrt() * z[1]]).collect();
        assert_eq!(Energy::of(&data, &normal(2_000, 2, 1.0, 4), 2, 0).verdict, Verdict::Fail);
        assert_eq!(Energy::of(&data[..30], &normal(2_000, 2, 1.0, 4), 2, 0).verdict, Verdict::Undecided);
    }
}
