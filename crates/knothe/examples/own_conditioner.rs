//! A conditioner of your own in an autoregressive map: columns are the times of a series, and each depends on the last few,
//!
//!     θ_pj = b_p + Σ_k w_pk tanh(x_{j−k}),   k = 1 … lags,
//!
//! with the same weights at all times. With an affine map it is a nonlinear autoregression whose mean and variance vary.
//!
//! `cargo run --release -p knothe --example own_conditioner` draws series from it; `cargo test` runs the laws of maps on it.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use knothe::{
    Density, Flow, Given, Inverse, Order, Placement, Precision, Result,
    conditioner::{AutoregressiveConditioner, Conditioner, Widths},
    source::Normal,
    triangular::Autoregressive,
    univariate::Affine,
};
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};

/// θ_pj = b_p + Σ_k w_pk tanh(x_{j−k}), where times before the first count as 0.
#[derive(Module, Debug)]
pub struct Lags {
    /// `[parameters, lags]`.
    weight: Param<Tensor<2>>,
    /// `[parameters, 1]`.
    bias: Param<Tensor<2>>,
    #[module(skip)]
    order: Order,
}

impl Conditioner for Lags {
    fn widths(&self) -> Widths {
        let dim = self.order.dim();
        Widths { inputs: dim, context_dim: 0, parameters: self.bias.dims()[0], outputs: dim }
    }

    fn placement(&self) -> Placement {
        Placement::of(&self.bias.val())
    }

    fn parameters(&self, x: Tensor<2>, _: &Given) -> Result<Tensor<3>> {
        let ([rows, dim], [_, lags]) = (x.dims(), self.weight.dims());
        let before = Tensor::cat(vec![Placement::of(&x).zeros([rows, lags]), x.tanh()], 1);
        let lagged = (1..=lags).map(|k| before.clone().narrow(1, lags - k, dim)).collect();
        Ok(self.weight.val().unsqueeze::<3>().matmul(Tensor::stack::<3>(lagged, 1)) + self.bias.val().unsqueeze())
    }
}

impl AutoregressiveConditioner for Lags {
    fn order(&self) -> &Order {
        &self.order
    }
}

/// x_j = T(z_j; θ_j(x_<j)) over the times, with T affine. The identity where all weights start at 0.
fn series(times: usize, start: f64, place: &Placement) -> Result<Inverse<Autoregressive<Lags>>> {
    let [weight, bias] = [[2, 3], [2, 1]].map(|shape| Param::from_tensor(place.zeros(shape) + start));
    Ok(Inverse::of(Autoregressive::of(Lags { weight, bias, order: Order::natural(times) }, Arc::new(Affine::default()))?))
}

fn main() -> Result<()> {
    let place = Placement::cpu(Precision::F64);
    let flow = Flow::new(Normal::new(8, &place), series(8, 0.3, &place)?, 0)?;
    println!("{}", flow.sample(2, &Given::default(), &mut ChaCha12Rng::seed_from_u64(0))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_obeys_the_laws() -> std::result::Result<(), Box<dyn std::error::Error>> {
        for place in [Precision::F32, Precision::F64].map(Placement::cpu) {
            let z = place.normal([100, 5], &mut ChaCha12Rng::seed_from_u64(1));
            knothe::conformance::obeys_laws(&series(5, 0.3, &place)?, Some(&Order::natural(5)), z, &Given::default())?;
        }
        Ok(())
    }
}
