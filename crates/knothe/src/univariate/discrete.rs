//! Laws of masses: Bernoulli and categorical columns.

use burn::tensor::{Tensor, activation::log_sigmoid, activation::log_softmax, activation::sigmoid};

use super::{
    Conditional, check_theta,
    discrete_lanes::{Coin, Masses, unnormalised},
    part,
};
use crate::{
    error::{Error, Result},
    kernels::{self, Kernel, Real},
    placement::Placement,
};

/// P(x = 1) = 1/(1 + e^−θ) for x in {0, 1}; log_prob is −∞ at any other x. θ: the logit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bernoulli;

impl Bernoulli {
    /// [`Conditional::log_prob`] from tensor operations.
    fn composed(x: Tensor<2>, theta: &Tensor<3>) -> Tensor<2> {
        let logit = part(theta, 0);
        let one = x.clone().equal_scalar(1.0);
        let neither = one.clone().bool_or(x.equal_scalar(0.0)).bool_not();
        let log_prob = log_sigmoid(logit.clone().neg()).mask_where(one, log_sigmoid(logit));
        log_prob.mask_fill(neither, f64::NEG_INFINITY)
    }
}

impl Conditional for Bernoulli {
    fn parameters(&self) -> usize {
        1
    }

    fn is_discrete(&self) -> bool {
        true
    }

    fn log_prob(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        check_theta(&x, &theta, 1)?;
        let fused = kernels::value(&Kernel::new(Coin), &x, &theta);
        Ok(fused.map_or_else(|| Bernoulli::composed(x, &theta), |(_, log_prob)| log_prob))
    }

    fn kernel(&self) -> Option<Kernel> {
        Some(Kernel::new(Coin))
    }

    fn cdf(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        check_theta(&x, &theta, 1)?;
        let below = sigmoid(part(&theta, 0).neg());
        Ok(below.mask_fill(x.clone().lower_scalar(0.0), 0.0).mask_fill(x.greater_equal_scalar(1.0), 1.0))
    }

    fn quantile(&self, u: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        check_theta(&u, &theta, 1)?;
        let one = u.clone().greater(sigmoid(part(&theta, 0).neg()));
        Ok(u.inner().zeros_like().mask_fill(one, 1.0))
    }
}

/// P(x = c) = softmax(θ)_c for x in {0, …, C − 1}; log_prob is −∞ at any other x. θ: C logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Categorical(pub usize);

impl Categorical {
    fn check(self, x: &Tensor<2>, theta: &Tensor<3>) -> Result<()> {
        Error::check_count("categories", self.0)?;
        check_theta(x, theta, self.0)
    }

    /// log P(x = c), `[rows, C, dim]`, and the classes c of the same shape.
    fn table(self, theta: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let shape = theta.dims();
        let classes = Placement::of(&theta.clone().inner()).tensor((0..self.0).map(|c| c as f64).collect(), [1, self.0, 1]);
        (log_softmax(theta, 1), classes.expand(shape))
    }

    /// The smallest c with F(c | θ) ≥ u, for logits on the host. It is `None` unless the sum of their masses is finite. `masses` is a buffer.
    pub(crate) fn quantile_of<T: Real>(self, theta: &[T], u: f64, masses: &mut Vec<T>) -> Option<usize> {
        unnormalised(theta, masses);
        // In 32 bits, the rounding of the sum would be a chance of the last class.
        let of = |mass: &T| nalgebra::try_convert::<T, f64>(*mass).unwrap_or(f64::NAN);
        let total: f64 = masses.iter().map(of).sum();
        if !total.is_finite() {
            return None;
        }
        let mut left = u * total;
        let found = masses.iter().position(|mass| {
            left -= of(mass);
            left <= 0.0
        });
        // Rounding can leave a small rest.
        found.or_else(|| masses.iter().rposition(|mass| of(mass) > 0.0))
    }

    /// [`Conditional::log_prob`] from tensor operations.
    fn composed(self, x: Tensor<2>, theta: Tensor<3>) -> Tensor<2> {
        let shape = theta.dims();
        let (log_probs, classes) = self.table(theta);
        let other = classes.not_equal(x.inner().unsqueeze_dim::<3>(1).expand(shape));
        let outside = other.clone().all_dim(1).squeeze_dim(1);
        let log_prob = log_probs.mask_fill(other, 0.0).sum_dim(1).squeeze_dim::<2>(1);
        log_prob.mask_fill(outside, f64::NEG_INFINITY)
    }
}

impl Conditional for Categorical {
    fn parameters(&self) -> usize {
        self.0
    }

    fn is_discrete(&self) -> bool {
        true
    }

    fn log_prob(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        self.check(&x, &theta)?;
        let fused = kernels::value(&Kernel::new(Masses(self.0)), &x, &theta);
        Ok(fused.map_or_else(|| self.composed(x, theta), |(_, log_prob)| log_prob))
    }

    fn kernel(&self) -> Option<Kernel> {
        (self.0 > 0).then(|| Kernel::new(Masses(self.0)))
    }

    fn cdf(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        self.check(&x, &theta)?;
        let shape = theta.dims();
        let (log_probs, classes) = self.table(theta);
        let last = x.clone().greater_equal_scalar(self.0 as f64 - 1.0);
        let beyond = classes.greater(x.inner().unsqueeze_dim::<3>(1).expand(shape));
        Ok(log_probs.exp().mask_fill(beyond, 0.0).sum_dim(1).squeeze_dim::<2>(1).mask_fill(last, 1.0))
    }

    fn quantile(&self, u: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        self.check(&u, &theta)?;
        let shape = theta.dims();
        let place = Placement::of(&u.clone().inner());
        let (log_probs, _) = self.table(theta);
        let below = log_probs.inner().exp().cumsum(1).lower(u.inner().unsqueeze_dim::<3>(1).expand(shape));
        // The sum of all masses can round to just below u.
        let count = place.zeros(shape).mask_fill(below, 1.0).sum_dim(1).squeeze_dim::<2>(1);
        Ok(count.clamp_max(self.0 as f64 - 1.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;
    use crate::placement::{Precision, values};

    /// Values and gradients, at codes and at numbers that are none.
    #[test]
    fn the_kernels_are_the_composed_forms() {
        type Form = Box<dyn Fn(Tensor<2>, Tensor<3>) -> Tensor<2>>;
        let laws: [(usize, [Form; 2]); 3] = [
            (1, [Box::new(|x, theta| Bernoulli.log_prob(x, theta).unwrap()), Box::new(|x, theta| Bernoulli::composed(x, &theta))]),
            (5, [Box::new(|x, theta| Categorical(5).log_prob(x, theta).unwrap()), Box::new(|x, theta| Categorical(5).composed(x, theta))]),
            (1, [Box::new(|x, theta| Categorical(1).log_prob(x, theta).unwrap()), Box::new(|x, theta| Categorical(1).composed(x, theta))]),
        ];
        for (precision, dim) in [(Precision::F32, 3), (Precision::F64, 3), (Precision::F64, 100)] {
            for (parameters, forms) in &laws {
                let [fused, composed] = forms.each_ref().map(|form| {
                    let place = Placement::cpu(precision).autodiff();
                    let mut rng = ChaCha12Rng::seed_from_u64(6);
                    let theta: Tensor<3> = (place.normal([40, *parameters, dim], &mut rng) * 5.0).require_grad();
                    // −1, −½, 0, …: some are codes.
                    let x = place.tensor((0..40 * dim).map(|k| (k % 14) as f64 * 0.5 - 1.0).collect(), [40, dim]);
                    let weights = place.normal([40, dim], &mut rng);
                    let log_prob = form(x, theta.clone());
                    let counted = log_prob.clone().greater_scalar(f64::NEG_INFINITY).bool_not();
                    let gradients = (log_prob.clone().mask_fill(counted, 0.0) * weights).sum().backward();
                    [values(log_prob), values(theta.grad(&gradients).unwrap())].concat()
                });
                assert!(fused.iter().any(|v| v.is_infinite()));
                for (k, (f, c)) in fused.iter().zip(&composed).enumerate() {
                    // Sums of five exponentials.
                    assert!(f == c || (f - c).abs() <= 32.0 * precision.epsilon() * (1.0 + c.abs()), "{parameters}, {k}: {f} against {c}");
                }
            }
        }
    }
}
