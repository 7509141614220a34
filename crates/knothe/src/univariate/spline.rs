//! The rational-quadratic spline with linear tails (Durkan, Bekasov, Murray & Papamakarios 2019, "Neural spline flows",
//! after Gregory & Delbourgo 1982).
//!
//! Within [−B, B] T runs through knots (x_k, y_k) with slopes d_k; outside it is the identity, and d is 1 at both ends, so
//! that the slope is continuous. In a bin of width w and height h, with ξ = (x − x_k)/w, κ = 1 − ξ and s = h/w,
//!
//! T = y_k + h (s ξ² + d_k ξκ) / D,   D = s (ξ² + κ²) + (d_k + d_k+1) ξκ,
//!
//! T′ = s² (d_k+1 ξ² + 2 s ξκ + d_k κ²) / D².
//!
//! (Their equations 4 and 5, with the denominator as a sum of positive terms.)

use burn::tensor::{Bool, Int, Tensor, activation::softmax};

use super::{Inverted, MonotoneMap, check_theta, special::softplus};
use crate::{
    error::{Error, Result},
    kernels::{self, Kernel},
    placement::Placement,
};

/// The least width and height of a bin, as a share of 2B.
pub(crate) const LEAST_SHARE: f64 = 1e-3;
/// The least slope at a knot.
pub(crate) const LEAST_SLOPE: f64 = 1e-3;

/// A rational-quadratic spline of K bins on [−B, B]. θ: K raw widths, K raw heights, K − 1 raw slopes at the inner knots.
///
/// Widths and heights are 2B times a softmax of at least 0.001 in each share, slopes a softplus of at least 0.001. θ = 0 is the
/// identity.
///
/// ```
/// use knothe::{Placement, Precision, univariate::{MonotoneMap, Spline}};
/// let cpu = Placement::cpu(Precision::F64);
/// let spline = Spline::default();
/// let (y, ladj) = spline.value(cpu.tensor(vec![1.7], [1, 1]), cpu.zeros([1, spline.parameters(), 1]))?;
/// assert!((y.into_scalar::<f64>() - 1.7).abs() < 1e-15 && ladj.into_scalar::<f64>().abs() < 1e-15);
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spline {
    /// Bins K, from 2 to 500.
    pub bins: usize,
    /// Half the width B of the square that the knots divide.
    pub bound: f64,
}

/// What is added to a raw slope, so that 0 means a slope of 1.
pub(crate) fn slope_shift() -> f64 {
    ((1.0 - LEAST_SLOPE).exp() - 1.0).ln()
}

impl Default for Spline {
    /// Eight bins on [−5, 5].
    fn default() -> Self {
        Spline { bins: 8, bound: 5.0 }
    }
}

/// The knots and slopes of every element, `[rows, bins + 1, dim]` each.
struct Knots {
    x: Tensor<3>,
    y: Tensor<3>,
    slope: Tensor<3>,
}

/// The bin of every element, `[rows, dim]` each, and the formula in it.
pub(crate) struct Bin {
    left: Tensor<2>,
    width: Tensor<2>,
    bottom: Tensor<2>,
    height: Tensor<2>,
    /// s = h/w.
    mean: Tensor<2>,
    /// d_k and d_k+1.
    slopes: [Tensor<2>; 2],
}

impl Spline {
    fn check(&self) -> Result<()> {
        if !(2..=500).contains(&self.bins) {
            return Err(Error::invalid("bins of a spline", "2 to 500", self.bins));
        }
        let fits = self.bound.is_finite() && self.bound > 0.0;
        if fits { Ok(()) } else { Err(Error::invalid("bound of a spline", "a number above 0", self.bound)) }
    }

    /// Reads θ. The outer knots are ±B exactly, so that every element within has its bin.
    fn knots(&self, theta: Tensor<3>) -> Knots {
        let bins = self.bins;
        let [rows, _, dim] = theta.dims();
        let place = Placement::of(&theta);
        let end = |value: f64| place.zeros([rows, 1, dim]) + value;
        let positions = |raw: Tensor<3>| {
            let shares = softmax(raw, 1) * (1.0 - LEAST_SHARE * bins as f64) + LEAST_SHARE;
            let inner = shares.cumsum(1).narrow(1, 0, bins - 1) * (2.0 * self.bound) - self.bound;
            Tensor::cat(vec![end(-self.bound), inner, end(self.bound)], 1)
        };
        let inner = softplus(theta.clone().narrow(1, 2 * bins, bins - 1) + slope_shift()) + LEAST_SLOPE;
        Knots {
            x: positions(theta.clone().narrow(1, 0, bins)),
            y: positions(theta.narrow(1, bins, bins)),
            slope: Tensor::cat(vec![end(1.0), inner, end(1.0)], 1),
        }
    }

    /// The bin whose side along `axis`, the x or the y of the knots, holds each of `at`, which lies within [−B, B).
    fn bin(&self, knots: &Knots, axis: &Tensor<3>, at: &Tensor<2>) -> Bin {
        let inner = axis.clone().narrow(1, 1, self.bins - 1);
        let index: Tensor<3, Int> = at.clone().unsqueeze_dim::<3>(1).greater_equal(inner).int().sum_dim(1);
        let pick = |of: &Tensor<3>| [0, 1].map(|offset| of.clone().gather(1, index.clone() + offset).squeeze_dim::<2>(1));
        Bin::between(pick(&knots.x), pick(&knots.y), pick(&knots.slope))
    }

    /// The elements outside (−B, B), where T is the identity, and the others with 0 in their place.
    fn tails(&self, x: Tensor<2>) -> (Tensor<2, Bool>, Tensor<2>) {
        // Stated so that NaN is outside, and stays what it is.
        let outside = x.clone().abs().lower_scalar(self.bound).bool_not();
        (outside.clone(), x.mask_fill(outside, 0.0))
    }
}

impl Bin {
    /// The bin between two knots.
    pub fn between([left, right]: [Tensor<2>; 2], [bottom, top]: [Tensor<2>; 2], slopes: [Tensor<2>; 2]) -> Self {
        // Sizes are differences of the knots, so that a position divided by them is never above 1.
        let (width, height) = (right - left.clone(), top - bottom.clone());
        let mean = height.clone() / width.clone();
        Bin { left, width, bottom, height, mean, slopes }
    }

    /// T and log T′ at an x within the bin.
    pub fn value(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let xi = (x - self.left.clone()) / self.width.clone();
        let kappa = xi.clone().neg() + 1.0;
        let numerator = xi.clone().square() * self.mean.clone() + self.slopes[0].clone() * xi.clone() * kappa.clone();
        let y = self.bottom.clone() + self.height.clone() * numerator / self.denominator(&xi, &kappa);
        (y, self.log_slope(&xi, &kappa))
    }

    /// T⁻¹ and log ∂x/∂y at a y within the bin: the closed form, ξ = 2c/(−b − √(b² − 4ac)) (their equation 29), without its cancellations.
    ///
    /// With η = (y − y_k)/h and g = d_k (1 − η) − d_k+1 η, the discriminant is R² = g² + 4 s² η (1 − η), and with
    /// P = R + |g| the root is ξ = 2sη / (2sη + P) for g ≥ 0 and P / (P + 2s(1 − η)) for g < 0: sums of positive terms alone,
    /// so that ξ is in [0, 1].
    pub fn inverse(&self, y: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let eta = (y - self.bottom.clone()) / self.height.clone();
        let rest = eta.clone().neg() + 1.0;
        let [start, end] = self.slopes.clone();
        let g = start * rest.clone() - end * eta.clone();
        let discriminant = g.clone().square() + self.mean.clone().square() * eta.clone() * rest.clone() * 4.0;
        let falling = g.clone().lower_scalar(0.0);
        // |g| as a choice of sign: its own derivative would be 0 at g = 0.
        let p = discriminant.sqrt() + g.clone().mask_where(falling.clone(), g.neg());
        let up = (self.mean.clone() * eta * 2.0).mask_where(falling.clone(), p.clone());
        let down = p.mask_where(falling, self.mean.clone() * rest * 2.0);
        let sum = up.clone() + down.clone();
        let (xi, kappa) = (up / sum.clone(), down / sum);
        (self.left.clone() + xi.clone() * self.width.clone(), self.log_slope(&xi, &kappa).neg())
    }

    /// D, for ξ and κ = 1 − ξ.
    fn denominator(&self, xi: &Tensor<2>, kappa: &Tensor<2>) -> Tensor<2> {
        let [start, end] = self.slopes.clone();
        (xi.clone().square() + kappa.clone().square()) * self.mean.clone() + (start + end) * xi.clone() * kappa.clone()
    }

    /// log T′.
    fn log_slope(&self, xi: &Tensor<2>, kappa: &Tensor<2>) -> Tensor<2> {
        let [start, end] = self.slopes.clone();
        let mean = self.mean.clone();
        let numerator = end * xi.clone().square() + mean.clone() * xi.clone() * kappa.clone() * 2.0 + start * kappa.clone().square();
        mean.log() * 2.0 + numerator.log() - self.denominator(xi, kappa).log() * 2.0
    }
}

impl MonotoneMap for Spline {
    fn parameters(&self) -> usize {
        3 * self.bins - 1
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        self.check()?;
        check_theta(&x, &theta, self.parameters())?;
        Ok(kernels::value(&Kernel::new(*self), &x, &theta).unwrap_or_else(|| self.composed(x, theta)))
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        self.check()?;
        check_theta(&y, &theta, self.parameters())?;
        Ok(kernels::value(&Kernel::new(Inverted(*self)), &y, &theta).unwrap_or_else(|| self.composed_inverse(y, theta)))
    }

    fn kernel(&self) -> Option<Kernel> {
        self.check().is_ok().then(|| Kernel::new(*self))
    }

    fn inverse_kernel(&self) -> Option<Kernel> {
        self.check().is_ok().then(|| Kernel::new(Inverted(*self)))
    }
}

impl Spline {
    /// T and log T′ from tensor operations.
    fn composed(&self, x: Tensor<2>, theta: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let (outside, inner) = self.tails(x.clone());
        let knots = self.knots(theta);
        let (y, log_slope) = self.bin(&knots, &knots.x, &inner).value(inner);
        (y.mask_where(outside.clone(), x), log_slope.mask_fill(outside, 0.0))
    }

    /// T⁻¹ and its log-slope from tensor operations.
    fn composed_inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let (outside, inner) = self.tails(y.clone());
        let knots = self.knots(theta);
        let (x, log_slope) = self.bin(&knots, &knots.y, &inner).inverse(inner);
        (x.mask_where(outside.clone(), y), log_slope.mask_fill(outside, 0.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::placement::{Precision, values};

    /// A spline of four bins on [−2, 2], its raw parameters, and the knots and slopes that they mean.
    fn example() -> (Spline, Vec<f64>, [Vec<f64>; 3]) {
        let raw = vec![0.3, -1.0, 0.5, 0.2, 1.1, -0.4, 0.0, 0.9, -1.5, 0.7, 2.0];
        let positions = |raw: &[f64]| {
            let total: f64 = raw.iter().map(|v| v.exp()).sum();
            let mut at = vec![-2.0];
            for v in raw {
                at.push(at[at.len() - 1] + 4.0 * (0.001 + 0.996 * v.exp() / total));
            }
            at
        };
        let softplus = |v: f64| 0.001 + (1.0 + v.exp() * (0.999f64.exp() - 1.0)).ln();
        let slopes = [vec![1.0], raw[8..].iter().map(|&v| softplus(v)).collect(), vec![1.0]].concat();
        let known = [positions(&raw[..4]), positions(&raw[4..8]), slopes];
        (Spline { bins: 4, bound: 2.0 }, raw, known)
    }

    fn at(spline: Spline, raw: &[f64], x: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let place = Placement::cpu(Precision::F64);
        let theta = place.tensor(raw.to_vec(), [1, raw.len(), 1]).expand([x.len(), raw.len(), 1]);
        let (y, ladj) = spline.value(place.tensor(x.to_vec(), [x.len(), 1]), theta).unwrap();
        (values(y), values(ladj))
    }

    #[test]
    fn it_runs_through_its_knots_with_their_slopes() {
        let (spline, raw, [x, y, slope]) = example();
        let (found, ladj) = at(spline, &raw, &x);
        for k in 0..x.len() {
            assert!((found[k] - y[k]).abs() < 16.0 * f64::EPSILON, "knot {k}: {} against {}", found[k], y[k]);
            // Knots differ by roundings of ε, which the second derivative, up to 100 in narrow bins, magnifies.
            assert!((ladj[k] - slope[k].ln()).abs() < 1e4 * f64::EPSILON, "knot {k}: {} against {}", ladj[k], slope[k].ln());
        }
    }

    #[test]
    fn a_bin_is_the_published_formula_both_ways() {
        let (spline, raw, [x, y, d]) = example();
        let place = Placement::cpu(Precision::F64);
        for k in 0..4 {
            let (w, h) = (x[k + 1] - x[k], y[k + 1] - y[k]);
            let (s, xi) = (h / w, 0.37);
            // Durkan et al. (2019), equation 4.
            let beta = y[k] + h * (s * xi * xi + d[k] * xi * (1.0 - xi)) / (s + (d[k + 1] + d[k] - 2.0 * s) * xi * (1.0 - xi));
            let found = at(spline, &raw, &[x[k] + xi * w]).0[0];
            assert!((found - beta).abs() < 64.0 * f64::EPSILON, "bin {k}: {found} against {beta}");
            // Their equations 6 to 8 and 29.
            let up = beta - y[k];
            let a = h * (s - d[k]) + up * (d[k + 1] + d[k] - 2.0 * s);
            let b = h * d[k] - up * (d[k + 1] + d[k] - 2.0 * s);
            let c = -s * up;
            let root = x[k] + w * 2.0 * c / (-b - (b * b - 4.0 * a * c).sqrt());
            let theta = place.tensor(raw.clone(), [1, raw.len(), 1]);
            let back = values(spline.inverse(place.tensor(vec![beta], [1, 1]), theta).unwrap().0)[0];
            assert!((back - root).abs() < 256.0 * f64::EPSILON, "bin {k}: {back} against {root}");
        }
    }

    #[test]
    fn it_is_the_identity_outside() {
        let (spline, raw, _) = example();
        let x = [-1e300, -7.0, -2.0, 2.0, 2.5, 1e300];
        let (y, ladj) = at(spline, &raw, &x);
        assert_eq!((y, ladj), (x.to_vec(), vec![0.0; 6]));
    }

    #[test]
    fn a_square_may_have_any_size() {
        let (spline, raw, _) = example();
        let x = [-1.9, -0.3, 0.7, 1.6];
        let (y, ladj) = at(spline, &raw, &x);
        for size in [1e200, 1e-200] {
            let (scaled, same) = at(Spline { bound: spline.bound * size, ..spline }, &raw, &x.map(|x| x * size));
            for k in 0..x.len() {
                assert!((scaled[k] / size - y[k]).abs() < 1e-14 && (same[k] - ladj[k]).abs() < 1e-13, "{size}: {}", scaled[k]);
            }
        }
    }

    #[test]
    fn the_kernels_are_the_composed_form() {
        let spline = Spline { bins: 5, bound: 3.0 };
        // Knots are rounded to ε. Bins of a thousandth of the square, with slopes of up to a thousand, magnify that by their second
        // derivatives; with parameters as large as 50 that leaves single precision no digits of a gradient.
        for (precision, extent, tolerance) in
            [(Precision::F64, 1.0, 1e-11), (Precision::F64, 4.0, 1e-10), (Precision::F64, 50.0, 1e-9), (Precision::F32, 1.0, 1e-3)]
        {
            kernels::agree(|x, theta| Ok(spline.composed(x, theta)), &spline, precision, extent, tolerance);
            kernels::agree(|y, theta| Ok(spline.composed_inverse(y, theta)), &Inverted(spline), precision, extent, tolerance);
        }
    }
}
