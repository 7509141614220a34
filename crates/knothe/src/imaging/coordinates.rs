//! Images by their coordinates z = T⁻¹(x): reconstruction and interpolation.

use burn::tensor::Tensor;

use super::{PictureModel, model::check_temperature};
use crate::{
    bijection::Given,
    density::Density,
    error::{Error, Result},
    events::image::ImageSet,
    fit::Dataset,
    placement::values,
    random::{Purpose, stream},
};

/// What of the coordinates of an image a reconstruction keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// The coordinates of this many scales, the coarsest first; those of all make the image itself.
    pub scales: usize,
    /// The standard deviation of the normal draws that take the place of the others.
    pub temperature: f64,
}

impl PictureModel {
    /// x = T(z) of the images' own z, or of a part of it: with the coordinates of the finer scales drawn anew, what the coarser ones say of
    /// an image is what stays (Dinh et al. 2017, §5.2 and their figures of compression).
    ///
    /// With all scales every image comes back, but where rounding carries a number over the edge of its level.
    ///
    /// # Errors
    /// As [`PixelCoding::dataset`](super::PixelCoding::dataset); [`Error::Invalid`] for scales that the model does not have, and a temperature that cannot be.
    pub fn reconstruct(&self, images: &ImageSet, kept: Kept, seed: u64) -> Result<ImageSet> {
        let (levels, dim) = (self.member.architecture.levels, self.coding.shape.dim());
        if !(1..=levels).contains(&kept.scales) {
            let range = if levels == 1 { "1".into() } else { format!("1 to {levels}") };
            return Err(Error::invalid("scales to keep", range, kept.scales));
        }
        check_temperature(kept.temperature)?;
        // A level splits off half of what comes into it, and goes on with the first half.
        let own = dim >> (levels - kept.scales);
        let data = self.coding.dataset(images, self.placement())?;
        let mut pixels = Vec::new();
        for (block, start) in (0..images.len()).step_by(Self::SAMPLE_BLOCK).enumerate() {
            let rows = start..images.len().min(start + Self::SAMPLE_BLOCK);
            let mut rng = stream(seed, Purpose::Sample, block as u64);
            let (z, context) = self.coordinates(&data, rows.clone(), seed)?;
            let given = Given { context: context.as_ref(), seed };
            let z = if own == dim {
                z
            } else {
                let drawn = self.flow().inner().source().sample(rows.len(), &Given::default(), &mut rng)? * kept.temperature;
                Tensor::cat(vec![z.narrow(1, 0, own), drawn.narrow(1, own, dim - own)], 1)
            };
            pixels.extend(self.bytes(self.flow().from_source(z, &given)?, start)?);
        }
        Ok(self.set(pixels, images.labels.clone()))
    }

    /// `steps` images from the first of two to the second, both among them, at equal angles along the great circle between their coordinates,
    ///
    /// z(t) = [sin((1 − t) ω) z₀ + sin(t ω) z₁] / sin ω, with ω the angle between z₀ and z₁ (Shoemake 1985): in high dimension normal coordinates
    /// lie near a sphere, which the straight line leaves. The context goes along the straight line.
    ///
    /// # Errors
    /// As [`PixelCoding::dataset`](super::PixelCoding::dataset); [`Error::Invalid`] for other than two images, and fewer than two steps.
    pub fn interpolate(&self, ends: &ImageSet, steps: usize, seed: u64) -> Result<ImageSet> {
        if ends.len() != 2 {
            return Err(Error::invalid("images to interpolate", "two", ends.len()));
        }
        if steps < 2 {
            return Err(Error::invalid("images of an interpolation", "two or more", steps));
        }
        let place = self.placement();
        let (z, context) = self.coordinates(&self.coding.dataset(ends, place)?, 0..2, seed)?;
        let (dim, width) = (self.coding.shape.dim(), self.coding.classes.len());
        let (z, context) = (values(z), context.map(values).unwrap_or_default());
        let omega = angle(&z[..dim], &z[dim..]);
        let mut pixels = Vec::new();
        for start in (0..steps).step_by(Self::SAMPLE_BLOCK) {
            let rows = start..steps.min(start + Self::SAMPLE_BLOCK);
            let shares = |ends: &[f64], columns: usize, weights: &dyn Fn(f64) -> [f64; 2]| {
                let (first, second) = ends.split_at(columns);
                let at = |row: usize| {
                    let [a, b] = weights(row as f64 / (steps - 1) as f64);
                    first.iter().zip(second).map(move |(x, y)| a * x + b * y)
                };
                place.tensor(rows.clone().flat_map(at).collect(), [rows.len(), columns])
            };
            let z = shares(&z, dim, &|t| great_circle(t, omega));
            let context = (width > 0).then(|| shares(&context, width, &|t| [1.0 - t, t]));
            let given = Given { context: context.as_ref(), seed };
            pixels.extend(self.bytes(self.flow().from_source(z, &given)?, start)?);
        }
        Ok(self.set(pixels, None))
    }

    /// The coordinates of rows of a data set, and their context.
    fn coordinates(&self, data: &Dataset, rows: std::ops::Range<usize>, seed: u64) -> Result<(Tensor<2>, Option<Tensor<2>>)> {
        let rows: Vec<u32> = rows.map(|row| row as u32).collect();
        let batch = data.gather(&rows, 0.0, &mut stream(seed, Purpose::Noise, 0))?;
        let z = self.flow().to_source(batch.x, &Given { context: batch.context.as_ref(), seed })?;
        Ok((z, batch.context))
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
