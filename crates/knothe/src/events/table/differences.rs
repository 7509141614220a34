//! Finds nearly equal columns, one of which should be replaced by the difference.

/// The most rows that are examined.
const ROWS: usize = 2_000;
/// The fewest rows that allow a conclusion.
const FEWEST: usize = 20;
/// Two columns are nearly equal if the scale of their difference is a smaller share of their own scales than this.
const SMALL: f64 = 1e-3;

/// A pair of columns in file order, and how many times less their difference varies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct NearlyEqual {
    pub(super) first: usize,
    pub(super) second: usize,
    pub(super) times: f64,
}

/// The columns of row-major `[rows, dim]` whose difference from an earlier column varies at least 1,000 times less than both, each with the nearest such column. Scales
/// are median distances from the median, so an outlier cannot make two columns equal or different.
pub(super) fn nearly_equal(rows: &[f64], dim: usize, continuous: &[bool]) -> Vec<NearlyEqual> {
    let n = rows.len() / dim.max(1);
    if n < FEWEST {
        return Vec::new();
    }
    let stride = n.div_ceil(ROWS);
    let looked_at: Vec<&[f64]> = rows.chunks_exact(dim).step_by(stride).collect();
    let scale_of = |value: &dyn Fn(&[f64]) -> f64| {
        let mut values: Vec<f64> = looked_at.iter().map(|row| value(row)).collect();
        let middle = median(&mut values);
        values.iter_mut().for_each(|v| *v = (*v - middle).abs());
        median(&mut values)
    };
    let scales: Vec<f64> = (0..dim).map(|j| scale_of(&|row| row[j])).collect();
    // Columns whose difference is small have nearly equal scales, so few pairs have to be compared.
    let alike = |i: usize, j: usize| (scales[i] - scales[j]).abs() <= 2.0 * SMALL * scales[i] && scales[i] > 0.0;
    let open = |j: &usize| continuous.get(*j).copied().unwrap_or(false);
    let nearest = |j: usize| {
        let pairs = (0..j).filter(open).filter(|&i| alike(i, j)).map(|i| (i, scale_of(&|row| row[j] - row[i])));
        let (i, scale) = pairs.min_by(|a, b| a.1.total_cmp(&b.1))?;
        let times = scales[j] / scale;
        (scale > 0.0 && times * SMALL >= 1.0).then_some(NearlyEqual { first: i, second: j, times })
    };
    (0..dim).filter(open).filter_map(nearest).collect()
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Cauchy, Distribution, Exp};

    #[test]
    fn the_end_of_a_span_is_nearly_its_begin() {
        let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(1);
        let wait = Exp::new(1.0 / 30.0).unwrap();
        let mut rows: Vec<f64> = (0..5000)
            .flat_map(|_| {
                let begin = 1.7e9 + 3.15e7 * rng.random::<f64>();
                [begin, begin + wait.sample(&mut rng)]
            })
            .collect();
        let found = nearly_equal(&rows, 2, &[true; 2]);
        assert_eq!((found.len(), found[0].first, found[0].second), (1, 0, 1));
        assert!(found[0].times > 1e5, "{found:?}");
        // One row in which they differ changes nothing.
        rows[0] = 1e20;
        assert_eq!(nearly_equal(&rows, 2, &[true; 2]).len(), 1);
        assert_eq!(nearly_equal(&rows, 2, &[true, false]), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, rng_seed: proptest::test_runner::RngSeed::Fixed(11), ..ProptestConfig::default() })]

        #[test]
        fn independent_columns_are_not(n in 5usize..3000, dim in 2usize..8, seed in any::<u64>()) {
            let cauchy = Cauchy::new(0.0, 1.0).unwrap();
            let mut rows: Vec<f64> = cauchy.sample_iter(rand_chacha::ChaCha12Rng::seed_from_u64(seed)).take(n * dim).collect();
            rows[..dim].fill(1e20);
            prop_assert_eq!(nearly_equal(&rows, dim, &vec![true; dim]), []);
        }
    }
}
