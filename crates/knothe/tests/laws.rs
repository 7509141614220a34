//! Every law over every entry of the registry.

use burn::{module::Module, tensor::Tensor};
use knothe::{
    Bijection, Density, Error, Flow, Given, Placement, Precision,
    conformance::{self, Quadrature, Violation},
    univariate,
};
use rand_chacha::ChaCha12Rng;

use crate::common::{context, points, randomised, registry, rng};

/// Every law runs in both precisions. Its tolerance is a multiple of the precision's ε (see `knothe::conformance`).
const PRECISIONS: [Precision; 2] = [Precision::F64, Precision::F32];

/// Runs a law over every bijection, fresh and randomised, in both precisions, and reports every violation by name.
fn each_map(law: impl Fn(&registry::Map, &registry::Entry<registry::Map>, &mut ChaCha12Rng, &Placement) -> Result<(), Violation>) {
    let mut broken = Vec::new();
    for (precision, entry) in PRECISIONS.into_iter().flat_map(|p| registry::bijections().into_iter().map(move |entry| (p, entry))) {
        let (place, mut rng) = (Placement::cpu(precision), rng(1));
        let fresh = (entry.build)(&place, &mut rng).unwrap_or_else(|e| panic!("{}: {e}", entry.name));
        let deviation = if registry::depth(&fresh) > 1 { 0.15 } else { 0.3 };
        let far = randomised(fresh.clone(), deviation, &mut rng);
        for (state, map) in [("fresh", fresh), ("randomised", far)] {
            let name = || format!("{} ({state}, {precision:?})", entry.name);
            broken.extend(law(&map, &entry, &mut rng, &place).err().map(|v| format!("{}: {v}", name())));
        }
    }
    assert!(broken.is_empty(), "{} violations\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn univariate_maps_obey_every_law() {
    let mut broken = Vec::new();
    for (name, map) in univariate::all() {
        for precision in [Precision::F64, Precision::F32] {
            let result = conformance::univariate::every_law(&map, precision);
            broken.extend(result.err().map(|violation| format!("{name}, {precision:?}: {violation}")));
        }
    }
    assert!(broken.is_empty(), "{} violations\n{}", broken.len(), broken.join("\n"));
}

/// A law of a map at some points.
type MapLaw = fn(&registry::Map, Tensor<2>, &Given) -> Result<(), Violation>;

fn at_points(law: MapLaw) {
    each_map(|map, entry, rng, place| {
        let z = points(entry.dim, place, rng);
        let c = context(z.dims()[0], entry.context_dim, place, rng);
        law(map, z, &Given::context(c.as_ref()))
    });
}

#[test]
fn round_trip() {
    at_points(conformance::round_trip);
}

#[test]
fn ladj_sums_to_zero() {
    at_points(conformance::ladj_sums_to_zero);
}

#[test]
fn ladj_is_jacobian() {
    at_points(conformance::ladj_is_jacobian);
}

#[test]
fn ladj_is_finite_difference() {
    // The bulk alone: a step is relative to |z|, and far out it crosses kinks.
    at_points(|map, z, given| {
        let context = given.context.map(|c| c.clone().narrow(0, 0, 7));
        conformance::ladj_is_finite_difference(map, z.narrow(0, 0, 7), &Given::context(context.as_ref()))
    });
}

#[test]
fn batch_invariance() {
    at_points(conformance::is_batch_invariant);
}

#[test]
fn empty_batch() {
    each_map(|map, entry, _, place| conformance::handles_empty_batch(map, entry.context_dim, place));
}

#[test]
fn triangular() {
    each_map(|map, entry, rng, place| {
        let Some(order) = &entry.order else { return Ok(()) };
        let z = points(entry.dim, place, rng);
        let c = context(z.dims()[0], entry.context_dim, place, rng);
        conformance::is_triangular(map, order, z, &Given::context(c.as_ref()))
    });
}

#[test]
fn fresh_maps_are_near_the_identity() {
    for (seed, precision) in (0..5).flat_map(|seed| PRECISIONS.map(|p| (seed, p))) {
        let place = Placement::cpu(precision);
        for entry in registry::bijections().iter().filter(|e| e.near_identity) {
            let mut rng = rng(seed);
            let map = (entry.build)(&place, &mut rng).unwrap();
            let z = place.uniform([500, entry.dim], &mut rng) * 6.0 - 3.0;
            let c = context(500, entry.context_dim, &place, &mut rng);
            conformance::is_near_identity(&map, z, &Given::context(c.as_ref())).unwrap_or_else(|v| panic!("{}: {v}", entry.name));
        }
    }
}

/// Runs a law over every density, randomised, in both precisions.
fn each_density(law: impl Fn(&registry::Real, &registry::Entry<registry::Real>, &mut ChaCha12Rng, &Placement) -> Result<(), Violation>) {
    for (precision, entry) in PRECISIONS.into_iter().flat_map(|p| registry::densities().into_iter().map(move |entry| (p, entry))) {
        let (place, mut rng) = (Placement::cpu(precision), rng(2));
        let density = (entry.build)(&place, &mut rng).unwrap();
        let density = randomised(density, 0.1, &mut rng);
        law(&density, &entry, &mut rng, &place).unwrap_or_else(|v| panic!("{} ({precision:?}): {v}", entry.name));
    }
}

/// A grid where the density has its mass.
fn grid(q: &impl Density, context: Option<&Tensor<2>>, rng: &mut ChaCha12Rng) -> Quadrature {
    let rows = context.map(|c| c.clone().expand([1000, c.dims()[1]]));
    Quadrature::around(q.sample(1000, &Given::context(rows.as_ref()), rng).unwrap())
}

#[test]
fn densities_integrate_to_one() {
    each_density(|q, entry, rng, place| {
        if entry.dim != 2 {
            return Ok(());
        }
        // Without a context there is one density only.
        for _ in 0..if entry.context_dim > 0 { 3 } else { 1 } {
            let one = context(1, entry.context_dim, place, rng);
            conformance::integrates_to_one(q, one.as_ref(), &grid(q, one.as_ref(), rng), place)?;
        }
        Ok(())
    });
}

#[test]
fn samples_follow_log_prob() {
    let n = 5000;
    each_density(|q, entry, rng, place| {
        let one = context(1, entry.context_dim, place, rng);
        let rows = one.clone().map(|c| c.expand([n, entry.context_dim]));
        let given = Given::context(rows.as_ref());
        conformance::samples_are_uniform(q, n, &given, rng)?;
        conformance::samples_agree(q, n, &given, rng)?;
        if entry.dim == 2 {
            conformance::entropy_agrees(q, n, one.as_ref(), &grid(q, one.as_ref(), rng), place, rng)?;
        }
        Ok(())
    });
}

/// Every law of densities, randomised, in both precisions.
fn are_densities<Q: Density + Module>(entries: &[registry::Entry<Q>]) {
    let n = 5000;
    for (precision, entry) in PRECISIONS.into_iter().flat_map(|p| entries.iter().map(move |entry| (p, entry))) {
        let (place, mut rng) = (Placement::cpu(precision), rng(2));
        let fail = |v: Violation| panic!("{} ({precision:?}): {v}", entry.name);
        let q = randomised((entry.build)(&place, &mut rng).unwrap(), 0.2, &mut rng);
        let one = context(1, entry.context_dim, &place, &mut rng);
        let rows = one.clone().map(|c| c.expand([n, entry.context_dim]));
        let given = Given::context(rows.as_ref());
        let samples =
            conformance::samples_are_uniform(&q, n, &given, &mut rng).and_then(|()| conformance::samples_agree(&q, n, &given, &mut rng));
        samples.unwrap_or_else(fail);
        if entry.dim == 2 {
            let grid = grid(&q, one.as_ref(), &mut rng);
            let whole = conformance::integrates_to_one(&q, one.as_ref(), &grid, &place);
            let entropy = conformance::entropy_agrees(&q, n, one.as_ref(), &grid, &place, &mut rng);
            whole.and(entropy).unwrap_or_else(fail);
        }
        if precision == Precision::F64 {
            density_refuses_precision(&q, &entry.name, entry.context_dim);
        }
    }
}

#[test]
fn mixtures_are_densities() {
    are_densities(&registry::mixtures());
}

#[test]
fn densities_of_own_sources_are_densities() {
    are_densities(&registry::own_densities());
}

#[test]
fn masses_sum_to_one_and_samples_have_them() {
    for (precision, (entry, support)) in PRECISIONS.into_iter().flat_map(|p| registry::masses().into_iter().map(move |entry| (p, entry))) {
        let (place, mut rng) = (Placement::cpu(precision), rng(2));
        let density = randomised((entry.build)(&place, &mut rng).unwrap(), 0.5, &mut rng);
        let support: Vec<f64> = (0..support).map(|c| c as f64).collect();
        for _ in 0..3 {
            let one = context(1, entry.context_dim, &place, &mut rng);
            let sums = conformance::masses_sum_to_one(&density, &support, one.as_ref(), &place);
            let shares = conformance::samples_have_masses(&density, &support, 5000, one.as_ref(), &place, &mut rng);
            sums.and(shares).unwrap_or_else(|v| panic!("{}: {v}", entry.name));
        }
    }
}

#[test]
fn sample_and_log_prob_agree() {
    each_density(|q: &Flow<_, _>, entry, rng, place| {
        let c = context(100, entry.context_dim, place, rng);
        conformance::sample_and_log_prob_agree(q, 100, &Given::context(c.as_ref()), rng)
    });
}

#[test]
fn dim_of_map_is_dim_of_entry() {
    each_map(|map, entry, _, _| {
        assert_eq!(map.dim(), entry.dim);
        Ok(())
    });
}

/// Each of the calls is refused, and says which precision came.
fn refuses_precision(name: &str, calls: impl IntoIterator<Item = Result<(), Error>>) {
    for (index, call) in calls.into_iter().enumerate() {
        let shown = format!("{call:?}");
        assert!(matches!(call, Err(Error::Shape { .. })) && shown.contains("F32"), "{name}, call {index}: {shown}");
    }
}

/// Burn panics where two precisions meet, so numbers of another one than the parameters' are refused at the door.
#[test]
fn numbers_of_another_precision_are_errors() {
    let (place, other) = (Placement::cpu(Precision::F64), Placement::cpu(Precision::F32));
    for entry in registry::bijections() {
        let map = (entry.build)(&place, &mut rng(1)).unwrap();
        // Without parameters, as a permutation is, any precision is right.
        if Module::num_params(&map) == 0 {
            continue;
        }
        let [own, wrong] = [&place, &other].map(|p| context(4, entry.context_dim, p, &mut rng(3)));
        let both = |x: Tensor<2>, c: &Option<Tensor<2>>| {
            let given = Given::context(c.as_ref());
            [map.forward_and_ladj(x.clone(), &given).map(|_| ()), map.inverse_and_ladj(x, &given).map(|_| ())]
        };
        refuses_precision(&entry.name, both(other.zeros([4, entry.dim]), &own));
        if entry.context_dim > 0 {
            refuses_precision(&entry.name, both(place.zeros([4, entry.dim]), &wrong));
        }
    }
    for entry in registry::densities() {
        let q = (entry.build)(&place, &mut rng(1)).unwrap();
        density_refuses_precision(&q, &entry.name, entry.context_dim);
    }
    for (entry, _) in registry::masses() {
        density_refuses_precision(&(entry.build)(&place, &mut rng(1)).unwrap(), &entry.name, entry.context_dim);
    }
}

fn density_refuses_precision(q: &impl Density, name: &str, context_dim: usize) {
    let (place, other) = (Placement::cpu(Precision::F64), Placement::cpu(Precision::F32));
    let [own, wrong] = [&place, &other].map(|p| context(4, context_dim, p, &mut rng(3)));
    let both = |x: Tensor<2>, c: &Option<Tensor<2>>| {
        let given = Given::context(c.as_ref());
        [q.log_prob(x.clone(), &given).map(|_| ()), q.to_uniform(x, &given).map(|_| ())]
    };
    refuses_precision(name, both(other.zeros([4, q.dim()]), &own));
    if context_dim > 0 {
        refuses_precision(name, both(place.zeros([4, q.dim()]), &wrong));
        refuses_precision(name, [q.sample(4, &Given::context(wrong.as_ref()), &mut rng(3)).map(|_| ())]);
    }
}
