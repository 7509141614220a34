//! Conditional moments: closed forms against samples, and against quadrature.

use std::sync::Arc;

use burn::tensor::Tensor;
use knothe::{
    Bijection, Compose, Density, Error, Flow, Given, Placement, Precision,
    families::{Family, Form, Iaf, Maf, Mixing, Naf, Recipe, Sos, SourceKind, Triangular},
    fit::Dataset,
    moments::{Method, Moments, univariate_moments},
    source::Source,
    univariate::{Affine, Composed, Inverted, MonotoneMap, Polynomial, Sigmoidal, SumOfSquares},
    values,
};

use crate::common::{randomised, rng};

fn cpu() -> Placement {
    Placement::cpu(Precision::F64)
}

/// A map that does not say that it is a polynomial.
#[derive(Debug)]
struct Silent<M>(M);

impl<M: MonotoneMap> MonotoneMap for Silent<M> {
    fn parameters(&self) -> usize {
        self.0.parameters()
    }

    fn value(&self, x: Tensor<2>, theta: Tensor<3>) -> knothe::Result<(Tensor<2>, Tensor<2>)> {
        self.0.value(x, theta)
    }

    fn inverse(&self, y: Tensor<2>, theta: Tensor<3>) -> knothe::Result<(Tensor<2>, Tensor<2>)> {
        self.0.inverse(y, theta)
    }
}

fn one(map: &dyn MonotoneMap, theta: &[f64]) -> (Moments, Method) {
    let found = univariate_moments(map, cpu().tensor(theta.to_vec(), [1, theta.len(), 1])).unwrap();
    (found.rows[0][0], found.method)
}

fn assert_close(found: Moments, expected: Moments, tolerance: f64, name: &str) {
    for (found, expected) in [
        (found.mean, expected.mean),
        (found.variance, expected.variance),
        (found.skewness, expected.skewness),
        (found.excess_kurtosis, expected.excess_kurtosis),
    ] {
        assert!((found - expected).abs() <= tolerance * (1.0 + expected.abs()), "{name}: {found} against {expected}");
    }
}

/// x = c + b z + d z²·… of the power method (Fleishman 1978): a cubic whose moments are polynomials of its coefficients.
#[test]
fn a_cubic_has_the_moments_of_the_power_method() {
    // T(x) = c + ∫ (a₀ + a₁ u/2)² du = c + a₀² x + a₀ a₁ x²/2 + a₁² x³/12, with a₀ = 1 + θ₁/2 and a₁ = θ₂/2.
    let theta = [0.3, 0.2, 0.8];
    let (a0, a1): (f64, f64) = (1.1, 0.4);
    let (b, c, d) = (a0 * a0, a0 * a1 / 2.0, a1 * a1 / 12.0);
    let raw = SumOfSquares { polynomials: 1, degree: 1, bound: None };
    // Moments of c z² − c + b z + d z³ by E z^2n = (2n − 1)!!.
    let variance = b * b + 6.0 * b * d + 2.0 * c * c + 15.0 * d * d;
    let third = 2.0 * c * (3.0 * b * b + 36.0 * b * d + 4.0 * c * c + 135.0 * d * d);
    let fourth = 3.0 * b.powi(4)
        + 60.0 * b.powi(3) * d
        + 60.0 * b * b * c * c
        + 630.0 * b * b * d * d
        + 936.0 * b * c * c * d
        + 3780.0 * b * d.powi(3)
        + 60.0 * c.powi(4)
        + 4500.0 * c * c * d * d
        + 10395.0 * d.powi(4);
    let expected =
        Moments { mean: 0.3 + c, variance, skewness: third / variance.powf(1.5), excess_kurtosis: fourth / variance.powi(2) - 3.0 };
    let (found, method) = one(&raw, &theta);
    assert_eq!(method, Method::Exact);
    assert_close(found, expected, 1e-12, "cubic");
}

#[test]
fn quadrature_is_the_closed_form_on_the_affine_map_and_on_a_polynomial() {
    let theta = [0.7, -0.4];
    let sigma = (-0.4 / (1.0 + 0.16f64 / 49.0).sqrt()).exp();
    let normal = Moments { mean: 0.7, variance: sigma * sigma, skewness: 0.0, excess_kurtosis: 0.0 };
    let (exact, method) = one(&Affine::default(), &theta);
    assert_eq!(method, Method::Exact);
    assert_close(exact, normal, 1e-13, "affine");
    let (numerical, method) = one(&Silent(Affine::default()), &theta);
    assert_eq!(method, Method::Numerical);
    assert_close(numerical, normal, 1e-12, "affine by quadrature");
    // The root of an affine map that is not told to be one, as the density form has it.
    let (inverse, method) = one(&Inverted(Silent(Affine::default())), &theta);
    let mirrored = Moments { mean: -0.7 / sigma, variance: 1.0 / (sigma * sigma), skewness: 0.0, excess_kurtosis: 0.0 };
    assert_eq!(method, Method::Numerical);
    assert_close(inverse, mirrored, 1e-12, "inverted affine");
    // 128 nodes are exact for the fourth power of a quintic too.
    let quintic = SumOfSquares { polynomials: 2, degree: 2, bound: None };
    let theta: Vec<f64> = (0..quintic.parameters()).map(|i| 0.4 * (1.0 + i as f64).sin()).collect();
    assert_close(one(&Silent(quintic), &theta).0, one(&quintic, &theta).0, 1e-11, "quintic");
    // Where the bound is far out, the straight lines beyond it have no say.
    let bounded = SumOfSquares { bound: Some(25.0), ..quintic };
    assert_eq!(bounded.polynomial(), Some(Polynomial { degree: 5, bound: Some(25.0) }));
    // The least slope of the bounded form is 1e-4.
    assert_close(one(&bounded, &theta).0, one(&quintic, &theta).0, 1e-3, "bounded quintic");
    let far = SumOfSquares { bound: Some(1e9), ..quintic };
    assert_close(one(&far, &theta).0, one(&bounded, &theta).0, 1e-11, "quintic without end");
}

/// A flow of one layer over two columns, far from its start.
fn flow(family: &'static dyn Family, form: Form) -> Flow<Source, Compose> {
    let one = Recipe::new(family, 2).context(1).layers(1).hidden([8]).components(2).form(form);
    let one = if family.option("degree").is_some() { one.degree(1) } else { one };
    let mut flow = one.flow(&cpu()).unwrap();
    // Rows that are nearly linear in one another and depend on the context, so that they are whitened.
    let rows: Tensor<2> = cpu().normal([200, 3], &mut rng(3));
    let (c, x) = (rows.clone().narrow(1, 0, 1), rows.clone().narrow(1, 1, 1));
    let rows = Tensor::cat(vec![x.clone() + c.clone(), x * 2.0 - c.clone() + rows.narrow(1, 2, 1) * 0.05], 1);
    flow.initialise(&mut &Dataset::new(rows, 2, &cpu()).unwrap().with_context(c, 1).unwrap()).unwrap();
    randomised(flow, 0.3, &mut rng(1))
}

#[test]
fn they_are_the_moments_of_a_million_samples() {
    let place = cpu();
    for (family, form, expected, n) in [
        (&Sos as &dyn Family, Form::Generative, Method::Exact, 1_000_000),
        // Every sample of the density form is a root.
        (&Sos, Form::Density, Method::Numerical, 100_000),
        (&Maf, Form::Generative, Method::Exact, 1_000_000),
        (&Naf, Form::Generative, Method::Numerical, 100_000),
    ] {
        let flow = flow(family, form);
        let (given_x1, c) = (0.6, place.tensor::<2>(vec![-0.5], [1, 1]));
        let x = place.tensor(vec![given_x1, 0.0], [1, 2]);
        let found = flow.conditional_moments(x.clone(), &Given::context(Some(&c))).unwrap();
        assert_eq!(found.method, expected);
        let z1 = values(flow.to_source(x, &Given::context(Some(&c))).unwrap())[0];
        let z = values(place.normal::<2>([n, 2], &mut rng(2)));
        let mut columns = [Vec::new(), Vec::new()];
        for part in z.chunks(2 * 50_000) {
            let rows = part.len() / 2;
            let c = c.clone().expand([rows, 1]);
            let given = Given::context(Some(&c));
            // The first column by itself, and the second with the first held still.
            let still: Vec<f64> = part.chunks(2).flat_map(|z| [z1, z[1]]).collect();
            for (j, z) in [part.to_vec(), still].into_iter().enumerate() {
                let x = values(flow.bijection().forward_and_ladj(place.tensor(z, [rows, 2]), &given).unwrap().0);
                columns[j].extend(x.chunks(2).map(|x| x[j]));
            }
        }
        for (j, sample) in columns.iter().enumerate() {
            let expected = found.rows[0][j];
            let sd = expected.variance.sqrt();
            let u: Vec<f64> = sample.iter().map(|x| (x - expected.mean) / sd).collect();
            let mean_of = |f: &dyn Fn(f64) -> f64| u.iter().map(|&u| f(u)).sum::<f64>() / n as f64;
            let (skewness, kurtosis) = (expected.skewness, expected.excess_kurtosis + 3.0);
            for (p, expected) in [(1, 0.0), (2, 1.0), (3, skewness), (4, kurtosis)] {
                // Five standard errors of the mean of u^p about the expected mean, by the variance of u^p in the sample.
                let error = (mean_of(&|u| (u.powi(p) - expected).powi(2)) / n as f64).sqrt();
                let found = mean_of(&|u| u.powi(p));
                assert!((found - expected).abs() < 5.0 * error, "{family:?} {form:?}, column {j}, power {p}: {found} against {expected}");
            }
        }
    }
}

/// The columns of the inverse autoregressive flow are conditioned on what they read through z.
#[test]
fn a_layer_that_reads_its_source_is_conditioned_all_the_same() {
    let place = cpu();
    let flow = randomised(Iaf::new(2).layers(1).hidden([8]).flow(&place).unwrap(), 0.4, &mut rng(1));
    let x = place.tensor(vec![0.8, 0.0], [1, 2]);
    let found = flow.conditional_moments(x.clone(), &Given::default()).unwrap();
    let z1 = values(flow.to_source(x, &Given::default()).unwrap())[0];
    let at = |z2: f64| values(flow.bijection().forward_and_ladj(place.tensor(vec![z1, z2], [1, 2]), &Given::default()).unwrap().0)[1];
    let expected = Moments { mean: at(0.0), variance: (at(1.0) - at(0.0)).powi(2), skewness: 0.0, excess_kurtosis: 0.0 };
    assert_close(found.rows[0][1], expected, 1e-12, "iaf");
    assert_eq!(found.method, Method::Exact);
}

#[test]
fn other_flows_are_refused_with_what_they_lack() {
    let place = cpu();
    let sos = Sos::new(2).layers(1).hidden([8]);
    let moments = |recipe: Recipe| recipe.flow(&place).unwrap().conditional_moments(place.zeros([1, 2]), &Given::default());
    for mixing in [Mixing::Random, Mixing::Rotation] {
        assert!(moments(sos.clone().mixing(mixing)).is_ok(), "a turned standard normal is one");
    }
    let cases = [
        (sos.clone().layers(2), "2 layers"),
        (sos.clone().mixing(Mixing::Lu), "2 layers"),
        (sos.clone().source(SourceKind::Logistic), "another source"),
        (sos.triangular(Triangular::Coupling), "another kind"),
    ];
    for (recipe, expected) in cases {
        match moments(recipe) {
            Err(e @ Error::Unsupported { .. }) => {
                assert!(e.to_string().contains(expected) && e.hint() == Some(&knothe::Hint::OneLayer), "{e}")
            }
            other => panic!("{other:?}"),
        }
    }
    let map: Arc<dyn MonotoneMap> = Arc::new(Composed(Sigmoidal(2), Affine::default()));
    assert_eq!((map.polynomial(), Inverted(Affine::default()).polynomial()), (None, Affine::default().inverse_polynomial()));
    assert_eq!(flow(&Sos, Form::Generative).dim(), 2);
}
