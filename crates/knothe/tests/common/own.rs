//! Parts as a user of the crate writes them: a layer, a conditioner and a source, with a context where there can be one.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use knothe::{
    Bijection, Compose, Density, Given, Inverse, Order, Placement, Result,
    bijection::{Replay, check_input},
    conditioner::{AutoregressiveConditioner, Conditioner, Widths},
    triangular::{Autoregressive, Coupling},
};
use rand::Rng;

/// x = (z₀, z₁ exp(tanh(a z₀)) + b z₀² + c · w) of the context c; a, b and w start at 0.
#[derive(Module, Debug)]
pub struct Banana {
    slope: Param<Tensor<1>>,
    bend: Param<Tensor<1>>,
    of_context: Option<Param<Tensor<2>>>,
}

impl Banana {
    pub fn new(context_dim: usize, place: &Placement) -> Self {
        Banana {
            slope: Param::from_tensor(place.zeros([1])),
            bend: Param::from_tensor(place.zeros([1])),
            of_context: (context_dim > 0).then(|| Param::from_tensor(place.zeros([context_dim, 1]))),
        }
    }

    /// Coordinates 0 and 1, and log-scale and shift of coordinate 1.
    fn parts(&self, x: &Tensor<2>, given: &Given) -> Result<[Tensor<2>; 4]> {
        given.check(x.dims()[0], self.of_context.as_ref().map_or(0, |w| w.dims()[0]))?;
        let [first, second] = [0, 1].map(|j| x.clone().narrow(1, j, 1));
        let log_scale = (first.clone() * self.slope.val().unsqueeze()).tanh();
        let bent = first.clone().square() * self.bend.val().unsqueeze();
        let shift = match given.context.zip(self.of_context.as_ref()) {
            Some((c, weight)) => bent + c.clone().matmul(weight.val()),
            None => bent,
        };
        Ok([first, second, log_scale, shift])
    }
}

impl Bijection for Banana {
    fn dim(&self) -> usize {
        2
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let [first, second, log_scale, shift] = self.parts(&z, given)?;
        Ok((Tensor::cat(vec![first, second * log_scale.clone().exp() + shift], 1), log_scale.squeeze_dim(1)))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let [first, second, log_scale, shift] = self.parts(&x, given)?;
        Ok((Tensor::cat(vec![first, (second - shift) * log_scale.clone().neg().exp()], 1), log_scale.neg().squeeze_dim(1)))
    }
}

/// θ = tanh(x) (W ∘ M) + c V + b, all of which start at 0. With the mask M of an order it is autoregressive.
#[derive(Module, Debug)]
pub struct OneLayer {
    weight: Param<Tensor<2>>,
    of_context: Option<Param<Tensor<2>>>,
    bias: Param<Tensor<2>>,
    mask: Tensor<2>,
    #[module(skip)]
    order: Order,
    parameters: usize,
}

impl OneLayer {
    /// Reads and gives all columns of the order.
    pub fn masked(order: Order, context_dim: usize, parameters: usize, place: &Placement) -> Self {
        let (dim, ranks) = (order.dim(), order.inverse());
        let flag = |k: usize| f64::from(ranks.columns()[k / (parameters * dim)] < ranks.columns()[k % dim]);
        let mask = place.tensor((0..dim * parameters * dim).map(flag).collect(), [dim, parameters * dim]);
        OneLayer { mask, order, ..Self::dense([dim, dim], context_dim, parameters, place) }
    }

    /// Every output reads every input.
    pub fn dense([inputs, outputs]: [usize; 2], context_dim: usize, parameters: usize, place: &Placement) -> Self {
        let start = |rows| Param::from_tensor(place.zeros([rows, parameters * outputs]));
        let mask = place.zeros([inputs, parameters * outputs]) + 1.0;
        OneLayer {
            weight: start(inputs),
            of_context: (context_dim > 0).then(|| start(context_dim)),
            bias: start(1),
            mask,
            order: Order::natural(outputs),
            parameters,
        }
    }
}

impl Conditioner for OneLayer {
    fn widths(&self) -> Widths {
        let ([inputs, all], context_dim) = (self.weight.dims(), self.of_context.as_ref().map_or(0, |w| w.dims()[0]));
        Widths { inputs, context_dim, parameters: self.parameters, outputs: all / self.parameters }
    }

    fn placement(&self) -> Placement {
        Placement::of(&self.bias.val())
    }

    fn parameters(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<3>> {
        let rows = x.dims()[0];
        let mut theta = x.tanh().matmul(self.weight.val() * self.mask.clone()) + self.bias.val();
        if let Some((c, weight)) = given.context.zip(self.of_context.as_ref()) {
            theta = theta + c.clone().matmul(weight.val());
        }
        Ok(theta.reshape([rows, self.parameters, self.widths().outputs]))
    }
}

impl AutoregressiveConditioner for OneLayer {
    fn order(&self) -> &Order {
        &self.order
    }
}

/// Independent Laplace laws with trained scales, p(z) = Π_j exp(−|z_j| / s_j) / (2 s_j).
#[derive(Module, Debug)]
pub struct Laplace {
    log_scale: Param<Tensor<1>>,
}

impl Laplace {
    pub fn new(dim: usize, place: &Placement) -> Self {
        Laplace { log_scale: Param::from_tensor(place.zeros([dim])) }
    }

    /// z / s.
    fn standard(&self, z: Tensor<2>) -> Result<Tensor<2>> {
        let log_scale = self.log_scale.val();
        check_input("z", &z, self.dim(), log_scale.dtype())?;
        Ok(z * log_scale.neg().exp().unsqueeze())
    }
}

impl Density for Laplace {
    fn dim(&self) -> usize {
        self.log_scale.dims()[0]
    }

    fn log_prob(&self, z: Tensor<2>, _: &Given) -> Result<Tensor<1>> {
        let of_scale = (self.log_scale.val() + std::f64::consts::LN_2).sum();
        Ok(self.standard(z)?.abs().sum_dim(1).squeeze_dim::<1>(1).neg() - of_scale)
    }

    fn sample(&self, n: usize, _: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let log_scale = self.log_scale.val();
        let v: Tensor<2> = Placement::of(&log_scale).open_uniform([n, self.dim()], rng) * 2.0 - 1.0;
        Ok(v.clone().sign().neg() * v.abs().neg().log1p() * log_scale.exp().unsqueeze())
    }

    fn to_uniform(&self, z: Tensor<2>, _: &Given) -> Result<Tensor<2>> {
        let e = self.standard(z)?;
        Ok((e.clone().sign() * (e.abs().neg().exp().neg() + 1.0) + 1.0) * 0.5)
    }
}

/// Layers that are not built in. A chain with several types of them takes an enum such as this one.
#[allow(clippy::large_enum_variant)]
#[derive(Module, Debug)]
pub enum Own {
    Banana(Banana),
    Autoregressive(Autoregressive<OneLayer>),
    InverseAutoregressive(Inverse<Autoregressive<OneLayer>>),
    Coupling(Coupling<OneLayer>),
    Chain(Compose),
}

impl Own {
    fn inner(&self) -> &dyn Bijection {
        match self {
            Own::Banana(b) => b,
            Own::Autoregressive(b) => b,
            Own::InverseAutoregressive(b) => b,
            Own::Coupling(b) => b,
            Own::Chain(b) => b,
        }
    }
}

impl Bijection for Own {
    fn dim(&self) -> usize {
        self.inner().dim()
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.inner().forward_and_ladj(z, given)
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.inner().inverse_and_ladj(x, given)
    }

    fn check_absent(&self) -> Result<()> {
        self.inner().check_absent()
    }

    fn present_forward(&self, present: Tensor<2>) -> Tensor<2> {
        self.inner().present_forward(present)
    }

    fn present_inverse(&self, present: Tensor<2>) -> Tensor<2> {
        self.inner().present_inverse(present)
    }

    fn starts_from_data(&self) -> bool {
        self.inner().starts_from_data()
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        match self {
            Own::Chain(chain) => chain.initialise(data),
            _ => Ok(()),
        }
    }
}
