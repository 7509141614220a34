//! Quantiles of a discretised mixture, one number at a time on the host.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::discretised::Components;
use crate::{
    error::{Error, Result},
    placement::{Placement, values},
    space::Cells,
    special::log_add,
};

/// Doublings of a bracket and halvings of it together. A bracket of whole numbers below 2¹⁰²³ has fewer.
const ITERATIONS: usize = 2100;

/// The smallest value v of each lattice with F(v) ≥ u, `[rows, dim]`, without gradients.
///
/// # Errors
/// [`Error::NotInvertible`] with the rows whose u is outside (0, 1), or whose parameters are not finite.
pub(super) fn quantile(cells: &[Cells], u: &Tensor<2>, at: &Components) -> Result<Tensor<2>> {
    let u = u.clone().inner();
    let (place, [rows, dim], count) = (Placement::of(&u), u.dims(), at.mean.dims()[1]);
    let [log_weights, mean, rate] = [&at.log_weights, &at.mean, &at.rate].map(|t| values(t.clone().inner()));
    let (shares, parts) = at.shares.as_ref().map_or((Vec::new(), 0), |shares| (values(shares.clone().inner()), shares.dims()[1]));
    let found: Vec<Option<f64>> = values(u)
        .par_iter()
        .enumerate()
        .with_min_len(64)
        .map_init(Vec::new, |components: &mut Vec<[f64; 3]>, (i, &u)| {
            let first = i / dim * count * dim + i % dim;
            components.clear();
            components.extend((first..).step_by(dim).take(count).map(|k| [log_weights[k], mean[k], rate[k]]));
            let shares = (i / dim * parts * dim + i % dim..).step_by(dim).take(parts).map(|k| shares[k]);
            root(cells[i % dim], u, components, &shares.collect::<Vec<f64>>())
        })
        .collect();
    let mut missing: Vec<usize> = found.iter().enumerate().filter(|(_, v)| v.is_none()).map(|(i, _)| i / dim).collect();
    missing.dedup();
    if !missing.is_empty() {
        return Err(Error::NotInvertible { what: "the distribution function of a lattice".into(), rows: missing });
    }
    Ok(place.tensor(found.into_iter().flatten().collect(), [rows, dim]))
}

/// A bracket of steps from the anchor, doubled until it holds the quantile, and halved until it is one step long. `shares` has the logarithms of the shares of the mixture and of the atoms, if there
/// are any.
fn root(cell: Cells, u: f64, components: &[[f64; 3]], shares: &[f64]) -> Option<f64> {
    if !(u > 0.0 && u < 1.0) || components.iter().flatten().chain(shares).any(|number| number.is_nan()) {
        return None;
    }
    let (anchor, half) = (cell.anchor(), 0.5 * cell.width);
    let edges = [cell.low.map(|low| low - half), cell.high.map(|high| high + half)];
    let log_total = log_between(components, edges[0], edges[1]);
    let log_mixture_to = |step: f64| log_between(components, edges[0], Some(anchor + step * cell.width + half)) - log_total;
    let log_mass_to = |step: f64| match shares {
        [mixture, own @ ..] => {
            let upper = anchor + step * cell.width + half;
            let below = cell.atoms().zip(own).filter(|(atom, _)| *atom < upper).map(|(_, share)| *share);
            below.fold(mixture + log_mixture_to(step), log_add)
        }
        [] => log_mixture_to(step),
    };
    let steps = |value: f64| ((value - anchor) / cell.width).round();
    let (least, most) = (cell.low.map_or(f64::NEG_INFINITY, steps), cell.high.map_or(f64::INFINITY, steps));
    // The last value reaches 1, whatever its sum of masses is rounded to.
    let reaches = |step: f64| step >= most || (step >= least && log_mass_to(step) >= u.ln());
    let mean: f64 = components.iter().map(|[log_weight, mean, _]| log_weight.exp() * mean).sum();
    let start = steps(mean).max(least).min(most);
    // Steps up to `lower` do not reach u, `upper` does.
    let (mut lower, mut upper) = if reaches(start) { (f64::NEG_INFINITY, start) } else { (start, f64::INFINITY) };
    let mut stride = 1.0;
    for _ in 0..ITERATIONS {
        let next = match (lower.is_finite(), upper.is_finite()) {
            (true, true) => ((lower + upper) * 0.5).floor(),
            (true, false) => lower + stride,
            _ => upper - stride,
        };
        // Neighbours: one step apart, or more where steps are no longer numbers of their own.
        if next == lower || next == upper {
            break;
        }
        stride *= 2.0;
        if reaches(next) { upper = next } else { lower = next }
    }
    (lower.is_finite() && upper.is_finite()).then(|| cell.nearest(anchor + upper * cell.width))
}

/// log Σ w [σ((upper − μ)/s) − σ((lower − μ)/s)]; an edge that is none is infinite.
fn log_between(components: &[[f64; 3]], lower: Option<f64>, upper: Option<f64>) -> f64 {
    let terms = || {
        components.iter().map(|&[log_weight, mean, rate]| {
            let left = lower.map_or(0.0, |edge| softplus((edge - mean) * rate));
            let right = upper.map_or(0.0, |edge| softplus((mean - edge) * rate));
            let length = lower.zip(upper).map_or(f64::INFINITY, |(lower, upper)| (upper - lower) * rate);
            log_weight - left - right + (-(-length).exp_m1()).ln()
        })
    };
    let most = terms().fold(f64::NEG_INFINITY, f64::max);
    if most.is_finite() { most + terms().map(|t| (t - most).exp()).sum::<f64>().ln() } else { most }
}

/// log(1 + eˣ).
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
