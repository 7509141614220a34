//! The log-masses of Bernoulli and categorical laws in one pass; see [`super::Bernoulli`] and [`super::Categorical`] for the parameters.
//!
//! For a loss L with ∂L/∂ log P(x) = h, the logit of code k gets h (1[x = k] − P(k)), and nothing where x is no code.

use crate::kernels::{LANES, LaneMap, Lanes, Real, Theta, ThetaGradient, vectorised};

/// The masses of a softmax up to a factor, and their sum.
pub(super) fn unnormalised<T: Real>(theta: &[T], masses: &mut Vec<T>) -> T {
    masses.clear();
    masses.resize(theta.len().next_multiple_of(LANES), T::of(f64::NEG_INFINITY));
    masses[..theta.len()].copy_from_slice(theta);
    let sum = vectorised(
        #[inline(always)]
        || {
            let mut most = Lanes::load(masses);
            for at in (0..masses.len()).step_by(LANES) {
                most = most.larger(Lanes::load(&masses[at..]));
            }
            let most = Lanes::of(0.0) + most.0.into_iter().fold(most.0[0], |a, b| if a < b { b } else { a });
            let mut sum = Lanes::of(0.0);
            for at in (0..masses.len()).step_by(LANES) {
                let mass = (Lanes::load(&masses[at..]) - most).exp();
                mass.store(&mut masses[at..]);
                sum = sum + mass;
            }
            sum.0.into_iter().fold(T::of(0.0), |a, b| a + b)
        },
    );
    masses.truncate(theta.len());
    sum
}

/// y = x, and log P(x | θ) in the place of log T′, for x in {0, 1} and one logit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coin;

impl LaneMap for Coin {
    #[inline(always)]
    fn value<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, _: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        let logit = theta.get(0);
        let zero = x.equals(T::of(0.0), -logit.softplus(), Lanes::of(f64::NEG_INFINITY));
        (x, x.equals(T::of(1.0), -(-logit).softplus(), zero))
    }

    #[inline(always)]
    fn gradient<T: Real>(
        &self,
        x: Lanes<T>,
        theta: Theta<'_, T>,
        g: Lanes<T>,
        h: Lanes<T>,
        mut into: ThetaGradient<'_, T>,
        _: &mut [Lanes<T>],
    ) -> Lanes<T> {
        let (one, zero) = theta.get(0).sigmoids();
        into.set(0, x.equals(T::of(1.0), h * zero, x.equals(T::of(0.0), -h * one, Lanes::of(0.0))));
        g
    }
}

/// The same for x in {0, …, C − 1} and C logits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Masses(pub usize);

impl Masses {
    /// log P(x) and 1/Σ. `work` then has the masses, each to be multiplied by that.
    #[inline(always)]
    fn masses<T: Real>(self, x: Lanes<T>, theta: Theta<'_, T>, work: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        let mut most = theta.get(0);
        for k in 1..self.0 {
            most = most.larger(theta.get(k));
        }
        let (mut sum, mut chosen) = (Lanes::of(0.0), Lanes::of(f64::NEG_INFINITY));
        for (k, mass) in work.iter_mut().enumerate() {
            let logit = theta.get(k) - most;
            chosen = x.equals(T::of(k as f64), logit, chosen);
            *mass = logit.moderate_exp();
            sum = sum + *mass;
        }
        (chosen - sum.log(), Lanes::of(1.0) / sum)
    }
}

impl LaneMap for Masses {
    fn scratch(&self) -> usize {
        self.0
    }

    #[inline(always)]
    fn value<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, scratch: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        (x, self.masses(x, theta, scratch).0)
    }

    #[inline(always)]
    fn gradient<T: Real>(
        &self,
        x: Lanes<T>,
        theta: Theta<'_, T>,
        g: Lanes<T>,
        h: Lanes<T>,
        mut into: ThetaGradient<'_, T>,
        scratch: &mut [Lanes<T>],
    ) -> Lanes<T> {
        let zero = Lanes::of(0.0);
        let (log_mass, share) = self.masses(x, theta, scratch);
        // A number that is no code has the log-mass −∞, and its gradient is 0.
        let h = Lanes::of(f64::from(f32::MIN)).below(log_mass, h, zero);
        for (k, mass) in scratch.iter().enumerate() {
            let own = x.equals(T::of(k as f64), h, zero);
            into.set(k, own - h * *mass * share);
        }
        g
    }
}
