#![allow(clippy::unwrap_used)]

use burn::tensor::Tensor;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::{layout::Layout, network::MaskedNetwork};
use crate::{
    conditioner::Activation,
    order::index,
    placement::{Placement, Precision, values},
    space::{Cells, Law, Shape, Space},
};

fn space() -> Space {
    let lattice = Law::Lattice(Cells::new(0.5, None, None).unwrap());
    let laws = vec![Law::Codes(3), lattice, Law::Codes(2), Law::Codes(1), Law::Codes(3), lattice, Law::Codes(2)];
    Space::of_laws(Shape::Columns(7), laws).unwrap()
}

/// Rows of the space in which every element changes.
fn rows(place: &Placement) -> Tensor<2> {
    let row = |k: usize| {
        let [first, second, third, fourth] = [k % 3, k % 2, (k + 1) % 3, k / 2 % 2].map(|c| c as f64);
        [first, 0.5 * k as f64 - 2.0, second, 0.0, third, 1.5 - 0.5 * k as f64, fourth]
    };
    place.tensor((0..12).flat_map(row).collect(), [12, 7])
}

/// Hidden layers: none, one, two, and layers with fewer units than there are elements.
const HIDDEN: [&[usize]; 4] = [&[], &[20], &[16, 24], &[2, 3]];

fn network(layout: &Layout, context_dim: usize, hidden: &[usize], place: &Placement) -> MaskedNetwork {
    let (features, parameters) = (layout.elements_of_features(), layout.elements_of_parameters());
    let rng = &mut ChaCha12Rng::seed_from_u64(3);
    MaskedNetwork::new(&features, &parameters, context_dim, hidden, Activation::Tanh, place, rng).unwrap()
}

#[test]
fn parameters_one_element_after_another_are_those_of_one_pass() {
    let place = Placement::cpu(Precision::F64);
    let layout = Layout::new(&space(), 2).unwrap();
    let features = layout.features(&rows(&place)).unwrap();
    for (hidden, context_dim) in HIDDEN.into_iter().flat_map(|hidden| [(hidden, 0), (hidden, 2)]) {
        let network = network(&layout, context_dim, hidden, &place);
        let context = place.normal([12, 2], &mut ChaCha12Rng::seed_from_u64(1));
        let inputs = if context_dim > 0 { Tensor::cat(vec![features.clone(), context], 1) } else { features.clone() };
        let all = network.forward(inputs.clone());
        let (weights, mut known) = (network.weights(), network.start());
        for j in 0..layout.dim {
            let (g, i) = layout.places[j];
            let places = layout.groups[g].places(i);
            let found = network.advance(&weights, &inputs, &mut known, j, &places);
            let expected = all.clone().select(1, index(&places, &place.device));
            // Sums of some dozens of numbers of size 10⁻³ in a different order.
            assert!(values(found - expected).iter().all(|d| d.abs() < 1e-15), "{hidden:?} {j}");
        }
    }
}

#[test]
fn parameters_read_the_elements_before_them_and_no_others() {
    let place = Placement::cpu(Precision::F64);
    let layout = Layout::new(&space(), 2).unwrap();
    let owners = layout.elements_of_parameters();
    let x = rows(&place);
    for hidden in HIDDEN {
        let network = network(&layout, 0, hidden, &place);
        let theta = |x: &Tensor<2>| values(network.forward(layout.features(x).unwrap()));
        let before = theta(&x);
        for j in (0..layout.dim).filter(|&j| space().law_of(j) != Law::Codes(1)) {
            // Another code or value.
            let zero = x.clone().narrow(1, j, 1).equal_scalar(0.0);
            let other = place.zeros([12, 1]).mask_fill(zero, 1.0);
            let after = theta(&x.clone().slice_assign([0..12, j..j + 1], other));
            for (k, &owner) in owners.iter().enumerate() {
                let of = |theta: &[f64]| theta.iter().skip(k).step_by(owners.len()).copied().collect::<Vec<_>>();
                assert_eq!(of(&before) != of(&after), j < owner, "{hidden:?}: element {j}, parameter {k} of element {owner}");
            }
        }
    }
}
