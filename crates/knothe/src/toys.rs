//! Densities of two columns that are known exactly: what examples and tests learn, and what their log_prob is compared with.
//!
//! The difference mean(log q_true − log q_model) over draws of a [`Toy`] estimates KL(true ‖ model), which is 0 only for the
//! truth itself:
//!
//! ```
//! use knothe::toys::Toy;
//! use rand::SeedableRng;
//! let x = Toy::Moons.sample(1_000, &mut rand_chacha::ChaCha12Rng::seed_from_u64(0));
//! let entropy = -x.iter().map(|&x| Toy::Moons.log_prob(x)).sum::<f64>() / 1_000.0;
//! assert!((entropy - Toy::Moons.entropy()).abs() < 0.2);
//! ```

use std::f64::consts::{LN_2, PI, TAU};

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// log √(2π).
const LOG_ROOT_TAU: f64 = 0.918_938_533_204_672_7;
/// The number by which the eight Gaussians are scaled, as published code has it.
const ROOT: f64 = 1.414;
/// The standard deviation of the radius of the ring.
const WIDTH: f64 = 0.3;
/// The noise of the moons.
const NOISE: f64 = 0.1;
/// Intervals of Simpson's rule over half a circle. At 256 its error is below 1e-5 of the density of the moons.
const INTERVALS: usize = 256;

/// A density on the plane with a known formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toy {
    /// x₂ ~ N(0, 4), x₁ ~ N(x₂²/4, 1) (Papamakarios, Pavlakou & Murray 2017, Fig. 1).
    Parabola,
    /// x₁ ~ N(0, 1), x₂ ~ N(x₁², 1).
    Banana,
    /// x₁ ~ N(0, 3²), x₂ ~ N(0, exp x₁) (after Neal 2003).
    Funnel,
    /// A radius of N(2, 0.3²) at a uniform angle.
    Ring,
    /// Gaussians of deviation 0.5/1.414 at eight points of the circle of radius 4/1.414.
    EightGaussians,
    /// Two half circles with Gaussian noise of deviation 0.1, as scikit-learn has them.
    Moons,
    /// Uniform on eight alternate unit squares of [−2, 2]².
    Checkerboard,
}

impl Toy {
    /// All of them.
    pub const ALL: [Toy; 7] = [Toy::Parabola, Toy::Banana, Toy::Funnel, Toy::Ring, Toy::EightGaussians, Toy::Moons, Toy::Checkerboard];

    /// The name, in lower case with underscores.
    pub fn name(self) -> &'static str {
        match self {
            Toy::Parabola => "parabola",
            Toy::Banana => "banana",
            Toy::Funnel => "funnel",
            Toy::Ring => "ring",
            Toy::EightGaussians => "eight_gaussians",
            Toy::Moons => "moons",
            Toy::Checkerboard => "checkerboard",
        }
    }

    /// −∫ q log q in nats, to five digits after the point: a model's best mean log-likelihood is its negative.
    pub fn entropy(self) -> f64 {
        match self {
            Toy::Parabola => 3.53102,
            Toy::Banana => 2.83788,
            Toy::Funnel => 3.93649,
            Toy::Ring => 2.73433,
            Toy::EightGaussians => 2.83188,
            Toy::Moons => 1.00758,
            Toy::Checkerboard => 3.0 * LN_2,
        }
    }

    /// A rectangle [low, high] for each column that shows the density.
    pub fn window(self) -> [[f64; 2]; 2] {
        match self {
            Toy::Parabola => [[-3.5, 11.0], [-6.5, 6.5]],
            Toy::Banana => [[-3.2, 3.2], [-3.0, 9.0]],
            Toy::Funnel => [[-8.0, 8.0], [-16.0, 16.0]],
            Toy::Ring => [[-3.2, 3.2], [-3.2, 3.2]],
            Toy::EightGaussians => [[-4.2, 4.2], [-4.2, 4.2]],
            Toy::Moons => [[-1.5, 2.5], [-1.1, 1.6]],
            Toy::Checkerboard => [[-2.4, 2.4], [-2.4, 2.4]],
        }
    }

    /// `n` independent draws.
    pub fn sample(self, n: usize, rng: &mut impl Rng) -> Vec<[f64; 2]> {
        (0..n).map(|_| self.draw(rng)).collect()
    }

    fn draw(self, rng: &mut impl Rng) -> [f64; 2] {
        let z: [f64; 2] = [StandardNormal.sample(rng), StandardNormal.sample(rng)];
        match self {
            Toy::Parabola => [z[1] * z[1] + z[0], 2.0 * z[1]],
            Toy::Banana => [z[0], z[0] * z[0] + z[1]],
            Toy::Funnel => [3.0 * z[0], (1.5 * z[0]).exp() * z[1]],
            Toy::Ring => {
                let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
                let r = 2.0 + WIDTH * z[0];
                [r * cos, r * sin]
            }
            Toy::EightGaussians => {
                let [a, b] = centre(rng.random_range(0..8));
                [a + 0.5 / ROOT * z[0], b + 0.5 / ROOT * z[1]]
            }
            Toy::Moons => {
                let [a, b] = arc(rng.random::<bool>(), PI * rng.random::<f64>());
                [a + NOISE * z[0], b + NOISE * z[1]]
            }
            Toy::Checkerboard => {
                let (column, row) = (rng.random_range(0..4), rng.random_range(0..2));
                let (a, b): (f64, f64) = (rng.random(), rng.random());
                [f64::from(column) - 2.0 + a, f64::from(2 * row + column % 2) - 2.0 + b]
            }
        }
    }

    /// log q(x); −∞ outside the checkerboard.
    pub fn log_prob(self, [x, y]: [f64; 2]) -> f64 {
        match self {
            Toy::Parabola => log_normal((x - y * y / 4.0, y / 2.0)) - LN_2,
            Toy::Banana => log_normal((x, y - x * x)),
            Toy::Funnel => log_normal((x / 3.0, y * (-x / 2.0).exp())) - 3f64.ln() - x / 2.0,
            Toy::Ring => {
                // A radius below 0, of probability 1e-11, is the same radius above it at the opposite angle: the last term.
                let r = x.hypot(y);
                let log_radius = -0.5 * ((r - 2.0) / WIDTH).powi(2) - LOG_ROOT_TAU - WIDTH.ln();
                log_radius - (TAU * r).ln() + (-4.0 * r / (WIDTH * WIDTH)).exp().ln_1p()
            }
            Toy::EightGaussians => {
                let scale = 0.5 / ROOT;
                let each = (0..8).map(|k| {
                    let [a, b] = centre(k);
                    log_normal(((x - a) / scale, (y - b) / scale))
                });
                log_sum_exp(each) - 2.0 * scale.ln() - 8f64.ln()
            }
            Toy::Moons => {
                let each = (0..=INTERVALS).flat_map(|i| [false, true].map(|lower| (lower, i))).map(|(lower, i)| {
                    let [a, b] = arc(lower, PI * i as f64 / INTERVALS as f64);
                    let weight = if i == 0 || i == INTERVALS { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
                    log_normal(((x - a) / NOISE, (y - b) / NOISE)) + f64::ln(weight)
                });
                log_sum_exp(each) - 2.0 * NOISE.ln() - (6.0 * INTERVALS as f64).ln()
            }
            Toy::Checkerboard => {
                let inside = [x, y].iter().all(|v| (-2.0..2.0).contains(v));
                let lit = (x.floor() + y.floor()).rem_euclid(2.0) == 0.0;
                if inside && lit { -3.0 * LN_2 } else { f64::NEG_INFINITY }
            }
        }
    }
}

/// The standard normal log density of a pair.
fn log_normal((a, b): (f64, f64)) -> f64 {
    -0.5 * (a * a + b * b) - 2.0 * LOG_ROOT_TAU
}

/// The centre of Gaussian `k` of eight.
fn centre(k: u32) -> [f64; 2] {
    let (sin, cos) = (f64::from(k) * PI / 4.0).sin_cos();
    [4.0 / ROOT * cos, 4.0 / ROOT * sin]
}

/// The point of a moon at an angle.
fn arc(lower: bool, angle: f64) -> [f64; 2] {
    let (sin, cos) = angle.sin_cos();
    if lower { [1.0 - cos, 0.5 - sin] } else { [cos, sin] }
}

/// log Σ exp, of numbers that are not all −∞.
fn log_sum_exp(each: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = each.clone().fold(f64::NEG_INFINITY, f64::max);
    largest + each.map(|v| (v - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    #[test]
    fn entropies_are_the_published_ones() {
        let n = 100_000;
        for toy in Toy::ALL {
            let draws = toy.sample(n, &mut ChaCha12Rng::seed_from_u64(1));
            let l: Vec<f64> = draws.iter().map(|&x| -toy.log_prob(x)).collect();
            let mean = l.iter().sum::<f64>() / n as f64;
            let deviation = (l.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
            // Four standard errors, and the fifth digit of the constant.
            let tolerance = 4.0 * deviation / (n as f64).sqrt() + 1e-5;
            assert!((mean - toy.entropy()).abs() < tolerance, "{}: {mean}, expected {}", toy.name(), toy.entropy());
        }
    }

    #[test]
    fn densities_integrate_to_one() {
        for toy in Toy::ALL {
            // Beyond these lies less than 1e-8 of the mass. The rows of the funnel have their own widths, 16 times exp(x₁/2).
            let [wide, high] = match toy {
                Toy::Parabola => [[-7.0, 48.0], [-13.0, 13.0]],
                Toy::Banana => [[-6.5, 6.5], [-7.0, 48.0]],
                Toy::Funnel => [[-20.0, 20.0], [-8.0, 8.0]],
                Toy::Checkerboard => [[-3.0, 3.0]; 2],
                _ => [[-6.0, 6.0]; 2],
            };
            let n = 240;
            let at = |[low, high]: [f64; 2], i: usize| low + (high - low) * (i as f64 + 0.5) / n as f64;
            let mut sum = 0.0;
            for i in 0..n {
                let x = at(wide, i);
                let scale = if toy == Toy::Funnel { (x / 2.0).exp() } else { 1.0 };
                sum += (0..n).map(|j| (toy.log_prob([x, scale * at(high, j)])).exp()).sum::<f64>() * scale;
            }
            let total = sum * (wide[1] - wide[0]) * (high[1] - high[0]) / (n * n) as f64;
            // The midpoint rule is spectrally exact for smooth densities that vanish at the ends, and for squares whose sides are
            // multiples of the step; what is left is Simpson's error in the moons.
            assert!((total - 1.0).abs() < 1e-5, "{}: {total}", toy.name());
        }
    }

    #[test]
    fn draws_lie_where_the_density_is() {
        // The share of draws in the left half of the window against the integral there, which the entropy alone does not see.
        for toy in [Toy::Moons, Toy::EightGaussians, Toy::Checkerboard] {
            let n = 20_000;
            let draws = toy.sample(n, &mut ChaCha12Rng::seed_from_u64(2));
            for edge in [-0.3, 0.7] {
                let step = 0.05;
                let cells = |low: f64, high: f64| (0..((high - low) / step).round() as usize).map(move |i| low + (i as f64 + 0.5) * step);
                let expected: f64 =
                    cells(-5.0, edge).flat_map(|x| cells(-5.0, 5.0).map(move |y| toy.log_prob([x, y]).exp() * step * step)).sum();
                let found = draws.iter().filter(|x| x[0] < edge).count() as f64 / n as f64;
                // Four binomial standard errors.
                assert!((found - expected).abs() < 2.0 / (n as f64).sqrt(), "{}: {found}, expected {expected}", toy.name());
            }
        }
    }
}
