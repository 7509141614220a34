//! Rows of which some elements are absent: maps leave them at 0, and a density is that of the others.

use burn::tensor::Tensor;
use knothe::{
    Bijection, Compose, Density, Error, Flow, Given, Layer, Mixture, Order, Placement, Precision, Result,
    bijection::{Batch, Replay},
    conformance::{self, Quadrature, Violation},
    families::{Family, MadeMog, Maf, MafMog, Mixing, Nsf, RealNvp, Recipe, Sos},
    linear::{ActNorm, BatchNorm, Lu, Permutation, TriangularAffine},
    source::{Covariance, FullNormal, GaussianMixture, Logistic, Normal, Source, StudentT, Uniform},
    triangular::Marginals,
    values,
};
use rand::Rng;

use crate::common::{context, points, randomised, registry, rng};

const PRECISIONS: [Precision; 2] = [Precision::F64, Precision::F32];

/// 1 and 0 at random; of every fifth row all is present, and of every fifth nothing.
fn mask(rows: usize, dim: usize, place: &Placement) -> Tensor<2> {
    let drawn = values(place.uniform::<2>([rows, dim], &mut rng(8)));
    let share = |row: usize| [0.5, 0.5, 0.5, 1.0, 0.0][row % 5];
    place.tensor(drawn.iter().enumerate().map(|(k, u)| f64::from(*u < share(k / dim))).collect(), [rows, dim])
}

fn is_unsupported<T>(found: Result<T>) -> bool {
    matches!(found, Err(Error::Unsupported { .. }))
}

#[test]
fn maps_leave_what_is_absent() {
    let (mut broken, mut heeded) = (Vec::new(), 0);
    for (precision, entry) in PRECISIONS.into_iter().flat_map(|p| registry::bijections().into_iter().map(move |entry| (p, entry))) {
        let (place, mut rng) = (Placement::cpu(precision), rng(1));
        let map = (entry.build)(&place, &mut rng).unwrap();
        let map = randomised(map, 0.2, &mut rng);
        let z = points(entry.dim, &place, &mut rng);
        let [rows, dim] = z.dims();
        let (c, present) = (context(rows, entry.context_dim, &place, &mut rng), mask(rows, dim, &place));
        let given = Given { present: Some(&present), ..Given::context(c.as_ref()) };
        let z = given.masked(z);
        if map.check_absent().is_err() {
            // The layer says so itself, too.
            let calls = [map.forward_and_ladj(z.clone(), &given), map.inverse_and_ladj(z, &given)];
            assert!(calls.into_iter().all(is_unsupported), "{}", entry.name);
            continue;
        }
        heeded += 1;
        let order = entry.order.clone().map(|columns| Order::new(columns).unwrap());
        let laws = conformance::obeys_laws(&map, order.as_ref(), z, &given);
        broken.extend(laws.err().map(|v| format!("{} ({precision:?}): {v}", entry.name)));
    }
    assert!(broken.is_empty(), "{} violations\n{}", broken.len(), broken.join("\n"));
    assert!(heeded > 200, "{heeded}");
}

#[test]
fn maps_that_mix_coordinates_are_refused_by_name() {
    let refuses = |name: &str| {
        [
            "LU",
            "matrix",
            "otation",
            "batch norm",
            "triangular affine",
            "1 × 1",
            "channels",
            "partial",
            "own layer",
            "of images",
            "first columns",
        ]
        .iter()
        .any(|part| name.contains(part))
    };
    let place = Placement::cpu(Precision::F64);
    for entry in registry::bijections() {
        let map = (entry.build)(&place, &mut rng(1)).unwrap();
        // Couplings of images by their halves of channels are couplings.
        let expected = refuses(&entry.name) && !entry.name.contains("image coupling");
        assert_eq!(map.check_absent().is_err(), expected, "{}", entry.name);
    }
    let lu = Compose::new(2, vec![Layer::Lu(Lu::new(2, &place))]).unwrap();
    let (x, present) = (place.zeros([1, 2]), mask(1, 2, &place));
    let given = Given { present: Some(&present), ..Given::default() };
    for found in [lu.check_absent(), lu.inverse_and_ladj(x.clone(), &given).map(|_| ())] {
        assert!(found.unwrap_err().to_string().starts_with("Lu: "));
    }
    let flow = Flow::new(Source::Normal(Normal::new(2, &place)), lu, 0).unwrap();
    assert!(is_unsupported(flow.log_prob(x, &given)) && is_unsupported(flow.sample(1, &given, &mut rng(2))));
    let own = Flow::new(crate::common::own::Laplace::new(2, &place), Compose::new(2, vec![]).unwrap(), 0).unwrap();
    assert!(own.log_prob(place.zeros([1, 2]), &given).unwrap_err().to_string().starts_with("Laplace: "));
}

#[test]
fn a_mask_of_another_shape_is_an_error() {
    let place = Placement::cpu(Precision::F64);
    for (wrong, given_place) in [([5, 3], &place), ([4, 2], &place), ([4, 3], &Placement::cpu(Precision::F32))] {
        let present: Tensor<2> = given_place.zeros(wrong);
        let given = Given { present: Some(&present), ..Given::default() };
        for entry in registry::bijections().iter().filter(|entry| entry.dim == 3 && entry.context_dim == 0) {
            let map = (entry.build)(&place, &mut rng(1)).unwrap();
            if map.check_absent().is_err() {
                continue;
            }
            for found in [map.forward_and_ladj(place.zeros([4, 3]), &given), map.inverse_and_ladj(place.zeros([4, 3]), &given)] {
                assert!(matches!(found, Err(Error::Shape { .. })), "{}", entry.name);
            }
        }
        let flow = small(&Maf, 0).flow(&place).unwrap();
        assert!(matches!(flow.log_prob(place.zeros([4, 3]), &given), Err(Error::Shape { .. })));
        assert!(matches!(flow.sample(4, &given, &mut rng(1)), Err(Error::Shape { .. })));
    }
}

/// The elements of a density that are present, as a density of their own.
struct Others<'a, D> {
    whole: &'a D,
    present: Vec<bool>,
}

impl<D: Density> Others<'_, D> {
    fn places(&self) -> Vec<usize> {
        (0..self.present.len()).filter(|&j| self.present[j]).collect()
    }

    fn mask(&self, rows: usize, place: &Placement) -> Tensor<2> {
        let one = self.present.iter().map(|&present| f64::from(present)).collect();
        place.tensor(one, [1, self.present.len()]).expand([rows, self.present.len()])
    }

    /// Whole rows, with numbers for what is absent that nobody may read.
    fn embedded(&self, x: &Tensor<2>) -> Tensor<2> {
        let rows = x.dims()[0];
        let places = self.places();
        let x = values(x.clone());
        let at = |k: usize| {
            let (row, j) = (k / self.present.len(), k % self.present.len());
            places.iter().position(|&place| place == j).map_or(f64::NAN, |at| x[row * places.len() + at])
        };
        (0..rows * self.present.len()).map(at).collect::<Vec<f64>>().into_tensor(rows)
    }

    /// The columns that are present.
    fn picked(&self, x: Tensor<2>) -> Tensor<2> {
        Tensor::cat(self.places().into_iter().map(|j| x.clone().narrow(1, j, 1)).collect(), 1)
    }
}

/// Rows of 64-bit numbers.
trait IntoTensor {
    fn into_tensor(self, rows: usize) -> Tensor<2>;
}

impl IntoTensor for Vec<f64> {
    fn into_tensor(self, rows: usize) -> Tensor<2> {
        let width = self.len() / rows;
        Placement::cpu(Precision::F64).tensor(self, [rows, width])
    }
}

impl<D: Density> Density for Others<'_, D> {
    fn dim(&self) -> usize {
        self.places().len()
    }

    fn context_dim(&self) -> usize {
        self.whole.context_dim()
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let present = self.mask(x.dims()[0], &Placement::of(&x));
        self.whole.log_prob(self.embedded(&x), &Given { present: Some(&present), ..*given })
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let present = self.mask(n, &Placement::cpu(Precision::F64));
        let x = self.whole.sample(n, &Given { present: Some(&present), ..*given }, rng)?;
        for (k, value) in values(x.clone()).into_iter().enumerate() {
            assert!(self.present[k % self.present.len()] || value == 0.0);
        }
        Ok(self.picked(x))
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let present = self.mask(x.dims()[0], &Placement::of(&x));
        let u = self.whole.to_uniform(self.embedded(&x), &Given { present: Some(&present), ..*given })?;
        // In the order of the source, which a permutation makes another one than that of x.
        let columns = (0..self.present.len()).map(|j| u.clone().narrow(1, j, 1));
        Ok(Tensor::cat(columns.filter(|u| values(u.clone()).iter().any(|u| *u != 0.5)).collect(), 1))
    }
}

/// Two of three elements are present: ∫ q = 1 over them, and samples have that density.
fn is_density_of_others<D: Density>(whole: &D, grid_points: usize, name: &str) {
    let (place, mut rng) = (Placement::cpu(Precision::F64), rng(3));
    for absent in 0..3 {
        let q = Others { whole, present: (0..3).map(|j| j != absent).collect() };
        let fail = |v: Violation| panic!("{name} without {absent}: {v}");
        let n = 2_000;
        let one = context(1, q.context_dim(), &place, &mut rng);
        let rows = one.clone().map(|c| c.expand([n, q.context_dim()]));
        let given = Given::context(rows.as_ref());
        let samples = q.sample(n, &given, &mut rng).unwrap();
        let grid = Quadrature { points: grid_points, ..Quadrature::around(samples) };
        conformance::integrates_to_one(&q, one.as_ref(), &grid, &place)
            .and_then(|()| conformance::samples_are_uniform(&q, n, &given, &mut rng))
            .and_then(|()| conformance::samples_agree(&q, n, &given, &mut rng))
            .and_then(|()| conformance::entropy_agrees(&q, n, one.as_ref(), &grid, &place, &mut rng))
            .unwrap_or_else(fail);
    }
}

/// A small network over three columns.
fn small(family: &'static dyn Family, context_dim: usize) -> Recipe {
    let set =
        |recipe: Recipe, name: &str, value: usize| if recipe.family().option(name).is_some() { recipe.set(name, value) } else { recipe };
    let recipe = Recipe::new(family, 3).context(context_dim).seed(4).hidden([8]);
    let recipe =
        [("layers", 2), ("components", 4), ("degree", 2)].into_iter().fold(recipe, |recipe, (name, value)| set(recipe, name, value));
    // Smooth, as a coarse grid needs it.
    recipe.activation(knothe::conditioner::Activation::Silu)
}

#[test]
fn a_flow_is_a_density_of_what_is_present() {
    let families: [&'static dyn Family; 6] = [&Maf, &Nsf, &MafMog, &MadeMog, &RealNvp, &Sos];
    let recipes = families.into_iter().enumerate().map(|(k, family)| small(family, [0, 2][k % 2]));
    for recipe in recipes.chain([small(&Maf, 2).mixing(Mixing::Random)]) {
        let flow = randomised(recipe.flow(&Placement::cpu(Precision::F64)).unwrap(), 0.15, &mut rng(5));
        // Straight lines beyond its bound, some nearly flat, want more points.
        is_density_of_others(&flow, if recipe.name() == "sos" { 160 } else { 80 }, &format!("{recipe:?}"));
    }
}

#[test]
fn a_permutation_takes_the_mask_along() {
    let place = Placement::cpu(Precision::F64);
    let mut act = ActNorm::new(3, &place);
    let layers = |act| {
        let turned = |columns: [usize; 3]| Layer::Permutation(Permutation::new(&Order::new(columns.into()).unwrap(), &place));
        vec![turned([1, 2, 0]), Layer::ActNorm(act), turned([2, 0, 1]), turned([1, 0, 2])]
    };
    let rows = Rows(Batch::new(place.normal::<2>([50, 3], &mut rng(1)) * 3.0 + 1.0));
    act.initialise(&mut &rows).unwrap();
    let source = GaussianMixture::new(3, 3, Covariance::Diagonal, &place, &mut rng(2)).unwrap();
    let flow = Flow::new(Source::GaussianMixture(source), Compose::new(3, layers(act)).unwrap(), 0).unwrap();
    is_density_of_others(&flow, 80, "permutations");
}

#[test]
fn a_source_is_a_density_of_what_is_present() {
    let place = Placement::cpu(Precision::F64);
    let diagonal = GaussianMixture::new(3, 3, Covariance::Diagonal, &place, &mut rng(2)).unwrap();
    for source in [
        Source::Normal(Normal::new(3, &place)),
        Source::Logistic(Logistic::new(3, &place)),
        Source::StudentT(StudentT::new(3, 5.0, &place).unwrap()),
        Source::GaussianMixture(diagonal),
    ] {
        is_density_of_others(&randomised(source, 0.3, &mut rng(4)), 80, "source");
    }
    // Its jumps are no matter for a grid, and 0 is outside.
    let uniform = Uniform::new(3, 1.0, 3.0, &place).unwrap();
    let q = Others { whole: &uniform, present: vec![true, false, true] };
    let found = values(q.log_prob(place.tensor(vec![1.5, 2.5, 1.5, 3.5], [2, 2]), &Given::default()).unwrap());
    assert!((found[0] + 2.0 * 2f64.ln()).abs() < 1e-15 && found[1] == f64::NEG_INFINITY, "{found:?}");
    conformance::samples_are_uniform(&q, 2_000, &Given::default(), &mut rng(1)).unwrap();
    // What has no exact marginals says so.
    let full = GaussianMixture::new(3, 3, Covariance::Full, &place, &mut rng(2)).unwrap();
    for refused in [Source::GaussianMixture(full), Source::FullNormal(FullNormal::new(3, &place))] {
        let q = Others { whole: &refused, present: vec![true, false, true] };
        assert!(is_unsupported(refused.check_absent()) && is_unsupported(q.log_prob(place.zeros([2, 2]), &Given::default())));
        assert!(
            is_unsupported(q.sample(2, &Given::default(), &mut rng(1)))
                && is_unsupported(q.to_uniform(place.zeros([2, 2]), &Given::default()))
        );
    }
}

#[test]
fn a_mixture_is_a_density_of_what_is_present() {
    let place = Placement::cpu(Precision::F64);
    let member = |family, seed| randomised(small(family, 2).flow(&place).unwrap(), 0.3, &mut rng(seed));
    let mixture = Mixture::weighted(vec![member(&Maf, 1), member(&RealNvp, 2)], vec![0.3, 0.7]).unwrap();
    is_density_of_others(&mixture, 80, "mixture");
}

/// Rows with different masks in one batch have the scores, the z and the draws that each has alone; and z gives x back.
#[test]
fn rows_do_not_depend_on_the_masks_of_others() {
    let place = Placement::cpu(Precision::F64);
    let (rows, mut rng) = (40, rng(6));
    let c = place.normal([rows, 2], &mut rng);
    let x = place.normal([rows, 3], &mut rng) * 2.0;
    let present = mask(rows, 3, &place);
    let given = Given { present: Some(&present), ..Given::context(Some(&c)) };
    for family in [&Maf as &'static dyn Family, &MafMog, &RealNvp, &Nsf] {
        let flow = randomised(small(family, 2).flow(&place).unwrap(), 0.3, &mut rng);
        let log_prob = values(flow.log_prob(x.clone(), &given).unwrap());
        let z = flow.to_source(x.clone(), &given).unwrap();
        let back = values(flow.from_source(z.clone(), &given).unwrap());
        for (k, (back, x)) in back.iter().zip(values(given.masked(x.clone()))).enumerate() {
            // Roundings of two layers.
            assert!((back - x).abs() < 1e-9, "{k}: {back} against {x}");
        }
        for (row, among) in log_prob.iter().enumerate() {
            let [x, c, present] = [&x, &c, &present].map(|t| t.clone().narrow(0, row, 1));
            let given = Given { present: Some(&present), ..Given::context(Some(&c)) };
            let alone = values(flow.log_prob(x.clone(), &given).unwrap());
            // Sums of products in another order.
            assert!((alone[0] - among).abs() < 1e-12 * (1.0 + alone[0].abs()), "{row}: {} against {among}", alone[0]);
            if values(present).iter().all(|present| *present == 0.0) {
                assert_eq!(alone, [0.0]);
            }
        }
        let (drawn, beside) = flow.sample_and_log_prob(rows, &given, &mut rng).unwrap();
        let again = values(flow.log_prob(drawn, &given).unwrap());
        for (beside, again) in values(beside).iter().zip(again) {
            assert!((beside - again).abs() < 1e-9, "{beside} against {again}");
        }
    }
}

/// A batch that can be read again.
struct Rows(Batch);

impl Replay for &Rows {
    fn each(&mut self, visit: &mut dyn FnMut(&Batch) -> Result<()>) -> Result<()> {
        visit(&self.0)
    }
}

#[test]
fn starts_read_what_is_present_alone() {
    let (place, rows) = (Placement::cpu(Precision::F64), 600);
    let present = mask(rows, 3, &place);
    let given = Given { present: Some(&present), ..Given::default() };
    let x = given.masked(place.normal::<2>([rows, 3], &mut rng(2)) * 3.0 + 5.0);
    let weights: Vec<f64> = (0..rows).map(|row| 0.5 + (row % 3) as f64 / 2.0).collect();
    let whole = Rows(Batch { present: Some(present.clone()), weights: Some(weights.clone()), ..Batch::new(x.clone()) });
    // A permutation between the data and the layer that starts from them.
    let order = Order::new(vec![2, 0, 1]).unwrap();
    let layers = vec![Layer::ActNorm(ActNorm::new(3, &place)), Layer::Permutation(Permutation::new(&order, &place))];
    let mut map = Compose::new(3, layers).unwrap();
    map.initialise(&mut &whole).unwrap();
    let (z, _) = map.inverse_and_ladj(x.clone(), &given).unwrap();
    let (z, of_z) = (values(z), values(map.present_inverse(present.clone())));
    for j in 0..3 {
        let weight = |row: usize| weights[row] * of_z[row * 3 + j];
        let mean =
            |f: &dyn Fn(f64) -> f64| (0..rows).map(|row| weight(row) * f(z[row * 3 + j])).sum::<f64>() / (0..rows).map(weight).sum::<f64>();
        assert!(mean(&|z| z).abs() < 1e-12 && (mean(&|z| z * z) - 1.0).abs() < 1e-12, "column {j}");
    }
    // A column's marginal is that of the rows which have it.
    let mut marginals = Marginals::new(3, 8, &place).unwrap();
    marginals.initialise(&mut &whole).unwrap();
    let (found, _) = marginals.inverse_and_ladj(x.clone(), &given).unwrap();
    let (x_all, is_present, found) = (values(x.clone()), values(present.clone()), values(found));
    for j in 0..3 {
        let has: Vec<usize> = (0..rows).filter(|row| is_present[row * 3 + j] == 1.0).collect();
        let column = place.tensor(has.iter().map(|row| x_all[row * 3 + j]).collect(), [has.len(), 1]);
        let own = Batch { weights: Some(has.iter().map(|&row| weights[row]).collect()), ..Batch::new(column.clone()) };
        let mut alone = Marginals::new(1, 8, &place).unwrap();
        alone.initialise(&mut &Rows(own)).unwrap();
        let expected = values(alone.inverse_and_ladj(column, &Given::default()).unwrap().0);
        assert_eq!(has.iter().map(|row| found[row * 3 + j]).collect::<Vec<_>>(), expected);
    }
    // Others refuse such rows.
    assert!(is_unsupported(BatchNorm::new(3, &place).initialise(&mut &whole)));
    assert!(is_unsupported(TriangularAffine::new(&order, 0, &place).initialise(&mut &whole)));
}

#[test]
fn no_rows_with_a_mask_are_no_rows() {
    let place = Placement::cpu(Precision::F64);
    let (present, c): (Tensor<2>, Tensor<2>) = (place.zeros([0, 3]), place.zeros([0, 2]));
    let given = Given { present: Some(&present), ..Given::context(Some(&c)) };
    for family in [&Maf as &'static dyn Family, &MafMog, &RealNvp] {
        let flow = small(family, 2).flow(&place).unwrap();
        assert_eq!(flow.log_prob(place.zeros([0, 3]), &given).unwrap().dims(), [0]);
        assert_eq!(flow.sample(0, &given, &mut rng(1)).unwrap().dims(), [0, 3]);
    }
}
