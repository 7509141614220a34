//! Hard edges of columns on a lattice: the smallest and the largest possible value.

use super::lattice::Lattice;

/// The fewest rows at an edge, so that their fluctuation is relatively small.
const ROWS: f64 = 10.0;
/// The smallest share of all rows at an edge.
const SHARE: f64 = 0.01;
/// The number of cells next to the edge that it is compared with.
const NEXT: usize = 4;
/// The smallest number of rows at an edge, as a share of the rows of these cells.
const OF_NEXT: f64 = 0.25;

/// The smallest and the largest possible value, as far as the rows end at hard edges.
///
/// A law without an edge decays ever more steeply beyond the last value seen, as Poisson, geometric and binomial laws do. An edge is hard if such a decay would leave 10 rows
/// or more beyond it and there are none. If no value is negative and no larger lower edge is hard, the lower edge is 0. Values off the lattice are ignored.
pub(super) fn edges(sorted: &[f64], lattice: &Lattice) -> [Option<f64>; 2] {
    let indices: Vec<f64> = sorted.iter().filter_map(|&v| lattice.index(v)).collect();
    let (Some(&first), Some(&last)) = (indices.first(), indices.last()) else { return [None, None] };
    if first == last {
        return [None, None];
    }
    let rows = |k: f64| (indices.partition_point(|&i| i <= k) - indices.partition_point(|&i| i < k)) as f64;
    let is_hard = |edge: f64, inward: f64| {
        let count = rows(edge);
        let cells = NEXT.min((last - first) as usize);
        let next: Vec<f64> = (1..=cells).map(|d| rows(edge + inward * d as f64)).collect();
        let mean = next.iter().sum::<f64>() / cells as f64;
        let taken = 2 * next.iter().filter(|&&c| c > 0.0).count() >= cells;
        let beyond = count * next_ratio(count, &next);
        taken && count >= SHARE * indices.len() as f64 && count >= OF_NEXT * mean && beyond >= ROWS
    };
    let lower = is_hard(first, 1.0).then_some(first).or_else(|| {
        let zero = ((0.0 - lattice.offset()) / lattice.step() - 1e-9).ceil();
        (sorted.first().is_some_and(|&v| v >= 0.0)).then_some(zero)
    });
    [lower, is_hard(last, -1.0).then_some(last)].map(|k| k.map(|k| lattice.value(k)))
}

/// The expected ratio of the rows one cell beyond an edge to those at the edge, at most 1. The decay is assumed to steepen as it did over the last cells.
fn next_ratio(count: f64, next: &[f64]) -> f64 {
    let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 1.0 };
    match next {
        [] => 0.0,
        // Two cells give one ratio. For a Poisson law the next one is half of it.
        [one] => 0.5 * ratio(count, *one).min(1.0),
        [one, two, ..] => {
            let (last, before) = (ratio(count, *one).min(1.0), ratio(*one, *two).min(1.0));
            (last * ratio(last, before.max(last))).min(1.0)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::events::table::lattice::INTEGERS;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Binomial, Distribution, Geometric, Poisson};

    fn drawn(n: usize, seed: u64, mut value: impl FnMut(&mut rand_chacha::ChaCha12Rng) -> f64) -> Vec<f64> {
        let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(seed);
        let mut values: Vec<f64> = (0..n).map(|_| value(&mut rng)).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    #[test]
    fn months_days_and_truth_values_have_both_edges() {
        for (low, high) in [(1, 12), (1, 28), (0, 1), (18, 65), (-3, 3)] {
            let values = drawn(5000, 1, |rng| f64::from(rng.random_range(low..=high)));
            assert_eq!(edges(&values, &INTEGERS), [Some(f64::from(low)), Some(f64::from(high))]);
        }
        let rare = drawn(5000, 2, |rng| if rng.random::<f64>() < 2.0 / 7.0 { 1.0 } else { 0.0 });
        assert_eq!(edges(&rare, &INTEGERS), [Some(0.0), Some(1.0)]);
        let rating = drawn(2000, 3, |rng| [5.0, 5.0, 5.0, 4.0, 4.0, 3.0, 2.0, 1.0][rng.random_range(0..8)]);
        assert_eq!(edges(&rating, &INTEGERS), [Some(1.0), Some(5.0)]);
    }

    #[test]
    fn the_edge_is_a_value_of_the_lattice() {
        let lattice = Lattice::new(0.5, 0.25);
        let values = drawn(1000, 4, |rng| 1.25 + 0.5 * f64::from(rng.random_range(0..6)));
        assert_eq!(edges(&values, &lattice), [Some(1.25), Some(3.75)]);
        // For a decay towards small values that are all positive, the edge is the smallest lattice value that is not negative.
        let rising = drawn(1000, 5, |rng| 40.25 - 0.5 * Poisson::new(9.0).map_or(0.0, |p: Poisson<f64>| p.sample(rng)).min(80.0));
        assert_eq!(edges(&rising, &lattice)[0], Some(0.25));
    }

    #[test]
    fn nothing_has_no_edges() {
        assert_eq!(edges(&[], &INTEGERS), [None, None]);
        assert_eq!(edges(&[3.0; 50], &INTEGERS), [None, None]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

        #[test]
        fn counts_have_no_upper_edge(n in 5usize..5000, seed in any::<u64>(), law in 0..3, size in 0.05f64..1.0) {
            let values = match law {
                0 => { let p = Poisson::new(60.0 * size * size).unwrap(); drawn(n, seed, |rng| p.sample(rng)) }
                1 => { let p = Geometric::new(0.9 * size).unwrap(); drawn(n, seed, |rng| p.sample(rng) as f64) }
                _ => { let p = Binomial::new(1000, 0.5 * size).unwrap(); drawn(n, seed, |rng| p.sample(rng) as f64) }
            };
            let [lower, upper] = edges(&values, &INTEGERS);
            prop_assert_eq!(upper, None);
            prop_assert!(lower.is_none_or(|low| low == 0.0) || values[0] == values[n - 1], "{:?}", lower);
            // The mirror image has no lower edge, since its values are negative.
            let mirrored: Vec<f64> = values.iter().rev().map(|v| -1.0 - v).collect();
            prop_assert_eq!(edges(&mirrored, &INTEGERS)[0], None);
        }

        #[test]
        fn uniform_integers_have_both(n in 60usize..150, cells in 2i32..40, low in -50i32..50, seed in any::<u64>()) {
            // At 60 rows per cell or more, the counts of neighbours differ by less than half, which is 3 standard deviations.
            let values = drawn(n * cells as usize, seed, |rng| f64::from(rng.random_range(low..low + cells)));
            let both = [Some(f64::from(low)), Some(f64::from(low + cells - 1))];
            prop_assert_eq!(edges(&values, &INTEGERS), both);
        }
    }
}
