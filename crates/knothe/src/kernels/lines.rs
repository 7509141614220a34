//! The lines of an image that a recurrence goes through one after another.

use std::ops::Range;

use super::Real;

/// The order in which a recurrence goes through the pixels of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// The rows from the top. The position on a line is the column. A pixel depends on the three pixels above it.
    Rows,
    /// The diagonals from the upper left corner. The position on a line is the row. A pixel depends on the pixel to its left and the pixel above it.
    Diagonals,
    /// The diagonals from the upper right corner. The position on a line is the row. A pixel depends on the pixel to its right and the pixel above it.
    Mirrored,
}

/// A line: pixel `start` + k · `step` is at position `first` + k.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub first: usize,
    pub positions: usize,
    start: usize,
    step: usize,
}

impl Lines {
    /// The number of positions of the line before on which a pixel depends. They are at offsets −1, 0, … from its own position.
    pub fn taps(self) -> usize {
        if self == Lines::Rows { 3 } else { 2 }
    }

    /// The number of lines of an image.
    pub(super) fn count(self, [height, width]: [usize; 2]) -> usize {
        if self == Lines::Rows { height } else { (height + width).saturating_sub(1) }
    }

    /// The number of positions of the longest line.
    pub(super) fn longest(self, [height, width]: [usize; 2]) -> usize {
        if self == Lines::Rows { width } else { height.min(width) }
    }

    /// Line t of an image that has pixels.
    pub(super) fn line(self, t: usize, [height, width]: [usize; 2]) -> Line {
        if self == Lines::Rows {
            return Line { first: 0, positions: width, start: t * width, step: 1 };
        }
        let first = (t + 1).saturating_sub(width);
        let positions = t.min(height - 1) + 1 - first;
        let along = t - first;
        // A line of a single pixel has no step.
        if self == Lines::Diagonals {
            Line { first, positions, start: first * width + along, step: (width - 1).max(1) }
        } else {
            Line { first, positions, start: first * width + width - 1 - along, step: width + 1 }
        }
    }
}

impl Line {
    /// Copies the pixels of the line from images, which have these numbers of channels and pixels, to `into`, `[channels, images, positions]`.
    pub fn take<T: Real>(self, images: &[T], [channels, pixels]: [usize; 2], into: &mut [T]) {
        let count = images.len() / (channels * pixels);
        for (k, channel) in images.chunks_exact(pixels).enumerate() {
            let into = &mut into[(k % channels * count + k / channels) * self.positions..][..self.positions];
            if self.step == 1 {
                into.copy_from_slice(&channel[self.start..][..self.positions]);
            } else {
                into.iter_mut().zip(channel[self.start..].iter().step_by(self.step)).for_each(|(into, &from)| *into = from);
            }
        }
    }

    /// The reverse of [`Line::take`].
    pub fn put<T: Real>(self, line: &[T], images: &mut [T], [channels, pixels]: [usize; 2]) {
        let count = images.len() / (channels * pixels);
        for (k, channel) in images.chunks_exact_mut(pixels).enumerate() {
            let line = &line[(k % channels * count + k / channels) * self.positions..][..self.positions];
            if self.step == 1 {
                channel[self.start..][..self.positions].copy_from_slice(line);
            } else {
                channel[self.start..].iter_mut().step_by(self.step).zip(line).for_each(|(into, &from)| *into = from);
            }
        }
    }

    /// The positions of this line that have a counterpart on the line before, at an offset. Both results count positions from the start of their line: the range on this line, and
    /// the start of the counterparts.
    fn overlap(self, before: Line, offset: isize) -> (Range<usize>, usize) {
        let (own, other) = (self.positions as isize, before.positions as isize);
        let shift = self.first as isize + offset - before.first as isize;
        let start = (-shift).clamp(0, own);
        let end = (other - shift).clamp(start, own);
        (start.unsigned_abs()..end.unsigned_abs(), (start + shift).clamp(0, other).unsigned_abs())
    }

    /// Copies the numbers of the line before, `[channels, images, positions]`, that each position sees, to `into`, `[channels · offsets, images · positions]`. Its rows are
    /// (channel, offset). Numbers beyond the ends of the line before are 0.
    pub fn look_back<T: Real>(self, (from, before): (&[T], Line), images: usize, offsets: &[isize], into: &mut [T]) {
        let (row, zero) = (images * self.positions, T::of(0.0));
        for (k, into) in into.chunks_exact_mut(row).enumerate() {
            let (inside, start) = self.overlap(before, offsets[k % offsets.len()]);
            let channel = &from[k / offsets.len() * images * before.positions..][..images * before.positions];
            for (into, from) in into.chunks_exact_mut(self.positions).zip(channel.chunks_exact(before.positions)) {
                into[..inside.start].fill(zero);
                into[inside.clone()].copy_from_slice(&from[start..start + inside.len()]);
                into[inside.end..].fill(zero);
            }
        }
    }

    /// The adjoint of [`Line::look_back`]. Each number of the line before becomes the sum of the numbers at all places that would read it.
    pub fn give_back<T: Real>(self, from: &[T], images: usize, offsets: &[isize], (into, before): (&mut [T], Line)) {
        into.fill(T::of(0.0));
        for (k, from) in from.chunks_exact(images * self.positions).enumerate() {
            let (inside, start) = self.overlap(before, offsets[k % offsets.len()]);
            let channel = &mut into[k / offsets.len() * images * before.positions..][..images * before.positions];
            for (from, into) in from.chunks_exact(self.positions).zip(channel.chunks_exact_mut(before.positions)) {
                for (into, &from) in into[start..start + inside.len()].iter_mut().zip(&from[inside.clone()]) {
                    *into += from;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pixel is on one line, and depends on its neighbours on the line before.
    #[test]
    fn every_pixel_follows_its_neighbours() {
        for size in [[1, 1], [1, 4], [4, 1], [2, 3], [3, 2], [5, 5], [3, 8]] {
            let [height, width] = size;
            // Pixels are numbered from 1, since 0 stands for none.
            let image: Vec<f64> = (1..=height * width).map(|k| k as f64).collect();
            let at = |i: isize, j: isize| {
                let inside = (0..height as isize).contains(&i) && (0..width as isize).contains(&j);
                if inside { image[i as usize * width + j as usize] } else { 0.0 }
            };
            for lines in [Lines::Rows, Lines::Diagonals, Lines::Mirrored] {
                let offsets: Vec<isize> = (0..lines.taps() as isize).map(|tap| tap - 1).collect();
                let (mut seen, mut before): (Vec<f64>, Option<(Vec<f64>, Line)>) = (Vec::new(), None);
                for t in 0..lines.count(size) {
                    let line = lines.line(t, size);
                    assert!((1..=lines.longest(size)).contains(&line.positions));
                    let mut own = vec![0.0; line.positions];
                    line.take(&image, [1, height * width], &mut own);
                    let mut followed = vec![0.0; offsets.len() * line.positions];
                    if let Some((from, before)) = &before {
                        line.look_back((from, *before), 1, &offsets, &mut followed);
                    }
                    for (k, pixel) in own.iter().enumerate() {
                        let (i, j) = ((*pixel as usize - 1) / width, (*pixel as usize - 1) % width);
                        let (i, j) = (i as isize, j as isize);
                        let expected = match lines {
                            Lines::Rows => vec![at(i - 1, j - 1), at(i - 1, j), at(i - 1, j + 1)],
                            Lines::Diagonals => vec![at(i - 1, j), at(i, j - 1)],
                            Lines::Mirrored => vec![at(i - 1, j), at(i, j + 1)],
                        };
                        let found: Vec<f64> = followed.iter().skip(k).step_by(line.positions).copied().collect();
                        assert_eq!(found, expected, "{lines:?} {size:?} ({i}, {j})");
                    }
                    seen.extend(&own);
                    before = Some((own, line));
                }
                seen.sort_by(f64::total_cmp);
                assert_eq!(seen, image, "{lines:?} {size:?}");
            }
        }
    }
}
