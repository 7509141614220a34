//! The generalised Pareto distribution, and its fit to the tail of a sample.

/// The distribution of excesses y ≥ 0 over a high threshold, P(Y > y) = (1 + k y/σ)^(−1/k), or exp(−y/σ) for k = 0.
///
/// Moments of an order below 1/k are finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneralisedPareto {
    /// k, the shape. A larger k means a heavier tail.
    pub shape: f64,
    /// σ > 0.
    pub scale: f64,
}

/// The prior of the shape counts as this number of observations with shape ½ (Vehtari et al. 2024, appendix).
const PRIOR: f64 = 10.0;
/// The prior's quantile of the scale (Zhang and Stephens 2009).
const QUARTILE: f64 = 0.25;
/// The prior's weight of that quantile.
const SPREAD: f64 = 3.0;

impl GeneralisedPareto {
    /// Fits the distribution to excesses in ascending order, by the quasi-Bayesian estimate of Zhang and Stephens (2009, *A new and efficient estimation method for the generalized Pareto
    /// distribution*, eqs. 7 to 9). Let θ = −k/σ and k(θ) = (1/n) Σ log(1 − θ y_i). The profile log-likelihood is ℓ(θ) = n (log(−θ/k(θ)) − k(θ) − 1). The estimate of θ is the mean of a grid of
    /// θ with weights proportional to exp ℓ(θ). The shape is
    /// then shrunk towards ½ as if by ten more observations, which stabilises fits to few excesses (Vehtari et al. 2024, *Pareto smoothed importance sampling*).
    ///
    /// None for fewer than five excesses, and for excesses that are all 0 or not finite.
    pub fn fit(ascending: &[f64]) -> Option<Self> {
        let n = ascending.len();
        let (largest, quartile) = (*ascending.last()?, ascending[((n as f64 * QUARTILE + 0.5) as usize).clamp(1, n) - 1]);
        if n < 5 || !largest.is_finite() || quartile <= 0.0 {
            return None;
        }
        let grid = 30 + (n as f64).sqrt() as usize;
        let theta = |j: usize| 1.0 / largest + (1.0 - (grid as f64 / (j as f64 + 0.5)).sqrt()) / (SPREAD * quartile);
        let shape = |theta: f64| ascending.iter().map(|y| (-theta * y).ln_1p()).sum::<f64>() / n as f64;
        // Of this family, −θ/k is the reciprocal of the scale, which is positive.
        let likelihood = |theta: f64| {
            let k = shape(theta);
            n as f64 * ((-theta / k).ln() - k - 1.0)
        };
        let points: Vec<(f64, f64)> = (0..grid).map(theta).map(|theta| (theta, likelihood(theta))).filter(|(_, l)| l.is_finite()).collect();
        let highest = points.iter().map(|(_, l)| *l).fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut total) = (0.0, 0.0);
        for (theta, l) in points {
            let weight = (l - highest).exp();
            sum += weight * theta;
            total += weight;
        }
        let theta = sum / total;
        let k = shape(theta);
        let scale = -k / theta;
        let count = n as f64;
        let fitted = GeneralisedPareto { shape: (k * count + 0.5 * PRIOR) / (count + PRIOR), scale };
        (fitted.shape.is_finite() && scale > 0.0 && scale.is_finite()).then_some(fitted)
    }

    /// The excess that is exceeded with probability 1 − p.
    pub fn quantile(&self, p: f64) -> f64 {
        // log(1 − p) is exact for small p.
        let survival = (-p).ln_1p();
        if self.shape.abs() < 1e-12 { -self.scale * survival } else { self.scale * (-self.shape * survival).exp_m1() / self.shape }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The quantiles of a distribution at (i − ½)/n, the most even sample of it.
    fn sample(law: GeneralisedPareto, n: usize) -> Vec<f64> {
        (0..n).map(|i| law.quantile((i as f64 + 0.5) / n as f64)).collect()
    }

    #[test]
    fn the_fit_finds_shape_and_scale() {
        // Prior and grid move the estimate by about 10 (½ − k)/n and by the spread of the likelihood, √((1 + k)²/n).
        for (shape, scale) in [(-0.3, 2.0), (0.0, 1.0), (0.2, 0.1), (0.5, 3.0), (0.9, 1.0), (1.4, 1e-6)] {
            let n = 20_000;
            let found = GeneralisedPareto::fit(&sample(GeneralisedPareto { shape, scale }, n)).unwrap();
            assert!((found.shape - shape).abs() < 0.01, "{shape}: {found:?}");
            assert!((found.scale / scale - 1.0).abs() < 0.02, "{scale}: {found:?}");
        }
    }

    #[test]
    fn quantiles_invert_the_survival_function() {
        for shape in [-0.4f64, 0.3, 1.2] {
            let law = GeneralisedPareto { shape, scale: 1.7 };
            for p in [1e-9, 0.2, 0.9, 0.999] {
                let survival = (1.0 + shape * law.quantile(p) / 1.7).powf(-1.0 / shape);
                assert!((survival - (1.0 - p)).abs() < 1e-12, "{shape}, {p}");
            }
        }
        assert!((GeneralisedPareto { shape: 0.0, scale: 2.0 }.quantile(0.5) - 2.0 * 2f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn a_sample_without_a_tail_has_no_fit() {
        assert_eq!(GeneralisedPareto::fit(&[]), None);
        assert_eq!(GeneralisedPareto::fit(&[1.0, 2.0, 3.0, 4.0]), None);
        assert_eq!(GeneralisedPareto::fit(&[0.0; 50]), None);
        assert_eq!(GeneralisedPareto::fit(&[1.0, 1.0, 1.0, 1.0, f64::INFINITY]), None);
    }
}
