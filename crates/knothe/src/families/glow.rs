//! Glow (Kingma & Dhariwal 2018, §3): at each level a squeeze, then steps of activation normalisation, an invertible 1 × 1
//! convolution and a coupling of channels; after each level but the last, half of the channels are split off, with a learned prior.
//! Given a class, so is the prior of the last: a normal with a mean and a deviation a class.

use rand::Rng;

use super::{ChannelMixing, ImageArchitecture};
use crate::{Compose, error::Result, placement::Placement, space::ImageShape};

/// The map of this level and of those towards the source, over images of the shape that comes into it.
pub(super) fn level(a: &ImageArchitecture, image: ImageShape, level: usize, place: &Placement, rng: &mut impl Rng) -> Result<Compose> {
    let squeezed = image.squeezed()?;
    let mut layers = if level + 1 < a.levels {
        let next = self::level(a, ImageArchitecture::half(squeezed), level + 1, place, rng)?;
        a.split(squeezed, next, true, place, rng)?
    } else {
        a.prior(squeezed, place)
    };
    for k in 0..a.steps {
        // Without mixing the halves have to move in turn.
        let second = k % 2 == 0 || a.mixing != ChannelMixing::None;
        layers.push(a.coupling(squeezed, &squeezed.half_of_channels(second), a.width_at(level), place, rng)?);
        layers.push(a.channels(squeezed, a.mixing, place, rng)?);
    }
    layers.push(ImageArchitecture::squeeze(image, place)?);
    Ok(Compose::new(image.dim(), layers))
}
