//! Images side by side.

use crate::{
    error::{Error, Result},
    events::{Events, image::ImageSet},
    plot::Picture,
    space::ImageShape,
};

/// Pixels between images.
const GAP: usize = 2;
/// Images whose sides are all shorter are enlarged, by a whole number.
const SHORTEST: usize = 32;
const BETWEEN: [u8; 3] = [96, 96, 96];

/// How many pixels of an image become one of it, and height and width of the picture of `n` images in rows of `columns`.
fn size(shape: ImageShape, n: usize, columns: usize) -> Result<[usize; 3]> {
    if n == 0 || columns == 0 {
        return Err(Error::invalid("images of a picture", "one or more", n.min(columns)));
    }
    if !matches!(shape.channels, 1 | 3 | 4) {
        return Err(Error::invalid("channels of a picture", "1, 3 or 4", shape.channels));
    }
    let columns = columns.min(n);
    let zoom = (SHORTEST / shape.height.max(shape.width).max(1)).max(1);
    let side = |count: usize, length: usize| count.saturating_mul(zoom * length + GAP).saturating_add(GAP);
    let (height, width) = (side(n.div_ceil(columns), shape.height), side(columns, shape.width));
    if height.checked_mul(width).is_none_or(|size| size > 1 << 28) {
        return Err(Error::invalid("pixels of a picture", "2^28 or fewer", format!("{height} × {width}")));
    }
    Ok([zoom, height, width])
}

/// Checks that `n` images of a shape in rows of `columns` make a picture, before there are any.
///
/// # Errors
/// As [`mosaic`].
pub fn check_mosaic(shape: ImageShape, n: usize, columns: usize) -> Result<()> {
    size(shape, n, columns).map(drop)
}

/// The images of a set in rows of `columns`: grey for one channel and colour for three. A fourth channel is ignored.
///
/// # Errors
/// [`Error::Invalid`] for no image, for other numbers of channels, and for a picture of more than 2²⁸ pixels.
pub fn mosaic(images: &ImageSet, columns: usize) -> Result<Picture> {
    let (n, shape) = (images.len(), images.shape);
    let [zoom, height, width] = size(shape, n, columns)?;
    let columns = columns.min(n);
    let (high, wide) = (zoom * shape.height + GAP, zoom * shape.width + GAP);
    let mut pixels = vec![BETWEEN; height * width];
    let bright = |v: u8| (u16::from(v.min(images.white)) * 255 / u16::from(images.white.max(1))) as u8;
    for (k, image) in images.pixels.chunks_exact(shape.dim()).enumerate() {
        let (top, left) = (k / columns * high + GAP, k % columns * wide + GAP);
        for i in 0..zoom * shape.height {
            for j in 0..zoom * shape.width {
                let at = i / zoom * shape.width + j / zoom;
                let channel = |c: usize| bright(image[if shape.channels == 1 { at } else { c * shape.pixels() + at }]);
                pixels[(top + i) * width + left + j] = [channel(0), channel(1), channel(2)];
            }
        }
    }
    Ok(Picture { width, height, pixels })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn images_stand_in_rows_and_white_is_white() {
        let shape = ImageShape { channels: 1, height: 16, width: 16 };
        let pixels = [[0; 256], [8; 256], [16; 256]].concat();
        let set = ImageSet { path: "".into(), shape, depth: 5, white: 16, pixels, labels: None, weights: None };
        let picture = mosaic(&set, 2).unwrap();
        assert_eq!((picture.height, picture.width), (70, 70));
        let at = |i: usize, j: usize| picture.pixels[i * 70 + j][0];
        assert_eq!([at(0, 0), at(2, 2), at(33, 33), at(10, 40), at(40, 10), at(40, 40)], [96, 0, 0, 127, 255, 96]);
        assert!(mosaic(&set.pick(&[]), 2).is_err());
    }
}
