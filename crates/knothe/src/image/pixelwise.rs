//! A bijection of the channels, the same at every pixel: with [`crate::linear::Matrix`] or [`crate::linear::Lu`] an invertible 1 × 1 convolution, with
//! [`crate::linear::ActNorm`] the activation normalisation of images (Kingma & Dhariwal 2018, §3).

use burn::module::Module;
use burn::tensor::Tensor;

use super::ImageShape;
use crate::{
    bijection::{Batch, Batches, Bijection, Given, Mapped, check_dim},
    compose::Compose,
    error::Result,
};

/// x = T(z) on the channels of each pixel. Its ladj is the sum over the pixels: of a matrix W, height · width · log|det W|.
///
/// The layers inside read no context.
#[derive(Module, Debug)]
pub struct Pixelwise {
    inner: Compose,
    pixels: usize,
}

impl Pixelwise {
    /// `inner` is over as many coordinates as the image has channels.
    pub fn new(image: ImageShape, inner: Compose) -> Result<Self> {
        image.check_dim(inner.dim() * image.pixels())?;
        Ok(Pixelwise { inner, pixels: image.pixels() })
    }

    /// Channels as columns, `[rows · pixels, channels]`.
    fn channels(&self, x: Tensor<2>) -> Tensor<2> {
        let (rows, channels) = (x.dims()[0], self.inner.dim());
        x.reshape([rows, channels, self.pixels]).swap_dims(1, 2).reshape([rows * self.pixels, channels])
    }

    fn image(&self, x: Tensor<2>, ladj: Tensor<1>) -> (Tensor<2>, Tensor<1>) {
        let (rows, channels) = (x.dims()[0] / self.pixels, self.inner.dim());
        let x = x.reshape([rows, self.pixels, channels]).swap_dims(1, 2).reshape([rows, channels * self.pixels]);
        (x, ladj.reshape([rows, self.pixels]).sum_dim(1).squeeze_dim(1))
    }

    /// Every pixel as a row of its own.
    fn rows(&self, batch: &Batch) -> Batch {
        let weights = batch.weights.as_ref().map(|w| w.iter().flat_map(|&w| std::iter::repeat_n(w, self.pixels)).collect());
        Batch { x: self.channels(batch.x.clone()), context: None, weights, seed: batch.seed }
    }
}

impl Bijection for Pixelwise {
    fn dim(&self) -> usize {
        self.inner.dim() * self.pixels
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        check_dim("z", &z, self.dim())?;
        let (x, ladj) = self.inner.forward_and_ladj(self.channels(z), &Given { context: None, ..*given })?;
        Ok(self.image(x, ladj))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        check_dim("x", &x, self.dim())?;
        let (z, ladj) = self.inner.inverse_and_ladj(self.channels(x), &Given { context: None, ..*given })?;
        Ok(self.image(z, ladj))
    }

    fn starts_from_data(&self) -> bool {
        self.inner.starts_from_data()
    }

    fn initialise(&mut self, data: &mut dyn Batches) -> Result<()> {
        let own = self.clone();
        self.inner.initialise(&mut Mapped { data, map: |batch: &Batch| Ok(own.rows(batch)) })
    }

    fn has_statistics(&self) -> bool {
        self.inner.has_statistics()
    }

    fn collect_statistics(&mut self, data: &mut dyn Batches) -> Result<()> {
        let own = self.clone();
        self.inner.collect_statistics(&mut Mapped { data, map: |batch: &Batch| Ok(own.rows(batch)) })
    }
}
