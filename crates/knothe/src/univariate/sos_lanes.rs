//! The sum-of-squares polynomial in one pass; see [`super::SumOfSquares`] for the formula.
//!
//! With u = x within the bound and the nearer end of it outside, v = u/2, t_m = a_m v^m, P = Σ_m t_m and F_i = Σ_{m ≥ i} L_mi t_m of each
//! polynomial, S = ε + Σ P² and R = ε + Σ Σ_i F_i² over all of them: T = c + u R + S (x − u) and T′ = S. For a loss L with ∂L/∂y = g and
//! ∂L/∂ log T′ = h, and s = ∂L/∂S = g (x − u) + h/S,
//!
//! - ∂L/∂c = g, ∂L/∂a_m = 2 v^m (s P + g u Σ_{i ≤ m} L_mi F_i),
//! - ∂L/∂x = g S + h Σ P P′(v)/S, the second term within the bound alone.

use crate::kernels::{LaneMap, Lanes, Real, Theta, ThetaGradient};

/// The map with its constants at hand.
#[derive(Clone, Debug)]
pub(crate) struct SquaredPolynomials {
    pub polynomials: usize,
    pub degree: usize,
    pub bound: Option<f64>,
    /// ε.
    pub least_slope: f64,
    /// The coefficients at θ = 0, `[polynomials, degree + 1]`.
    pub start: Vec<f64>,
    /// The columns of L, each from its diagonal on, one after another.
    pub factor: Vec<f64>,
}

impl SquaredPolynomials {
    /// u.
    #[inline(always)]
    fn inner<T: Real>(&self, x: Lanes<T>) -> Lanes<T> {
        let Some(bound) = self.bound else { return x };
        x.smaller(Lanes::of(bound)).larger(Lanes::of(-bound))
    }

    /// a_m of polynomial `l`.
    #[inline(always)]
    fn coefficient<T: Real>(&self, l: usize, m: usize, theta: Theta<'_, T>) -> Lanes<T> {
        let k = l * (self.degree + 1) + m;
        theta.get(1 + k).fused(Lanes::of(0.5), Lanes::of(self.start[k]))
    }

    /// P; `terms` then has t_m.
    #[inline(always)]
    fn terms<T: Real>(&self, l: usize, v: Lanes<T>, theta: Theta<'_, T>, terms: &mut [Lanes<T>]) -> Lanes<T> {
        let (mut power, mut sum) = (Lanes::of(1.0), Lanes::of(0.0));
        for (m, t) in terms.iter_mut().enumerate() {
            *t = self.coefficient(l, m, theta) * power;
            sum = sum + *t;
            power = power * v;
        }
        sum
    }

    /// F_i, whose column of L starts at `from`.
    #[inline(always)]
    fn row<T: Real>(&self, i: usize, from: usize, terms: &[Lanes<T>]) -> Lanes<T> {
        let mut sum = Lanes::of(0.0);
        for (t, &factor) in terms[i..].iter().zip(&self.factor[from..]) {
            sum = t.fused(Lanes::of(factor), sum);
        }
        sum
    }
}

impl LaneMap for SquaredPolynomials {
    fn scratch(&self) -> usize {
        2 * (self.degree + 1)
    }

    #[inline(always)]
    fn value<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, scratch: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>) {
        let u = self.inner(x);
        let v = u * T::of(0.5);
        let terms = &mut scratch[..=self.degree];
        let (mut slope, mut mean) = (Lanes::of(self.least_slope), Lanes::of(self.least_slope));
        for l in 0..self.polynomials {
            let sum = self.terms(l, v, theta, terms);
            slope = sum.fused(sum, slope);
            let mut from = 0;
            for i in 0..terms.len() {
                let row = self.row(i, from, terms);
                mean = row.fused(row, mean);
                from += terms.len() - i;
            }
        }
        (theta.get(0) + u * mean + slope * (x - u), slope.log())
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
        let u = self.inner(x);
        let v = u * T::of(0.5);
        let (terms, pulls) = scratch.split_at_mut(self.degree + 1);
        let (mut slope, mut bend) = (Lanes::of(self.least_slope), Lanes::of(0.0));
        for l in 0..self.polynomials {
            // P and P′ by Horner's rule.
            let (mut sum, mut derivative) = (Lanes::of(0.0), Lanes::of(0.0));
            for m in (0..=self.degree).rev() {
                derivative = derivative.fused(v, sum);
                sum = sum.fused(v, self.coefficient(l, m, theta));
            }
            slope = sum.fused(sum, slope);
            bend = sum.fused(derivative, bend);
        }
        let log_slope = h / slope;
        let by_slope = g * (x - u) + log_slope;
        let by_mean = g * u;
        into.set(0, g);
        for l in 0..self.polynomials {
            let sum = self.terms(l, v, theta, terms);
            for pull in pulls.iter_mut() {
                *pull = Lanes::of(0.0);
            }
            let mut from = 0;
            for i in 0..terms.len() {
                let row = self.row(i, from, terms);
                for (pull, &factor) in pulls[i..].iter_mut().zip(&self.factor[from..]) {
                    *pull = row.fused(Lanes::of(factor), *pull);
                }
                from += terms.len() - i;
            }
            // Half of the 2 is that of the coefficients, which are counted in halves.
            let (own, mut power) = (by_slope * sum, Lanes::of(1.0));
            for (m, &pull) in pulls.iter().enumerate() {
                into.set(1 + l * terms.len() + m, power * by_mean.fused(pull, own));
                power = power * v;
            }
        }
        let bend = log_slope * bend;
        let bound = Lanes::of(self.bound.unwrap_or(f64::INFINITY));
        let within = x.magnitude().below(bound, bend, Lanes::of(0.0));
        g.fused(slope, within)
    }
}
