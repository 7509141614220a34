//! Conditionals of any elements given any others: the rules of probability, draws, mixtures of densities, and fits to known laws.

use burn::module::Module;
use burn::tensor::Tensor;
use knothe::{
    Density, Drawn, Error, Given, Mixture, Network, Placement, Precision,
    families::{AnyOrder, Gaussian, MafMog, Recipe},
    fit::{Dataset, Fit},
    space::{Law, Shape, Space},
    values,
};

use crate::common::{randomised, rng};

fn place() -> Placement {
    Placement::cpu(Precision::F64)
}

/// An indicator, a category that exists if it is 0, and three reals of which the last exists if it is 0.
fn space() -> Space {
    let laws = vec![Law::Codes(2), Law::Codes(3), Law::Real, Law::Real, Law::Real];
    let parents = vec![None, Some(0), None, None, Some(0)];
    Space::of_laws(Shape::Columns(5), laws).unwrap().with_parents(parents).unwrap()
}

fn network(seed: u64) -> Network {
    let recipe = AnyOrder::new(space()).set("width", 16).components(3).context(1).seed(seed);
    randomised(recipe.build(&place()).unwrap(), 0.3, &mut rng(seed))
}

/// Eight rows of the space, and their context.
fn rows(network: &Network) -> (Tensor<2>, Tensor<2>) {
    let context = place().normal([8, 1], &mut rng(1));
    (network.sample(8, &Given::context(Some(&context)), &mut rng(2)).unwrap(), context)
}

/// A mask of eight rows.
fn mask(elements: [f64; 5]) -> Tensor<2> {
    place().tensor(elements.repeat(8), [8, 5])
}

fn close(a: Tensor<1>, b: Tensor<1>) {
    let (a, b) = (values(a), values(b));
    // Sums of five numbers of size 1 to 10.
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-11), "{a:?} {b:?}");
}

#[test]
fn conditionals_multiply_to_the_joint() {
    let network = network(3);
    let (x, context) = rows(&network);
    let given = Given::context(Some(&context));
    let log = |known: [f64; 5], asked: [f64; 5]| network.log_prob_given(x.clone(), &mask(known), &mask(asked), &given).unwrap();
    let joint = network.log_prob(x.clone(), &given).unwrap();
    close(log([0.0; 5], [1.0; 5]), joint.clone());
    // Elements that are known already are not asked for again.
    close(log([0.0; 5], [1.0, 1.0, 1.0, 0.0, 0.0]) + log([1.0, 1.0, 1.0, 0.0, 0.0], [1.0; 5]), joint);
    let chain = log([1.0, 0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0]) + log([1.0, 1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]);
    close(chain, log([1.0, 0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0, 0.0]));
    assert!(values(log([1.0; 5], [1.0; 5])).iter().all(|l| *l == 0.0));
}

/// Values that are neither known nor asked for have no say.
#[test]
fn other_elements_are_not_read() {
    let network = network(4);
    let (x, context) = rows(&network);
    let given = Given::context(Some(&context));
    let other = x.clone().slice_assign([0..8, 3..4], x.clone().narrow(1, 3, 1) + 5.0);
    let (known, asked) = (mask([1.0, 1.0, 0.0, 0.0, 0.0]), mask([0.0, 0.0, 1.0, 0.0, 0.0]));
    let [a, b] = [x, other].map(|x| values(network.log_prob_given(x, &known, &asked, &given).unwrap()));
    assert_eq!(a, b);
}

#[test]
fn draws_keep_what_is_known_and_are_quantiles_of_the_rest() {
    let network = network(5);
    let (x, context) = rows(&network);
    let given = Given::context(Some(&context));
    let u = place().uniform([8, 5], &mut rng(6));
    let none = [f64::INFINITY; 5];
    let all = |u: &Tensor<2>, most| Drawn { asked: mask([1.0; 5]), u: u.clone(), most };
    let drawn = network.sample_given(x.clone(), &mask([1.0, 1.0, 1.0, 0.0, 0.0]), &all(&u, &none), &given).unwrap();
    assert_eq!(values(drawn.clone().narrow(1, 0, 3)), values(x.clone().narrow(1, 0, 3)));
    // Known elements come first here, so the order of the draws is that of to_uniform.
    let back = network.to_uniform(drawn.clone(), &given).unwrap();
    let [indicator, drawn, back, u] =
        [drawn.clone().narrow(1, 0, 1), drawn.narrow(1, 4, 1), back.narrow(1, 4, 1), u.narrow(1, 4, 1)].map(values);
    for i in 0..8 {
        // The root of the quantile is found to 1e-10, and an absent element is 0.
        assert!(if indicator[i] == 0.0 { (back[i] - u[i]).abs() < 1e-8 } else { drawn[i] == 0.0 }, "{i}: {} {}", back[i], u[i]);
    }
    assert!(indicator.contains(&0.0) && indicator.contains(&1.0), "{indicator:?}");
    // The largest code that may be drawn is 0.
    let bound = [0.0, 1.0, none[0], none[0], none[0]];
    let u = place().uniform([8, 5], &mut rng(7));
    let drawn = values(network.sample_given(x.clone(), &mask([0.0; 5]), &all(&u, &bound), &given).unwrap());
    assert!(drawn.chunks(5).all(|row| row[0] == 0.0 && row[1] < 2.0), "{drawn:?}");
    // What is neither known nor asked for stays, and is not read.
    let one = |x: Tensor<2>| {
        let drawn = Drawn { asked: mask([0.0, 0.0, 1.0, 0.0, 0.0]), u: u.clone(), most: &none };
        network.sample_given(x, &mask([1.0, 1.0, 0.0, 0.0, 0.0]), &drawn, &given).unwrap()
    };
    let (before, after) = (one(x.clone()), one(x.clone().slice_assign([0..8, 3..4], x.clone().narrow(1, 3, 1) + 5.0)));
    assert_eq!(values(before.clone().narrow(1, 3, 1)), values(x.narrow(1, 3, 1)));
    assert_eq!(values(before.narrow(1, 2, 1)), values(after.narrow(1, 2, 1)));
}

#[test]
fn a_mixture_weighs_its_members_by_what_is_known() {
    let [a, b] = [network(7), network(8)];
    let (x, context) = rows(&a);
    let given = Given::context(Some(&context));
    let mixture = Mixture::weighted(vec![a.clone(), b.clone()], vec![0.3, 0.7]).unwrap();
    let (known, rest) = (mask([1.0, 1.0, 0.0, 1.0, 0.0]), mask([0.0, 0.0, 1.0, 0.0, 1.0]));
    let (none, all) = (mask([0.0; 5]), mask([1.0, 1.0, 1.0, 1.0, 1.0]));
    let of = |asked: &Tensor<2>, from: &Tensor<2>| {
        let [p, q] = [&a, &b].map(|q| q.log_prob_given(x.clone(), from, asked, &given).unwrap().exp());
        (p, q)
    };
    let ((p, q), (p_rest, q_rest)) = (of(&known, &none), of(&rest, &known));
    let expected = ((p.clone() * 0.3 * p_rest + q.clone() * 0.7 * q_rest) / (p * 0.3 + q * 0.7)).log();
    close(mixture.log_prob_given(x.clone(), &known, &rest, &given).unwrap(), expected);
    close(mixture.log_prob_given(x.clone(), &none, &all, &given).unwrap(), mixture.log_prob(x.clone(), &given).unwrap());
    // Each member draws as often as the known values say. 4,000 draws of row 0.
    let (p, q) = of(&known, &none);
    let share = {
        let [p, q] = [p, q].map(|p| values(p)[0]);
        0.3 * p / (0.3 * p + 0.7 * q)
    };
    let first = |t: &Tensor<2>| t.clone().narrow(0, 0, 1);
    let drawn = Drawn { asked: first(&rest), u: place().uniform([4_000, 5], &mut rng(9)), most: &[f64::INFINITY; 5] };
    let context = first(&context);
    let given = Given::context(Some(&context));
    let sample = |q: &dyn Fn(&Drawn) -> Tensor<2>| values(q(&drawn).narrow(1, 2, 1));
    let found = sample(&|drawn| mixture.sample_given(first(&x), &first(&known), drawn, &given).unwrap());
    let [a, b] = [&a, &b].map(|member| sample(&|drawn| member.sample_given(first(&x), &first(&known), drawn, &given).unwrap()));
    let below = |all: &[f64], v: f64| all.iter().filter(|x| **x < v).count() as f64 / all.len() as f64;
    for v in [-1.0, -0.3, 0.0, 0.5, 1.5] {
        let expected = share * below(&a, v) + (1.0 - share) * below(&b, v);
        // Five standard errors of three shares of 4,000 draws.
        assert!((below(&found, v) - expected).abs() < 5.0 * (0.75f64 / 4_000.0).sqrt(), "{v}: {} {expected}", below(&found, v));
    }
    assert!(
        (0.02..0.98).contains(&share) && (0..4).any(|k| (below(&a, f64::from(k) - 1.5) - below(&b, f64::from(k) - 1.5)).abs() > 0.05),
        "{share}"
    );
}

/// The estimate that a fit maximises has the mean of log q over all orders in which parents precede their children.
#[test]
fn the_training_estimate_is_the_mean_over_orders() {
    let network = network(10);
    let (x, context) = rows(&network);
    let given = Given::context(Some(&context));
    // Orders by choosing each next element uniformly from those whose parent is known: their probabilities, and log q in this order.
    let parents = [None, Some(0), None, None, Some(0)];
    let mut expected = place().zeros::<1>([8]);
    let mut open = vec![(Vec::<usize>::new(), 1.0, place().zeros::<1>([8]))];
    while let Some((order, share, log)) = open.pop() {
        let ready: Vec<usize> = (0..5).filter(|j| !order.contains(j) && parents[*j].is_none_or(|p| order.contains(&p))).collect();
        if ready.is_empty() {
            expected = expected + log * share;
            continue;
        }
        for &j in &ready {
            let of = |all: &[usize]| mask(std::array::from_fn(|k| f64::from(u8::from(all.contains(&k)))));
            let next = network.log_prob_given(x.clone(), &of(&order), &of(&[j]), &given).unwrap();
            open.push(([&order[..], &[j]].concat(), share / ready.len() as f64, log.clone() + next));
        }
    }
    let n = 4_000;
    let mut sums = vec![[0.0; 2]; 8];
    for seed in 0..n {
        let found = values(network.training_log_prob(x.clone(), &Given { seed, ..given }).unwrap());
        sums.iter_mut().zip(found).for_each(|([sum, squares], l)| (*sum, *squares) = (*sum + l, *squares + l * l));
    }
    for ([sum, squares], expected) in sums.into_iter().zip(values(expected)) {
        let (mean, n) = (sum / n as f64, n as f64);
        let error = ((squares / n - mean * mean) / n).sqrt();
        assert!((mean - expected).abs() < 5.0 * error, "{mean} ± {error}, {expected}");
    }
}

#[test]
fn masks_of_another_shape_and_densities_without_conditionals_are_refused() {
    let network = network(3);
    let (x, context) = rows(&network);
    let given = Given::context(Some(&context));
    let small = place().zeros([8, 4]);
    assert!(matches!(network.log_prob_given(x.clone(), &small, &mask([1.0; 5]), &given), Err(Error::Shape { .. })));
    let u = place().uniform([8, 5], &mut rng(6));
    // An element without its parent.
    let orphan = network.log_prob_given(x.clone(), &mask([0.0; 5]), &mask([0.0, 1.0, 0.0, 0.0, 0.0]), &given);
    assert!(matches!(orphan, Err(Error::Invalid { .. })));
    let drawn = Drawn { asked: mask([1.0; 5]), u, most: &[1.0] };
    assert!(matches!(network.sample_given(x, &mask([0.0; 5]), &drawn, &given), Err(Error::Shape { .. })));
    for recipe in [Gaussian::new(2), MafMog::new(2)] {
        let (x, none) = (place().zeros([1, 2]), place().zeros([1, 2]));
        let error = recipe.build(&place()).unwrap().log_prob_given(x, &none, &none, &Given::default()).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }) && error.to_string().contains("conditional"), "{error}");
    }
}

/// x₂ = 0.8 x₁ + 0.6 e₂ and x₃ = 0.6 x₂ − 0.8 e₃: each pair of columns has a correlation, and each conditional is a known normal law.
#[test]
#[cfg_attr(debug_assertions, ignore = "minutes without optimisation")]
fn a_fit_learns_every_conditional_of_a_gaussian() {
    let cpu = Placement::cpu(Precision::F32);
    let draw = |n: usize, seed: u64| -> Vec<f64> {
        let e = values(cpu.normal::<2>([n, 3], &mut rng(seed)));
        e.chunks(3)
            .flat_map(|e| {
                let y = 0.8 * e[0] + 0.6 * e[1];
                [e[0], y, 0.6 * y - 0.8 * e[2]]
            })
            .collect()
    };
    let data = |rows: Vec<f64>| Dataset::new(rows, 3, &cpu).unwrap();
    let recipe: Recipe = AnyOrder::new(3).set("width", 64).layers(2).components(2);
    let fit = Fit::new().epochs(30).batch(250).learning_rate(2e-3);
    let (network, _) = fit.run(recipe.build(&cpu).unwrap(), &data(draw(10_000, 1)), &data(draw(2_000, 2))).unwrap();
    let (network, test) = (network.valid(), draw(10_000, 3));
    let x = cpu.tensor::<2>(test.clone(), [10_000, 3]);
    // The correlations of the columns, of variance 1.
    let r = |a: usize, b: usize| [[1.0, 0.8, 0.48], [0.8, 1.0, 0.6], [0.48, 0.6, 1.0]][a][b];
    for asked in 0..3 {
        for known in (0..3).filter(|known| *known != asked) {
            let mask = |j: usize| cpu.tensor::<2>((0..30_000).map(|k| f64::from(u8::from(k % 3 == j))).collect(), [10_000, 3]);
            let found = values(network.log_prob_given(x.clone(), &mask(known), &mask(asked), &Given::default()).unwrap());
            let variance = 1.0 - r(asked, known) * r(asked, known);
            let truth = |row: &[f64]| {
                -0.5 * ((row[asked] - r(asked, known) * row[known]).powi(2) / variance + (2.0 * std::f64::consts::PI * variance).ln())
            };
            let gap = test.chunks(3).zip(&found).map(|(row, l)| truth(row) - l).sum::<f64>() / 1e4;
            // The mean of what a network of this size does not learn from 10,000 rows.
            assert!((-0.01..0.02).contains(&gap), "{asked} given {known}: {gap}");
        }
    }
}
