//! A masked network on a tile of rows, forward and backward.
//!
//! Tables of a tile are stored by columns: the n rows of one unit stand in a piece, so that products, activations and maps
//! go over rows with full vectors.

use super::{
    Real,
    lanes::{LANES, Lanes, vectorised},
    stairs::{Packed, Stairs},
};
use crate::conditioner::{Activation, FAR};

/// The layers of a conditioner as kernels see them.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// The hidden layers, then the output layer.
    pub layers: Vec<Stairs>,
    pub activation: Activation,
    /// Whether layers 0, 2, 4, … end residual connections.
    pub residual: bool,
}

/// The parameters of a network in the order of its layers' staircases.
#[derive(Clone, Debug)]
pub(super) struct Weights<T> {
    pub weights: Vec<Packed<T>>,
    pub biases: Vec<Vec<T>>,
}

/// What the gradient of a tile needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace<T> {
    /// The slopes of what is read.
    pub read: Vec<T>,
    /// The inputs of each layer, `[inputs, n]`.
    pub inputs: Vec<Vec<T>>,
    /// The slopes of the activations of each hidden layer.
    pub slopes: Vec<Vec<T>>,
}

impl Network {
    /// The outputs `[outputs, n]` for inputs `[inputs, n]`; `added` is the context's part of the first layer.
    pub(super) fn forward<T: Real>(
        &self,
        parameters: &Weights<T>,
        mut h: Vec<T>,
        added: Option<&[T]>,
        n: usize,
        mut trace: Option<&mut Trace<T>>,
    ) -> Vec<T> {
        let read = read(&mut h, trace.is_some());
        if let Some(trace) = &mut trace {
            trace.read = read;
        }
        let mut carry: Option<Vec<T>> = None;
        for (l, layer) in self.layers.iter().enumerate() {
            let mut y = Vec::with_capacity(layer.outputs() * n);
            parameters.biases[l].iter().for_each(|&bias| y.resize(y.len() + n, bias));
            if let (0, Some(added)) = (l, added) {
                add(&mut y, added);
            }
            layer.apply(&parameters.weights[l], &h, &mut y, n);
            let before = std::mem::take(&mut h);
            if let Some(trace) = &mut trace {
                trace.inputs.push(before);
            }
            if l + 1 < self.layers.len() {
                if self.residual && l % 2 == 0 {
                    if let Some(before) = carry.take() {
                        add(&mut y, &before);
                    }
                    carry = Some(y.clone());
                }
                let slopes = activate(self.activation, &mut y, trace.is_some());
                if let Some(trace) = &mut trace {
                    trace.slopes.push(slopes);
                }
            }
            h = y;
        }
        h
    }

    /// The gradients of the outputs of each layer, `[outputs, n]`, from those of the last, `g`, and those of the inputs, if they are wanted.
    pub(super) fn backward<T: Real>(
        &self,
        parameters: &Weights<T>,
        trace: &Trace<T>,
        mut g: Vec<T>,
        n: usize,
        wanted: bool,
    ) -> (Vec<Vec<T>>, Option<Vec<T>>) {
        let mut of_outputs = vec![Vec::new(); self.layers.len()];
        let mut carry: Option<Vec<T>> = None;
        for (l, layer) in self.layers.iter().enumerate().rev() {
            if l + 1 < self.layers.len() {
                multiply(&mut g, &trace.slopes[l]);
                if self.residual && l % 2 == 0 {
                    if let Some(later) = carry.take() {
                        add(&mut g, &later);
                    }
                    carry = Some(g.clone());
                }
            }
            let mut gh = Vec::new();
            if l > 0 || wanted {
                gh.resize(layer.inputs() * n, T::of(0.0));
                layer.pull(&parameters.weights[l], &g, &mut gh, n);
            }
            of_outputs[l] = std::mem::replace(&mut g, gh);
        }
        let of_inputs = wanted.then(|| {
            multiply(&mut g, &trace.read);
            g
        });
        (of_outputs, of_inputs)
    }
}

/// 5 asinh(x/5) in the place of x; its slopes, if wanted.
pub(super) fn read<T: Real>(x: &mut [T], slopes: bool) -> Vec<T> {
    over(
        x,
        slopes,
        #[inline(always)]
        |x| {
            let (far, one) = (T::of(FAR), Lanes::of(1.0));
            let u = x.magnitude() / far;
            // Beyond 1e9 √(1 + u²) is u to rounding, and u² may be no number.
            let root = u.below(Lanes::of(1e9), u.fused(u, one).root(), u);
            // asinh u = log(1 + v), which keeps the digits of a small u.
            let v = u + u * (u / (root + T::of(1.0)));
            let value = v.below(one, v.log_1p(), (v + T::of(1.0)).log()) * far;
            (x.below(Lanes::of(0.0), -value, value), one / root)
        },
    )
}

/// act(z) in the place of z; its slopes, if wanted.
pub(super) fn activate<T: Real>(activation: Activation, z: &mut [T], slopes: bool) -> Vec<T> {
    let (zero, one) = (Lanes::of(0.0), Lanes::of(1.0));
    match activation {
        Activation::Relu => over(
            z,
            slopes,
            #[inline(always)]
            |z| (z.below(zero, zero, z), zero.below(z, one, zero)),
        ),
        Activation::Silu => over(
            z,
            slopes,
            #[inline(always)]
            |z| {
                let (above, below) = z.sigmoids();
                (z * above, above * (z * below + T::of(1.0)))
            },
        ),
        Activation::Tanh => over(
            z,
            slopes,
            #[inline(always)]
            |z| {
                let (above, below) = (z + z).sigmoids();
                (above - below, above * below * T::of(4.0))
            },
        ),
        Activation::Elu => over(
            z,
            slopes,
            #[inline(always)]
            |z| {
                let exp = z.exp();
                (z.below(zero, exp - T::of(1.0), z), z.below(zero, exp, one))
            },
        ),
    }
}

/// Replaces numbers by a function of them, and returns its slopes, if wanted.
#[inline(always)]
fn over<T: Real>(x: &mut [T], slopes: bool, f: impl Fn(Lanes<T>) -> (Lanes<T>, Lanes<T>)) -> Vec<T> {
    let mut into = vec![T::of(0.0); if slopes { x.len() } else { 0 }];
    vectorised(
        #[inline(always)]
        || {
            if slopes {
                for (x, slope) in x.chunks_exact_mut(LANES).zip(into.chunks_exact_mut(LANES)) {
                    let (value, by_x) = f(Lanes::load(x));
                    value.store(x);
                    by_x.store(slope);
                }
            } else {
                for x in x.chunks_exact_mut(LANES) {
                    f(Lanes::load(x)).0.store(x);
                }
            }
        },
    );
    into
}

pub(super) fn add<T: Real>(into: &mut [T], other: &[T]) {
    vectorised(
        #[inline(always)]
        || {
            for (a, &b) in into.iter_mut().zip(other) {
                *a += b;
            }
        },
    );
}

pub(super) fn multiply<T: Real>(into: &mut [T], by: &[T]) {
    vectorised(
        #[inline(always)]
        || {
            for (a, &b) in into.iter_mut().zip(by) {
                *a *= b;
            }
        },
    );
}
