//! The integrated rectified polynomial (Baptista, Marzouk and Zahm 2023, *On the representation and learning of monotone triangular transport maps*, eq. 10):
//!
//! T(x) = f(0) + ∫₀ˣ g(f′(t)) dt,   f(t) = Σ_d θ_d ψ_d(t),   ψ_d = He_d/√d!.
//!
//! He_d are the probabilists' Hermite polynomials. g is a softplus, moved so that g(0) = 1. Every polynomial f thus becomes an increasing map, and f = 0 becomes the identity.
//!
//! g(f′) has no integral in closed form. Here it is taken at 65 equidistant knots of [−B, B] and is linear between them, so the integral is exact: with the hat functions η_k of the knots,
//! T(x) = f(0) + Σ_k g(f′(t_k)) ∫₀ˣ η_k(t) dt, and T′(x) = Σ_k g(f′(t_k)) η_k(x).

use burn::tensor::Tensor;

use super::{MonotoneMap, check_theta, part, root};
use crate::{
    error::{Error, Result},
    placement::Placement,
    special::softplus,
};

/// The least slope, which keeps the inverse within the digits of floats.
const LEAST_SLOPE: f64 = 1e-4;
/// The number of knots. The middle one is 0.
const KNOTS: usize = 65;
/// The highest degree.
const HIGHEST: usize = 16;

/// An integrated rectified polynomial. θ: the coefficients θ_0 … θ_p of the degree p.
///
/// Outside [−B, B] the map goes on as a straight line. θ = 0 is the identity. A polynomial of degree 1 makes an affine map, whose slope is g(θ_1). The inverse is [`root::inverse`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RectifiedPolynomial {
    /// The degree, from 1 to 16.
    pub degree: usize,
    /// B.
    pub bound: f64,
}

impl Default for RectifiedPolynomial {
    /// Degree 3, straight outside [−4, 4].
    fn default() -> Self {
        RectifiedPolynomial { degree: 3, bound: RectifiedPolynomial::BOUND }
    }
}

/// ψ_0 … ψ_p of numbers.
pub(crate) fn hermite<const D: usize>(x: &Tensor<D>, degree: usize) -> Vec<Tensor<D>> {
    let mut all = vec![x.ones_like()];
    for d in 0..degree {
        // √(d + 1) ψ_{d+1} = x ψ_d − √d ψ_{d−1}.
        let mut next = x.clone() * all[d].clone();
        if d > 0 {
            next = next - all[d - 1].clone() * (d as f64).sqrt();
        }
        // Burn takes the gradient of a division by a number in 32 bits.
        all.push(next * ((d + 1) as f64).sqrt().recip());
    }
    all
}

/// ψ_d(0).
fn at_zero(d: usize) -> f64 {
    // He_{2m}(0) = (−1)^m (2m − 1)!!, which √(2m)! divides.
    if d % 2 == 1 { 0.0 } else { (1..=d / 2).map(|m| -((2 * m - 1) as f64 / (2 * m) as f64).sqrt()).product() }
}

/// ∫ of the hat function max(0, 1 − |u|) from −∞ to u.
fn hat_integral(u: &Tensor<3>) -> Tensor<3> {
    // One branch for each u: at 0 both have a gradient.
    let rising = (u.clone().clamp_min(-1.0) + 1.0).square() * 0.5;
    let falling = (u.clone().clamp_max(1.0).neg() + 1.0).square() * -0.5 + 1.0;
    falling.mask_where(u.clone().lower_scalar(0.0), rising)
}

impl RectifiedPolynomial {
    /// The bound by default: hardly a draw of a normal source lies outside.
    pub const BOUND: f64 = 4.0;

    fn check(&self) -> Result<()> {
        if !(1..=HIGHEST).contains(&self.degree) {
            return Err(Error::invalid("degree of a rectified polynomial", format!("1 to {HIGHEST}"), self.degree));
        }
        if !(self.bound.is_finite() && self.bound > 0.0) {
            return Err(Error::invalid("bound of a rectified polynomial", "a number above 0", self.bound));
        }
        Ok(())
    }

    /// The distance of two knots.
    fn step(&self) -> f64 {
        2.0 * self.bound / (KNOTS - 1) as f64
    }

    /// g(f′) at the knots, `[rows, knots, dim]`.
    fn slopes(&self, knots: &Tensor<3>, theta: &Tensor<3>) -> Tensor<3> {
        // ψ_d′ = √d ψ_{d−1}.
        let terms = hermite(knots, self.degree - 1).into_iter().enumerate();
        let terms = terms.map(|(below, psi)| theta.clone().narrow(1, below + 1, 1) * (psi * ((below + 1) as f64).sqrt()));
        // softplus(c) = 1 − ε.
        let at_rest = (1.0 - LEAST_SLOPE).exp_m1().ln();
        let polynomial = terms.reduce(|sum, term| sum + term).unwrap_or_else(|| knots.zeros_like());
        softplus(polynomial + at_rest) + LEAST_SLOPE
    }
}

impl MonotoneMap for RectifiedPolynomial {
    fn parameters(&self) -> usize {
        self.degree + 1
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        self.check()?;
        check_theta(&x, &theta, self.parameters())?;
        let (step, middle) = (self.step(), (KNOTS / 2) as f64);
        let inner = x.clone().clamp(-self.bound, self.bound);
        let numbers: Tensor<3> =
            Placement::of(&theta.clone().inner()).tensor((0..KNOTS).map(|k| k as f64 - middle).collect(), [1, KNOTS, 1]);
        let slopes = self.slopes(&(numbers.clone() * step), &theta);
        let from_knots = inner.clone().unsqueeze_dim::<3>(1) * step.recip() - numbers.clone();
        let slope = (slopes.clone() * (from_knots.clone().abs().neg() + 1.0).clamp_min(0.0)).sum_dim(1).squeeze_dim::<2>(1);
        let lengths = (hat_integral(&from_knots) - hat_integral(&numbers.neg())) * step;
        let start = (0..=self.degree).step_by(2).map(|d| part(&theta, d) * at_zero(d));
        let start = start.reduce(|sum, term| sum + term).unwrap_or_else(|| x.zeros_like());
        // Beyond ±B the value and the slope there make the straight line.
        let y = start + (slopes * lengths).sum_dim(1).squeeze_dim::<2>(1) + slope.clone() * (x - inner);
        Ok((y, slope.log()))
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        root::inverse(self, y, theta)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::placement::{Precision, values};

    #[test]
    fn hermite_polynomials_are_orthonormal() {
        // The trapezoidal rule on the whole line converges exponentially for smooth functions that vanish at both ends.
        let place = Placement::cpu(Precision::F64);
        let points: Vec<f64> = (-1200..=1200).map(|k| f64::from(k) / 100.0).collect();
        let weights: Vec<f64> = points.iter().map(|x| 0.01 * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()).collect();
        let n = points.len();
        let psi: Vec<Vec<f64>> = hermite(&place.tensor(points, [n]), 8).into_iter().map(values).collect();
        for a in 0..=8 {
            for b in 0..=8 {
                let product: f64 = (0..n).map(|k| weights[k] * psi[a][k] * psi[b][k]).sum();
                assert!((product - f64::from(u8::from(a == b))).abs() < 1e-12, "{a}, {b}: {product}");
            }
            assert!((psi[a][n / 2] - at_zero(a)).abs() < 1e-14, "{a}");
        }
    }

    #[test]
    fn a_linear_polynomial_is_an_affine_map() {
        let (map, place) = (RectifiedPolynomial { degree: 1, bound: 2.0 }, Placement::cpu(Precision::F64));
        // g(θ_1) = 2.5 at softplus(θ_1 + c) = 2.5 − ε.
        let theta = (2.5f64 - LEAST_SLOPE).exp_m1().ln() - (1.0 - LEAST_SLOPE).exp_m1().ln();
        let (y, ladj) = map.value(place.tensor(vec![-7.0, 0.0, 1.0], [3, 1]), place.tensor([-0.3, theta].repeat(3), [3, 2, 1])).unwrap();
        for ((y, ladj), expected) in values(y).into_iter().zip(values(ladj)).zip([-17.8, -0.3, 2.2]) {
            assert!((y - expected).abs() < 1e-13 && (ladj - 2.5f64.ln()).abs() < 1e-14, "{y} against {expected}");
        }
    }

    #[test]
    fn the_map_is_the_integral_of_the_rectified_derivative() {
        // f′ = 0.4 − 0.3 √2 t + 0.2 √3 (t² − 1)/√2, integrated by many trapezoids. Between knots, which are ⅛ apart, the slope is linear: the error is at most (⅛)²/12 max|slope″| per unit.
        let (map, place) = (RectifiedPolynomial::default(), Placement::cpu(Precision::F64));
        let theta = [0.7, 0.4, -0.3, 0.2];
        let slope = |t: f64| {
            let polynomial = 0.4 - 0.3 * 2f64.sqrt() * t + 0.2 * 3f64.sqrt() * (t * t - 1.0) / 2f64.sqrt();
            (polynomial + 1f64.exp_m1().ln()).exp().ln_1p()
        };
        for x in [-3.7, -0.2, 0.9, 3.1] {
            let n = 100_000;
            let integral: f64 = (0..n).map(|k| slope(x * (f64::from(k) + 0.5) / f64::from(n))).sum::<f64>() * x / f64::from(n);
            let (y, ladj) = map.value(place.tensor(vec![x], [1, 1]), place.tensor(theta.to_vec(), [1, 4, 1])).unwrap();
            // f(0) = θ_0 − θ_2/√2.
            let expected = 0.7 + 0.3 / 2f64.sqrt() + integral;
            assert!((values(y)[0] - expected).abs() < 4e-3, "{x}");
            assert!((values(ladj)[0].exp() - slope(x)).abs() < 4e-3, "{x}");
        }
    }
}
