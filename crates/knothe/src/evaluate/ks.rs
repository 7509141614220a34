//! The Kolmogorov–Smirnov distance of uniform numbers.

use serde::Serialize;

use super::{FALSE_ALARMS, Verdict};

/// Rows on which p-values are computed, so that they mean the same for every table.
pub const P_VALUE_ROWS: usize = 2_000;

/// The distance that is tolerated: a conditional probability off by two percentage points.
const TOLERATED: f64 = 0.02;

/// D = sup_u |F_n(u) − u| of each source coordinate, F_n the empirical distribution of its probability integral transform (Rosenblatt 1952).
///
/// Passes where no distance is above 0.02. A right model with n rows has distances of about 0.87/√n, so below some ten thousand rows one above 0.02 may be
/// chance: then the verdict is [`Verdict::Undecided`], up to the distance that a right model exceeds in one table of a thousand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KolmogorovSmirnov {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether every distance is at most the threshold.
    pub pass: bool,
    /// The largest distance.
    pub largest: f64,
    /// The distance tolerated.
    pub threshold: f64,
    /// The distance that chance explains at this number of rows.
    pub chance: f64,
    /// The distance of each coordinate.
    pub distances: Vec<f64>,
    /// The p-value of each coordinate on at most [`P_VALUE_ROWS`] rows, with Holm's correction.
    pub p_values: Vec<f64>,
}

impl KolmogorovSmirnov {
    /// Checks `u`, row-major `[n, dim]`; the p-values are of its first rows, which should be in no order that matters.
    pub fn of(u: &[f64], dim: usize) -> Self {
        let column = |j: usize, rows: usize| u.iter().skip(j).step_by(dim.max(1)).take(rows).copied().collect::<Vec<f64>>();
        let n = u.len() / dim.max(1);
        let few = n.min(P_VALUE_ROWS);
        let distances: Vec<f64> = (0..dim).map(|j| ks_distance(&column(j, n))).collect();
        let raw: Vec<f64> = (0..dim).map(|j| ks_p_value(ks_distance(&column(j, few)), few)).collect();
        let largest = distances.iter().copied().fold(0.0, f64::max);
        // The leading term of Kolmogorov's distribution, P(√n D > λ) = 2 exp(−2λ²), solved for D and shared among the coordinates.
        let chance = ((2.0 * dim.max(1) as f64 / FALSE_ALARMS).ln() / 2.0).sqrt() / (n.max(1) as f64).sqrt();
        let verdict = match largest {
            _ if n == 0 => Verdict::Undecided,
            d if d <= TOLERATED => Verdict::Pass,
            d if d <= chance => Verdict::Undecided,
            _ => Verdict::Fail,
        };
        let pass = n > 0 && largest <= TOLERATED;
        KolmogorovSmirnov { verdict, pass, largest, threshold: TOLERATED, chance, distances, p_values: holm(&raw) }
    }
}

/// D = sup_u |F_n(u) − u|; 1 when a value is no number, 0 without values.
pub fn ks_distance(u: &[f64]) -> f64 {
    if u.iter().any(|v| v.is_nan()) {
        return 1.0;
    }
    let mut sorted = u.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let at = |(i, u): (usize, &f64)| ((i + 1) as f64 / n - u).max(u - i as f64 / n);
    sorted.iter().enumerate().map(at).fold(0.0, f64::max)
}

/// P(D ≥ d) for n uniform numbers: Kolmogorov's distribution at (√n + 0.12 + 0.11/√n) d (Stephens 1970).
pub fn ks_p_value(distance: f64, n: usize) -> f64 {
    let root = (n as f64).sqrt();
    let l = (root + 0.12 + 0.11 / root) * distance;
    // Two forms of one theta function, each where it converges in a few terms.
    if l < 1.0 {
        if l < 0.04 {
            return 1.0;
        }
        let term = |k: i32| (-(std::f64::consts::PI * f64::from(2 * k - 1)).powi(2) / (8.0 * l * l)).exp();
        1.0 - (2.0 * std::f64::consts::PI).sqrt() / l * (1..=5).map(term).sum::<f64>()
    } else {
        let term = |k: i32| (if k % 2 == 1 { 2.0 } else { -2.0 }) * (-2.0 * (f64::from(k) * l).powi(2)).exp();
        (1..=5).map(term).sum::<f64>().clamp(0.0, 1.0)
    }
}

/// Holm's (1979) correction: the chance that the smallest of true p-values is below 0.05 is then at most 0.05, whatever their dependence.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let m = p_values.len();
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let (mut corrected, mut largest) = (vec![0.0; m], 0.0f64);
    for (rank, &i) in order.iter().enumerate() {
        largest = largest.max((p_values[i] * (m - rank) as f64).min(1.0));
        corrected[i] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha12Rng;
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::*;

    fn uniform(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        (0..n).map(|_| rng.random()).collect()
    }

    #[test]
    fn distances_by_hand() {
        assert_eq!(ks_distance(&[0.5]), 0.5);
        assert!((ks_distance(&[0.1, 0.4, 0.7]) - 0.3).abs() < 1e-15);
        assert_eq!(ks_distance(&[0.0; 4]), 1.0);
        assert_eq!(ks_distance(&[0.2, f64::NAN]), 1.0);
    }

    #[test]
    fn p_values_are_those_of_the_tables() {
        // Critical values of Kolmogorov's distribution (Smirnov 1948), n so large that Stephens' correction is 0.12/√n.
        for (l, p) in [(0.5, 0.9639), (0.8276, 0.5), (1.0, 0.27), (1.2238, 0.1), (1.3581, 0.05), (1.6276, 0.01)] {
            assert!((ks_p_value(l / 1e6, 1_000_000_000_000) - p).abs() < 1e-4, "{l}");
        }
        assert_eq!(ks_p_value(0.0, 100), 1.0);
        assert!(ks_p_value(1.0, 100) < 1e-80);
    }

    #[test]
    fn holm_by_hand() {
        let corrected = holm(&[0.01, 0.04, 0.03]);
        assert!(corrected.iter().zip([0.03, 0.06, 0.06]).all(|(a, b)| (a - b).abs() < 1e-15), "{corrected:?}");
        assert_eq!(holm(&[0.6, 0.7]), [1.0, 1.0]);
    }

    #[test]
    fn uniform_numbers_pass_and_a_shift_fails() {
        let right = uniform(40_000, 1);
        assert_eq!(KolmogorovSmirnov::of(&right, 2).verdict, Verdict::Pass);
        // Φ(z + 0.1): the distance is 0.04, of which 20,000 rows leave at least 0.04 − 1.95/√20,000 = 0.026.
        let normal = Normal::standard();
        let wrong: Vec<f64> = right.iter().map(|&u| normal.cdf(normal.inverse_cdf(u) + 0.1)).collect();
        let found = KolmogorovSmirnov::of(&wrong, 2);
        assert_eq!((found.verdict, found.pass), (Verdict::Fail, false));
        // 2,000 rows with a distance of 0.04 have √n D = 1.8, a p-value of 0.003; chance takes some of it back.
        assert!(found.p_values.iter().all(|&p| p < 0.05), "{found:?}");
    }

    #[test]
    fn few_rows_decide_little() {
        // At 100 rows a right model is 0.087 off; one that is 0.5 off is wrong at any number of rows.
        assert_eq!(KolmogorovSmirnov::of(&uniform(100, 2), 1).verdict, Verdict::Undecided);
        let wrong: Vec<f64> = uniform(100, 2).iter().map(|u| u / 2.0).collect();
        assert_eq!(KolmogorovSmirnov::of(&wrong, 1).verdict, Verdict::Fail);
    }
}
