//! Images as matrices: what a window of a convolution sees of each pixel, in columns, and the adjoint of that.

use std::ops::Range;

use super::Real;

/// The window of a convolution with stride 1 whose output is as large as its input: tap (a, b) of the pixel (i, j) is the pixel
/// (i, j) + dilation · (a, b) − before, and 0 outside of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub(crate) kernel: [usize; 2],
    pub(crate) before: [usize; 2],
    pub(crate) dilation: usize,
}

impl Window {
    /// A square window about the pixel; `size` is odd, and an even one is taken as the next odd one.
    pub fn same(size: usize) -> Self {
        let half = size / 2;
        Window { kernel: [2 * half + 1; 2], before: [half; 2], dilation: 1 }
    }

    /// A window of `size` samples (at least 1) of a row: the sample itself, and those `dilation`, 2 `dilation`, … before it.
    pub fn causal(size: usize, dilation: usize) -> Self {
        let size = size.max(1);
        Window { kernel: [1, size], before: [0, (size - 1) * dilation], dilation }
    }

    /// The `size` samples (at least 1) before a sample in its row, without the sample itself.
    pub fn before(size: usize) -> Self {
        let size = size.max(1);
        Window { kernel: [1, size], before: [0, size], dilation: 1 }
    }

    /// The `rows` rows (at least 1) above the pixel, without its own, and as many columns on either side.
    pub fn above(rows: usize) -> Self {
        let rows = rows.max(1);
        Window { kernel: [rows, 2 * rows + 1], before: [rows; 2], dilation: 1 }
    }

    /// The row of the pixel and the `rows` rows above it, and as many columns on either side.
    pub fn down_to(rows: usize) -> Self {
        Window { kernel: [rows + 1, 2 * rows + 1], before: [rows; 2], dilation: 1 }
    }

    /// The number of taps.
    pub fn taps(self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The offset of each tap from the pixel; `mirrored`, that of the pixel from the tap.
    fn offsets(self, mirrored: bool) -> impl Iterator<Item = [isize; 2]> {
        let sign = if mirrored { -1 } else { 1 };
        let along = move |axis: usize, k: usize| sign * ((k * self.dilation) as isize - self.before[axis] as isize);
        (0..self.taps()).map(move |tap| [along(0, tap / self.kernel[1]), along(1, tap % self.kernel[1])])
    }
}

/// The pixels i of an axis of length n for which i + offset is on it, and the first of those.
fn span(n: usize, offset: isize) -> (Range<usize>, usize) {
    let start = offset.min(0).unsigned_abs().min(n);
    let end = n - offset.max(0).unsigned_abs().min(n);
    (start..end.max(start), (start as isize + offset).max(0).unsigned_abs().min(n))
}

/// A part of a batch: `images` images of `height` × `width` pixels, side by side in the columns of a matrix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub images: usize,
    pub height: usize,
    pub width: usize,
}

/// Where the pixels of a part stand: those of channel c of image n from n · `image` + c · `channel` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    image: usize,
    channel: usize,
}

impl Layout {
    /// The pixels of a channel of an image.
    pub fn at(self, part: Part, image: usize, channel: usize) -> Range<usize> {
        let start = image * self.image + channel * self.channel;
        start..start + part.pixels()
    }
}

impl Part {
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    pub fn columns(self) -> usize {
        self.images * self.pixels()
    }

    /// Image after image, as tensors have them.
    pub fn apart(self, channels: usize) -> Layout {
        Layout { image: channels * self.pixels(), channel: self.pixels() }
    }

    /// Channel after channel, the images of each side by side, as products have them.
    pub fn beside(self) -> Layout {
        Layout { image: self.pixels(), channel: self.columns() }
    }

    /// Whether channels are the rows of a matrix; of a single image they always are.
    pub fn is_beside(self, layout: Layout) -> bool {
        layout.channel == self.columns()
    }

    /// All images side by side as one.
    pub fn merged(self) -> Part {
        Part { images: 1, height: 1, width: self.columns() }
    }

    /// Every tap of every channel of each pixel: row (channel, tap) of `into`, `[channels · taps, columns]`.
    pub fn gather<T: Real>(self, into: &mut [T], (images, layout): (&[T], Layout), window: Window, mirrored: bool) {
        let (pixels, columns, width) = (self.pixels(), self.columns(), self.width);
        for (c, rows) in into.chunks_exact_mut(window.taps() * columns).enumerate() {
            for n in 0..self.images {
                let channel = &images[layout.at(self, n, c)];
                for ([down, across], row) in window.offsets(mirrored).zip(rows.chunks_exact_mut(columns)) {
                    let row = &mut row[n * pixels..][..pixels];
                    if [down, across] == [0, 0] {
                        row.copy_from_slice(channel);
                        continue;
                    }
                    let ((rows, from_row), (inside, from)) = (span(self.height, down), span(width, across));
                    row[..rows.start * width].fill(T::of(0.0));
                    row[rows.end * width..].fill(T::of(0.0));
                    let into = row[rows.start * width..rows.end * width].chunks_exact_mut(width);
                    for (line, source) in into.zip(channel[from_row * width..].chunks_exact(width)) {
                        line[..inside.start].fill(T::of(0.0));
                        line[inside.clone()].copy_from_slice(&source[from..from + inside.len()]);
                        line[inside.end..].fill(T::of(0.0));
                    }
                }
            }
        }
    }

    /// The adjoint of [`Part::gather`]: each pixel becomes the sum of what would be read from it.
    pub fn scatter<T: Real>(self, (images, layout): (&mut [T], Layout), from: &[T], window: Window, mirrored: bool) {
        let (pixels, columns, width) = (self.pixels(), self.columns(), self.width);
        let centre = window.offsets(mirrored).position(|offset| offset == [0, 0]);
        for (c, rows) in from.chunks_exact(window.taps() * columns).enumerate() {
            for n in 0..self.images {
                let channel = &mut images[layout.at(self, n, c)];
                // The tap of the pixel itself reaches every one of them.
                match centre {
                    Some(tap) => channel.copy_from_slice(&rows[tap * columns + n * pixels..][..pixels]),
                    None => channel.fill(T::of(0.0)),
                }
                for (tap, [down, across]) in window.offsets(mirrored).enumerate().filter(|(tap, _)| Some(*tap) != centre) {
                    let row = &rows[tap * columns + n * pixels..][..pixels];
                    let ((rows, into_row), (inside, into)) = (span(self.height, down), span(width, across));
                    let lines = row[rows.start * width..rows.end * width].chunks_exact(width);
                    for (line, target) in lines.zip(channel[into_row * width..].chunks_exact_mut(width)) {
                        for (t, &v) in target[into..into + inside.len()].iter_mut().zip(&line[inside.clone()]) {
                            *t += v;
                        }
                    }
                }
            }
        }
    }
}
