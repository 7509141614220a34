#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};

use super::*;
use crate::{
    Placement, Precision,
    bijection::{Batch, Seen},
};

/// Rows of 0.3 N(m, [[1, 0.8], [0.8, 1]]) + 0.7 N(−m, 0.25 I), m = (3, −2), and their log density.
fn rows(n: usize, seed: u64) -> (Vec<f64>, f64) {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let (mut x, mut log_prob) = (Vec::new(), 0.0);
    for i in 0..n {
        let (a, b) = (normal(), normal());
        let row = if i % 10 < 3 { [3.0 + a, -2.0 + 0.8 * a + 0.6 * b] } else { [-3.0 + 0.5 * a, 2.0 + 0.5 * b] };
        let ([u, v], [s, t]) = ([row[0] - 3.0, row[1] + 2.0], [row[0] + 3.0, row[1] - 2.0]);
        let first = 0.3 / 0.6 * (-0.5 * (u * u + (v - 0.8 * u).powi(2) / 0.36)).exp();
        let second = 0.7 / 0.25 * (-0.5 * (s * s + t * t) / 0.25).exp();
        log_prob += ((first + second) / (2.0 * std::f64::consts::PI)).ln() / n as f64;
        x.extend(row);
    }
    (x, log_prob)
}

fn batches(x: &[f64], weights: Option<Vec<f64>>) -> Seen {
    let place = Placement::cpu(Precision::F64);
    let x = place.tensor(x.to_vec(), [x.len() / 2, 2]);
    Seen(vec![Batch { x, context: None, present: None, weights, draws: None, seed: 0 }])
}

fn fitted(x: &[f64], weights: Option<Vec<f64>>, count: usize) -> Components {
    likeliest(&mut batches(x, weights), 2, count, false, &mut ChaCha12Rng::seed_from_u64(1)).unwrap()
}

#[test]
fn two_components_are_found_again() {
    let (x, truth) = rows(4_000, 0);
    let found = fitted(&x, None, 2);
    let [high, low] = if found.means[0][0] > 0.0 { [0, 1] } else { [1, 0] };
    // Four standard errors of a mean of 1,200 rows of variance 1.
    assert!((&found.means[high] - DVector::from_vec(vec![3.0, -2.0])).amax() < 0.12, "{found:?}");
    assert!((&found.means[low] - DVector::from_vec(vec![-3.0, 2.0])).amax() < 0.06, "{found:?}");
    assert!((found.log_weights[high].exp() - 0.3).abs() < 0.01);
    // A_k Σ_k A_kᵀ = I; the entries of the covariance of 1,200 rows have standard errors below 0.05.
    let covariance = DMatrix::from_row_slice(2, 2, &[1.0, 0.8, 0.8, 1.0]);
    let a = &found.factors[high];
    assert!((a * covariance * a.transpose() - DMatrix::identity(2, 2)).amax() < 0.25, "{a}");
    // Of other rows the likelihood is the truth's, up to 11 parameters over twice the rows, and the noise of the same order.
    let (fresh, truth_of_fresh) = rows(4_000, 1);
    let held = DMatrix::from_row_slice(4_000, 2, &fresh);
    let log_prob = found.expectation(&held, &vec![1.0 / 4_000.0; 4_000]).1;
    assert!((log_prob - truth_of_fresh).abs() < 0.005, "{log_prob} {truth_of_fresh} {truth}");
}

#[test]
fn no_step_lowers_the_objective() {
    let (x, _) = rows(500, 2);
    let held = Held(vec![(DMatrix::from_row_slice(500, 2, &x), vec![1.0; 500])]);
    let prior = Prior::of(&held, 2, 5, false).unwrap();
    let mut components = start(&held, 2, 5, false, &prior, &mut ChaCha12Rng::seed_from_u64(3)).unwrap();
    let mut before = f64::NEG_INFINITY;
    for _ in 0..60 {
        let (next, objective, total) = components.step(&prior, |visit| held.0.iter().try_for_each(|(x, w)| visit(x, w))).unwrap();
        // Rounding of a sum of 500 numbers of about 3.
        assert!(objective >= before - 1e-9 && (total - 500.0).abs() < 1e-9, "{before} {objective}");
        (components, before) = (next, objective);
    }
}

#[test]
fn weights_are_repeated_rows() {
    let (x, _) = rows(300, 4);
    let weights: Vec<f64> = (0..300).map(|i| f64::from(i % 3)).collect();
    let scaled = fitted(&x, Some(weights.iter().map(|w| 7.0 * w).collect()), 1);
    let repeated: Vec<f64> = (0..300).flat_map(|i| x[2 * i..2 * i + 2].repeat(i % 3)).collect();
    let plain = fitted(&repeated, None, 1);
    // One component has the covariance of the rows, which the prior repeats, however many rows the weights stand for.
    assert!((&scaled.means[0] - &plain.means[0]).amax() < 1e-9);
    assert!((&scaled.factors[0] - &plain.factors[0]).amax() < 1e-9 * plain.factors[0].amax());
}

#[test]
fn the_scale_of_weights_has_no_say_and_their_spread_has() {
    let (x, _) = rows(300, 6);
    let [plain, scaled] = [None, Some(vec![7.0; 300])].map(|weights| fitted(&x, weights, 3));
    for (a, b) in plain.factors.iter().zip(&scaled.factors) {
        assert!((a - b).amax() < 1e-6 * a.amax(), "{a} {b}");
    }
    // Weights of 1 and 3 in turn count as (2 n)²/(5 n) = 0.8 n rows.
    let held = Held(vec![(DMatrix::from_row_slice(300, 2, &x), (0..300).map(|i| f64::from(1 + i % 2 * 2)).collect())]).scaled();
    let total = held.total();
    assert!((total - 240.0).abs() < 1e-9, "{total}");
}

#[test]
fn more_components_than_rows_stay_finite() {
    let x = [0.0, 0.0, 1.0, 0.5, 1.0, 0.5, -1.0, 2.0];
    let found = fitted(&x, None, 16);
    assert!(found.log_weights.iter().all(|w| w.is_finite()) && found.factors.iter().all(|a| a.iter().all(|v| v.is_finite())));
    assert!((found.log_weights.iter().map(|w| w.exp()).sum::<f64>() - 1.0).abs() < 1e-12);
    // A constant column has no density.
    let constant = likeliest(&mut batches(&[1.0, 0.0, 1.0, 2.0, 1.0, 3.0], None), 2, 2, false, &mut ChaCha12Rng::seed_from_u64(1));
    assert!(constant.unwrap_err().to_string().contains("positive-definite"));
}

/// Two clusters with diagonal covariances; the first column lacks half of its values, the second a quarter.
#[test]
fn absent_elements_have_no_say() {
    let (x, _) = rows(4_000, 5);
    let lacks = |k: usize| if k.is_multiple_of(2) { (k / 2).is_multiple_of(2) } else { k / 2 % 4 == 1 };
    let place = Placement::cpu(Precision::F64);
    // What stands in the place of an absent element is not read.
    let filled: Vec<f64> = x.iter().enumerate().map(|(k, v)| if lacks(k) { 1e3 } else { *v }).collect();
    let present = place.tensor((0..x.len()).map(|k| f64::from(!lacks(k))).collect(), [4_000, 2]);
    let batch = Batch { x: place.tensor(filled, [4_000, 2]), context: None, present: Some(present), weights: None, draws: None, seed: 0 };
    let found = likeliest(&mut Seen(vec![batch]), 2, 2, true, &mut ChaCha12Rng::seed_from_u64(1)).unwrap();
    let [high, low] = if found.means[0][0] > 0.0 { [0, 1] } else { [1, 0] };
    // Four standard errors of a mean of 400 rows of variance 1: the first column is there in odd rows, and one of five of these is of this part.
    assert!((&found.means[high] - DVector::from_vec(vec![3.0, -2.0])).amax() < 0.20, "{found:?}");
    assert!((&found.means[low] - DVector::from_vec(vec![-3.0, 2.0])).amax() < 0.06, "{found:?}");
    assert!((found.factors[high][(0, 0)] - 1.0).abs() < 0.15 && (found.factors[low][(1, 1)] - 2.0).abs() < 0.15, "{found:?}");
    assert!((found.log_weights[high].exp() - 0.3).abs() < 0.02 && found.factors[high][(1, 0)] == 0.0);
}
