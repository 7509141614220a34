//! Moments of incomplete rows against truth, and marginals against the covariance.
#![allow(clippy::unwrap_used)]

use burn::tensor::Tensor;
use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::{
    bijection::{Batch, Bijection, Given, Seen},
    linear::TriangularAffine,
    order::Order,
    placement::{Placement, Precision, values},
};

const COVARIANCE: [[f64; 3]; 3] = [[1.0, 0.8, 0.3], [0.8, 1.5, -0.2], [0.3, -0.2, 0.7]];

fn place() -> Placement {
    Placement::cpu(Precision::F64)
}

/// Rows of mean (1 + c, 2, 3) and this covariance, of which the second element is absent where the first is above its mean and the third is at random.
fn rows(n: usize) -> Batch {
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    let covariance = DMatrix::from_fn(3, 3, |i, j| COVARIANCE[i][j]);
    let factor = covariance.cholesky().unwrap().l();
    let factor = place().tensor(factor.transpose().iter().copied().collect(), [3, 3]);
    let (z, c): (Tensor<2>, Tensor<2>) = (place().normal([n, 3], &mut rng), place().normal([n, 1], &mut rng));
    let x = values(z.matmul(factor.transpose()) + place().tensor(vec![1.0, 2.0, 3.0], [1, 3]));
    let c = values(c);
    let there = |x: &[f64], c: f64, u: f64| [1.0, f64::from(x[0] < 1.0 + c), f64::from(u < 0.6)];
    let (mut filled, mut present) = (Vec::new(), Vec::new());
    for (row, c) in x.chunks_exact(3).zip(&c) {
        let row = [row[0] + c, row[1], row[2]];
        let mask = there(&row, *c, rng.random());
        filled.extend(row.iter().zip(mask).map(|(x, there)| x * there));
        present.extend(mask);
    }
    Batch {
        context: Some(place().tensor(c, [n, 1])),
        present: Some(place().tensor(present, [n, 3])),
        ..Batch::new(place().tensor(filled, [n, 3]))
    }
}

fn fitted(batch: &Batch) -> TriangularAffine {
    let mut map = TriangularAffine::fixed(&Order::new(vec![2, 0, 1]).unwrap(), 1, &place());
    map.initialise(&mut Seen(vec![batch.clone()])).unwrap();
    map
}

/// The mean log-density of what is present, under the map and a standard normal source.
fn log_prob(map: &TriangularAffine, batch: &Batch) -> f64 {
    let (z, ladj) = map.inverse_and_ladj(batch.x.clone(), &batch.given()).unwrap();
    let present = values(batch.present.clone().unwrap());
    let normal: f64 = values(z).iter().zip(&present).map(|(z, p)| p * (-0.5 * z * z - 0.5 * std::f64::consts::TAU.ln())).sum();
    (normal + values(ladj).iter().sum::<f64>()) / (present.len() / 3) as f64
}

#[test]
fn what_is_absent_at_random_does_not_bias_the_covariance() {
    let n = 20_000;
    let map = fitted(&rows(n));
    // z = 0 gives the mean, and unit vectors the columns of L.
    let c = place().zeros([4, 1]);
    let z = place().tensor([[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].concat(), [4, 3]);
    let x = values(map.forward_and_ladj(z, &Given::context(Some(&c))).unwrap().0);
    let column = |k: usize, i: usize| x[3 * (k + 1) + i] - x[i];
    // Of a column of which half is absent a mean of 10,000 rows is off by 0.01 of its standard deviation; five times that, and twice as much for products.
    for (i, mean) in [1.0, 2.0, 3.0].into_iter().enumerate() {
        assert!((x[i] - mean).abs() < 0.06, "mean of {i}: {}", x[i]);
        for (j, expected) in COVARIANCE[i].into_iter().enumerate() {
            let found: f64 = (0..3).map(|k| column(k, i) * column(k, j)).sum();
            assert!((found - expected).abs() < 0.1, "{i}, {j}: {found} against {expected}");
        }
    }
    // Its context moves the first column alone.
    let one = values(map.forward_and_ladj(place().zeros([1, 3]), &Given::context(Some(&place().tensor(vec![1.0], [1, 1])))).unwrap().0);
    for (i, slope) in [1.0, 0.0, 0.0].into_iter().enumerate() {
        assert!((one[i] - x[i] - slope).abs() < 0.06, "slope of {i}");
    }
}

/// Marginals of the Gaussian, by its covariance.
#[test]
fn a_row_has_the_density_of_its_marginal() {
    let batch = rows(300);
    let map = fitted(&batch);
    let (x, present) = (values(batch.x.clone()), values(batch.present.clone().unwrap()));
    let (z, ladj) = map.inverse_and_ladj(batch.x.clone(), &batch.given()).unwrap();
    let (z, ladj) = (values(z), values(ladj));
    let given = Given::context(batch.context.as_ref());
    let whole = |z: [f64; 3]| values(map.forward_and_ladj(place().tensor(z.repeat(300), [300, 3]), &given).unwrap().0);
    let (mean, units) = (whole([0.0; 3]), [whole([1.0, 0.0, 0.0]), whole([0.0, 1.0, 0.0]), whole([0.0, 0.0, 1.0])]);
    for row in 0..300 {
        let there: Vec<usize> = (0..3).filter(|j| present[3 * row + j] == 1.0).collect();
        let factor = |i: usize, k: usize| units[k][3 * row + i] - mean[3 * row + i];
        let product = |i: usize, j: usize| (0..3).map(|k| factor(there[i], k) * factor(there[j], k)).sum::<f64>();
        let covariance = DMatrix::from_fn(there.len(), there.len(), product);
        let residual = DMatrix::from_fn(there.len(), 1, |i, _| x[3 * row + there[i]] - mean[3 * row + there[i]]);
        let expected = -0.5 * residual.dot(&covariance.clone().cholesky().unwrap().solve(&residual)) - 0.5 * covariance.determinant().ln();
        let found = ladj[row] - 0.5 * z[3 * row..3 * row + 3].iter().map(|z| z * z).sum::<f64>();
        // Sums of a few products in 64 bits.
        assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs()), "row {row}: {found} against {expected}");
    }
}

/// No other shift, slope or factor near it has a higher likelihood.
#[test]
fn the_start_maximises_the_likelihood_of_what_is_present() {
    let batch = rows(2_000);
    let map = fitted(&batch);
    let best = log_prob(&map, &batch);
    for j in 0..3 {
        for step in [-0.05, 0.05] {
            let moved =
                |by: [f64; 3]| Batch { x: batch.given().masked(batch.x.clone() + place().tensor(by.to_vec(), [1, 3])), ..batch.clone() };
            let mut by = [0.0; 3];
            by[j] = step;
            assert!(log_prob(&map, &moved(by)) < best, "shift of {j} by {step}");
            // Rows that are stretched about their mean have a density that is smaller by the stretch.
            let mut stretch = [1.0; 3];
            stretch[j] = 1.0 + step;
            let stretched = Batch { x: (batch.x.clone() - 2.0) * place().tensor(stretch.to_vec(), [1, 3]) + 2.0, ..batch.clone() };
            let stretched = Batch { x: stretched.given().masked(stretched.x.clone()), ..stretched };
            let share = values(batch.present.clone().unwrap().narrow(1, j, 1)).iter().sum::<f64>() / 2_000.0;
            assert!(log_prob(&map, &stretched) + share * (1.0 + step).ln() < best, "stretch of {j} by {step}");
        }
    }
}
