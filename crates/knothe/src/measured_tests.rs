#![allow(clippy::unwrap_used)]

use super::*;

/// x = eᵘ.
#[derive(Debug)]
struct Log;

impl Curve for Log {
    fn support(&self) -> [f64; 2] {
        [0.0, f64::INFINITY]
    }

    fn encoded(&self, x: f64) -> (f64, f64) {
        (x.ln(), -x.ln())
    }
}

fn log_normal(x: f64, mean: f64, deviation: f64) -> f64 {
    -0.5 * ((x - mean) / deviation).powi(2) - deviation.ln() - 0.5 * std::f64::consts::TAU.ln()
}

/// The mean over `seeds` of (1/K) Σ_k q(u_k) exp ladj_k, with its standard error, for q = N(0, 1) of the element.
fn mean_likelihood(errors: &Errors, row: usize, draws: usize, seeds: u64) -> (f64, f64) {
    let found: Vec<f64> = (0..seeds)
        .map(|seed| {
            let (mut x, mut ladj) = (vec![0.0; draws], vec![0.0; draws]);
            errors.draw(row, &mut x, &mut ladj, seed);
            x.iter().zip(&ladj).map(|(&u, ladj)| (log_normal(u, 0.0, 1.0) + ladj).exp()).sum::<f64>() / draws as f64
        })
        .collect();
    let n = seeds as f64;
    let mean = found.iter().sum::<f64>() / n;
    let variance = found.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn the_mean_over_draws_is_the_likelihood_of_the_measured_value() {
    let (values, sigmas) = (vec![0.3, -2.0, 1.5], vec![0.2, 1.0, 1.5]);
    let errors = Errors::of(&values, &sigmas, 1).unwrap();
    for row in 0..3 {
        let (mean, error) = mean_likelihood(&errors, row, 8, 4_000);
        let expected = log_normal(values[row], 0.0, (1.0 + sigmas[row] * sigmas[row]).sqrt()).exp();
        // Four standard errors of the mean.
        assert!((mean - expected).abs() < 4.0 * error, "{row}: {mean} ± {error}, expected {expected}");
    }
}

#[test]
fn values_outside_of_the_support_have_a_likelihood_too() {
    // log x ~ N(0, 1): a value of −1 has one, and so has one that is 20 standard deviations below 0.
    for (value, sigma) in [(0.4, 0.5), (-1.0, 0.8), (-2.0, 0.1)] {
        let errors = Errors::default().with(0, Arc::new(Log), vec![value], vec![sigma]).unwrap();
        let (mean, error) = mean_likelihood(&errors, 0, 64, 4_000);
        // ∫ q(u) N(value; eᵘ, σ²) du by the midpoint rule.
        let expected: f64 = (0..40_000)
            .map(|i| {
                let u = -15.0 + 25.0 * (f64::from(i) + 0.5) / 40_000.0;
                (log_normal(u, 0.0, 1.0) + log_normal(value, u.exp(), sigma)).exp() * 25.0 / 40_000.0
            })
            .sum();
        assert!((mean - expected).abs() < 4.0 * error && error < 0.05 * expected, "{value}: {mean:e} ± {error:e}, expected {expected:e}");
    }
}

#[test]
fn draws_are_a_latin_hypercube_within_the_support() {
    let errors = Errors::default().with(0, Arc::new(Log), vec![-0.5], vec![0.3]).unwrap();
    let (mut x, mut ladj) = ([0.0; 64], [0.0; 64]);
    errors.draw(0, &mut x, &mut ladj, 1);
    assert!(x.iter().chain(&ladj).all(|v| v.is_finite()));
    let errors = Errors::of(&[2.0, 1.0], &[0.5, 0.0], 2).unwrap();
    let mut x = [2.0, 1.0].repeat(64);
    let mut ladj = [0.0; 64];
    errors.draw(0, &mut x, &mut ladj, 1);
    let strata: Vec<usize> = x.iter().step_by(2).map(|x| (64.0 * cdf_and_density((x - 2.0) / 0.5).0) as usize).collect();
    assert!((0..64).all(|k| strata.contains(&k)) && strata.windows(2).any(|w| w[0] > w[1]), "{strata:?}");
    assert!(x.iter().skip(1).step_by(2).all(|x| *x == 1.0) && ladj.iter().all(|l| *l == 0.0), "an element without an error stays");
}

#[test]
fn draws_depend_on_the_row_and_not_on_its_place() {
    let errors = Errors::of(&[1.0, 2.0, 1.0, 1.0], &[0.5, 0.5, 0.5, 0.6], 1).unwrap();
    let draws = |row: usize, seed: u64| {
        let (mut x, mut ladj) = (vec![0.0; 16], vec![0.0; 16]);
        errors.draw(row, &mut x, &mut ladj, seed);
        x
    };
    assert_eq!(draws(0, 7), draws(2, 7));
    let noise = |row: usize, seed: u64, value: f64, sigma: f64| draws(row, seed).iter().map(|x| (x - value) / sigma).collect::<Vec<_>>();
    for other in [noise(1, 7, 2.0, 0.5), noise(3, 7, 1.0, 0.6), noise(0, 8, 1.0, 0.5)] {
        assert!(noise(0, 7, 1.0, 0.5).iter().zip(&other).all(|(a, b)| (a - b).abs() > 1e-9));
    }
}

#[test]
fn errors_that_cannot_be_are_refused() {
    assert!(Errors::of(&[1.0, 2.0], &[0.1], 1).is_err());
    for sigma in [-0.1, f64::NAN, f64::INFINITY] {
        let message = Errors::of(&[1.0, 2.0], &[0.1, sigma], 1).unwrap_err().to_string();
        assert!(message.contains("row 2"), "{message}");
    }
    assert!(Errors::of(&[1.0, 2.0], &[0.0, 0.0], 1).unwrap().is_empty());
    assert!(Errors::of(&[1.0, 2.0], &[0.1, 0.0], 1).unwrap().check(3, 1).is_err());
}
