//! Laws of the linear maps, run over all of them.
#![allow(clippy::unwrap_used, clippy::panic)]

use burn::module::{Module, ModuleMapper, ModuleVisitor};
use nalgebra::DMatrix;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::{
    Bijection, Compose, Error, Given, Layer, Placement, Precision, Result,
    bijection::{Batch, Replay},
    order::Order,
};

const DIM: usize = 4;

fn rng() -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(17)
}

fn place() -> Placement {
    Placement::cpu(Precision::F64)
}

/// A training set with a context, in batches of 100.
struct Rows {
    x: Tensor<2>,
    context: Option<Tensor<2>>,
}

impl Replay for Rows {
    fn each(&mut self, visit: &mut dyn FnMut(&Batch) -> Result<()>) -> Result<()> {
        let rows = self.x.dims()[0];
        for start in (0..rows).step_by(100) {
            let length = 100.min(rows - start);
            let context = self.context.as_ref().map(|c| c.clone().narrow(0, start, length));
            visit(&Batch { x: self.x.clone().narrow(0, start, length), context, present: None, weights: None, draws: None, seed: 0 })?;
        }
        Ok(())
    }
}

/// Correlated rows, far from 0 and of different scales.
fn data(rows: usize, context_dim: usize) -> Rows {
    let mut rng = rng();
    let mix = place().normal([DIM, DIM], &mut rng);
    let scale = place().tensor(vec![1.0, 30.0, 0.02, 1e3], [1, DIM]);
    let context = (context_dim > 0).then(|| place().normal([rows, context_dim], &mut rng) + 100.0);
    let mut x = place().normal::<2>([rows, DIM], &mut rng).matmul(mix);
    if let Some(c) = &context {
        x = x + c.clone().matmul(place().normal([context_dim, DIM], &mut rng));
    }
    Rows { x: (x + 50.0) * scale, context }
}

/// Adds `offsets`, one a trained number in the order of the parameters.
struct Move<'a>(std::slice::Iter<'a, f64>);

impl ModuleMapper for Move<'_> {
    fn map_float<const D: usize>(&mut self, mut param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if param.is_require_grad() {
            let moved = values(param.val().inner()).iter().zip(self.0.by_ref()).map(|(v, d)| v + d).collect();
            assign(&mut param, moved);
        }
        param
    }
}

struct Count(usize);

impl ModuleVisitor for Count {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 += if param.is_require_grad() { param.val().shape().num_elements() } else { 0 };
    }
}

struct Gradients<'a>(&'a burn::tensor::Gradients, Vec<f64>);

impl ModuleVisitor for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            let value = param.val();
            self.1.extend(value.grad(self.0).map_or_else(|| vec![0.0; value.shape().num_elements()], values));
        }
    }
}

/// Every map, away from its start, in evaluation, with the width of its context.
fn all() -> Vec<(Layer, usize)> {
    let (place, mut rng) = (place(), rng());
    let order = Order::new(vec![2, 0, 3, 1]).unwrap();
    let layers = vec![
        (Layer::Permutation(Permutation::new(&order, &place)), 0),
        (Layer::Lu(Lu::new(DIM, &place)), 0),
        (Layer::Rotation(Rotation::new(DIM, 4, RotationStart::Random, &place, &mut rng).unwrap()), 0),
        (Layer::Rotation(Rotation::new(DIM, 2, RotationStart::Identity, &place, &mut rng).unwrap()), 0),
        (Layer::ActNorm(ActNorm::new(DIM, &place)), 0),
        (Layer::BatchNorm(BatchNorm::new(DIM, &place)), 0),
        (Layer::TriangularAffine(TriangularAffine::new(&order, 0, &place)), 0),
        (Layer::TriangularAffine(TriangularAffine::new(&order, 2, &place)), 2),
    ];
    layers
        .into_iter()
        .map(|(mut layer, context_dim)| {
            layer.initialise(&mut data(300, context_dim)).unwrap();
            let mut count = Count(0);
            layer.visit(&mut count);
            let offsets = values(place.normal::<1>([count.0], &mut rng) * 0.3);
            (layer.map(&mut Move(offsets.iter())).valid(), context_dim)
        })
        .collect()
}

fn context(rows: usize, context_dim: usize) -> Option<Tensor<2>> {
    (context_dim > 0).then(|| place().normal([rows, context_dim], &mut rng()))
}

#[test]
fn both_directions_are_inverse_and_their_ladj_is_the_determinant() {
    for (layer, context_dim) in all() {
        let rows = DIM + 1;
        // The origin and the unit vectors: an affine map is their images.
        let mut corners = vec![0.0; rows * DIM];
        (0..DIM).for_each(|j| corners[(j + 1) * DIM + j] = 1.0);
        let z = place().tensor(corners, [rows, DIM]);
        let context = context(1, context_dim).map(|c| c.expand([rows, context_dim]));
        let given = Given::context(context.as_ref());
        let (x, forward) = layer.forward_and_ladj(z.clone(), &given).unwrap();
        let (back, inverse) = layer.inverse_and_ladj(x.clone(), &given).unwrap();
        // Scales of up to 1e5 and means of up to 1e7 in x: 1e7 ε over the smallest scale, 0.02.
        assert!(values((back - z).abs()).into_iter().all(|d| d < 1e-8), "{layer:?}");
        assert!(values((forward.clone() + inverse).abs()).into_iter().all(|d| d < 1e-12));
        let x = values(x);
        let jacobian = DMatrix::from_fn(DIM, DIM, |i, j| x[(j + 1) * DIM + i] - x[i]);
        for ladj in values(forward) {
            assert!((jacobian.determinant().abs().ln() - ladj).abs() < 1e-8, "{ladj} against {}", jacobian.determinant());
        }
    }
}

#[test]
fn gradients_equal_finite_differences_in_both_directions() {
    for (layer, context_dim) in all() {
        let x = place().normal::<2>([3, DIM], &mut rng());
        let context = context(3, context_dim);
        for forward in [true, false] {
            let loss = |layer: &Layer, x: Tensor<2>| {
                let given = Given::context(context.as_ref());
                let (y, ladj) = if forward { layer.forward_and_ladj(x, &given) } else { layer.inverse_and_ladj(x, &given) }.unwrap();
                // Bounded in y, whose scale differs by 1e6 between the maps.
                (y * 1e-2).sin().sum() + (ladj * 0.7).sum()
            };
            let tracked = layer.clone().train();
            let input = x.clone().autodiff().require_grad();
            let grads = loss(&tracked, input.clone()).backward();
            let mut found = Gradients(&grads, Vec::new());
            tracked.visit(&mut found);
            let found: Vec<f64> = found.1.into_iter().chain(values(input.grad(&grads).unwrap())).collect();
            if matches!(layer, Layer::BatchNorm(_)) && !forward {
                continue; // Its training mode is another function: tested below.
            }
            let numbers = found.len() - x.shape().num_elements();
            assert!(numbers > 0 || matches!(layer, Layer::Permutation(_)));
            let at = |i: usize, d: f64| {
                let mut offsets = vec![0.0; numbers];
                let mut moved = values(x.clone());
                if i < numbers {
                    offsets[i] = d
                } else {
                    moved[i - numbers] += d
                }
                let layer = layer.clone().train().map(&mut Move(offsets.iter())).valid();
                values(loss(&layer, place().tensor(moved, [3, DIM])))[0]
            };
            for (i, found) in found.iter().enumerate() {
                let expected = (at(i, 1e-5) - at(i, -1e-5)) / 2e-5;
                assert!((found - expected).abs() < 2e-6 * (1.0 + expected.abs()), "{layer:?} {forward} {i}: {found} against {expected}");
            }
        }
    }
}

#[test]
fn starts_are_the_identity_and_normalise() {
    let place = place();
    let x = place.normal::<2>([5, DIM], &mut rng());
    let layers: [Layer; 4] = [
        Layer::Lu(Lu::new(DIM, &place)),
        Layer::Rotation(Rotation::new(DIM, 6, RotationStart::Identity, &place, &mut rng()).unwrap()),
        Layer::ActNorm(ActNorm::new(DIM, &place)),
        Layer::TriangularAffine(TriangularAffine::new(&Order::natural(DIM), 0, &place)),
    ];
    for layer in layers {
        let (y, _) = layer.inverse_and_ladj(x.clone(), &Given::default()).unwrap();
        assert!(values((y - x.clone()).abs()).into_iter().all(|d| d < 1e-14), "{layer:?}");
    }
    let mut act = ActNorm::new(DIM, &place);
    let mut rows = data(500, 0);
    act.initialise(&mut rows).unwrap();
    let (z, _) = act.inverse_and_ladj(rows.x.clone(), &Given::default()).unwrap();
    let variance = values(z.clone().square().mean_dim(0));
    assert!(values(z.mean_dim(0)).into_iter().all(|m| m.abs() < 1e-10) && variance.into_iter().all(|v| (v - 1.0).abs() < 1e-10));
    // A second call is a no-op: training has moved on.
    let before = values(act.shift.val());
    act.initialise(&mut Rows { x: rows.x * 3.0, context: None }).unwrap();
    assert_eq!(values(act.shift.val()), before);
}

#[test]
fn batch_norm_takes_the_batch_in_training_and_the_training_set_in_evaluation() {
    let mut rows = data(400, 0);
    let mut norm = BatchNorm::new(DIM, &place());
    norm.initialise(&mut rows).unwrap();
    let batch = rows.x.clone().narrow(0, 0, 50);
    let given = Given::default();
    let (z, _) = norm.inverse_and_ladj(batch.clone(), &given).unwrap();
    assert!(values(z.mean_dim(0)).into_iter().all(|m| m.abs() < 1e-9), "training centres the batch");
    let evaluated = norm.valid();
    let (whole, ladj) = evaluated.inverse_and_ladj(batch.clone(), &given).unwrap();
    let (one, one_ladj) = evaluated.inverse_and_ladj(batch.narrow(0, 7, 1), &given).unwrap();
    assert_eq!(values(whole.clone().narrow(0, 7, 1)), values(one), "evaluation of a row depends on that row alone");
    assert_eq!(values(ladj.narrow(0, 7, 1)), values(one_ladj));
    assert!(values(whole.mean_dim(0)).into_iter().any(|m| m.abs() > 1e-3));
    let (z, _) = evaluated.inverse_and_ladj(rows.x.clone(), &given).unwrap();
    assert!(values(z.clone().mean_dim(0)).into_iter().all(|m| m.abs() < 1e-9));
    // v/(v + 1e-5) of the narrowest column, of variance about 1e-3.
    assert!(values(z.square().mean_dim(0)).into_iter().all(|v| (v - 1.0).abs() < 0.05));
    assert!(evaluated.train().training.val().is_enabled());
}

#[test]
fn batch_norm_passes_gradients_through_the_statistics_of_the_batch() {
    let norm = BatchNorm::new(DIM, &place());
    let x = place().normal::<2>([6, DIM], &mut rng());
    let loss = |x: Tensor<2>| {
        let (z, ladj) = norm.inverse_and_ladj(x, &Given::default()).unwrap();
        z.sin().sum() + ladj.sum() * 0.3
    };
    let input = x.clone().autodiff().require_grad();
    let found = values(input.grad(&loss(input.clone()).backward()).unwrap());
    let at = |i: usize, d: f64| {
        let mut v = values(x.clone());
        v[i] += d;
        values(loss(place().tensor(v, [6, DIM])).inner())[0]
    };
    for (i, found) in found.iter().enumerate() {
        let expected = (at(i, 1e-5) - at(i, -1e-5)) / 2e-5;
        assert!((found - expected).abs() < 1e-8, "{i}: {found} against {expected}");
    }
}

#[test]
fn layers_behind_a_batch_norm_see_its_evaluation() {
    let place = place();
    let mut map =
        Compose::new(DIM, vec![Layer::BatchNorm(BatchNorm::new(DIM, &place)), Layer::BatchNorm(BatchNorm::new(DIM, &place))]).unwrap();
    let mut rows = data(350, 0);
    map.initialise(&mut rows).unwrap();
    let (z, _) = map.valid().inverse_and_ladj(rows.x, &Given::default()).unwrap();
    assert!(values(z.mean_dim(0)).into_iter().all(|m| m.abs() < 1e-9));
}

#[test]
fn the_affine_map_of_a_gaussian_is_its_cholesky_factor() {
    let mut rows = data(1000, 0);
    for order in [Order::natural(DIM), Order::new(vec![3, 1, 0, 2]).unwrap()] {
        let mut map = TriangularAffine::new(&order, 0, &place());
        map.initialise(&mut rows).unwrap();
        let (z, ladj) = map.inverse_and_ladj(rows.x.clone(), &Given::default()).unwrap();
        let n = 1000.0;
        let x = DMatrix::from_row_slice(1000, DIM, &values(rows.x.clone()));
        let mean = x.row_mean();
        let centred = DMatrix::from_fn(1000, DIM, |i, j| x[(i, order.columns()[j])] - mean[order.columns()[j]]);
        let factor = nalgebra::Cholesky::new(centred.tr_mul(&centred) / n).unwrap().l();
        let found = DMatrix::from_row_slice(DIM, DIM, &values(map.factor().0));
        assert!((&found - &factor).abs().max() < 1e-10 * factor.abs().max(), "{found} against {factor}");
        assert!((values(ladj)[0] + factor.diagonal().iter().map(|d| d.ln()).sum::<f64>()).abs() < 1e-11);
        // The maximum of the likelihood: z has covariance I.
        let z = DMatrix::from_row_slice(1000, DIM, &values(z));
        assert!((z.tr_mul(&z) / n - DMatrix::identity(DIM, DIM)).abs().max() < 1e-9);
    }
}

#[test]
fn the_affine_map_regresses_on_its_context_even_when_columns_repeat() {
    let mut rows = data(1000, 2);
    let context = rows.context.take().unwrap();
    // A third column that repeats the first and a constant fourth one.
    let first = context.clone().narrow(1, 0, 1);
    rows.context = Some(Tensor::cat(vec![context, first.clone(), first.ones_like()], 1));
    let mut map = TriangularAffine::new(&Order::natural(DIM), 4, &place());
    map.initialise(&mut rows).unwrap();
    let context = rows.context.clone();
    let (z, _) = map.inverse_and_ladj(rows.x, &Given::context(context.as_ref())).unwrap();
    let z = DMatrix::from_row_slice(1000, DIM, &values(z));
    let c = DMatrix::from_row_slice(1000, 4, &values(context.unwrap()));
    // Residuals are orthogonal to every regressor, relative to |c| = 100.
    assert!((c.tr_mul(&z) / 1000.0).abs().max() < 1e-7, "{}", c.tr_mul(&z) / 1000.0);
    assert!((z.tr_mul(&z) / 1000.0 - DMatrix::identity(DIM, DIM)).abs().max() < 1e-8);
}

#[test]
fn a_long_context_has_no_say_in_the_affine_map() {
    // Beyond 512 columns, such as thousands of categories, a regression would take far longer than the fit: its work grows with their third power.
    let mut rows = data(1000, 513);
    let mut map = TriangularAffine::new(&Order::natural(DIM), 513, &place());
    map.initialise(&mut rows).unwrap();
    let context = rows.context.clone().unwrap();
    let inverse = |c: &Tensor<2>| values(map.inverse_and_ladj(rows.x.clone(), &Given::context(Some(c))).unwrap().0);
    assert!(inverse(&context) == inverse(&context.clone().zeros_like()));
}

#[test]
fn what_has_no_solution_is_an_error() {
    let place = place();
    let x = place.normal::<2>([50, 2], &mut rng());
    let repeated = Tensor::cat(vec![x.clone(), x.clone().narrow(1, 0, 1) * 3.0 + x.narrow(1, 1, 1), place.normal([50, 1], &mut rng())], 1);
    let mut map = TriangularAffine::new(&Order::natural(DIM), 0, &place);
    assert!(matches!(map.initialise(&mut Rows { x: repeated, context: None }), Err(Error::Invalid { .. })));
    let nothing = || Rows { x: place.zeros([0, DIM]), context: None };
    assert!(matches!(map.initialise(&mut nothing()), Err(Error::Invalid { .. })));
    assert!(matches!(ActNorm::new(DIM, &place).initialise(&mut nothing()), Err(Error::Invalid { .. })));
    assert!(matches!(Rotation::new(DIM, 3, RotationStart::Random, &place, &mut rng()), Err(Error::Invalid { .. })));
    for (layer, _) in all() {
        assert!(matches!(layer.forward_and_ladj(place.zeros([2, DIM + 1]), &Given::default()), Err(Error::Shape { .. })));
    }
}

#[test]
fn single_precision_and_one_coordinate_work() {
    let place = Placement::cpu(Precision::F32);
    let x = place.normal::<2>([3, 1], &mut rng());
    let layers: [Layer; 6] = [
        Layer::Permutation(Permutation::new(&Order::natural(1), &place)),
        Layer::Lu(Lu::new(1, &place)),
        Layer::Rotation(Rotation::new(1, 2, RotationStart::Random, &place, &mut rng()).unwrap()),
        Layer::ActNorm(ActNorm::new(1, &place)),
        Layer::BatchNorm(BatchNorm::new(1, &place).valid()),
        Layer::TriangularAffine(TriangularAffine::new(&Order::natural(1), 0, &place)),
    ];
    for layer in layers {
        let (z, _) = layer.inverse_and_ladj(x.clone(), &Given::default()).unwrap();
        let (back, _) = layer.forward_and_ladj(z, &Given::default()).unwrap();
        assert!(values((back - x.clone()).abs()).into_iter().all(|d| d < 1e-5), "{layer:?}");
    }
}
