//! Quantiles of a mixture, one number at a time on the host.
//!
//! A tensor search would carry every row along until the slowest has converged, with every component at every step; one
//! number takes about eight steps of its own.

use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::{Standard, mixture::Components};
use crate::{
    error::{Error, Result},
    placement::{Placement, values},
};

/// Newton steps and bisections together; a bisection halves a bracket at most 64 times before its ends are neighbours.
const ITERATIONS: usize = 200;

/// One component: its weight, mean and scale.
type Component = (f64, f64, f64);

/// x with Σ_k w_k F((x − μ_k)/σ_k) = u, `[rows, dim]`, without gradients.
///
/// # Errors
/// [`Error::NotInvertible`] with the rows whose u is outside (0, 1), or whose parameters are not finite.
pub(super) fn mixture_root(law: Standard, u: &Tensor<2>, at: &Components) -> Result<Tensor<2>> {
    let u = u.clone().inner();
    let (place, [rows, dim]) = (Placement::of(&u), u.dims());
    let resolution = if u.dtype() == DType::F64 { 4.0 * f64::EPSILON } else { f64::from(f32::EPSILON) / 8.0 };
    let count = at.mean.dims()[1];
    let weights = values(at.log_weights.clone().inner().exp());
    let mean = values(at.mean.clone().inner());
    let scale = values(at.log_scale.clone().inner().exp());
    let found: Vec<Option<f64>> = values(u)
        .par_iter()
        .enumerate()
        .with_min_len(64)
        .map_init(Vec::new, |components: &mut Vec<Component>, (i, &u)| {
            let first = i / dim * count * dim + i % dim;
            components.clear();
            components.extend((first..).step_by(dim).take(count).map(|k| (weights[k], mean[k], scale[k])));
            root(law, u, components, resolution)
        })
        .collect();
    let mut missing: Vec<usize> = found.iter().enumerate().filter(|(_, x)| x.is_none()).map(|(i, _)| i / dim).collect();
    missing.dedup();
    if !missing.is_empty() {
        return Err(Error::NotInvertible { what: "the distribution function of a mixture".into(), rows: missing });
    }
    Ok(place.tensor(found.into_iter().flatten().collect(), [rows, dim]))
}

/// Newton's method on F₁⁻¹(F(x)) = F₁⁻¹(u), F₁ the law of a component, within a bracket that bisection shrinks.
/// With one component that function is a straight line; with more it is nearly one in the tails.
fn root(law: Standard, u: f64, components: &mut [Component], resolution: f64) -> Option<f64> {
    if !(u > 0.0 && u < 1.0) {
        return None;
    }
    // The upper half is the mirror image of the lower one, where F keeps its digits.
    let mirror = u > 0.5;
    let u = if mirror { 1.0 - u } else { u };
    if mirror {
        components.iter_mut().for_each(|c| c.1 = -c.1);
    }
    let target = law.quantile_of(u);
    // F lies between the least and the greatest of its components, so that their quantiles bracket its own.
    let (mut lower, mut upper, mut x) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
    for (weight, mean, scale) in &*components {
        let quantile = mean + scale * target;
        (lower, upper, x) = (lower.min(quantile), upper.max(quantile), x + weight * quantile);
    }
    if !(lower.is_finite() && upper.is_finite() && x.is_finite()) {
        return None;
    }
    x = x.clamp(lower, upper);
    let mut previous = upper - lower;
    for _ in 0..ITERATIONS {
        let (mut cdf, mut density) = (0.0, 0.0);
        for (weight, mean, scale) in &*components {
            let (f, p) = law.cdf_and_density((x - mean) / scale);
            (cdf, density) = (cdf + weight * f, density + weight * p / scale);
        }
        let at = law.quantile_of(cdf.min(1.0));
        let residual = at - target;
        if residual > 0.0 {
            upper = x
        } else {
            lower = x
        }
        let step = residual * law.cdf_and_density(at).1 / density;
        let tolerance = resolution * x.abs() + f64::MIN_POSITIVE;
        let exact = residual.abs() <= resolution * (1.0 + target.abs());
        // Comparisons with NaN are false, so that a step which is not a number is a bisection.
        let newton = x - step;
        let accepted = newton >= lower && newton <= upper && 2.0 * step.abs() <= previous;
        if exact || step.abs() <= tolerance || upper - lower <= tolerance {
            let x = if accepted { newton } else { x };
            return Some(if mirror { -x } else { x });
        }
        let next = if accepted { newton } else { 0.5 * (lower + upper) };
        previous = (next - x).abs();
        x = next;
    }
    None
}
