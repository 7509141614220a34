//! Triangular maps as one operation against their composed form.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Gradients, Tensor},
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use crate::{
    bijection::{Bijection, Given},
    compose::{Compose, Layer},
    conditioner::{Activation, Degrees, MadeConfig, Order},
    error::Result,
    inverse::Inverse,
    linear::Permutation,
    placement::{Placement, Precision, values},
    triangular::{Autoregressive, Coupling},
    univariate::{Affine, Inverted, MonotoneMap, Scale, Sigmoidal, Spline, SumOfSquares},
};

/// More than two tiles, the last of them not full.
const ROWS: usize = 300;
const CONTEXT: usize = 2;

/// A map without its kernel.
#[derive(Debug)]
struct Plain(Arc<dyn MonotoneMap>);

impl MonotoneMap for Plain {
    fn parameters(&self) -> usize {
        self.0.parameters()
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        self.0.value(x, theta)
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)> {
        self.0.inverse(y, theta)
    }
}

struct Found<'a> {
    gradients: &'a Gradients,
    all: Vec<Vec<f64>>,
}

impl ModuleVisitor for Found<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.all.push(values(param.val().grad(self.gradients).unwrap()));
    }
}

/// 1 and 0 at random, with rows of which all is present and rows of which nothing is.
fn mask(place: &Placement, rows: usize, dim: usize) -> Tensor<2> {
    let drawn = values(place.uniform::<2>([rows, dim], &mut ChaCha12Rng::seed_from_u64(8)));
    let share = |row: usize| [0.5, 0.5, 0.5, 1.0, 0.0][row % 5];
    place.tensor(drawn.iter().enumerate().map(|(k, u)| f64::from(*u < share(k / dim))).collect(), [rows, dim])
}

/// Value, Σ log T′ and the gradients of a loss of both by x, the context and every parameter; with a mask of what is present, or without.
fn run<B: Bijection + Module>(map: &B, dim: usize, context: bool, masked: bool, precision: Precision) -> Vec<Vec<f64>> {
    let place = Placement::cpu(precision).autodiff();
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    // Far rows as well: what is read is not linear there.
    let x = place.normal([ROWS, dim], &mut rng) * 3.0;
    let c = place.normal([ROWS, CONTEXT], &mut rng).require_grad();
    let (of_y, of_ladj) = (place.normal([ROWS, dim], &mut rng), place.normal([ROWS, 1], &mut rng));
    let present = masked.then(|| mask(&place, ROWS, dim));
    let given = Given { present: present.as_ref(), ..Given::context(context.then_some(&c)) };
    let x = given.masked(x).require_grad();
    let (y, ladj) = map.forward_and_ladj(x.clone(), &given).unwrap();
    let loss = (y.clone() * of_y).sum() + (ladj.clone() * of_ladj.squeeze_dim(1)).sum();
    let gradients = loss.backward();
    let mut found = Found { gradients: &gradients, all: vec![values(y.inner()), values(ladj.inner())] };
    found.all.push(values(x.grad(&gradients).unwrap()));
    found.all.extend(context.then(|| values(c.grad(&gradients).unwrap())));
    map.visit(&mut found);
    found.all
}

fn agree(fused: &[Vec<f64>], composed: &[Vec<f64>], precision: Precision, what: &str) {
    // Sums of some hundred terms and of 300 rows, in another order.
    let tolerance = if precision == Precision::F64 { 1e-12 } else { 3e-5 };
    assert_eq!(fused.len(), composed.len());
    for (part, (fused, composed)) in fused.iter().zip(composed).enumerate() {
        let scale = composed.iter().fold(1.0, |most: f64, c| most.max(c.abs()));
        for (k, (f, c)) in fused.iter().zip(composed).enumerate() {
            assert!((f - c).abs() <= tolerance * scale, "{what}, {precision:?}, part {part}, {k}: {f} against {c}");
        }
    }
}

#[test]
fn autoregressive_maps_are_their_composed_form() {
    for precision in [Precision::F64, Precision::F32] {
        for (k, activation) in [Activation::Relu, Activation::Tanh, Activation::Elu, Activation::Silu].into_iter().enumerate() {
            // Contexts and residual networks, each with and without the other.
            let (context, residual, dim) = (k % 2 == 1, k >= 2, 5 + k);
            let place = Placement::cpu(precision).autodiff();
            let build = |map: Arc<dyn MonotoneMap>| {
                let mut rng = ChaCha12Rng::seed_from_u64(k as u64);
                let config = MadeConfig {
                    order: Order::random(dim, &mut rng),
                    context_dim: if context { CONTEXT } else { 0 },
                    hidden: if residual { vec![40; 3] } else { vec![40, 33] },
                    parameters: 0,
                    activation,
                    degrees: if context { Degrees::Random } else { Degrees::Sequential },
                    residual,
                };
                Autoregressive::new(config, map, &place, &mut rng).unwrap()
            };
            let maps: [Arc<dyn MonotoneMap>; 7] = [
                Arc::new(Affine::default()),
                Arc::new(Inverted(Affine { scale: Scale::Softplus })),
                Arc::new(Affine { scale: Scale::Sigmoid }),
                Arc::new(Inverted(Affine { scale: Scale::Sigmoid })),
                Arc::new(Spline::default()),
                Arc::new(SumOfSquares::default()),
                Arc::new(Sigmoidal(4)),
            ];
            for (map, masked) in maps.into_iter().flat_map(|map| [(map.clone(), false), (map, true)]) {
                let both = || [map.clone(), Arc::new(Plain(map.clone()))];
                let [fused, composed] = both().map(|map| run(&build(map), dim, context, masked, precision));
                agree(&fused, &composed, precision, &format!("{activation:?}, masked {masked}"));
                // Solved for the inputs, coordinate after coordinate.
                if map.inverse_kernel().is_some() {
                    let [fused, composed] = both().map(|map| run(&Inverse::of(build(map)), dim, context, masked, precision));
                    agree(&fused, &composed, precision, &format!("inverse, {activation:?}, masked {masked}"));
                }
            }
        }
    }
}

#[test]
fn couplings_are_their_composed_form() {
    for precision in [Precision::F64, Precision::F32] {
        for (context, masked) in [(false, false), (true, false), (false, true), (true, true)] {
            let moves = [true, false, true, true, false];
            let place = Placement::cpu(precision).autodiff();
            let build = |map: Arc<dyn MonotoneMap>| {
                let mut rng = ChaCha12Rng::seed_from_u64(3);
                Coupling::new(&moves, if context { CONTEXT } else { 0 }, &[24, 20], Activation::Silu, map, &place, &mut rng).unwrap()
            };
            for map in [Arc::new(Affine { scale: Scale::One }) as Arc<dyn MonotoneMap>, Arc::new(Affine::default())] {
                let [fused, composed] =
                    [map.clone(), Arc::new(Plain(map))].map(|map| run(&build(map), moves.len(), context, masked, precision));
                agree(&fused, &composed, precision, &format!("coupling, masked {masked}"));
            }
        }
    }
}

/// Masked maps both ways around and a coupling, with a permutation, which has no kernel, before the last.
fn stack(place: &Placement) -> Vec<Layer> {
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    let config = MadeConfig {
        order: Order::natural(6),
        context_dim: CONTEXT,
        hidden: vec![64, 64],
        parameters: 0,
        activation: Activation::Silu,
        degrees: Degrees::Sequential,
        residual: false,
    };
    let mut map = || Autoregressive::new(config.clone(), Arc::new(Affine::default()), place, &mut rng).unwrap();
    let (first, second, third) = (map(), map(), map());
    let moves = [true, false, true, true, false, false];
    let coupling = Coupling::new(&moves, CONTEXT, &[24, 20], Activation::Silu, Arc::new(Affine::default()), place, &mut rng).unwrap();
    let permutation = Permutation::new(&Order::random(6, &mut rng), place);
    vec![
        Layer::Autoregressive(first),
        Layer::Autoregressive(second),
        Layer::Coupling(coupling),
        Layer::Permutation(permutation),
        Layer::Autoregressive(third),
    ]
}

#[test]
fn a_stack_is_one_layer_after_another() {
    let place = Placement::cpu(Precision::F64);
    let layers = stack(&place);
    let mut rng = ChaCha12Rng::seed_from_u64(9);
    let (x, context) = (place.normal([ROWS, 6], &mut rng), place.normal([ROWS, CONTEXT], &mut rng));
    let present = mask(&place, ROWS, 6);
    let whole = Compose::new(6, layers.clone()).unwrap();
    for present in [None, Some(present)] {
        let given = Given { present: present.as_ref(), ..Given::context(Some(&context)) };
        let x = given.masked(x.clone());
        let (mut y, mut total, mut left) = (x.clone(), place.zeros([ROWS]), present.clone());
        for layer in &layers {
            let (next, ladj) = layer.forward_and_ladj(y, &Given { present: left.as_ref(), ..given }).unwrap();
            (y, total) = (next, total + ladj);
            left = left.map(|left| layer.present_forward(left));
        }
        let (found, ladj) = whole.forward_and_ladj(x.clone(), &given).unwrap();
        // The same sums in the same order, but for those of the log-determinant.
        assert_eq!(values(found.clone()), values(y));
        let near = |a: Vec<f64>, b: Vec<f64>, tolerance| {
            a.iter().zip(&b).for_each(|(a, b)| assert!((a - b).abs() < tolerance, "{a} against {b}"));
        };
        near(values(ladj.clone()), values(total), 1e-13);
        assert_eq!(present.clone().map(|present| values(whole.present_forward(present))), left.clone().map(values));
        let (back, opposite) = whole.inverse_and_ladj(found, &Given { present: left.as_ref(), ..given }).unwrap();
        near(values(back), values(x), 1e-10);
        near(values(opposite), values(ladj.neg()), 1e-10);
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let place = Placement::cpu(Precision::F32).autodiff();
    let map = Compose::new(6, stack(&place)).unwrap();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| [false, true].map(|masked| run(&map, 6, true, masked, Precision::F32)))
    };
    assert!(with(1) == with(2) && with(2) == with(3));
}
