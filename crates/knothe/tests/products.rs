//! Every model that leaves its product open, as every product: conditioner × direction of the univariate map × mixing.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burn::module::Module;
use common::{context, points, randomised, rng};
use knothe::{
    Density, Error, Flow, Given, Placement, Precision, conformance,
    families::{Architecture, Form, Mixing, Model, Triangular},
    parameters, values,
};

const BOTH: [Triangular; 2] = [Triangular::Autoregressive, Triangular::Coupling];
const FORMS: [Form; 2] = [Form::Density, Form::Generative];
const MIXINGS: [Mixing; 4] = [Mixing::Reversed, Mixing::Random, Mixing::Lu, Mixing::Rotation];

fn open() -> impl Iterator<Item = Model> {
    Model::ALL.into_iter().filter(|m| m.leaves_product_open())
}

/// Every product of a number of layers, over three columns given two.
fn products(layers: usize) -> Vec<Architecture> {
    let mut all = Vec::new();
    for model in open() {
        for triangular in BOTH {
            for form in FORMS {
                for mixing in MIXINGS {
                    let small = Architecture { layers, hidden: vec![8], components: 4, degree: 2, ..Architecture::new(model, 3, 2, 0) };
                    all.push(Architecture { triangular: Some(triangular), form: Some(form), mixing, ..small });
                }
            }
        }
    }
    let residual = |a: &Architecture| Architecture { residual: true, hidden: vec![8; 3], ..a.clone() };
    let masked = all.iter().filter(|a| a.product().0 == Triangular::Autoregressive && a.mixing == Mixing::Reversed);
    let extra: Vec<_> = masked.map(residual).collect();
    all.into_iter().chain(extra).collect()
}

#[test]
fn both_ways_return_and_files_keep_every_number() {
    let place = Placement::cpu(Precision::F64);
    for architecture in products(2) {
        let mut rng = rng(1);
        // Two layers at |z| = 30: larger weights saturate log-scales, and e^28 leaves no digits to return with.
        let flow = randomised(architecture.build(&place).unwrap(), 0.1, &mut rng);
        let z = points(3, &place, &mut rng);
        let c = context(z.dims()[0], 2, &place, &mut rng);
        let given = Given::context(c.as_ref());
        conformance::round_trip(flow.bijection(), z.clone(), &given).unwrap_or_else(|v| panic!("{architecture:?}: {v}"));
        conformance::ladj_sums_to_zero(flow.bijection(), z.clone(), &given).unwrap_or_else(|v| panic!("{architecture:?}: {v}"));
        let text = serde_json::to_string(&architecture).unwrap();
        let read: Architecture = serde_json::from_str(&text).unwrap();
        let again = parameters::restore(read.build(&place).unwrap(), parameters::collect(&flow)).unwrap();
        let log_prob = |f: &Flow<_, _>| values(f.log_prob(z.clone(), &given).unwrap());
        assert_eq!(log_prob(&flow), log_prob(&again), "{architecture:?}");
    }
}

#[test]
fn every_product_starts_near_the_identity_and_reads_its_context() {
    let place = Placement::cpu(Precision::F64);
    for architecture in products(1).into_iter().filter(|a| matches!(a.mixing, Mixing::Reversed | Mixing::Lu)) {
        let mut rng = rng(2);
        let flow = architecture.build(&place).unwrap();
        let z = place.uniform([200, 3], &mut rng) * 6.0 - 3.0;
        let c = context(200, 2, &place, &mut rng);
        let given = Given::context(c.as_ref());
        conformance::is_near_identity(flow.bijection(), z.clone(), &given).unwrap_or_else(|v| panic!("{architecture:?}: {v}"));
        let flow = randomised(flow, 0.2, &mut rng);
        let other = context(200, 2, &place, &mut rng);
        let log_prob = |c: &Option<_>| values(flow.log_prob(z.clone(), &Given::context(Option::as_ref(c))).unwrap());
        assert!(log_prob(&c).iter().zip(log_prob(&other)).all(|(a, b)| *a != b), "{architecture:?}");
    }
}

/// The four products of one map are four densities: no two options build the same.
#[test]
fn the_two_choices_are_independent() {
    let place = Placement::cpu(Precision::F64);
    for model in open() {
        let mut seen: Vec<Vec<f64>> = Vec::new();
        for (triangular, form) in BOTH.into_iter().flat_map(|t| FORMS.map(|f| (t, f))) {
            let small = Architecture { layers: 1, hidden: vec![8], components: 4, ..Architecture::new(model, 3, 0, 0) };
            let flow = Architecture { triangular: Some(triangular), form: Some(form), ..small }.build(&place).unwrap();
            let flow = randomised(flow.train(), 0.3, &mut rng(3));
            seen.push(values(flow.log_prob(place.normal([5, 3], &mut rng(4)), &Given::default()).unwrap()));
        }
        for i in 0..4 {
            assert!((0..i).all(|k| seen[i] != seen[k]), "{model:?}");
        }
    }
}

#[test]
fn files_without_the_choices_are_the_models_they_were() {
    for model in Model::ALL {
        let architecture = Architecture::new(model, 3, 0, 0);
        let mut document = serde_json::to_value(&architecture).unwrap();
        ["triangular", "form"].iter().for_each(|key| drop(document.as_object_mut().unwrap().remove(*key)));
        assert_eq!(serde_json::from_value::<Architecture>(document).unwrap(), architecture);
    }
}

#[test]
fn a_map_bends_within_its_bound() {
    let place = Placement::cpu(Precision::F64);
    for (model, usual) in [(Model::Nsf, 5.0), (Model::Sos, 3.0)] {
        let one = Architecture { layers: 1, hidden: vec![8], ..Architecture::new(model, 1, 0, 0) };
        assert_eq!(one.bound, usual);
        // θ ≠ 0, for the start of a spline is the identity.
        let z = |bound: f64| {
            let flow = randomised(Architecture { bound, ..one.clone() }.build(&place).unwrap(), 0.5, &mut rng(3));
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
fn files_that_name_no_bound_are_of_a_time_when_it_was_5() {
    let sos = Architecture::new(Model::Sos, 3, 0, 0);
    let mut document = serde_json::to_value(&sos).unwrap();
    assert_eq!(document["bound"], 3.0);
    document.as_object_mut().unwrap().remove("bound");
    assert_eq!(serde_json::from_value::<Architecture>(document).unwrap(), Architecture { bound: 5.0, ..sos });
}

#[test]
fn choices_that_cannot_be_are_errors() {
    let place = Placement::cpu(Precision::F64);
    let maf = Architecture::new(Model::Maf, 3, 0, 0);
    let coupling = Architecture { triangular: Some(Triangular::Coupling), ..maf };
    let cases = [
        Architecture { model: Model::Iaf, ..coupling.clone() },
        Architecture { triangular: Some(Triangular::Autoregressive), ..Architecture::new(Model::RealNvp, 3, 0, 0) },
        Architecture { form: Some(Form::Density), ..Architecture::new(Model::Made, 3, 0, 0) },
        Architecture { dim: 1, ..coupling.clone() },
        Architecture { residual: true, hidden: vec![8; 3], ..coupling },
        Architecture { bound: 0.0, ..Architecture::new(Model::Sos, 3, 0, 0) },
        Architecture { bound: f64::INFINITY, ..Architecture::new(Model::Nsf, 3, 0, 0) },
    ];
    for case in cases {
        assert!(matches!(case.build(&place), Err(Error::Invalid { .. })), "{case:?}");
    }
}

#[test]
fn marginals_that_cannot_be_are_refused() {
    for (model, marginals, expected) in [(Model::MadeBinary, 8, "none for made_binary"), (Model::Maf, 1, "2 to 65536")] {
        let error = Architecture { marginals, ..Architecture::new(model, 3, 0, 0) }.build(&Placement::cpu(Precision::F64)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
