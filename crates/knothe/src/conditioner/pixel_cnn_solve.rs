//! The pixels of a gated PixelCNN one after another.
//!
//! The vertical stack of a row reads only the rows above it, so it is computed once per row, for all pixels. The horizontal stack of a pixel
//! reads the pixels to its left. Each block keeps the rows and the pixels that its windows still reach, so nothing is computed twice.
//! There is one exception: if a channel reads the earlier channels of its pixel, the horizontal stack runs once per channel.

use burn::tensor::{Tensor, activation::relu};

use super::{AutoregressiveConditioner, Convolution, Order, PixelCnn, Window, check_context, check_placement, pixel_cnn::Block};
use crate::{
    error::Result,
    given::Given,
    kernels::{ConvolutionLayer, convolve, gate},
    placement::Placement,
    space::ImageShape,
};

/// The images that one thread draws at once. Matrix products need many, and several threads share a block of samples only if they are few.
pub(super) const TILE: usize = 32;

/// y = W x + b of vectors.
pub(super) struct Product {
    /// `[inputs · taps, outputs]`.
    weight: Tensor<2>,
    /// `[1 or rows, outputs]`.
    bias: Tensor<2>,
}

impl Product {
    pub fn of(layer: ConvolutionLayer) -> Self {
        let [outputs, inputs, height, width] = layer.weight.dims();
        Product { weight: layer.weight.reshape([outputs, inputs * height * width]).transpose(), bias: layer.bias }
    }

    pub fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.clone()) + self.bias.clone()
    }
}

/// A block, with what its windows reach.
struct Running {
    /// The vertical convolution of one row. Its inputs are the inputs of all rows that it reaches.
    vertical: ConvolutionLayer,
    link: ConvolutionLayer,
    horizontal: Product,
    residual: Product,
    /// `[rows, inputs, reach, width]`.
    above: Tensor<4>,
    /// `[rows, inputs, reach]`.
    left: Tensor<3>,
}

impl Running {
    fn new(block: &Block, context: Option<&Tensor<2>>, rows: usize, width: usize, place: &Placement) -> Self {
        let [of_v, of_h] = block.added(context);
        let ConvolutionLayer { weight, bias, window, .. } = block.vertical.layer(of_v, false);
        let [outputs, inputs, down, across] = weight.dims();
        let flat = Window { kernel: [1, across], before: [0, window.before[1]], ..window };
        let horizontal = block.horizontal.layer(of_h, false);
        let reach = horizontal.weight.dims()[3] - 1;
        Running {
            vertical: ConvolutionLayer {
                weight: weight.reshape([outputs, inputs * down, 1, across]),
                bias,
                window: flat,
                rectified: false,
            },
            link: block.link.layer(None, false),
            horizontal: Product::of(horizontal),
            residual: Product::of(block.residual.layer(None, false)),
            above: place.zeros([rows, inputs, down, width]),
            left: place.zeros([rows, inputs, reach]),
        }
    }

    /// Takes in the next row of the input of the vertical convolution, `[rows, inputs, 1, width]`.
    fn push_row(&mut self, row: Tensor<4>) {
        // Burn narrows to no size of 0.
        self.above = match self.above.dims()[2] {
            1 => row,
            down => Tensor::cat(vec![self.above.clone().narrow(2, 1, down - 1), row], 2),
        };
    }

    /// The output of the vertical convolution for the next row, `[rows, outputs, 1, width]`.
    fn found_above(&self) -> Tensor<4> {
        let [rows, inputs, down, width] = self.above.dims();
        convolve(self.above.clone().reshape([rows, inputs * down, 1, width]), vec![self.vertical.clone()])
    }

    /// The inputs that the horizontal convolution reaches from a pixel, `[rows, inputs, reach + 1]`.
    fn reached(&self, here: Tensor<2>) -> Tensor<3> {
        Tensor::cat(vec![self.left.clone(), here.unsqueeze_dim(2)], 2)
    }

    /// Goes on to the next pixel.
    fn push(&mut self, reached: &Tensor<3>) {
        self.left = reached.clone().narrow(2, 1, reached.dims()[2] - 1);
    }
}

/// One pixel of a row, `[rows, channels]`.
pub(super) fn pixel(row: &Tensor<4>, j: usize) -> Tensor<2> {
    let [rows, channels, ..] = row.dims();
    row.clone().narrow(3, j, 1).reshape([rows, channels])
}

fn gated(x: Tensor<2>) -> Tensor<2> {
    let [rows, both] = x.dims();
    gate(x.reshape([rows, both, 1, 1])).reshape([rows, both / 2])
}

impl AutoregressiveConditioner for PixelCnn {
    fn order(&self) -> &Order {
        &self.order
    }

    fn tile(&self) -> usize {
        TILE
    }

    fn solve(
        &self,
        rows: usize,
        given: &Given,
        place: &Placement,
        mut step: impl FnMut(usize, Tensor<3>) -> Result<Tensor<2>>,
    ) -> Result<Tensor<2>> {
        check_placement(place, self.output.dtype())?;
        let ImageShape { channels, height, width } = self.image;
        let parameters = self.config.parameters;
        // The channels of a pixel that do not read each other.
        let together = if self.config.within_pixel { 1 } else { channels };
        let context = check_context(given.context, rows, self.config.context_dim, place.dtype())?;
        if rows == 0 {
            return Ok(place.zeros([0, self.image.dim()]));
        }
        let mut blocks: Vec<Running> = self.blocks.iter().map(|block| Running::new(block, context, rows, width, place)).collect();
        let last: Vec<Product> = [&self.hidden, &self.output].map(|layer: &Convolution| Product::of(layer.layer(None, false))).into();
        let mut all = Vec::with_capacity(height);
        for i in 0..height {
            // The vertical stack of the row.
            let mut row: Option<Tensor<4>> = None;
            let mut links = Vec::with_capacity(blocks.len());
            for block in &mut blocks {
                if let Some(row) = row.take() {
                    block.push_row(row);
                }
                let before = block.found_above();
                links.push(convolve(before.clone(), vec![block.link.clone()]));
                row = Some(gate(before));
                block.left = block.left.zeros_like();
            }
            // Pixel by pixel, the horizontal stack.
            let mut values: Vec<Tensor<2>> = Vec::with_capacity(width * channels);
            for j in 0..width {
                let mut own = place.zeros([rows, channels, 1, 1]);
                for first in (0..channels).step_by(together) {
                    let mut here = self.read(own.clone()).reshape([rows, channels + 1]);
                    for (l, (block, link)) in blocks.iter_mut().zip(&links).enumerate() {
                        let reached = block.reached(here.clone());
                        let [_, inputs, taps] = reached.dims();
                        let seen = block.horizontal.apply(reached.clone().reshape([rows, inputs * taps])) + pixel(link, j);
                        let found = block.residual.apply(gated(seen));
                        here = if l == 0 { found } else { here + found };
                        // The first block moves on below, since its input still lacks the last channel of the pixel.
                        if l > 0 && first + together == channels {
                            block.push(&reached);
                        }
                    }
                    let theta = last.iter().fold(here, |h, layer| layer.apply(relu(h))).reshape([rows, parameters, channels]);
                    for channel in first..first + together {
                        let value = step((channel * height + i) * width + j, theta.clone().narrow(2, channel, 1))?;
                        own = own.slice_assign([0..rows, channel..channel + 1, 0..1, 0..1], value.clone().reshape([rows, 1, 1, 1]));
                        values.push(value);
                    }
                }
                let reached = blocks[0].reached(self.read(own).reshape([rows, channels + 1]));
                blocks[0].push(&reached);
            }
            let row = Tensor::cat(values, 1).reshape([rows, width, channels]).swap_dims(1, 2).reshape([rows, channels, 1, width]);
            blocks[0].push_row(self.read(row.clone()));
            all.push(row);
        }
        Ok(Tensor::cat(all, 2).reshape([rows, self.image.dim()]))
    }
}
