//! A step of Adam in one pass over the memory; see [`crate::fit::Adam`] for the formula.

use burn::{
    backend::Flex,
    tensor::{DType, Element, ElementConversion, Shape, Tensor, TensorData},
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
/// So few numbers that to wake another thread takes longer.
const FEW: usize = 4 * PART;
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
}

/// Makes numbers on the host the tensor again that they were.
pub(crate) type Back = Box<dyn FnOnce(TensorData) -> Flat>;

/// A tensor of any rank, in memory of its own for kernels where its device has them.
#[derive(Clone, Debug)]
pub(crate) enum Flat {
    Plain(Plain),
    /// Of `[length]`, with the shape that it had.
    Composed(Tensor<1>, Shape),
}

impl Flat {
    pub fn of<const D: usize>(tensor: Tensor<D>) -> Flat {
        let (shape, plain) = (tensor.shape(), has_kernels(&tensor).then(|| tensor.clone().try_into_primitive::<Flex>()));
        match plain {
            Some(Ok(plain)) => Flat::Plain(plain.to_contiguous()),
            _ => Flat::Composed(tensor.reshape([-1]), shape),
        }
    }

    /// The numbers on the host, and the way back; on the CPU both keep the memory.
    pub fn into_host(self) -> (TensorData, Back) {
        match self {
            Flat::Plain(plain) => (plain.into_data(), Box::new(|data| Flat::Plain(Plain::from_data(data)))),
            Flat::Composed(tensor, shape) => {
                let (device, dtype) = (tensor.device(), tensor.dtype());
                (tensor.into_data(), Box::new(move |data| Flat::Composed(Tensor::from_data(data, (&device, dtype)), shape)))
            }
        }
    }

    /// The tensor, whose rank must be this.
    pub fn tensor<const D: usize>(self) -> Tensor<D> {
        match self {
            Flat::Plain(plain) => Tensor::from_primitive::<Flex>(plain),
            Flat::Composed(tensor, shape) => tensor.reshape::<D, _>(shape),
        }
    }
}

/// A parameter that takes a step.
pub(crate) struct Parameter {
    pub gradient: Flat,
    /// The parameter, m and v.
    pub state: [Flat; 3],
    /// η λ.
    pub decay: f64,
}

/// The state of each parameter after a step, in one pass over all that have a kernel; by `composed` where there is none.
pub(crate) fn adam_step(
    step: AdamStep,
    mut parameters: Vec<Parameter>,
    composed: impl Fn(AdamStep, Tensor<1>, [Tensor<1>; 3], f64) -> [Tensor<1>; 3],
) -> Vec<[Flat; 3]> {
    run::<f32>(step, &mut parameters);
    run::<f64>(step, &mut parameters);
    let after = parameters.into_iter().map(|Parameter { gradient, state, decay }| match (gradient, state) {
        (Flat::Composed(g, _), [Flat::Composed(p, shape), Flat::Composed(m, of_m), Flat::Composed(v, of_v)]) => {
            let [p, m, v] = composed(step, g, [p, m, v], decay);
            [Flat::Composed(p, shape), Flat::Composed(m, of_m), Flat::Composed(v, of_v)]
        }
        (gradient, state) => {
            match gradient {
                Flat::Plain(g) if g.dtype() == DType::F64 => reuse::<f64>(g),
                Flat::Plain(g) => reuse::<f32>(g),
                Flat::Composed(..) => {}
            }
            state
        }
    });
    after.collect()
}

/// Makes the memory of a gradient, if nobody else has it, that of gradients to come.
fn reuse<T: Real + Element>(gradient: Plain) {
    if gradient.is_unique()
        && let Ok(numbers) = gradient.into_data().try_into_vec::<T>()
    {
        spare::reuse(numbers);
    }
}

/// The step of those that have a kernel of this precision.
fn run<T: Real>(step: AdamStep, parameters: &mut [Parameter]) {
    let mut parts = Vec::new();
    for Parameter { gradient, state, decay } in parameters {
        let (Flat::Plain(gradient), [Flat::Plain(p), Flat::Plain(m), Flat::Plain(v)]) = (gradient, state) else { continue };
        if gradient.dtype() != T::dtype() {
            continue;
        }
        let [p, m, v] = [p, m, v].map(|state| state.storage_mut::<T>().chunks_mut(PART));
        parts.extend(p.zip(m).zip(v).zip(numbers::<T>(gradient).chunks(PART)).map(|(state, g)| (state, g, *decay)));
    }
    in_parallel(parts, |(_, g, _)| g.len()).for_each(|(((p, m), v), g, decay)| update([p, m, v], g, step, decay));
}

/// Parts of so many numbers each, on one thread if they are few.
fn in_parallel<P: Send>(parts: Vec<P>, length: impl Fn(&P) -> usize) -> impl IndexedParallelIterator<Item = P> {
    let least = if parts.iter().map(length).sum::<usize>() < FEW { parts.len() } else { 1 };
    parts.into_par_iter().with_min_len(least)
}

fn update<T: Real>([p, m, v]: [&mut [T]; 3], g: &[T], step: AdamStep, decay: f64) {
    let of = T::of;
    let [scale, beta1, beta2, rate, root, epsilon] = [step.scale, step.betas[0], step.betas[1], step.rate, step.root, step.epsilon].map(of);
    let (left1, left2, kept) = (of(1.0 - step.betas[0]), of(1.0 - step.betas[1]), of(1.0 - decay));
    // Masked weights: a step would write what is there already.
    let stands_still = decay == 0.0;
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
}

/// Whether numbers are all 0, without a branch a number.
#[inline(always)]
fn is_zero<T: Real>(numbers: &[T]) -> bool {
    let zero = T::of(0.0);
    numbers.iter().fold(0u32, |others, number| others | u32::from(*number != zero)) == 0
}

/// Σ g² over all the gradients, in 64 bits over parts of fixed length; by `composed` where there is no kernel.
pub(crate) fn sum_of_squares<'a>(gradients: impl Iterator<Item = &'a Flat>, composed: impl Fn(Tensor<1>) -> f64) -> f64 {
    let mut others = 0.0;
    let plain = gradients.filter_map(|gradient| match gradient {
        Flat::Plain(plain) => Some(plain),
        Flat::Composed(tensor, _) => {
            others += composed(tensor.clone());
            None
        }
    });
    let plain: Vec<&Plain> = plain.collect();
    let (single, double) = (squares::<f32>(&plain), squares::<f64>(&plain));
    others + single + double
}

fn squares<T: Real>(gradients: &[&Plain]) -> f64 {
    let parts = gradients.iter().filter(|g| g.dtype() == T::dtype()).flat_map(|g| numbers::<T>(g).chunks(PART));
    let sums = in_parallel(parts.collect(), |part: &&[T]| part.len()).map(|part| {
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
    });
    // In their order, whichever thread did them.
    sums.collect::<Vec<f64>>().iter().sum()
}
