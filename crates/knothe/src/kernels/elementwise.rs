//! A univariate map over a whole table in one pass: value and log-derivative, and the gradients of both.

use std::fmt::Debug;

use burn::{
    backend::{Autodiff, DispatchDevice, Flex},
    tensor::{DType, Tensor, TensorData},
};
use rayon::prelude::*;

use super::{
    Real,
    fused::{FusedOp, Plain, apply},
};

/// Rows a task. The parts of a batch depend on nothing but its size.
const ROWS: usize = 64;

/// A univariate map of one number.
pub(crate) trait ScalarMap: Clone + Debug + Send + Sync + 'static {
    /// y = T(x; θ) and log T′(x; θ). `work` is as long as θ.
    fn value<T: Real>(&self, x: T, theta: &[T], work: &mut [T]) -> (T, T);

    /// For L with ∂L/∂y = `g` and ∂L/∂ log T′ = `h`: writes ∂L/∂θ and returns ∂L/∂x. `work` is as long as θ.
    fn gradient<T: Real>(&self, x: T, theta: &[T], g: T, h: T, into: &mut [T], work: &mut [T]) -> T;
}

/// T and log T′ of every x of `[rows, dim]` under its θ of `[rows, parameters, dim]`; none on a device that has no kernels.
pub(crate) fn value<M: ScalarMap>(map: &M, x: &Tensor<2>, theta: &Tensor<3>) -> Option<(Tensor<2>, Tensor<2>)> {
    let device = theta.device();
    if !matches!(device.clone().inner().as_dispatch(), DispatchDevice::Flex(_)) {
        return None;
    }
    let (x, theta, op) = (x.clone(), theta.clone(), Elementwise(map.clone()));
    if x.is_autodiff() || theta.is_autodiff() {
        let x = if x.is_autodiff() { x } else { Tensor::from_inner(x) };
        let theta = if theta.is_autodiff() { theta } else { Tensor::from_inner(theta) };
        let inputs = [x.try_into_primitive::<Autodiff<Flex>>().ok()?, theta.try_into_primitive::<Autodiff<Flex>>().ok()?];
        let [y, ladj] = apply(op, inputs);
        return Some((Tensor::from_primitive::<Autodiff<Flex>>(y), Tensor::from_primitive::<Autodiff<Flex>>(ladj)));
    }
    let [y, ladj] = op.forward(&[x.try_into_primitive::<Flex>().ok()?, theta.try_into_primitive::<Flex>().ok()?]);
    Some((Tensor::from_primitive::<Flex>(y), Tensor::from_primitive::<Flex>(ladj)))
}

#[derive(Clone, Debug)]
struct Elementwise<M>(M);

impl<M: ScalarMap> FusedOp for Elementwise<M> {
    fn forward(&self, [x, theta]: &[Plain; 2]) -> [Plain; 2] {
        if x.dtype() == DType::F64 { forward::<f64, M>(&self.0, x, theta) } else { forward::<f32, M>(&self.0, x, theta) }
    }

    fn backward(&self, [x, theta]: &[Plain; 2], gradients: [Option<Plain>; 2]) -> [Plain; 2] {
        if x.dtype() == DType::F64 {
            backward::<f64, M>(&self.0, x, theta, gradients)
        } else {
            backward::<f32, M>(&self.0, x, theta, gradients)
        }
    }
}

/// `[rows, parameters, dim]` of a θ.
fn shape(theta: &Plain) -> [usize; 3] {
    let shape = theta.layout().shape();
    [shape[0], shape[1], shape[2]]
}

fn tensor<T: Real>(values: Vec<T>, shape: &[usize]) -> Plain {
    Plain::from_data(TensorData::new(values, shape.to_vec()))
}

fn forward<T: Real, M: ScalarMap>(map: &M, x: &Plain, theta: &Plain) -> [Plain; 2] {
    let [rows, parameters, dim] = shape(theta);
    let (x, theta) = (data(x), data(theta));
    let (mut y, mut ladj) = (vec![T::of(0.0); rows * dim], vec![T::of(0.0); rows * dim]);
    let (xs, thetas) = (x.as_slice::<T>().unwrap_or(&[]), theta.as_slice::<T>().unwrap_or(&[]));
    let parts = y.par_chunks_mut(ROWS * dim).zip(ladj.par_chunks_mut(ROWS * dim));
    parts.zip(xs.par_chunks(ROWS * dim)).zip(thetas.par_chunks(ROWS * dim * parameters)).for_each(|(((y, ladj), x), theta)| {
        let mut own = vec![T::of(0.0); parameters];
        let mut work = own.clone();
        for (k, &x) in x.iter().enumerate() {
            gather(theta, k, dim, &mut own);
            (y[k], ladj[k]) = map.value(x, &own, &mut work);
        }
    });
    [tensor(y, &[rows, dim]), tensor(ladj, &[rows, dim])]
}

fn backward<T: Real, M: ScalarMap>(map: &M, x: &Plain, theta: &Plain, gradients: [Option<Plain>; 2]) -> [Plain; 2] {
    let [rows, parameters, dim] = shape(theta);
    let (x, theta) = (data(x), data(theta));
    let (mut gx, mut gtheta) = (vec![T::of(0.0); rows * dim], vec![T::of(0.0); rows * parameters * dim]);
    let (xs, thetas) = (x.as_slice::<T>().unwrap_or(&[]), theta.as_slice::<T>().unwrap_or(&[]));
    let gradients = gradients.map(|g| g.map(|g| data(&g)));
    let [g, h] = gradients.each_ref().map(|g| g.as_ref().and_then(|g| g.as_slice::<T>().ok()));
    let parts = gx.par_chunks_mut(ROWS * dim).zip(gtheta.par_chunks_mut(ROWS * parameters * dim));
    let parts = parts.zip(xs.par_chunks(ROWS * dim)).zip(thetas.par_chunks(ROWS * dim * parameters)).enumerate();
    parts.for_each(|(part, (((gx, gtheta), x), theta))| {
        let mut own = vec![T::of(0.0); parameters];
        let (mut into, mut work) = (own.clone(), own.clone());
        for (k, &x) in x.iter().enumerate() {
            let at = |of: Option<&[T]>| of.map_or(T::of(0.0), |of| of[part * ROWS * dim + k]);
            gather(theta, k, dim, &mut own);
            gx[k] = map.gradient(x, &own, at(g), at(h), &mut into, &mut work);
            let first = k / dim * parameters * dim + k % dim;
            into.iter().enumerate().for_each(|(p, &v)| gtheta[first + p * dim] = v);
        }
    });
    [tensor(gx, &[rows, dim]), tensor(gtheta, &[rows, parameters, dim])]
}

/// The numbers of a tensor in row-major order.
fn data(tensor: &Plain) -> TensorData {
    tensor.clone().into_data()
}

/// The parameters of the k-th number of a part.
fn gather<T: Real>(theta: &[T], k: usize, dim: usize, own: &mut [T]) {
    let first = k / dim * own.len() * dim + k % dim;
    own.iter_mut().enumerate().for_each(|(p, v)| *v = theta[first + p * dim]);
}
