//! What holds for every family of the registry: it builds, scores, samples and survives a file, and refuses what it does not have.

use burn::module::Module;
use burn::tensor::Tensor;
use knothe::{
    Density, Given, Network, Placement, Precision,
    events::{
        Coding, Events,
        table::{Column, MissingPolicy, Need, Overrides, Roles, Schema, Table},
    },
    families::{ALL, Family, Gaussian, Recipe, find},
    fit::{Dataset, FitConfig},
    model::{Fitting, Model, Scoring, Split, Weighting},
    parameters,
    space::{ImageShape, Law, Shape, Space},
    values,
};

use crate::common::rng;

/// A space for every kind of event that a family takes. A family of another kind brings a line of its own.
fn spaces() -> Vec<Space> {
    let grid = |channels, side| Shape::Grid(ImageShape { channels, height: side, width: side });
    let columns = [1, 3, 200].map(Shape::Columns);
    let real = columns.map(|shape| Space::new(shape, Law::Real));
    let binary = columns.map(|shape| Space::new(shape, Law::Codes(2)));
    let images = [Space::new(grid(1, 8), Law::Codes(16)), Space::new(grid(3, 4), Law::Codes(256))];
    let steps = |length| Space::new(Shape::Sequence { channels: 1, length }, Law::Codes(256));
    // If the length varies, it is the first element. The random numbers of these tests are lengths of this space.
    let sequences = [steps(40), steps(300).of_varying_length()];
    [real.to_vec(), binary.to_vec(), images.to_vec(), sequences.to_vec()].concat()
}

/// Events of a space, drawn at random.
fn events(space: &Space, rows: usize, place: &Placement) -> Tensor<2> {
    let shape = [rows, space.dim()];
    match space.law().unwrap() {
        Law::Real => place.normal(shape, &mut rng(1)),
        Law::Codes(codes) => (place.uniform(shape, &mut rng(1)) * f64::from(codes)).floor(),
        Law::Lattice(cells) => unreachable!("no space of this test has the lattice {cells:?}"),
    }
}

/// The recipe of a family's defaults, but for couplings of a single column, which no family has.
fn recipes(family: &'static dyn Family) -> Vec<Recipe> {
    let all = spaces().into_iter().filter(|space| family.supports(space)).map(|space| Recipe::new(family, space).context(2));
    let found: Vec<Recipe> = all.filter(|recipe| recipe.dim() > 1 || recipe.check().is_ok()).collect();
    assert!(found.len() >= 2, "{family:?} supports no space of this test");
    found
}

#[test]
fn every_family_builds_scores_samples_and_survives_its_file_with_its_defaults() {
    let place = Placement::cpu(Precision::F32);
    for recipe in ALL.iter().flat_map(|&family| recipes(family)) {
        let network = recipe.build(&place).unwrap();
        assert_eq!((network.dim(), network.context_dim()), (recipe.dim(), 2));
        assert_eq!(recipe.size().unwrap(), parameters::count(&network), "{recipe:?}");
        let context = place.normal([3, 2], &mut rng(2));
        let given = Given { context: Some(&context), seed: 3, ..Given::default() };
        let x = events(recipe.space(), 3, &place);
        let log_prob = |q: &Network| values(q.log_prob(x.clone(), &given).unwrap());
        assert!(log_prob(&network).iter().all(|l| l.is_finite()), "{recipe:?}");
        if recipe.dim() >= 200 {
            continue;
        }
        let sample = network.sample(3, &given, &mut rng(4)).unwrap();
        assert_eq!(sample.dims(), x.dims());
        assert!(values(network.log_prob(sample, &given).unwrap()).iter().all(|l| l.is_finite()), "{recipe:?}");
        let read: Recipe = serde_json::from_str(&serde_json::to_string(&recipe).unwrap()).unwrap();
        assert_eq!(read, recipe);
        assert_eq!(log_prob(&read.build(&place).unwrap()), log_prob(&network), "{recipe:?}");
    }
}

#[test]
fn a_family_is_found_by_its_name_and_refuses_what_it_does_not_have() {
    let place = Placement::cpu(Precision::F32);
    for &family in ALL {
        for recipe in recipes(family) {
            assert_eq!(format!("{:?}", find(family.name(), recipe.space()).unwrap()), format!("{family:?}"));
            let error = recipe.set("no_such_option", 3).build(&place).unwrap_err().to_string();
            assert!(error.contains(&format!("options of {}", family.name())) && error.contains("no_such_option"), "{error}");
        }
        for space in spaces().into_iter().filter(|space| !family.supports(space)) {
            let error = Recipe::new(family, space.clone()).build(&place).unwrap_err().to_string();
            assert!(error.contains(&format!("events of {}", family.name())) && error.contains(family.spaces()), "{error}");
        }
        let texts = [family.about(), family.spaces()];
        assert!(texts.iter().all(|text| !text.is_empty() && !text.ends_with('.')), "{family:?}");
        assert!(family.details().ends_with('.'), "{family:?}");
    }
}

/// A table with more columns than the usual hidden layer has units.
#[test]
fn a_wide_table_gets_through_an_epoch_with_every_family_of_its_columns() {
    let place = Placement::cpu(Precision::F32);
    let x = values(place.normal::<2>([130, 600], &mut rng(5)));
    let column = |(j, values): (usize, &[f64])| Column::real(format!("c{j}"), values.to_vec());
    let table = Table { path: "wide".into(), columns: x.chunks(600).enumerate().map(column).collect(), first_row: 0, notes: Vec::new() };
    let (mut schema, _) = Schema::infer(&table, &Overrides::default(), &Roles::default(), MissingPolicy::Reject).unwrap();
    let split = Split::random(&table.path, &schema.rows(&table, Need::Fit).unwrap(), 0).unwrap();
    schema.fit(&split.train).unwrap();
    let config = FitConfig { epochs: 1, ..FitConfig::default() };
    for family in ALL.iter().filter(|family| family.supports(&130.into())) {
        let recipe = Recipe::new(*family, schema.space());
        let recipes = [if family.option("layers").is_some() { recipe.layers(1) } else { recipe }];
        let weighting = Weighting::Uniform;
        let fitting = Fitting { split: &split, coding: &schema, recipes: &recipes, weighting, config: &config, place: &place };
        let model: Model<Schema> = fitting.run(None, None, &mut ()).unwrap().unwrap();
        let log_prob = model.log_prob(&split.validation, Scoring::default()).unwrap();
        assert!(log_prob.len() == split.validation.len() && log_prob.iter().all(|l| l.is_finite()), "{family:?}");
        assert_eq!(model.members[0].report.skipped, 0, "{family:?}");
    }
}

/// Columns that differ by 0.003 standard deviations: a network of small weights does not see that they are nearly one.
#[test]
fn families_start_from_the_full_gaussian_where_columns_are_nearly_one() {
    let place = Placement::cpu(Precision::F32);
    let x: Tensor<2> = place.normal([400, 3], &mut rng(6));
    let first = x.clone().narrow(1, 0, 1);
    let x = Tensor::cat(vec![first.clone(), x.clone().narrow(1, 1, 1) * 0.003 + first.clone(), x.narrow(1, 2, 1) + first], 1);
    let start = |recipe: Recipe| {
        let mut network = recipe.build(&place).unwrap();
        network.initialise(&mut &Dataset::new(x.clone(), 3, &place).unwrap()).unwrap();
        let found = values(network.valid().log_prob(x.clone(), &Given::default()).unwrap());
        found.iter().sum::<f64>() / found.len() as f64
    };
    let gaussian = start(Gaussian::new(3));
    for &family in ALL.iter().filter(|family| family.option("whiten").is_some()) {
        let (with, without) = (start(Recipe::new(family, 3)), start(Recipe::new(family, 3).whiten(false)));
        // Maps start within 0.05 of the identity, and without the layer the difference of the columns costs log(1/0.003) = 5.8 nats.
        assert!((with - gaussian).abs() < 0.3, "{family:?}: {with} against {gaussian}");
        assert!(without < gaussian - 4.0, "{family:?}: {without} against {gaussian}");
    }
}
