//! An operation of several inputs and outputs with its own gradient, in Burn's automatic differentiation.
//!
//! A step of Burn's graph has one output. So the operation is a hub, whose parents are the inputs, and a port an output, whose
//! parent is the hub: a port puts the gradient of its output aside, and the hub, which comes after all of them, takes all.

use std::{
    fmt::Debug,
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
};

use burn::{
    backend::{
        Autodiff, AutodiffBackend, DispatchDevice, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        tensor::FloatTensor,
    },
    module::{Module, ModuleVisitor, Param},
    tensor::{Tensor, TensorData},
};

use super::Real;

/// A tensor of the CPU backend.
pub(super) type Plain = FloatTensor<Flex>;
/// A tensor of the CPU backend with its place in the graph.
pub(super) type Tracked = FloatTensor<Autodiff<Flex>>;

/// A differentiable operation of some inputs and M outputs.
pub(super) trait FusedOp<const M: usize>: Clone + Debug + Send + 'static {
    /// What the gradient needs of the forward pass.
    type Saved: Clone + Debug + Send + 'static;

    /// The outputs, and what to save if the gradient will be asked for.
    fn forward(&self, inputs: Vec<Plain>, keep: bool) -> ([Plain; M], Option<Self::Saved>);

    /// The gradients of the inputs, in their order, from those of the outputs; an output that nothing read has none, and an input
    /// that does not `want` one need not get it.
    fn backward(&self, saved: Self::Saved, gradients: [Option<Plain>; M], want: &[bool]) -> Vec<Option<Plain>>;
}

/// Gradients on their way from ports to hub.
type Slot<const M: usize> = Arc<Mutex<[Option<Plain>; M]>>;

#[derive(Debug)]
struct Hub<O, const M: usize>(PhantomData<O>);

impl<O: FusedOp<M>, const N: usize, const M: usize> Backward<Flex, N> for Hub<O, M> {
    type State = (O, Option<O::Saved>, Slot<M>);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let _ = grads.consume::<Flex>(&ops.node);
        let (op, saved, slot) = ops.state;
        let gradients = std::mem::replace(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner), [const { None }; M]);
        let want = ops.parents.each_ref().map(Option::is_some);
        let Some(saved) = saved else { return };
        for (parent, gradient) in ops.parents.into_iter().zip(op.backward(saved, gradients, &want)) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct Port<const M: usize>(usize);

impl<const M: usize> Backward<Flex, 1> for Port<M> {
    type State = Slot<M>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        ops.state.lock().unwrap_or_else(PoisonError::into_inner)[self.0] = Some(gradient);
        if let [Some(hub)] = ops.parents {
            grads.register::<Flex>(hub.id, mark());
        }
    }
}

/// What stands for the value of a hub, and for its gradient.
fn mark() -> Plain {
    Plain::from_data(TensorData::new(vec![0f32], [1]))
}

/// An input of an operation.
pub(super) enum Input {
    Table(Tensor<2>),
    Cube(Tensor<3>),
    Row(Tensor<1>),
    Image(Tensor<4>),
}

impl Input {
    fn is_tracked(&self) -> bool {
        match self {
            Input::Table(t) => t.is_autodiff(),
            Input::Cube(t) => t.is_autodiff(),
            Input::Row(t) => t.is_autodiff(),
            Input::Image(t) => t.is_autodiff(),
        }
    }

    pub fn plain(self) -> Option<Plain> {
        match self {
            Input::Table(t) => t.try_into_primitive::<Flex>().ok(),
            Input::Cube(t) => t.try_into_primitive::<Flex>().ok(),
            Input::Row(t) => t.try_into_primitive::<Flex>().ok(),
            Input::Image(t) => t.try_into_primitive::<Flex>().ok(),
        }
    }

    fn tracked(self) -> Option<Tracked> {
        fn lift<const D: usize>(t: Tensor<D>) -> Option<Tracked> {
            let t = if t.is_autodiff() { t } else { Tensor::from_inner(t) };
            t.try_into_primitive::<Autodiff<Flex>>().ok()
        }
        match self {
            Input::Table(t) => lift(t),
            Input::Cube(t) => lift(t),
            Input::Row(t) => lift(t),
            Input::Image(t) => lift(t),
        }
    }
}

/// An output of an operation, of the rank that it has.
pub(super) enum Output {
    Plain(Plain),
    Tracked(Tracked),
}

impl Output {
    pub fn tensor<const D: usize>(self) -> Tensor<D> {
        match self {
            Output::Plain(t) => Tensor::from_primitive::<Flex>(t),
            Output::Tracked(t) => Tensor::from_primitive::<Autodiff<Flex>>(t),
        }
    }
}

/// Whether tensors on the device of this one have kernels.
pub(crate) fn has_kernels<const D: usize>(tensor: &Tensor<D>) -> bool {
    matches!(tensor.device().inner().as_dispatch(), DispatchDevice::Flex(_))
}

/// The most inputs of an operation.
pub(super) const MOST_INPUTS: usize = 128;

/// The outputs of an operation, in the graph of its inputs if they are in one; none where the backend is not the one of kernels, or
/// inputs are too many.
pub(super) fn apply<O: FusedOp<M>, const M: usize>(op: &O, inputs: Vec<Input>) -> Option<[Output; M]> {
    if inputs.iter().any(Input::is_tracked) {
        let inputs: Vec<Tracked> = inputs.into_iter().map(Input::tracked).collect::<Option<_>>()?;
        // A step of the graph has a fixed number of parents.
        let outputs = match inputs.len() {
            0..=8 => tracked::<O, 8, M>(op, inputs),
            9..=16 => tracked::<O, 16, M>(op, inputs),
            17..=32 => tracked::<O, 32, M>(op, inputs),
            33..=64 => tracked::<O, 64, M>(op, inputs),
            65..=MOST_INPUTS => tracked::<O, MOST_INPUTS, M>(op, inputs),
            _ => return None,
        };
        return Some(outputs.map(Output::Tracked));
    }
    let inputs: Vec<Plain> = inputs.into_iter().map(Input::plain).collect::<Option<_>>()?;
    Some(op.forward(inputs, false).0.map(Output::Plain))
}

/// The parents beyond the inputs are constants, which want no gradient.
fn tracked<O: FusedOp<M>, const N: usize, const M: usize>(op: &O, inputs: Vec<Tracked>) -> [Tracked; M] {
    let (inputs, nodes): (Vec<_>, Vec<_>) = inputs.into_iter().map(Tracked::into_parts).unzip();
    let mut nodes = nodes.into_iter();
    let parents: [_; N] =
        std::array::from_fn(|_| nodes.next().unwrap_or_else(|| <Autodiff<Flex> as AutodiffBackend>::from_inner(mark()).into_parts().1));
    match Hub::<O, M>(PhantomData).prepare::<NoCheckpointing>(parents).compute_bound().stateful() {
        OpsKind::UnTracked(_) => op.forward(inputs, false).0.map(<Autodiff<Flex> as AutodiffBackend>::from_inner),
        OpsKind::Tracked(prepared) => {
            let (outputs, saved) = op.forward(inputs, true);
            let slot: Slot<M> = Arc::new(Mutex::new([const { None }; M]));
            let hub = prepared.finish((op.clone(), saved, slot.clone()), mark());
            let mut index = 0;
            outputs.map(|output| {
                let port = Port::<M>(index);
                index += 1;
                match port.prepare::<NoCheckpointing>([hub.node()]).compute_bound().stateful() {
                    OpsKind::Tracked(prepared) => prepared.finish(slot.clone(), output),
                    OpsKind::UnTracked(prepared) => prepared.finish(output),
                }
            })
        }
    }
}

/// Puts the parameters of a module into one graph.
///
/// Each tensor that wants a gradient begins a graph of its own in Burn, and where an operation has parents in two graphs, all of one moves
/// into that of the oldest node. Parameters age from the source to the data, and a likelihood meets them the other way round: without
/// this, everything it has done so far would move again with each parameter.
pub(crate) fn join_graphs(module: &impl Module) {
    let mut roots = Roots::default();
    module.visit(&mut roots);
    let Some((first, others)) = roots.0.split_first() else { return };
    for some in others.chunks(MOST_INPUTS - 1) {
        let [] = tracked::<Join, MOST_INPUTS, 0>(&Join, [first].into_iter().chain(some).cloned().collect());
    }
}

/// Parameters that want a gradient, on the CPU backend.
#[derive(Default)]
struct Roots(Vec<Tracked>);

impl ModuleVisitor for Roots {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if value.is_require_grad() && has_kernels(&value) {
            self.0.extend(value.try_into_primitive::<Autodiff<Flex>>());
        }
    }
}

/// The operation that computes nothing.
#[derive(Clone, Debug)]
struct Join;

impl FusedOp<0> for Join {
    type Saved = ();

    fn forward(&self, _: Vec<Plain>, _: bool) -> ([Plain; 0], Option<()>) {
        ([], None)
    }

    fn backward(&self, (): (), _: [Option<Plain>; 0], want: &[bool]) -> Vec<Option<Plain>> {
        vec![None; want.len()]
    }
}

/// The numbers of a contiguous tensor.
pub(super) fn numbers<T: Real>(tensor: &Plain) -> &[T] {
    tensor.as_slice::<T>().unwrap_or(&[])
}

/// A tensor of the CPU backend.
pub(super) fn plain<T: Real>(values: Vec<T>, shape: &[usize]) -> Plain {
    Plain::from_data(TensorData::new(values, shape.to_vec()))
}
