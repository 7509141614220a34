//! Each law is shown a broken map or density, and must fail on it; and the sound one beside it must pass.

mod univariate;

use burn::module::Module;
use burn::tensor::Tensor;
use knothe::{
    Bijection, Density, Flow, Given, Placement, Precision, Result,
    conformance::{self, Law, Quadrature, Violation},
};
use rand::Rng;

use crate::common::{points, rng};

/// How a map or a density is broken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// The inverse is off by 10⁻⁸.
    Inverse,
    /// The inverse is right in the bulk and off beyond |x| = 20.
    Tail,
    /// ladj of both directions is off by 10⁻⁷ in opposite directions, so that they add to 0.
    Ladj,
    /// The inverse returns the ladj of the forward.
    LadjSign,
    /// Coordinate 0 reads coordinate 1 with a weight of 10⁻³⁰⁰.
    LeakyMask,
    /// Coordinate 1 decreases.
    Decreasing,
    /// Centred by the mean of its batch.
    ReadsBatch,
    /// Shifts by 0.06.
    FarStart,
    /// An empty batch comes back with a row.
    InventsRow,
    /// NaN in the last row.
    NotANumber,
    /// log_prob off by 0.05.
    Unnormalised,
    /// Samples spread 10 % too wide.
    WideSamples,
    /// log_prob beside a sample forgets the ladj.
    ForgetsLadj,
}

/// (z₀, z₁) ↦ (z₀, e^(z₀/10) z₁ + z₀²/4) and its faults.
#[derive(Module, Debug)]
struct Banana {
    #[module(skip)]
    fault: Fault,
}

impl Banana {
    fn parts(z: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        (z.clone().narrow(1, 0, 1), z.clone().narrow(1, 1, 1))
    }

    /// log of the scale of coordinate 1, and its shift.
    fn conditioner(&self, first: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        (first.clone() * 0.1, first.clone().powi_scalar(2) * 0.25)
    }

    fn finish(&self, x: Vec<Tensor<2>>, ladj: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let (mut x, mut ladj) = (Tensor::cat(x, 1), ladj.squeeze_dim::<1>(1));
        let place = Placement::of(&x);
        let rows = x.dims()[0];
        match self.fault {
            Fault::InventsRow if rows == 0 => (x, ladj) = (place.zeros([1, 2]), place.zeros([1])),
            Fault::NotANumber if rows > 0 => x = x.slice_assign([rows - 1..rows, 0..2], place.zeros([1, 2]) / 0.0),
            _ => {}
        }
        (x, ladj)
    }
}

impl Bijection for Banana {
    fn dim(&self) -> usize {
        2
    }

    fn forward_and_ladj(&self, z: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let (mut first, second) = Banana::parts(&z);
        let (log_scale, mut shift) = self.conditioner(&first);
        let mut ladj = log_scale.clone();
        let mut x1 = second.clone() * log_scale.exp();
        match self.fault {
            Fault::LeakyMask => first = first + second * 1e-300,
            Fault::Decreasing => x1 = x1.neg(),
            Fault::ReadsBatch => shift = shift.clone() - shift.mean_dim(0),
            Fault::FarStart => first = first + 0.06,
            Fault::Ladj => ladj = ladj + 1e-7,
            _ => {}
        }
        Ok(self.finish(vec![first, x1 + shift], ladj))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let (first, second) = Banana::parts(&x);
        let (log_scale, shift) = self.conditioner(&first);
        let mut z1 = (second.clone() - shift) * log_scale.clone().neg().exp();
        let mut ladj = log_scale.neg();
        match self.fault {
            Fault::Inverse => z1 = z1 + 1e-8,
            Fault::Tail => z1 = z1 + second.abs().greater_elem(20.0).float().cast(burn::tensor::FloatDType::F64) * 0.1,
            Fault::Ladj => ladj = ladj - 1e-7,
            Fault::LadjSign => ladj = ladj.neg(),
            _ => {}
        }
        Ok(self.finish(vec![first, z1], ladj))
    }
}

/// A normal of scale 1 whose faults are those of a density.
#[derive(Module, Debug)]
struct Source {
    #[module(skip)]
    fault: Fault,
}

impl Density for Source {
    fn dim(&self) -> usize {
        2
    }

    fn log_prob(&self, x: Tensor<2>, _: &Given) -> Result<Tensor<1>> {
        let off = if self.fault == Fault::Unnormalised { 0.05 } else { 0.0 };
        Ok(x.powi_scalar(2).sum_dim(1).squeeze_dim::<1>(1) * -0.5 - (2.0 * std::f64::consts::PI).ln() + off)
    }

    fn sample(&self, n: usize, _: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let scale = if self.fault == Fault::WideSamples { 1.1 } else { 1.0 };
        Ok(Placement::cpu(Precision::F64).normal([n, 2], rng) * scale)
    }

    fn to_uniform(&self, x: Tensor<2>, _: &Given) -> Result<Tensor<2>> {
        Ok((x / std::f64::consts::SQRT_2).erf() * 0.5 + 0.5)
    }
}

fn flow(fault: Fault) -> Flow<Source, Banana> {
    // Forward and inverse of this map disagree on purpose where a flow must notice it.
    let map = if fault == Fault::ForgetsLadj { Fault::LadjSign } else { Fault::None };
    Flow::new(Source { fault }, Banana { fault: map }, 0).unwrap()
}

/// The law passes without a fault, and with `fault` breaks as `law`.
fn must_fail(law: Law, fault: Fault, run: impl Fn(Fault) -> std::result::Result<(), Violation>) {
    run(Fault::None).unwrap_or_else(|v| panic!("the sound one fails: {v}"));
    let Err(violation) = run(fault) else { panic!("{law:?} does not notice {fault:?}") };
    assert_eq!(violation.law(), law);
    assert!(violation.to_string().starts_with(law.statement()), "{violation}");
}

#[test]
fn laws_of_maps_fail_on_broken_maps() {
    let place = Placement::cpu(Precision::F64);
    let z = points(2, &place, &mut rng(0));
    let given = Given::default();
    let at = |law: fn(&Banana, Tensor<2>, &Given) -> std::result::Result<(), Violation>| {
        let z = z.clone();
        move |fault| law(&Banana { fault }, z.clone(), &given)
    };
    for fault in [Fault::Inverse, Fault::Tail, Fault::NotANumber, Fault::Decreasing] {
        must_fail(Law::RoundTrip, fault, at(conformance::round_trip));
    }
    must_fail(Law::LadjSum, Fault::LadjSign, at(conformance::ladj_sums_to_zero));
    for fault in [Fault::Ladj, Fault::LadjSign] {
        must_fail(Law::LadjJacobian, fault, at(conformance::ladj_is_jacobian));
    }
    for fault in [Fault::ReadsBatch, Fault::NotANumber] {
        must_fail(Law::BatchInvariance, fault, at(conformance::is_batch_invariant));
    }
    for fault in [Fault::LeakyMask, Fault::Decreasing] {
        must_fail(Law::Triangular, fault, |fault| conformance::is_triangular(&Banana { fault }, &[0, 1], z.clone(), &given));
    }
    // The other order is not this map's.
    assert!(conformance::is_triangular(&Banana { fault: Fault::None }, &[1, 0], z.clone(), &given).is_err());
    must_fail(Law::EmptyBatch, Fault::InventsRow, |fault| conformance::handles_empty_batch(&Banana { fault }, 0, &place));
    // The banana itself is near the identity only near the origin.
    let near = z.clone().narrow(0, 6, 1);
    must_fail(Law::NearIdentity, Fault::FarStart, |fault| conformance::is_near_identity(&Banana { fault }, near.clone(), &given));
    assert!(conformance::is_near_identity(&Banana { fault: Fault::None }, place.zeros([1, 2]) + 3.0, &given).is_err());
}

/// Central differences see what is above their own error, 100 κ ε^⅔ ≈ 10⁻⁸.
#[test]
fn finite_differences_fail_on_a_wrong_ladj() {
    let z = points(2, &Placement::cpu(Precision::F64), &mut rng(0)).narrow(0, 0, 7);
    for fault in [Fault::Ladj, Fault::Decreasing] {
        let result = conformance::ladj_is_finite_difference(&Banana { fault }, z.clone(), &Given::default());
        // A decreasing coordinate changes the sign of the determinant alone.
        assert_eq!(result.is_err(), fault == Fault::Ladj, "{fault:?}");
    }
}

#[test]
fn laws_of_densities_fail_on_broken_densities() {
    let place = Placement::cpu(Precision::F64);
    let (n, given) = (50_000, Given::default());
    let grid = Quadrature::default();
    must_fail(Law::Normalised, Fault::Unnormalised, |fault| conformance::integrates_to_one(&flow(fault), None, &grid, &place));
    must_fail(Law::SamplesUniform, Fault::WideSamples, |fault| conformance::samples_are_uniform(&flow(fault), n, &given, &mut rng(1)));
    for fault in [Fault::WideSamples, Fault::Unnormalised] {
        must_fail(Law::SamplesAgree, fault, |fault| conformance::samples_agree(&flow(fault), n, &given, &mut rng(1)));
    }
    for fault in [Fault::WideSamples, Fault::Unnormalised] {
        must_fail(Law::Entropy, fault, |fault| conformance::entropy_agrees(&flow(fault), n, None, &grid, &place, &mut rng(1)));
    }
    must_fail(Law::SampleAndLogProb, Fault::ForgetsLadj, |fault| {
        conformance::sample_and_log_prob_agree(&flow(fault), 100, &given, &mut rng(1))
    });
    // Columns permuted without the order.
    let x = points(2, &place, &mut rng(2));
    assert!(conformance::is_invariant(&flow(Fault::None), &flow(Fault::None), &[1, 0], x.clone(), &given).is_err());
    conformance::is_invariant(&flow(Fault::None), &flow(Fault::None), &[0, 1], x, &given).unwrap();
}

/// A law of masses: Bernoulli(0.3) in each of three coordinates, and one that forgets a factor.
#[test]
fn masses_that_do_not_sum_to_one_are_seen() {
    #[derive(Debug)]
    struct Coins(f64);
    impl Density for Coins {
        fn dim(&self) -> usize {
            3
        }
        fn log_prob(&self, x: Tensor<2>, _: &Given) -> Result<Tensor<1>> {
            let (yes, no) = (0.3_f64.ln(), self.0.ln());
            Ok((x.clone() * yes + (x.neg() + 1.0) * no).sum_dim(1).squeeze_dim(1))
        }
        fn sample(&self, n: usize, _: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
            let u = Placement::cpu(Precision::F64).uniform([n, 3], rng);
            Ok(u.zeros_like().mask_fill(u.lower_elem(1.0 - self.0), 1.0))
        }
        fn to_uniform(&self, x: Tensor<2>, _: &Given) -> Result<Tensor<2>> {
            Ok(x)
        }
    }
    let place = Placement::cpu(Precision::F64);
    conformance::masses_sum_to_one(&Coins(0.7), &[0.0, 1.0], None, &place).unwrap();
    assert!(conformance::masses_sum_to_one(&Coins(0.7 + 1e-9), &[0.0, 1.0], None, &place).is_err());
    let samples = |q: &Coins| conformance::samples_have_masses(q, &[0.0, 1.0], 20_000, None, &place, &mut rng(0));
    samples(&Coins(0.7)).unwrap();
    // log_prob keeps P(1) = 0.3 while samples have 0.35: five standard errors are 0.017.
    assert_eq!(samples(&Coins(0.65)).unwrap_err().law(), Law::SamplesAgree);
}
