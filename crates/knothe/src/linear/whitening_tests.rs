//! Factors that whiten: full rank and less, many rows and few, 64 bits and 32.
#![allow(clippy::unwrap_used)]

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::Tensor,
};
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::whitening;
use crate::{
    Bijection, Given, Placement, Precision,
    bijection::{Batch, Seen},
    linear::TriangularAffine,
    order::Order,
    values,
};

const LOG_2_PI: f64 = 1.837_877_066_409_345_3;

fn normal(rows: usize, dim: usize, seed: u64) -> Tensor<2> {
    Placement::cpu(Precision::F64).normal([rows, dim], &mut ChaCha12Rng::seed_from_u64(seed))
}

fn matrix(x: &Tensor<2>) -> DMatrix<f64> {
    let [rows, dim] = x.dims();
    DMatrix::from_row_slice(rows, dim, &values(x.clone()))
}

fn covariance(x: &DMatrix<f64>) -> DMatrix<f64> {
    let mean = x.row_mean();
    let centred = DMatrix::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)] - mean[j]);
    centred.tr_mul(&centred) / x.nrows() as f64
}

/// The factor where so many rows have each column.
fn of_rows(covariance: &DMatrix<f64>, rows: f64) -> DMatrix<f64> {
    whitening(covariance, &covariance.diagonal(), &DVector::from_element(covariance.nrows(), rows), 0, Precision::F64)
}

/// z of new rows about their own mean, by the factor that some rows give.
fn whitened(x: &Tensor<2>, new: &Tensor<2>) -> (DMatrix<f64>, DMatrix<f64>) {
    let covariance = covariance(&matrix(x));
    let factor = of_rows(&covariance, x.dims()[0] as f64);
    let new = matrix(new);
    let mean = new.row_mean();
    let centred = DMatrix::from_fn(new.nrows(), new.ncols(), |i, j| new[(i, j)] - mean[j]);
    (factor.solve_lower_triangular(&centred.transpose()).unwrap().transpose(), factor)
}

/// The mean of the log density of z under a standard normal law, in the units of x.
fn log_prob(z: &DMatrix<f64>, log_diagonal: f64) -> f64 {
    let (rows, dim) = (z.nrows() as f64, z.ncols() as f64);
    -z.norm_squared() / (2.0 * rows) - dim / 2.0 * LOG_2_PI - log_diagonal
}

fn log_diagonal(factor: &DMatrix<f64>) -> f64 {
    factor.diagonal().iter().map(|l| l.ln()).sum()
}

#[test]
fn many_rows_of_full_rank_give_the_cholesky_factor() {
    let covariance = covariance(&matrix(&normal(500, 4, 1).matmul(normal(4, 4, 2))));
    let expected = nalgebra::Cholesky::new(covariance.clone()).unwrap().l();
    // With so many rows, what is left of new rows is what is left of these.
    let found = of_rows(&covariance, 1e15);
    // Rounding of sums of four products, times the condition of this matrix, at most 1e3.
    assert!((&found - &expected).abs().max() < 1e-12 * expected.abs().max(), "{found} against {expected}");
}

#[test]
fn dependent_and_constant_columns_stay_and_the_others_are_white() {
    let free = normal(800, 3, 5).matmul(normal(3, 3, 6));
    let column = |j: usize| free.clone().narrow(1, j, 1);
    let sum = column(0) * 2.0 - column(1);
    let x = Tensor::cat(vec![column(0), column(1), sum, column(1).ones_like() * 7.0, column(2)], 1);
    let (z, factor) = whitened(&x, &x);
    assert!(factor.iter().all(|l| l.is_finite()));
    let (found, white) = (covariance(&z), [0, 1, 4]);
    for (i, j) in white.into_iter().flat_map(|i| white.map(|j| (i, j))) {
        // 800 rows and up to 4 regressors: new rows have about 2 · 4/800 more variance than these.
        assert!((found[(i, j)] - f64::from(i == j)).abs() < 0.02, "{found}");
    }
    // The combination keeps its shape: its row of L has a diagonal alone.
    assert!((0..2).all(|k| factor[(2, k)] == 0.0) && (found[(2, 2)] - 1.0).abs() < 1e-10, "{factor}");
    assert!(z.column(3).iter().all(|z| z.abs() < 1e-12));
}

/// Half as many rows as columns.
#[test]
fn few_rows_teach_no_noise() {
    let (rows, dim) = (40, 80);
    let truth = -(dim as f64) / 2.0 * (LOG_2_PI + 1.0);
    let (z, factor) = whitened(&normal(rows, dim, 7), &normal(1_000, dim, 8));
    let found = log_prob(&z, log_diagonal(&factor));
    // Variances of 40 rows cost about 1/80 nats a column, and the regressions that S_p lets through by chance not many times more.
    assert!(found > truth - 0.2 * dim as f64, "{found} against {truth}");
    // Columns that are one column and a hundredth of noise: what each of them shares with the first is log 100 nats.
    let tied = |rows: usize, seed: u64| {
        let x = normal(rows, dim, seed);
        x.clone() * 0.01 + x.narrow(1, 0, 1)
    };
    let (z, factor) = whitened(&tied(rows, 9), &tied(1_000, 10));
    let found = log_prob(&z, log_diagonal(&factor));
    assert!(found > truth, "{found} against {truth}, where every column stands for itself");
}

/// A column that is nothing but its context, and one that is nearly so.
#[test]
fn what_the_context_leaves_is_whitened_unless_it_is_rounding() {
    let (c, noise) = (normal(500, 1, 14), normal(500, 2, 15));
    let x = Tensor::cat(vec![c.clone() * 3.0, c.clone() + noise.clone().narrow(1, 0, 1) * 1e-3, noise.narrow(1, 1, 1)], 1);
    let mut layer = TriangularAffine::whitening(&Order::natural(3), 1, &Placement::of(&x));
    let batch = Batch { context: Some(c.clone()), ..Batch::new(x.clone()) };
    layer.initialise(&mut Seen(vec![batch])).unwrap();
    let (z, ladj) = layer.inverse_and_ladj(x, &Given::context(Some(&c))).unwrap();
    let found = covariance(&matrix(&z));
    // 500 rows and up to 2 regressors: new rows have about 2 · 2/500 more variance than these.
    assert!((found[(1, 1)] - 1.0).abs() < 0.02 && (found[(2, 2)] - 1.0).abs() < 0.02 && found[(0, 0)] < 1e-12, "{found}");
    // The first column keeps its standard deviation of 3, and the last two are residuals of about 1e-3 and 1.
    assert!((values(ladj)[0] - (-(3f64.ln()) + 1e3f64.ln())).abs() < 0.3);
}

fn layer(x: &Tensor<2>) -> TriangularAffine {
    let dim = x.dims()[1];
    let mut layer = TriangularAffine::whitening(&Order::natural(dim), 0, &Placement::of(x));
    layer.initialise(&mut Seen(vec![Batch::new(x.clone())])).unwrap();
    layer
}

/// Columns of standard deviation 1 whose covariance has a condition number of about 1e9, as 32-bit numbers.
#[test]
fn single_precision_whitens_a_covariance_of_condition_1e9() {
    let (dim, place) = (6, Placement::cpu(Precision::F64));
    let basis = matrix(&normal(dim, dim, 3)).qr().q();
    let scaled = DMatrix::from_fn(dim, dim, |k, j| 10f64.powf(-4.5 * k as f64 / 5.0) * basis[(k, j)]);
    let x = normal(4_000, dim, 4).matmul(place.tensor(scaled.transpose().iter().copied().collect(), [dim, dim]));
    let deviation = covariance(&matrix(&x)).diagonal().map(f64::sqrt);
    let x = x / place.tensor::<2>(deviation.iter().copied().collect(), [1, dim]);
    let of = |x: &Tensor<2>| {
        let (z, ladj) = layer(x).inverse_and_ladj(x.clone(), &Given::default()).unwrap();
        (covariance(&matrix(&z)), log_prob(&matrix(&z), -values(ladj)[0]))
    };
    let (_, exact) = of(&x);
    let (white, found) = of(&Placement::cpu(Precision::F32).tensor(values(x), [4_000, dim]));
    // The rows and L are rounded by 6e-8, and the smallest pivot is about 3e-5: z is off by a few times 2e-3, and its variance and log q by little more.
    let off = (white - DMatrix::identity(dim, dim)).abs().max();
    assert!(off < 0.02, "{off}");
    assert!((found - exact).abs() < 0.01, "{found} against {exact}");
}

#[test]
fn ordinary_data_pass_unchanged_and_nothing_is_trained() {
    let x = normal(300, 3, 11).matmul(normal(3, 3, 12));
    let (z, ladj) = layer(&x).inverse_and_ladj(x.clone(), &Given::default()).unwrap();
    assert!(values(z) == values(x.clone()) && values(ladj).iter().all(|l| *l == 0.0));
    let near = Tensor::cat(vec![x.clone(), x.clone().narrow(1, 0, 1) + normal(300, 1, 13) * 1e-3], 1);
    let (z, _) = layer(&near).inverse_and_ladj(near.clone(), &Given::default()).unwrap();
    // 300 rows and up to 3 regressors: new rows have about 2 · 3/300 more variance than these.
    assert!((covariance(&matrix(&z)) - DMatrix::identity(4, 4)).abs().max() < 0.04);

    struct Trained(usize);
    impl ModuleVisitor for Trained {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += usize::from(param.is_require_grad());
        }
    }
    let mut trained = Trained(0);
    layer(&near).train().visit(&mut trained);
    assert_eq!(trained.0, 0);
}
