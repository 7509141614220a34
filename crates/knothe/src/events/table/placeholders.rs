//! Finds placeholders: values far beyond all others that stand for something else, such as 1e20 for a missing value.

use super::rounding::significant_digits;

/// The smallest distance of a placeholder from the median, in interquartile ranges.
const FAR: f64 = 1e6;
/// The largest share of the rows that all placeholders have together. More frequent values are part of the data.
const SHARE: f64 = 0.05;
/// A number with at most this many digits, among others with more, was written by hand.
const ROUND_DIGITS: i32 = 2;

/// A value that may stand for a missing value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placeholder {
    pub(super) value: f64,
    /// The rows that have it.
    pub(super) rows: Vec<usize>,
    /// Its distance from the median, in interquartile ranges.
    pub(super) times: f64,
}

/// The placeholders among the values of a column.
///
/// They lie beyond 10⁶ interquartile ranges and have at most 5 % of the rows. Each is a round number or repeats, unlike the values of a heavy tail.
pub(super) fn placeholders(values: &[f64]) -> Vec<Placeholder> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted.get((share * sorted.len() as f64) as usize).copied().unwrap_or(f64::NAN);
    let (middle, range) = (at(0.5), at(0.75) - at(0.25));
    // If the quartiles are equal, distances have no scale.
    if range.is_nan() || range <= 0.0 {
        return Vec::new();
    }
    let is_far = |v: f64| ((v - middle) / range).abs() > FAR;
    let far: Vec<f64> = sorted.iter().copied().filter(|&v| is_far(v)).collect();
    if far.is_empty() || far.len() as f64 > SHARE.max(1.0 / sorted.len() as f64) * sorted.len() as f64 {
        return Vec::new();
    }
    let usual = significant_digits(middle).max(significant_digits(at(0.25))).max(significant_digits(at(0.75)));
    far.chunk_by(|a, b| a == b)
        .filter(|run| run.len() > 1 || is_round(run[0], usual))
        .map(|run| Placeholder {
            value: run[0],
            rows: (0..values.len()).filter(|&i| values[i] == run[0]).collect(),
            times: ((run[0] - middle) / range).abs(),
        })
        .collect()
}

/// Whether a number has far fewer digits than the others, or consists of nines.
fn is_round(value: f64, usual: i32) -> bool {
    let text = format!("{:e}", value.abs());
    let nines = text.split('e').next().unwrap_or("").bytes().filter(u8::is_ascii_digit).all(|b| b == b'9');
    (nines || significant_digits(value) <= ROUND_DIGITS) && usual > ROUND_DIGITS
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_distr::{Cauchy, Distribution, LogNormal, StandardNormal};

    fn drawn(n: usize, seed: u64, law: impl Distribution<f64>) -> Vec<f64> {
        law.sample_iter(rand_chacha::ChaCha12Rng::seed_from_u64(seed)).take(n).collect()
    }

    #[test]
    fn one_fill_value_is_named_with_its_row() {
        let mut values = drawn(1000, 1, StandardNormal);
        values[5] = 1e20;
        let found = placeholders(&values);
        assert_eq!((found.len(), found[0].value, found[0].rows.as_slice()), (1, 1e20, [5].as_slice()));
        assert!(found[0].times > 5e19 && found[0].times < 1e20);
        values[9] = -9_999_999.0;
        assert_eq!(placeholders(&values).len(), 2);
        // If a tenth of a column is far out, the column has two parts.
        values[..100].fill(1e20);
        assert_eq!(placeholders(&values), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, rng_seed: proptest::test_runner::RngSeed::Fixed(9), ..ProptestConfig::default() })]

        #[test]
        fn heavy_tails_hold_no_placeholders(n in 5usize..5000, seed in any::<u64>(), digits in 0i32..9, law in 0..3) {
            let values = match law {
                0 => drawn(n, seed, Cauchy::new(0.0, 1.0).unwrap()),
                1 => drawn(n, seed, LogNormal::new(0.0, 4.0).unwrap()),
                _ => drawn(n, seed, StandardNormal),
            };
            let unit = 10f64.powi(digits);
            let rounded: Vec<f64> = values.iter().map(|v| (v * unit).round() / unit).collect();
            prop_assert_eq!(placeholders(&values), []);
            prop_assert_eq!(placeholders(&rounded), []);
        }
    }
}
