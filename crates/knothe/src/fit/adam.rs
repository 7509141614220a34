//! Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019), in the parameters' own precision.
//!
//! With g the gradient after clipping of the global norm, and step t from 1:
//! m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², p ← p − η (m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε) − η λ p,
//! the last term for weight matrices only. Burn's optimiser keeps its constants in 32 bits, clips a tensor at a time and
//! cannot resume in 64 bits, so this is our own.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};

use crate::{
    error::{Error, Result},
    kernels::{AdamStep, Flat, Parameter, adam_step, sum_of_squares},
};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The optimiser's state.
#[derive(Clone, Debug, Default)]
pub struct Adam {
    /// Steps taken.
    pub(crate) steps: u64,
    /// (m, v) of each parameter, in the order in which the module is visited.
    ///
    /// None while a step is under way.
    moments: Vec<Option<[Flat; 2]>>,
}

impl Adam {
    /// Takes one step, and tells whether it was taken. A step is not taken if a gradient is not finite; module and state are then as before.
    pub fn step<M: Module>(&mut self, module: M, gradients: Gradients, rate: f64, weight_decay: f64, clip: f64) -> (M, bool) {
        let gradients = find(&module, gradients);
        self.step_on(module, gradients, rate, weight_decay, clip)
    }

    /// A step on the gradients that [`find`] has found.
    pub(super) fn step_on<M: Module>(
        &mut self,
        module: M,
        gradients: Vec<Option<Flat>>,
        rate: f64,
        weight_decay: f64,
        clip: f64,
    ) -> (M, bool) {
        let squares = |g: Tensor<1>| g.powi_scalar(2).sum().into_scalar::<f64>();
        let norm = sum_of_squares(gradients.iter().flatten(), squares).sqrt();
        if !norm.is_finite() {
            return (module, false);
        }
        self.steps += 1;
        let t = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let step = AdamStep {
            scale: if norm > clip { clip / norm } else { 1.0 },
            betas: [BETA1, BETA2],
            rate: rate / (1.0 - BETA1.powi(t)),
            root: 1.0 / (1.0 - BETA2.powi(t)).sqrt(),
            epsilon: EPSILON,
        };
        // The parameters leave the module for the step, so that it is one pass over all of them, in their own memory.
        let mut leave =
            Leave { gradients: gradients.into_iter(), moments: &mut self.moments, decay: rate * weight_decay, index: 0, left: Vec::new() };
        let module = module.map(&mut leave);
        let (places, parameters): (Vec<_>, Vec<_>) = leave.left.into_iter().unzip();
        let after = places.into_iter().zip(adam_step(step, parameters, composed)).map(|(place, [p, m, v])| {
            self.moments[place] = Some([m, v]);
            (place, p)
        });
        (module.map(&mut Return { after: after.peekable(), index: 0 }), true)
    }

    /// The state as host values: m and v of each parameter.
    pub(crate) fn moments_data(&self) -> Vec<(TensorData, TensorData)> {
        self.moments.iter().flatten().map(|[m, v]| (m.clone().tensor::<1>().into_data(), v.clone().tensor::<1>().into_data())).collect()
    }

    /// Restores a state written by [`Adam::moments_data`] for a module with these parameters.
    pub(crate) fn restore(module: &impl Module, steps: u64, data: Vec<(TensorData, TensorData)>) -> Result<Self> {
        let mut restore = RestoreMoments { data: data.into_iter(), moments: Vec::new() };
        module.visit(&mut restore);
        let (moments, rest) = (restore.moments, restore.data.len());
        if rest == 0 && moments.iter().all(Option::is_some) {
            return Ok(Adam { steps, moments });
        }
        Err(Error::invalid("optimiser state", format!("moments for {} parameters", moments.len()), format!("others, {rest} too many")))
    }
}

/// The gradient of each parameter, if it has one, in the order in which the module is visited.
pub(super) fn find(module: &impl Module, mut gradients: Gradients) -> Vec<Option<Flat>> {
    let mut find = Find { gradients: &mut gradients, found: Vec::new() };
    module.visit(&mut find);
    find.found
}

struct Find<'a> {
    gradients: &'a mut Gradients,
    found: Vec<Option<Flat>>,
}

impl ModuleVisitor for Find<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push(param.val().grad_remove(self.gradients).map(Flat::of));
    }
}

/// Takes the parameters that have gradients out of the module, with their moments and their places.
struct Leave<'a> {
    gradients: std::vec::IntoIter<Option<Flat>>,
    moments: &'a mut Vec<Option<[Flat; 2]>>,
    decay: f64,
    index: usize,
    left: Vec<(usize, Parameter)>,
}

impl ModuleMapper for Leave<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let index = self.index;
        self.index += 1;
        if self.moments.len() == index {
            let zeros = Flat::of(param.val().inner().zeros_like().reshape::<1, _>([-1]));
            self.moments.push(Some([zeros.clone(), zeros]));
        }
        let Some(gradient) = self.gradients.next().flatten() else { return param };
        let Some([m, v]) = self.moments[index].take() else { return param };
        param.map(|old| {
            // What has no number is no shape to Burn.
            let nothing = Tensor::empty([1; D], &old.device());
            let decay = if D >= 2 { self.decay } else { 0.0 };
            self.left.push((index, Parameter { gradient, state: [Flat::of(old.inner()), m, v], decay }));
            nothing
        })
    }
}

/// Puts parameters where they were.
struct Return<I: Iterator> {
    after: std::iter::Peekable<I>,
    index: usize,
}

impl<I: Iterator<Item = (usize, Flat)>> ModuleMapper for Return<I> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let index = self.index;
        self.index += 1;
        let Some((_, p)) = self.after.next_if(|(place, _)| *place == index) else { return param };
        param.map(|_| Tensor::from_inner(p.tensor::<D>()).require_grad())
    }
}

/// A step from tensor operations.
fn composed(step: AdamStep, g: Tensor<1>, [p, m, v]: [Tensor<1>; 3], decay: f64) -> [Tensor<1>; 3] {
    let g = g * step.scale;
    let m = m * step.betas[0] + g.clone() * (1.0 - step.betas[0]);
    let v = v * step.betas[1] + g.powi_scalar(2) * (1.0 - step.betas[1]);
    let change = m.clone() * step.rate / (v.clone().sqrt() * step.root + step.epsilon);
    [p * (1.0 - decay) - change, m, v]
}

struct RestoreMoments<I> {
    data: I,
    moments: Vec<Option<[Flat; 2]>>,
}

impl<I: Iterator<Item = (TensorData, TensorData)>> ModuleVisitor for RestoreMoments<I> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let p = param.val().inner();
        let length = p.dims().iter().product::<usize>();
        let fits = |d: &TensorData| d.dtype() == p.dtype() && d.shape().to_vec() == [length];
        let tensor = |d| Flat::of(Tensor::<1>::from_data(d, (&p.device(), p.dtype())));
        let pair = self.data.next().filter(|(m, v)| fits(m) && fits(v)).map(|(m, v)| [tensor(m), tensor(v)]);
        self.moments.push(pair);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::placement::{Placement, Precision, values};

    #[derive(Module, Debug)]
    struct Parameters {
        matrix: Param<Tensor<2>>,
        unused: Param<Tensor<1>>,
        vector: Param<Tensor<1>>,
    }

    /// A matrix that is the transpose of what is in memory, of more than one part and of whole pieces that stand still; and what has no gradient.
    fn start(place: &Placement) -> Parameters {
        let param = |tensor: Tensor<2>| Param::from_tensor(Tensor::from_inner(tensor));
        let row = |tensor: Tensor<2>| Param::from_tensor(Tensor::from_inner(tensor.reshape([-1])));
        let numbers = |count: usize, step: usize| (0..count).map(|k| (k * step % 17) as f64 / 8.0 - 1.0).collect::<Vec<f64>>();
        Parameters {
            matrix: param(place.tensor(numbers(300 * 250, 5), [300, 250]).transpose()),
            unused: row(place.tensor(numbers(3, 1), [3, 1])),
            vector: row(place.tensor(numbers(40, 3), [40, 1])),
        }
    }

    /// ½ Σ w p² + ½ Σ q², with w = 0 for the first rows of the matrix p.
    fn loss(module: &Parameters, place: &Placement) -> Tensor<1> {
        let weights = (0..250 * 300).map(|k| if k < 100 * 300 { 0.0 } else { 1.0 }).collect();
        let weights = Tensor::from_inner(place.tensor(weights, [250, 300]));
        (module.matrix.val().powi_scalar(2) * weights).sum() * 0.5 + module.vector.val().powi_scalar(2).sum() * 0.5
    }

    /// The formula at the head of this file, a number at a time: p after `steps` steps whose gradients are w p, of parameters that decay by `decay`.
    fn expected(p: &mut [Vec<f64>; 2], steps: i32, rate: f64, decay: [f64; 2], clip: f64) {
        let mut moments = p.clone().map(|p| vec![[0.0, 0.0]; p.len()]);
        let wanted = |part: usize, k: usize| part == 1 || k >= 100 * 300;
        for t in 1..=steps {
            let gradient = |part: usize, k: usize, p: f64| if wanted(part, k) { p } else { 0.0 };
            let squares = (0..2).flat_map(|part| p[part].iter().enumerate().map(move |(k, &p)| gradient(part, k, p).powi(2)));
            let scale = (clip / squares.sum::<f64>().sqrt()).min(1.0);
            for part in 0..2 {
                for (k, (p, [m, v])) in p[part].iter_mut().zip(&mut moments[part]).enumerate() {
                    let g = scale * gradient(part, k, *p);
                    (*m, *v) = (BETA1 * *m + (1.0 - BETA1) * g, BETA2 * *v + (1.0 - BETA2) * g * g);
                    let root = (*v / (1.0 - BETA2.powi(t))).sqrt();
                    *p -= rate * *m / (1.0 - BETA1.powi(t)) / (root + EPSILON) + rate * decay[part] * *p;
                }
            }
        }
    }

    fn steps_are_the_formula(precision: Precision, tolerance: f64, weight_decay: f64, clip: f64) {
        let plain = Placement::cpu(precision);
        let mut module = start(&plain).train();
        let before = values(module.unused.val().inner());
        let mut numbers = [values(module.matrix.val().inner()), values(module.vector.val().inner())];
        expected(&mut numbers, 3, 0.1, [weight_decay, 0.0], clip);
        let mut adam = Adam::default();
        for _ in 0..3 {
            let gradients = loss(&module, &plain).backward();
            let taken;
            (module, taken) = adam.step(module, gradients, 0.1, weight_decay, clip);
            assert!(taken);
        }
        assert_eq!(values(module.unused.val().inner()), before);
        assert_eq!(module.matrix.val().dims(), [250, 300]);
        for (found, expected) in [values(module.matrix.val().inner()), values(module.vector.val().inner())].iter().zip(&numbers) {
            // What is no number is not within it.
            let close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= tolerance);
            assert!(found.len() == expected.len() && close);
        }
        assert_eq!(adam.moments_data().len(), 3);
    }

    #[test]
    fn steps_are_the_formula_in_both_precisions() {
        for (decay, clip) in [(0.0, f64::INFINITY), (0.01, f64::INFINITY), (0.0, 1.0), (0.01, 1.0)] {
            // Three steps of 0.1, each of a few roundings of numbers about 1; the ratio of m to √v is kept where both are small.
            steps_are_the_formula(Precision::F32, 1e-5, decay, clip);
            steps_are_the_formula(Precision::F64, 1e-13, decay, clip);
        }
    }

    #[test]
    fn a_gradient_that_is_no_number_changes_nothing() {
        let plain = Placement::cpu(Precision::F32);
        let module = start(&plain).train();
        let before = values(module.matrix.val().inner());
        let gradients = (module.matrix.val().sum() * f64::NAN + module.vector.val().sum()).backward();
        let mut adam = Adam::default();
        let (module, taken) = adam.step(module, gradients, 0.1, 0.0, f64::INFINITY);
        assert!(!taken && adam.steps == 0 && adam.moments_data().is_empty());
        assert_eq!(values(module.matrix.val().inner()), before);
    }
}
