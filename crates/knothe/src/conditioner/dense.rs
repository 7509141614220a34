//! A fully connected conditioner: what a coupling layer's moving half reads of its standing half.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use rand::Rng;

use super::{Activation, Conditioner, Linear, OUTPUT_GAIN, Widths, check_context, read};
use crate::{
    error::Result,
    given::Given,
    kernels::{Conditioned, Kernel, Network, Stairs, Step, has_kernels},
    placement::Placement,
    shape::check_input,
};

/// What a [`Dense`] network is made of.
#[derive(Clone, Debug)]
pub struct DenseConfig {
    /// Inputs, without the context.
    pub inputs: usize,
    /// Context columns.
    pub context_dim: usize,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Parameters per coordinate.
    pub parameters: usize,
    /// Coordinates.
    pub outputs: usize,
    /// The nonlinearity between layers.
    pub activation: Activation,
}

/// θ = MLP(x, context).
#[derive(Module, Debug)]
pub struct Dense {
    layers: Vec<Linear>,
    #[module(skip)]
    config: DenseConfig,
    /// A coupling as one operation.
    #[module(skip)]
    shape: Option<Arc<Conditioned>>,
}

impl Dense {
    /// A network with random weights whose outputs are near 0.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) where an [outline](Placement::outline) has no room for it.
    pub fn new(config: DenseConfig, place: &Placement, rng: &mut impl Rng) -> Result<Self> {
        let mut widths = vec![config.inputs + config.context_dim];
        widths.extend(&config.hidden);
        widths.push(config.parameters * config.outputs);
        let last = widths.len() - 2;
        let layers = (0..=last)
            .map(|l| Linear::new(widths[l], widths[l + 1], None, if l == last { OUTPUT_GAIN } else { 1.0 }, place, rng))
            .collect();
        place.count(0)?;
        Ok(Dense { layers, config, shape: None })
    }

    /// What the one operation needs to know; none without hidden layers.
    fn shape(&self, reads: &[usize], mapped: &[usize]) -> Option<Arc<Conditioned>> {
        let (count, outputs) = (self.config.parameters, self.config.outputs);
        let places = (0..outputs).flat_map(|k| (0..count).map(move |p| p * outputs + k)).collect();
        let mut widths = vec![self.config.inputs];
        widths.extend(&self.config.hidden);
        let mut layers: Vec<_> =
            widths.windows(2).map(|w| Stairs::new(vec![w[0]; w[1]], (0..w[0]).collect(), (0..w[1]).collect())).collect();
        let last = *self.config.hidden.last()?;
        layers.push(Stairs::new(vec![last; count * outputs], (0..last).collect(), places));
        let network = Network { layers, activation: self.config.activation, residual: false };
        Some(Arc::new(Conditioned { network, reads: reads.to_vec(), mapped: mapped.to_vec(), degrees: Vec::new() }))
    }
}

impl Conditioner for Dense {
    fn widths(&self) -> Widths {
        let &DenseConfig { inputs, context_dim, parameters, outputs, .. } = &self.config;
        Widths { inputs, context_dim, parameters, outputs }
    }

    fn placement(&self) -> Placement {
        Placement::of(&self.layers[0].bias())
    }

    fn between(self, reads: &[usize], mapped: &[usize]) -> Self {
        Dense { shape: self.shape(reads, mapped), ..self }
    }

    fn dtype(&self) -> DType {
        self.layers[0].bias().dtype()
    }

    fn parameters(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<3>> {
        let dtype = self.dtype();
        let rows = check_input("conditioner input", &x, self.config.inputs, dtype)?;
        let x = read(x, &self.config.hidden);
        let mut h = match check_context(given.context, rows, self.config.context_dim, dtype)? {
            Some(c) => Tensor::cat(vec![x, c.clone()], 1),
            None => x,
        };
        for (l, layer) in self.layers.iter().enumerate() {
            if l > 0 {
                h = self.config.activation.apply(h);
            }
            h = layer.forward(h);
        }
        Ok(h.reshape([rows, self.config.parameters, self.config.outputs]))
    }

    fn step(&self, kernel: Kernel, _solve: bool, x: &Tensor<2>, given: &Given) -> Result<Option<Step>> {
        let Some(shape) = self.shape.as_ref().filter(|_| has_kernels(x)) else { return Ok(None) };
        let context = check_context(given.context, x.dims()[0], self.config.context_dim, self.dtype())?;
        let mut parameters: Vec<_> = self.layers.iter().map(|l| (l.weight(), l.bias())).collect();
        let added = context.map(|c| {
            let whole = parameters[0].0.clone();
            parameters[0].0 = whole.clone().narrow(0, 0, self.config.inputs);
            c.clone().matmul(whole.narrow(0, self.config.inputs, self.config.context_dim))
        });
        Ok(Some(Step { shape: shape.clone(), kernel, solve: false, added, parameters }))
    }
}
