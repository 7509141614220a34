//! A step of Adam in one pass over the memory; see [`crate::fit::Adam`] for the formula.

use burn::{
    backend::Flex,
    tensor::{DType, Element, ElementConversion, Tensor},
};
use rayon::prelude::*;

use super::{
    Real,
    fused::{Plain, has_kernels, numbers},
    lanes::{LANES, Lanes, vectorised},
    spare,
};

/// Numbers a task.
const PART: usize = 1 << 14;
/// Numbers that are left alone together: of masked weights, whole pieces are.
const PIECE: usize = 4 * LANES;

/// The constants of a step.
#[derive(Clone, Copy)]
pub(crate) struct AdamStep {
    /// What the gradient is multiplied by.
    pub scale: f64,
    /// The memories of m and of v.
    pub betas: [f64; 2],
    /// η/(1 − β₁ᵗ), the reciprocal of √(1 − β₂ᵗ), and ε.
    pub rate: f64,
    pub root: f64,
    pub epsilon: f64,
    /// η λ.
    pub decay: f64,
}

/// Parameters, m and v after a step, from those before and the gradient, all `[length]`; by `composed` where there is no kernel.
pub(crate) fn adam_step(
    step: AdamStep,
    gradient: Tensor<1>,
    state: [Tensor<1>; 3],
    composed: impl FnOnce(AdamStep, Tensor<1>, [Tensor<1>; 3]) -> [Tensor<1>; 3],
) -> [Tensor<1>; 3] {
    let plain = |t: &Tensor<1>| if has_kernels(t) { t.clone().try_into_primitive::<Flex>().ok() } else { None };
    let (Some(g), [Some(p), Some(m), Some(v)]) = (plain(&gradient), state.each_ref().map(plain)) else {
        return composed(step, gradient, state);
    };
    // With them the memory would be shared, and copied.
    drop((gradient, state));
    let mut tensors = [p, m, v];
    if g.dtype() == DType::F64 {
        run::<f64>(step, &g, &mut tensors);
        reuse::<f64>(g);
    } else {
        run::<f32>(step, &g, &mut tensors);
        reuse::<f32>(g);
    }
    tensors.map(Tensor::from_primitive::<Flex>)
}

/// Makes the memory of a gradient, if nobody else has it, that of gradients to come.
fn reuse<T: Real + Element>(gradient: Plain) {
    if gradient.is_unique()
        && gradient.is_contiguous()
        && let Ok(numbers) = gradient.into_data().try_into_vec::<T>()
    {
        spare::reuse(numbers);
    }
}

fn run<T: Real>(step: AdamStep, gradient: &Plain, tensors: &mut [Plain; 3]) {
    let gradient = gradient.to_contiguous();
    let [p, m, v] = tensors;
    let parts = p.storage_mut::<T>().par_chunks_mut(PART).zip(m.storage_mut::<T>().par_chunks_mut(PART));
    let parts = parts.zip(v.storage_mut::<T>().par_chunks_mut(PART)).zip(numbers::<T>(&gradient).par_chunks(PART));
    let of = T::of;
    let [scale, beta1, beta2, rate, root, epsilon] = [step.scale, step.betas[0], step.betas[1], step.rate, step.root, step.epsilon].map(of);
    let (left1, left2, kept) = (of(1.0 - step.betas[0]), of(1.0 - step.betas[1]), of(1.0 - step.decay));
    // Masked weights: a step would write what is there already.
    let stands_still = step.decay == 0.0;
    parts.for_each(|(((p, m), v), g)| {
        vectorised(
            #[inline(always)]
            || {
                let pieces = p.chunks_mut(PIECE).zip(m.chunks_mut(PIECE)).zip(v.chunks_mut(PIECE)).zip(g.chunks(PIECE));
                for (((p, m), v), g) in pieces {
                    if stands_still && is_zero(g) && is_zero(m) && is_zero(v) {
                        continue;
                    }
                    for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
                        let g = g * scale;
                        *m = *m * beta1 + g * left1;
                        *v = *v * beta2 + g * g * left2;
                        *p = *p * kept - *m * rate / (v.root() * root + epsilon);
                    }
                }
            },
        );
    });
}

/// Whether numbers are all 0, without a branch a number.
#[inline(always)]
fn is_zero<T: Real>(numbers: &[T]) -> bool {
    let zero = T::of(0.0);
    numbers.iter().fold(0u32, |others, number| others | u32::from(*number != zero)) == 0
}

/// Σ g², in 64 bits over parts of fixed length; none where there is no kernel.
pub(crate) fn sum_of_squares(gradient: Tensor<1>) -> Option<f64> {
    if !has_kernels(&gradient) {
        return None;
    }
    let g: Plain = gradient.try_into_primitive::<Flex>().ok()?;
    let g = g.to_contiguous();
    Some(if g.dtype() == DType::F64 { squares::<f64>(&g) } else { squares::<f32>(&g) })
}

fn squares<T: Real>(g: &Plain) -> f64 {
    let parts: Vec<f64> = numbers::<T>(g)
        .par_chunks(PART)
        .map(|part| {
            let mut sums = Lanes::of(0.0);
            vectorised(
                #[inline(always)]
                || {
                    let whole = part.chunks_exact(LANES);
                    let rest = whole.remainder().iter().fold(T::of(0.0), |sum, &g| sum + g * g);
                    for g in whole {
                        let g = Lanes::load(g);
                        sums = g.fused(g, sums);
                    }
                    sums.0.into_iter().chain([rest]).map(ElementConversion::elem::<f64>).sum::<f64>()
                },
            )
        })
        .collect();
    parts.iter().sum()
}
