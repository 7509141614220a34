//! Logarithms of sums of exponentials, with all digits at both ends.
//!
//! Burn's softplus is the line x above 20, and a logarithm of 1 + e loses the digits of a small e. Both are visible in
//! 64 bits: a log-slope then falls where it must rise. Here every small term goes through log(1 + e) in one step, `log1p`.

use std::f64::consts::LN_2;

use burn::tensor::Tensor;

/// log(eᵃ + eᵇ). NaN stays NaN.
pub(crate) fn log_add(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let (high, low) = (a.max(b), a.min(b));
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|).
///
/// It tends to eˣ for x → −∞ and to x for x → ∞, and it rises strictly until rounding levels it. Every result has an error
/// of a few roundings, however small the result is. The derivative is the logistic function σ(x), which is ½ at 0.
/// log σ(x) is −softplus(−x).
///
/// ```
/// use knothe::{Placement, Precision, special::softplus, values};
/// let x = Placement::cpu(Precision::F64).tensor(vec![-100.0, 0.0, 40.0], [3]);
/// let y = values(softplus(x));
/// assert!((y[0] / (-100f64).exp() - 1.0).abs() < 1e-15);
/// assert_eq!(y[1..], [2f64.ln(), 40.0]);
/// ```
pub fn softplus<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let negative = x.clone().lower_scalar(0.0);
    let rise = x.clone().mask_fill(negative.clone(), 0.0);
    // −|x| as a choice of sign: the derivative of |x| would be 0 at 0.
    let tail = x.clone().neg().mask_where(negative, x);
    rise + tail.exp().log1p()
}

/// log cosh x = |x| − log 2 + log(1 + e^−2|x|), the logarithm of the slope of sinh.
///
/// It is x²/2 near 0, tends to |x| − log 2 far out, and does not overflow where cosh does. Every result has an error of a
/// few roundings, also near 0, where it is computed as log(1 + 2 sinh²(x/2)). The derivative is tanh x.
///
/// ```
/// use knothe::{Placement, Precision, special::log_cosh, values};
/// let x = Placement::cpu(Precision::F64).tensor(vec![1e-9, 1e4], [2]);
/// let y = values(log_cosh(x));
/// assert!((y[0] / 0.5e-18 - 1.0).abs() < 1e-15);
/// assert_eq!(y[1], 1e4 - 2f64.ln());
/// ```
pub fn log_cosh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let size = x.clone().mask_where(x.clone().lower_scalar(0.0), x.neg());
    let is_near = size.clone().lower_scalar(1.0);
    // The branch that is not taken stays finite, or its gradient of 0 would become NaN.
    let near = ((size.clone().clamp_max(1.0) * 0.5).sinh().square() * 2.0).log1p();
    let far = (size.clone() - LN_2) + (size * -2.0).exp().log1p();
    far.mask_where(is_near, near)
}

/// log Σ exp(t) over dimension `dim`, which keeps length 1.
///
/// With m = max t, it is m + log(1 + Σ′ exp(t − m)), where the sum Σ′ leaves out one term that is m. A term that is far below
/// the largest still counts, also where the result is near 0. The result is −∞ where every term is. The derivatives are the
/// shares exp(t) / Σ exp(t), and equal terms get equal ones.
///
/// ```
/// use knothe::{Placement, Precision, special::logsumexp, values};
/// let t = Placement::cpu(Precision::F64).tensor(vec![0.0, -40.0, 1e3, 1e3], [2, 2]);
/// let y = values(logsumexp(t, 1));
/// assert_eq!(y, [(-40f64).exp(), 1e3 + 2f64.ln()]);
/// ```
pub fn logsumexp<const D: usize>(t: Tensor<D>, dim: usize) -> Tensor<D> {
    let at = t.clone().inner();
    // The maximum cancels, so it needs no gradient; 0 in the place of an infinite one keeps ∞ − ∞ out.
    let most = at.clone().max_dim(dim);
    let most = most.clone().mask_fill(most.is_inf(), 0.0);
    // 1 where a term is the largest. Such a term is e⁰ = 1 exactly: taking it off loses no digit of the others.
    let largest = at.zeros_like().mask_fill(at.equal(most.clone()), 1.0);
    let others = largest.clone().sum_dim(dim) - 1.0;
    let rest = ((t - most.clone()).exp() - largest).sum_dim(dim) + others;
    rest.log1p() + most
}

#[cfg(test)]
#[path = "logarithms_tests.rs"]
mod tests;
