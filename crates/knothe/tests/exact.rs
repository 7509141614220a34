//! Cases whose answer is known exactly.

use std::sync::Arc;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use knothe::{
    Bijection, Compose, Density, Flow, Given, Inverse, Layer, Placement, Precision,
    conditioner::{Activation, Conditioner, Made, MadeConfig, Order},
    conformance::{self, jacobian},
    source::{Normal, Source, Uniform},
    triangular::{Autoregressive, Coupling, Elementwise},
    univariate::Affine,
    values,
};

use crate::common::{context, randomised, registry, registry::made, rng};

fn cpu() -> Placement {
    Placement::cpu(Precision::F64)
}

/// Gives every parameter, by its number in the module's order, new values.
struct Rewrite<F>(usize, F);

impl<F: FnMut(usize, Vec<usize>, Vec<f64>) -> Vec<f64>> ModuleMapper for Rewrite<F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let index = self.0;
        self.0 += 1;
        let place = Placement::of(&param.val());
        param.map(|t| {
            let dims = t.dims();
            place.tensor((self.1)(index, dims.to_vec(), values(t)), dims)
        })
    }
}

/// Real-NVP is a masked autoregressive map whose standing half has shift and log-scale 0 (Papamakarios et al. 2017, §3.3).
///
/// With no hidden layer both conditioners are linear, so the weights of one can be written into the other.
#[test]
fn coupling_is_an_autoregressive_map_with_a_standing_half() {
    let (place, mut rng) = (cpu(), rng(0));
    let moves = [false, false, true, true];
    let coupling = Coupling::new(&moves, 0, &[], Activation::Relu, Arc::new(Affine::default()), &place, &mut rng).unwrap();
    let mut weights: Vec<Vec<f64>> = Vec::new();
    let coupling = coupling.map(&mut Rewrite(0, |_, _, v: Vec<f64>| {
        let new: Vec<f64> = place.normal::<1>([v.len()], &mut rng).into_data().iter::<f64>().collect();
        weights.push(new.clone());
        new
    }));
    // Of the coupling: weight [2 standing, 2 parameters × 2 moving], bias [2 × 2]. Of the masked network: [4, 2 × 4], [2 × 4].
    let autoregressive =
        Autoregressive::new(made(Order::natural(4), 0, &[], false), Arc::new(Affine::default()), &place, &mut rng).unwrap();
    let autoregressive = autoregressive.map(&mut Rewrite(0, |index: usize, dims: Vec<usize>, v: Vec<f64>| {
        let width = dims[dims.len() - 1];
        (0..v.len())
            .map(|k| {
                let (input, parameter, column) = (k / width, k % width / 4, k % 4);
                let moving = column >= 2 && (index == 1 || input < 2);
                if moving { weights[index][input * 4 + parameter * 2 + column - 2] } else { 0.0 }
            })
            .collect()
    }));
    let z = place.normal([50, 4], &mut rng);
    let given = Given::default();
    for way in ["forward", "inverse"] {
        let apply = |b: &dyn Bijection| {
            if way == "forward" { b.forward_and_ladj(z.clone(), &given) } else { b.inverse_and_ladj(z.clone(), &given) }
        };
        let ((a, l), (b, m)) = (apply(&coupling).unwrap(), apply(&autoregressive).unwrap());
        for (a, b) in values(a).into_iter().chain(values(l)).zip(values(b).into_iter().chain(values(m))) {
            // Sums of five terms in another order.
            assert!((a - b).abs() <= 1e-13 * (1.0 + b.abs()), "{way}: {a} and {b}");
        }
    }
    let standing = values(autoregressive.forward_and_ladj(z.clone(), &given).unwrap().0.narrow(1, 0, 2));
    assert_eq!(standing, values(z.narrow(1, 0, 2)));
}

/// A context of no columns is no context, to the bit.
#[test]
fn no_context_is_a_context_of_width_zero() {
    let place = cpu();
    let wide_zero: Tensor<2> = place.zeros([7, 0]);
    for entry in registry::bijections().iter().filter(|e| e.context_dim == 0) {
        let map = randomised((entry.build)(&place, &mut rng(0)).unwrap(), 0.3, &mut rng(1));
        let z = place.normal([7, entry.dim], &mut rng(2));
        let (x, l) = map.forward_and_ladj(z.clone(), &Given::default()).unwrap();
        let (y, m) = map.forward_and_ladj(z, &Given::context(Some(&wide_zero))).unwrap();
        assert_eq!((values(x), values(l)), (values(y), values(m)), "{}", entry.name);
    }
}

/// Moving x_j leaves the parameters of every coordinate up to j in the order as they were, to the bit; with positive weights and
/// no bias it moves those of every coordinate after.
#[test]
fn masks_cut_every_forbidden_path_and_no_other() {
    let place = cpu();
    for (hidden, residual) in [(vec![], false), (vec![8], false), (vec![6, 9], false), (vec![8, 8, 8], true)] {
        for degrees in [knothe::conditioner::Degrees::Sequential, knothe::conditioner::Degrees::Random] {
            for context_dim in [0, 2] {
                let order = Order::new(vec![3, 0, 4, 1, 2]).unwrap();
                let config = MadeConfig { degrees, parameters: 2, ..made(order.clone(), context_dim, &hidden, residual) };
                let name = format!("{config:?}");
                let made = Made::new(config, &place, &mut rng(0)).unwrap();
                let made = made.map(&mut Rewrite(0, |_, _, v: Vec<f64>| v.iter().map(|w| 0.1 + w.abs()).collect()));
                let x = place.uniform([3, 5], &mut rng(1));
                let c = (context_dim > 0).then(|| place.uniform([3, context_dim], &mut rng(2)));
                let before = values(made.parameters(x.clone(), &Given::context(c.as_ref())).unwrap());
                for (rank, &column) in order.columns().iter().enumerate() {
                    let bump = x.clone().narrow(1, column, 1) + 1.0;
                    let after = values(
                        made.parameters(x.clone().slice_assign([0..3, column..column + 1], bump), &Given::context(c.as_ref())).unwrap(),
                    );
                    for (k, (a, b)) in after.iter().zip(&before).enumerate() {
                        let later = order.columns()[rank + 1..].contains(&(k % 5));
                        assert_eq!(a != b, later, "{name}: x[{column}] and output {k}");
                    }
                }
                if let Some(c) = c {
                    let after = values(made.parameters(x.clone(), &Given::context(Some(&(c + 1.0)))).unwrap());
                    assert!(after.iter().zip(&before).all(|(a, b)| a > b), "{name}: the context reaches every coordinate");
                }
            }
        }
    }
}

/// The gradient of the negative log-likelihood for every parameter is the central difference, and none is left out.
#[test]
fn gradients_are_finite_differences() {
    let plain = cpu();
    let place = plain.autodiff();
    for entry in registry::bijections().iter().filter(|e| e.dim == 2 || e.name.contains("reversed") || e.name.contains("coupling S")) {
        let flow = |place: &Placement| {
            let map = (entry.build)(place, &mut rng(3)).unwrap();
            Flow::new(Source::Normal(Normal::new(entry.dim, place)), map, entry.context_dim).unwrap()
        };
        let noisy = randomised(flow(&plain), 0.2, &mut rng(5));
        let tracked = noisy.clone().train();
        // In training a batch norm is another function; nothing in marginals and whitening is trained.
        if noisy.num_params() == 0 || ["batch norm", "marginals", "whitening"].iter().any(|name| entry.name.contains(name)) {
            continue;
        }
        let x = plain.normal([20, entry.dim], &mut rng(4));
        let c = context(20, entry.context_dim, &plain, &mut rng(6));
        let lifted = c.clone().map(Tensor::from_inner);
        let log_q = tracked.log_prob(Tensor::from_inner(x.clone()), &Given::context(lifted.as_ref())).unwrap();
        let gradients = log_q.mean().neg().backward();

        struct Gradients<'a>(&'a burn::tensor::Gradients, Vec<Option<Option<Vec<f64>>>>);
        impl ModuleVisitor for Gradients<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                // None for a constant.
                self.1.push(param.is_require_grad().then(|| param.val().grad(self.0).map(values)));
            }
        }
        let mut found = Gradients(&gradients, Vec::new());
        tracked.visit(&mut found);
        assert!(place.device.is_autodiff());

        let loss = |moved: usize, element: usize, step: f64| {
            let model = noisy.clone().map(&mut Rewrite(0, |index, _, mut v: Vec<f64>| {
                if index == moved {
                    v[element] += step;
                }
                v
            }));
            -values(model.log_prob(x.clone(), &Given::context(c.as_ref())).unwrap().mean())[0]
        };
        for (index, gradient) in found.1.iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let gradient = gradient.as_ref().unwrap_or_else(|| panic!("{}: parameter {index} has no gradient", entry.name));
            let scale = gradient.iter().fold(1.0_f64, |m, g| m.max(g.abs()));
            // A spread of elements keeps the test short; the step balances truncation and rounding at about 10⁻¹⁰.
            for element in (0..gradient.len()).step_by(gradient.len().div_ceil(12)) {
                let numeric = |step: f64| (loss(index, element, step) - loss(index, element, -step)) / (2.0 * step);
                // A kink of a ReLU within the first step is not within the second.
                let off = [1.0, 1.0 / 16.0].map(|part| (numeric(part * f64::EPSILON.cbrt()) - gradient[element]).abs() / scale);
                let difference = off[0].min(off[1]);
                assert!(difference <= 1e-6, "{}: parameter {index}[{element}]: off by {difference:e}", entry.name);
            }
        }
    }
}

/// KL(π_x ‖ p_x) = KL(p_u ‖ π_u) (Papamakarios et al. 2017, eq. 8): the divergence in data space is that of the data, carried to the
/// source, from the source. Both sides by Monte Carlo over the same draws, where it holds row by row.
#[test]
fn divergence_in_data_space_is_divergence_in_source_space() {
    let (place, given) = (cpu(), Given::default());
    let flow = |seed: u64| {
        let layers = (0..2)
            .map(|_| {
                let map =
                    Autoregressive::new(made(Order::natural(3), 0, &[16], false), Arc::new(Affine::default()), &place, &mut rng(seed));
                Layer::InverseAutoregressive(Inverse::of(map.unwrap()))
            })
            .collect();
        let flow = Flow::new(Source::Normal(Normal::new(3, &place)), Compose::new(3, layers).unwrap(), 0).unwrap();
        randomised(flow, 0.2, &mut rng(seed + 10))
    };
    let (data, model) = (flow(0), flow(1));
    let x = data.sample(2000, &given, &mut rng(2)).unwrap();
    let in_data = values(data.log_prob(x.clone(), &given).unwrap() - model.log_prob(x.clone(), &given).unwrap());
    // p_u: the density of u = T⁻¹(x), x ~ data, is data.log_prob(T(u)) + ladj T(u).
    let u = model.to_source(x, &given).unwrap();
    let (back, ladj) = model.bijection().forward_and_ladj(u.clone(), &given).unwrap();
    let carried = data.log_prob(back, &given).unwrap() + ladj;
    let in_source = values(carried - model.source().log_prob(u, &given).unwrap());
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    assert!(mean(&in_data) > 0.01, "the two densities differ: {}", mean(&in_data));
    assert!((mean(&in_data) - mean(&in_source)).abs() <= 1e-9 * (1.0 + mean(&in_data)), "{} and {}", mean(&in_data), mean(&in_source));
}

/// Columns and order permuted together, with the weights moved along, leave log_prob as it was.
#[test]
fn permuting_columns_and_order_changes_nothing() {
    let place = cpu();
    let columns = [2, 0, 3, 1];
    let build = |order: Order| {
        let map = Autoregressive::new(made(order, 0, &[7, 9], false), Arc::new(Affine::default()), &place, &mut rng(0)).unwrap();
        let layer = Layer::InverseAutoregressive(Inverse::of(map));
        Flow::new(Source::Normal(Normal::new(4, &place)), Compose::new(4, vec![layer]).unwrap(), 0).unwrap()
    };
    let flow = randomised(build(Order::natural(4)), 0.5, &mut rng(1));
    // New column k is old column columns[k], so the old natural order visits the new columns at their inverse positions.
    let permuted = build(Order::new(columns.to_vec()).unwrap().inverse());
    let mut weights = Vec::new();
    flow.clone().map(&mut Rewrite(0, |_, _, v: Vec<f64>| {
        weights.push(v.clone());
        v
    }));
    // First layer [4, 7]: rows move. Output layer [9, 2 × 4] and its bias: columns move within each parameter.
    let permuted = permuted.map(&mut Rewrite(0, |index: usize, dims: Vec<usize>, _| {
        let (old, width) = (&weights[index], dims[dims.len() - 1]);
        let output = |k: usize| k / width * width + k % width / 4 * 4 + columns[k % 4];
        match index {
            0 => (0..old.len()).map(|k| old[columns[k / width] * width + k % width]).collect(),
            4 | 5 => (0..old.len()).map(|k| old[output(k)]).collect(),
            _ => old.clone(),
        }
    }));
    let x = place.normal([50, 4], &mut rng(2));
    conformance::is_invariant(&flow, &permuted, &columns, x.clone(), &Given::default()).unwrap();
    // It would be seen if the columns alone moved.
    assert!(conformance::is_invariant(&flow, &flow, &columns, x, &Given::default()).is_err());
}

/// The Jacobian of the Knothe–Rosenblatt map (z₁, z₂ + z₁²) of a banana, whose conditioner is written by hand.
#[test]
fn jacobian_of_a_known_map() {
    struct Banana;
    impl Bijection for Banana {
        fn dim(&self) -> usize {
            2
        }
        fn forward_and_ladj(&self, z: Tensor<2>, _: &Given) -> knothe::Result<(Tensor<2>, Tensor<1>)> {
            let first = z.clone().narrow(1, 0, 1);
            let rows = z.dims()[0];
            let x = Tensor::cat(vec![first.clone(), z.narrow(1, 1, 1) + first.powi_scalar(2)], 1);
            Ok((x, cpu().zeros([rows])))
        }
        fn inverse_and_ladj(&self, x: Tensor<2>, _: &Given) -> knothe::Result<(Tensor<2>, Tensor<1>)> {
            let first = x.clone().narrow(1, 0, 1);
            let rows = x.dims()[0];
            let z = Tensor::cat(vec![first.clone(), x.narrow(1, 1, 1) - first.powi_scalar(2)], 1);
            Ok((z, cpu().zeros([rows])))
        }
    }
    let z = cpu().tensor(vec![1.5, -2.0, -0.5, 4.0], [2, 2]);
    let all = jacobian(&Banana, &z, &Given::default()).unwrap();
    let rows: Vec<Vec<f64>> = all.iter().map(|j| j.transpose().as_slice().to_vec()).collect();
    assert_eq!(rows, [[1.0, 0.0, 3.0, 1.0], [1.0, 0.0, -1.0, 1.0]]);
}

/// z ↦ az + b carries U(0, 1) to U(b, a + b): log_prob is −log a inside and −∞ outside.
#[test]
fn affine_map_of_a_uniform_is_a_uniform() {
    let (place, given) = (cpu(), Given::default());
    let (a, b) = (3.0_f64, -1.0);
    let scale = a.ln();
    let map = Elementwise::new(1, 0, Arc::new(Affine::default()), &place);
    // The raw scale s with s/√(1 + (s/7)²) = log a.
    let map = map.map(&mut Rewrite(0, |_, _, _: Vec<f64>| vec![b, scale / (1.0 - (scale / 7.0).powi(2)).sqrt()]));
    let source = Source::Uniform(Uniform::new(1, 0.0, 1.0, &place).unwrap());
    let flow = Flow::new(source, Compose::new(1, vec![Layer::Elementwise(map)]).unwrap(), 0).unwrap();
    let x = place.tensor(vec![b + 1e-9, 0.0, 1.0, a + b - 1e-9, b - 1e-9, a + b + 1e-9, 100.0], [7, 1]);
    let log_q = values(flow.log_prob(x.clone(), &given).unwrap());
    assert!(log_q[..4].iter().all(|l| (l + scale).abs() < 1e-14), "{log_q:?}");
    assert_eq!(log_q[4..], [f64::NEG_INFINITY; 3]);
    let u = values(flow.to_uniform(x.narrow(0, 1, 2), &given).unwrap());
    assert!((u[0] - 1.0 / 3.0).abs() < 1e-14 && (u[1] - 2.0 / 3.0).abs() < 1e-14, "{u:?}");
    conformance::samples_are_uniform(&flow, 5000, &given, &mut rng(0)).unwrap();
}
