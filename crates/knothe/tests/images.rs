//! What is particular to maps and models of images.

use burn::{module::Module, tensor::Tensor};
use knothe::{
    Bijection, Compose, Density, Given, Layer, Pixelwise, Placement, Precision, Preprocessing,
    bijection::{Batch, Replay},
    bits_per_dim,
    families::{ALL, ChannelMixing, Glow, Noise, Recipe},
    fit::{Dataset, Fit},
    linear::{ActNorm, Lu, Matrix},
    parameters,
    space::{ImageShape, Law, Shape, Space},
    univariate::Scale,
    values,
};

use crate::common::{
    context, randomised,
    registry::images::{IMAGE, small_image_model, small_image_models},
    rng,
};

/// The gradient of the one matrix of a module.
struct Gradient<'a>(&'a burn::tensor::Gradients, Vec<f64>);

impl burn::module::ModuleVisitor for Gradient<'_> {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        if D == 2 {
            self.1 = param.val().grad(self.0).map(values).unwrap_or_default();
        }
    }
}

/// Every gradient of a module.
struct Every<'a>(&'a burn::tensor::Gradients, Vec<f64>);

impl burn::module::ModuleVisitor for Every<'_> {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        self.1.extend(param.val().grad(self.0).map(values).unwrap_or_default());
    }
}

struct Whole(Batch);

impl Replay for Whole {
    fn each(&mut self, visit: &mut dyn FnMut(&Batch) -> knothe::Result<()>) -> knothe::Result<()> {
        visit(&self.0)
    }
}

/// Multi-scale sampling inverts multi-scale scoring, at both precisions, of models away from their start. (How far rounding may go in one that
/// magnifies it is what the laws measure.)
#[test]
fn samples_go_back_to_where_they_came_from() {
    for (precision, tolerance) in [(Precision::F64, 1e-10), (Precision::F32, 1e-4)] {
        for recipe in small_image_models(2) {
            let (place, mut rng) = (Placement::cpu(precision), rng(5));
            let q = recipe.dequantised(&place).unwrap();
            let q = randomised(q, 0.05, &mut rng);
            let c = context(20, 2, &place, &mut rng);
            let given = Given::context(c.as_ref());
            let z: Tensor<2> = place.normal([20, IMAGE.dim()], &mut rng);
            let map = q.inner().bijection();
            let (x, ladj) = map.forward_and_ladj(z.clone(), &given).unwrap();
            let (back, less) = map.inverse_and_ladj(x, &given).unwrap();
            for (k, (found, expected)) in values(back).into_iter().zip(values(z)).enumerate() {
                assert!((found - expected).abs() <= tolerance * (1.0 + expected.abs()), "{recipe:?} {precision:?} {k}: {found} {expected}");
            }
            for (there, back) in values(ladj).into_iter().zip(values(less)) {
                assert!((there + back).abs() <= tolerance * (1.0 + there.abs()), "{recipe:?} {precision:?}: {there} {back}");
            }
        }
    }
}

/// Without mixing, and with couplings that do nothing, Glow only routes: every number of z is one of x.
#[test]
fn a_fresh_glow_without_mixing_is_the_identity_up_to_squeezes() {
    let place = Placement::cpu(Precision::F64);
    let glow = small_image_model(&Glow, 0).channel_mixing(ChannelMixing::None);
    let q = glow.coupling(Scale::Exp).dequantised(&place).unwrap();
    let z = place.tensor((0..IMAGE.dim()).map(|k| k as f64).collect(), [1, IMAGE.dim()]);
    let (x, ladj) = q.inner().bijection().forward_and_ladj(z.clone(), &Given::default()).unwrap();
    let mut found = values(x);
    found.sort_by(f64::total_cmp);
    assert_eq!((found, values(ladj)), (values(z), vec![0.0]));
}

/// Both forms of the 1 × 1 convolution, from one generator, are one map: value, ladj, and the gradient by the input; log|det| of what each makes of
/// the image is that of W at each of its pixels.
#[test]
fn the_forms_of_the_1x1_convolution_agree() {
    let place = Placement::cpu(Precision::F64).autodiff();
    let image = ImageShape { channels: 6, height: 3, width: 5 };
    let x: Tensor<2> = place.normal([4, image.dim()], &mut rng(1));
    let weighed: Tensor<2> = place.normal([4, image.dim()], &mut rng(2));
    let run = |layer: Layer| {
        let map = Pixelwise::new(image, Compose::new(6, vec![layer]).unwrap()).unwrap();
        let mut found = Vec::new();
        for forward in [false, true] {
            let x = Tensor::from_inner(x.clone().inner()).require_grad();
            let call = if forward { Pixelwise::forward_and_ladj } else { Pixelwise::inverse_and_ladj };
            let (y, ladj) = call(&map, x.clone(), &Given::default()).unwrap();
            let gradients = ((y.clone() * weighed.clone()).sum() + ladj.clone().sum()).backward();
            found.extend([values(y), values(ladj), values(x.grad(&gradients).unwrap())]);
        }
        found
    };
    let plain = run(Layer::Matrix(Matrix::new(6, &place, &mut rng(7))));
    let factors = run(Layer::Lu(Lu::rotated(6, &place, &mut rng(7))));
    for (k, (plain, factors)) in plain.into_iter().flatten().zip(factors.into_iter().flatten()).enumerate() {
        // W is orthogonal, so its factors lose no more digits than a few sums of six do.
        assert!((plain - factors).abs() < 1e-12, "{k}: {plain} against {factors}");
    }
}

/// The ladj of a plain 1 × 1 convolution with W = diag(2, ½, 3) is height · width · log 3, and its gradient by W is W⁻ᵀ at each pixel.
#[test]
fn the_ladj_of_a_1x1_convolution_is_that_of_its_matrix_at_each_pixel() {
    let place = Placement::cpu(Precision::F64).autodiff();
    let matrix = Matrix::new(3, &place, &mut rng(0));
    let weight = [2.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 3.0];
    let mut named = parameters::collect(&matrix);
    for (name, data) in &mut named {
        if name == "weight" {
            *data = burn::tensor::TensorData::new(weight.to_vec(), [3, 3]);
        }
    }
    let matrix = parameters::restore(matrix, named).unwrap();
    let map = Pixelwise::new(IMAGE, Compose::new(3, vec![Layer::Matrix(matrix)]).unwrap()).unwrap();
    let x: Tensor<2> = place.normal([2, IMAGE.dim()], &mut rng(1));
    let (_, ladj) = map.inverse_and_ladj(x, &Given::default()).unwrap();
    values(ladj.clone()).iter().for_each(|l| assert!((l - 16.0 * 3f64.ln()).abs() < 1e-13, "{l}"));
    let gradients = ladj.sum().backward();
    let mut found = Gradient(&gradients, Vec::new());
    map.visit(&mut found);
    let expected = [0.5, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0 / 3.0].map(|v| 32.0 * v);
    assert_eq!(found.1.len(), 9);
    found.1.iter().zip(expected).for_each(|(f, e)| assert!((f - e).abs() < 1e-13, "{f} against {e}"));
}

/// The gradient by W of a loss of values and ladj, both ways, is what central differences along a random direction find.
#[test]
fn gradients_by_a_free_matrix_are_finite_differences() {
    let place = Placement::cpu(Precision::F64).autodiff();
    let matrix = Matrix::new(3, &place, &mut rng(4));
    let [start, direction, of_x] = [1, 2, 3].map(|seed| values(place.normal::<2>([3, 3], &mut rng(seed))));
    let moved = |step: f64| {
        let weight: Vec<f64> = start.iter().zip(&direction).map(|(w, d)| w + step * d).collect();
        let mut named = parameters::collect(&matrix);
        named.insert("weight".into(), burn::tensor::TensorData::new(weight, [3, 3]));
        parameters::restore(matrix.clone(), named).unwrap()
    };
    for forward in [false, true] {
        let loss = |matrix: &Matrix| {
            let x = place.tensor(of_x.clone(), [3, 3]);
            let call = if forward { Matrix::forward_and_ladj } else { Matrix::inverse_and_ladj };
            let (y, ladj) = call(matrix, x, &Given::default()).unwrap();
            (y.clone() * y).sum() + ladj.sum()
        };
        let own = moved(0.0);
        let gradients = loss(&own).backward();
        let mut found = Gradient(&gradients, Vec::new());
        own.visit(&mut found);
        let along: f64 = found.1.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let step = f64::EPSILON.cbrt();
        let [up, down] = [step, -step].map(|step| values(loss(&moved(step)))[0]);
        let expected = (up - down) / (2.0 * step);
        // Both errors of a central difference are about ε^⅔, 4e-11, times a third derivative, of 1/det W³ and less.
        assert!((along - expected).abs() < 1e-6 * (1.0 + expected.abs()), "forward {forward}: {along} against {expected}");
    }
}

#[test]
fn a_singular_matrix_is_an_error() {
    let place = Placement::cpu(Precision::F64);
    let matrix = Matrix::new(3, &place, &mut rng(0));
    let named = parameters::collect(&matrix).into_iter().map(|(name, data)| {
        let zeros = burn::tensor::TensorData::new(vec![0.0; data.num_elements()], data.shape().to_vec());
        (name, zeros)
    });
    let matrix = parameters::restore(matrix, named.collect()).unwrap();
    let x = place.zeros([2, 3]);
    for found in [matrix.forward_and_ladj(x.clone(), &Given::default()), matrix.inverse_and_ladj(x, &Given::default())] {
        assert!(matches!(found, Err(knothe::Error::NotInvertible { ref rows, .. }) if *rows == [0, 1]), "{found:?}");
    }
}

/// After its start from the data, each channel has mean 0 and variance 1 over pixels and rows, at any depth of a multi-scale map.
#[test]
fn actnorm_standardises_each_channel_over_its_pixels() {
    let place = Placement::cpu(Precision::F64);
    let scale = place.tensor((0..IMAGE.dim()).map(|k| 1.0 + (k / IMAGE.pixels()) as f64).collect(), [1, IMAGE.dim()]);
    let x: Tensor<2> = place.normal([30, IMAGE.dim()], &mut rng(3)) * scale.clone() + scale;
    let mut map = Pixelwise::new(IMAGE, Compose::new(3, vec![Layer::ActNorm(ActNorm::new(3, &place))]).unwrap()).unwrap();
    map.initialise(&mut Whole(Batch::new(x.clone()))).unwrap();
    let (z, _) = map.inverse_and_ladj(x, &Given::default()).unwrap();
    for channel in 0..3 {
        let z = values(z.clone().narrow(1, channel * IMAGE.pixels(), IMAGE.pixels()));
        let mean = z.iter().sum::<f64>() / z.len() as f64;
        let variance = z.iter().map(|v| v * v).sum::<f64>() / z.len() as f64 - mean * mean;
        assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-12, "channel {channel}: {mean}, {variance}");
    }
}

/// Pixels go to the source and come back, to the last bit; what is no pixel is refused.
#[test]
fn pixels_come_back_from_the_source() {
    let (place, mut rng) = (Placement::cpu(Precision::F64), rng(6));
    let q = randomised(small_image_model(&Glow, 0).dequantised(&place).unwrap(), 0.1, &mut rng);
    let x = (place.uniform([10, IMAGE.dim()], &mut rng) * 256.0).floor();
    let z = q.to_source(x.clone(), &Given { seed: 4, ..Given::default() }).unwrap();
    assert_eq!(values(q.from_source(z, &Given::default()).unwrap()), values(x.clone()));
    assert!(matches!(q.to_source(x + 0.5, &Given::default()), Err(knothe::Error::Invalid { .. })));
}

/// Colours of a pixel that are normal, of standard deviation 25 and correlation 0.9 with each other, rounded: the entropy of a number of 8 bits is
/// that of the normal law, (3/2 log 2πe + ½ log det Σ)/3, since a step of 1 in 25 is small. Half of what is right is in the 1 × 1 convolutions.
#[test]
fn a_set_of_known_entropy_is_learned_to_two_hundredths_of_a_bit() {
    const SHARE: f64 = 0.9;
    let place = Placement::cpu(Precision::F32);
    let data = |rows: usize, seed| {
        let mut rng = rng(seed);
        let pixels = IMAGE.pixels();
        let common = values(place.normal([rows, pixels], &mut rng));
        let own = values(place.normal([rows, IMAGE.dim()], &mut rng));
        let one = |k: usize| {
            let (row, pixel) = (k / IMAGE.dim(), k % pixels);
            let normal = SHARE.sqrt() * common[row * pixels + pixel] + (1.0 - SHARE).sqrt() * own[k];
            (128.0 + 25.0 * normal).round().clamp(0.0, 255.0)
        };
        Dataset::new((0..rows * IMAGE.dim()).map(one).collect::<Vec<f64>>(), IMAGE.dim(), &place).unwrap()
    };
    let q = small_image_model(&Glow, 0).preprocessing(Preprocessing::Centred).dequantised(&place.autodiff()).unwrap();
    let (_, report) = Fit::new().epochs(8).batch(128).learning_rate(5e-3).run(q, &data(10_240, 1), &data(2560, 2)).unwrap();
    // Of correlation ρ, det Σ = σ⁶ (1 − ρ)² (1 + 2ρ).
    let log_det = 6.0 * 25f64.ln() + 2.0 * (1.0 - SHARE).ln() + (1.0 + 2.0 * SHARE).ln();
    let entropy = 0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E).ln() + log_det / 6.0;
    let (expected, found) = (bits_per_dim(-entropy, 1), bits_per_dim(report.best.unwrap().0, IMAGE.dim()));
    // The mean of 2,560 rows of 48 numbers has a standard error of √(48/2)/√2560 nats a row, 0.003 bits a number.
    assert!((found - expected).abs() < 0.02, "{found} against {expected}; {:?}", report.history);
}

/// The same bytes for one and two threads: value and every gradient of a model whose batch is more than one part of every kernel.
#[test]
fn threads_change_no_bit() {
    let run = || {
        let place = Placement::cpu(Precision::F32).autodiff();
        let q = small_image_model(&Glow, 2).dequantised(&place).unwrap();
        let x = (place.uniform([70, IMAGE.dim()], &mut rng(1)) * 256.0).floor();
        let c = context(70, 2, &place, &mut rng(2));
        let log_prob = q.log_prob(x, &Given::context(c.as_ref())).unwrap();
        let gradients = log_prob.clone().sum().backward();
        let mut all = Every(&gradients, values(log_prob));
        q.visit(&mut all);
        all.1
    };
    let [one, two] = [1, 2].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run));
    assert!(one.len() > 1000 && one.iter().all(|v| v.is_finite()));
    assert_eq!(one, two);
}

/// Blobs of three sizes in 8 × 8 pixels of 4 bits: an image that has something to learn.
fn blobs(rows: usize) -> Vec<f64> {
    use rand::RngExt;
    let mut rng = rng(9);
    let mut all = Vec::new();
    for _ in 0..rows {
        let [i, j, size] = [rng.random_range(2.0..5.0), rng.random_range(2.0..5.0), rng.random_range(1.0..2.0f64)];
        all.extend((0..64).map(|k| {
            let square = (f64::from(k / 8) - i).powi(2) + (f64::from(k % 8) - j).powi(2);
            (15.0 * (-square / (2.0 * size * size)).exp()).round()
        }));
    }
    all
}

#[test]
fn a_few_steps_teach_every_family_something() {
    let place = Placement::cpu(Precision::F32);
    let space = Space::new(Shape::Grid(ImageShape { channels: 1, height: 8, width: 8 }), Law::Codes(16));
    let data = |rows| Dataset::new(blobs(rows), 64, &place).unwrap();
    for family in ALL.iter().filter(|family| family.supports(&space)) {
        let mut recipe = Recipe::new(*family, space.clone()).seed(1);
        for (name, value) in [("levels", 2usize), ("steps_per_level", 2), ("width", 16), ("noise_width", 4), ("layers", 3)] {
            recipe = if family.option(name).is_some() { recipe.set(name, value) } else { recipe };
        }
        recipe = if family.option("dequantisation").is_some() { recipe.dequantisation(Noise::Variational) } else { recipe };
        let q = recipe.build(&place.autodiff()).unwrap();
        let (q, report) = Fit::new().steps(60).batch(64).run(q, &data(256), &data(64)).unwrap();
        let bits: Vec<f64> = report.history.iter().map(|epoch| bits_per_dim(epoch.validation, 64)).collect();
        let (first, last) = (bits[0], bits[bits.len() - 1]);
        // Four bits are a uniform law. That of the data-dependent start, after one epoch, is already better.
        assert!(first < 4.0 && last < first - 0.2 && report.skipped == 0, "{family:?}: {bits:?}");
        // Save and load: the same parameters in a network of the same recipe score the same bytes.
        let again = parameters::restore(recipe.build(&place).unwrap(), parameters::collect(&q)).unwrap();
        let x = place.tensor(blobs(5), [5, 64]);
        let [one, two] = [&q.valid(), &again.valid()].map(|q| values(q.log_prob(x.clone(), &Given::default()).unwrap()));
        assert_eq!(one, two);
    }
}

#[test]
fn recipes_that_cannot_be_are_errors_and_others_survive_json() {
    let good = Glow::new(ImageShape { channels: 1, height: 28, width: 28 }).context(10);
    assert_eq!(good.count(&good.family().option("levels").unwrap()), 2);
    let text = serde_json::to_string(&good).unwrap();
    assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), good);
    let place = Placement::cpu(Precision::F32);
    let sides = |channels, height, width| Glow::new(ImageShape { channels, height, width });
    for (name, bad) in [
        ("levels", good.clone().levels(3)),
        ("no levels", good.clone().levels(0)),
        ("steps", good.clone().steps_per_level(0)),
        ("width", good.clone().width(0)),
        ("widening", good.clone().widening(0)),
        ("too broad", good.clone().widening(65_536)),
        ("even window", good.clone().windows([3, 2])),
        ("no window", good.clone().windows([])),
        ("no bits", Recipe::new(&Glow, Space::new(Shape::Grid(IMAGE), Law::Codes(1)))),
        ("half a bit", Recipe::new(&Glow, Space::new(Shape::Grid(IMAGE), Law::Codes(3)))),
        ("nine bits", Recipe::new(&Glow, Space::new(Shape::Grid(IMAGE), Law::Codes(512)))),
        ("empty", sides(0, 4, 4)),
        ("odd", sides(1, 5, 4)),
    ] {
        assert!(bad.build(&place).is_err(), "{name}");
    }
}
