//! What a target is tried for before the work: a density near 0, and a gradient that belongs to it.

use knothe::{
    Error, Hint, Placement, Precision,
    inference::{LibraryTarget, Target},
    values,
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use crate::failure::{Failure, say};

/// Standard normal draws at which a target is tried.
const TRIED: usize = 100;
/// Draws at which the gradient is compared with central differences.
const COMPARED: usize = 20;
/// The steps of the differences, as multiples of the one that is best for exact values. Noise in the values gives differences that vary with the step.
const STEPS: [f64; 3] = [1.0, 8.0, 64.0];
/// The relative difference from which two slopes disagree.
const DISAGREE: f64 = 0.01;
/// A slope is wrong only if it is so many times as far from the nearest difference as the differences are apart.
const CLEAR: f64 = 2.0;

/// A point, and the gradient there.
type Point<'a> = (&'a [f64], &'a [f64]);

/// Tries a target at normal draws.
pub fn tried(target: &LibraryTarget, seed: u64) -> Result<(), Failure> {
    let (dim, mut rng) = (target.dim(), ChaCha12Rng::seed_from_u64(seed));
    let x = values(Placement::cpu(Precision::F64).normal::<2>([TRIED, dim], &mut rng));
    let (logs, gradients) = target.log_densities_and_gradients(&x)?;
    let refused = |reason: String, hint: Option<String>| {
        let hint = hint.map(|text| Box::new(Hint::Other(text.into())));
        Failure::from(Error::Unsupported { what: target.name(), reason, hint })
    };
    let points = x.chunks_exact(dim).zip(gradients.chunks_exact(dim)).zip(&logs);
    let points: Vec<Point> = points.filter(|(_, log)| log.is_finite()).map(|(point, _)| point).collect();
    if points.is_empty() {
        let reason = format!(
            "expected a finite log density near 0, found {} at the first of {TRIED} standard normal draws and no finite value at the others",
            logs[0]
        );
        let said = target.first_message().map(|text| format!("the target says: {text}"));
        return Err(refused(reason, Some(said.unwrap_or_else(|| "check the data, and the priors of the parameters".into()))));
    }
    let (all, names) = (points.len(), target.unconstrained_names());
    let sloped: Vec<Point> = points.iter().copied().filter(|(_, gradient)| gradient.iter().all(|g| g.is_finite())).collect();
    if sloped.is_empty() {
        let gradient = points[0].1;
        let j = gradient.iter().position(|g| !g.is_finite()).unwrap_or(0);
        let reason = format!(
            "expected a finite gradient of the log density, found {} for '{}', and no finite gradient at any of {all} points with a density",
            gradient[j], names[j]
        );
        return Err(refused(reason, None));
    }
    if sloped.len() < all {
        let count = all - sloped.len();
        say(format_args!(
            "note: the gradient is not finite at {count} of {all} normal draws with a density; the fit takes such slopes as 0"
        ));
    }
    let compared = Compared::of(target, &sloped, &mut rng)?;
    let Compared { points, wrong, unsure, .. } = compared;
    match compared.first {
        Some(at) if 2 * wrong > points => {
            let (j, found, difference) = worst(target, sloped[at])?;
            let [found, difference] = [found, difference].map(shown);
            let reason = format!(
                "expected the gradient of the log density, found {found} for '{}' where central differences give {difference}; it disagrees at {wrong} of {points} points",
                names[j]
            );
            return Err(refused(reason, None));
        }
        Some(_) => {
            say(format_args!("note: the gradient differs from central differences of the log density at {wrong} of {points} points"))
        }
        None if 2 * unsure > points => say(format_args!(
            "note: the gradient could not be checked: central differences of the log density vary with their step at {unsure} of {points} points"
        )),
        None => {}
    }
    Ok(())
}

/// How gradients compare with central differences.
#[derive(Debug, Default)]
struct Compared {
    points: usize,
    /// Points at which the gradient disagrees with the differences.
    wrong: usize,
    /// Points at which the differences do not tell.
    unsure: usize,
    /// The first point at which the gradient is wrong.
    first: Option<usize>,
}

impl Compared {
    /// Compares along one direction per point. It is normal, so that no wrong slope hides in many directions.
    fn of(target: &impl Target, points: &[Point], rng: &mut ChaCha12Rng) -> Result<Self, Error> {
        let mut found = Compared { points: points.len().min(COMPARED), ..Compared::default() };
        for (at, &(x, gradient)) in points.iter().take(COMPARED).enumerate() {
            let direction = values(Placement::cpu(Precision::F64).normal::<1>([x.len()], rng));
            let slope: f64 = gradient.iter().zip(&direction).map(|(g, v)| g * v).sum();
            match is_slope(slope, differences(target, x, &direction)?) {
                Some(true) => {}
                Some(false) => {
                    found.wrong += 1;
                    found.first.get_or_insert(at);
                }
                None => found.unsure += 1,
            }
        }
        Ok(found)
    }
}

/// Central differences along a direction, one per step. Their errors by rounding and by curvature are both of the order of ε^⅔ for the first step.
fn differences(target: &impl Target, x: &[f64], direction: &[f64]) -> Result<[f64; STEPS.len()], Error> {
    let largest = x.iter().fold(1.0f64, |largest, x| largest.max(x.abs()));
    let step = f64::EPSILON.cbrt() * largest / direction.iter().map(|v| v * v).sum::<f64>().sqrt();
    let offsets = STEPS.into_iter().flat_map(|times| [times * step, -times * step]);
    let rows: Vec<f64> = offsets.flat_map(|by| x.iter().zip(direction).map(move |(x, v)| x + by * v)).collect();
    let logs = target.log_densities(&rows)?;
    let mut found = STEPS.map(|times| 2.0 * times * step);
    for (found, logs) in found.iter_mut().zip(logs.chunks_exact(2)) {
        *found = (logs[0] - logs[1]) / *found;
    }
    Ok(found)
}

/// Whether a slope is the one that differences show. None if they show none: they vary with the step, or no step changes the value.
fn is_slope(slope: f64, differences: [f64; STEPS.len()]) -> Option<bool> {
    if differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    let nearest = differences.iter().map(|d| (slope - d).abs()).fold(f64::INFINITY, f64::min);
    let largest = differences.iter().fold(slope.abs(), |largest, d| largest.max(d.abs()));
    if nearest <= DISAGREE * largest {
        return Some(true);
    }
    let [low, high] = differences.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], d| [low.min(*d), high.max(*d)]);
    let tell = nearest > CLEAR * (high - low) && [low, high] != [0.0; 2];
    tell.then_some(false)
}

/// The coordinate in which a gradient is furthest from the difference, with both.
fn worst(target: &impl Target, (x, gradient): Point) -> Result<(usize, f64, f64), Error> {
    let mut worst = (0, gradient[0], gradient[0]);
    for (j, slope) in gradient.iter().enumerate() {
        let mut direction = vec![0.0; x.len()];
        direction[j] = 1.0;
        let [_, difference, _] = differences(target, x, &direction)?;
        if (slope - difference).abs() > (worst.1 - worst.2).abs() {
            worst = (j, *slope, difference);
        }
    }
    Ok(worst)
}

/// A slope for a message.
fn shown(slope: f64) -> String {
    if slope == 0.0 || (1e-3..1e5).contains(&slope.abs()) { format!("{slope:.5}") } else { format!("{slope:.5e}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A function of two numbers that returns a value and its gradient.
    struct Own<F>(F);

    impl<F: Fn(f64, f64) -> (f64, [f64; 2]) + Sync> Target for Own<F> {
        fn dim(&self) -> usize {
            2
        }

        fn log_density_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64, Error> {
            let (log, slopes) = (self.0)(x[0], x[1]);
            gradient.copy_from_slice(&slopes);
            Ok(log)
        }
    }

    /// The numbers of points at which the gradient of a function is wrong, and at which the differences do not tell.
    fn compared(function: impl Fn(f64, f64) -> (f64, [f64; 2]) + Sync) -> [usize; 2] {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let target = Own(function);
        let x = values(Placement::cpu(Precision::F64).normal::<2>([TRIED, 2], &mut rng));
        let (_, gradients) = target.log_densities_and_gradients(&x).unwrap();
        let points: Vec<Point> = x.chunks_exact(2).zip(gradients.chunks_exact(2)).collect();
        let found = Compared::of(&target, &points, &mut rng).unwrap();
        assert_eq!(found.points, COMPARED);
        [found.wrong, found.unsure]
    }

    fn bent(a: f64, b: f64) -> f64 {
        -0.5 * a * a - (b - a * a).powi(2)
    }

    fn slopes(a: f64, b: f64) -> [f64; 2] {
        [-a + 4.0 * a * (b - a * a), -2.0 * (b - a * a)]
    }

    /// Numbers from 0 to 1 without a pattern.
    fn noise(a: f64, b: f64) -> f64 {
        let mixed = (a.to_bits() ^ b.to_bits().rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }

    #[test]
    fn wrong_gradients_are_seen() {
        assert_eq!(compared(|a, b| (bent(a, b), slopes(a, b))), [0, 0]);
        // A wrong sign, a wrong factor of one slope, slopes in the wrong order, and none.
        let wrong: [fn([f64; 2]) -> [f64; 2]; 4] = [|[a, b]| [-a, -b], |[a, b]| [a, 1.2 * b], |[a, b]| [b, a], |_| [0.0; 2]];
        for (k, wrong) in wrong.into_iter().enumerate() {
            let [found, _] = compared(|a, b| (bent(a, b), wrong(slopes(a, b))));
            assert!(2 * found > COMPARED, "{k}: {found}");
        }
    }

    #[test]
    fn right_gradients_of_rough_functions_are_not_blamed() {
        // Kinks, noise as of a solver of differential equations, single precision, and values that are much larger than their changes.
        assert_eq!(compared(|a, b| (-a.abs() - 3.0 * b.abs(), [-a.signum(), -3.0 * b.signum()])), [0, 0]);
        for size in [1e-8, 1e-6, 1e-4, 1e-2] {
            let [wrong, _] = compared(|a, b| (bent(a, b) + size * noise(a, b), slopes(a, b)));
            assert!(wrong <= 2, "{size}: {wrong}");
        }
        for offset in [0.0, 1e2, 1e4] {
            let [wrong, _] = compared(|a, b| (f64::from((bent(a, b) - offset) as f32), slopes(a, b)));
            assert!(wrong <= 2, "{offset}: {wrong}");
        }
        assert_eq!(compared(|a, b| (bent(a, b) - 1e12, slopes(a, b)))[0], 0);
        // A flat function has the slope 0.
        assert_eq!(compared(|_, _| (1.0, [0.0; 2])), [0, 0]);
    }
}
