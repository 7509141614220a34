#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rand_distr::{Cauchy, Distribution, Exp, LogNormal, StandardNormal};

/// Rows of three independent columns in very different units, and the columns that `more` derives from them.
fn rows(more: impl Fn(&[f64; 3]) -> Vec<f64>) -> (Vec<f64>, usize) {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let mut draw = || -> f64 { StandardNormal.sample(&mut rng) };
    let mut all = Vec::new();
    for _ in 0..2000 {
        let row = [5.0 + draw(), 1e6 * draw(), 1e-3 * draw()];
        all.extend(row);
        all.extend(more(&row));
    }
    let dim = all.len() / 2000;
    (all, dim)
}

#[test]
fn independent_columns_have_no_relation() {
    let (all, dim) = rows(|r| vec![r[0] * r[0], r[0] + r[1] * r[2] / 1e6]);
    assert_eq!(relations(&all, dim, 0), []);
}

#[test]
fn names_a_repeated_column_and_a_sum() {
    let (all, dim) = rows(|r| vec![3.0 - 2.0 * r[1], r[0] + r[2]]);
    let found = relations(&all, dim, 0);
    let named: Vec<Vec<usize>> = found
        .iter()
        .map(|r| {
            let mut names: Vec<usize> = r.terms.iter().map(|t| t.0).chain([r.column]).collect();
            names.sort_unstable();
            names
        })
        .collect();
    assert_eq!(named.len(), 2);
    assert!(named.contains(&vec![1, 3]), "{named:?}");
    // 1e-3 beside 1: the small term of the sum is above the rounding of 64 bits, so it is no repeat of column 0 alone.
    assert!(named.contains(&vec![0, 2, 4]), "{named:?}");
}

#[test]
fn sees_through_the_rounding_of_32_bits() {
    let (all, dim) = rows(|r| vec![1000.0 + r[0] + r[1] / 1e6]);
    let single: Vec<f64> = all.iter().map(|&v| f64::from(v as f32)).collect();
    let found = relations(&single, dim, 0);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].terms.len(), 2);
}

#[test]
fn context_may_repeat_itself_but_not_be_repeated() {
    let (all, dim) = rows(|r| vec![r[0] + 1.0]);
    // Columns 0 to 3 given, all of them: no relation counts.
    assert_eq!(relations(&all, dim, 4), []);
    let found = relations(&all, dim, 1);
    assert_eq!((found.len(), found[0].column), (1, 3));
}

/// Rows drawn one by one.
fn drawn(n: usize, seed: u64, mut row: impl FnMut(&mut ChaCha12Rng) -> Vec<f64>) -> Vec<f64> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    (0..n).flat_map(|_| row(&mut rng)).collect()
}

fn normal(rng: &mut ChaCha12Rng) -> f64 {
    StandardNormal.sample(rng)
}

fn cents(v: f64) -> f64 {
    (100.0 * v).round() / 100.0
}

/// The columns of each relation, in increasing order.
fn involved(rows: &[f64], dim: usize) -> Vec<Vec<usize>> {
    let columns = |r: &Relation| {
        let mut all: Vec<usize> = r.terms.iter().map(|t| t.0).chain([r.column]).collect();
        all.sort_unstable();
        all
    };
    relations(rows, dim, 0).iter().map(columns).collect()
}

#[test]
fn strongly_correlated_columns_are_no_repeats() {
    let wait = Exp::new(1.0 / 30.0).unwrap();
    let span = drawn(5000, 1, |rng| {
        let begin = 1.7e9 + 3.15e7 * rng.random::<f64>();
        [begin, begin + wait.sample(rng)].map(|v| (1000.0 * v).round() / 1000.0).to_vec()
    });
    assert_eq!(relations(&span, 2, 0), []);
    for noise in [1e-3, 1e-6, 1e-9, 1e-12] {
        let near = drawn(2000, 2, |rng| {
            let x = normal(rng);
            vec![x, x + noise * normal(rng)]
        });
        assert_eq!(relations(&near, 2, 0), [], "{noise}");
    }
}

#[test]
fn a_copy_with_the_same_decimals_is_the_same_in_every_row() {
    let copy = |noise: f64| {
        drawn(2000, 13, |rng| {
            let x = 20.0 * normal(rng);
            vec![cents(x), cents(x + noise * normal(rng))]
        })
    };
    assert_eq!(involved(&copy(0.0), 2), [[0, 1]]);
    assert_eq!(relations(&copy(0.001), 2, 0), []);
}

#[test]
fn one_row_makes_no_relation_and_hides_none() {
    let mut rows = drawn(1000, 3, |rng| vec![normal(rng), normal(rng)]);
    rows[10..12].fill(1e20);
    assert_eq!(relations(&rows, 2, 0), []);
    let mut rows = drawn(1000, 4, |rng| {
        let x = normal(rng);
        vec![x, 2.0 * x + 1.0]
    });
    (rows[10], rows[11]) = (1e20, 2e20 + 1.0);
    let found = relations(&rows, 2, 0);
    assert_eq!(involved(&rows, 2), [[0, 1]]);
    assert!((found[0].intercept.abs() - 1.0).abs() < 1e-9 || (found[0].intercept.abs() - 0.5).abs() < 1e-9, "{found:?}");
    // A column that equals another in all rows but one is not a function of it.
    let mut rows = drawn(1000, 5, |rng| vec![normal(rng); 2]);
    rows[11] += 0.5;
    assert_eq!(relations(&rows, 2, 0), []);
    // Columns that are constant in all rows but one.
    let mut rows = vec![1.0; 2000];
    rows[10..12].copy_from_slice(&[3.0, 7.0]);
    assert_eq!(relations(&rows, 2, 0), []);
}

#[test]
fn true_relations_are_found_as_they_are_stored() {
    let rounded_sum = drawn(2000, 6, |rng| {
        let (a, b) = (20.0 * normal(rng), 5.0 * normal(rng));
        vec![cents(a), cents(b), cents(a + b)]
    });
    assert_eq!(involved(&rounded_sum, 3), [[0, 1, 2]]);
    assert!(relations(&rounded_sum, 3, 0)[0].terms.iter().all(|(_, c)| (c.abs() - 1.0).abs() < 1e-3));
    // Heavy tails show the coefficients more sharply, and rounding in 32 bits is allowed.
    let cauchy = Cauchy::new(0.0, 1.0).unwrap();
    let single = drawn(2000, 7, |rng| {
        let x = cauchy.sample(rng) as f32;
        vec![f64::from(x), f64::from(2.0 * x + 1.0)]
    });
    assert_eq!(involved(&single, 2), [[0, 1]]);
    for scale in [1e-300, 1e-100, 1e100, 1e200] {
        let rows = drawn(500, 8, |rng| {
            let x = scale * normal(rng);
            vec![x, normal(rng), 3.0 * x]
        });
        assert_eq!(involved(&rows, 3), [[0, 2]], "{scale}");
    }
    let one_hot = drawn(1000, 9, |rng| {
        let k = rng.random_range(0..4);
        (0..4).map(|j| f64::from(u8::from(j == k))).collect()
    });
    assert_eq!(involved(&one_hot, 4), [[0, 1, 2, 3]]);
    let total = drawn(1000, 10, |rng| {
        let (a, b) = (rng.random_range(0..50), rng.random_range(0..9));
        [a, b, a + b].map(f64::from).to_vec()
    });
    let found = relations(&total, 3, 0);
    assert!(found.len() == 1 && found[0].whole && found[0].intercept == 0.0, "{found:?}");
}

#[test]
fn few_rows_say_nothing() {
    let rows = drawn(20, 11, |rng| (0..40).map(|_| normal(rng)).collect());
    assert_eq!(relations(&rows, 40, 0), []);
    assert_eq!(relations(&[1.0, 2.0, 2.0, 4.0, 3.0, 6.0], 2, 0), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, rng_seed: proptest::test_runner::RngSeed::Fixed(12), ..ProptestConfig::default() })]

    #[test]
    fn independent_columns_never_depend(n in 5usize..5000, dim in 2usize..9, seed in any::<u64>(), law in 0..5, decimals in 0i32..17) {
        let (cauchy, lognormal) = (Cauchy::new(0.0, 1.0).unwrap(), LogNormal::new(0.0, 3.0).unwrap());
        let unit = 10f64.powi(decimals);
        let rows = drawn(n, seed, |rng| {
            let outlier = law == 3 && rng.random::<f64>() < 0.05;
            let value = |rng: &mut ChaCha12Rng| match law {
                0 => cauchy.sample(rng),
                1 => lognormal.sample(rng),
                2 => if rng.random::<bool>() { 100.0 + normal(rng) } else { normal(rng) },
                // All columns have their outliers in the same rows.
                3 if outlier => 1e9,
                _ => 10.0 * normal(rng),
            };
            (0..dim).map(|_| (value(rng) * unit).round() / unit).collect()
        });
        prop_assert_eq!(relations(&rows, dim, 0), []);
    }

    #[test]
    fn linear_functions_are_found(n in 30usize..3000, seed in any::<u64>(), slope in -50.0f64..50.0, offset in -1e4f64..1e4) {
        prop_assume!(slope.abs() > 0.02);
        let rows = drawn(n, seed, |rng| { let x = normal(rng); vec![normal(rng), x, slope * x + offset] });
        prop_assert_eq!(involved(&rows, 3), [[1, 2]]);
    }
}
