//! A univariate map from formula to flow: the template of CONTRIBUTING.md, "Add a univariate map in six steps".
//!
//! The map is the sinh-arcsinh transformation (Jones & Pewsey 2009, "Sinh-arcsinh distributions", Biometrika 96(4)):
//!
//! T(x; b, a) = sinh(a·asinh(x) + b), a > 0,
//!
//! which skews by b and makes tails heavier (a > 1) or lighter (a < 1): T(x) grows like |x|^a.
//!
//! `cargo run --release -p knothe --example add_a_map` draws from a flow of it, `cargo test --release --workspace` tests it.

use std::sync::Arc;

use burn::tensor::Tensor;
use knothe::{
    Compose, Density, Flow, Given, Layer, Placement, Precision, Result,
    conditioner::{Activation, Degrees, MadeConfig, Order},
    source::Normal,
    special::log_cosh,
    triangular::Autoregressive,
    univariate::{MonotoneMap, check_theta},
    values,
};
use rand::Rng;

/// How far the skew can go: |b| < 3.
const SKEW_BOUND: f64 = 3.0;
/// How far the logarithm of a tail's exponent can go: |log a| < 1, so a layer makes at most the power e of a tail.
const TAIL_BOUND: f64 = 1.0;

/// T(x; b, a) = sinh(a·asinh(x) + b). Parameters: the raw skew, then the raw log a, both bounded; 0 and 0 are the identity.
#[derive(Clone, Copy, Debug, Default)]
pub struct SinhArcsinh;

impl SinhArcsinh {
    /// b and log a, `[rows, dim]` each, from θ of `[rows, 2, dim]`.
    ///
    /// A raw parameter counts a quarter: those of a fresh network are within about 0.02, and then no point of [−3, 3] moves
    /// by more than 0.05.
    fn skew_and_log_tail(theta: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let raw = |index| theta.clone().narrow(1, index, 1).squeeze_dim::<2>(1) / 4.0;
        (bounded(raw(0), SKEW_BOUND), bounded(raw(1), TAIL_BOUND))
    }
}

impl MonotoneMap for SinhArcsinh {
    fn parameters(&self) -> usize {
        2
    }

    /// With v = asinh(x) and u = a v + b, ∂T/∂x = cosh(u) · a · 1/√(1 + x²), and √(1 + x²) = cosh(v).
    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        check_theta(&x, &theta, self.parameters())?;
        let (skew, log_tail) = Self::skew_and_log_tail(theta);
        let v = x.asinh();
        let u = v.clone() * log_tail.clone().exp() + skew;
        Ok((u.clone().sinh(), log_tail + log_cosh(u) - log_cosh(v)))
    }

    /// The closed form sinh((asinh(y) − b) / a). A map without one calls `univariate::root::inverse(self, y, theta)`.
    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        check_theta(&y, &theta, self.parameters())?;
        let (skew, log_tail) = Self::skew_and_log_tail(theta);
        let u = y.asinh();
        let v = (u.clone() - skew) * log_tail.clone().neg().exp();
        Ok((v.clone().sinh(), log_cosh(v) - log_cosh(u) - log_tail))
    }
}

/// s ↦ s / √(1 + (s / bound)²): the identity near 0, never beyond ±bound, and smooth.
fn bounded(s: Tensor<2>, bound: f64) -> Tensor<2> {
    let root = (s.clone().powi_scalar(2) / (bound * bound) + 1.0).sqrt();
    s / root
}

/// x_j = T(z_j; θ_j(z_<j)) over `dim` coordinates, θ from a masked network.
fn layer(dim: usize, place: &Placement, rng: &mut impl Rng) -> Result<Autoregressive> {
    let conditioner = MadeConfig {
        order: Order::natural(dim),
        context_dim: 0,
        hidden: vec![16],
        parameters: SinhArcsinh.parameters(),
        activation: Activation::Tanh,
        degrees: Degrees::Sequential,
        residual: false,
    };
    Autoregressive::new(conditioner, Arc::new(SinhArcsinh), place, rng)
}

fn main() -> Result<()> {
    let mut rng = <rand_chacha::ChaCha12Rng as rand::SeedableRng>::seed_from_u64(0);
    let place = Placement::cpu(Precision::F64);
    let map = Compose::new(3, vec![Layer::Autoregressive(layer(3, &place, &mut rng)?)])?;
    let flow = Flow::new(Normal::new(3, &place), map, 0)?;
    let given = Given::default();
    let x = flow.sample(4, &given, &mut rng)?;
    let log_prob = values(flow.log_prob(x.clone(), &given)?);
    for (row, log_prob) in values(x).chunks(3).zip(log_prob) {
        println!("x = {row:7.3?}   log q(x) = {log_prob:.3}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use knothe::conformance;
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;

    /// Increase, log-slope, inverse, gradients, start and input, at thousands of points and parameters.
    #[test]
    fn the_map_obeys_every_law() -> std::result::Result<(), Box<dyn std::error::Error>> {
        for precision in [Precision::F64, Precision::F32] {
            conformance::univariate::every_law(&SinhArcsinh, precision)?;
        }
        Ok(())
    }

    /// A fact of this map alone: b = 0 and a = 2 make 2 x √(1 + x²).
    #[test]
    fn twice_the_arcsinh_is_a_closed_form() -> Result<()> {
        let place = Placement::cpu(Precision::F64);
        // log a = log 2: the s with s/√(1 + s²) = log 2, times four.
        let raw = 4.0 * std::f64::consts::LN_2 / (1.0 - std::f64::consts::LN_2.powi(2)).sqrt();
        for x in [-300.0, -0.2, 0.0, 1.5] {
            let theta = place.tensor(vec![0.0, raw], [1, 2, 1]);
            let y = values(SinhArcsinh.value(place.tensor(vec![x], [1, 1]), theta)?.0)[0];
            let expected = 2.0 * x * (1.0 + x * x).sqrt();
            // 2 asinh(300) is about 13, and a rounding of it is as much in proportion to the result.
            assert!((y - expected).abs() <= 64.0 * f64::EPSILON * expected.abs(), "{x} became {y}, not {expected}");
        }
        Ok(())
    }

    #[test]
    fn the_triangular_map_obeys_the_laws() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let given = Given::default();
        for precision in [Precision::F32, Precision::F64] {
            let (place, mut rng) = (Placement::cpu(precision), ChaCha12Rng::seed_from_u64(1));
            let map = layer(4, &place, &mut rng)?;
            let z = place.uniform([200, 4], &mut rng) * 6.0 - 3.0;
            conformance::round_trip(&map, z.clone(), &given)?;
            conformance::ladj_sums_to_zero(&map, z.clone(), &given)?;
            conformance::ladj_is_jacobian(&map, z.clone(), &given)?;
            conformance::is_triangular(&map, &[0, 1, 2, 3], z.clone(), &given)?;
            conformance::is_near_identity(&map, z, &given)?;
        }
        Ok(())
    }
}
