//! Maps onto targets of which everything is known.
#![allow(clippy::unwrap_used)]

use burn::tensor::Tensor;
use nalgebra::DMatrix;

use super::*;
use crate::inference::TensorTarget;

/// The unnormalised density exp(−½ |A (x − b)|²) with a lower triangular A and the coordinates b_j = j: log Z = (d/2) log 2π − log det A.
fn gaussian(dim: usize) -> (impl Target, f64) {
    let a = DMatrix::from_fn(dim, dim, |k, j| match k.cmp(&j) {
        std::cmp::Ordering::Equal => 1.0 + 0.3 * (k % 4) as f64,
        std::cmp::Ordering::Greater => 0.4 / (1.0 + (k - j) as f64),
        std::cmp::Ordering::Less => 0.0,
    });
    let log_z = 0.5 * dim as f64 * std::f64::consts::TAU.ln() - a.diagonal().iter().map(|d| d.ln()).sum::<f64>();
    // A tensor is row-major, as the transposed matrix of nalgebra.
    let transposed = a.iter().copied().collect::<Vec<f64>>();
    let target = TensorTarget::new(dim, move |x: Tensor<2>| {
        let place = Placement::of(&x);
        let b = place.tensor((0..dim).map(|j| j as f64).collect(), [1, dim]);
        Ok(((x - b).matmul(place.tensor(transposed.clone(), [dim, dim])).square().sum_dim(1) * -0.5).squeeze_dim(1))
    });
    (target, log_z)
}

/// The affine map is the exact one: the diagnostic is only rounding.
#[test]
fn the_map_of_a_gaussian_is_exact() {
    // 120 coordinates leave no room for polynomials. Two draws could not determine a covariance, and do not have to.
    for (dim, settings) in [
        (5, OptimalMap::default()),
        (3, OptimalMap { draws: 2, maps: 0, ..OptimalMap::default() }),
        (120, OptimalMap { draws: 64, ..OptimalMap::default() }),
    ] {
        let (target, log_z) = gaussian(dim);
        let found = settings.fit(&target).unwrap();
        let diagnostic = found.diagnostic();
        assert!(diagnostic.variance < 1e-12, "{dim}: {}", diagnostic.variance);
        assert!((diagnostic.log_evidence.value - log_z).abs() < 1e-5, "{dim}: {} and {log_z}", diagnostic.log_evidence.value);
        assert_eq!(settings.bends(dim), dim == 5);
        assert_eq!(found.modes.len(), 1, "{dim}");
    }
}

/// The latest step that was better is the map that was kept.
#[test]
fn the_steps_end_at_the_map_that_is_kept() {
    let banana = TensorTarget::new(2, |x: Tensor<2>| {
        let (a, b) = (x.clone().narrow(1, 0, 1), x.narrow(1, 1, 1));
        Ok(((a.clone().square() + (b - (a * 0.5).exp()).square() * 4.0) * -0.5).squeeze_dim(1))
    });
    let settings = OptimalMap { draws: 64, degree: 3, maps: 1, ..OptimalMap::default() };
    let found = settings.fit(&banana).unwrap();
    let kept = found.steps.iter().rev().find(|step| step.better).unwrap();
    assert_eq!(kept.diagnostic.variance, found.diagnostic().variance);
    assert!(found.steps.iter().map(|step| step.maps).max() == Some(1) && found.diagnostic().variance < 0.01, "{:?}", found.steps);
}

#[test]
fn evaluations_that_allow_no_fit_are_refused() {
    let (target, _) = gaussian(1);
    let error = OptimalMap { evaluations: 10_000, ..OptimalMap::default() }.fit(&target).unwrap_err().to_string();
    assert!(error.contains("at least 20 per draw, 10240") && error.contains("10000"), "{error}");
}
