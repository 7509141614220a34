//! A flow of own parts is fitted, sampled and restored like a flow of built-in ones.

use burn::module::Module;
use knothe::{
    Density, Flow, Given, Inverse, Order, Placement, Precision,
    fit::{Dataset, Fit},
    parameters::{collect, restore},
    triangular::{Autoregressive, Coupling},
    univariate::Scale,
    values,
};

use crate::common::{
    own::{Banana, Laplace, OneLayer, Own},
    registry::{Layer, Map, affine},
    rng,
};

/// An own source under own layers, one of each kind.
fn flow(place: &Placement) -> Flow<Laplace, Map> {
    let network = || OneLayer::masked(Order::natural(2), 0, 2, place);
    let autoregressive = || Autoregressive::of(network(), affine(Scale::Exp)).unwrap();
    let layers = vec![
        Own::Banana(Banana::new(0, place)),
        Own::InverseAutoregressive(Inverse::of(autoregressive())),
        Own::Coupling(Coupling::of(&[true, false], OneLayer::dense([1, 1], 0, 2, place), affine(Scale::Exp)).unwrap()),
    ];
    let map = Map::with_own(2, layers.into_iter().map(Layer::Own).collect()).unwrap();
    Flow::new(Laplace::new(2, place), map, 0).unwrap()
}

#[test]
fn own_parts_are_trained_and_restored() {
    let place = Placement::cpu(Precision::F64);
    // x₁ is Laplace of scale 2, and x₂ bends with x₁.
    let z = values(Laplace::new(2, &place).sample(500, &Given::default(), &mut rng(0)).unwrap());
    let x: Vec<f64> = z.chunks(2).flat_map(|z| [2.0 * z[0], 0.5 * z[1] + 0.3 * z[0] * z[0]]).collect();
    let data = Dataset::new(x.clone(), 2, &place).unwrap();
    let (fitted, _) = Fit::new().epochs(5).batch(50).learning_rate(0.02).run(flow(&place), &data, &data).unwrap();

    let mean = |flow: &Flow<Laplace, Map>| {
        let log_prob = values(flow.log_prob(place.tensor(x.clone(), [500, 2]), &Given::default()).unwrap());
        log_prob.iter().sum::<f64>() / 500.0
    };
    let (start, end) = (mean(&flow(&place)), mean(&fitted));
    assert!(end > start + 0.1, "{start} became {end}");
    let (before, after) = (collect(&flow(&place)), collect(&fitted));
    // The mask of a conditioner is no parameter.
    assert_eq!(before.len(), 7, "{:?}", before.keys());
    assert!(before.iter().all(|(name, value)| value != &after[name]), "{before:?} became {after:?}");

    let again = restore(flow(&place), after).unwrap();
    assert_eq!(mean(&again), end);
    let draw = |flow: &Flow<Laplace, Map>| values(flow.sample(20, &Given::default(), &mut rng(1)).unwrap());
    assert_eq!(draw(&again), draw(&fitted));
    assert_eq!(fitted.num_params(), again.num_params());
}
