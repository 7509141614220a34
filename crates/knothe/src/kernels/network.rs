//! A masked network on a tile of rows, forward and backward.
//!
//! Tables of a tile are stored by columns: the n rows of one unit stand in a piece, so that products, activations and maps
//! go over rows with full vectors.

use std::ops::Range;

use super::{
    Activation, Real,
    lanes::{LANES, Lanes, vectorised},
    spare::Table,
    stairs::{Packed, Stairs},
};

/// Where [`read`] turns from linear to logarithmic, in standard deviations of a standardised column.
pub(crate) const FAR: f64 = 5.0;

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
#[derive(Debug)]
pub(super) struct Weights<T: Real> {
    pub weights: Vec<Packed<T>>,
    pub biases: Vec<Vec<T>>,
}

/// What the gradient of a tile needs.
#[derive(Debug)]
pub(super) struct Trace<T: Real> {
    /// The slopes of what is read.
    pub read: Table<T>,
    /// The inputs of each layer, `[inputs, n]`.
    pub inputs: Vec<Table<T>>,
    /// The slopes of the activations of each hidden layer, where the outputs do not tell them.
    pub slopes: Vec<Table<T>>,
}

impl<T: Real> Default for Trace<T> {
    fn default() -> Self {
        Trace { read: Table::default(), inputs: Vec::new(), slopes: Vec::new() }
    }
}

impl Network {
    /// The outputs `[outputs, n]` for inputs `[inputs, n]`; `added` is the context's part of the first layer.
    pub(super) fn forward<T: Real>(
        &self,
        parameters: &Weights<T>,
        mut h: Table<T>,
        added: Option<&[T]>,
        n: usize,
        mut trace: Option<&mut Trace<T>>,
    ) -> Table<T> {
        let mut slopes = Table::with_capacity(if trace.is_some() { h.len() } else { 0 });
        read(&mut h, trace.is_some().then_some(&mut slopes));
        if let Some(trace) = &mut trace {
            trace.read = slopes;
        }
        let mut carry = Table::default();
        for (l, layer) in self.layers.iter().enumerate() {
            let hidden = l + 1 < self.layers.len();
            let carries = hidden && self.residual && l % 2 == 0;
            let keeps = hidden && trace.is_some() && self.activation == Activation::Silu;
            let room = |wanted: bool| Table::with_capacity(if wanted { layer.outputs() * n } else { 0 });
            let (mut sums, mut slopes) = (room(carries), room(keeps));
            let rectified = hidden && self.activation == Activation::Relu && !carries && (l > 0 || added.is_none());
            // Units are finished in registers, or while they are in the nearest cache.
            let y = layer.apply(&parameters.weights[l], (&parameters.biases[l], rectified), &h, n, |first, y| {
                let own = first..first + y.len();
                if let (0, Some(added)) = (l, added) {
                    add(y, &added[own.clone()]);
                }
                if carries {
                    if !carry.is_empty() {
                        add(y, &carry[own]);
                    }
                    sums.extend_from_slice(y);
                }
                if hidden && !rectified {
                    activate(self.activation, y, keeps.then_some(&mut slopes));
                }
            });
            if carries {
                carry = sums;
            }
            let before = std::mem::replace(&mut h, y);
            if let Some(trace) = &mut trace {
                trace.inputs.push(before);
                if hidden {
                    trace.slopes.push(slopes);
                }
            }
        }
        h
    }

    /// The gradients of the outputs of each layer, `[outputs, n]`, from those of the last, `g`, and those of the inputs, if they are wanted.
    pub(super) fn backward<T: Real>(
        &self,
        parameters: &Weights<T>,
        trace: &Trace<T>,
        mut g: Table<T>,
        n: usize,
        wanted: bool,
    ) -> (Vec<Table<T>>, Option<Table<T>>) {
        let mut of_outputs: Vec<Table<T>> = self.layers.iter().map(|_| Table::default()).collect();
        let mut carry = Table::default();
        for (l, layer) in self.layers.iter().enumerate().rev() {
            if l == 0 && !wanted {
                of_outputs[0] = g;
                return (of_outputs, None);
            }
            let carries = l > 0 && self.residual && (l - 1) % 2 == 0;
            let before = layer.pull(&parameters.weights[l], &g, n, |first, g| {
                let own = first..first + g.len();
                match l.checked_sub(1) {
                    Some(hidden) => self.scale_by_slopes(g, trace, hidden, own.clone()),
                    None => multiply(g, &trace.read[own.clone()]),
                }
                if carries && !carry.is_empty() {
                    add(g, &carry[own]);
                }
            });
            if carries {
                carry = Table::with_capacity(before.len());
                carry.extend_from_slice(&before);
            }
            of_outputs[l] = std::mem::replace(&mut g, before);
        }
        (of_outputs, Some(g))
    }

    /// g times the slopes of the activations of some numbers of a hidden layer, in the place of g.
    pub(super) fn scale_by_slopes<T: Real>(&self, g: &mut [T], trace: &Trace<T>, hidden: usize, own: Range<usize>) {
        let (zero, one) = (Lanes::of(0.0), Lanes::of(1.0));
        let outputs = &trace.inputs[hidden + 1][own.clone()];
        match self.activation {
            Activation::Silu => multiply(g, &trace.slopes[hidden][own]),
            Activation::Relu => with(
                g,
                outputs,
                #[inline(always)]
                |g, y| zero.below(y, g, zero),
            ),
            Activation::Tanh => with(
                g,
                outputs,
                #[inline(always)]
                |g, y| g * (one - y * y),
            ),
            Activation::Elu => with(
                g,
                outputs,
                #[inline(always)]
                |g, y| y.below(zero, g * (y + one), g),
            ),
        }
    }
}

/// 5 asinh(x/5) in the place of x; its slopes go to the end of `slopes`.
pub(super) fn read<T: Real>(x: &mut [T], slopes: Option<&mut Table<T>>) {
    over(
        x,
        slopes,
        #[inline(always)]
        |x| {
            let (far, one) = (T::of(FAR), Lanes::of(1.0));
            let u = x.magnitude() * T::of(FAR.recip());
            // Beyond 1e9 √(1 + u²) is u to rounding, and u² may be no number.
            let root = u.below(Lanes::of(1e9), u.fused(u, one).root(), u);
            // asinh u = log(1 + v), which keeps the digits of a small u.
            let v = u + u * (u / (root + T::of(1.0)));
            let value = v.log_1p() * far;
            (x.below(Lanes::of(0.0), -value, value), one / root)
        },
    )
}

/// act(z) in the place of z; the slopes of SiLU, which its values do not tell, go to the end of `slopes`.
pub(super) fn activate<T: Real>(activation: Activation, z: &mut [T], slopes: Option<&mut Table<T>>) {
    let zero = Lanes::of(0.0);
    match activation {
        Activation::Relu => over(
            z,
            slopes,
            #[inline(always)]
            |z| (z.below(zero, zero, z), zero),
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
                (above - below, zero)
            },
        ),
        Activation::Elu => over(
            z,
            slopes,
            #[inline(always)]
            |z| (z.below(zero, z.exp() - T::of(1.0), z), zero),
        ),
    }
}

/// Replaces numbers by a function of them, and writes its slopes to the end of `slopes`.
#[inline(always)]
fn over<T: Real>(x: &mut [T], slopes: Option<&mut Table<T>>, f: impl Fn(Lanes<T>) -> (Lanes<T>, Lanes<T>)) {
    let slopes = slopes.map(|slopes| {
        let before = slopes.len();
        slopes.append(x.len(), T::of(0.0));
        &mut slopes[before..]
    });
    vectorised(
        #[inline(always)]
        || {
            if let Some(slopes) = slopes {
                for (x, slope) in x.chunks_exact_mut(LANES).zip(slopes.chunks_exact_mut(LANES)) {
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
}

/// Numbers of any count.
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
    with(
        into,
        by,
        #[inline(always)]
        |a, b| a * b,
    );
}

/// Replaces numbers by a function of them and of as many others, whole vectors.
#[inline(always)]
fn with<T: Real>(into: &mut [T], others: &[T], f: impl Fn(Lanes<T>, Lanes<T>) -> Lanes<T>) {
    vectorised(
        #[inline(always)]
        || {
            for (a, b) in into.chunks_exact_mut(LANES).zip(others.chunks_exact(LANES)) {
                f(Lanes::load(a), Lanes::load(b)).store(a);
            }
        },
    );
}
