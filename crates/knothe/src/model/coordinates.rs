//! Events by their coordinates z = T⁻¹(x): reconstruction and interpolation.

use std::ops::Range;

use burn::tensor::Tensor;

use super::{Model, check_temperature, finite};
use crate::{
    bijection::Given,
    density::Density,
    error::{Error, Result},
    events::{Coding, Events, Rows, in_file},
    network::Network,
    placement::values,
    random::{Purpose, stream},
};

/// The part of an event that a reconstruction keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// The number of the event's parts to keep, from the first. They are the scales of a flow, the coarsest first, or the rows of pixels or the samples of an autoregressive
    /// model. A model that keeps all parts returns the event itself.
    pub parts: usize,
    /// The standard deviation of the normal draws that take the place of the other coordinates; 1 for an autoregressive model.
    pub temperature: f64,
}

impl<C: Coding> Model<C> {
    /// x = T(z) of the events' own z, or of a part of it: with the coordinates of the finer scales drawn anew, what the coarser ones say of
    /// an event is what stays (Dinh et al. 2017, §5.2 and their figures of compression).
    ///
    /// With all scales every event comes back, but where rounding carries an integer over the edge of its level.
    ///
    /// An autoregressive model completes an event. It keeps the first rows of pixels or samples, and draws the others from their exact conditional law.
    ///
    /// # Errors
    /// As [`Coding::encode`]; [`Error::Unsupported`] for an ensemble, which has no map of its own; [`Error::Invalid`] for parts that the model does not have, and a
    /// temperature that cannot be.
    pub fn reconstruct(&self, events: &C::Events, kept: Kept, seed: u64) -> Result<C::Events> {
        let (network, parts, dim) = (self.single("a reconstruction")?.1, self.parts(), self.coding.space().dim());
        if !(1..=parts).contains(&kept.parts) {
            let range = if parts == 1 { "1".into() } else { format!("1 to {parts}") };
            return Err(Error::invalid(format!("{} to keep", self.part_words()), range, kept.parts));
        }
        check_temperature(kept.temperature)?;
        if network.completes() {
            network.check_temperature(kept.temperature)?;
        }
        let rows = self.coding.encode(events)?;
        let mut all = Vec::with_capacity(rows.values.len());
        for (block, start) in (0..rows.len()).step_by(C::SAMPLE_BLOCK).enumerate() {
            let range = start..rows.len().min(start + C::SAMPLE_BLOCK);
            let mut rng = stream(seed, Purpose::Sample, block as u64);
            let x = if network.completes() {
                let (x, context) = self.part(&rows, range.clone());
                network
                    .complete(x, (kept.parts, parts), &Given::context(context.as_ref()), &mut rng)
                    .map_err(|e| e.renumbered(|row| start + row))?
            } else {
                let found = self.to_source(network, &rows, range.clone(), seed);
                let (z, context) = found.map_err(|e| in_file(e.renumbered(|row| start + row), events))?;
                let given = Given { context: context.as_ref(), seed, ..Given::default() };
                // A level splits off half of what comes into it, and goes on with the first half.
                let own = dim >> (parts - kept.parts);
                let z = if own == dim {
                    z
                } else {
                    let drawn = network.flow()?.source().sample(range.len(), &Given::default(), &mut rng)? * kept.temperature;
                    Tensor::cat(vec![z.narrow(1, 0, own), drawn.narrow(1, own, dim - own)], 1)
                };
                network.from_source(z, &given).map_err(|e| e.renumbered(|row| start + row))?
            };
            all.extend(finite(x, start)?);
        }
        self.coding.decode(all, self.coding.context_of(events))
    }

    /// The number of parts of an event. [`Model::reconstruct`] keeps the first of them. They are the scales of a flow, or the rows of pixels or the samples of an autoregressive
    /// model.
    pub fn parts(&self) -> usize {
        self.members.first().map_or(1, |member| member.recipe.family().parts(&member.recipe))
    }

    /// The word for these parts, in the plural: "scales", "rows of pixels" or "samples".
    pub fn part_words(&self) -> &'static str {
        self.members.first().map_or("scales", |member| member.recipe.family().part_words())
    }

    /// `steps` events from the first of two to the second, both among them, at equal angles along the great circle between their coordinates,
    ///
    /// z(t) = [sin((1 − t) ω) z₀ + sin(t ω) z₁] / sin ω, with ω the angle between z₀ and z₁ (Shoemake 1985): in high dimension normal coordinates
    /// lie near a sphere, which the straight line leaves. The context goes along the straight line; each event is returned with the context of the nearer end.
    ///
    /// # Errors
    /// As [`Model::reconstruct`]; [`Error::Invalid`] for other than two events, and fewer than two steps.
    pub fn interpolate(&self, ends: &C::Events, steps: usize, seed: u64) -> Result<C::Events> {
        let [_, words] = C::WORDS;
        if ends.len() != 2 {
            return Err(Error::invalid(format!("{words} to interpolate"), "two", ends.len()));
        }
        if steps < 2 {
            return Err(Error::invalid(format!("{words} of an interpolation"), "two or more", steps));
        }
        let (network, place) = (self.single("an interpolation")?.1, self.placement());
        let rows = self.coding.encode(ends)?;
        let (dim, width) = (rows.dim, rows.context_dim);
        let (z, context) = self.to_source(network, &rows, 0..2, seed).map_err(|e| in_file(e, ends))?;
        let (z, context) = (values(z), context.map(values).unwrap_or_default());
        let omega = angle(&z[..dim], &z[dim..]);
        let mut all = Vec::with_capacity(steps * dim);
        for start in (0..steps).step_by(C::SAMPLE_BLOCK) {
            let range = start..steps.min(start + C::SAMPLE_BLOCK);
            let shares = |ends: &[f64], columns: usize, weights: &dyn Fn(f64) -> [f64; 2]| {
                let (first, second) = ends.split_at(columns);
                let at = |row: usize| {
                    let [a, b] = weights(row as f64 / (steps - 1) as f64);
                    first.iter().zip(second).map(move |(x, y)| a * x + b * y)
                };
                place.tensor(range.clone().flat_map(at).collect(), [range.len(), columns])
            };
            let z = shares(&z, dim, &|t| great_circle(t, omega));
            let context = (width > 0).then(|| shares(&context, width, &|t| [1.0 - t, t]));
            let given = Given { context: context.as_ref(), seed, ..Given::default() };
            let x = network.from_source(z, &given).map_err(|e| e.renumbered(|row| start + row))?;
            all.extend(finite(x, start)?);
        }
        let nearer = |row: usize| self.coding.context_of(&ends.pick(&[usize::from(2 * row >= steps)]));
        self.coding.decode(all, (0..steps).flat_map(nearer).collect())
    }

    /// Some rows, and their context.
    fn part(&self, rows: &Rows, range: Range<usize>) -> (Tensor<2>, Option<Tensor<2>>) {
        let part = |values: &[f64], columns: usize| {
            self.placement().tensor(values[range.start * columns..range.end * columns].to_vec(), [range.len(), columns])
        };
        (part(&rows.values, rows.dim), (rows.context_dim > 0).then(|| part(&rows.context, rows.context_dim)))
    }

    /// The coordinates of some rows, and their context.
    fn to_source(&self, network: &Network, rows: &Rows, range: Range<usize>, seed: u64) -> Result<(Tensor<2>, Option<Tensor<2>>)> {
        let (x, context) = self.part(rows, range);
        let z = network.to_source(x, &Given { context: context.as_ref(), seed, ..Given::default() })?;
        Ok((z, context))
    }
}

/// The angle between two vectors.
fn angle(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { (dot(a, b) / norms).clamp(-1.0, 1.0).acos() } else { 0.0 }
}

/// The weights of the ends at t; along the straight line where the ends have one direction, or opposite ones.
fn great_circle(t: f64, omega: f64) -> [f64; 2] {
    let sine = omega.sin();
    if sine < 1e-6 { [1.0 - t, t] } else { [1.0 - t, t].map(|share| (share * omega).sin() / sine) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_great_circle_has_one_norm_and_equal_angles() {
        let (a, b) = ([3.0, 0.0, 4.0], [0.0, -5.0, 0.0]);
        let omega = angle(&a, &b);
        let at = |t: f64| {
            let [u, v] = great_circle(t, omega);
            [0, 1, 2].map(|k| u * a[k] + v * b[k])
        };
        for k in 0..=8 {
            let z = at(f64::from(k) / 8.0);
            assert!((z.iter().map(|z| z * z).sum::<f64>().sqrt() - 5.0).abs() < 1e-12);
            assert!((angle(&a, &z) - omega * f64::from(k) / 8.0).abs() < 1e-7);
        }
        assert_eq!((at(0.0), great_circle(0.25, 0.0)), (a, [0.75, 0.25]));
    }
}
