//! Multi-scale Real-NVP (Dinh et al. 2017, §3.6): at each level couplings of checkerboards, a squeeze and couplings of channels, then half of the
//! channels are split off; at the last, one coupling of checkerboards more and nothing else. Activation normalisation stands in the place of batch
//! normalisation, and a residual layer in that of a residual block of two.

use rand::Rng;

use super::{ChannelMixing, ImageArchitecture};
use crate::{Compose, Layer, error::Result, placement::Placement, space::ImageShape};

/// The map of this level and of those towards the source, over images of the shape that comes into it.
pub(super) fn level(a: &ImageArchitecture, image: ImageShape, level: usize, place: &Placement, rng: &mut impl Rng) -> Result<Compose> {
    let (last, width) = (level + 1 == a.levels, a.width_at(level));
    let mut layers = Vec::new();
    let step = |layers: &mut Vec<Layer>, image: ImageShape, moves: &[bool], rng: &mut _| -> Result<()> {
        layers.push(a.coupling(image, moves, width, place, rng)?);
        layers.push(a.channels(image, ChannelMixing::None, place, rng)?);
        Ok(())
    };
    if !last {
        let squeezed = image.squeezed()?;
        let next = self::level(a, ImageArchitecture::half(squeezed), level + 1, place, rng)?;
        layers.extend(a.split(squeezed, next, false, place, rng)?);
        for k in 0..a.steps {
            step(&mut layers, squeezed, &squeezed.half_of_channels(k % 2 == 0), rng)?;
        }
        layers.push(ImageArchitecture::squeeze(image, place)?);
    }
    for k in 0..a.steps + usize::from(last) {
        step(&mut layers, image, &image.checkerboard(k % 2 == 0), rng)?;
    }
    Ok(Compose::new(image.dim(), layers))
}
