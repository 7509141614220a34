//! An affine layer with an optional mask on its weights.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use rand::{Rng, RngExt};

use crate::placement::{Placement, assign};

/// y = x (W ∘ M) + b, for x of `[rows, inputs]` and y of `[rows, outputs]`.
#[derive(Module, Debug)]
pub struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    mask: Option<Tensor<2>>,
}

impl Linear {
    /// Weights and biases uniform on ±gain/√fan-in, where the fan-in counts the inputs that an output reads.
    /// `mask(i, o)` says whether output o reads input i.
    pub fn new(
        inputs: usize,
        outputs: usize,
        mask: Option<&dyn Fn(usize, usize) -> bool>,
        gain: f64,
        place: &Placement,
        rng: &mut impl Rng,
    ) -> Self {
        let mask = mask.filter(|_| !place.is_outline());
        let read = |o: usize| mask.map_or(inputs, |m| (0..inputs).filter(|&i| m(i, o)).count());
        let bound = |o: usize| gain / (read(o).max(1) as f64).sqrt();
        let bounds: Vec<f64> = if place.is_outline() { Vec::new() } else { (0..outputs).map(bound).collect() };
        let mut draw = |number: usize| (0..number).map(|k| bounds[k % outputs] * (2.0 * rng.random::<f64>() - 1.0)).collect();
        let weight = place.tensor_of([inputs, outputs], || draw(inputs * outputs));
        let bias = place.tensor_of([outputs], || draw(outputs));
        let mask = mask.map(|m| {
            let flags = (0..inputs * outputs).map(|k| f64::from(m(k / outputs, k % outputs))).collect();
            place.tensor(flags, [inputs, outputs])
        });
        Linear { weight: Param::from_tensor(weight), bias: Param::from_tensor(bias), mask }
    }

    /// The layer's output.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight()) + self.bias.val().unsqueeze()
    }

    /// The masked weights, `[inputs, outputs]`.
    pub fn weight(&self) -> Tensor<2> {
        match &self.mask {
            Some(mask) => self.weight.val() * mask.clone(),
            None => self.weight.val(),
        }
    }

    /// The weights without the mask, for a caller that touches none but unmasked ones.
    pub(super) fn unmasked(&self) -> Tensor<2> {
        self.weight.val()
    }

    /// Gives the layer other biases.
    pub(crate) fn set_bias(&mut self, values: Vec<f64>) {
        assign(&mut self.bias, values);
    }

    /// The biases, `[outputs]`.
    pub fn bias(&self) -> Tensor<1> {
        self.bias.val()
    }
}
