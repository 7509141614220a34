//! Biases and ReLUs of a part of a batch, and their gradients.

use super::{
    Real,
    columns::{Layout, Part},
    lanes::{LANES, vectorised},
};

/// Runs of pixels that share a bias: all images at once where they stand side by side and have one bias.
fn runs(part: Part, layout: Layout, shared: bool) -> Part {
    if shared && part.is_beside(layout) { part.merged() } else { part }
}

/// Adds the bias, and sets negative numbers to 0 where `rectified`. NaN stays NaN.
pub(super) fn finish<T: Real>(part: Part, (y, layout): (&mut [T], Layout), bias: &[T], (first, outputs): (usize, usize), rectified: bool) {
    let least = T::of(if rectified { 0.0 } else { f64::NEG_INFINITY });
    let part = runs(part, layout, bias.len() == outputs);
    vectorised(
        #[inline(always)]
        || {
            for n in 0..part.images {
                for c in 0..outputs {
                    let bias = bias[((first + n) * outputs + c) % bias.len()];
                    for y in &mut y[layout.at(part, n, c)] {
                        let value = *y + bias;
                        *y = if value < least { least } else { value };
                    }
                }
            }
        },
    );
}

/// Adds the gradient of the bias, in as many sums as a vector has lanes, and the rest.
pub(super) fn add_bias<T: Real>(part: Part, (g, layout): (&[T], Layout), sums: &mut [T], (first, outputs): (usize, usize)) {
    let part = runs(part, layout, sums.len() == outputs);
    vectorised(
        #[inline(always)]
        || {
            for n in 0..part.images {
                for c in 0..outputs {
                    let (whole, rest) = g[layout.at(part, n, c)].as_chunks::<LANES>();
                    let mut lanes = [T::of(0.0); LANES];
                    for chunk in whole {
                        for (sum, &g) in lanes.iter_mut().zip(chunk) {
                            *sum += g;
                        }
                    }
                    let sum = &mut sums[((first + n) * outputs + c) % sums.len()];
                    for &g in lanes.iter().chain(rest) {
                        *sum += g;
                    }
                }
            }
        },
    );
}

/// Sets a gradient to 0 wherever the output y of the ReLU is not positive.
pub(super) fn mask<T: Real>(g: &mut [T], y: &[T]) {
    vectorised(
        #[inline(always)]
        || {
            for (g, &y) in g.iter_mut().zip(y) {
                *g = if y > T::of(0.0) { *g } else { T::of(0.0) };
            }
        },
    );
}

/// Adds numbers one by one.
pub(super) fn add<T: Real>(total: &mut [T], found: &[T]) {
    for (total, &found) in total.iter_mut().zip(found) {
        *total += found;
    }
}
