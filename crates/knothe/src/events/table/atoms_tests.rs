#![allow(clippy::unwrap_used)]
use super::*;
use crate::events::table::lattice::INTEGERS;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rand_distr::{Binomial, Cauchy, Distribution, Gamma, Geometric, LogNormal, Poisson, StandardNormal};

fn drawn(n: usize, seed: u64, mut value: impl FnMut(&mut ChaCha12Rng) -> f64) -> Vec<f64> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let mut values: Vec<f64> = (0..n).map(|_| value(&mut rng)).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn values(atoms: &[(f64, usize)]) -> Vec<f64> {
    atoms.iter().map(|a| a.0).collect()
}

#[test]
fn zeros_and_marks_in_a_continuous_column() {
    let column = drawn(5000, 1, |rng| match rng.random::<f64>() {
        u if u < 0.3 => 0.0,
        u if u < 0.32 => -999.0,
        _ => LogNormal::new(1.0, 1.0).unwrap().sample(rng),
    });
    let found = atoms(&column, None);
    assert_eq!(values(&found), [-999.0, 0.0]);
    assert!((found[1].1 as f64 / 5000.0 - 0.3).abs() < 0.03, "{found:?}");
}

#[test]
fn few_whole_numbers_far_apart_are_atoms() {
    let gains = [2174.0, 3103.0, 7688.0, 15024.0, 99999.0];
    let column = drawn(5000, 2, |rng| if rng.random::<f64>() < 0.92 { 0.0 } else { gains[rng.random_range(0..5)] });
    assert_eq!(values(&atoms(&column, Some(&INTEGERS))), [&[0.0], &gains[..]].concat());
}

#[test]
fn two_whole_numbers_that_are_no_neighbours_are_atoms() {
    let of = |first: f64, n: usize| values(&atoms(&[vec![first; n], vec![100.0; 300]].concat(), Some(&INTEGERS)));
    assert_eq!(of(90.0, 14), [90.0, 100.0]);
    assert!(of(99.0, 14).is_empty() && of(90.0, 4).is_empty());
}

#[test]
fn zeros_and_a_cap_among_many_whole_numbers() {
    let column = drawn(20_000, 3, |rng| match rng.random::<f64>() {
        u if u < 0.9 => 0.0,
        u if u < 0.905 => 99_999.0,
        _ => f64::from(rng.random_range(100..40_000)),
    });
    assert_eq!(values(&atoms(&column, Some(&INTEGERS))), [0.0, 99_999.0]);
}

#[test]
fn ratings_and_months_have_none() {
    let rating = drawn(5000, 4, |rng| [5.0, 5.0, 5.0, 1.0, 2.0, 3.0, 4.0][rng.random_range(0..7)]);
    assert_eq!(atoms(&rating, Some(&INTEGERS)), []);
    let marked = drawn(5000, 5, |rng| if rng.random::<f64>() < 0.02 { -999.0 } else { f64::from(rng.random_range(1..6)) });
    assert_eq!(values(&atoms(&marked, Some(&INTEGERS))), [-999.0]);
    assert_eq!(atoms(&[], None), []);
    assert_eq!(atoms(&[1.0; 100], None), []);
}

#[test]
fn zeros_in_excess_of_few_whole_numbers() {
    let gamma: Gamma<f64> = Gamma::new(2.0, 2.0).unwrap();
    for n in [500, 1000, 2000] {
        let column = drawn(n, 7, |rng| if rng.random::<f64>() < 0.625 { 0.0 } else { gamma.sample(rng).round() });
        assert_eq!(excess(&column, &INTEGERS), Some(0.0), "{n} rows");
        // The same at the other end.
        let mut mirrored: Vec<f64> = column.iter().map(|v| 50.0 - v).collect();
        mirrored.reverse();
        assert_eq!(excess(&mirrored, &INTEGERS), Some(50.0), "{n} rows");
    }
    let poisson = Poisson::new(4.0).unwrap();
    let column = drawn(1000, 8, |rng| if rng.random::<f64>() < 0.9 { 0.0 } else { poisson.sample(rng) });
    assert_eq!(excess(&column, &INTEGERS), Some(0.0));
    assert_eq!(excess(&[], &INTEGERS), None);
}

/// A count with a usual answer, a sentinel below it, and round numbers.
#[test]
fn heaps_among_counts() {
    let poisson = |rate: f64| Poisson::new(rate).unwrap();
    let (twenty, thirty) = (poisson(20.0), poisson(30.0));
    let column = drawn(5000, 9, |rng| if rng.random::<f64>() < 0.43 { 17.0 } else { twenty.sample(rng) });
    assert_eq!(heaps(&column, &INTEGERS, 8), [17.0]);
    let wide = drawn(3000, 10, |rng| if rng.random::<f64>() < 0.29 { 500.0 } else { f64::from(rng.random_range(0..1001)) });
    assert_eq!(heaps(&wide, &INTEGERS, 8), [500.0]);
    let rounded = drawn(5000, 11, |rng| {
        let v = thirty.sample(rng);
        if rng.random::<f64>() < 0.6 { (v / 10.0).round() * 10.0 } else { v }
    });
    assert_eq!(heaps(&rounded, &INTEGERS, 8), [20.0, 30.0, 40.0]);
    assert_eq!(heaps(&rounded, &INTEGERS, 1), [30.0]);
    assert!(heaps(&[], &INTEGERS, 8).is_empty() && heaps(&[1.0; 9], &INTEGERS, 8).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, rng_seed: proptest::test_runner::RngSeed::Fixed(6), ..ProptestConfig::default() })]

    #[test]
    fn continuous_values_have_none(n in 5usize..5000, seed in any::<u64>(), law in 0..4, decimals in 1i32..17, size in 1.0f64..100.0) {
        // Ten steps of the rounding or more in a standard deviation.
        let unit = 10f64.powi(decimals);
        let (cauchy, lognormal) = (Cauchy::new(0.0, 1.0).unwrap(), LogNormal::new(0.0, 1.5).unwrap());
        let column = drawn(n, seed, |rng| {
            let v: f64 = match law {
                0 => cauchy.sample(rng),
                1 => lognormal.sample(rng),
                2 if rng.random::<f64>() < 0.05 => 1e6 * rng.sample::<f64, _>(StandardNormal),
                3 if rng.random::<f64>() < 0.5 => 30.0 + rng.sample::<f64, _>(StandardNormal),
                _ => StandardNormal.sample(rng),
            };
            (v * size * unit).round() / unit
        });
        let found = Lattice::find(&column).map(|found| found.lattice);
        prop_assert_eq!(atoms(&column, found.as_ref()), []);
    }

    #[test]
    fn the_mode_of_a_poisson_law_is_none(n in 5usize..5000, seed in any::<u64>(), rate in 0.05f64..2000.0) {
        let law = Poisson::new(rate).unwrap();
        prop_assert_eq!(atoms(&drawn(n, seed, |rng| law.sample(rng)), Some(&INTEGERS)), []);
    }

    #[test]
    fn counts_have_no_excess(n in 5usize..5000, seed in any::<u64>(), law in 0..3, size in 0.01f64..1.0) {
        let column = match law {
            0 => { let p = Poisson::new(5.0 * size * size).unwrap(); drawn(n, seed, |rng| p.sample(rng)) }
            1 => { let p = Geometric::new(0.99 * size).unwrap(); drawn(n, seed, |rng| p.sample(rng) as f64) }
            _ => { let p = Binomial::new(20, 0.5 * size).unwrap(); drawn(n, seed, |rng| p.sample(rng) as f64) }
        };
        prop_assert_eq!(excess(&column, &INTEGERS), None);
        prop_assert!(heaps(&column, &INTEGERS, 8).is_empty());
    }

    #[test]
    fn the_peak_of_a_count_is_no_heap(n in 5usize..5000, seed in any::<u64>(), law in 0..3, size in 0.0f64..1.0) {
        let column = match law {
            0 => { let p = Poisson::new(0.05 + 300.0 * size * size).unwrap(); drawn(n, seed, |rng| p.sample(rng)) }
            1 => { let s = 0.05 + 30.0 * size; drawn(n, seed, |rng| (50.0 + s * rng.sample::<f64, _>(StandardNormal)).round()) }
            _ => { let s = 0.05 + 5.0 * size; let c = Cauchy::new(0.0, s).unwrap(); drawn(n, seed, |rng| f64::round(c.sample(rng)).clamp(-1e6, 1e6)) }
        };
        prop_assert_eq!(heaps(&column, &INTEGERS, 8), Vec::<f64>::new());
    }
}
