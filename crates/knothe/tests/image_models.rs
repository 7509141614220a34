//! Densities of images in the units of their files: ensembles, weights, checks, coordinates and files.

use std::path::Path;

use knothe::{
    Error, Exactness, Placement, Precision,
    events::{
        Coding, Events,
        image::{ImageSet, LABELS_KEY, Pixels},
        table::Schema,
    },
    families::{Family, Glow, ImageRealNvp, Recipe},
    fit::FitConfig,
    model::{AnyModel, Fitting, Kept, LogLikelihood, Model, Scoring, Split, Weighting},
};

/// The first `n` digits, the weight of every third of which is 0 and of the others 1 and 2.
fn digits(n: usize) -> ImageSet {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits.npz"));
    let set = ImageSet::read(path, None).unwrap().with_labels(LABELS_KEY).unwrap();
    let weights = Some((0..n).map(|i| (i % 3) as f64).collect());
    ImageSet { weights, ..set.pick(&(0..n).collect::<Vec<_>>()) }
}

fn fitted(set: &ImageSet, families: &[&'static dyn Family], precision: Precision) -> (Model<Pixels>, Split<ImageSet>) {
    let (coding, place) = (Pixels::of(set, None).unwrap(), Placement::cpu(precision));
    let split = Split::random(&set.path, set, 0).unwrap();
    let recipe = |family: &&'static dyn Family| {
        let small = Recipe::new(*family, coding.space()).context(coding.context_dim());
        small.levels(2).steps_per_level(1).width(4).windows([3, 1, 3])
    };
    let recipes: Vec<Recipe> = families.iter().map(recipe).collect();
    let config = FitConfig { epochs: 2, batch: 64, ..FitConfig::default() };
    let weighting = Weighting::Validation;
    let fitting = Fitting { split: &split, coding: &coding, recipes: &recipes, weighting, config: &config, place: &place };
    (fitting.run(None, None, &mut ()).unwrap().unwrap(), split)
}

#[test]
fn an_ensemble_is_scored_sampled_checked_and_saved() {
    let set = digits(300);
    let (model, split) = fitted(&set, &[&Glow, &ImageRealNvp], Precision::F32);
    let (log_prob, judge) = (model.log_prob(split.judge(), Scoring::default()).unwrap(), split.judge());
    assert_eq!((model.exactness(), model.members.len(), model.record.gaussian), (Exactness::LowerBound, 2, None));
    assert_eq!(model.record.held_out, LogLikelihood::of(&log_prob, judge.weights()));
    assert_ne!(model.record.held_out, LogLikelihood::of(&log_prob, None));
    // Five bits a pixel are a uniform law.
    let bits = model.record.held_out.bits_per_dim(64);
    assert!(bits.mean > 0.0 && bits.mean < 5.0, "{bits:?}");

    let samples = model.sample(7, &[3.0; 7], 5).unwrap();
    assert_eq!((samples.len(), samples.labels.as_deref()), (7, Some(&[3i64; 7][..])));
    assert!(samples.pixels.iter().all(|&v| v < 32));
    let error = model.sample(1, &[10.0], 5).unwrap_err().to_string();
    assert!(error.contains("class") && error.contains("0, 1, 2"), "{error}");
    let checks = model.check(judge, 0).unwrap();
    assert!(checks.columns.len() == 64 && checks.rows < judge.len(), "rows of weight 0 are left out: {}", checks.rows);
    assert_eq!(checks, model.check(judge, 0).unwrap());
    let kept = Kept { parts: 1, temperature: 1.0 };
    assert!(matches!(model.reconstruct(judge, kept, 0), Err(Error::Unsupported { .. })));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model.save(&path).unwrap();
    let read = Model::<Pixels>::load(&path, "cpu").unwrap();
    assert_eq!((read.coding.clone(), read.mixture().weights()), (model.coding.clone(), model.mixture().weights()));
    assert_eq!(read.log_prob(judge, Scoring::default()).unwrap(), log_prob);
    assert_eq!(read.sample(7, &[3.0; 7], 5).unwrap(), samples);
    assert!(matches!(AnyModel::load(&path, "cpu").unwrap(), AnyModel::Images(_)));
    let error = Model::<Schema>::load(&path, "cpu").unwrap_err().to_string();
    assert!(error.contains("\"table\"") && error.contains("\"images\""), "{error}");
}

/// What images of weight 0 show changes neither the fit nor the likelihoods of the others.
#[test]
fn images_of_weight_zero_have_no_say() {
    let set = digits(150);
    let mut other = set.clone();
    for (image, weight) in other.pixels.chunks_mut(64).zip(set.weights.as_ref().unwrap()) {
        image.iter_mut().filter(|_| *weight == 0.0).for_each(|v| *v = 16 - *v);
    }
    assert_ne!(set.pixels, other.pixels);
    let [one, two] = [&set, &other].map(|set| fitted(set, &[&Glow], Precision::F64).0);
    // Zeros are added in the sums over a batch, which may round otherwise: by ε, of numbers of the order of 100, in every step.
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs();
    assert!(close(one.record.held_out.mean, two.record.held_out.mean));
    let scores = [&one, &two].map(|model| model.log_prob(&set, Scoring::default()).unwrap());
    assert!(scores[0].iter().zip(&scores[1]).all(|(a, b)| close(*a, *b)), "{scores:?}");
    let equal = fitted(&ImageSet { weights: None, ..set.clone() }, &[&Glow], Precision::F64).0;
    assert_ne!(one.log_prob(&set, Scoring::default()).unwrap(), equal.log_prob(&set, Scoring::default()).unwrap());
}

#[test]
fn images_come_back_from_their_coordinates() {
    let set = digits(150);
    let (model, split) = fitted(&set, &[&Glow], Precision::F64);
    let judge = split.judge();
    assert_eq!(model.parts(), 2);
    let whole = model.reconstruct(judge, Kept { parts: 2, temperature: 1.0 }, 3).unwrap();
    assert_eq!((&whole.pixels, &whole.labels), (&judge.pixels, &judge.labels));
    let coarse = model.reconstruct(judge, Kept { parts: 1, temperature: 1.0 }, 3).unwrap();
    assert_ne!(coarse.pixels, judge.pixels);
    assert!(model.reconstruct(judge, Kept { parts: 3, temperature: 1.0 }, 3).is_err());
    let ends = judge.pick(&[0, 1]);
    let path = model.interpolate(&ends, 5, 3).unwrap();
    assert_eq!((path.pick(&[0]).pixels, path.pick(&[4]).pixels), (ends.pick(&[0]).pixels, ends.pick(&[1]).pixels));
    assert!(model.interpolate(judge, 5, 3).is_err() && model.interpolate(&ends, 1, 3).is_err());
}
