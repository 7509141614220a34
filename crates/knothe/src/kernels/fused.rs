//! An operation of two inputs and two outputs with its own gradient, in Burn's automatic differentiation.
//!
//! A step of Burn's graph has one output. So the operation is a hub, whose parents are the inputs, and a port an output, whose
//! parent is the hub: a port puts the gradient of its output aside, and the hub, which comes after all of them, takes both.

use std::{
    fmt::Debug,
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
};

use burn::{
    backend::{
        Autodiff, AutodiffBackend, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        tensor::FloatTensor,
    },
    tensor::TensorData,
};

/// A tensor of the CPU backend.
pub(super) type Plain = FloatTensor<Flex>;
/// A tensor of the CPU backend with its place in the graph.
pub(super) type Tracked = FloatTensor<Autodiff<Flex>>;

/// A differentiable operation of two inputs and two outputs.
pub(super) trait FusedOp: Clone + Debug + Send + 'static {
    /// The outputs.
    fn forward(&self, inputs: &[Plain; 2]) -> [Plain; 2];
    /// The gradients of the inputs, from those of the outputs; an output that nothing read has none.
    fn backward(&self, inputs: &[Plain; 2], gradients: [Option<Plain>; 2]) -> [Plain; 2];
}

/// Gradients on their way from ports to hub.
type Slot = Arc<Mutex<[Option<Plain>; 2]>>;

#[derive(Debug)]
struct Hub<O>(PhantomData<O>);

impl<O: FusedOp> Backward<Flex, 2> for Hub<O> {
    type State = (O, [Plain; 2], Slot);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let _ = grads.consume::<Flex>(&ops.node);
        let (op, inputs, slot) = ops.state;
        let gradients = std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner));
        for (parent, gradient) in ops.parents.into_iter().zip(op.backward(&inputs, gradients)) {
            if let Some(parent) = parent {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct Port(usize);

impl Backward<Flex, 1> for Port {
    type State = Slot;

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

/// The outputs of an operation, in the graph of its inputs.
pub(super) fn apply<O: FusedOp>(op: O, [a, b]: [Tracked; 2]) -> [Tracked; 2] {
    let ((a, node_a), (b, node_b)) = (a.into_parts(), b.into_parts());
    let inputs = [a, b];
    let [first, second] = op.forward(&inputs);
    match Hub::<O>(PhantomData).prepare::<NoCheckpointing>([node_a, node_b]).compute_bound().stateful() {
        OpsKind::UnTracked(_) => [first, second].map(<Autodiff<Flex> as AutodiffBackend>::from_inner),
        OpsKind::Tracked(prepared) => {
            let slot = Slot::default();
            let hub = prepared.finish((op, inputs, slot.clone()), mark());
            let port = |index, output| match Port(index).prepare::<NoCheckpointing>([hub.node()]).compute_bound().stateful() {
                OpsKind::Tracked(prepared) => prepared.finish(slot.clone(), output),
                OpsKind::UnTracked(prepared) => prepared.finish(output),
            };
            [port(0, first), port(1, second)]
        }
    }
}
