//! Mixtures of Gaussian or logistic laws: q(x | θ) = Σ_k w_k p((x − μ_k)/σ_k)/σ_k.
//!
//! Conditionals of a masked network they make MADE-MoG and MAF-MoG (Papamakarios et al. 2017, after Bishop 1994).

use burn::tensor::{Tensor, activation::log_softmax};

use super::{
    Conditional, Standard, bounded, check_theta, mixture_lanes::MixtureDensity, mixture_root::mixture_root, root::implicit,
    special::logsumexp, unbounded,
};
use crate::{
    error::{Error, Result},
    kernels::{self, Kernel},
    placement::Placement,
};

/// The largest log-scale of a start; the bound is 7.
const LARGEST: f64 = 6.99;

/// A mixture of K Gaussian laws. θ: K logits of the weights, K means, K bounded log-scales.
///
/// θ = 0 has equal weights, means at the (k + ½)/K quantiles and one common scale, chosen so that the mixture is about
/// N(0, 1) and no two components start equal. With K = 1 it is N(0, 1) itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GaussianMixture(pub usize);

/// A mixture of K logistic laws, with the parameters and the start of [`GaussianMixture`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogisticMixture(pub usize);

impl GaussianMixture {
    /// The θ of a mixture with about this mean and standard deviation: the mixture at θ = 0, shifted and scaled.
    pub(crate) fn start(self, mean: f64, deviation: f64) -> Vec<f64> {
        let means = self.mixture().start_means();
        let moved = means.iter().map(|m| mean + (deviation - 1.0) * m);
        let log_scale = unbounded(deviation.ln().clamp(-LARGEST, LARGEST));
        std::iter::repeat_n(0.0, self.0).chain(moved).chain(std::iter::repeat_n(log_scale, self.0)).collect()
    }

    fn mixture(self) -> Mixture {
        Mixture { law: Standard::Normal, components: self.0 }
    }
}

impl LogisticMixture {
    fn mixture(self) -> Mixture {
        Mixture { law: Standard::Logistic, components: self.0 }
    }
}

macro_rules! conditional {
    ($name:ident) => {
        impl Conditional for $name {
            fn parameters(&self) -> usize {
                3 * self.0
            }

            fn log_prob(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
                let mixture = self.mixture();
                mixture.check(&x, &theta)?;
                if let Some((_, log_prob)) = kernels::value(&mixture.kernel(), &x, &theta) {
                    return Ok(log_prob);
                }
                let at = mixture.components(&x, theta)?;
                Ok(mixture.log_prob(x, &at))
            }

            fn kernel(&self) -> Option<Kernel> {
                (self.0 > 0).then(|| self.mixture().kernel())
            }

            fn cdf(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
                let mixture = self.mixture();
                let at = mixture.components(&x, theta)?;
                let each = mixture.law.cdf(at.standardise(x));
                Ok((at.log_weights.exp() * each).sum_dim(1).squeeze_dim(1))
            }

            fn quantile(&self, u: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
                let mixture = self.mixture();
                let at = mixture.components(&u, theta)?;
                mixture.quantile(u, at)
            }
        }
    };
}

conditional!(GaussianMixture);
conditional!(LogisticMixture);

#[derive(Clone, Copy, Debug)]
pub(super) struct Mixture {
    pub(super) law: Standard,
    pub(super) components: usize,
}

/// log w, μ and log σ of every component, `[rows, components, dim]` each.
#[derive(Clone, Debug)]
pub(super) struct Components {
    pub(super) log_weights: Tensor<3>,
    pub(super) mean: Tensor<3>,
    pub(super) log_scale: Tensor<3>,
}

impl Components {
    /// (x − μ)/σ.
    fn standardise(&self, x: Tensor<2>) -> Tensor<3> {
        (x.unsqueeze_dim::<3>(1) - self.mean.clone()) * self.log_scale.clone().neg().exp()
    }

    fn is_tracked(&self) -> bool {
        self.log_weights.is_tracked() || self.mean.is_tracked() || self.log_scale.is_tracked()
    }
}

impl Mixture {
    /// The common standard deviation of the components at θ = 0.
    fn start_scale(self) -> f64 {
        (self.components as f64).powf(-0.3)
    }

    /// The means at θ = 0.
    pub(super) fn start_means(self) -> Vec<f64> {
        let (count, scale) = (self.components, self.start_scale());
        // Means with variance 1 − s² and components with s² make a mixture of variance 1.
        let spread = (1.0 - scale * scale).sqrt();
        (0..count).map(|k| spread * Standard::Normal.quantile_of((k as f64 + 0.5) / count as f64)).collect()
    }

    /// The log-scale at θ = 0.
    pub(super) fn start_log_scale(self) -> f64 {
        (self.start_scale() / self.law.standard_deviation()).ln()
    }

    fn kernel(self) -> Kernel {
        Kernel::new(MixtureDensity { law: self.law, means: self.start_means(), log_scale: self.start_log_scale() })
    }

    fn check(self, x: &Tensor<2>, theta: &Tensor<3>) -> Result<()> {
        Error::check_count("components", self.components)?;
        check_theta(x, theta, 3 * self.components)
    }

    /// Reads θ, whose shape it checks.
    fn components(self, x: &Tensor<2>, theta: Tensor<3>) -> Result<Components> {
        self.check(x, &theta)?;
        let count = self.components;
        let offset = Placement::of(&theta.clone().inner()).tensor(self.start_means(), [1, count, 1]);
        let third = |index: usize| theta.clone().narrow(1, index * count, count);
        Ok(Components {
            log_weights: log_softmax(third(0), 1),
            mean: third(1) + offset,
            log_scale: bounded(third(2)) + self.start_log_scale(),
        })
    }

    fn log_prob(self, x: Tensor<2>, at: &Components) -> Tensor<2> {
        let each = self.law.log_prob(at.standardise(x)) - at.log_scale.clone() + at.log_weights.clone();
        logsumexp(each, 1).squeeze_dim(1)
    }

    /// The root of F(x) = u, found without gradients on the host ([`mixture_root`]). Where u or θ is tracked, one step on
    /// log F (or on log(1 − F) in the upper half, so that both tails keep their digits) gives it its derivatives.
    fn quantile(self, u: Tensor<2>, at: Components) -> Result<Tensor<2>> {
        let root = mixture_root(self.law, &u, &at)?;
        if !(u.is_tracked() || at.is_tracked()) {
            return Ok(root);
        }
        let upper = u.clone().inner().greater_scalar(0.5);
        let sign = root.ones_like().mask_fill(upper.clone(), -1.0);
        let mirrored = u.clone().neg().log1p().neg();
        let target = u.log().mask_where(upper, mirrored);
        let side = |x: Tensor<2>| {
            let signed = at.standardise(x.clone()) * sign.clone().unsqueeze_dim::<3>(1);
            let log_tail = logsumexp(self.law.log_cdf(signed) + at.log_weights.clone(), 1).squeeze_dim::<2>(1);
            let log_slope = self.log_prob(x, &at) - log_tail.clone();
            Ok((log_tail * sign.clone(), log_slope))
        };
        implicit(side, root, target)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{placement::Precision, univariate::MonotoneMap};

    /// A law as a map y = x with log q in the place of the log-derivative.
    #[derive(Debug)]
    struct Density(Mixture);

    impl MonotoneMap for Density {
        fn parameters(&self) -> usize {
            3 * self.0.components
        }

        fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
            Ok(kernels::value(&self.0.kernel(), &x, &theta).unwrap())
        }

        fn inverse(&self, y: Tensor<2>, _: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
            Ok((y.clone(), y))
        }
    }

    #[test]
    fn the_kernel_is_the_composed_form() {
        for law in [Standard::Normal, Standard::Logistic] {
            let mixture = Mixture { law, components: 5 };
            let composed = |x: Tensor<2>, theta: Tensor<3>| {
                let log_prob = mixture.log_prob(x.clone(), &mixture.components(&x, theta)?);
                Ok((x + log_prob.clone() * 0.0, log_prob))
            };
            // At ±50 log q is as large as (100 e⁷)², of which tolerances are relative, and its gradients are, relative to 1 and
            // their size, as exact as the squares of t in them.
            for (precision, extent, tolerance) in
                [(Precision::F64, 1.0, 1e-12), (Precision::F64, 8.0, 1e-10), (Precision::F64, 50.0, 1e-5), (Precision::F32, 1.0, 1e-4)]
            {
                kernels::agree(composed, &Density(mixture), precision, extent, tolerance);
            }
        }
    }
}
