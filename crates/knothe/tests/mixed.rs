//! Codes, lattices and reals that exist given the codes: sums and integrals, samples, gradients, files, and fits to known laws.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use knothe::{
    Density, Error, Given, Network, Placement, Precision,
    families::{ALL, AnyOrder, Gaussian, MadeMog, MafMog, Recipe, find},
    fit::{Dataset, Fit},
    parameters,
    space::{Cells, Law, Shape, Space},
    values,
};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha12Rng;

use crate::common::{randomised, rng};

/// The width of the lattices.
const WIDTH: f64 = 0.5;

fn lattice(low: Option<f64>, high: Option<f64>) -> Law {
    Law::Lattice(Cells::new(WIDTH, low, high).unwrap())
}

fn columns(laws: &[Law], parents: &[Option<u32>]) -> Space {
    Space::of_laws(Shape::Columns(laws.len()), laws.to_vec()).unwrap().with_parents(parents.to_vec()).unwrap()
}

/// An indicator, a category and a rating that exist if it is 0, another category, and reals.
fn space(reals: usize, parent_of_reals: Option<u32>) -> Space {
    let codes = [Law::Codes(2), Law::Codes(3), lattice(Some(-1.0), Some(1.0)), Law::Codes(3)];
    let laws: Vec<Law> = codes.into_iter().chain(std::iter::repeat_n(Law::Real, reals)).collect();
    let mut parents = vec![None, Some(0), Some(0), None];
    parents.resize(laws.len(), parent_of_reals);
    columns(&laws, &parents)
}

/// Every row of codes that there can be in `space`.
fn codes() -> Vec<[f64; 4]> {
    let rating = |k: i32| -1.0 + WIDTH * f64::from(k);
    let there = (0..3).flat_map(|c| (0..5).map(move |k| [0.0, f64::from(c), rating(k)]));
    let rows = there.chain([[1.0, 0.0, 0.0]]);
    rows.flat_map(|[i, c, r]| (0..3).map(move |d| [i, c, r, f64::from(d)])).collect()
}

fn small(recipe: Recipe, place: &Placement) -> Network {
    let own = |name| recipe.family().option(name).is_some();
    let small = if own("hidden") { recipe.clone().hidden([12, 12]) } else { recipe.clone().set("width", 12) };
    randomised(small.seed(4).build(place).unwrap(), 0.3, &mut rng(5))
}

/// Σ over the codes of ∫ over the real, by the trapezoidal rule in t with x = sinh t, or of the mass where the real is absent.
fn total(network: &Network, place: &Placement, real_is_there: impl Fn(&[f64; 4]) -> bool) -> f64 {
    let step = 0.01;
    let (mut x, mut weights) = (Vec::new(), Vec::new());
    for row in codes() {
        let points = if real_is_there(&row) { -800..=800 } else { 0..=0 };
        for k in points {
            let t = f64::from(k) * step;
            x.extend(row.iter().copied().chain([t.sinh()]));
            weights.push(if real_is_there(&row) { t.cosh() * step } else { 1.0 });
        }
    }
    let rows = weights.len();
    let context = place.zeros::<2>([rows, 1]) + 0.7;
    let log_prob = network.log_prob(place.tensor(x, [rows, 5]), &Given::context(Some(&context))).unwrap();
    values(log_prob).iter().zip(weights).map(|(l, w)| l.exp() * w).sum()
}

#[test]
fn the_sum_over_codes_of_the_integral_over_the_real_is_one() {
    let place = Placement::cpu(Precision::F64);
    for recipe in [MadeMog::new(space(1, None)), MafMog::new(space(1, None)).layers(1), AnyOrder::new(space(1, None))] {
        let found = total(&small(recipe.context(1), &place), &place, |_| true);
        assert!((found - 1.0).abs() < 1e-6, "{found}");
    }
}

/// A real that is absent where the indicator is 1.
#[test]
fn the_sum_is_one_where_the_real_can_be_absent() {
    let place = Placement::cpu(Precision::F64);
    for recipe in [MadeMog::new(space(1, Some(0))), MafMog::new(space(1, Some(0))).layers(1), AnyOrder::new(space(1, Some(0)))] {
        let network = small(recipe.context(1), &place);
        let found = total(&network, &place, |row| row[0] == 0.0);
        assert!((found - 1.0).abs() < 1e-6, "{found}");
        let context = place.zeros::<2>([200, 1]) + 0.7;
        let sample = values(network.sample(200, &Given::context(Some(&context)), &mut rng(3)).unwrap());
        assert!(sample.chunks(5).all(|row| (row[0] == 1.0) == (row[4] == 0.0)));
    }
}

#[test]
fn samples_are_rows_of_the_space_with_their_masses() {
    check_samples(MafMog::new(space(0, None)));
    check_samples(AnyOrder::new(space(0, None)));
}

fn check_samples(recipe: Recipe) {
    let place = Placement::cpu(Precision::F64);
    let network = small(recipe.context(1), &place);
    let n = 20_000;
    let context = place.zeros::<2>([n, 1]) - 0.4;
    let given = Given::context(Some(&context));
    let sample = values(network.sample(n, &given, &mut rng(6)).unwrap());
    let table = codes();
    let one = place.zeros::<2>([table.len(), 1]) - 0.4;
    let log_prob = network.log_prob(place.tensor(table.concat(), [table.len(), 4]), &Given::context(Some(&one))).unwrap();
    let (mut counted, mut sum) = (0, 0.0);
    for (row, log_prob) in table.iter().zip(values(log_prob)) {
        let (mass, count) = (log_prob.exp(), sample.chunks(4).filter(|found| found == row).count());
        // Five standard errors, and five counts where less than one is expected.
        let tolerance = 5.0 * (mass * (1.0 - mass) / n as f64).sqrt().max(1.0 / n as f64);
        assert!((count as f64 / n as f64 - mass).abs() < tolerance, "{row:?}: {count} of {n} for {mass}");
        (counted, sum) = (counted + count, sum + mass);
    }
    assert_eq!(counted, n, "a sample is no row of the space");
    assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    let uniform = values(network.to_uniform(place.tensor(sample, [n, 4]), &given).unwrap());
    for j in 0..4 {
        let mut u: Vec<f64> = uniform.iter().skip(j).step_by(4).copied().collect();
        u.sort_by(f64::total_cmp);
        let distance = u.iter().enumerate().map(|(i, u)| (u - (i as f64 + 0.5) / n as f64).abs()).fold(0.0, f64::max);
        // The distance of Kolmogorov and Smirnov is above 2.2/√n once in 10⁴.
        assert!(distance < 2.2 / (n as f64).sqrt(), "{j}: {distance}");
    }
}

#[test]
fn what_stands_in_the_place_of_an_absent_code_changes_nothing() {
    let place = Placement::cpu(Precision::F64);
    let network = small(MadeMog::new(space(1, None)), &place);
    let x = place.tensor(vec![1.0, 0.0, 0.0, 2.0, 0.3, 1.0, 2.0, 77.7, 2.0, 0.3, 0.0, 3.0, 0.5, 2.0, 0.3], [3, 5]);
    let found = values(network.log_prob(x, &Given::default()).unwrap());
    assert!(found[0].is_finite() && found[0] == found[1], "{found:?}");
    assert_eq!(found[2], f64::NEG_INFINITY, "3 is no code of 3");
}

struct AllFinite<'a>(&'a Gradients, usize);

impl ModuleVisitor for AllFinite<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.0) {
            assert!(values(gradient).iter().all(|g| g.is_finite()));
            self.1 += 1;
        }
    }
}

#[test]
fn gradients_are_finite_and_both_precisions_agree() {
    let rows: Vec<f64> =
        codes().iter().enumerate().flat_map(|(k, row)| row.iter().copied().chain([(k as f64).sin(), 3.0 * (k as f64).cos()])).collect();
    let found = [Precision::F32, Precision::F64].map(|precision| {
        let place = Placement::cpu(precision).autodiff();
        let mut network = MafMog::new(space(2, None)).seed(2).hidden([16]).build(&place).unwrap();
        let x = place.tensor(rows.clone(), [rows.len() / 6, 6]);
        let data = Dataset::new(rows.clone(), 6, &place).unwrap();
        network.initialise(&mut &data).unwrap();
        let log_prob = network.log_prob(x, &Given::default()).unwrap();
        let gradients = log_prob.clone().sum().backward();
        let mut all = AllFinite(&gradients, 0);
        network.visit(&mut all);
        assert!(all.1 > 10, "{} parameters have gradients", all.1);
        values(log_prob.inner())
    });
    // Sums of some hundreds of numbers of size 1 in 32 bits.
    assert!(found[0].iter().zip(&found[1]).all(|(a, b)| (a - b).abs() < 1e-3), "{found:?}");
}

#[test]
fn a_network_survives_its_file_and_strange_spaces_are_refused() {
    let place = Placement::cpu(Precision::F32);
    for recipe in [MafMog::new(space(2, None)).context(1), Gaussian::new(space(1, None)).context(1), MafMog::new(space(0, None)).context(1)]
    {
        let network = randomised(recipe.build(&place).unwrap(), 0.1, &mut rng(1));
        assert_eq!(recipe.size().unwrap(), parameters::count(&network));
        let file = tempfile::NamedTempFile::new().unwrap();
        recipe.save(&network, file.path()).unwrap();
        let (read, again) = Recipe::load(file.path(), &place).unwrap();
        assert_eq!(read, recipe);
        let context = place.normal([50, 1], &mut rng(2));
        let given = Given::context(Some(&context));
        let x = network.sample(50, &given, &mut rng(3)).unwrap();
        let log_prob = |q: &Network| values(q.log_prob(x.clone(), &given).unwrap());
        assert_eq!(log_prob(&network), log_prob(&again));
        assert!(log_prob(&network).iter().all(|l| l.is_finite()));
    }
    for strange in [
        r#"{"shape":{"columns":2},"laws":[{"codes":4000000000},"real"]}"#,
        r#"{"shape":{"columns":2},"laws":[{"codes":2},"real"],"parents":[7,null]}"#,
        r#"{"shape":{"columns":16000000},"laws":[{"codes":60000}]}"#,
    ] {
        let space: Space = serde_json::from_str(strange).unwrap();
        assert!(matches!(MafMog::new(space).size(), Err(Error::Invalid { .. })), "{strange}");
    }
}

#[test]
fn every_family_of_flows_takes_codes_and_has_no_source_then() {
    let place = Placement::cpu(Precision::F32);
    let mixed = space(2, None);
    for family in ALL.iter().filter(|family| family.supports(&2.into())) {
        let network = Recipe::new(*family, mixed.clone()).build(&place).unwrap();
        assert!(find(family.name(), &mixed).is_ok());
        let x = network.sample(20, &Given::default(), &mut rng(1)).unwrap();
        let log_prob = values(network.log_prob(x.clone(), &Given::default()).unwrap());
        assert!(log_prob.iter().all(|l| l.is_finite()), "{family:?}: {log_prob:?}");
        assert!(matches!(network.flow(), Err(Error::Unsupported { .. })));
        assert!(matches!(network.to_source(x.clone(), &Given::default()), Err(Error::Unsupported { .. })));
        assert!(network.sample_at(3, &Given::default(), 0.5, &mut rng(1)).is_err());
        assert_eq!(network.sample_at(3, &Given::default(), 1.0, &mut rng(1)).unwrap().dims(), [3, 6]);
        assert_eq!(network.log_prob(place.zeros([0, 6]), &Given::default()).unwrap().dims(), [0]);
        assert_eq!(network.sample(0, &Given::default(), &mut rng(1)).unwrap().dims(), [0, 6]);
    }
    let binary = Space::new(Shape::Columns(3), Law::Codes(2));
    assert!(find("made_binary", &binary).is_ok() && find("maf_mog", &binary).is_ok());
}

/// How far the score of a fit to 20,000 rows is below the mean log density of the law that the rows are drawn from. `draw` gives a row and its log density.
fn gap(recipe: Recipe, draw: impl Fn(&mut ChaCha12Rng) -> (Vec<f64>, f64), epochs: u64) -> f64 {
    let (place, mut rng) = (Placement::cpu(Precision::F32), rng(11));
    let dim = recipe.dim();
    let mut set = |rows: usize| {
        let (mut x, mut truth) = (Vec::new(), 0.0);
        for _ in 0..rows {
            let (row, log_density) = draw(&mut rng);
            x.extend(row);
            truth += log_density / rows as f64;
        }
        (x, truth)
    };
    let [(train, _), (validation, _), (test, truth)] = [20_000, 4_000, 10_000].map(&mut set);
    let data = |rows: Vec<f64>| Dataset::new(rows, dim, &place).unwrap();
    let network = recipe.build(&place).unwrap();
    let fit = Fit::new().epochs(epochs).batch(500).learning_rate(3e-3);
    let (network, _) = fit.run(network, &data(train), &data(validation)).unwrap();
    let score = network.valid().log_prob(place.tensor(test, [10_000, dim]), &Given::default()).unwrap();
    truth - values(score.mean())[0]
}

fn log_poisson(mean: f64, k: f64) -> f64 {
    k * mean.ln() - mean - (1..=k as u32).map(|i| f64::from(i).ln()).sum::<f64>()
}

fn poisson(mean: f64, rng: &mut impl Rng) -> f64 {
    let (mut k, mut product) = (0.0, rng.random::<f64>());
    while product > (-mean).exp() {
        product *= rng.random::<f64>();
        k += 1.0;
    }
    k
}

/// A rating with given probabilities, a Poisson count whose mean depends on it, and a count that is 0 of its own accord in 3 rows of 10.
#[test]
#[cfg_attr(debug_assertions, ignore = "minutes without optimisation")]
fn a_fit_learns_ratings_counts_and_zeros_to_a_fiftieth_of_a_nat() {
    const RATINGS: [f64; 5] = [0.1, 0.05, 0.2, 0.4, 0.25];
    let law = |scale: f64, low: f64, high: Option<f64>| Law::Lattice(Cells::new(1.0 / scale, Some(low), high).unwrap());
    let laws = [law(1.2, 1.0 / 1.2 - 3.0, Some(5.0 / 1.2 - 3.0)), law(4.0, -1.5, None), Law::Codes(2), law(2.0, -2.0, None)];
    let space = columns(&laws, &[None, None, None, Some(2)]);
    let draw = |rng: &mut ChaCha12Rng| {
        let (u, mut rating, mut sum) = (rng.random::<f64>(), 0, RATINGS[0]);
        while u > sum && rating < 4 {
            rating += 1;
            sum += RATINGS[rating];
        }
        let mean = 2.0 + 2.0 * rating as f64;
        let (count, zero) = (poisson(mean, rng), rng.random::<f64>() < 0.3);
        let other = if zero { 0.0 } else { poisson(3.0, rng) };
        let of_other = if zero { 0.3f64.ln() } else { 0.7f64.ln() + log_poisson(3.0, other) };
        // In units of the network; what is absent stands as 0.
        let row = vec![(rating as f64 + 1.0) / 1.2 - 3.0, count / 4.0 - 1.5, f64::from(zero), if zero { 0.0 } else { other / 2.0 - 2.0 }];
        (row, RATINGS[rating].ln() + log_poisson(mean, count) + of_other)
    };
    let found = gap(MafMog::new(space).hidden([32]), draw, 25);
    assert!(found.abs() < 0.02, "{found} nats from the truth");
}

/// A category whose masses depend on another, and a real whose mean depends on both.
#[test]
#[cfg_attr(debug_assertions, ignore = "minutes without optimisation")]
fn a_fit_learns_what_depends_on_categories() {
    let space = columns(&[Law::Codes(3), Law::Codes(4), Law::Real], &[None; 3]);
    let draw = |rng: &mut ChaCha12Rng| {
        let first = rng.random_range(0..3u32);
        let kept = rng.random::<f64>() < 0.8;
        let second = if kept { first } else { rng.random_range(0..4u32) };
        let mass: f64 = 0.2 / 4.0 + if second == first { 0.8 } else { 0.0 };
        let z: f64 = rng.sample(rand_distr::StandardNormal);
        let mean = f64::from(first) - 0.7 * f64::from(second);
        let log_density = -0.5 * z * z - 0.5 * std::f64::consts::TAU.ln() - 0.5f64.ln();
        (vec![f64::from(first), f64::from(second), mean + 0.5 * z], -(3f64.ln()) + mass.ln() + log_density)
    };
    let found = gap(MadeMog::new(space).components(2).hidden([32]), draw, 25);
    assert!(found.abs() < 0.02, "{found} nats from the truth");
}

/// Without a step: frequencies, one law a lattice, and a regression on the codes.
#[test]
fn the_gaussian_family_is_fitted_in_closed_form() {
    let place = Placement::cpu(Precision::F64);
    let space = columns(&[Law::Codes(3), lattice(None, None), Law::Real], &[None; 3]);
    let row = |k: i32| [f64::from(k % 3), WIDTH * f64::from(k % 5 - 2), f64::from(k % 3 * (k % 3)) + 0.1 * f64::from(k).sin()];
    let rows: Vec<f64> = (0..600).flat_map(row).collect();
    let data = Dataset::new(rows.clone(), 3, &place).unwrap();
    let (network, report) = Fit::new().epochs(0).run(Gaussian::new(space).build(&place).unwrap(), &data, &data).unwrap();
    assert_eq!(report.steps, 0);
    let log_prob = network.valid().log_prob(place.tensor(rows, [600, 3]), &Given::default()).unwrap();
    // The codes have log 3 and log 5 nats, and the real has a deviation of 0.1/√2 given the first.
    let expected = -(3f64.ln()) - 5f64.ln() - 0.5 * (std::f64::consts::TAU * 0.005).ln() - 0.5;
    let found = values(log_prob.mean())[0];
    // A logistic law is not the uniform one.
    assert!(found < expected + 0.05 && found > expected - 0.35, "{found} for {expected}");
}
