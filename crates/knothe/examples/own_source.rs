//! A source of your own under a built-in map: independent Laplace laws, p(z) = Π_j exp(−|z_j|) / 2.
//!
//! `cargo run --release -p knothe --example own_source` draws from a flow with it; `cargo test` runs the laws of densities on it.

use burn::{module::Module, tensor::Tensor};
use knothe::{
    Compose, Density, Flow, Given, Layer, Order, Placement, Precision, Result, bijection::check_input, linear::TriangularAffine, values,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

/// Independent Laplace laws.
#[derive(Module, Debug)]
pub struct Laplace {
    dim: usize,
    /// Carries the device and the precision. A bare tensor is neither trained nor saved.
    anchor: Tensor<1>,
}

impl Density for Laplace {
    fn dim(&self) -> usize {
        self.dim
    }

    fn log_prob(&self, z: Tensor<2>, _: &Given) -> Result<Tensor<1>> {
        check_input("z", &z, self.dim, self.anchor.dtype())?;
        Ok(-z.abs().sum_dim(1).squeeze_dim(1) - self.dim as f64 * std::f64::consts::LN_2)
    }

    fn sample(&self, n: usize, _: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        // The quantile function: −sign(v) log(1 − |v|) for v uniform on (−1, 1).
        let v: Tensor<2> = Placement::of(&self.anchor).open_uniform([n, self.dim], rng) * 2.0 - 1.0;
        Ok(-v.clone().sign() * (-v.abs()).log1p())
    }

    fn to_uniform(&self, z: Tensor<2>, _: &Given) -> Result<Tensor<2>> {
        check_input("z", &z, self.dim, self.anchor.dtype())?;
        Ok((z.clone().sign() * (-(-z.abs()).exp() + 1.0) + 1.0) * 0.5)
    }
}

fn flow(place: &Placement) -> Result<Flow<Laplace, Compose>> {
    let map = Compose::new(2, vec![Layer::TriangularAffine(TriangularAffine::new(&Order::natural(2), 0, place))])?;
    Flow::new(Laplace { dim: 2, anchor: place.zeros([1]) }, map, 0)
}

fn main() -> Result<()> {
    let (flow, mut rng) = (flow(&Placement::cpu(Precision::F64))?, ChaCha12Rng::seed_from_u64(0));
    let (x, log_prob) = flow.sample_and_log_prob(4, &Given::default(), &mut rng)?;
    println!("{x}\nlog q(x) = {:.3?}", values(log_prob));
    Ok(())
}

#[cfg(test)]
mod tests {
    use knothe::conformance::{Quadrature, integrates_to_one, samples_agree, samples_are_uniform};

    use super::*;

    #[test]
    fn it_obeys_the_laws() -> std::result::Result<(), Box<dyn std::error::Error>> {
        for place in [Precision::F32, Precision::F64].map(Placement::cpu) {
            let (q, given, mut rng) = (flow(&place)?, Given::default(), ChaCha12Rng::seed_from_u64(1));
            integrates_to_one(&q, None, &Quadrature::default(), &place)?;
            samples_are_uniform(&q, 10_000, &given, &mut rng)?;
            samples_agree(&q, 10_000, &given, &mut rng)?;
        }
        Ok(())
    }
}
