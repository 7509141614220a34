//! Polyak averaging: an exponential moving average of the parameters, which is what is evaluated and kept.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use crate::error::{Error, Result};

/// p̄ ← d p̄ + (1 − d) p after each step, d = min(decay, (1 + t)/(10 + t)).
#[derive(Clone, Debug)]
pub(crate) struct Average {
    values: Vec<Tensor<1>>,
    steps: u64,
}

impl Average {
    /// An average that starts at the module's parameters.
    pub fn new(module: &impl Module) -> Self {
        Average { values: flat(module), steps: 0 }
    }

    /// Takes in the parameters after a step.
    pub fn update(&mut self, module: &impl Module, decay: f64) {
        self.steps += 1;
        let t = self.steps as f64;
        let d = decay.min((1.0 + t) / (10.0 + t));
        for (average, new) in self.values.iter_mut().zip(flat(module)) {
            average.inplace(|a| a * d + new * (1.0 - d));
        }
    }

    /// The module with the averages in the place of its parameters.
    pub fn applied<M: Module>(&self, module: M) -> M {
        module.map(&mut Apply { values: self.values.iter() })
    }

    pub fn data(&self) -> Vec<TensorData> {
        self.values.iter().map(|v| v.clone().into_data()).collect()
    }

    pub fn restore(module: &impl Module, data: Vec<TensorData>, steps: u64) -> Result<Self> {
        let like = flat(module);
        if like.len() != data.len()
            || like.iter().zip(&data).any(|(t, d)| t.dims().to_vec() != d.shape().to_vec() || t.dtype() != d.dtype())
        {
            return Err(Error::invalid("averaged parameters", format!("{} of the model's shapes", like.len()), data.len()));
        }
        let values = like.iter().zip(data).map(|(t, d)| Tensor::from_data(d, (&t.device(), t.dtype()))).collect();
        Ok(Average { values, steps })
    }
}

fn flat(module: &impl Module) -> Vec<Tensor<1>> {
    struct Flat(Vec<Tensor<1>>);
    impl ModuleVisitor for Flat {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let p = param.val().inner();
            let length = p.dims().iter().product::<usize>();
            self.0.push(p.reshape([length]));
        }
    }
    let mut visitor = Flat(Vec::new());
    module.visit(&mut visitor);
    visitor.0
}

struct Apply<'a> {
    values: std::slice::Iter<'a, Tensor<1>>,
}

impl ModuleMapper for Apply<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.values.next() {
            Some(value) => param.map(|old| {
                let (shape, tracked) = (old.dims(), old.is_require_grad());
                let new = value.clone().reshape(shape);
                if tracked { Tensor::from_inner(new).require_grad() } else { new }
            }),
            None => param,
        }
    }
}
