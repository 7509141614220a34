//! The affine map in one pass; see [`super::Affine`] for the formula.
//!
//! With y = σ x + t and ℓ = log σ, for a loss with ∂L/∂y = g and ∂L/∂ log T′ = h: ∂L/∂t = g, ∂L/∂ℓ = g σ x + h and ∂L/∂x = g σ.

use super::{
    Affine, Inverted, Scale,
    affine::{BOUND, SATURATED, SIGMOID_START, SOFTPLUS_START},
};
use crate::kernels::{LaneMap, Lanes, Real, Theta, ThetaGradient};

/// b(s) = s / √(1 + (s/7)²) and b′(s).
#[inline(always)]
pub(super) fn bounded<T: Real>(s: Lanes<T>) -> (Lanes<T>, Lanes<T>) {
    let far = Lanes::of(SATURATED);
    let s = s.smaller(far).larger(-far);
    let share = s * T::of(BOUND.recip());
    let square = share.fused(share, Lanes::of(1.0));
    let inverse = Lanes::of(1.0) / square.root();
    (s * inverse, inverse * inverse * inverse)
}

/// log σ of a raw scale, and its derivative.
#[inline(always)]
fn log_scale<T: Real>(scale: Scale, s: Lanes<T>) -> (Lanes<T>, Lanes<T>) {
    let (b, slope) = bounded(s);
    if scale == Scale::Sigmoid {
        let b = b + T::of(SIGMOID_START);
        return (-(-b).softplus(), slope * b.sigmoids().1);
    }
    if scale == Scale::Softplus {
        let b = b + T::of(SOFTPLUS_START);
        let softplus = b.softplus();
        return (softplus.log(), slope * b.sigmoids().0 / softplus);
    }
    (b, slope)
}

impl LaneMap for Affine {
    #[inline(always)]
    fn value<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, _: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        if self.scale == Scale::One {
            return (x + theta.get(0), Lanes::of(0.0));
        }
        let (log_scale, _) = log_scale(self.scale, theta.get(1));
        (x.fused(log_scale.moderate_exp(), theta.get(0)), log_scale)
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
        into.set(0, g);
        if self.scale == Scale::One {
            return g;
        }
        let (log_scale, slope) = log_scale(self.scale, theta.get(1));
        let gx = g * log_scale.moderate_exp();
        into.set(1, gx.fused(x, h) * slope);
        gx
    }
}

/// With y = (x − t)/σ: ∂L/∂t = −g/σ, ∂L/∂ℓ = −g y − h and ∂L/∂x = g/σ.
impl LaneMap for Inverted<Affine> {
    #[inline(always)]
    fn value<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, _: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        let moved = x - theta.get(0);
        if self.0.scale == Scale::One {
            return (moved, Lanes::of(0.0));
        }
        let (log_scale, _) = log_scale(self.0.scale, theta.get(1));
        (moved * (-log_scale).moderate_exp(), -log_scale)
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
        if self.0.scale == Scale::One {
            into.set(0, -g);
            return g;
        }
        let (log_scale, slope) = log_scale(self.0.scale, theta.get(1));
        let gx = g * (-log_scale).moderate_exp();
        into.set(0, -gx);
        into.set(1, -(gx.fused(x - theta.get(0), h) * slope));
        gx
    }
}
