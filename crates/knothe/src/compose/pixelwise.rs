//! A bijection of the channels, the same at every pixel: with [`crate::linear::Matrix`] or [`crate::linear::Lu`] an invertible 1 × 1 convolution, with
//! [`crate::linear::ActNorm`] the activation normalisation of images (Kingma & Dhariwal 2018, §3).

use burn::module::Module;
use burn::tensor::Tensor;

use super::{Compose, Layer};
use crate::{
    bijection::{Batch, Bijection, Given, Mapped, Replay, check_dim},
    error::{Error, Result},
    kernels::{ConvolutionLayer, Window, convolve},
    placement::Placement,
    space::ImageShape,
};

/// x = T(z) on the channels of each pixel, T affine. Its ladj is the sum over the pixels: of a matrix W, height · width · log|det W|.
///
/// T is taken as a whole: its layers are asked for T(0) and T of each unit vector, and x = T(0) + Σ_c z_c (T(e_c) − T(0)) is one
/// 1 × 1 convolution, however many layers there are.
#[derive(Module, Debug)]
pub struct Pixelwise {
    inner: Compose,
    pixels: usize,
}

impl Pixelwise {
    /// `inner` is over as many coordinates as the image has channels.
    ///
    /// # Errors
    /// [`Error::Shape`] where it is not, and [`Error::Invalid`] where a layer is not an affine map that is the same for every row.
    pub fn new(image: ImageShape, inner: Compose) -> Result<Self> {
        image.check_dim(inner.dim() * image.pixels())?;
        let is_affine = |layer: &Layer| {
            matches!(layer, Layer::Permutation(_) | Layer::Lu(_) | Layer::Matrix(_) | Layer::Rotation(_) | Layer::ActNorm(_))
        };
        if let Some(at) = inner.layers().iter().position(|layer| !is_affine(layer)) {
            return Err(Error::invalid(
                "layers of channels",
                "permutations, lu, matrix, rotation and actnorm",
                format!("another as layer {at}"),
            ));
        }
        Ok(Pixelwise { inner, pixels: image.pixels() })
    }

    fn apply(&self, x: Tensor<2>, direction: impl FnOnce(Tensor<2>) -> Result<(Tensor<2>, Tensor<1>)>) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_dim("x", &x, self.dim())?;
        let (channels, place) = (self.inner.dim(), Placement::of(&x));
        // The origin, and the unit vectors.
        let points = (0..channels * (channels + 1)).map(|k| f64::from(k / channels == k % channels + 1)).collect();
        let (images, ladj) = direction(place.tensor(points, [channels + 1, channels])).map_err(|problem| match problem {
            Error::NotInvertible { what, .. } => Error::NotInvertible { what, rows: (0..rows).collect() },
            other => other,
        })?;
        let bias = images.clone().narrow(0, 0, 1);
        let weight = (images.narrow(0, 1, channels) - bias.clone()).transpose().reshape([channels, channels, 1, 1]);
        let layer = ConvolutionLayer { weight, bias, window: Window::same(1), rectified: false };
        let y = convolve(x.reshape([rows, channels, 1, self.pixels]), vec![layer]);
        let ladj = ladj.narrow(0, 0, 1) * self.pixels as f64;
        Ok((y.reshape([rows, self.dim()]), place.zeros([rows]) + ladj))
    }

    /// Channels as columns, `[rows · pixels, channels]`.
    fn channels(&self, x: Tensor<2>) -> Tensor<2> {
        let (rows, channels) = (x.dims()[0], self.inner.dim());
        x.reshape([rows, channels, self.pixels]).swap_dims(1, 2).reshape([rows * self.pixels, channels])
    }

    /// Every pixel as a row of its own.
    fn rows(&self, batch: &Batch) -> Result<Batch> {
        batch.given().refuse_absent("Pixelwise")?;
        let weights = batch.weights.as_ref().map(|w| w.iter().flat_map(|&w| std::iter::repeat_n(w, self.pixels)).collect());
        Ok(Batch { x: self.channels(batch.x.clone()), context: None, present: None, weights, draws: None, seed: batch.seed })
    }
}

impl Bijection for Pixelwise {
    fn dim(&self) -> usize {
        self.inner.dim() * self.pixels
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.refuse_absent("Pixelwise")?;
        self.apply(z, |z| self.inner.forward_and_ladj(z, &Given { context: None, ..*given }))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        given.refuse_absent("Pixelwise")?;
        self.apply(x, |x| self.inner.inverse_and_ladj(x, &Given { context: None, ..*given }))
    }

    fn starts_from_data(&self) -> bool {
        self.inner.starts_from_data()
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        let own = self.clone();
        self.inner.initialise(&mut Mapped { data, map: |batch: &Batch| own.rows(batch) })
    }

    fn has_statistics(&self) -> bool {
        self.inner.has_statistics()
    }

    fn collect_statistics(&mut self, data: &mut dyn Replay) -> Result<()> {
        let own = self.clone();
        self.inner.collect_statistics(&mut Mapped { data, map: |batch: &Batch| own.rows(batch) })
    }
}
