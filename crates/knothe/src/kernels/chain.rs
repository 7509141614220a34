//! One map after another, tile by tile; see [`crate::univariate::Composed`].

use super::{Kernel, Real, tile::Tile};

/// The second map after the first, which has the first `parameters` of θ.
#[derive(Clone, Debug)]
struct Chain {
    first: Kernel,
    second: Kernel,
    parameters: usize,
}

impl Kernel {
    /// `second` after this map of so many parameters; its own come first.
    pub(crate) fn then(self, parameters: usize, second: Kernel) -> Kernel {
        Kernel::of(Chain { first: self, second, parameters })
    }
}

impl Chain {
    fn value<T: Real>(&self, x: &[T], theta: &[T], [y, ladj]: [&mut [T]; 2]) {
        let (own, rest) = theta.split_at(self.parameters * x.len());
        let (mut between, mut inner) = (vec![T::of(0.0); x.len()], vec![T::of(0.0); x.len()]);
        self.first.value(x, own, &mut between, &mut inner);
        self.second.value(&between, rest, y, ladj);
        ladj.iter_mut().zip(inner).for_each(|(sum, inner)| *sum += inner);
    }

    fn gradient<T: Real>(&self, x: &[T], theta: &[T], [g, h]: [&[T]; 2], [gtheta, gx]: [&mut [T]; 2]) {
        let (own, rest) = theta.split_at(self.parameters * x.len());
        let (gown, grest) = gtheta.split_at_mut(own.len());
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
