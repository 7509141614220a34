//! The mixture-CDF map: T(x) = F⁻¹(Σ_k w_k F((x − μ_k)/σ_k)), F the logistic or the normal distribution function (Ho, Chen,
//! Srinivas, Duan & Abbeel 2019, "Flow++", have the logistic one).
//!
//! It carries a mixture of K laws F to F itself, so that one triangular layer of it under a source F has mixtures as its
//! conditionals. All is in log space and in the tail that is near, so that T is onto ℝ: with ℓ = log Σ w_k F(t_k),
//! t_k = (x − μ_k)/σ_k, the shares π_k ∝ w_k F(t_k) and the hazard h = F′/F,
//!
//! T = F⁻¹(exp ℓ),   T′ = Σ_k π_k h(t_k)/σ_k / h(T),
//!
//! and where ℓ > log ½ the same of −x, since both laws are symmetric.

use burn::tensor::{Tensor, activation::log_softmax};

use super::{
    MonotoneMap, Standard, bounded, check_theta, mixture_cdf_lanes::LogisticCdf, root, sigmoidal::spread_offsets, special::logsumexp,
};
use crate::{
    error::{Error, Result},
    kernels::{self, Kernel},
    placement::Placement,
};

/// How far apart the first and the last mean start, in standard deviations of F.
const SPREAD: f64 = 1.0;

/// A mixture-CDF map of K components. θ: K logits of the weights, K means, K raw log-scales (bounded to ±7).
///
/// θ = 0 has equal weights, means evenly spread over one standard deviation of F and scales that give the mixture F's variance: the identity within
/// 0.05, with no two components equal. The inverse is [`root::inverse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixtureCdf {
    /// F, the law of the components and of the result: normal or logistic.
    pub law: Standard,
    /// K.
    pub components: usize,
}

impl MonotoneMap for MixtureCdf {
    fn parameters(&self) -> usize {
        3 * self.components
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        self.check()?;
        check_theta(&x, &theta, self.parameters())?;
        let found = self.kernel().and_then(|kernel| kernels::value(&kernel, &x, &theta));
        Ok(found.unwrap_or_else(|| self.composed(x, theta)))
    }

    /// That of the logistic law. The normal one has none.
    fn kernel(&self) -> Option<Kernel> {
        let fits = self.law == Standard::Logistic && self.check().is_ok();
        fits.then(|| Kernel::new(LogisticCdf { means: self.start_means(), log_scale: self.start_log_scale() }))
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        root::inverse(self, y, theta)
    }
}

impl MixtureCdf {
    fn check(&self) -> Result<()> {
        Error::check_count("components of a mixture-CDF map", self.components)?;
        if self.law == Standard::Uniform {
            return Err(Error::invalid("law of a mixture-CDF map", "normal or logistic", "uniform"));
        }
        Ok(())
    }

    /// The means at θ = 0.
    fn start_means(&self) -> Vec<f64> {
        spread_offsets(self.components, SPREAD * self.law.standard_deviation())
    }

    /// The log-scale at θ = 0.
    fn start_log_scale(&self) -> f64 {
        let variance = self.start_means().iter().map(|m| m * m).sum::<f64>() / self.components as f64;
        0.5 * (-variance / self.law.standard_deviation().powi(2)).ln_1p()
    }

    /// T and log T′ from tensor operations.
    fn composed(&self, x: Tensor<2>, theta: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let (law, count) = (self.law, self.components);
        let third = |index: usize| theta.clone().narrow(1, index * count, count);
        let mean = third(1) + Placement::of(&theta).tensor(self.start_means(), [1, count, 1]);
        let log_scale = bounded(third(2)) + self.start_log_scale();
        let log_weights = log_softmax(third(0), 1);
        let t = (x.unsqueeze_dim::<3>(1) - mean) * log_scale.clone().neg().exp();

        let below = (log_weights.clone().inner().exp() * law.cdf(t.clone().inner())).sum_dim(1);
        let sign = below.ones_like().mask_fill(below.greater_scalar(0.5), -1.0);
        let sign = if t.is_autodiff() { Tensor::from_inner(sign) } else { sign };
        let t = t * sign.clone();
        let each = log_weights + law.log_cdf(t.clone());
        let y = law.quantile_of_log(logsumexp(each.clone(), 1));
        let ladj = logsumexp(log_softmax(each, 1) + law.log_hazard(t) - log_scale, 1) - law.log_hazard(y.clone());
        ((y * sign).squeeze_dim(1), ladj.squeeze_dim(1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        placement::{Precision, values},
        univariate::{Conditional, GaussianMixture, LogisticMixture},
    };

    #[test]
    fn one_component_is_the_affine_map_also_far_out() {
        let place = Placement::cpu(Precision::F64);
        for law in [Standard::Normal, Standard::Logistic] {
            let map = MixtureCdf { law, components: 1 };
            let x = [-1e6, -40.0, -1.0, 0.3, 2.0, 40.0, 1e6];
            let theta = place.tensor(vec![0.0, 0.5, 0.0], [1, 3, 1]).expand([7, 3, 1]);
            let (y, ladj) = map.value(place.tensor(x.to_vec(), [7, 1]), theta).unwrap();
            for (k, (y, ladj)) in values(y).into_iter().zip(values(ladj)).enumerate() {
                assert!((y - (x[k] - 0.5)).abs() < 16.0 * f64::EPSILON * (1.0 + x[k].abs()), "{law:?}: {y} at {}", x[k]);
                assert!(ladj.abs() < 64.0 * f64::EPSILON, "{law:?}: {ladj} at {}", x[k]);
            }
        }
    }

    #[test]
    fn it_carries_a_mixture_to_its_law() {
        let place = Placement::cpu(Precision::F64);
        let grid: Vec<f64> = (-60..=60).map(|i| f64::from(i) / 10.0).collect();
        let n = grid.len();
        for law in [Standard::Normal, Standard::Logistic] {
            let map = MixtureCdf { law, components: 3 };
            let theta = [0.2, -0.5, 0.7, -2.0, 0.5, 1.5, -0.3, 0.4, -0.8];
            let x = place.tensor(grid.clone(), [n, 1]);
            let (y, ladj) = map.value(x.clone(), place.tensor(theta.to_vec(), [1, 9, 1]).expand([n, 9, 1])).unwrap();
            let found = values(law.log_prob(y) + ladj);
            // The same components in the parameters of the mixture, which starts elsewhere.
            let sd = law.standard_deviation();
            let narrow = (1.0 - 2.0 / 3.0 / 9.0f64).sqrt() * sd / 3f64.powf(-0.3);
            let middles = values(Standard::Normal.quantile(place.tensor::<1>(vec![1.0 / 6.0, 0.5, 5.0 / 6.0], [3])));
            let mut same = theta;
            for k in 0..3 {
                same[3 + k] += sd * (k as f64 - 1.0) / 3.0 - middles[k] * (1.0 - 3f64.powf(-0.6)).sqrt();
                let raw = theta[6 + k] / (1.0 + (theta[6 + k] / 7.0).powi(2)).sqrt() + narrow.ln();
                same[6 + k] = raw / (1.0 - (raw / 7.0).powi(2)).sqrt();
            }
            let same = place.tensor(same.to_vec(), [1, 9, 1]).expand([n, 9, 1]);
            let mixture: &dyn Conditional = if law == Standard::Normal { &GaussianMixture(3) } else { &LogisticMixture(3) };
            for (found, expected) in found.into_iter().zip(values(mixture.log_prob(x, same).unwrap())) {
                // Both are sums of terms as large as log q, with parameters that went through roots and squares.
                assert!((found - expected).abs() < 1e3 * f64::EPSILON * (1.0 + expected.abs()), "{law:?}: {found} against {expected}");
            }
        }
    }

    #[test]
    fn the_kernel_is_the_composed_form() {
        let map = MixtureCdf { law: Standard::Logistic, components: 5 };
        // As for the deep sigmoidal map: products of t and of its gradients magnify the error of t.
        for (precision, extent, tolerance) in [(Precision::F64, 1.0, 1e-12), (Precision::F64, 8.0, 1e-9), (Precision::F32, 1.0, 1e-4)] {
            kernels::agree(|x, theta| Ok(map.composed(x, theta)), &map, precision, extent, tolerance);
        }
    }
}
