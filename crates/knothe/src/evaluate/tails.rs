//! How often a model is surprised.

use serde::Serialize;
use statrs::distribution::{Binomial, DiscreteCDF};

use super::{FALSE_ALARMS, Verdict};

/// The probability beyond the source's 99.9 % point, both sides together.
pub const TAIL: f64 = 1e-3;

/// Fewer values than this cannot show that tails are right: ten of them are expected in the tail.
const FEWEST_VALUES: f64 = 10.0 / TAIL;

/// How many of n values lie in the tail.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TailShare {
    /// Values in the tail.
    pub count: u64,
    /// Their share.
    pub share: f64,
    /// The shares that chance explains.
    pub interval: [f64; 2],
}

impl TailShare {
    fn of(count: u64, n: u64, level: f64) -> Self {
        let n_or_one = n.max(1) as f64;
        let interval = Binomial::new(TAIL, n).map_or([0.0, 1.0], |law| {
            [law.inverse_cdf(level / 2.0) as f64 / n_or_one, law.inverse_cdf(1.0 - level / 2.0) as f64 / n_or_one]
        });
        TailShare { count, share: count as f64 / n_or_one, interval }
    }

    /// Whether chance explains the share.
    pub fn is_explained(&self) -> bool {
        self.interval[0] <= self.share && self.share <= self.interval[1]
    }
}

/// The share of u_j < 0.0005 or u_j > 0.9995, of each coordinate and of all, against its binomial 99.9 % interval.
///
/// For a normal source that is |z_j| > 3.29. The interval of each coordinate is widened (Bonferroni) until all of them together hold in 99.9 % of right models.
/// Shares that chance explains are a [`Verdict::Pass`] from 10,000 values on; among fewer, too few are expected in the tail to tell it from an empty one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tails {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether every share is in its interval.
    pub pass: bool,
    /// The share expected.
    pub expected: f64,
    /// All coordinates together.
    pub overall: TailShare,
    /// Each coordinate.
    pub coordinates: Vec<TailShare>,
}

impl Tails {
    /// Checks `u`, row-major `[n, dim]`. A value that is no number counts as one in the tail.
    pub fn of(u: &[f64], dim: usize) -> Self {
        let dim = dim.max(1);
        let n = (u.len() / dim) as u64;
        let mut counts = vec![0u64; dim];
        for row in u.chunks_exact(dim) {
            for (count, u) in counts.iter_mut().zip(row) {
                *count += u64::from(!(TAIL / 2.0..=1.0 - TAIL / 2.0).contains(u));
            }
        }
        let overall = TailShare::of(counts.iter().sum(), n * dim as u64, FALSE_ALARMS);
        let coordinates: Vec<TailShare> = counts.iter().map(|&c| TailShare::of(c, n, FALSE_ALARMS / dim as f64)).collect();
        let pass = overall.is_explained() && coordinates.iter().all(TailShare::is_explained);
        let verdict = match pass {
            false => Verdict::Fail,
            true if u.len() as f64 >= FEWEST_VALUES => Verdict::Pass,
            true => Verdict::Undecided,
        };
        Tails { verdict, pass, expected: TAIL, overall, coordinates }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha12Rng;
    use statrs::distribution::{ContinuousCDF, Normal};

    use super::*;

    fn uniform(n: usize) -> Vec<f64> {
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        (0..n).map(|_| rng.random()).collect()
    }

    #[test]
    fn right_tails_pass_and_wrong_scales_fail() {
        // 60,000 values: 60 in the tail, ± 25. A scale 10 % too small has P(|z| > 3.29/1.1) = 0.0028, 167 of them; 10 % too large 0.0003, 18.
        let normal = Normal::standard();
        let scaled = |s: f64| uniform(60_000).iter().map(|&u| normal.cdf(normal.inverse_cdf(u) * s)).collect::<Vec<f64>>();
        assert_eq!(Tails::of(&scaled(1.0), 3).verdict, Verdict::Pass);
        assert_eq!(Tails::of(&scaled(1.1), 3).verdict, Verdict::Fail);
        assert_eq!(Tails::of(&scaled(0.9), 3).verdict, Verdict::Fail);
    }

    #[test]
    fn one_wrong_coordinate_fails() {
        let mut u = uniform(40_000);
        // 20 of 10,000 are expected in its tail, and 80 are added.
        u.iter_mut().skip(1).step_by(4).take(80).for_each(|u| *u = 1.0);
        let found = Tails::of(&u, 4);
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.coordinates[1].count >= 80 && found.coordinates[0].is_explained());
    }

    #[test]
    fn intervals_are_binomial() {
        // Of 2,000 rows 2 are expected; Poisson(2) is above 8 with probability 0.0002 and above 7 with 0.0011.
        let share = TailShare::of(2, 2_000, 1e-3);
        assert_eq!(share.interval, [0.0, 8.0 / 2_000.0]);
        assert_eq!(Tails::of(&[f64::NAN; 500], 1).verdict, Verdict::Fail);
    }

    #[test]
    fn few_values_decide_little() {
        // Without any tail at all: chance explains 0 of 2 expected, and not 0 of 12 (e⁻¹² is below 0.0005).
        assert_eq!(Tails::of(&[0.5; 2_000], 2).verdict, Verdict::Undecided);
        assert_eq!(Tails::of(&[], 2).verdict, Verdict::Undecided);
        assert_eq!(Tails::of(&[0.5; 12_000], 2).verdict, Verdict::Fail);
        assert_eq!(Tails::of(&uniform(12_000), 2).verdict, Verdict::Pass);
    }
}
