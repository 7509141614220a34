//! The gate of PixelCNN and WaveNet: tanh of the first half of the channels times σ of the second.

use burn::tensor::{DType, Tensor, activation::sigmoid};
use rayon::prelude::*;

use super::{
    Real,
    fused::{FusedOp, Input, Plain, apply, has_kernels, numbers, plain},
    lanes::{LANES, Lanes, vectorised},
};

/// tanh(a) σ(b), `[rows, channels, height, width]`, of x = (a, b), `[rows, 2 · channels, height, width]` (van den Oord et al. 2016, *Conditional image generation
/// with PixelCNN decoders*, eq. 2).
pub(crate) fn gate(x: Tensor<4>) -> Tensor<4> {
    if has_kernels(&x)
        && x.dims().iter().all(|&n| n > 0)
        && let Some([y]) = apply(&Gate, vec![Input::Image(x.clone())])
    {
        return y.tensor();
    }
    composed(x)
}

fn composed(x: Tensor<4>) -> Tensor<4> {
    let half = x.dims()[1] / 2;
    x.clone().narrow(1, 0, half).tanh() * sigmoid(x.narrow(1, half, half))
}

#[derive(Clone, Debug)]
struct Gate;

impl FusedOp<1> for Gate {
    /// x.
    type Saved = Plain;

    fn forward(&self, inputs: Vec<Plain>, keep: bool) -> ([Plain; 1], Option<Plain>) {
        let x = inputs[0].to_contiguous();
        let y = if x.dtype() == DType::F64 { value::<f64>(&x) } else { value::<f32>(&x) };
        ([y], keep.then_some(x))
    }

    fn backward(&self, x: Plain, [g]: [Option<Plain>; 1], _: &[bool]) -> Vec<Option<Plain>> {
        let of = |g: Plain| if g.dtype() == DType::F64 { gradient::<f64>(&x, &g) } else { gradient::<f32>(&x, &g) };
        vec![g.map(|g| of(g.to_contiguous()))]
    }
}

fn value<T: Real>(x: &Plain) -> Plain {
    let shape = x.layout().shape();
    let width = shape[1] * shape[2] * shape[3];
    let mut y = vec![T::of(0.0); shape[0] * width / 2];
    y.par_chunks_mut(width / 2).zip(numbers::<T>(x).par_chunks(width)).for_each(|(y, x)| add_value(x, y));
    plain(y, &[shape[0], shape[1] / 2, shape[2], shape[3]])
}

fn gradient<T: Real>(x: &Plain, g: &Plain) -> Plain {
    let shape = x.layout().shape().to_vec();
    let width = shape[1] * shape[2] * shape[3];
    let mut gx = vec![T::of(0.0); shape[0] * width];
    let rows = gx.par_chunks_mut(width).zip(numbers::<T>(x).par_chunks(width)).zip(numbers::<T>(g).par_chunks(width / 2));
    rows.for_each(|((gx, x), g)| add_gradient(x, g, gx));
    plain(gx, &shape)
}

/// The first numbers of a slice, at most a vector of them, and zeros.
#[inline(always)]
pub(super) fn some<T: Real>(from: &[T], start: usize) -> Lanes<T> {
    match from[start..].first_chunk::<LANES>() {
        Some(whole) => Lanes(*whole),
        None => {
            let mut lanes = [T::of(0.0); LANES];
            lanes[..from.len() - start].copy_from_slice(&from[start..]);
            Lanes(lanes)
        }
    }
}

/// Adds as many of the lanes as there is room for.
#[inline(always)]
fn put<T: Real>(lanes: Lanes<T>, into: &mut [T], start: usize) {
    let n = LANES.min(into.len() - start);
    let sum = some(into, start) + lanes;
    into[start..start + n].copy_from_slice(&sum.0[..n]);
}

/// tanh(a), σ(b) and 1 − σ(b) for one vector from `start` on.
#[inline(always)]
fn parts<T: Real>(a: &[T], b: &[T], start: usize) -> [Lanes<T>; 3] {
    let (a, b) = (some(a, start), some(b, start));
    let (above, below) = (a + a).sigmoids();
    let (open, closed) = b.sigmoids();
    [above - below, open, closed]
}

/// Adds the gate of (a, b), one after the other, to y.
pub(super) fn add_value<T: Real>(x: &[T], y: &mut [T]) {
    let (a, b) = x.split_at(x.len() / 2);
    vectorised(
        #[inline(always)]
        || {
            for start in (0..y.len()).step_by(LANES) {
                let [tanh, open, _] = parts(a, b, start);
                put(tanh * open, y, start);
            }
        },
    );
}

/// Adds the gradients of a and b to `gx`.
pub(super) fn add_gradient<T: Real>(x: &[T], g: &[T], gx: &mut [T]) {
    let ((a, b), (ga, gb)) = (x.split_at(x.len() / 2), gx.split_at_mut(g.len()));
    vectorised(
        #[inline(always)]
        || {
            for start in (0..g.len()).step_by(LANES) {
                let ([tanh, open, closed], g) = (parts(a, b, start), some(g, start));
                put(g * open * (Lanes::of(1.0) - tanh * tanh), ga, start);
                put(g * tanh * open * closed, gb, start);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;
    use crate::placement::{Placement, Precision, values};

    #[test]
    fn agrees_with_the_composed_form() {
        for precision in [Precision::F32, Precision::F64] {
            for shape in [[3, 4, 5, 7], [2, 2, 1, 1], [1, 8, 4, 4]] {
                let run = |form: fn(Tensor<4>) -> Tensor<4>| {
                    let place = Placement::cpu(precision).autodiff();
                    let mut rng = ChaCha12Rng::seed_from_u64(5);
                    let x: Tensor<4> = (place.normal(shape, &mut rng) * 4.0).require_grad();
                    let [rows, channels, height, width] = shape;
                    let weights = place.normal([rows, channels / 2, height, width], &mut rng);
                    let y = form(x.clone());
                    let gradients = (y.clone() * weights).sum().backward();
                    [values(y), values(x.grad(&gradients).unwrap())].concat()
                };
                for (k, (f, e)) in run(gate).iter().zip(run(composed)).enumerate() {
                    // Products of a few numbers of at most 1.
                    assert!((f - e).abs() <= 16.0 * precision.epsilon() * (1.0 + e.abs()), "{precision:?} {shape:?} {k}: {f} against {e}");
                }
            }
        }
    }
}
