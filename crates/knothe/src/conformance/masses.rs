//! Laws of a density of masses, on a support small enough to list.

use burn::tensor::Tensor;
use rand::Rng;

use super::{Law, Violation, check, density::STANDARD_ERRORS, failed, measure::rounding};
use crate::{
    bijection::Given,
    density::Density,
    error::Result,
    placement::{Placement, values},
};

/// Every x whose coordinates are each one of `support`, the first coordinate changing fastest.
fn table(dim: usize, support: &[f64]) -> Vec<f64> {
    let count = support.len();
    let rows = count.pow(dim as u32);
    (0..rows * dim).map(|k| support[k / dim / count.pow((k % dim) as u32) % count]).collect()
}

/// q(x | context) at every x of the table, for one row of context.
fn masses<Q: Density>(q: &Q, support: &[f64], context: Option<&Tensor<2>>, place: &Placement) -> Result<Vec<f64>> {
    let x = table(q.dim(), support);
    let rows = x.len() / q.dim();
    let context = context.map(|c| c.clone().expand([rows, c.dims()[1]]));
    let log_q = q.log_prob(place.tensor(x, [rows, q.dim()]), &Given::context(context.as_ref()))?;
    Ok(values(log_q).into_iter().map(f64::exp).collect())
}

/// Σ q(x | context) = 1 over all x whose coordinates are each one of `support`, for one row of context.
///
/// Tolerance: rounding.
pub fn masses_sum_to_one<Q: Density>(q: &Q, support: &[f64], context: Option<&Tensor<2>>, place: &Placement) -> Result<(), Violation> {
    let law = Law::Normalised;
    let found = masses(q, support, context, place).map_err(failed(law))?.iter().sum();
    check(law, 0, || "Σ q".into(), 1.0, found, rounding(place, 1.0, 0.0))
}

/// Of `n` samples, the share that is x is q(x | context), for every x whose coordinates are each one of `support`.
///
/// Tolerance: five standard errors √(q(1 − q)/n) and, where fewer than one is expected, five counts.
pub fn samples_have_masses<Q: Density>(
    q: &Q,
    support: &[f64],
    n: usize,
    context: Option<&Tensor<2>>,
    place: &Placement,
    rng: &mut impl Rng,
) -> Result<(), Violation> {
    let law = Law::SamplesAgree;
    let expected = masses(q, support, context, place).map_err(failed(law))?;
    let rows = context.map(|c| c.clone().expand([n, c.dims()[1]]));
    let samples = values(q.sample(n, &Given::context(rows.as_ref()), rng).map_err(failed(law))?);
    let listed = table(q.dim(), support);
    for (row, (x, mass)) in listed.chunks(q.dim()).zip(expected).enumerate() {
        let found = samples.chunks(q.dim()).filter(|s| *s == x).count() as f64 / n as f64;
        let tolerance = STANDARD_ERRORS * (mass * (1.0 - mass) / n as f64).sqrt().max(1.0 / n as f64);
        check(law, row, || format!("share of {x:?}"), mass, found, tolerance)?;
    }
    Ok(())
}
