#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    bijection::{Batch, Seen},
    placement::Precision,
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

const ROWS: usize = 20_000;

fn place() -> Placement {
    Placement::cpu(Precision::F64)
}

/// Uniform numbers in [0, 1).
fn uniform(rows: usize, seed: u64) -> Vec<f64> {
    values(place().uniform([rows, 1], &mut ChaCha12Rng::seed_from_u64(seed)))
}

fn fitted(columns: &[Vec<f64>], bins: usize, weights: Option<Vec<f64>>) -> Marginals {
    let (rows, dim) = (columns[0].len(), columns.len());
    let x: Vec<f64> = (0..rows).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
    let batch = Batch { x: place().tensor(x, [rows, dim]), context: None, present: None, weights, draws: None, seed: 0 };
    let mut map = Marginals::new(dim, bins, &place()).unwrap();
    map.initialise(&mut Seen(vec![batch.first(rows / 3), rest(&batch, rows / 3)])).unwrap();
    map
}

/// The rows of a batch from one on.
fn rest(batch: &Batch, from: usize) -> Batch {
    let rows = batch.x.dims()[0];
    let weights = batch.weights.as_ref().map(|w| w[from..].to_vec());
    Batch { x: batch.x.clone().narrow(0, from, rows - from), context: None, present: None, weights, draws: None, seed: 0 }
}

/// The z of one column's x, and log dz/dx.
fn at(map: &Marginals, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (z, ladj) = map.inverse_and_ladj(place().tensor(x.to_vec(), [x.len(), 1]), &Given::default()).unwrap();
    (values(z), values(ladj))
}

/// log φ(z) + log dz/dx: the log density of x by its marginal.
fn log_prob(map: &Marginals, x: &[f64]) -> Vec<f64> {
    let (z, ladj) = at(map, x);
    z.iter().zip(ladj).map(|(z, l)| l - 0.5 * z * z - 0.5 * (2.0 * std::f64::consts::PI).ln()).collect()
}

#[test]
fn a_marginal_is_the_density_of_its_column() {
    // Exponential: an edge at 0 and a tail that no Gaussian has. On new rows the best mean log density is −1, that of the truth.
    let exponential = |seed| uniform(ROWS, seed).into_iter().map(|u| -(-u).ln_1p()).collect::<Vec<_>>();
    let map = fitted(&[exponential(1)], 64, None);
    let new = exponential(2);
    let gaps: Vec<f64> = log_prob(&map, &new).iter().zip(&new).map(|(q, x)| -x - q).collect();
    let gap = gaps.iter().sum::<f64>() / ROWS as f64;
    // Of the truth, 64 bins of 20,000 rows lose about 64/(2 · 20,000) = 0.002, and 32 rows beyond the last knot, of slope 1/x there, as much again.
    assert!((-0.002..0.01).contains(&gap), "{gap}");
    // And its z are normal: by Dvoretzky, Kiefer and Wolfowitz both samples of F are within 0.015 of it with probability 0.9999.
    let mut z = at(&map, &new).0;
    z.sort_by(f64::total_cmp);
    let largest = z
        .iter()
        .enumerate()
        .map(|(k, &z)| (crate::univariate::special::cdf_and_density(z).0 - k as f64 / ROWS as f64).abs())
        .fold(0.0, f64::max);
    assert!(largest < 0.03, "{largest}");
}

#[test]
fn knots_are_quantiles_and_the_map_runs_through_them() {
    let column = uniform(1_000, 3);
    let map = fitted(std::slice::from_ref(&column), 8, None);
    let mut ranked = column;
    ranked.sort_by(f64::total_cmp);
    let [x, z, slope] = [&map.x, &map.z, &map.slope].map(|of| values(of.val()));
    let (found, ladj) = at(&map, &x);
    for k in 0..9 {
        let rank = ranked.partition_point(|&v| v < x[k]);
        assert_eq!(ranked[rank], x[k], "knot {k} is a row");
        assert!((z[k] - quantile((rank as f64 + 0.5) / 1_000.0)).abs() < 1e-12, "knot {k}");
        assert!((found[k] - z[k]).abs() < 1e-12 && (ladj[k] - slope[k].ln()).abs() < 1e-9, "knot {k}");
        // The largest step of Φ⁻¹ between two levels is two steps of a lattice of 8 from −1.85 to 1.85.
        assert!(k == 0 || (z[k] - z[k - 1] > 0.2 && z[k] - z[k - 1] < 0.8), "knot {k}: {z:?}");
    }
}

#[test]
fn atoms_constants_and_few_rows_give_finite_maps() {
    let spread = uniform(ROWS, 4);
    // Half of the rows are 0.
    let atom: Vec<f64> = spread.iter().map(|&u| if u < 0.5 { 0.0 } else { u }).collect();
    let map = fitted(&[atom.clone(), vec![3.0; ROWS], spread], 256, None);
    let x: Vec<f64> = atom.iter().flat_map(|&v| [v, 3.0 + v, v]).collect();
    let (z, ladj) = map.inverse_and_ladj(place().tensor(x.clone(), [ROWS, 3]), &Given::default()).unwrap();
    assert!(values(ladj).iter().all(|l| l.is_finite()));
    for row in values(z).chunks_exact(3).zip(x.chunks_exact(3)) {
        assert_eq!(row.0[1], row.1[1], "a constant column stays what it is");
    }
    let few = fitted(&[uniform(95, 5)], 256, None);
    assert_eq!(at(&few, &[-2.0, 0.3, 7.0]), (vec![-2.0, 0.3, 7.0], vec![0.0; 3]), "95 rows are no two knots");
}

#[test]
fn weights_count() {
    let column = uniform(ROWS, 6);
    let weights: Vec<f64> = column.iter().map(|&u| if u < 0.5 { 1.0 } else { 3.0 }).collect();
    let map = fitted(&[column], 32, Some(weights));
    let x: Vec<f64> = (1..20).map(|k| f64::from(k) / 20.0).collect();
    // A quarter of the weight is below ½.
    let share = |x: f64| if x < 0.5 { x / 2.0 } else { 0.25 + (x - 0.5) * 1.5 };
    for (z, x) in at(&map, &x).0.into_iter().zip(x) {
        // By Dvoretzky, Kiefer and Wolfowitz F is within 0.015 with probability 0.9999, and a third of a bin of width 0.05 may be missing at the edge at ½.
        assert!((crate::univariate::special::cdf_and_density(z).0 - share(x)).abs() < 0.03, "{x}: {z}");
    }
}

#[test]
fn what_the_data_gave_stays() {
    let mut map = fitted(&[uniform(1_000, 7)], 16, None);
    let before = at(&map, &[0.2, 0.7]);
    let other = Batch { x: place().zeros([500, 1]), context: None, present: None, weights: None, draws: None, seed: 0 };
    map.initialise(&mut Seen(vec![other])).unwrap();
    assert_eq!(at(&map, &[0.2, 0.7]), before);
}

#[test]
fn bins_that_cannot_be_are_refused() {
    for bins in [0, 1, 65_537] {
        assert!(Marginals::new(1, bins, &place()).unwrap_err().to_string().contains("2 to 65536"));
    }
}
