//! A layer of your own in a chain of built-in ones: the twist of the plane,
//!
//!     x = R(φ(|z|)) z,   φ(r) = a exp(−r² / 2),
//!
//! where R(φ) turns by the angle φ. Near the origin it turns by a, far out it leaves everything as it is. It preserves areas,
//! so its ladj is 0, and it preserves |z|, so its inverse turns back by the same angle. It is not triangular.
//!
//! `cargo run --release -p knothe --example own_layer` draws from a flow with it; `cargo test` runs the laws of maps on it.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use knothe::{
    Bijection, Compose, Density, Flow, Given, Layer, Order, Placement, Precision, Result, linear::TriangularAffine, source::Normal, values,
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

/// x = R(a exp(−|z|² / 2)) z with a trained angle a, which starts at 0.
#[derive(Module, Debug)]
pub struct Twist {
    angle: Param<Tensor<1>>,
}

impl Twist {
    /// The identity, at the angle 0.
    pub fn new(place: &Placement) -> Self {
        Twist { angle: Param::from_tensor(place.zeros([1])) }
    }

    /// Each row, turned by `sign` times its angle.
    fn turned(&self, x: Tensor<2>, sign: f64) -> Result<(Tensor<2>, Tensor<1>)> {
        let ladj = Placement::of(&x).zeros([x.dims()[0]]);
        let [first, second] = [0, 1].map(|j| x.clone().narrow(1, j, 1));
        let angle = (x.square().sum_dim(1) * -0.5).exp() * self.angle.val().unsqueeze() * sign;
        let (cos, sin) = (angle.clone().cos(), angle.sin());
        let turned = vec![first.clone() * cos.clone() - second.clone() * sin.clone(), first * sin + second * cos];
        Ok((Tensor::cat(turned, 1), ladj))
    }
}

impl Bijection for Twist {
    fn dim(&self) -> usize {
        2
    }

    fn forward_and_ladj(&self, z: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.turned(z, 1.0)
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.turned(x, -1.0)
    }
}

fn main() -> Result<()> {
    let (place, mut rng) = (Placement::cpu(Precision::F64), ChaCha12Rng::seed_from_u64(0));
    let affine = || Layer::TriangularAffine(TriangularAffine::new(&Order::natural(2), 0, &place));
    let map = Compose::with_own(2, vec![affine(), Layer::Own(Twist::new(&place)), affine()])?;
    let flow = Flow::new(Normal::new(2, &place), map, 0)?;
    let x = flow.sample(4, &Given::default(), &mut rng)?;
    println!("log q(x) = {:.3?}", values(flow.log_prob(x, &Given::default())?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_obeys_the_laws() -> std::result::Result<(), knothe::conformance::Violation> {
        for place in [Precision::F32, Precision::F64].map(Placement::cpu) {
            let z = place.normal([100, 2], &mut ChaCha12Rng::seed_from_u64(1));
            let map = Twist { angle: Param::from_tensor(place.zeros([1]) + 1.5) };
            knothe::conformance::obeys_laws(&map, None, z, &Given::default())?;
        }
        Ok(())
    }
}
