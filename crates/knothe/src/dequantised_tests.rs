//! Densities over integers whose answer is known.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::{
    Layer, Placement, Precision,
    conditioner::ConvolutionalConfig,
    source::{Logistic, Normal, Uniform},
    space::ImageShape,
    triangular::Coupling,
    univariate::Affine,
};

fn cpu() -> Placement {
    Placement::cpu(Precision::F64)
}

/// 50 rows of 12 random integers below 2^bits.
fn pixels(bits: usize) -> Tensor<2> {
    (cpu().uniform([50, 12], &mut ChaCha12Rng::seed_from_u64(1)) * f64::from(1u32 << bits)).floor()
}

#[test]
fn a_uniform_source_has_as_many_bits_as_its_numbers() {
    for bits in [1, 5, 8] {
        let q = Dequantised::new(Uniform::new(12, -0.5, 0.5, &cpu()).unwrap(), bits, Preprocessing::Centred).unwrap();
        for log_prob in values(q.log_prob(pixels(bits), &Given::default()).unwrap()) {
            // The logarithm of a power of two over that of two rounds twice.
            assert!((bits_per_dim(log_prob, 12) - bits as f64).abs() < 1e-14);
        }
        assert_eq!(q.exactness(), Exactness::LowerBound);
    }
}

/// Σ_x E_u q(x + u) is the mass of the density inside between the logits of α and 1 − α: here that of the logistic law, 1 − 2α.
#[test]
fn masses_add_to_that_of_the_density_inside() {
    let (place, draws) = (cpu(), 4000);
    let q = Dequantised::new(Logistic::new(1, &place), 2, Preprocessing::Logit { alpha: 0.05 }).unwrap();
    let x = place.tensor(vec![0.0, 1.0, 2.0, 3.0], [4, 1]);
    let masses = (0..draws)
        .map(|seed| values(q.log_prob(x.clone(), &Given { seed, ..Given::default() }).unwrap()).iter().map(|l| l.exp()).sum::<f64>());
    let mean = masses.sum::<f64>() / draws as f64;
    // The logistic law is uniform after its own distribution function, so that each mass is the same for every u.
    assert!((mean - 0.9).abs() < 1e-12, "{mean}");
}

/// Under a density that is uniform over the noise, the bound falls short of the mass by the entropy of the noise: that of 1/(1 + e^−v), v standard
/// normal, is ½ log 2πe + E log σ(v) σ(−v), since a fresh coupling leaves v as it is drawn.
#[test]
fn learned_noise_is_counted_by_its_own_density() {
    let (place, draws) = (cpu(), 20_000u32);
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    let both = ImageShape { channels: 2, height: 1, width: 1 };
    let config = ConvolutionalConfig { windows: vec![1, 1], ..ConvolutionalConfig::glow(3, 0) };
    let noise = Coupling::of_image(both, &both.half_of_channels(true), config, Arc::new(Affine::default()), &place, &mut rng).unwrap();
    let q = Dequantised::new(Logistic::new(1, &place), 2, Preprocessing::Logit { alpha: 0.05 }).unwrap();
    let q = q.with_noise(Compose::new(2, vec![Layer::ImageCoupling(noise)]).unwrap()).unwrap();
    let x = place.tensor(vec![2.0], [1, 1]);
    let found: Vec<f64> = (0..draws)
        .map(|seed| values(q.log_prob(x.clone(), &Given { context: None, seed: seed.into(), ..Given::default() }).unwrap())[0])
        .collect();
    let mean = found.iter().sum::<f64>() / f64::from(draws);
    let deviation = (found.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / f64::from(draws)).sqrt();
    // The trapezium rule is exact to rounding for what falls like a normal density.
    let step = 0.01;
    let log_slope = |v: f64| -v.abs() - 2.0 * (-v.abs()).exp().ln_1p();
    let mean_slope: f64 = (-1000..=1000).map(|k| f64::from(k) * step).map(|v| step * (-v * v / 2.0).exp() * log_slope(v)).sum();
    let tau = 2.0 * std::f64::consts::PI;
    let entropy = 0.5 * (tau * std::f64::consts::E).ln() + mean_slope / tau.sqrt();
    let expected = 0.225f64.ln() + entropy;
    // Five standard errors.
    assert!((mean - expected).abs() < 5.0 * deviation / f64::from(draws).sqrt(), "{mean} against {expected}");
}

#[test]
fn what_is_no_integer_of_the_range_has_no_mass() {
    let place = cpu();
    let q = Dequantised::new(Normal::new(2, &place), 3, Preprocessing::Logit { alpha: 0.05 }).unwrap();
    let x = place.tensor(vec![0.0, 7.0, 8.0, 0.0, -1.0, 0.0, 2.5, 1.0, f64::NAN, 0.0, 3.0, 4.0], [6, 2]);
    let found = values(q.log_prob(x, &Given::default()).unwrap());
    assert_eq!(found.iter().map(|l| l.is_finite()).collect::<Vec<_>>(), [true, false, false, false, false, true]);
    assert!(found[1..5].iter().all(|l| *l == f64::NEG_INFINITY), "{found:?}");
}

#[test]
fn the_noise_depends_on_the_seed_and_the_row_alone() {
    let place = cpu();
    let q = Dequantised::new(Normal::new(12, &place), 8, Preprocessing::Centred).unwrap();
    let run = |x: Tensor<2>, seed| values(q.log_prob(x, &Given { seed, ..Given::default() }).unwrap());
    let all = run(pixels(8), 3);
    assert_eq!(run(pixels(8).narrow(0, 7, 1), 3)[0], all[7]);
    assert!(run(pixels(8), 4).iter().zip(&all).all(|(a, b)| a != b));
}

#[test]
fn samples_are_integers_of_the_range_and_colder_ones_lie_closer() {
    let place = cpu();
    for preprocessing in [Preprocessing::Centred, Preprocessing::Logit { alpha: 0.05 }] {
        let flow = Flow::new(Normal::new(4, &place), Compose::new(4, vec![]).unwrap(), 0).unwrap();
        let q = Dequantised::new(flow, 5, preprocessing).unwrap();
        let mut spread = [1.0, 0.1].map(|temperature| {
            let x = values(q.sample_at(500, &Given::default(), temperature, &mut ChaCha12Rng::seed_from_u64(2)).unwrap());
            assert!(x.iter().all(|v| v.fract() == 0.0 && (0.0..32.0).contains(v)));
            x.iter().map(|v| (v - 15.5).powi(2)).sum::<f64>()
        });
        spread[1] *= 4.0;
        assert!(spread[1] < spread[0], "{spread:?}");
    }
    let flow = Flow::new(Normal::new(4, &place), Compose::new(4, vec![]).unwrap(), 0).unwrap();
    assert!(flow.sample_at(1, &Given::default(), -1.0, &mut ChaCha12Rng::seed_from_u64(2)).is_err());
}

#[test]
fn settings_that_cannot_be_are_errors() {
    let normal = || Normal::new(2, &cpu());
    assert!(Dequantised::new(normal(), 0, Preprocessing::Centred).is_err());
    assert!(Dequantised::new(normal(), 17, Preprocessing::Centred).is_err());
    assert!(Dequantised::new(normal(), 8, Preprocessing::Logit { alpha: 0.0 }).is_err());
    assert!(Dequantised::new(normal(), 8, Preprocessing::Centred).unwrap().with_noise(Compose::new(2, vec![]).unwrap()).is_err());
}

#[test]
fn fewer_bits_are_the_leading_ones() {
    let x = cpu().tensor(vec![0.0, 7.0, 8.0, 255.0], [1, 4]);
    assert_eq!(values(reduced(x.clone(), 5)), [0.0, 0.0, 1.0, 31.0]);
    assert_eq!(values(reduced(x.clone(), 8)), values(x));
}
