//! The shape of an image, and where its pixels stand in a row of numbers.
//!
//! Numbers stand channel by channel, and in a channel row by row: pixel (i, j) of channel c is column (c · height + i) · width + j.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    order::Order,
};

/// The shape of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageShape {
    /// Channels, such as 3 colours.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl ImageShape {
    /// Pixels of a channel.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Numbers in all.
    pub fn dim(self) -> usize {
        self.channels * self.pixels()
    }

    /// Checks that rows of `dim` numbers are such images, and that there is something in them.
    pub(crate) fn check_dim(self, dim: usize) -> Result<()> {
        let ImageShape { channels, height, width } = self;
        let own = channels.checked_mul(height).and_then(|n| n.checked_mul(width));
        if own == Some(dim) && dim > 0 {
            return Ok(());
        }
        Err(Error::shape("image", format!("{channels} channels of {height} × {width}, not empty"), format!("{dim} numbers")))
    }

    /// The shape after a squeeze: 4 times the channels at half the height and width.
    ///
    /// # Errors
    /// [`Error::Invalid`] where height or width is odd.
    pub fn squeezed(self) -> Result<Self> {
        let ImageShape { channels, height, width } = self;
        if !height.is_multiple_of(2) || !width.is_multiple_of(2) || self.pixels() == 0 {
            return Err(Error::invalid("image", "an even height and width, to squeeze", format!("{height} × {width}")));
        }
        Ok(ImageShape { channels: 4 * channels, height: height / 2, width: width / 2 })
    }

    /// The squeeze as an order of columns, for a [`crate::linear::Permutation`]: pixel (a, b) of each block of 2 × 2 becomes channel
    /// 4 c + 2 a + b of the source's side (Dinh et al. 2017, §3.6).
    pub fn squeeze(self) -> Result<Order> {
        let small = self.squeezed()?;
        let column = |k: usize| {
            let (channel, pixel) = (k / small.pixels(), k % small.pixels());
            let (c, a, b) = (channel / 4, channel / 2 % 2, channel % 2);
            let (i, j) = (2 * (pixel / small.width) + a, 2 * (pixel % small.width) + b);
            (c * self.height + i) * self.width + j
        };
        Order::new((0..self.dim()).map(column).collect())
    }

    /// Which numbers move under a checkerboard: those with i + j odd, or even (Dinh et al. 2017, §3.4).
    pub fn checkerboard(self, odd: bool) -> Vec<bool> {
        (0..self.dim()).map(|k| (k / self.width % self.height + k % self.width) % 2 == usize::from(odd)).collect()
    }

    /// Which numbers move when the second half of the channels does, or the first; the first half is the smaller one of an odd number.
    pub fn half_of_channels(self, second: bool) -> Vec<bool> {
        let first = self.channels / 2 * self.pixels();
        (0..self.dim()).map(|k| (k >= first) == second).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_squeeze_makes_channels_of_blocks() {
        let shape = ImageShape { channels: 1, height: 4, width: 4 };
        // Figure 3 of Dinh et al. 2017: each channel is every other row and column.
        assert_eq!(shape.squeeze().unwrap().columns(), [0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15]);
        assert_eq!(shape.squeezed().unwrap(), ImageShape { channels: 4, height: 2, width: 2 });
        assert!(ImageShape { width: 3, ..shape }.squeeze().is_err());
    }

    #[test]
    fn masks_move_a_half() {
        let shape = ImageShape { channels: 2, height: 2, width: 3 };
        let one = [false, true, false, true, false, true];
        assert_eq!(shape.checkerboard(true), [one, one].concat());
        assert_eq!(shape.half_of_channels(true), [[false; 6], [true; 6]].concat());
        let opposite = |mask: Vec<bool>| mask.into_iter().map(|m| !m).collect::<Vec<_>>();
        assert_eq!(shape.checkerboard(false), opposite(shape.checkerboard(true)));
        assert_eq!(shape.half_of_channels(false), opposite(shape.half_of_channels(true)));
    }
}
