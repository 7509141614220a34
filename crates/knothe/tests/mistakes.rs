//! What a user can get wrong is an error that names it, and never a panic.

use std::fmt::Debug;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use knothe::{
    Bijection, Compose, Density, Error, Flow, Given, Inverse, Layer, Placement, Precision, Result,
    conditioner::{Activation, AutoregressiveConditioner, Conditioner, Order, Widths},
    linear::{Lu, Permutation},
    source::AutoregressiveDensity,
    source::Normal,
    triangular::{Autoregressive, Coupling},
    univariate::{GaussianMixture, Scale},
};

use crate::common::{
    own::{Banana, Laplace, OneLayer},
    registry::{affine, made},
    rng,
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

/// Every call that takes rows of a flow.
fn calls<S: Density + Module, B: Bijection + Module>(flow: &Flow<S, B>, x: &Tensor<2>, given: &Given) -> [Result<()>; 4] {
    [
        flow.log_prob(x.clone(), given).map(|_| ()),
        flow.to_uniform(x.clone(), given).map(|_| ()),
        flow.to_source(x.clone(), given).map(|_| ()),
        flow.from_source(x.clone(), given).map(|_| ()),
    ]
}

/// Flows of built-in parts, of own layers, of an own source and of an own map without a chain, over two columns and a context of two.
fn refused_by_flows(x: &Tensor<2>, given: &Given, words: &[&str]) {
    let place = cpu();
    let layer = || Layer::InverseAutoregressive(Inverse::of(masked(2, 2, &place)));
    let built_in = Flow::new(Normal::new(2, &place), Compose::new(2, vec![layer()]).unwrap(), 2).unwrap();
    let own = Compose::with_own(2, vec![Layer::Own(Banana::new(2, &place))]).unwrap();
    let own = Flow::new(Normal::new(2, &place), own, 2).unwrap();
    let of_source = Flow::new(Laplace::new(2, &place), Compose::new(2, vec![layer()]).unwrap(), 2).unwrap();
    let network = OneLayer::masked(Order::natural(2), 2, 2, &place);
    let alone = Flow::new(Normal::new(2, &place), Autoregressive::of(network, affine(Scale::Exp)).unwrap(), 2).unwrap();
    calls(&built_in, x, given).into_iter().for_each(|call| refused(call, words));
    calls(&own, x, given).into_iter().for_each(|call| refused(call, words));
    calls(&of_source, x, given).into_iter().for_each(|call| refused(call, words));
    calls(&alone, x, given).into_iter().for_each(|call| refused(call, words));
}

#[test]
fn a_flow_refuses_rows_of_another_width() {
    let place = cpu();
    let context = place.zeros([5, 2]);
    refused_by_flows(&place.zeros([5, 3]), &Given::context(Some(&context)), &["[rows, 2]", "[5, 3]"]);
    refused_by_flows(&place.zeros([5, 1]), &Given::context(Some(&context)), &["[rows, 2]", "[5, 1]"]);
}

#[test]
fn a_flow_refuses_a_context_of_another_shape() {
    let place = cpu();
    for shape in [[5, 3], [5, 1], [4, 2]] {
        let (context, found) = (place.zeros(shape), format!("{shape:?}"));
        refused_by_flows(&place.zeros([5, 2]), &Given::context(Some(&context)), &["context", "[5, 2]", &found]);
    }
    refused_by_flows(&place.zeros([5, 2]), &Given::default(), &["context", "[5, 2]", "None"]);
}

#[test]
fn a_flow_refuses_numbers_of_another_precision() {
    let (place, single) = (cpu(), Placement::cpu(Precision::F32));
    let [own, other] = [&place, &single].map(|place| place.zeros([5, 2]));
    refused_by_flows(&other, &Given::context(Some(&own)), &["F64", "F32"]);
    refused_by_flows(&own, &Given::context(Some(&other)), &["F64", "F32"]);
}

#[test]
fn draws_refuse_a_context_of_another_shape() {
    let place = cpu();
    let map = Compose::new(2, vec![Layer::InverseAutoregressive(Inverse::of(masked(2, 2, &place)))]).unwrap();
    let flow = Flow::new(Normal::new(2, &place), map, 2).unwrap();
    for shape in [[4, 3], [3, 2]] {
        let context = place.zeros(shape);
        let given = Given::context(Some(&context));
        let found = format!("{shape:?}");
        refused(flow.sample(4, &given, &mut rng(0)), &["context", "[4, 2]", &found]);
        refused(flow.sample_and_log_prob(4, &given, &mut rng(0)), &["context", "[4, 2]", &found]);
        refused(flow.sample_at(4, &given, 0.5, &mut rng(0)), &["context", "[4, 2]", &found]);
    }
}

#[test]
fn parts_that_do_not_fit_are_not_joined() {
    let (place, single) = (cpu(), Placement::cpu(Precision::F32));
    let chain = |dim: usize| Compose::new(dim, vec![Layer::Lu(Lu::new(dim, &place))]).unwrap();
    refused(Flow::new(Normal::new(3, &place), chain(2), 0), &["source", "dim 2", "found 3"]);
    refused(Flow::new(Laplace::new(2, &single), chain(2), 0), &["source", "F64", "F32"]);
    let conditional = |context_dim| {
        let config = made(Order::natural(2), context_dim, &[8], false);
        AutoregressiveDensity::new(config, std::sync::Arc::new(GaussianMixture(2)), &place, &mut rng(0)).unwrap()
    };
    refused(Flow::new(conditional(3), chain(2), 2), &["context of the source", "2 columns", "found 3"]);

    let coupling = |moves: &[bool]| Coupling::new(moves, 0, &[8], Activation::Silu, affine(Scale::Exp), &place, &mut rng(0));
    for moves in [&[][..], &[true], &[false, false], &[true, true]] {
        refused(coupling(moves), &["coupling", "one moves and one stands still"]);
    }
    let network = |widths, parameters| OneLayer::dense(widths, 0, parameters, &place);
    let moves = [true, false, true];
    refused(Coupling::of(&moves, network([2, 1], 2), affine(Scale::Exp)), &["conditioner", "inputs: 1", "inputs: 2"]);
    refused(Coupling::of(&moves, network([1, 2], 3), affine(Scale::Exp)), &["conditioner", "parameters: 2", "parameters: 3"]);
    let masked = OneLayer::masked(Order::natural(2), 0, 1, &place);
    refused(Autoregressive::of(masked.clone(), affine(Scale::Exp)), &["conditioner", "parameters: 2", "parameters: 1"]);
    refused(AutoregressiveDensity::of(masked, std::sync::Arc::new(GaussianMixture(2))), &["conditioner", "parameters: 1"]);
}

/// What an own part returns in the wrong way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// One ladj for all rows.
    OneLadj,
    /// A column less.
    LostColumn,
    /// Numbers of another precision.
    Precision,
}

/// A layer, a conditioner and a source that return what does not fit.
#[derive(Module, Debug)]
struct Broken {
    anchor: Param<Tensor<1>>,
    #[module(skip)]
    fault: Fault,
    #[module(skip)]
    order: Order,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        Broken { anchor: Param::from_tensor(cpu().zeros([1])), fault, order: Order::natural(2) }
    }

    fn spoil<const D: usize>(&self, t: Tensor<D>) -> Tensor<D> {
        match self.fault {
            Fault::OneLadj => t,
            Fault::LostColumn => t.narrow(D - 1, 0, 1),
            Fault::Precision => t.cast(burn::tensor::FloatDType::F32),
        }
    }
}

impl Bijection for Broken {
    fn dim(&self) -> usize {
        2
    }

    fn forward_and_ladj(&self, z: Tensor<2>, _: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = if self.fault == Fault::OneLadj { 1 } else { z.dims()[0] };
        Ok((self.spoil(z), cpu().zeros([rows])))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.forward_and_ladj(x, given)
    }
}

impl Conditioner for Broken {
    fn widths(&self) -> Widths {
        Widths { inputs: 2, context_dim: 0, parameters: 2, outputs: 2 }
    }

    fn placement(&self) -> Placement {
        cpu()
    }

    fn parameters(&self, x: Tensor<2>, _: &Given) -> Result<Tensor<3>> {
        Ok(self.spoil(cpu().zeros([x.dims()[0], 2, 2])))
    }
}

impl AutoregressiveConditioner for Broken {
    fn order(&self) -> &Order {
        &self.order
    }
}

impl Density for Broken {
    fn dim(&self) -> usize {
        2
    }

    fn log_prob(&self, x: Tensor<2>, _: &Given) -> Result<Tensor<1>> {
        Ok(self.spoil(cpu().zeros([x.dims()[0]])))
    }

    fn sample(&self, n: usize, _: &Given, _: &mut impl rand::Rng) -> Result<Tensor<2>> {
        Ok(self.spoil(cpu().zeros([n, 2])))
    }

    fn to_uniform(&self, x: Tensor<2>, _: &Given) -> Result<Tensor<2>> {
        Ok(x)
    }
}

#[test]
fn what_own_parts_return_is_checked() {
    let place = cpu();
    let (x, given) = (place.zeros([5, 2]), Given::default());
    for (fault, words) in
        [(Fault::OneLadj, &["ladj", "[5]", "[1]"][..]), (Fault::LostColumn, &["[5, 2]", "[5, 1]"]), (Fault::Precision, &["F64", "F32"])]
    {
        let chain = Compose::with_own(2, vec![Layer::Own(Broken::new(fault)), Layer::Own(Broken::new(fault))]).unwrap();
        refused(chain.forward_and_ladj(x.clone(), &given), words);
        refused(chain.inverse_and_ladj(x.clone(), &given), words);
    }
    for fault in [Fault::LostColumn, Fault::Precision] {
        let map = Autoregressive::of(Broken::new(fault), affine(Scale::Exp)).unwrap();
        refused(map.forward_and_ladj(x.clone(), &given), &["parameters of the conditioner"]);
        refused(map.inverse_and_ladj(x.clone(), &given), &["parameters of the conditioner"]);
        let flow = Flow::new(Broken::new(fault), Compose::new(2, Vec::new()).unwrap(), 0).unwrap();
        refused(flow.log_prob(x.clone(), &given), &["log_prob of the source"]);
    }
    let flow = Flow::new(Broken::new(Fault::LostColumn), Compose::new(2, Vec::new()).unwrap(), 0).unwrap();
    refused(flow.sample(5, &given, &mut rng(0)), &["z", "[rows, 2]", "[5, 1]"]);
    let flow = Flow::new(Normal::new(2, &place), Broken::new(Fault::LostColumn), 0).unwrap();
    refused(flow.log_prob(x, &given), &["result of the map", "[5, 1]"]);
}
