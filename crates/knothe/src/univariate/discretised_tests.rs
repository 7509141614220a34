#![allow(clippy::unwrap_used)]

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::placement::{Precision, values};

const WIDTH: f64 = 0.4;

/// Lattices with no bound, one, and two.
fn cells() -> Vec<Cells> {
    [(None, None), (Some(-1.1), None), (None, Some(0.9)), (Some(-0.7), Some(-0.7 + 4.0 * WIDTH))]
        .map(|(low, high)| Cells::new(WIDTH, low, high).unwrap())
        .to_vec()
}

/// The same, of which some have atoms.
fn with_atoms() -> Vec<Cells> {
    let atoms: [&[f64]; 4] = [&[-2.0 * WIDTH, 5.0 * WIDTH, 0.0], &[-1.1], &[], &[-0.7 + 4.0 * WIDTH, -0.7]];
    cells().into_iter().zip(atoms).map(|(cell, atoms)| cell.with_atoms(atoms).unwrap()).collect()
}

/// The same random parameters for every row.
fn parameters(law: &DiscretisedLogistics, rows: usize, place: &Placement) -> Tensor<3> {
    let shape = [1, law.parameters(), law.cells.len()];
    place.normal(shape, &mut ChaCha12Rng::seed_from_u64(3)).expand([rows, shape[1], shape[2]])
}

/// Rows of values 400 steps around the anchors.
fn table(law: &DiscretisedLogistics, place: &Placement) -> Tensor<2> {
    let rows = (-400..=400).flat_map(|k| law.cells.iter().map(move |cell| cell.anchor() + f64::from(k) * cell.width));
    place.tensor(rows.collect(), [801, law.cells.len()])
}

#[test]
fn masses_sum_to_one_with_and_without_bounds_and_are_what_the_distribution_function_gains() {
    let place = Placement::cpu(Precision::F64);
    for cells in [cells(), with_atoms()] {
        let law = DiscretisedLogistics::new(3, cells).unwrap();
        let (x, theta) = (table(&law, &place), parameters(&law, 801, &place));
        let masses = law.log_prob(x.clone(), theta.clone()).unwrap().exp();
        // Some hundreds of additions of numbers below 1.
        for sum in values(masses.clone().sum_dim(0)) {
            assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        }
        let gained = values(masses.cumsum(0) - law.cdf(x, theta).unwrap());
        assert!(gained.iter().all(|d| d.abs() < 1e-12));
    }
}

/// p_j = exp(l_j − 3) / (Σ_i exp(l_i) + Σ_j exp(l_j − 3)) beside the mixture's mass.
#[test]
fn an_atom_adds_its_share() {
    let place = Placement::cpu(Precision::F64);
    let plain = DiscretisedLogistics::new(2, vec![cells()[1]]).unwrap();
    let law = DiscretisedLogistics::new(2, vec![cells()[1].with_atoms(&[-1.1 + WIDTH]).unwrap()]).unwrap();
    let theta = [0.3, -0.2, 0.1, 0.4, -0.3, 0.2];
    let (weights, atom) = (0.3_f64.exp() + (-0.2_f64).exp(), (1.5_f64 - 3.0).exp());
    let x = place.tensor(vec![-1.1, -1.1 + WIDTH, -1.1 + 2.0 * WIDTH], [3, 1]);
    let of = |law: &DiscretisedLogistics, theta: &[f64]| {
        let theta = place.tensor(theta.to_vec(), [1, theta.len(), 1]).expand([3, theta.len(), 1]);
        values(law.log_prob(x.clone(), theta).unwrap().exp())
    };
    let (without, with) = (of(&plain, &theta), of(&law, &[&theta[..], &[1.5]].concat()));
    for (k, (without, with)) in without.into_iter().zip(with).enumerate() {
        let expected = (weights * without + if k == 1 { atom } else { 0.0 }) / (weights + atom);
        assert!((with - expected).abs() < 1e-14, "{k}: {with} {expected}");
    }
    // The start has the shares that it is given.
    let start = law.start(0, 0.0, 1.0, &[0.4]);
    let share = (start[6] - 3.0).exp() / ((start[6] - 3.0).exp() + 2.0);
    assert!((share - 0.4).abs() < 1e-12, "{share}");
}

#[test]
fn what_is_off_the_lattice_has_no_mass() {
    let place = Placement::cpu(Precision::F32);
    let law = DiscretisedLogistics::new(2, vec![cells()[3]; 5]).unwrap();
    let x = place.tensor(vec![-1.1, 1.3, -0.5, f64::NAN, -0.3], [1, 5]);
    let found = values(law.log_prob(x, place.zeros([1, 6, 5])).unwrap());
    assert!(found[..4].iter().all(|&l| l == f64::NEG_INFINITY) && found[4].is_finite(), "{found:?}");
}

#[test]
fn a_quantile_is_the_first_value_whose_distribution_function_reaches_it() {
    let place = Placement::cpu(Precision::F64);
    let law = DiscretisedLogistics::new(3, with_atoms()).unwrap();
    let u = place.open_uniform([500, 4], &mut ChaCha12Rng::seed_from_u64(5));
    let theta = parameters(&law, 500, &place);
    let x = law.quantile(u.clone(), theta.clone()).unwrap();
    let above = law.cdf(x.clone(), theta.clone()).unwrap();
    let below = above.clone() - law.log_prob(x, theta).unwrap().exp();
    let [u, above, below] = [u, above, below].map(values);
    // F has an error of a few roundings.
    assert!((0..u.len()).all(|i| below[i] < u[i] + 1e-14 && u[i] <= above[i] + 1e-14));
    let extreme = |u: f64| law.quantile(place.tensor(vec![u; 4], [1, 4]), parameters(&law, 1, &place)).map(values);
    let (first, last) = (extreme(1e-300).unwrap(), extreme(1.0 - f64::EPSILON / 2.0).unwrap());
    assert!(first[1] == -1.1 && first[3] == -0.7 && (last[2] - 0.9).abs() < 1e-15 && (last[3] - 0.9).abs() < 1e-15, "{first:?} {last:?}");
    assert!(extreme(0.0).is_err() && extreme(f64::NAN).is_err());
}

#[test]
fn far_out_the_logarithms_and_their_gradients_keep_their_digits() {
    for precision in [Precision::F32, Precision::F64] {
        let place = Placement::cpu(precision).autodiff();
        let cell = |width, low, high| Cells::new(width, low, high).unwrap();
        let far = cell(1.0, None, None).with_atoms(&[1e4, 3.0]).unwrap();
        let cells = vec![cell(1e-9, None, None), far, cell(1.0, Some(0.0), Some(3.0)), cell(50.0, Some(0.0), None)];
        let law = DiscretisedLogistics::new(8, cells).unwrap();
        let theta = place.zeros([4, 26, 4]).require_grad();
        let x = place.tensor([[0.0; 4], [3.0, 3.0, 3.0, 100.0], [0.5, 1e4, 1.0, 0.0], [-1e3, -1e3, 2.0, 50.0]].concat(), [4, 4]);
        let log_prob = law.log_prob(x, theta.clone()).unwrap();
        let gradient = values(theta.grad(&log_prob.clone().sum().backward()).unwrap());
        assert!(values(log_prob.inner()).iter().all(|l| l.is_finite() && *l <= 0.0));
        assert!(gradient.iter().all(|g| g.is_finite()));
    }
}

/// Without bounds, and with cells much narrower than the components, the mass is the density times the width.
#[test]
fn narrow_cells_are_the_density_of_the_mixture() {
    let place = Placement::cpu(Precision::F64);
    let width = 1e-5;
    let law = DiscretisedLogistics::new(4, vec![Cells::new(width, None, None).unwrap()]).unwrap();
    let (x, theta) = (place.tensor(vec![-2.0, 0.0, 1.5], [3, 1]), place.zeros([3, 12, 1]));
    let masses = values(law.log_prob(x.clone(), theta.clone()).unwrap() - width.ln());
    let density = values(super::super::LogisticMixture(4).log_prob(x, theta).unwrap());
    // The scales are larger by 0.02 widths, and a cell is curved by its square.
    assert!(masses.iter().zip(density).all(|(m, d)| (m - d).abs() < 1e-5));
}

#[test]
fn the_start_has_the_mean_and_the_deviation_that_it_is_given() {
    let place = Placement::cpu(Precision::F64);
    let law = DiscretisedLogistics::new(8, vec![Cells::new(0.1, None, None).unwrap()]).unwrap();
    let theta = place.tensor(law.start(0, 0.7, 2.5, &[]), [1, 24, 1]).expand([801, 24, 1]);
    let x = table(&law, &place);
    let masses = values(law.log_prob(x.clone(), theta).unwrap().exp());
    let moment = |power| masses.iter().zip(values(x.clone())).map(|(p, v)| p * (v - 0.7).powi(power)).sum::<f64>();
    // The mixture of θ = 0 is standard but for its count of components, and cells add a twelfth of their square.
    assert!(moment(1).abs() < 1e-3 && (moment(2).sqrt() / 2.5 - 1.0).abs() < 0.1, "{} {}", moment(1), moment(2).sqrt());
}
