//! The law of the channels of a pixel: a mixture of logistic laws (Salimans et al. 2017, §2.1 and 2.2). All channels share one component.

use burn::tensor::{Tensor, activation::log_softmax, activation::sigmoid, activation::softmax};

use super::{affine::bounded, discretised::log_difference, special};
use crate::{
    error::{Error, Result},
    placement::Placement,
};

/// The least scale of a component, as a share of the distance of two levels: e⁻²⁵ of its mass lies outside the level of its location.
const LEAST_SCALE: f64 = 0.02;
/// The logarithm of the scale at θ = 0, where black is −1 and white is 1.
const LOG_SCALE: f64 = -1.0;

/// P(x_1, …, x_C) = Σ_i w_i Π_c P_i(x_c | x_<c) for channels in {0, …, L − 1}, with y = 2 x/(L − 1) − 1, h = 2/(L − 1) and
///
/// P_i(x_c | x_<c) = σ((y_c + ½h − m_ic)/s_ic) − σ((y_c − ½h − m_ic)/s_ic),   m_ic = μ_ic + Σ_{k<c} tanh(γ_ick) y_k.
///
/// The first level also takes all mass below it, and the last level all mass above it. log_prob is −∞ at every number that is no level.
///
/// θ, `[rows, K (2 + C), C, pixels]`, has four parts per channel:
///
/// - K logits give the weights w. Only the logits of the first channel are used.
/// - K raw locations give μ. The location of component i is its raw location plus (2 i − 1)/K − 1, for i = 1, …, K.
/// - K raw scales r give s = 0.02 h + exp(b(r) − 1), where b is bounded and b(0) = 0.
/// - K (C − 1) raw coefficients give γ. A channel uses the coefficients of the channels before it.
///
/// At θ = 0 the components lie apart and the channels are not coupled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoupledLogistics {
    components: usize,
    channels: usize,
    levels: usize,
}

/// The components of one channel: locations and reciprocal scales, `[rows, K, pixels]`.
struct Components {
    mean: Tensor<3>,
    rate: Tensor<3>,
}

impl CoupledLogistics {
    /// Mixtures of `components` laws of `channels` channels with `levels` levels.
    ///
    /// # Errors
    /// [`Error::Invalid`] without components or channels, and for fewer than two levels.
    pub fn new(components: usize, channels: usize, levels: usize) -> Result<Self> {
        for (what, found, least) in [("components", components, 1), ("channels", channels, 1), ("levels", levels, 2)] {
            if found < least {
                return Err(Error::invalid(what, format!("at least {least}"), found));
            }
        }
        Ok(CoupledLogistics { components, channels, levels })
    }

    /// The number of parameters per channel.
    pub fn parameters(&self) -> usize {
        self.components * (2 + self.channels)
    }

    /// h.
    fn step(&self) -> f64 {
        2.0 / (self.levels - 1) as f64
    }

    /// y of levels.
    fn scaled<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        x * self.step() - 1.0
    }

    /// Part `index` of the parameters, `[rows, K, pixels]`.
    fn part(&self, theta: &Tensor<3>, index: usize) -> Tensor<3> {
        theta.clone().narrow(1, index * self.components, self.components)
    }

    /// The components of a channel, from its parameters, `[rows, parameters, pixels]`, and y of the channels before it, `[rows, 1, pixels]` each.
    fn of_channel(&self, theta: &Tensor<3>, before: &[Tensor<3>]) -> Components {
        let place = Placement::of(&theta.clone().inner());
        let count = self.components;
        let apart = place.tensor((0..count).map(|i| (2 * i + 1) as f64 / count as f64 - 1.0).collect(), [1, count, 1]);
        let mut mean = self.part(theta, 1) + apart;
        for (k, y) in before.iter().enumerate() {
            mean = mean + self.part(theta, 3 + k).tanh() * y.clone();
        }
        let scale = (bounded(self.part(theta, 2)) + LOG_SCALE).exp() + LEAST_SCALE * self.step();
        Components { mean, rate: scale.recip() }
    }

    /// log P_i(x | …), `[rows, K, pixels]`, of levels, `[rows, 1, pixels]`.
    fn log_masses(&self, x: &Tensor<3>, at: &Components) -> Tensor<3> {
        let length = at.rate.clone() * self.step();
        let below = (self.scaled(x.clone()) - 0.5 * self.step() - at.mean.clone()) * at.rate.clone();
        let ends = [x.clone().lower_equal_scalar(0.0), x.clone().greater_equal_scalar((self.levels - 1) as f64)];
        log_difference(below, length, ends.map(|end| Some(end.expand(at.mean.dims()))))
    }

    /// log w of each component, and for each channel its log-masses and F_i(x). All are `[rows, K, pixels]`.
    fn each(&self, x: &Tensor<3>, theta: &Tensor<4>) -> (Tensor<3>, Vec<(Tensor<3>, Tensor<3>)>) {
        let of = |t: &Tensor<4>, c: usize| t.clone().narrow(2, c, 1).squeeze_dim::<3>(2);
        let log_weights = log_softmax(self.part(&of(theta, 0), 0), 1);
        let mut before: Vec<Tensor<3>> = Vec::new();
        let channel = |c: usize| {
            let own = x.clone().narrow(1, c, 1);
            let at = self.of_channel(&of(theta, c), &before);
            let log_masses = self.log_masses(&own, &at);
            let up_to = (self.scaled(own.clone()) + 0.5 * self.step() - at.mean) * at.rate;
            let last = own.clone().greater_equal_scalar((self.levels - 1) as f64).expand(up_to.dims());
            before.push(self.scaled(own));
            (log_masses, sigmoid(up_to).mask_fill(last, 1.0))
        };
        (log_weights, (0..self.channels).map(channel).collect())
    }

    /// The level nearest to each number, and whether the number is that level, `[rows, channels, pixels]` each.
    fn levels(&self, x: Tensor<3>) -> (Tensor<3>, Tensor<3, burn::tensor::Bool>) {
        let x = x.detach();
        let nearest = x.clone().round().clamp(0.0, (self.levels - 1) as f64);
        let same = nearest.clone().equal(x);
        // NaN has no nearest level. It is read as 0 and never counts as a level.
        (nearest.clone().mask_fill(nearest.is_nan(), 0.0), same)
    }

    /// log P of each pixel, `[rows, pixels]`, of x of `[rows, channels, pixels]` and θ of `[rows, parameters, channels, pixels]`.
    pub fn log_prob(&self, x: Tensor<3>, theta: &Tensor<4>) -> Tensor<2> {
        let (x, same) = self.levels(x);
        let (log_weights, channels) = self.each(&x, theta);
        let all = channels.into_iter().fold(log_weights, |sum, (log_masses, _)| sum + log_masses);
        let outside = same.all_dim(1).bool_not().squeeze_dim::<2>(1);
        special::logsumexp(all, 1).squeeze_dim::<2>(1).mask_fill(outside, f64::NEG_INFINITY)
    }

    /// F(x_c− | x_<c) + v P(x_c | x_<c), `[rows, channels, pixels]`, for v in (0, 1) of the same shape.
    pub fn to_uniform(&self, x: Tensor<3>, theta: &Tensor<4>, v: Tensor<3>) -> Tensor<3> {
        let (x, _) = self.levels(x);
        let (mut log_weights, channels) = self.each(&x, theta);
        let mut found = Vec::with_capacity(channels.len());
        for (c, (log_masses, up_to)) in channels.into_iter().enumerate() {
            // The posterior weights of the components, given the earlier channels.
            let weights = softmax(log_weights.clone(), 1);
            let mass = (weights.clone() * log_masses.clone().exp()).sum_dim(1);
            found.push((weights * up_to).sum_dim(1) - (v.clone().narrow(1, c, 1).neg() + 1.0) * mass);
            log_weights = log_weights + log_masses;
        }
        Tensor::cat(found, 1)
    }

    /// Draws the component of each row, a one-hot vector of `[rows, K, 1]`.
    ///
    /// `theta` holds the parameters of the first channel of a pixel, `[rows, parameters, 1]`, and `u` holds uniform numbers, `[rows, 1]`.
    pub fn component(&self, theta: &Tensor<3>, u: &Tensor<2>) -> Tensor<3> {
        let place = Placement::of(&u.clone().inner());
        let up_to = softmax(self.part(theta, 0), 1).inner().cumsum(1);
        let shape = up_to.dims();
        let below = up_to.lower(u.clone().inner().unsqueeze_dim::<3>(2).expand(shape));
        // The sum of all weights can round to just below u.
        let index = place.zeros(shape).mask_fill(below, 1.0).sum_dim(1).clamp_max((self.components - 1) as f64);
        let all = place.tensor((0..self.components).map(|i| i as f64).collect(), [1, self.components, 1]).expand(shape);
        place.zeros(shape).mask_fill(all.equal(index.expand(shape)), 1.0)
    }

    /// Draws the level of the next channel of a pixel, `[rows, 1]`.
    ///
    /// `theta` holds the parameters of the channel, `[rows, parameters, 1]`. The levels `before` it and the uniform numbers `u` are `[rows, 1]` each.
    pub fn draw(&self, theta: &Tensor<3>, component: &Tensor<3>, before: &[Tensor<2>], u: Tensor<2>) -> Tensor<2> {
        let before: Vec<Tensor<3>> = before.iter().map(|x| self.scaled(x.clone()).unsqueeze_dim(2)).collect();
        let at = self.of_channel(&theta.clone().inner(), &before);
        let own = |t: Tensor<3>| (t * component.clone()).sum_dim(1).squeeze_dim::<2>(2);
        let logit = u.clone().log() - (u.neg() + 1.0).log();
        let y = own(at.mean) + logit / own(at.rate);
        ((y + 1.0) * self.step().recip()).round().clamp(0.0, (self.levels - 1) as f64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;
    use crate::placement::{Precision, values};

    /// Every pixel of two channels with four levels.
    fn pixels(place: &Placement) -> Tensor<3> {
        let levels = (0..16).flat_map(|k| [(k / 4) as f64, (k % 4) as f64]);
        place.tensor(levels.collect(), [16, 2, 1])
    }

    fn theta(law: CoupledLogistics, rows: usize, place: &Placement) -> Tensor<4> {
        let one: Tensor<4> = place.normal([1, law.parameters(), 2, 1], &mut ChaCha12Rng::seed_from_u64(7)) * 2.0;
        one.expand([rows, law.parameters(), 2, 1])
    }

    #[test]
    fn masses_add_up_to_one_and_the_channels_depend_on_each_other() {
        let law = CoupledLogistics::new(3, 2, 4).unwrap();
        for precision in [Precision::F32, Precision::F64] {
            let place = Placement::cpu(precision);
            let masses = values(law.log_prob(pixels(&place), &theta(law, 16, &place)).exp());
            let total: f64 = masses.iter().sum();
            assert!((total - 1.0).abs() < 64.0 * precision.epsilon(), "{total}");
            let first = |a: usize| (0..4).map(|b| masses[4 * a + b]).sum::<f64>();
            let second = |b: usize| (0..4).map(|a| masses[4 * a + b]).sum::<f64>();
            let information: f64 =
                (0..16).map(|k| masses[k] * (masses[k] / (first(k / 4) * second(k % 4))).ln()).filter(|i| !i.is_nan()).sum();
            assert!(information > 0.01, "channels with a mutual information of {information}");
        }
    }

    #[test]
    fn uniform_numbers_are_those_of_the_masses() {
        let (law, place) = (CoupledLogistics::new(3, 2, 4).unwrap(), Placement::cpu(Precision::F64));
        let (x, theta) = (pixels(&place), theta(law, 16, &place));
        let masses = values(law.log_prob(x.clone(), &theta).exp());
        let found = values(law.to_uniform(x, &theta, place.zeros::<3>([16, 2, 1]) + 0.25));
        for k in 0..16 {
            let (a, b) = (k / 4, k % 4);
            let row: f64 = masses[4 * a..4 * a + 4].iter().sum();
            let first = masses[..4 * a].iter().sum::<f64>() + 0.25 * row;
            let second = (masses[4 * a..k].iter().sum::<f64>() + 0.25 * masses[k]) / row;
            assert!((found[2 * k] - first).abs() < 1e-12 && (found[2 * k + 1] - second).abs() < 1e-12, "{a}, {b}");
        }
    }

    #[test]
    fn what_is_no_level_has_no_mass() {
        let (law, place) = (CoupledLogistics::new(1, 2, 4).unwrap(), Placement::cpu(Precision::F64));
        let x = place.tensor(vec![1.5, 0.0, -1.0, 0.0, 0.0, 4.0, f64::NAN, 1.0, 3.0, 0.0], [5, 2, 1]);
        let found = values(law.log_prob(x, &theta(law, 5, &place)));
        assert_eq!(found.iter().map(|l| l.is_finite()).collect::<Vec<_>>(), [false, false, false, false, true]);
    }
}
