//! Special functions of tensors that Burn lacks: Φ, log Φ, Φ⁻¹ and a ratio of gamma functions.
//!
//! Φ and its relatives are computed on the host in 64 bits, whatever the precision of the tensor: only samples and
//! probability transforms need them, and a tensor's own erf loses the lower tail (½ + ½ erf z is 0 from z = −8.3 on).
//! They have first derivatives: f(x) = f(x₀) + f′(x₀)(x − x₀), where x₀ is x without its gradient.

use std::f64::consts::{LN_2, PI, SQRT_2};

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

/// Chebyshev coefficients of log(erfc(x) e^{x²}/t) in 2t − 1, where t = 2/(2 + x): Mills' ratio over the whole half-line
/// in the form of Press et al. (2007, §6.2.2), fitted to 50 digits. The first one left out is below 1e-19.
const MILLS: [f64; 28] = [
    -0.6513268598908547,
    0.6419697923564902,
    0.019476473204185836,
    -0.009561514786808632,
    -0.0009465953444820369,
    0.00036683949785276145,
    4.252332480690777e-05,
    -2.0278578112534242e-05,
    -1.6242900046470256e-06,
    1.3036558355805232e-06,
    1.5626441722066142e-08,
    -8.523809591492654e-08,
    6.5290544390988515e-09,
    5.059343495551469e-09,
    -9.91364156493033e-10,
    -2.273651222931836e-10,
    9.646791102015527e-11,
    2.3940380830391146e-12,
    -6.886027526497553e-12,
    8.944879273090725e-13,
    3.130921399342958e-13,
    -1.1270822361367252e-13,
    3.810905255189232e-16,
    7.106097613609237e-15,
    -1.5230282014571043e-15,
    -9.457494571291233e-17,
    1.210237189224279e-16,
    -2.816663087747177e-17,
];

/// log(2 Φ(z) e^{z²/2}) for z ≤ 0, with neither overflow nor cancellation (Clenshaw 1955).
fn log_mills(z: f64) -> f64 {
    let t = 2.0 / (2.0 - z / SQRT_2);
    let s = 2.0 * (2.0 * t - 1.0);
    let (b, c) = MILLS[1..].iter().rev().fold((0.0, 0.0), |(b, c), coefficient| (s * b - c + coefficient, b));
    t.ln() + 0.5 * s * b - c + MILLS[0]
}

fn cdf(z: f64) -> f64 {
    let lower = |z: f64| 0.5 * (log_mills(z) - 0.5 * z * z).exp();
    if z > 0.0 { 1.0 - lower(-z) } else { lower(z) }
}

fn log_cdf(z: f64) -> f64 {
    if z > 0.0 { (-cdf(-z)).ln_1p() } else { log_mills(z) - 0.5 * z * z - LN_2 }
}

/// φ(z)/Φ(z).
fn log_cdf_slope(z: f64) -> f64 {
    if z > 0.0 { log_density(z).exp() / cdf(z) } else { (2.0 / PI).sqrt() * (-log_mills(z)).exp() }
}

fn quantile(u: f64) -> f64 {
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

/// log Σ exp over dimension `dim`, which keeps length 1; −∞ where every term is.
pub(crate) fn log_sum_exp<const D: usize>(t: Tensor<D>, dim: usize) -> Tensor<D> {
    // The maximum cancels, so it needs no gradient; the bound keeps −∞ − (−∞) out.
    let most = t.clone().inner().max_dim(dim).clamp_min(f64::from(f32::MIN));
    (t - most.clone()).exp().sum_dim(dim).log() + most
}

#[cfg(test)]
mod tests {
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
            // The next term is 2/z⁴; the logarithm of the ratio, up to 20, is rounded once.
            assert!((log_cdf_slope(z) / -z - 1.0 - r).abs() < 3.0 * r * r + 32.0 * f64::EPSILON, "{z}");
        }
        assert_eq!(log_cdf(-1e200), f64::NEG_INFINITY);
        assert_eq!((cdf(f64::NEG_INFINITY), cdf(f64::INFINITY)), (0.0, 1.0));
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
        }
        check("Φ", &normal_cdf, -1.3);
        check("Φ⁻¹", &normal_quantile, 0.07);
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

    #[test]
    fn log_sum_exp_survives_both_ends() {
        let t = Placement::cpu(Precision::F64).tensor(vec![1000.0, 1000.0, f64::NEG_INFINITY, f64::NEG_INFINITY], [2, 2]);
        let found = values(log_sum_exp(t, 1));
        assert!((found[0] - (1000.0 + LN_2)).abs() < 1e-12);
        assert_eq!(found[1], f64::NEG_INFINITY);
    }
}
