//! Rows that were measured with errors, and draws of their true values.

use std::{fmt::Debug, sync::Arc};

use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use crate::{
    error::{Error, Result},
    order::Order,
    random::{Purpose, stream},
    special::{cdf_and_density, quantile},
};

/// How many standard deviations a measured value may lie outside the support of the true ones. Farther out, their probability is hardly a 64-bit number.
#[cfg(feature = "tables")]
const REACH: f64 = 30.0;

/// How a number in the units of a file becomes an element of a row, u(x). The errors of measurements are known in the units of the file.
pub trait Curve: Debug + Send + Sync {
    /// The open interval of the true values.
    fn support(&self) -> [f64; 2] {
        [f64::NEG_INFINITY, f64::INFINITY]
    }

    /// u(x) and log|du/dx| of a number of the support.
    fn encoded(&self, x: f64) -> (f64, f64);
}

/// u(x) = x.
#[derive(Clone, Copy, Debug)]
struct Identity;

impl Curve for Identity {
    fn encoded(&self, x: f64) -> (f64, f64) {
        (x, 0.0)
    }
}

/// An element of each row that was measured.
#[derive(Clone, Debug)]
struct Measured {
    element: usize,
    curve: Arc<dyn Curve>,
    /// In the units of the file, one per row.
    values: Vec<f64>,
    /// Their standard deviations; 0 for a value that is exact or absent.
    sigmas: Vec<f64>,
}

/// The measurement errors of rows: a row w is x + σ ε, where x is the true row, ε has independent standard normal elements, and σ is known for each row and element.
///
/// A density q that is fitted to such rows is that of x. The likelihood of a row is
///
/// p(w) = ∫ q(x) Π_j N(w_j; x_j, σ_j²) dx = E q(w + σ ε) ≈ (1/K) Σ_k q(w + σ ε_k),
///
/// and the expected logarithm of the mean of K draws is a lower bound of log p(w) that tightens as K grows (Burda, Grosse & Salakhutdinov 2016). If q is a mixture of Gaussians,
/// the integral has a closed form (Bovy, Hogg & Roweis 2011).
///
/// The draws of a row form a Latin hypercube: each element has one draw in each of K equally probable parts of its law (McKay, Beckman & Conover 1979). Their mean has the same
/// expectation as the mean of independent draws and usually a smaller variance, so fewer draws suffice. If true values have bounds, the draws come from the part of the normal law
/// within the bounds, and the probability of this part multiplies the mean.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    columns: Vec<Measured>,
}

impl PartialEq for Errors {
    fn eq(&self, other: &Self) -> bool {
        let parts = |errors: &Self| errors.columns.iter().map(|c| (c.element, c.values.clone(), c.sigmas.clone())).collect::<Vec<_>>();
        parts(self) == parts(other)
    }
}

impl Errors {
    /// The errors of rows of `dim` numbers that are elements as they stand: `rows` and their standard deviations, both row-major `[n, dim]`.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is not one σ for each number, and [`Error::Invalid`] for a σ that is negative or not finite.
    pub fn of(rows: &[f64], sigmas: &[f64], dim: usize) -> Result<Self> {
        if rows.len() != sigmas.len() {
            return Err(Error::shape("standard deviations of the errors", format!("{} numbers", rows.len()), sigmas.len()));
        }
        let column = |of: &[f64], j: usize| of.iter().skip(j).step_by(dim.max(1)).copied().collect();
        (0..dim).try_fold(Errors::default(), |errors, j| errors.with(j, Arc::new(Identity), column(rows, j), column(sigmas, j)))
    }

    /// Adds an element that was measured: one value and one standard deviation for each row, in the units of the file.
    ///
    /// # Errors
    /// As [`Errors::of`].
    pub fn with(mut self, element: usize, curve: Arc<dyn Curve>, values: Vec<f64>, sigmas: Vec<f64>) -> Result<Self> {
        if values.len() != sigmas.len() || self.columns.first().is_some_and(|c| c.values.len() != values.len()) {
            return Err(Error::shape("standard deviations of the errors", format!("{} numbers", values.len()), sigmas.len()));
        }
        if let Some(row) = sigmas.iter().position(|sigma| !sigma.is_finite() || *sigma < 0.0) {
            return Err(Error::invalid(
                format!("standard deviation of an error at row {}", row + 1),
                "a finite number of at least 0",
                sigmas[row],
            ));
        }
        if sigmas.iter().any(|sigma| *sigma > 0.0) {
            self.columns.push(Measured { element, curve, values, sigmas });
        }
        Ok(self)
    }

    /// Whether every value is exact.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Checks that there is a σ for each of `rows` rows, and that their elements are below `dim`.
    pub(crate) fn check(&self, rows: usize, dim: usize) -> Result<()> {
        match self.columns.iter().find(|c| c.values.len() != rows || c.element >= dim) {
            Some(c) => Err(Error::shape(
                "errors",
                format!("{rows} rows, and elements below {dim}"),
                format!("{} rows, element {}", c.values.len(), c.element),
            )),
            None => Ok(()),
        }
    }

    /// The numbers that say what the errors are, for a checksum.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = f64> + '_ {
        self.columns.iter().flat_map(|c| std::iter::once(c.element as f64).chain(c.values.iter().chain(&c.sigmas).copied()))
    }

    /// Replaces the copies of a row in `x`, one per draw, by draws of its true values. Adds to `ladj` the log-slopes of the elements and the log-probability of the support, for
    /// each draw.
    ///
    /// The draws depend on the seed and on the measured values alone, so that equal rows have equal draws wherever they stand.
    pub(crate) fn draw(&self, row: usize, x: &mut [f64], ladj: &mut [f64], seed: u64) {
        let (number, mut rng) = (ladj.len(), self.stream(row, seed));
        let dim = x.len() / number.max(1);
        for c in self.columns.iter().filter(|c| c.sigmas[row] > 0.0) {
            let law = Truncated::new(c.values[row], c.sigmas[row], c.curve.support());
            let strata = Order::random(number, &mut rng);
            for (k, &stratum) in strata.columns().iter().enumerate() {
                let (u, slope) = c.curve.encoded(law.quantile((stratum as f64 + rng.random::<f64>()) / number as f64));
                x[k * dim + c.element] = u;
                ladj[k] += slope + law.log_mass;
            }
        }
    }

    /// The stream of random numbers of a row.
    fn stream(&self, row: usize, seed: u64) -> ChaCha12Rng {
        let mixed = |hash: u64, value: f64| {
            let mut hash = (hash ^ value.to_bits()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            hash ^= hash >> 29;
            hash.wrapping_mul(0xBF58_476D_1CE4_E5B9)
        };
        let numbers = self.columns.iter().flat_map(|c| [c.values[row], c.sigmas[row]]);
        stream(seed, Purpose::Errors, numbers.fold(0, mixed) >> 8)
    }
}

/// The normal law of the true value of a measurement, within the support.
struct Truncated {
    value: f64,
    /// Negative where the law is mirrored, so that far tails are lower ones, which keep their digits.
    sigma: f64,
    /// Φ at the lower end, and the probability of the support.
    low: f64,
    mass: f64,
    log_mass: f64,
    /// The numbers next to the bounds.
    ends: [f64; 2],
}

impl Truncated {
    fn new(value: f64, sigma: f64, [a, b]: [f64; 2]) -> Self {
        let sigma = if a > value { -sigma } else { sigma };
        let ends = [(a - value) / sigma, (b - value) / sigma];
        let low = cdf_and_density(ends[0].min(ends[1])).0;
        let mass = (cdf_and_density(ends[0].max(ends[1])).0 - low).max(f64::MIN_POSITIVE);
        Truncated { value, sigma, low, mass, log_mass: mass.ln(), ends: [a.next_up(), b.next_down()] }
    }

    fn quantile(&self, u: f64) -> f64 {
        let u = (self.low + u * self.mass).clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0);
        (self.value + self.sigma * quantile(u)).clamp(self.ends[0], self.ends[1])
    }
}

/// Whether a true value of the support can have been measured as `value`.
#[cfg(feature = "tables")]
pub(crate) fn is_within_reach(value: f64, sigma: f64, [a, b]: [f64; 2]) -> bool {
    value.is_finite() && value > a - REACH * sigma && value < b + REACH * sigma
}

/// A number of the support close to a measured value, for starts from data. It keeps half a standard deviation from the bounds, or a quarter of their distance if that is less.
#[cfg(feature = "tables")]
pub(crate) fn within(value: f64, sigma: f64, [a, b]: [f64; 2]) -> f64 {
    let gap = (sigma / 2.0).min((b - a) / 4.0);
    if gap > 0.0 && gap.is_finite() { value.clamp((a + gap).max(a.next_up()), (b - gap).min(b.next_down())) } else { value }
}

#[cfg(test)]
#[path = "measured_tests.rs"]
mod tests;
