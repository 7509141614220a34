#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::{
    Placement, Precision, conformance,
    families::{Family, MadeBinary, MadeMog, Maf, Recipe},
    network::TabularFlow,
    space::{Shape, Space},
};

fn rng() -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(4)
}

fn flow(family: &'static dyn Family, dim: usize, context_dim: usize, seed: u64, precision: Precision) -> TabularFlow {
    let space = Space::new(Shape::Columns(dim), family.law());
    let recipe = Recipe::new(family, space).context(context_dim).seed(seed).hidden([8]);
    let one = if family.option("layers").is_some() { recipe.layers(1) } else { recipe };
    let four = if one.family().option("components").is_some() { one.components(4) } else { one };
    four.flow(&Placement::cpu(precision)).unwrap()
}

#[test]
fn a_mixture_of_one_is_its_member() {
    for precision in [Precision::F32, Precision::F64] {
        let place = Placement::cpu(precision);
        let member = flow(&MadeMog, 2, 1, 0, precision);
        let mixture = Mixture::new(vec![member.clone()]).unwrap();
        let x = place.normal([50, 2], &mut rng());
        let context = place.normal([50, 1], &mut rng());
        let given = Given { context: Some(&context), seed: 3, ..Given::default() };
        let same = |a: Result<Tensor<2>>, b: Result<Tensor<2>>| assert_eq!(values(a.unwrap()), values(b.unwrap()));
        let log_prob = |q: Result<Tensor<1>>| q.map(Tensor::unsqueeze::<2>);
        same(log_prob(mixture.log_prob(x.clone(), &given)), log_prob(member.log_prob(x.clone(), &given)));
        same(mixture.to_uniform(x.clone(), &given), member.to_uniform(x, &given));
        same(mixture.sample(50, &given, &mut rng()), member.sample(50, &given, &mut rng()));
    }
}

#[test]
fn a_mixture_of_equal_members_is_each_of_them() {
    let place = Placement::cpu(Precision::F64);
    let member = flow(&Maf, 3, 0, 0, Precision::F64);
    let mixture = Mixture::weighted(vec![member.clone(); 3], vec![0.2, 0.3, 0.5]).unwrap();
    let x: Tensor<2> = place.normal([50, 3], &mut rng()) * 4.0;
    let given = Given::default();
    let [one, all] = [member.log_prob(x.clone(), &given), mixture.log_prob(x.clone(), &given)].map(|l| values(l.unwrap()));
    // A logarithm and an exponential more.
    one.iter().zip(&all).for_each(|(a, b)| assert!((a - b).abs() < 1e-14 * (1.0 + a.abs()), "{a} {b}"));
    assert_eq!(values(member.to_uniform(x.clone(), &given).unwrap()), values(mixture.to_uniform(x, &given).unwrap()));
}

#[test]
fn rows_come_back_in_their_order_with_their_context() {
    // Members far apart whose samples are near their context: a row out of place is a unit or more away.
    let place = Placement::cpu(Precision::F64);
    let members: Vec<_> = (0..3).map(|seed| flow(&Maf, 2, 1, seed, Precision::F64)).collect();
    let mixture = Mixture::weighted(members.clone(), vec![0.5, 0.0, 0.5]).unwrap();
    let context = place.tensor((0..200).map(f64::from).collect(), [200, 1]);
    let given = Given { context: Some(&context), seed: 9, ..Given::default() };
    let x = mixture.sample(200, &given, &mut rng()).unwrap();
    let u = values(mixture.to_uniform(x.clone(), &given).unwrap());
    let each: Vec<Vec<f64>> = members.iter().map(|q| values(q.to_uniform(x.clone(), &given).unwrap())).collect();
    let mut taken = [0; 3];
    for (row, u) in u.chunks(2).enumerate() {
        let k = (0..3).find(|&k| each[k][2 * row..][..2] == *u).unwrap_or_else(|| unreachable!("row {row} is no member's"));
        taken[k] += 1;
    }
    // A weight of 0 is never drawn; five standard deviations about 100 are 35, if the responsibilities are a half on the mean.
    assert!(taken[1] == 0 && (65..=135).contains(&taken[0]), "{taken:?}");
}

#[test]
fn masses_of_a_mixture_sum_to_one_and_samples_have_them() {
    let place = Placement::cpu(Precision::F64);
    let members = (0..2).map(|seed| flow(&MadeBinary, 3, 0, seed, Precision::F64)).collect();
    let mixture = Mixture::weighted(members, vec![0.3, 0.7]).unwrap();
    conformance::masses_sum_to_one(&mixture, &[0.0, 1.0], None, &place).unwrap();
    conformance::samples_have_masses(&mixture, &[0.0, 1.0], 5_000, None, &place, &mut rng()).unwrap();
    conformance::samples_are_uniform(&mixture, 5_000, &Given::default(), &mut rng()).unwrap();
}

#[test]
fn no_rows_are_no_error_and_samples_have_their_seed() {
    let members = || (0..2).map(|seed| flow(&Maf, 2, 0, seed, Precision::F32)).collect();
    let (mixture, given) = (Mixture::new(members()).unwrap(), Given::default());
    assert_eq!(mixture.sample(0, &given, &mut rng()).unwrap().dims(), [0, 2]);
    let none = Placement::cpu(Precision::F32).zeros([0, 2]);
    assert_eq!(mixture.to_uniform(none.clone(), &given).unwrap().dims(), [0, 2]);
    assert_eq!(mixture.log_prob(none, &given).unwrap().dims(), [0]);
    let draw = |seed| values(mixture.sample(20, &given, &mut ChaCha12Rng::seed_from_u64(seed)).unwrap());
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn members_that_disagree_are_errors() {
    let two = |dim, context_dim| vec![flow(&Maf, 2, 0, 0, Precision::F32), flow(&Maf, dim, context_dim, 1, Precision::F32)];
    assert!(matches!(Mixture::new(two(3, 0)), Err(Error::Shape { .. })));
    assert!(matches!(Mixture::new(two(2, 1)), Err(Error::Shape { .. })));
    assert!(matches!(Mixture::<TabularFlow>::new(vec![]), Err(Error::Invalid { .. })));
    for weights in [vec![1.0], vec![0.7, 0.7], vec![1.5, -0.5], vec![f64::NAN, 0.5], vec![f64::INFINITY, 0.5]] {
        let shown = format!("{weights:?}");
        assert!(matches!(Mixture::weighted(two(2, 0), weights), Err(Error::Invalid { .. })), "{shown}");
    }
    let mixture = Mixture::new(two(2, 0)).unwrap();
    let wrong = Placement::cpu(Precision::F32).zeros([4, 3]);
    assert!(matches!(mixture.log_prob(wrong.clone(), &Given::default()), Err(Error::Shape { .. })));
    assert!(matches!(mixture.to_uniform(wrong, &Given::default()), Err(Error::Shape { .. })));
}
