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
    kernels::{AdamStep, adam_step, sum_of_squares},
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
    pub(crate) moments: Vec<(Tensor<1>, Tensor<1>)>,
}

impl Adam {
    /// One step, and whether it was taken: it is not when a gradient is not finite, and the module and the state are then as they were.
    pub fn step<M: Module>(&mut self, module: M, mut gradients: Gradients, rate: f64, weight_decay: f64, clip: f64) -> (M, bool) {
        let mut norm = SquaredNorm { gradients: &gradients, total: 0.0 };
        module.visit(&mut norm);
        let norm = norm.total.sqrt();
        if !norm.is_finite() {
            return (module, false);
        }
        self.steps += 1;
        let t = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let mut update = Update {
            gradients: &mut gradients,
            moments: &mut self.moments,
            index: 0,
            step: AdamStep {
                scale: if norm > clip { clip / norm } else { 1.0 },
                betas: [BETA1, BETA2],
                rate: rate / (1.0 - BETA1.powi(t)),
                root: 1.0 / (1.0 - BETA2.powi(t)).sqrt(),
                epsilon: EPSILON,
                decay: rate * weight_decay,
            },
        };
        (module.map(&mut update), true)
    }

    /// The state as host values: m and v of each parameter.
    pub(crate) fn moments_data(&self) -> Vec<(TensorData, TensorData)> {
        self.moments.iter().map(|(m, v)| (m.clone().into_data(), v.clone().into_data())).collect()
    }

    /// Restores a state written by [`Adam::moments_data`] for a module with these parameters.
    pub(crate) fn restore(module: &impl Module, steps: u64, data: Vec<(TensorData, TensorData)>) -> Result<Self> {
        let mut restore = RestoreMoments { data: data.into_iter(), moments: Vec::new() };
        module.visit(&mut restore);
        let (found, rest) = (restore.moments.len(), restore.data.len());
        let moments: Option<Vec<_>> = restore.moments.into_iter().collect();
        match moments {
            Some(moments) if rest == 0 => Ok(Adam { steps, moments }),
            _ => Err(Error::invalid("optimiser state", format!("moments for {found} parameters"), format!("others, {rest} too many"))),
        }
    }
}

struct SquaredNorm<'a> {
    gradients: &'a Gradients,
    total: f64,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(g) = param.val().grad(self.gradients) {
            let length = g.dims().iter().product::<usize>();
            let g: Tensor<1> = g.reshape([length]);
            self.total +=
                sum_of_squares(g.clone()).unwrap_or_else(|| g.reshape([1, length]).powi_scalar(2).sum_dim(1).into_scalar::<f64>());
        }
    }
}

struct Update<'a> {
    gradients: &'a mut Gradients,
    moments: &'a mut Vec<(Tensor<1>, Tensor<1>)>,
    index: usize,
    step: AdamStep,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let index = self.index;
        self.index += 1;
        if self.moments.len() == index {
            let zeros = param.val().inner().zeros_like().reshape([-1]);
            self.moments.push((zeros.clone(), zeros));
        }
        let Some(g) = param.val().grad_remove(self.gradients) else { return param };
        let length = g.dims().iter().product::<usize>();
        let g: Tensor<1> = g.reshape([length]);
        let step = AdamStep { decay: if D >= 2 { self.step.decay } else { 0.0 }, ..self.step };
        let moments = &mut self.moments[index];
        param.map(|old| {
            let shape = old.dims();
            let empty = || Tensor::empty([0], &old.device());
            let (m, v) = std::mem::replace(moments, (empty(), empty()));
            let p;
            let state = [old.inner().reshape([length]), m, v];
            [p, moments.0, moments.1] = adam_step(step, g, state, composed);
            Tensor::from_inner(p.reshape(shape)).require_grad()
        })
    }
}

/// A step from tensor operations.
fn composed(step: AdamStep, g: Tensor<1>, [p, m, v]: [Tensor<1>; 3]) -> [Tensor<1>; 3] {
    let g = g * step.scale;
    let m = m * step.betas[0] + g.clone() * (1.0 - step.betas[0]);
    let v = v * step.betas[1] + g.powi_scalar(2) * (1.0 - step.betas[1]);
    let change = m.clone() * step.rate / (v.clone().sqrt() * step.root + step.epsilon);
    [p * (1.0 - step.decay) - change, m, v]
}

struct RestoreMoments<I> {
    data: I,
    moments: Vec<Option<(Tensor<1>, Tensor<1>)>>,
}

impl<I: Iterator<Item = (TensorData, TensorData)>> ModuleVisitor for RestoreMoments<I> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let p = param.val().inner();
        let length = p.dims().iter().product::<usize>();
        let fits = |d: &TensorData| d.dtype() == p.dtype() && d.shape().to_vec() == [length];
        let tensor = |d| Tensor::<1>::from_data(d, (&p.device(), p.dtype()));
        let pair = self.data.next().filter(|(m, v)| fits(m) && fits(v)).map(|(m, v)| (tensor(m), tensor(v)));
        self.moments.push(pair);
    }
}
