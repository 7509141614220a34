//! What a user can get wrong is an error that names it, and never a panic.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fmt::Debug;

use common::{
    registry::{affine, made},
    rng,
};
use knothe::{
    Compose, Error, Inverse, Layer, Placement, Precision, Result,
    conditioner::Order,
    linear::{Lu, Permutation},
    triangular::Autoregressive,
    univariate::Scale,
};

fn cpu() -> Placement {
    Placement::cpu(Precision::F64)
}

/// A masked layer over `dim` coordinates.
fn masked(dim: usize, context_dim: usize, place: &Placement) -> Autoregressive {
    Autoregressive::new(made(Order::natural(dim), context_dim, &[8], false), affine(Scale::Exp), place, &mut rng(0)).unwrap()
}

/// The call is refused, and its message holds all of `words`.
fn refused<T: Debug>(call: Result<T>, words: &[&str]) {
    match call {
        Err(error @ (Error::Shape { .. } | Error::Invalid { .. })) => {
            let message = error.to_string();
            assert!(words.iter().all(|word| message.contains(word)), "{words:?} are not all in: {message}");
        }
        other => panic!("expected a refusal with {words:?}, found {other:?}"),
    }
}

#[test]
fn a_chain_refuses_a_layer_of_another_dim() {
    let place = cpu();
    let layers = || vec![Layer::Permutation(Permutation::new(&Order::natural(3), &place)), Layer::Lu(Lu::new(2, &place))];
    refused(Compose::new(3, layers()), &["layer 2 of 2", "dim 3", "found 2"]);
    refused(Compose::new(2, layers()), &["layer 1 of 2", "dim 2", "found 3"]);
    assert!(Compose::new(3, Vec::new()).is_ok());
}

#[test]
fn a_chain_refuses_a_layer_of_another_precision() {
    let single = Placement::cpu(Precision::F32);
    // A permutation has no precision, so the layers on both sides of it are compared.
    let layers = vec![
        Layer::Lu(Lu::new(3, &cpu())),
        Layer::Permutation(Permutation::new(&Order::natural(3), &single)),
        Layer::InverseAutoregressive(Inverse::of(masked(3, 0, &single))),
    ];
    refused(Compose::new(3, layers), &["layer 3 of 3", "F64", "F32"]);
}
