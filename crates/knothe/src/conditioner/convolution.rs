//! A convolutional layer.

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};
use rand::{Rng, RngExt};

use crate::{
    error::{Error, Result},
    kernels::{ConvolutionLayer, Window, convolve},
    placement::Placement,
};

/// y_o = b_o + Σ_{c, t} W_{o, c, t} x_c(· + t) over channels c and taps t, for images x of `[rows, inputs, height, width]` and y of
/// `[rows, outputs, height, width]`; what lies outside of an image is 0.
///
/// ```
/// use knothe::{Placement, Precision, conditioner::{Convolution, Window}};
/// use rand::SeedableRng;
/// let (cpu, mut rng) = (Placement::cpu(Precision::F32), rand_chacha::ChaCha12Rng::seed_from_u64(0));
/// let layer = Convolution::new([3, 8], Window::same(3), 1.0, &cpu, &mut rng);
/// assert_eq!(layer.forward(cpu.zeros([2, 3, 5, 7]))?.dims(), [2, 8, 5, 7]);
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Convolution {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
    mask: Option<Tensor<4>>,
    #[module(skip)]
    window: Window,
}

impl Convolution {
    /// Weights and biases uniform on ±gain/√fan-in, the fan-in being inputs · taps.
    pub fn new(widths: [usize; 2], window: Window, gain: f64, place: &Placement, rng: &mut impl Rng) -> Self {
        Self::drawn(widths, window, None, gain, place, rng)
    }

    /// A masked layer: output o reads tap t of input c only if `mask(o, c, t)`. The fan-in counts only the taps that an output reads.
    pub fn masked(
        widths: [usize; 2],
        window: Window,
        mask: &dyn Fn(usize, usize, usize) -> bool,
        gain: f64,
        place: &Placement,
        rng: &mut impl Rng,
    ) -> Self {
        Self::drawn(widths, window, Some(mask), gain, place, rng)
    }

    fn drawn(
        [inputs, outputs]: [usize; 2],
        window: Window,
        mask: Option<&dyn Fn(usize, usize, usize) -> bool>,
        gain: f64,
        place: &Placement,
        rng: &mut impl Rng,
    ) -> Self {
        let (taps, [height, width]) = (window.taps(), window.kernel);
        let of_output = inputs * taps;
        // An outline has no numbers to mask.
        let mask = mask.filter(|_| !place.is_outline());
        let reads = |o: usize, k: usize| mask.is_none_or(|mask| mask(o, k / taps, k % taps));
        let bound = |o: usize| gain / ((0..of_output).filter(|&k| reads(o, k)).count().max(1) as f64).sqrt();
        let bounds: Vec<f64> = if place.is_outline() { Vec::new() } else { (0..outputs).map(bound).collect() };
        let mut draw = |count: usize, each: usize| (0..count).map(|k| bounds[k / each] * (2.0 * rng.random::<f64>() - 1.0)).collect();
        let weight = place.tensor_of([outputs, inputs, height, width], || draw(outputs * of_output, of_output));
        let bias = place.tensor_of([outputs], || draw(outputs, 1));
        let mask = mask.map(|_| {
            let flags = (0..outputs * of_output).map(|k| f64::from(reads(k / of_output, k % of_output))).collect();
            place.tensor(flags, [outputs, inputs, height, width])
        });
        Convolution { weight: Param::from_tensor(weight), bias: Param::from_tensor(bias), mask, window }
    }

    /// The weights, 0 where the mask has none.
    pub(super) fn weight(&self) -> Tensor<4> {
        match &self.mask {
            Some(mask) => self.weight.val() * mask.clone(),
            None => self.weight.val(),
        }
    }

    /// The layer's output.
    ///
    /// # Errors
    /// [`Error::Shape`] where x has another number of channels, or another precision.
    pub fn forward(&self, x: Tensor<4>) -> Result<Tensor<4>> {
        let ([rows, found, height, width], [_, inputs, ..]) = (x.dims(), self.weight.dims());
        if found != inputs {
            return Err(Error::shape("x", format!("[rows, {inputs}, height, width]"), [rows, found, height, width]));
        }
        if x.dtype() != self.dtype() {
            return Err(Error::shape("x", format!("numbers of type {:?}", self.dtype()), x.dtype()));
        }
        Ok(convolve(x, vec![self.layer(None, false)]))
    }

    /// The layer with a bias of its own for each row, `[rows, outputs]`, added, and a ReLU after it where `rectified`.
    pub(super) fn layer(&self, added: Option<Tensor<2>>, rectified: bool) -> ConvolutionLayer {
        let bias = self.bias.val().unsqueeze::<2>();
        let bias = added.map_or_else(|| bias.clone(), |added| added + bias.clone());
        ConvolutionLayer { weight: self.weight(), bias, window: self.window, rectified }
    }

    /// The device and precision of the weights.
    pub(super) fn placement(&self) -> Placement {
        Placement::of(&self.bias.val())
    }

    /// The precision of the weights.
    pub(super) fn dtype(&self) -> DType {
        self.bias.val().dtype()
    }
}
