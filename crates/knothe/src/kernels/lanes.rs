//! Sixteen numbers at once, and the elementary functions of them.
//!
//! Each operation is a loop over an array of fixed length, which the compiler turns into vector instructions inside
//! [`vectorised`]; so there are no intrinsics here, and every instruction set gets the same numbers. The functions have no
//! branches. Errors, in units of the last place, are tested below: exp 2, log 2, log(1 + u) 3.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::Real;

/// Numbers a vector.
pub(crate) const LANES: usize = 16;

/// Sixteen numbers.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Lanes<T>(pub [T; LANES]);

/// Runs `work` with the best vector instructions of the machine.
///
/// Only what is inlined into `work` gets them: so loops are `for` loops in it, and functions and closures `#[inline(always)]`.
#[inline(always)]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// The bytes of all vector registers that [`vectorised`] work has.
pub(super) fn register_bytes() -> usize {
    #[cfg(target_arch = "x86_64")]
    if matches!(pulp::Arch::new(), pulp::Arch::V4(_)) {
        return 32 * 64;
    }
    // Sixteen of AVX2 and thirty-two of NEON.
    16 * 32
}

macro_rules! operator {
    ($trait:ident, $method:ident, $operator:tt) => {
        impl<T: Real> $trait for Lanes<T> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                self.with(other, #[inline(always)] |a, b| a $operator b)
            }
        }

        impl<T: Real> $trait<T> for Lanes<T> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: T) -> Self {
                self.map(#[inline(always)] |a| a $operator other)
            }
        }
    };
}

operator!(Add, add, +);
operator!(Sub, sub, -);
operator!(Mul, mul, *);
operator!(Div, div, /);

impl<T: Real> Neg for Lanes<T> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        self.map(
            #[inline(always)]
            |a| -a,
        )
    }
}

impl<T: Real> Lanes<T> {
    /// The same constant in every lane.
    #[inline(always)]
    pub fn of(value: f64) -> Self {
        Lanes([T::of(value); LANES])
    }

    /// The first sixteen numbers of a slice.
    #[inline(always)]
    pub fn load(from: &[T]) -> Self {
        let mut lanes = [T::of(0.0); LANES];
        lanes.copy_from_slice(&from[..LANES]);
        Lanes(lanes)
    }

    /// Writes the lanes to the first sixteen places of a slice.
    #[inline(always)]
    pub fn store(self, into: &mut [T]) {
        into[..LANES].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn map(mut self, f: impl Fn(T) -> T) -> Self {
        for a in &mut self.0 {
            *a = f(*a);
        }
        self
    }

    #[inline(always)]
    fn with(mut self, other: Self, f: impl Fn(T, T) -> T) -> Self {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a = f(*a, b);
        }
        self
    }

    /// self · a + b, rounded once.
    #[inline(always)]
    pub fn fused(mut self, a: Self, b: Self) -> Self {
        for i in 0..LANES {
            self.0[i] = self.0[i].fused(a.0[i], b.0[i]);
        }
        self
    }

    /// `yes` where self < `bound`, else `no`; `no` where either is NaN.
    #[inline(always)]
    pub fn below(self, bound: Self, yes: Self, no: Self) -> Self {
        let mut chosen = no;
        for i in 0..LANES {
            chosen.0[i] = if self.0[i] < bound.0[i] { yes.0[i] } else { no.0[i] };
        }
        chosen
    }

    /// `yes` where self is `number`, else `no`.
    #[inline(always)]
    pub fn equals(self, number: T, yes: Self, no: Self) -> Self {
        let mut chosen = no;
        for i in 0..LANES {
            chosen.0[i] = if self.0[i] == number { yes.0[i] } else { no.0[i] };
        }
        chosen
    }

    /// The larger of two; self where it is NaN.
    #[inline(always)]
    pub fn larger(self, other: Self) -> Self {
        self.below(other, other, self)
    }

    /// The smaller of two; self where it is NaN.
    #[inline(always)]
    pub fn smaller(self, other: Self) -> Self {
        other.below(self, other, self)
    }

    /// |x|.
    #[inline(always)]
    pub fn magnitude(self) -> Self {
        self.below(Lanes::of(0.0), -self, self)
    }

    /// √x.
    #[inline(always)]
    pub fn root(self) -> Self {
        self.map(
            #[inline(always)]
            |a| a.root(),
        )
    }

    /// e^x: 0 below and ∞ above what the precision holds.
    #[inline(always)]
    pub fn exp(self) -> Self {
        self.map(
            #[inline(always)]
            |x| exp(x),
        )
    }

    /// e^x for x ≤ 80, in fewer operations; far beyond that it means nothing, so x has to have a bound.
    #[inline(always)]
    pub fn moderate_exp(self) -> Self {
        self.map(
            #[inline(always)]
            |x| moderate_exp(x),
        )
    }

    /// log x: −∞ at 0, NaN below.
    #[inline(always)]
    pub fn log(self) -> Self {
        self.map(
            #[inline(always)]
            |x| log(x),
        )
    }

    /// log(1 + u) for u ≥ 0, with all its digits near 0.
    #[inline(always)]
    pub fn log_1p(self) -> Self {
        self.map(
            #[inline(always)]
            |u| log_1p(u),
        )
    }

    /// σ(x) = 1/(1 + e^−x) and its complement σ(−x), each with all its digits.
    #[inline(always)]
    pub fn sigmoids(self) -> (Self, Self) {
        let far = (-self.magnitude()).moderate_exp();
        let large = Lanes::of(1.0) / (far + T::of(1.0));
        let small = far * large;
        let zero = Lanes::of(0.0);
        (self.below(zero, small, large), self.below(zero, large, small))
    }

    /// log(1 + e^x).
    #[inline(always)]
    pub fn softplus(self) -> Self {
        let far = (-self.magnitude()).moderate_exp();
        self.larger(Lanes::of(0.0))
            + far.map(
                #[inline(always)]
                |u| log_1p_within(u),
            )
    }
}

/// Σ cₖ xᵏ by Horner's rule, over a constant number of coefficients.
#[inline(always)]
fn series<T: Real>(x: T, degree: usize, coefficient: impl Fn(usize) -> f64) -> T {
    let mut sum = T::of(coefficient(degree));
    for k in (0..degree).rev() {
        sum = sum.fused(x, T::of(coefficient(k)));
    }
    sum
}

/// 1/k!.
const RECIPROCAL_FACTORIALS: [f64; 14] = {
    let mut values = [1.0; 14];
    let mut k = 1;
    while k < 14 {
        values[k] = values[k - 1] / k as f64;
        k += 1;
    }
    values
};

/// 2ᵐ and n + [`Real::ROUNDING`] with e^x = 2^(m + n) and |m| ≤ 1/2, where the precision holds e^x.
#[inline(always)]
fn exp_in_parts<T: Real>(x: T) -> (T, T) {
    let rounded = x.fused(T::of(std::f64::consts::LOG2_E), T::of(T::ROUNDING));
    let n = rounded - T::of(T::ROUNDING);
    let rest = n.fused(T::of(-T::LOG_2[1]), n.fused(T::of(-T::LOG_2[0]), x));
    let value = series(
        rest,
        T::EXP_DEGREE,
        #[inline(always)]
        |k| RECIPROCAL_FACTORIALS[k],
    );
    (value, rounded)
}

#[inline(always)]
fn exp<T: Real>(x: T) -> T {
    let [low, high] = [T::of(T::EXPONENTS[0]), T::of(T::EXPONENTS[1])];
    // Comparisons that NaN passes.
    let within = if x < low { low } else { x };
    let within = if within > high { high } else { within };
    let (value, rounded) = exp_in_parts(within);
    // Above 1, 2ⁿ in two factors: 2¹²⁸ is not a number, 0.9 · 2¹²⁸ is.
    let (one, two) = if x > T::of(0.0) { (T::of(1.0), T::of(2.0)) } else { (T::of(0.0), T::of(1.0)) };
    let value = value * (rounded - one).power_of_two() * two;
    let value = if x < low { T::of(0.0) } else { value };
    if x > high { T::of(f64::INFINITY) } else { value }
}

#[inline(always)]
fn moderate_exp<T: Real>(x: T) -> T {
    let low = T::of(T::EXPONENTS[0]);
    let (value, rounded) = exp_in_parts(if x < low { low } else { x });
    if x < low { T::of(0.0) } else { value * rounded.power_of_two() }
}

/// m − 1 − log m from m − 1 and s = (m − 1)/(m + 1), by so many terms.
#[inline(always)]
fn log_rest<T: Real>(less: T, s: T, terms: usize) -> T {
    let square = s * s;
    // log m = 2 atanh s = (m − 1) − s ((m − 1) − 2 s² Σ s²ᵏ/(2k + 3)): the first term is exact.
    let rest = square
        * series(
            square,
            terms - 1,
            #[inline(always)]
            |k| 2.0 / (2 * k + 3) as f64,
        );
    s * (less - rest)
}

/// log(m 2ⁿ) from n, m − 1 and s = (m − 1)/(m + 1).
#[inline(always)]
fn log_of<T: Real>(n: T, less: T, s: T) -> T {
    let value = n.fused(T::of(T::LOG_2[1]), -log_rest(less, s, T::LOG_TERMS)) + less;
    n.fused(T::of(T::LOG_2[0]), value)
}

/// log(1 + u) for u in [0, 1].
#[inline(always)]
fn log_1p_within<T: Real>(u: T) -> T {
    u - log_rest(u, u / (u + T::of(2.0)), T::WIDE_LOG_TERMS)
}

#[inline(always)]
fn log<T: Real>(x: T) -> T {
    let small = x < T::of(T::SMALLEST);
    let raised = if small { x * T::of(f64::powi(2.0, T::RAISE)) } else { x };
    let (m, n) = raised.mantissa_and_exponent();
    let n = if small { n - T::of(f64::from(T::RAISE)) } else { n };
    let less = m - T::of(1.0);
    let value = log_of(n, less, less / (m + T::of(1.0)));
    let value = if x > T::of(0.0) { value } else { T::of(f64::NAN) };
    let value = if x == T::of(0.0) { T::of(f64::NEG_INFINITY) } else { value };
    if x == T::of(f64::INFINITY) { x } else { value }
}

#[inline(always)]
fn log_1p<T: Real>(u: T) -> T {
    let one = T::of(1.0);
    let w = u + one;
    let (m, n) = w.mantissa_and_exponent();
    let (less, inverse) = (m - one, one / (m + one));
    let s = less * inverse;
    let value = log_of(n, less, s);
    // log(1 + u) − log w = (1 + u − w)/w, which is of no account from w = 2√2 on; 1/m = 2/(m + 1) · (1 − s) to the second power of s.
    let lost = u - (w - one);
    let share = if n < T::of(0.5) { T::of(2.0) } else { one };
    let share = if n < T::of(1.5) { share } else { T::of(0.0) };
    let value = value + lost * (inverse - s * inverse) * share;
    if u == T::of(f64::INFINITY) { u } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error of `f` against `exact`, in units of the last place of the exact value.
    fn worst<T: Real>(xs: &[f64], f: impl Fn(Lanes<T>) -> Lanes<T>, exact: impl Fn(f64) -> f64, epsilon: f64) -> f64 {
        xs.iter().fold(0.0, |worst: f64, &x| {
            let x = T::of(x);
            let found: f64 = nalgebra::try_convert(f(Lanes([x; LANES])).0[7]).unwrap_or(f64::NAN);
            let exact = exact(nalgebra::try_convert(x).unwrap_or(f64::NAN));
            let error = (found - exact).abs() / (exact.abs() * epsilon);
            assert!(!error.is_nan(), "{x}: {found} against {exact}");
            worst.max(error)
        })
    }

    fn spaced(from: f64, to: f64) -> Vec<f64> {
        (0..100_000).map(|k| from + (to - from) * (f64::from(k) + 0.37) / 100_000.0).collect()
    }

    fn near_and_far() -> Vec<f64> {
        [spaced(0.0, 1e-6), spaced(0.0, 1.0), spaced(1.0, 9.0), spaced(9.0, 1e30)].concat()
    }

    #[test]
    fn functions_are_right_to_the_last_places() {
        let (single, double) = (f64::from(f32::EPSILON), f64::EPSILON);
        let found = vectorised(|| {
            [
                worst::<f32>(&spaced(-87.0, 88.6), Lanes::exp, f64::exp, single),
                worst::<f64>(&spaced(-700.0, 709.0), Lanes::exp, f64::exp, double),
                worst::<f32>(&spaced(1e-6, 5.0), Lanes::log, f64::ln, single),
                worst::<f64>(&spaced(1e-6, 5.0), Lanes::log, f64::ln, double),
                worst::<f32>(&spaced(1e-40, 1e-37), Lanes::log, f64::ln, single),
                worst::<f32>(&spaced(1.0, 1e38), Lanes::log, f64::ln, single),
                worst::<f64>(&spaced(1.0, 1e300), Lanes::log, f64::ln, double),
                worst::<f32>(&near_and_far(), Lanes::log_1p, f64::ln_1p, single),
                worst::<f64>(&near_and_far(), Lanes::log_1p, f64::ln_1p, double),
                worst::<f32>(&spaced(-87.0, 80.0), Lanes::moderate_exp, f64::exp, single),
                worst::<f64>(&spaced(-708.0, 80.0), Lanes::moderate_exp, f64::exp, double),
                worst::<f32>(&spaced(-80.0, 80.0), Lanes::softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), single),
                worst::<f32>(&spaced(-80.0, 80.0), |x| x.sigmoids().0, |x| 1.0 / (1.0 + (-x).exp()), single),
                worst::<f64>(&spaced(-80.0, 80.0), |x| x.sigmoids().1, |x| 1.0 / (1.0 + x.exp()), double),
                worst::<f64>(&spaced(-80.0, 80.0), Lanes::softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), double),
            ]
        });
        // The last four round a few times more.
        let bounds = [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 2.0, 2.0, 5.0, 5.0, 5.0, 5.0];
        for (k, (found, bound)) in found.into_iter().zip(bounds).enumerate() {
            assert!(found <= bound, "function {k}: {found} units of the last place");
        }
    }

    fn edges<T: Real>() {
        let at = |f: fn(Lanes<T>) -> Lanes<T>, x: f64| f(Lanes::of(x)).0[3];
        assert_eq!(at(Lanes::exp, -1e4), T::of(0.0));
        assert_eq!(at(Lanes::exp, f64::NEG_INFINITY), T::of(0.0));
        assert_eq!(at(Lanes::moderate_exp, f64::NEG_INFINITY), T::of(0.0));
        assert_eq!(at(Lanes::moderate_exp, 0.0), T::of(1.0));
        assert_eq!(at(Lanes::exp, 1e4), T::of(f64::INFINITY));
        assert_eq!(at(Lanes::exp, 0.0), T::of(1.0));
        assert_eq!(at(Lanes::log, 0.0), T::of(f64::NEG_INFINITY));
        assert_eq!(at(Lanes::log, 1.0), T::of(0.0));
        assert_eq!(at(Lanes::log, f64::INFINITY), T::of(f64::INFINITY));
        assert_eq!(at(Lanes::log_1p, 0.0), T::of(0.0));
        assert_eq!(at(Lanes::log_1p, f64::INFINITY), T::of(f64::INFINITY));
        for nan in [
            at(Lanes::exp, f64::NAN),
            at(Lanes::moderate_exp, f64::NAN),
            at(Lanes::log, f64::NAN),
            at(Lanes::log, -1.0),
            at(Lanes::log_1p, f64::NAN),
            at(Lanes::softplus, f64::NAN),
        ] {
            assert!(nan.partial_cmp(&nan).is_none(), "what is no number has to show");
        }
    }

    /// Each instruction set is a feature of `pulp`; where one is missing, so is its name here.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_machine_with_vectors_uses_them() {
        let has = |avx512: bool| if avx512 { is_x86_feature_detected!("avx512dq") } else { is_x86_feature_detected!("fma") };
        let used = pulp::Arch::new();
        match used {
            pulp::Arch::V4(_) => {}
            pulp::Arch::V3(_) => assert!(!has(true), "{used:?}"),
            _ => assert!(!has(false), "{used:?}"),
        }
    }

    #[test]
    fn edges_are_exact() {
        edges::<f32>();
        edges::<f64>();
    }
}
