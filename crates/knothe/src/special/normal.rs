//! The normal law, Φ, log Φ and Φ⁻¹, and a ratio of gamma functions.
//!
//! Φ and its relatives are computed on the host in 64 bits, whatever the precision of the tensor. Only samples and
//! probability transforms need them. A tensor's own erf loses the lower tail: ½ + ½ erf z is 0 from z = −8.3 on.
//! The functions have first derivatives: f(x) = f(x₀) + f′(x₀)(x − x₀), where x₀ is x without its gradient.

use std::f64::consts::{PI, SQRT_2};

use burn::tensor::Tensor;
use rayon::prelude::*;
use statrs::function::erf::erfc_inv;

use crate::placement::{Placement, values};

/// Rows of a host loop that are worth a task of their own.
const CHUNK: usize = 2048;

/// f of every element, on the host; `slope(x, f(x))` is the derivative.
fn host<const D: usize>(x: Tensor<D>, f: impl Fn(f64) -> f64 + Sync, slope: impl Fn(f64, f64) -> f64 + Sync) -> Tensor<D> {
    let at = x.clone().inner();
    let (shape, place) = (at.dims(), Placement::of(&at));
    let inputs = values(at.clone());
    let outputs: Vec<f64> = inputs.par_iter().with_min_len(CHUNK).map(|&v| f(v)).collect();
    if !x.is_tracked() {
        return place.tensor(outputs, shape);
    }
    let slopes = inputs.par_iter().zip(&outputs).with_min_len(CHUNK).map(|(&v, &y)| slope(v, y)).collect();
    (x - at) * place.tensor(slopes, shape) + place.tensor(outputs, shape)
}

/// log φ(z), φ the density of N(0, 1).
fn log_density(z: f64) -> f64 {
    -0.5 * z * z - 0.5 * (2.0 * PI).ln()
}

/// erfc(x) e^{x²}/t as a polynomial in s = 2t − 1, where t = 2/(2 + x): Mills' ratio over the whole half-line, in the
/// variable of Press et al. (2007, §6.2.2). Fitted to 50 digits at Chebyshev's nodes; what is left out is below 1e-17, and
/// the absolute values add up to 1.03, so that no digits cancel. Row r holds the coefficients of s^4r to s^(4r+3).
const MILLS: [[f64; 4]; 7] = [
    [0.5107913526210115, 0.34358034220690514, 0.13973604627802688, 0.01822111575345904],
    [-0.010755330944716365, -0.0032395925345820673, 0.0015453060290576436, 0.0004186480432791111],
    [-0.00033153674761946043, -1.7185831874889752e-05, 7.223535061438543e-05, -1.7073781133818914e-05],
    [-1.0848057268891096e-05, 8.05787586714734e-06, -5.628166935192924e-07, -1.8150355080541665e-06],
    [1.00091858626541e-06, -1.3754508233185945e-08, -2.855481823834117e-07, 1.7867229479168533e-07],
    [-1.6982724012935667e-09, -6.965842943409138e-08, 2.9041985444209086e-08, 1.3216325517632649e-08],
    [-9.744756625932259e-09, -1.05903331435718e-09, 1.2051665995883637e-09, 0.0],
];

/// 2 Φ(z) e^{z²/2} for z ≤ 0, with neither underflow nor cancellation.
fn mills(z: f64) -> f64 {
    let t = 2.0 / (2.0 - z / SQRT_2);
    let s = 2.0 * t - 1.0;
    // Four chains of Horner's rule in s⁴, which the processor runs side by side.
    let square = s * s;
    let fourth = square * square;
    let mut sum = [0.0; 4];
    for row in MILLS.iter().rev() {
        for (sum, coefficient) in sum.iter_mut().zip(row) {
            *sum = *sum * fourth + coefficient;
        }
    }
    t * ((sum[0] + s * sum[1]) + square * (sum[2] + s * sum[3]))
}

/// Φ(z) and φ(z), which share their exponential.
pub(crate) fn cdf_and_density(z: f64) -> (f64, f64) {
    let e = (-0.5 * z * z).exp();
    let lower = 0.5 * mills(-z.abs()) * e;
    (if z > 0.0 { 1.0 - lower } else { lower }, e / (2.0 * PI).sqrt())
}

fn cdf(z: f64) -> f64 {
    cdf_and_density(z).0
}

fn log_cdf(z: f64) -> f64 {
    if z > 0.0 { (-cdf(-z)).ln_1p() } else { (0.5 * mills(z)).ln() - 0.5 * z * z }
}

/// φ(z)/Φ(z).
fn log_cdf_slope(z: f64) -> f64 {
    if z > 0.0 { log_density(z).exp() / cdf(z) } else { (2.0 / PI).sqrt() / mills(z) }
}

/// Φ⁻¹(u).
pub(crate) fn quantile(u: f64) -> f64 {
    // One Newton step on log Φ: `erfc_inv` has 12 digits in the tail.
    let lower = |u: f64| {
        let z = -SQRT_2 * erfc_inv(2.0 * u);
        if u > 0.0 { z - (log_cdf(z) - u.ln()) / log_cdf_slope(z) } else { z }
    };
    if u > 0.5 { -lower(1.0 - u) } else { lower(u) }
}

/// Φ(z), the distribution function of N(0, 1), to full relative accuracy in the lower tail.
pub(crate) fn normal_cdf<const D: usize>(z: Tensor<D>) -> Tensor<D> {
    host(z, cdf, |z, _| log_density(z).exp())
}

/// log Φ(z), finite wherever z² is.
pub(crate) fn normal_log_cdf<const D: usize>(z: Tensor<D>) -> Tensor<D> {
    host(z, log_cdf, |z, _| log_cdf_slope(z))
}

/// log(φ(z)/Φ(z)), which neither underflows nor cancels.
pub(crate) fn normal_log_hazard<const D: usize>(z: Tensor<D>) -> Tensor<D> {
    let log_hazard = |z: f64| if z > 0.0 { log_density(z) - cdf(z).ln() } else { 0.5 * (2.0 / PI).ln() - mills(z).ln() };
    host(z, log_hazard, |z, _| -z - log_cdf_slope(z))
}

/// z with log Φ(z) = ℓ, for ℓ ≤ log ½: Φ⁻¹(exp ℓ) where exp ℓ may underflow.
pub(crate) fn normal_quantile_of_log<const D: usize>(log_u: Tensor<D>) -> Tensor<D> {
    host(log_u, quantile_of_log, |_, z| log_cdf_slope(z).recip())
}

fn quantile_of_log(log_u: f64) -> f64 {
    if log_u > -600.0 {
        return quantile(log_u.exp());
    }
    // −2 log Φ(z) = z² + log 2πz² + O(z⁻²), solved for z² to that order; Newton squares an error of 1e-4 at each step.
    let twice = -2.0 * log_u - (2.0 * PI).ln();
    let mut z = -(twice - twice.ln()).sqrt();
    for _ in 0..2 {
        z -= (log_cdf(z) - log_u) / log_cdf_slope(z);
    }
    z
}

/// Φ⁻¹(u), the quantile function of N(0, 1).
pub(crate) fn normal_quantile<const D: usize>(u: Tensor<D>) -> Tensor<D> {
    host(u, quantile, |_, z| (-log_density(z)).exp())
}

/// log Γ(a + ½) − log Γ(a) − ½ log a for a > 0, as one expression: the difference of two log-gammas would lose all
/// digits of a large a.
///
/// With R(a) the value sought, R(a) = R(a + n) + ½ Σ_{i<n} (log(1 + 1/(a+i)) − 2 log(1 + 1/(2(a+i)))), which follows
/// from Γ(a + 1) = a Γ(a), and R(a + n) is the asymptotic series in 1/(a + n) (Tricomi & Erdélyi 1951).
/// With n = 10 and seven terms the error is below 1e-16.
pub(crate) fn log_gamma_half_step<const D: usize>(a: Tensor<D>) -> Tensor<D> {
    const SHIFT: usize = 10;
    const SERIES: [f64; 7] =
        [-1.0 / 8.0, 1.0 / 192.0, -1.0 / 640.0, 17.0 / 14336.0, -31.0 / 18432.0, 691.0 / 180_224.0, -5461.0 / 425_984.0];
    let inverse = (a.clone() + SHIFT as f64).recip();
    let square = inverse.clone() * inverse.clone();
    let mut sum = square.zeros_like();
    for term in SERIES.into_iter().rev() {
        sum = sum * square.clone() + term;
    }
    let mut total = sum * inverse;
    for i in 0..SHIFT {
        let step = (a.clone() + i as f64).recip();
        total = total + step.clone().log1p() * 0.5 - (step * 0.5).log1p();
    }
    total
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use burn::tensor::Tensor;
    use statrs::function::gamma::ln_gamma;

    use super::*;
    use crate::placement::Precision;

    /// Φ from mpmath at 40 digits.
    const KNOWN: [(f64, f64); 6] = [
        (-30.0, 4.906713927148187e-198),
        (-6.5, 4.016000583859118e-11),
        (-2.0, 0.02275013194817921),
        (-0.25, 0.4012936743170763),
        (0.75, 0.7733726476231318),
        (1.5, 0.9331927987311419),
    ];

    fn row(v: Vec<f64>) -> Tensor<1> {
        let n = v.len();
        Placement::cpu(Precision::F64).tensor(v, [n])
    }

    #[test]
    fn normal_functions_equal_tabulated_values() {
        for (z, p) in KNOWN {
            let found = values(normal_cdf(row(vec![z])))[0];
            // Rounding z/√2 alone changes Φ by z² ε relative.
            let tolerance = (4.0 + z * z) * f64::EPSILON;
            assert!((found / p - 1.0).abs() < tolerance, "Φ({z}) = {found:e}");
            assert!((values(normal_log_cdf(row(vec![z])))[0] - p.ln()).abs() < tolerance, "log Φ({z})");
            let back = values(normal_quantile(row(vec![p])))[0];
            // dz = dp/φ(z), and |z| φ(z) ≈ p in the tail.
            let slack = 8.0 * f64::EPSILON * (z.abs() + p / log_density(z).exp());
            assert!((back - z).abs() < slack, "Φ⁻¹({p:e}) = {back}");
        }
    }

    #[test]
    fn log_cdf_keeps_its_digits_far_in_the_tail() {
        // Mills' ratio by its asymptotic series, Φ(z) = φ(z)/|z| (1 − 1/z² + 3/z⁴ − …).
        for z in [-60.0, -1e3, -1e8] {
            let r = 1.0 / (z * z);
            let expected = log_density(z) - f64::ln(-z) + (-r * (1.0 - 3.0 * r * (1.0 - 5.0 * r))).ln_1p();
            assert!((log_cdf(z) / expected - 1.0).abs() < 4.0 * f64::EPSILON, "{z}");
            // The next term is 2/z⁴.
            assert!((log_cdf_slope(z) / -z - 1.0 - r).abs() < 3.0 * r * r + 4.0 * f64::EPSILON, "{z}");
        }
        assert_eq!(log_cdf(-1e200), f64::NEG_INFINITY);
        assert_eq!((cdf(f64::NEG_INFINITY), cdf(f64::INFINITY)), (0.0, 1.0));
    }

    #[test]
    fn quantiles_of_logarithms_invert_log_cdf() {
        for z in [-1e8, -1e4, -300.0, -40.0, -34.0, -5.0, -0.3, -1e-3] {
            let back = values(normal_quantile_of_log(normal_log_cdf(row(vec![z]))))[0];
            // A rounding of ℓ ≈ z²/2 is half of one of z in the tail; at 0 it is absolute.
            assert!((back - z).abs() < 8.0 * f64::EPSILON * (1.0 + f64::abs(z)), "{z} came back as {back}");
            let hazard = values(normal_log_hazard(row(vec![z])))[0];
            assert!((hazard - log_cdf_slope(z).ln()).abs() < 8.0 * f64::EPSILON * (1.0 + hazard.abs()), "{z}: {hazard}");
        }
    }

    #[test]
    fn derivatives_equal_finite_differences() {
        let h = 1e-5;
        let check = |name: &str, f: &dyn Fn(Tensor<1>) -> Tensor<1>, at: f64| {
            let x = row(vec![at]).autodiff().require_grad();
            let slope = f(x.clone()).backward();
            let found = values(x.grad(&slope).unwrap())[0];
            let expected = (values(f(row(vec![at + h])))[0] - values(f(row(vec![at - h])))[0]) / (2.0 * h);
            // Central differences: h² f‴ + ε/h.
            assert!((found / expected - 1.0).abs() < 1e-6, "{name} at {at}: {found} against {expected}");
        };
        for at in [-40.0, -5.0, -0.3, 1.2] {
            check("log Φ", &normal_log_cdf, at);
            check("log φ/Φ", &normal_log_hazard, at);
        }
        check("Φ", &normal_cdf, -1.3);
        check("Φ⁻¹", &normal_quantile, 0.07);
        check("Φ⁻¹ exp", &normal_quantile_of_log, -0.9);
        check("Φ⁻¹ exp", &normal_quantile_of_log, -800.0);
        check("log Γ step", &log_gamma_half_step, 0.9);
    }

    #[test]
    fn gamma_ratio_equals_statrs_and_its_limit() {
        let a: Vec<f64> = vec![0.5, 0.7, 1.0, 1.5, 2.0, 3.3, 7.0, 20.0];
        let found = values(log_gamma_half_step(row(a.clone())));
        for (a, found) in a.iter().zip(found) {
            let expected = ln_gamma(a + 0.5) - ln_gamma(*a) - 0.5 * a.ln();
            assert!((found - expected).abs() < 1e-12, "at {a}: {found} against {expected}");
        }
        // The first term of the series, −1/(8a), relative to which the next is 1/(24 a²).
        let far = values(log_gamma_half_step(row(vec![1e6])))[0];
        assert!((far / -1.25e-7 - 1.0).abs() < 1e-8);
    }
}
