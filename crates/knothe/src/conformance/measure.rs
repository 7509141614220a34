//! How much rounding can do: ε times the measured condition.

use burn::tensor::Tensor;

use crate::{
    bijection::{Bijection, Given},
    error::Result,
    given::Owned,
    placement::{Placement, values},
};

/// Roundings allowed for: a result is the end of sums over hidden layers, whose errors grow like the root of their
/// number, and of as many coordinates as there are. A wrong formula is off by many more.
const ROUNDING: f64 = 1024.0;

/// Which way through the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Inverse,
}

impl Way {
    pub(super) fn apply<B: Bijection + ?Sized>(self, map: &B, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        match self {
            Way::Forward => map.forward_and_ladj(x, given),
            Way::Inverse => map.inverse_and_ladj(x, given),
        }
    }

    /// What the results of this way are given when they go on.
    pub(super) fn after<B: Bijection + ?Sized>(self, map: &B, given: &Given) -> Owned {
        let present = given.present.cloned().map(|present| match self {
            Way::Forward => map.present_forward(present),
            Way::Inverse => map.present_inverse(present),
        });
        Owned { present, ..given.map(Tensor::clone) }
    }
}

/// What rounding may do to a number of size `scale` whose road has condition `condition`.
pub(super) fn rounding(place: &Placement, scale: f64, condition: f64) -> f64 {
    ROUNDING * place.precision.epsilon() * (1.0 + scale.abs() + condition)
}

/// How much T(x) and ladj(x) move at a row for a relative step of x.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Condition {
    pub value: f64,
    pub ladj: f64,
}

impl Condition {
    /// The larger of the two.
    pub(super) fn worst(self) -> f64 {
        self.value.max(self.ladj)
    }
}

/// The condition of x ↦ (T(x), ladj(x)) at each row: the largest change of each over a relative step, for steps of
/// alternating signs both ways. The step √ε is large enough for rounding not to show in it.
pub(super) fn condition<B: Bijection + ?Sized>(map: &B, way: Way, x: &Tensor<2>, given: &Given) -> Result<Vec<Condition>> {
    let [rows, dim] = x.dims();
    let place = Placement::of(x);
    let step = place.precision.epsilon().sqrt();
    let (y, ladj) = way.apply(map, x.clone(), given)?;
    let (y, ladj) = (values(y), values(ladj));
    let start = values(x.clone());
    let mut worst = vec![Condition::default(); rows];
    for phase in 0..4 {
        let sign = |k: usize| if (((k % dim) >> (phase / 2)) & 1) ^ (phase & 1) == 0 { 1.0 } else { -1.0 };
        let moved = start.iter().enumerate().map(|(k, v)| v + sign(k) * step * (1.0 + v.abs())).collect();
        let (y2, ladj2) = way.apply(map, given.masked(place.tensor(moved, [rows, dim])), given)?;
        let change = values(y2).into_iter().zip(&y).map(|(a, b)| (a - b).abs() / step).collect::<Vec<_>>();
        let ladj_change = values(ladj2).into_iter().zip(&ladj).map(|(a, b)| (a - b).abs() / step);
        for (row, l) in ladj_change.enumerate() {
            let worst = &mut worst[row];
            worst.value = change[row * dim..(row + 1) * dim].iter().fold(worst.value, |m, &c| m.max(c));
            worst.ladj = worst.ladj.max(l);
        }
    }
    Ok(worst)
}
