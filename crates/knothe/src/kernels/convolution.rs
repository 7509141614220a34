//! Convolutions in a row, each with its bias and a ReLU after it where it is asked for.

use burn::tensor::{Tensor, activation::relu, module::conv2d, ops::ConvOptions};

use super::{
    columns::Window,
    fused::has_kernels,
    program::{Program, fused},
};
use crate::placement::Placement;

/// y[n, o] = b[n, o] + Σ_{c, tap} W[o, c, tap] x[n, c](· + tap), and max(y, 0) where `rectified`.
#[derive(Clone)]
pub(crate) struct ConvolutionLayer {
    /// W, of `[o, c, kernel]`.
    pub weight: Tensor<4>,
    /// b, of `[rows, o]` or `[1, o]`.
    pub bias: Tensor<2>,
    /// The taps.
    pub window: Window,
    /// Whether a ReLU comes after it.
    pub rectified: bool,
}

/// The layers one after another on x of `[rows, channels, height, width]`.
pub(crate) fn convolve(x: Tensor<4>, layers: Vec<ConvolutionLayer>) -> Tensor<4> {
    if has_kernels(&x)
        && let Some(y) = fused(&Program::chain(layers.len()), &x, &layers)
    {
        return y;
    }
    layers.into_iter().fold(x, composed)
}

fn composed(x: Tensor<4>, ConvolutionLayer { weight, bias, window, rectified }: ConvolutionLayer) -> Tensor<4> {
    let [rows, _, height, width] = x.dims();
    let [outputs, ..] = weight.dims();
    if rows * height * width == 0 {
        return Placement::of(&x).zeros([rows, outputs, height, width]);
    }
    // As much on either side; a causal window then keeps the outputs that see nothing of the padding after it.
    let options = ConvOptions::new([1, 1], window.before, [window.dilation; 2], 1);
    let y = conv2d(x, weight, None, options).narrow(2, 0, height).narrow(3, 0, width);
    let y = y + bias.unsqueeze_dim::<3>(2).unsqueeze_dim::<4>(3);
    if rectified { relu(y) } else { y }
}

#[cfg(test)]
#[path = "convolution_tests.rs"]
mod tests;
