//! One map after another, tile by tile; see [`crate::univariate::Composed`].

use super::{Kernel, Real, tile::Tile};

/// The second map after the first.
#[derive(Clone, Debug)]
struct Chain {
    first: Kernel,
    second: Kernel,
    /// Parameters of the one whose parameters come first in θ, and whether that is the second.
    leading: usize,
    swapped: bool,
}

impl Kernel {
    /// `second` after this map of so many parameters, which come first in θ.
    pub(crate) fn then(self, parameters: usize, second: Kernel) -> Kernel {
        Kernel::of(Chain { first: self, second, leading: parameters, swapped: false })
    }

    /// This map, of so many parameters, which come first in θ, after `first`.
    pub(crate) fn after(self, parameters: usize, first: Kernel) -> Kernel {
        Kernel::of(Chain { first, second: self, leading: parameters, swapped: true })
    }
}

impl Chain {
    /// The parts of the first map and of the second.
    fn split<P>(&self, (leading, rest): (P, P)) -> (P, P) {
        if self.swapped { (rest, leading) } else { (leading, rest) }
    }

    fn value<T: Real>(&self, x: &[T], theta: &[T], [y, ladj]: [&mut [T]; 2]) {
        let (own, rest) = self.split(theta.split_at(self.leading * x.len()));
        let (mut between, mut inner) = (vec![T::of(0.0); x.len()], vec![T::of(0.0); x.len()]);
        self.first.value(x, own, &mut between, &mut inner);
        self.second.value(&between, rest, y, ladj);
        ladj.iter_mut().zip(inner).for_each(|(sum, inner)| *sum += inner);
    }

    fn gradient<T: Real>(&self, x: &[T], theta: &[T], [g, h]: [&[T]; 2], [gtheta, gx]: [&mut [T]; 2]) {
        let leading = self.leading * x.len();
        let (own, rest) = self.split(theta.split_at(leading));
        let (gown, grest) = self.split(gtheta.split_at_mut(leading));
        let (mut between, mut gbetween) = (vec![T::of(0.0); x.len()], vec![T::of(0.0); x.len()]);
        // The log-derivatives go where the gradients do afterwards.
        self.first.value(x, own, &mut between, &mut gbetween);
        self.second.gradient(&between, rest, [g, h], grest, &mut gbetween);
        self.first.gradient(x, own, [&gbetween, h], gown, gx);
    }
}

impl Tile for Chain {
    fn value_f32(&self, x: &[f32], theta: &[f32], into: [&mut [f32]; 2]) {
        self.value(x, theta, into);
    }

    fn value_f64(&self, x: &[f64], theta: &[f64], into: [&mut [f64]; 2]) {
        self.value(x, theta, into);
    }

    fn gradient_f32(&self, x: &[f32], theta: &[f32], g: [&[f32]; 2], into: [&mut [f32]; 2]) {
        self.gradient(x, theta, g, into);
    }

    fn gradient_f64(&self, x: &[f64], theta: &[f64], g: [&[f64]; 2], into: [&mut [f64]; 2]) {
        self.gradient(x, theta, g, into);
    }
}
