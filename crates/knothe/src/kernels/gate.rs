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
    /// tanh(a) and σ(b) in the places of a and b.
    type Saved = Plain;

    fn forward(&self, inputs: Vec<Plain>, keep: bool) -> ([Plain; 1], Option<Plain>) {
        let x = inputs[0].to_contiguous();
        let (y, kept) = if x.dtype() == DType::F64 { value::<f64>(&x, keep) } else { value::<f32>(&x, keep) };
        ([y], kept)
    }

    fn backward(&self, kept: Plain, [g]: [Option<Plain>; 1], _: &[bool]) -> Vec<Option<Plain>> {
        let found = g
            .map(|g| g.to_contiguous())
            .map(|g| if g.dtype() == DType::F64 { gradient::<f64>(&kept, &g) } else { gradient::<f32>(&kept, &g) });
        vec![found]
    }
}

/// The first numbers of a slice, at most a vector of them, and zeros.
#[inline(always)]
fn some<T: Real>(from: &[T], start: usize) -> Lanes<T> {
    match from[start..].first_chunk::<LANES>() {
        Some(whole) => Lanes(*whole),
        None => {
            let mut lanes = [T::of(0.0); LANES];
            lanes[..from.len() - start].copy_from_slice(&from[start..]);
            Lanes(lanes)
        }
    }
}

/// Writes as many of the lanes as there is room for.
#[inline(always)]
fn put<T: Real>(lanes: Lanes<T>, into: &mut [T], start: usize) {
    let n = LANES.min(into.len() - start);
    into[start..start + n].copy_from_slice(&lanes.0[..n]);
}

fn value<T: Real>(x: &Plain, keep: bool) -> (Plain, Option<Plain>) {
    let shape = x.layout().shape().to_vec();
    let (rows, width) = (shape[0], shape[1] * shape[2] * shape[3]);
    let half = width / 2;
    let mut y = vec![T::of(0.0); rows * half];
    let mut kept = vec![T::of(0.0); if keep { rows * width } else { 0 }];
    let mut of_rows: Vec<&mut [T]> = kept.chunks_mut(width).collect();
    of_rows.resize_with(rows, Default::default);
    y.par_chunks_mut(half).zip(numbers::<T>(x).par_chunks(width)).zip(of_rows).for_each(|((y, x), kept)| {
        let (a, b) = x.split_at(half);
        let (tanhs, opens) = kept.split_at_mut(kept.len() / 2);
        vectorised(
            #[inline(always)]
            || {
                for start in (0..half).step_by(LANES) {
                    let (a, b) = (some(a, start), some(b, start));
                    let (above, below) = (a + a).sigmoids();
                    let (tanh, open) = (above - below, b.sigmoids().0);
                    put(tanh * open, y, start);
                    if !tanhs.is_empty() {
                        put(tanh, tanhs, start);
                        put(open, opens, start);
                    }
                }
            },
        );
    });
    let y = plain(y, &[rows, shape[1] / 2, shape[2], shape[3]]);
    (y, keep.then(|| plain(kept, &shape)))
}

fn gradient<T: Real>(kept: &Plain, g: &Plain) -> Plain {
    let shape = kept.layout().shape().to_vec();
    let width = shape[1] * shape[2] * shape[3];
    let half = width / 2;
    let mut gx = vec![T::of(0.0); shape[0] * width];
    let rows = gx.par_chunks_mut(width).zip(numbers::<T>(kept).par_chunks(width)).zip(numbers::<T>(g).par_chunks(half));
    rows.for_each(|((gx, kept), g)| {
        let ((ga, gb), (tanhs, opens)) = (gx.split_at_mut(half), kept.split_at(half));
        let one = Lanes::of(1.0);
        vectorised(
            #[inline(always)]
            || {
                for start in (0..half).step_by(LANES) {
                    let (tanh, open, g) = (some(tanhs, start), some(opens, start), some(g, start));
                    put(g * open * (one - tanh * tanh), ga, start);
                    put(g * tanh * open * (one - open), gb, start);
                }
            },
        );
    });
    plain(gx, &shape)
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
