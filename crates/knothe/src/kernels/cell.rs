//! The cell of an LSTM: gates (o, f, i, g), c' = σ(f) c + σ(i) tanh(g), h = σ(o) tanh(c').

use burn::tensor::{Tensor, activation::sigmoid};

use super::{
    Real,
    gate::some,
    lanes::{LANES, Lanes, vectorised},
};

/// c' and h from gates, `[rows, 4 · width, …]`, and c, `[rows, width, …]`. Without `old`, c is 0.
pub(crate) fn cell<const D: usize>(gates: Tensor<D>, old: Option<Tensor<D>>) -> [Tensor<D>; 2] {
    let width = gates.dims()[1] / 4;
    let [output, forget, input, new] = [0, 1, 2, 3].map(|k| gates.clone().narrow(1, k * width, width));
    let added = sigmoid(input) * new.tanh();
    let cells = match old {
        Some(old) => sigmoid(forget) * old + added,
        None => added,
    };
    [cells.clone(), sigmoid(output) * cells.tanh()]
}

/// Writes as many lanes as fit.
#[inline(always)]
fn set<T: Real>(lanes: Lanes<T>, into: &mut [T], start: usize) {
    match into[start..].first_chunk_mut::<LANES>() {
        Some(whole) => *whole = lanes.0,
        None => {
            let n = into.len() - start;
            into[start..].copy_from_slice(&lanes.0[..n]);
        }
    }
}

#[inline(always)]
fn tanh<T: Real>(x: Lanes<T>) -> Lanes<T> {
    let (above, below) = (x + x).sigmoids();
    above - below
}

/// Turns gates into their activations, in place, and writes c' and h.
pub(super) fn step<T: Real>(gates: &mut [T], old: &[T], cells: &mut [T], hidden: &mut [T]) {
    let n = old.len();
    let (output, rest) = gates.split_at_mut(n);
    let (forget, rest) = rest.split_at_mut(n);
    let (input, new) = rest.split_at_mut(n);
    vectorised(
        #[inline(always)]
        || {
            for at in (0..n).step_by(LANES) {
                let (o, _) = some(output, at).sigmoids();
                let (f, _) = some(forget, at).sigmoids();
                let (i, _) = some(input, at).sigmoids();
                let g = tanh(some(new, at));
                let c = f * some(old, at) + i * g;
                set(o, output, at);
                set(f, forget, at);
                set(i, input, at);
                set(g, new, at);
                set(c, cells, at);
                set(o * tanh(c), hidden, at);
            }
        },
    );
}

/// The gradients of the gates from their activations, c, c' and the gradient of h. `of_cells` first holds the gradient of c' from later lines, and then the gradient of c.
pub(super) fn step_back<T: Real>(gates: &[T], [old, cells]: [&[T]; 2], of_hidden: &[T], of_cells: &mut [T], of_gates: &mut [T]) {
    let n = old.len();
    let (outputs, rest) = of_gates.split_at_mut(n);
    let (forgets, rest) = rest.split_at_mut(n);
    let (inputs, news) = rest.split_at_mut(n);
    let (output, rest) = gates.split_at(n);
    let (forget, rest) = rest.split_at(n);
    let (input, new) = rest.split_at(n);
    vectorised(
        #[inline(always)]
        || {
            let one = Lanes::of(1.0);
            for at in (0..n).step_by(LANES) {
                let (o, f) = (some(output, at), some(forget, at));
                let (i, g) = (some(input, at), some(new, at));
                let (height, of_h) = (tanh(some(cells, at)), some(of_hidden, at));
                let of_c = some(of_cells, at) + of_h * o * (one - height * height);
                set(of_h * height * o * (one - o), outputs, at);
                set(of_c * some(old, at) * f * (one - f), forgets, at);
                set(of_c * g * i * (one - i), inputs, at);
                set(of_c * i * (one - g * g), news, at);
                set(of_c * f, of_cells, at);
            }
        },
    );
}
