//! The sum-of-squares polynomial map (Jaini, Selby & Yu 2019, "Sum-of-squares polynomial flow", equation 9):
//!
//! T(x) = c + ∫₀ˣ ε + Σ_l p_l(u/2)² du,   p_l(v) = Σ_m a_lm v^m,   l = 1 … k,   m = 0 … r.
//!
//! Every polynomial that increases is of this form already with k = 2. The integral is closed,
//!
//! ∫₀ˣ p(u/2)² du = x Σ_mn a_m a_n v^(m+n) / (m + n + 1) at v = x/2,
//!
//! and a sum of squares once more: with the Cholesky factor L of the matrix 1/(m + n + 1) (Hilbert's), it is
//! x Σ_i (Σ_m L_mi a_m v^m)², so that no digits cancel between its terms.
//!
//! The published map has ε = 0, and then a slope of 0 where the polynomials have a common root, as a single one has at its own. The raw
//! form is that map to rounding; the bounded form has ε = 0.0001, which keeps the inverse within what floats resolve.

use burn::tensor::Tensor;

use super::{MonotoneMap, Polynomial, check_theta, part, root, sos_lanes::SquaredPolynomials};
use crate::{
    error::{Error, Result},
    kernels::{self, Kernel},
    placement::Placement,
};

/// ε of the bounded form.
const LEAST_SLOPE: f64 = 1e-4;
/// ε of the raw form: beneath the rounding of every slope, and there only for log T′ and its gradient to be numbers at a root.
const LEAST_RAW_SLOPE: f64 = 1e-30;
/// The unit of x in which the coefficients are counted.
const UNIT: f64 = 2.0;
/// What the polynomials after the first are at x = ±3 in the beginning: not 0, where their coefficients would have no gradient.
const START: f64 = 0.1;

/// A sum of k squared polynomials of degree r. θ: the shift c, then the coefficients a_l0 … a_lr of each polynomial, counted in
/// halves and from a start of p_1 ≈ 1, p_l ≈ 0.1 (u/3)^m/√(l − 1) with another m for each l: θ = 0 is the identity within 0.03.
///
/// With (k, r) = (1, 0) it is the affine map. The inverse is [`root::inverse`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SumOfSquares {
    /// The number of polynomials, k.
    pub polynomials: usize,
    /// The degree of each, r, at most 16. T has the degree 2r + 1.
    pub degree: usize,
    /// `Some(B)`: T goes on as a straight line, in value and slope, outside [−B, B], which keeps it stable where several are
    /// stacked. `None`: the raw monomials as published, whose powers grow without bound; use 64-bit floats.
    pub bound: Option<f64>,
}

impl Default for SumOfSquares {
    /// Three polynomials of degree 4, straight outside [−3, 3].
    fn default() -> Self {
        SumOfSquares { polynomials: 3, degree: 4, bound: Some(SumOfSquares::BOUND) }
    }
}

impl SumOfSquares {
    /// The bound by default. Further out than three standard deviations there are few data to hold a polynomial, and its powers grow.
    pub const BOUND: f64 = 3.0;

    fn check(&self) -> Result<()> {
        Error::check_count("polynomials of a sum of squares", self.polynomials)?;
        if self.degree > 16 {
            return Err(Error::invalid("degree of a sum of squares", "0 to 16", self.degree));
        }
        match self.bound {
            Some(b) if !(b.is_finite() && b > 0.0) => Err(Error::invalid("bound of a sum of squares", "a number above 0", b)),
            _ => Ok(()),
        }
    }

    /// ε.
    fn least_slope(&self) -> f64 {
        if self.bound.is_some() { LEAST_SLOPE } else { LEAST_RAW_SLOPE }
    }

    /// The coefficients at θ = 0, `[k, r + 1]` in row-major order. T′(0) = 1.
    fn start(&self) -> Vec<f64> {
        let terms = self.degree + 1;
        let mut all = vec![0.0; self.polynomials * terms];
        let mut slope = self.least_slope();
        for l in 1..self.polynomials {
            let m = l % terms;
            // No two polynomials are equal, and no two gradients.
            let value = START / (l as f64).sqrt() * (UNIT / 3.0).powi(m as i32);
            all[l * terms + m] = value;
            slope += if m == 0 { value * value } else { 0.0 };
        }
        all[0] = (1.0 - slope).max(0.0).sqrt();
        all
    }

    /// a_lm v^m, `[rows, k, r + 1, dim]`.
    fn terms(&self, v: Tensor<2>, theta: &Tensor<3>) -> Tensor<4> {
        let [rows, _, dim] = theta.dims();
        let (k, terms) = (self.polynomials, self.degree + 1);
        let raw = theta.clone().narrow(1, 1, k * terms).reshape([rows, k, terms, dim]);
        let coefficients = raw * 0.5 + Placement::of(theta).tensor(self.start(), [1, k, terms, 1]);
        let v = v.reshape([rows, 1, 1, dim]);
        let mut powers = vec![v.ones_like()];
        for m in 0..self.degree {
            powers.push(powers[m].clone() * v.clone());
        }
        coefficients * Tensor::cat(powers, 2)
    }
}

/// Column i of the Cholesky factor of the matrix 1/(m + n + 1), from its diagonal to row `degree`:
/// L_mi = √(2i + 1) (m!)² / ((m − i)! (m + i + 1)!).
fn hilbert_factor(i: usize, degree: usize) -> Vec<f64> {
    let entry = |m: usize| {
        // (m!/(m − i)!) / ((m + i + 1)!/m!), factor by factor.
        let ratio = (0..i).map(|j| (m - j) as f64 / (m + j + 1) as f64).product::<f64>() / (m + i + 1) as f64;
        ((2 * i + 1) as f64).sqrt() * ratio
    };
    (i..=degree).map(entry).collect()
}

/// Σ_l (Σ_m t_lm)² for t of `[rows, k, terms, dim]`: `[rows, dim]`.
fn sum_of_squares(t: Tensor<4>) -> Tensor<2> {
    let [rows, _, _, dim] = t.dims();
    t.sum_dim(2).square().sum_dim(1).reshape([rows, dim])
}

impl MonotoneMap for SumOfSquares {
    fn parameters(&self) -> usize {
        1 + self.polynomials * (self.degree + 1)
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        self.check()?;
        check_theta(&x, &theta, self.parameters())?;
        Ok(kernels::value(&self.fused(), &x, &theta).unwrap_or_else(|| self.composed(x, theta)))
    }

    fn kernel(&self) -> Option<Kernel> {
        self.check().is_ok().then(|| self.fused())
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        root::inverse(self, y, theta)
    }

    fn polynomial(&self) -> Option<Polynomial> {
        Some(Polynomial { degree: 2 * self.degree + 1, bound: self.bound })
    }
}

impl SumOfSquares {
    fn fused(&self) -> Kernel {
        Kernel::new(SquaredPolynomials {
            polynomials: self.polynomials,
            degree: self.degree,
            bound: self.bound,
            least_slope: self.least_slope(),
            start: self.start(),
            factor: (0..=self.degree).flat_map(|i| hilbert_factor(i, self.degree)).collect(),
        })
    }

    /// T and log T′ from tensor operations.
    fn composed(&self, x: Tensor<2>, theta: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let place = Placement::of(&theta);
        let inner = match self.bound {
            Some(bound) => x.clone().clamp(-bound, bound),
            None => x.clone(),
        };
        let terms = self.terms(inner.clone() / UNIT, &theta);
        let slope = sum_of_squares(terms.clone()) + self.least_slope();
        let mut mean = slope.zeros_like() + self.least_slope();
        for i in 0..=self.degree {
            let length = self.degree + 1 - i;
            let factor = place.tensor(hilbert_factor(i, self.degree), [1, 1, length, 1]);
            mean = mean + sum_of_squares(terms.clone().narrow(2, i, length) * factor);
        }
        // Beyond ±B the polynomial's value and slope there make the straight line.
        let y = part(&theta, 0) + inner.clone() * mean + slope.clone() * (x - inner);
        (y, slope.log())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::placement::{Precision, values};

    fn at(map: SumOfSquares, theta: &[f64], x: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let place = Placement::cpu(Precision::F64);
        let theta = place.tensor(theta.to_vec(), [1, theta.len(), 1]).expand([x.len(), theta.len(), 1]);
        let (y, ladj) = map.value(place.tensor(x.to_vec(), [x.len(), 1]), theta).unwrap();
        (values(y), values(ladj))
    }

    #[test]
    fn the_factor_is_that_of_hilberts_matrix() {
        for m in 0..=16 {
            for n in 0..=m {
                let product: f64 = (0..=n).map(|i| hilbert_factor(i, m)[m - i] * hilbert_factor(i, m)[n - i]).sum();
                assert!((product * (m + n + 1) as f64 - 1.0).abs() < 64.0 * f64::EPSILON, "({m}, {n}): {product}");
            }
        }
    }

    #[test]
    fn it_is_the_published_double_sum() {
        let map = SumOfSquares { polynomials: 2, degree: 3, bound: None };
        let theta = [0.3, 0.2, -0.5, 0.8, -0.3, 0.6, 0.4, -0.9, 0.1];
        for x in [-2.7f64, -0.4, 0.0, 1.3, 6.0] {
            let (mut y, mut slope) = (0.3, 0.0);
            for l in 0..2 {
                let a: Vec<f64> = (0..4).map(|m| map.start()[4 * l + m] + 0.5 * theta[1 + 4 * l + m]).collect();
                for m in 0..4 {
                    for n in 0..4 {
                        let power = (x / 2.0).powi((m + n) as i32);
                        y += a[m] * a[n] * power * x / (m + n + 1) as f64;
                        slope += a[m] * a[n] * power;
                    }
                }
            }
            let (found, ladj) = at(map, &theta, &[x]);
            // The double sum cancels: its terms are up to 4 times their sum here.
            assert!((found[0] - y).abs() < 256.0 * f64::EPSILON * (1.0 + y.abs()), "at {x}: {} against {y}", found[0]);
            assert!((ladj[0] - slope.ln()).abs() < 4096.0 * f64::EPSILON, "at {x}: {} against {}", ladj[0], slope.ln());
        }
    }

    #[test]
    fn a_single_constant_is_the_affine_map() {
        for bound in [None, Some(5.0)] {
            let map = SumOfSquares { polynomials: 1, degree: 0, bound };
            // σ = ε + a², a = √(1 − ε) + θ/2.
            let (sigma, shift): (f64, f64) = (2.3, -0.7);
            let theta = 2.0 * ((sigma - map.least_slope()).sqrt() - (1.0 - map.least_slope()).sqrt());
            let x = [-40.0, -1.0, 0.0, 2.0, 1e4];
            let (y, ladj) = at(map, &[shift, theta], &x);
            for k in 0..x.len() {
                let expected = sigma * x[k] + shift;
                assert!((y[k] - expected).abs() < 8.0 * f64::EPSILON * (1.0 + expected.abs()), "{} against {expected}", y[k]);
                assert!((ladj[k] - sigma.ln()).abs() < 8.0 * f64::EPSILON, "{}", ladj[k]);
            }
        }
    }

    #[test]
    fn the_bound_changes_nothing_within_and_makes_straight_lines_outside() {
        let raw = SumOfSquares { bound: None, ..SumOfSquares::default() };
        let theta: Vec<f64> = (0..raw.parameters()).map(|i| 0.3 * (i as f64).sin()).collect();
        let within = [-2.9, -1.0, 0.3, 3.0];
        let (there, raw) = (at(SumOfSquares::default(), &theta, &within), at(raw, &theta, &within));
        for k in 0..within.len() {
            // ε is in the slope, and has been taken out of the first coefficient: √(1 − ε) in the place of 1.
            assert!((there.0[k] - raw.0[k]).abs() < LEAST_SLOPE * (1.0 + raw.0[k].abs()), "{} against {}", there.0[k], raw.0[k]);
            assert!((there.1[k] - raw.1[k]).abs() < 2.0 * LEAST_SLOPE, "{} against {}", there.1[k], raw.1[k]);
        }
        let (y, ladj) = at(SumOfSquares::default(), &theta, &[3.0, 4.0, 103.0]);
        let slope = ladj[0].exp();
        assert!((y[1] - y[0] - slope).abs() < 64.0 * f64::EPSILON * y[1].abs());
        assert!((y[2] - y[0] - 100.0 * slope).abs() < 64.0 * f64::EPSILON * y[2].abs());
    }

    #[test]
    fn the_kernel_is_the_composed_form() {
        // At ±4 powers up to (x/2)⁹ have sums of squares up to 10⁸ whose terms are of both signs; log T′ loses digits where the slope is small.
        for (precision, extent, tolerance) in [(Precision::F64, 1.0, 1e-12), (Precision::F64, 4.0, 1e-10), (Precision::F32, 1.0, 1e-4)] {
            for map in
                [SumOfSquares { bound: Some(2.5), ..SumOfSquares::default() }, SumOfSquares { bound: None, ..SumOfSquares::default() }]
            {
                kernels::agree(|x, theta| Ok(map.composed(x, theta)), &map, precision, extent, tolerance);
            }
        }
    }
}
