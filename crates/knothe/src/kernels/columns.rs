//! Images as matrices: what a window of a convolution sees of each pixel, in columns, and the adjoint of that.

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
fn span(n: usize, offset: isize) -> (std::ops::Range<usize>, usize) {
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

impl Part {
    fn pixels(self) -> usize {
        self.height * self.width
    }

    pub fn columns(self) -> usize {
        self.images * self.pixels()
    }

    /// Every tap of every channel of each pixel: row (channel, tap) of `into`, `[channels · taps, columns]`, from `[images, channels, pixels]`.
    pub fn gather<T: Real>(self, into: &mut [T], images: &[T], window: Window, mirrored: bool) {
        let (pixels, columns, width) = (self.pixels(), self.columns(), self.width);
        let channels = images.len() / columns.max(1);
        for (n, image) in images.chunks_exact(channels * pixels).enumerate() {
            for (c, channel) in image.chunks_exact(pixels).enumerate() {
                for (tap, [down, across]) in window.offsets(mirrored).enumerate() {
                    let row = &mut into[(c * window.taps() + tap) * columns + n * pixels..][..pixels];
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

    /// The adjoint of [`Part::gather`]: adds each row to the pixels of `[images, channels, pixels]` that it would be read from.
    pub fn scatter<T: Real>(self, images: &mut [T], from: &[T], window: Window, mirrored: bool) {
        let (pixels, columns, width) = (self.pixels(), self.columns(), self.width);
        let channels = images.len() / columns.max(1);
        for (n, image) in images.chunks_exact_mut(channels * pixels).enumerate() {
            for (c, channel) in image.chunks_exact_mut(pixels).enumerate() {
                for (tap, [down, across]) in window.offsets(mirrored).enumerate() {
                    let row = &from[(c * window.taps() + tap) * columns + n * pixels..][..pixels];
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
