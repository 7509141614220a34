//! A univariate map on a tile: one coordinate of some rows, each row with parameters of its own.

use std::{fmt::Debug, sync::Arc};

use super::{
    Real,
    lanes::{LANES, Lanes, vectorised},
};

/// The parameters of sixteen rows.
#[derive(Clone, Copy)]
pub(crate) struct Theta<'a, T> {
    from: &'a [T],
    stride: usize,
}

impl<T: Real> Theta<'_, T> {
    /// Parameter `p` of each row.
    #[inline(always)]
    pub fn get(&self, p: usize) -> Lanes<T> {
        Lanes::load(&self.from[p * self.stride..])
    }
}

/// Where the gradients of the parameters of sixteen rows go.
pub(crate) struct ThetaGradient<'a, T> {
    into: &'a mut [T],
    stride: usize,
}

impl<T: Real> ThetaGradient<'_, T> {
    /// Sets that of parameter `p`.
    #[inline(always)]
    pub fn set(&mut self, p: usize, gradient: Lanes<T>) {
        gradient.store(&mut self.into[p * self.stride..]);
    }
}

/// A univariate map of sixteen rows. Mark the methods `#[inline(always)]`, or they are compiled without vector instructions.
pub(crate) trait LaneMap: Debug + Send + Sync + 'static {
    /// How many numbers a row [`LaneMap::value`] and [`LaneMap::gradient`] want to put aside.
    fn scratch(&self) -> usize {
        0
    }

    /// y = T(x; θ) and log T′(x; θ).
    fn value<T: Real>(&self, x: Lanes<T>, theta: Theta<'_, T>, scratch: &mut [Lanes<T>]) -> (Lanes<T>, Lanes<T>);

    /// For a loss L with ∂L/∂y = `g` and ∂L/∂ log T′ = `h`: writes every ∂L/∂θ and returns ∂L/∂x.
    fn gradient<T: Real>(
        &self,
        x: Lanes<T>,
        theta: Theta<'_, T>,
        g: Lanes<T>,
        h: Lanes<T>,
        into: ThetaGradient<'_, T>,
        scratch: &mut [Lanes<T>],
    ) -> Lanes<T>;
}

/// The fused form of a [`crate::univariate::MonotoneMap`] on the CPU.
#[derive(Clone, Debug)]
pub struct Kernel(Arc<dyn Tile>);

impl Kernel {
    pub(crate) fn new(map: impl LaneMap) -> Self {
        Kernel(Arc::new(map))
    }

    pub(super) fn of(tile: impl Tile + 'static) -> Self {
        Kernel(Arc::new(tile))
    }

    /// T and log T′ of n numbers, n a multiple of sixteen, with θ of `[parameters, n]`.
    pub(super) fn value<T: Real>(&self, x: &[T], theta: &[T], y: &mut [T], ladj: &mut [T]) {
        T::tile_value(&*self.0, x, theta, [y, ladj]);
    }

    /// The gradients by θ and by x, from those by T and by log T′.
    pub(super) fn gradient<T: Real>(&self, x: &[T], theta: &[T], g: [&[T]; 2], gtheta: &mut [T], gx: &mut [T]) {
        T::tile_gradient(&*self.0, x, theta, g, [gtheta, gx]);
    }
}

/// A [`LaneMap`] at both precisions, as an object.
pub(crate) trait Tile: Debug + Send + Sync {
    fn value_f32(&self, x: &[f32], theta: &[f32], into: [&mut [f32]; 2]);
    fn value_f64(&self, x: &[f64], theta: &[f64], into: [&mut [f64]; 2]);
    fn gradient_f32(&self, x: &[f32], theta: &[f32], g: [&[f32]; 2], into: [&mut [f32]; 2]);
    fn gradient_f64(&self, x: &[f64], theta: &[f64], g: [&[f64]; 2], into: [&mut [f64]; 2]);
}

impl<M: LaneMap> Tile for M {
    fn value_f32(&self, x: &[f32], theta: &[f32], into: [&mut [f32]; 2]) {
        vectorised(
            #[inline(always)]
            || value(self, x, theta, into),
        );
    }

    fn value_f64(&self, x: &[f64], theta: &[f64], into: [&mut [f64]; 2]) {
        vectorised(
            #[inline(always)]
            || value(self, x, theta, into),
        );
    }

    fn gradient_f32(&self, x: &[f32], theta: &[f32], g: [&[f32]; 2], into: [&mut [f32]; 2]) {
        vectorised(
            #[inline(always)]
            || gradient(self, x, theta, g, into),
        );
    }

    fn gradient_f64(&self, x: &[f64], theta: &[f64], g: [&[f64]; 2], into: [&mut [f64]; 2]) {
        vectorised(
            #[inline(always)]
            || gradient(self, x, theta, g, into),
        );
    }
}

#[inline(always)]
fn value<T: Real, M: LaneMap>(map: &M, x: &[T], theta: &[T], [y, ladj]: [&mut [T]; 2]) {
    let stride = x.len();
    let mut scratch = vec![Lanes::of(0.0); map.scratch()];
    for at in (0..stride).step_by(LANES) {
        let (value, log_slope) = map.value(Lanes::load(&x[at..]), Theta { from: &theta[at..], stride }, &mut scratch);
        value.store(&mut y[at..]);
        log_slope.store(&mut ladj[at..]);
    }
}

#[inline(always)]
fn gradient<T: Real, M: LaneMap>(map: &M, x: &[T], theta: &[T], [g, h]: [&[T]; 2], [gtheta, gx]: [&mut [T]; 2]) {
    let stride = x.len();
    let mut scratch = vec![Lanes::of(0.0); map.scratch()];
    for at in (0..stride).step_by(LANES) {
        let (theta, into) = (Theta { from: &theta[at..], stride }, ThetaGradient { into: &mut gtheta[at..], stride });
        let (x, g, h) = (Lanes::load(&x[at..]), Lanes::load(&g[at..]), Lanes::load(&h[at..]));
        map.gradient(x, theta, g, h, into, &mut scratch).store(&mut gx[at..]);
    }
}
