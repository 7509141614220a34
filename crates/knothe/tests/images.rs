//! What is particular to maps and models of images.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::{module::Module, tensor::Tensor};
use common::{
    context, randomised,
    registry::{IMAGE, image_model},
    rng,
};
use knothe::{
    Bijection, Compose, Density, Given, Layer, Placement, Precision,
    bijection::{Batch, Batches},
    fit::{Dataset, FitConfig, fit},
    image::{ImageShape, Pixelwise, bits_per_dim},
    linear::{ActNorm, Lu, Matrix},
    models::{ChannelMixing, ImageArchitecture, ImageModel},
    parameters, values,
};

struct Whole(Batch);

impl Batches for Whole {
    fn each(&mut self, visit: &mut dyn FnMut(&Batch) -> knothe::Result<()>) -> knothe::Result<()> {
        visit(&self.0)
    }
}

/// Multi-scale sampling inverts multi-scale scoring, at both precisions, of models far from their start.
#[test]
fn samples_go_back_to_where_they_came_from() {
    for (precision, tolerance) in [(Precision::F64, 1e-10), (Precision::F32, 1e-4)] {
        for (model, mixing) in
            [(ImageModel::Glow, ChannelMixing::Lu), (ImageModel::Glow, ChannelMixing::Matrix), (ImageModel::RealNvp, ChannelMixing::None)]
        {
            let (place, mut rng) = (Placement::cpu(precision), rng(5));
            let q = image_model(model, mixing, 2).build(&place).unwrap();
            let q = randomised(q, 0.1, &mut rng);
            let c = context(20, 2, &place, &mut rng);
            let given = Given::context(c.as_ref());
            let z: Tensor<2> = place.normal([20, IMAGE.dim()], &mut rng);
            let map = q.inner().bijection();
            let (x, ladj) = map.forward_and_ladj(z.clone(), &given).unwrap();
            let (back, less) = map.inverse_and_ladj(x, &given).unwrap();
            for (k, (found, expected)) in values(back).into_iter().zip(values(z)).enumerate() {
                assert!((found - expected).abs() <= tolerance * (1.0 + expected.abs()), "{model:?} {precision:?} {k}: {found} {expected}");
            }
            for (there, back) in values(ladj).into_iter().zip(values(less)) {
                assert!((there + back).abs() <= tolerance * (1.0 + there.abs()), "{model:?} {precision:?}: {there} {back}");
            }
        }
    }
}

/// Without mixing, and with couplings that do nothing, Glow only routes: every number of z is one of x.
#[test]
fn a_fresh_glow_without_mixing_is_the_identity_up_to_squeezes() {
    let place = Placement::cpu(Precision::F64);
    let q = image_model(ImageModel::Glow, ChannelMixing::None, 0).build(&place).unwrap();
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
        let map = Pixelwise::new(image, Compose::new(6, vec![layer])).unwrap();
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
    let map = Pixelwise::new(IMAGE, Compose::new(3, vec![Layer::Matrix(matrix)])).unwrap();
    let x: Tensor<2> = place.normal([2, IMAGE.dim()], &mut rng(1));
    let (_, ladj) = map.inverse_and_ladj(x, &Given::default()).unwrap();
    values(ladj.clone()).iter().for_each(|l| assert!((l - 16.0 * 3f64.ln()).abs() < 1e-13, "{l}"));
    let gradients = ladj.sum().backward();
    struct Gradient<'a>(&'a burn::tensor::Gradients, Vec<f64>);
    impl burn::module::ModuleVisitor for Gradient<'_> {
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            if D == 2 {
                self.1 = param.val().grad(self.0).map(values).unwrap_or_default();
            }
        }
    }
    let mut found = Gradient(&gradients, Vec::new());
    map.visit(&mut found);
    let expected = [0.5, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0 / 3.0].map(|v| 32.0 * v);
    assert_eq!(found.1.len(), 9);
    found.1.iter().zip(expected).for_each(|(f, e)| assert!((f - e).abs() < 1e-13, "{f} against {e}"));
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
    let mut map = Pixelwise::new(IMAGE, Compose::new(3, vec![Layer::ActNorm(ActNorm::new(3, &place))])).unwrap();
    map.initialise(&mut Whole(Batch::new(x.clone()))).unwrap();
    let (z, _) = map.inverse_and_ladj(x, &Given::default()).unwrap();
    for channel in 0..3 {
        let z = values(z.clone().narrow(1, channel * IMAGE.pixels(), IMAGE.pixels()));
        let mean = z.iter().sum::<f64>() / z.len() as f64;
        let variance = z.iter().map(|v| v * v).sum::<f64>() / z.len() as f64 - mean * mean;
        assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-12, "channel {channel}: {mean}, {variance}");
    }
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
fn a_few_steps_teach_both_models_something() {
    let place = Placement::cpu(Precision::F32);
    let image = ImageShape { channels: 1, height: 8, width: 8 };
    let data = |rows| Dataset::new(blobs(rows), 64, vec![], 0, None, &place).unwrap();
    for model in [ImageModel::Glow, ImageModel::RealNvp] {
        let fresh = ImageArchitecture::new(model, image, 0, 1);
        let architecture = ImageArchitecture { levels: 2, steps: 2, width: 16, bits: 4, noise_width: 4, ..fresh };
        let q = architecture.build(&place.autodiff()).unwrap();
        let config = FitConfig { steps: Some(60), batch: 64, ..FitConfig::default() };
        let (q, report) = fit(q, &data(256), &data(64), &config, None, None, &mut ()).unwrap();
        let bits: Vec<f64> = report.history.iter().map(|epoch| bits_per_dim(epoch.validation, 64)).collect();
        let (first, last) = (bits[0], bits[bits.len() - 1]);
        // Four bits are a uniform law. That of the data-dependent start, after one epoch, is already better.
        assert!(first < 4.0 && last < first - 0.2 && report.skipped == 0, "{model:?}: {bits:?}");
        // Save and load: the same parameters in a model of the same architecture score the same bytes.
        let again = parameters::restore(architecture.build(&place).unwrap(), parameters::collect(&q)).unwrap();
        let x = place.tensor(blobs(5), [5, 64]);
        let [one, two] = [&q.valid(), &again.valid()].map(|q| values(q.log_prob(x.clone(), &Given::default()).unwrap()));
        assert_eq!(one, two);
    }
}

#[test]
fn architectures_that_cannot_be_are_errors_and_others_survive_json() {
    let good = ImageArchitecture::new(ImageModel::Glow, ImageShape { channels: 1, height: 28, width: 28 }, 10, 0);
    assert_eq!(good.levels, 2);
    let text = serde_json::to_string(&good).unwrap();
    assert_eq!(serde_json::from_str::<ImageArchitecture>(&text).unwrap(), good);
    let place = Placement::cpu(Precision::F32);
    for (name, bad) in [
        ("levels", ImageArchitecture { levels: 3, ..good.clone() }),
        ("no levels", ImageArchitecture { levels: 0, ..good.clone() }),
        ("steps", ImageArchitecture { steps: 0, ..good.clone() }),
        ("width", ImageArchitecture { width: 0, ..good.clone() }),
        ("even window", ImageArchitecture { windows: vec![3, 2], ..good.clone() }),
        ("no window", ImageArchitecture { windows: vec![], ..good.clone() }),
        ("bits", ImageArchitecture { bits: 0, ..good.clone() }),
        ("empty", ImageArchitecture { image: ImageShape { channels: 0, height: 4, width: 4 }, ..good.clone() }),
        ("odd", ImageArchitecture { image: ImageShape { channels: 1, height: 5, width: 4 }, ..good.clone() }),
    ] {
        assert!(bad.build(&place).is_err(), "{name}");
    }
}
