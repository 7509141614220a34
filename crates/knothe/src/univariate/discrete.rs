//! Laws of masses: Bernoulli and categorical columns.

use burn::tensor::{Tensor, activation::log_sigmoid, activation::log_softmax, activation::sigmoid};

use super::{Conditional, check_theta, part};
use crate::{
    error::{Error, Result},
    placement::Placement,
};

/// P(x = 1) = 1/(1 + e^−θ) for x in {0, 1}; log_prob is −∞ at any other x. θ: the logit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bernoulli;

impl Conditional for Bernoulli {
    fn parameters(&self) -> usize {
        1
    }

    fn is_discrete(&self) -> bool {
        true
    }

    fn log_prob(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        check_theta(&x, &theta, 1)?;
        let logit = part(&theta, 0);
        let one = x.clone().equal_scalar(1.0);
        let neither = one.clone().bool_or(x.equal_scalar(0.0)).bool_not();
        let log_prob = log_sigmoid(logit.clone().neg()).mask_where(one, log_sigmoid(logit));
        Ok(log_prob.mask_fill(neither, f64::NEG_INFINITY))
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
    /// log P(x = c), `[rows, C, dim]`, and the classes c, `[1, C, 1]`.
    fn table(self, x: &Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<3>, Tensor<3>)> {
        if self.0 == 0 {
            return Err(Error::invalid("categories", "at least 1", 0));
        }
        check_theta(x, &theta, self.0)?;
        let classes = Placement::of(&theta.clone().inner()).tensor((0..self.0).map(|c| c as f64).collect(), [1, self.0, 1]);
        Ok((log_softmax(theta, 1), classes.expand([x.dims()[0], self.0, x.dims()[1]])))
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
        let shape = theta.dims();
        let (log_probs, classes) = self.table(&x, theta)?;
        let other = classes.not_equal(x.inner().unsqueeze_dim::<3>(1).expand(shape));
        let outside = other.clone().all_dim(1).squeeze_dim(1);
        let log_prob = log_probs.mask_fill(other, 0.0).sum_dim(1).squeeze_dim::<2>(1);
        Ok(log_prob.mask_fill(outside, f64::NEG_INFINITY))
    }

    fn cdf(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        let shape = theta.dims();
        let (log_probs, classes) = self.table(&x, theta)?;
        let last = x.clone().greater_equal_scalar(self.0 as f64 - 1.0);
        let beyond = classes.greater(x.inner().unsqueeze_dim::<3>(1).expand(shape));
        Ok(log_probs.exp().mask_fill(beyond, 0.0).sum_dim(1).squeeze_dim::<2>(1).mask_fill(last, 1.0))
    }

    fn quantile(&self, u: Tensor<2>, theta: Tensor<3>) -> Result<Tensor<2>> {
        let shape = theta.dims();
        let place = Placement::of(&u.clone().inner());
        let (log_probs, _) = self.table(&u, theta)?;
        let below = log_probs.inner().exp().cumsum(1).lower(u.inner().unsqueeze_dim::<3>(1).expand(shape));
        // The sum of all masses can round to just below u.
        let count = place.zeros(shape).mask_fill(below, 1.0).sum_dim(1).squeeze_dim::<2>(1);
        Ok(count.clamp_max(self.0 as f64 - 1.0))
    }
}
