//! Every family that leaves its product open, as every product: conditioner × direction of the univariate map × mixing.

use burn::module::Module;
use knothe::{
    Density, Error, Flow, Given, Placement, Precision, conformance,
    families::{ALL, Family, Form, Iaf, Made, MadeBinary, Maf, Mixing, Nsf, RealNvp, Recipe, Setting, Sos, Triangular},
    parameters,
    space::{Law, Shape, Space},
    values,
};

use crate::common::{context, points, randomised, rng};

const BOTH: [Triangular; 2] = [Triangular::Autoregressive, Triangular::Coupling];
const FORMS: [Form; 2] = [Form::Density, Form::Generative];
const MIXINGS: [Mixing; 4] = [Mixing::Reversed, Mixing::Random, Mixing::Lu, Mixing::Rotation];

/// The families that leave both choices open.
fn open() -> impl Iterator<Item = &'static dyn Family> {
    ALL.iter().copied().filter(|family| ["triangular", "form"].iter().all(|name| family.option(name).is_some()))
}

/// A recipe with one option set, where its family has it.
fn with(recipe: Recipe, name: &str, value: impl Into<Setting>) -> Recipe {
    if recipe.family().option(name).is_some() { recipe.set(name, value) } else { recipe }
}

/// The value of an option.
fn value(recipe: &Recipe, name: &str) -> Setting {
    recipe.get(&recipe.family().option(name).unwrap())
}

/// A small network of a family of open products.
fn small(family: &'static dyn Family, dim: usize, layers: usize) -> Recipe {
    with(Recipe::new(family, dim).layers(layers).hidden([8]).components(4), "degree", 2)
}

/// Every product of a number of layers, over three columns given two.
fn products(layers: usize) -> Vec<Recipe> {
    let mut all = Vec::new();
    for family in open() {
        for triangular in BOTH {
            for form in FORMS {
                for mixing in MIXINGS {
                    all.push(small(family, 3, layers).context(2).triangular(triangular).form(form).mixing(mixing));
                }
            }
        }
    }
    let is = |recipe: &Recipe, name, expected: &str| value(recipe, name) == expected.into();
    let masked = all.iter().filter(|r| is(r, "triangular", "autoregressive") && is(r, "mixing", "reversed"));
    let residual: Vec<_> = masked.map(|r| r.clone().residual(true).hidden([8; 3])).collect();
    all.into_iter().chain(residual).collect()
}

#[test]
fn both_ways_return_and_files_keep_every_number() {
    let place = Placement::cpu(Precision::F64);
    for recipe in products(2) {
        let mut rng = rng(1);
        // Two layers at |z| = 30: larger weights saturate log-scales, and e^28 leaves no digits to return with.
        let flow = randomised(recipe.flow(&place).unwrap(), 0.1, &mut rng);
        let z = points(3, &place, &mut rng);
        let c = context(z.dims()[0], 2, &place, &mut rng);
        let given = Given::context(c.as_ref());
        conformance::round_trip(flow.bijection(), z.clone(), &given).unwrap_or_else(|v| panic!("{recipe:?}: {v}"));
        conformance::ladj_sums_to_zero(flow.bijection(), z.clone(), &given).unwrap_or_else(|v| panic!("{recipe:?}: {v}"));
        let text = serde_json::to_string(&recipe).unwrap();
        let read: Recipe = serde_json::from_str(&text).unwrap();
        let again = parameters::restore(read.flow(&place).unwrap(), parameters::collect(&flow)).unwrap();
        let log_prob = |f: &Flow<_, _>| values(f.log_prob(z.clone(), &given).unwrap());
        assert_eq!(log_prob(&flow), log_prob(&again), "{recipe:?}");
    }
}

#[test]
fn every_product_starts_near_the_identity_and_reads_its_context() {
    let place = Placement::cpu(Precision::F64);
    for recipe in products(1).into_iter().filter(|r| ["reversed", "lu"].iter().any(|&name| value(r, "mixing") == name.into())) {
        let mut rng = rng(2);
        let flow = recipe.flow(&place).unwrap();
        let z = place.uniform([200, 3], &mut rng) * 6.0 - 3.0;
        let c = context(200, 2, &place, &mut rng);
        let given = Given::context(c.as_ref());
        conformance::is_near_identity(flow.bijection(), z.clone(), &given).unwrap_or_else(|v| panic!("{recipe:?}: {v}"));
        let flow = randomised(flow, 0.2, &mut rng);
        let other = context(200, 2, &place, &mut rng);
        let log_prob = |c: &Option<_>| values(flow.log_prob(z.clone(), &Given::context(Option::as_ref(c))).unwrap());
        assert!(log_prob(&c).iter().zip(log_prob(&other)).all(|(a, b)| *a != b), "{recipe:?}");
    }
}

/// The four products of one map are four densities: no two options build the same.
#[test]
fn the_two_choices_are_independent() {
    let place = Placement::cpu(Precision::F64);
    for family in open() {
        let mut seen: Vec<Vec<f64>> = Vec::new();
        for (triangular, form) in BOTH.into_iter().flat_map(|t| FORMS.map(|f| (t, f))) {
            let recipe = Recipe::new(family, 3).layers(1).hidden([8]).components(4);
            let flow = recipe.triangular(triangular).form(form).flow(&place).unwrap();
            let flow = randomised(flow.train(), 0.3, &mut rng(3));
            seen.push(values(flow.log_prob(place.normal([5, 3], &mut rng(4)), &Given::default()).unwrap()));
        }
        for i in 0..4 {
            assert!((0..i).all(|k| seen[i] != seen[k]), "{family:?}");
        }
    }
}

#[test]
fn a_map_bends_within_its_bound() {
    let place = Placement::cpu(Precision::F64);
    for (family, usual) in [(&Nsf as &dyn Family, 5.0), (&Sos, 3.0)] {
        let one = Recipe::new(family, 1).layers(1).hidden([8]);
        assert_eq!(value(&one, "bound"), usual.into());
        // θ ≠ 0, for the start of a spline is the identity.
        let z = |bound: f64| {
            let flow = randomised(one.clone().bound(bound).flow(&place).unwrap(), 0.5, &mut rng(3));
            values(flow.to_source(place.tensor(vec![2.0, 3.0, 4.0, 6.0, 7.0, 8.0], [6, 1]), &Given::default()).unwrap())
        };
        let bend = |z: &[f64]| (z[2] - 2.0 * z[1] + z[0]).abs();
        // A spline's own location and scale come before its bound.
        let (near, far) = (z(1.0), z(40.0));
        assert!(bend(&near[..3]) < 1e-12 && bend(&near[3..]) < 1e-12, "{near:?}");
        assert!(bend(&far[..3]) > 1e-6 && bend(&far[3..]) > 1e-6, "{far:?}");
    }
}

#[test]
fn choices_that_cannot_be_are_errors() {
    let place = Placement::cpu(Precision::F64);
    let cases = [
        Iaf::new(3).triangular(Triangular::Coupling),
        RealNvp::new(3).triangular(Triangular::Autoregressive),
        Made::new(3).form(Form::Density),
        Maf::new(1).triangular(Triangular::Coupling),
        Maf::new(3).triangular(Triangular::Coupling).residual(true).hidden([8; 3]),
        Sos::new(3).bound(0.0),
        Nsf::new(3).bound(f64::INFINITY),
    ];
    for case in cases {
        assert!(matches!(case.build(&place), Err(Error::Invalid { .. })), "{case:?}");
    }
}

#[test]
fn marginals_that_cannot_be_are_refused() {
    let bits = Space::new(Shape::Columns(3), Law::Codes(2));
    for (recipe, expected) in [(MadeBinary::new(bits).marginals(8), "found marginals"), (Maf::new(3).marginals(1), "2 to 65536")] {
        let error = recipe.build(&Placement::cpu(Precision::F64)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
