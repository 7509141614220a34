#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_distr::{Cauchy, Distribution, LogNormal, StandardNormal};

/// The lattice of the values.
fn lattice(sorted: &[f64]) -> Option<Lattice> {
    Lattice::find(sorted).filter(|found| found.exceptions.is_empty()).map(|found| found.lattice)
}

fn sorted(mut v: Vec<f64>) -> Vec<f64> {
    v.sort_by(f64::total_cmp);
    v
}

/// Pseudo-random draws from a multiplicative hash.
fn draws(n: u64) -> impl Iterator<Item = u64> {
    (0..n).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40)
}

#[test]
fn finds_a_step_in_both_precisions() {
    let k: Vec<u64> = draws(2000).map(|h| h % 150).collect();
    let exact = sorted(k.iter().map(|&k| 0.18 * k as f64).collect());
    let single = sorted(k.iter().map(|&k| f64::from(0.18f32 * k as f32)).collect());
    for values in [exact, single] {
        assert_eq!(lattice(&values), Some(Lattice::new(0.18, 0.0)));
    }
}

#[test]
fn finds_an_offset_and_a_step_that_no_two_values_show() {
    let values = sorted(draws(1000).map(|h| 0.5 + 0.25 * [0.0, 2.0, 5.0, 8.0, 11.0][(h % 5) as usize]).collect());
    let found = lattice(&values).unwrap();
    assert_eq!(found.step, 0.25);
    assert!(values.iter().all(|&v| found.index(v).is_some()));
    let shifted = sorted(draws(1000).map(|h| 0.1 + (h % 40) as f64).collect());
    assert_eq!(lattice(&shifted), Some(Lattice::new(1.0, 0.1)));
}

#[test]
fn written_fractions_have_the_step_of_the_fraction() {
    // k/3, k/7 and k/60 of few values, as they are written with some decimals; values far beyond them are on the lattice too.
    let written = |value: f64, decimals: usize| format!("{value:.decimals$}").parse::<f64>().unwrap();
    for (q, decimals) in [(3.0, 5), (3.0, 4), (7.0, 6), (60.0, 7)] {
        let values = sorted(draws(1000).map(|h| written((h % 20) as f64 / q, decimals)).collect());
        let found = lattice(&values).unwrap();
        assert_eq!(found, Lattice::new(1.0 / q, 0.0), "{q} {decimals}");
        assert!((0..10_000).all(|k| found.index(written(f64::from(k) / q, decimals)) == Some(f64::from(k))), "{q} {decimals}");
    }
    // Two decimals do not tell what the step is.
    assert_eq!(lattice(&sorted(draws(1000).map(|h| written((h % 20) as f64 / 3.0, 2)).collect())), None);
    // The digits of a step are those that the values have, not those that suffice for them.
    let step = std::f64::consts::PI / 10.0;
    let found = lattice(&sorted(draws(1000).map(|h| step * (h % 8) as f64).collect())).unwrap();
    assert_eq!(found.index(step * 5000.0), Some(5000.0));
}

#[test]
fn leaves_continuous_data_alone() {
    let uniform: Vec<f64> = draws(5000).map(|h| h as f64 / (1u64 << 24) as f64).collect();
    let single: Vec<f64> = uniform.iter().map(|&u| f64::from((u as f32).ln_1p())).collect();
    assert_eq!(lattice(&sorted(single)), None);
    // Each row ten times, as a bootstrap would have it: few distinct values, none of them equally spaced.
    let repeated = uniform.iter().take(500).flat_map(|&u| [f64::from((u as f32).exp()); 10]).collect();
    assert_eq!(lattice(&sorted(repeated)), None);
}

#[test]
fn rounding_beside_zero_hides_no_lattice() {
    let value = |(i, h): (usize, u64)| if i % 9 == 0 { 0.1 + 0.2 - 0.3 } else { 0.1 * (h % 12) as f64 };
    assert_eq!(lattice(&sorted(draws(1000).enumerate().map(value).collect())), Some(Lattice::new(0.1, 0.0)));
}

#[test]
fn a_mark_for_what_is_missing_is_no_step() {
    // Continuous values, a single other value, whole numbers and tenths, each with 20 marks among 1,000 rows.
    let marked = |value: fn(u64) -> f64| sorted(draws(1000).enumerate().map(|(i, h)| if i % 50 == 0 { 1e20 } else { value(h) }).collect());
    assert_eq!(Lattice::find(&marked(|h| h as f64 / (1u64 << 24) as f64)), None);
    assert_eq!(Lattice::find(&marked(|_| 0.3)), None);
    let beside = |step| Some(Found { lattice: Lattice::new(step, 0.0), exceptions: vec![(1e20, 20)] });
    assert_eq!(Lattice::find(&marked(|h| (h % 5) as f64)), beside(1.0));
    assert_eq!(Lattice::find(&marked(|h| 0.1 * (h % 7) as f64)), beside(0.1));
}

#[test]
fn whole_numbers_may_have_a_coarser_step() {
    let thousands = |h: u64| 1000.0 * (20 + h % 90) as f64;
    let step = Lattice::new;
    assert_eq!(lattice(&sorted(draws(5000).map(thousands).collect())), Some(step(1000.0, 0.0)));
    // Few rows are enough: each of 90 values confirms the step.
    assert_eq!(lattice(&sorted(draws(100).map(thousands).collect())), Some(step(1000.0, 0.0)));
    assert_eq!(lattice(&sorted(draws(5000).map(|h| thousands(h) + 99.0).collect())), Some(step(1000.0, 99.0)));
    for mark in [-999.0, 99_999.0, 57_431.0] {
        let marked = draws(5000).enumerate().map(|(i, h)| if i % 20 == 0 { mark } else { thousands(h) });
        let found = Lattice::find(&sorted(marked.collect())).unwrap();
        assert_eq!((found.lattice, found.exceptions), (step(1000.0, 0.0), vec![(mark, 250)]));
    }
    // Numbers without a common step, and so few that they may have one by chance.
    let few = |values: &'static [f64]| sorted(draws(5000).map(|h| values[(h % values.len() as u64) as usize]).collect());
    assert_eq!(lattice(&few(&[0.0, 2174.0, 3103.0, 7688.0, 15024.0, 99999.0])), Some(INTEGERS));
    assert_eq!(lattice(&few(&[10.0, 20.0, 30.0])), Some(INTEGERS));
}

#[test]
fn a_lattice_that_makes_one_value_of_two_is_told() {
    let values: Vec<f64> = [0.0, 0.1, 0.1f32.into(), 0.2, 1.0].into();
    let with = |step| Lattice::new(step, 0.0).merges(&values);
    assert_eq!(with(0.1), None);
    assert_eq!(Lattice::new(1000.0, 0.0).merges(&values), Some((3, 1)), "1 is off the lattice");
    assert_eq!(with(0.3), None, "0.1 is off the lattice, and merged with nothing");
    // Rounding does not create a value.
    assert_eq!(Lattice::new(0.1, 0.0).merges(&[0.0, 0.1 + 0.2 - 0.3, 0.1, 0.2]), None);
}

#[test]
fn refuses_what_is_off_the_lattice() {
    let lattice = Lattice::new(0.18, 0.0);
    assert_eq!(lattice.index(0.54), Some(3.0));
    assert_eq!(lattice.index(0.55), None);
}

#[test]
fn whole_numbers_are_whole() {
    assert_eq!([whole(3.0), whole(-7.0), whole(0.0)], [Some(3.0), Some(-7.0), Some(0.0)]);
    assert_eq!(whole(3.0f64.next_up()), Some(3.0));
    // A thousandth off, the rounding of 32 bits off, and too large for a fraction beside it.
    assert_eq!([whole(3.001), whole(1_000_000.06), whole(1e-300), whole(1e16), whole(f64::NAN)], [None; 5]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, rng_seed: proptest::test_runner::RngSeed::Fixed(5), ..ProptestConfig::default() })]

    #[test]
    fn continuous_values_are_on_no_lattice(n in 5usize..5000, seed in any::<u64>(), law in 0..4, single in any::<bool>()) {
        let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(seed);
        let (cauchy, lognormal) = (Cauchy::new(0.0, 1.0).unwrap(), LogNormal::new(0.0, 2.0).unwrap());
        let value = |_| -> f64 {
            let v: f64 = match law {
                0 => cauchy.sample(&mut rng),
                1 => lognormal.sample(&mut rng),
                2 if rng.random::<f64>() < 0.05 => 1e20,
                _ => StandardNormal.sample(&mut rng),
            };
            if single { f64::from(v as f32) } else { v }
        };
        prop_assert_eq!(Lattice::find(&sorted((0..n).map(value).collect())), None);
    }

    #[test]
    fn whole_numbers_have_no_coarser_step(n in 5usize..5000, seed in any::<u64>(), size in 1.0f64..1e6) {
        let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(seed);
        let values = sorted((0..n).map(|_| (size * rng.sample::<f64, _>(StandardNormal)).round()).collect());
        prop_assert!(Lattice::find(&values).is_none_or(|found| found.lattice == INTEGERS));
    }
}

#[test]
fn values_of_a_decimal_step_are_decimals() {
    for (step, offset, power) in [(0.05, 0.0, 100.0), (0.002, -0.344, 1000.0), (2.5, 0.25, 100.0), (10.0, 0.0, 1.0)] {
        let lattice = Lattice::new(step, offset);
        for k in -2000..2000 {
            // A quotient of two whole numbers is the float nearest to the decimal.
            let expected = ((offset * power).round() + f64::from(k) * (step * power).round()) / power;
            assert_eq!(lattice.value(f64::from(k)), expected, "{k} · {step} + {offset}");
        }
    }
    let thirds = Lattice::new(1.0 / 3.0, 0.0);
    assert_eq!(thirds.value(2.0), 2.0 / 3.0);
}
