//! Computes the pixels of a Row LSTM or a Diagonal BiLSTM one after another.
//!
//! Each layer keeps the states of the row above. Their contribution to the gates of a row is computed once, for all pixels. At each pixel, a layer then computes
//! only the features and the state of this pixel. The mirrored pass of a row is computed when the row is complete. Nothing is computed twice, with one
//! exception: a pixel of several channels is computed once per channel.

use burn::tensor::{Tensor, activation::relu};

use super::{
    AutoregressiveConditioner, Convolution, Order, PixelRnn, Recurrence, Window, check_context, check_placement,
    pixel_cnn::read,
    pixel_cnn_solve::{Product, TILE, pixel},
    pixel_rnn::{Layer, Pass},
};
use crate::{
    error::Result,
    given::Given,
    kernels::{ConvolutionLayer, cell, convolve, followed},
    placement::Placement,
    space::ImageShape,
};

/// Pixels of a row side by side, `[rows, channels, 1, pixels]`.
fn in_row(pixels: Vec<Tensor<2>>) -> Tensor<4> {
    Tensor::stack::<3>(pixels, 2).unsqueeze_dim(2)
}

/// The weights of a convolution for one output pixel, as a matrix `[inputs · taps, outputs]`.
fn matrix(weight: Tensor<4>) -> Tensor<2> {
    let [outputs, inputs, height, width] = weight.dims();
    weight.reshape([outputs, inputs * height * width]).transpose()
}

/// The first convolution, split into the rows above and the pixels to the left.
struct First {
    /// The vertical convolution of one row. Its inputs are the inputs of all rows that the window reaches.
    vertical: ConvolutionLayer,
    horizontal: Tensor<2>,
    /// `[rows, inputs, radius, width]`.
    above: Tensor<4>,
    /// `[rows, inputs, radius]`.
    left: Tensor<3>,
}

impl First {
    fn new(layer: &Convolution, rows: usize, width: usize, place: &Placement) -> Self {
        let ConvolutionLayer { weight, bias, .. } = layer.layer(None, false);
        let [outputs, inputs, down, across] = weight.dims();
        let radius = down - 1;
        let vertical = ConvolutionLayer {
            weight: weight.clone().narrow(2, 0, radius).reshape([outputs, inputs * radius, 1, across]),
            bias,
            window: Window { kernel: [1, across], before: [0, radius], dilation: 1 },
            rectified: false,
        };
        let horizontal = matrix(weight.narrow(2, radius, 1).narrow(3, 0, radius + 1));
        First { vertical, horizontal, above: place.zeros([rows, inputs, radius, width]), left: place.zeros([rows, inputs, radius]) }
    }

    /// The contribution of the rows above to each pixel of the next row, `[rows, outputs, 1, width]`.
    fn found_above(&self) -> Tensor<4> {
        let [rows, inputs, radius, width] = self.above.dims();
        convolve(self.above.clone().reshape([rows, inputs * radius, 1, width]), vec![self.vertical.clone()])
    }

    /// The inputs of a pixel and of the pixels to its left, `[rows, inputs, radius + 1]`.
    fn reached(&self, own: Tensor<2>) -> Tensor<3> {
        Tensor::cat(vec![self.left.clone(), own.unsqueeze_dim(2)], 2)
    }

    /// The contribution of a pixel and of the pixels to its left to this pixel, `[rows, outputs]`.
    fn found_left(&self, own: Tensor<2>) -> Tensor<2> {
        let reached = self.reached(own);
        let [rows, inputs, taps] = reached.dims();
        reached.reshape([rows, inputs * taps]).matmul(self.horizontal.clone())
    }

    /// Goes on to the next pixel.
    fn push(&mut self, own: Tensor<2>) {
        let radius = self.left.dims()[2];
        self.left = self.reached(own).narrow(2, 1, radius);
    }

    /// Goes on to the next row. `row` holds the inputs of this one, `[rows, inputs, 1, width]`.
    fn push_row(&mut self, row: Tensor<4>) {
        let radius = self.above.dims()[2];
        self.above = Tensor::cat(vec![self.above.clone(), row], 2).narrow(2, 1, radius);
        self.left = self.left.zeros_like();
    }
}

/// A pass of a layer, with the states on which it depends.
struct Running {
    given: Tensor<2>,
    /// The contribution of the states of the row above to the gates, with the bias.
    above: ConvolutionLayer,
    /// The contribution of the state of the pixel beside to the gates, `[width, 4 · width]`; none if the lines are rows.
    beside: Option<Tensor<2>>,
    /// The gates of the row in progress without the contribution of its own pixels, `[rows, 4 · width, 1, width of the image]`.
    begun: Tensor<4>,
    /// The cells and states of the row above. They are read only if the lines are rows.
    earlier: Vec<[Tensor<2>; 2]>,
    /// The cells and states of the row in progress.
    states: Vec<[Tensor<2>; 2]>,
}

impl Running {
    fn new(pass: &Pass, context: Option<&Tensor<2>>, recurrence: Recurrence, [rows, width]: [usize; 2], place: &Placement) -> Self {
        let ConvolutionLayer { weight: given, bias, .. } = pass.given.layer(pass.added(context), false);
        let weight = pass.followed.val();
        let [gates, states, _] = weight.dims();
        let (above, beside) = match recurrence {
            Recurrence::Row => (followed(weight, bias), None),
            Recurrence::Diagonal => {
                let [above, beside] = [0, 1].map(|tap| weight.clone().narrow(2, tap, 1));
                let above = above.reshape([gates, states, 1, 1]);
                let above = ConvolutionLayer { weight: above, bias, window: Window::same(1), rectified: false };
                (above, Some(beside.reshape([gates, states]).transpose()))
            }
        };
        let begun = convolve(place.zeros([rows, states, 1, width]), vec![above.clone()]);
        Running { given: matrix(given), above, beside, begun, earlier: Vec::new(), states: Vec::new() }
    }

    /// The cell and the state of the next pixel. `reads` holds the inputs of the convolution `given` at this pixel, and is `None` if `begun` contains its output already.
    fn next(&self, j: usize, reads: Option<Tensor<2>>) -> [Tensor<2>; 2] {
        let mut gates = pixel(&self.begun, j);
        if let Some(reads) = reads {
            gates = gates + reads.matmul(self.given.clone());
        }
        // With rows, a cell depends on the cell above. With diagonals, it depends on the cell beside it, and its gates depend on the state there.
        let Some(beside) = &self.beside else { return cell(gates, self.earlier.get(j).map(|[cell, _]| cell.clone())) };
        match self.states.last() {
            Some([old, state]) => cell(gates + state.clone().matmul(beside.clone()), Some(old.clone())),
            None => cell(gates, None),
        }
    }

    /// Goes on to the next row, and returns the states of this one. They must be in the order of the columns.
    fn push_row(&mut self) -> Tensor<4> {
        let row = in_row(self.states.iter().map(|[_, state]| state.clone()).collect());
        self.begun = convolve(row.clone(), vec![self.above.clone()]);
        self.earlier = std::mem::take(&mut self.states);
        row
    }

    /// The states of a complete row, in the order of the columns. They are computed from right to left. `row` holds the inputs of the convolution `given`.
    fn mirrored(&mut self, row: Tensor<4>) -> Tensor<4> {
        let [rows, inputs, _, width] = row.dims();
        let reads = row.squeeze_dim::<3>(2).swap_dims(1, 2).reshape([rows * width, inputs]);
        let given = reads.matmul(self.given.clone());
        let gates = given.dims()[1];
        let given = given.reshape([rows, width, gates]).swap_dims(1, 2).unsqueeze_dim::<4>(2);
        self.begun = self.begun.clone() + given;
        for j in (0..width).rev() {
            let next = self.next(j, None);
            self.states.push(next);
        }
        self.states.reverse();
        self.push_row()
    }
}

/// A layer in progress.
struct Step {
    ahead: Running,
    mirrored: Option<Running>,
    residual: Product,
    /// The states of the mirrored pass in the row above.
    behind: Option<Tensor<4>>,
    /// The inputs of the layer at the complete pixels of the row in progress.
    read: Vec<Tensor<2>>,
}

impl Step {
    fn new(layer: &Layer, context: Option<&Tensor<2>>, recurrence: Recurrence, size: [usize; 2], place: &Placement) -> Self {
        let running = |pass: &Pass| Running::new(pass, context, recurrence, size, place);
        Step {
            ahead: running(&layer.ahead),
            mirrored: layer.mirrored.as_ref().map(running),
            residual: Product::of(layer.residual.layer(None, false)),
            behind: None,
            read: Vec::new(),
        }
    }

    /// The features of the next pixel. The layer keeps the pixel if it is `complete`.
    fn next(&mut self, j: usize, here: Tensor<2>, complete: bool) -> Tensor<2> {
        // With rows, the layer also reads the pixel to the left.
        let reads = if self.ahead.beside.is_some() {
            here.clone()
        } else {
            let left = self.read.last().cloned().unwrap_or_else(|| here.zeros_like());
            let [rows, inputs] = here.dims();
            Tensor::stack::<3>(vec![left, here.clone()], 2).reshape([rows, 2 * inputs])
        };
        let state = self.ahead.next(j, Some(reads));
        let states = match &self.behind {
            Some(behind) => state[1].clone() + pixel(behind, j),
            None => state[1].clone(),
        };
        let found = here.clone() + self.residual.apply(states);
        if complete {
            self.read.push(here);
            self.ahead.states.push(state);
        }
        found
    }

    /// Goes on to the next row. The mirrored pass of the first layer reads the image as well.
    fn push_row(&mut self, image: Option<Tensor<4>>) {
        self.ahead.push_row();
        let read = std::mem::take(&mut self.read);
        if let Some(mirrored) = &mut self.mirrored {
            let read: Vec<Tensor<4>> = [in_row(read)].into_iter().chain(image).collect();
            self.behind = Some(mirrored.mirrored(Tensor::cat(read, 1)));
        }
    }
}

impl AutoregressiveConditioner for PixelRnn {
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
        let (parameters, levels) = (self.config.parameters, self.config.levels);
        let context = check_context(given.context, rows, self.config.context_dim, place.dtype())?;
        if rows == 0 {
            return Ok(place.zeros([0, self.image.dim()]));
        }
        let mut first = First::new(&self.first, rows, width, place);
        let running = |layer: &Layer| Step::new(layer, context, self.config.recurrence, [rows, width], place);
        let mut layers: Vec<Step> = self.layers.iter().map(running).collect();
        let last: Vec<Product> = [&self.hidden, &self.output].map(|layer: &Convolution| Product::of(layer.layer(None, false))).into();
        let mut all = Vec::with_capacity(height);
        for i in 0..height {
            let above = first.found_above();
            let mut values: Vec<Tensor<2>> = Vec::with_capacity(width * channels);
            for j in 0..width {
                let mut own = place.zeros([rows, channels, 1, 1]);
                for channel in 0..channels {
                    let seen = read(own.clone(), levels).reshape([rows, channels + 1]);
                    let mut here = pixel(&above, j) + first.found_left(seen);
                    for layer in &mut layers {
                        // No layer reads the last channel at its own pixel, so the pixel is complete without it.
                        here = layer.next(j, here, channel + 1 == channels);
                    }
                    let theta = last.iter().fold(here, |h, layer| layer.apply(relu(h))).reshape([rows, parameters, channels]);
                    let value = step((channel * height + i) * width + j, theta.narrow(2, channel, 1))?;
                    own = own.slice_assign([0..rows, channel..channel + 1, 0..1, 0..1], value.clone().reshape([rows, 1, 1, 1]));
                    values.push(value);
                }
                first.push(read(own, levels).reshape([rows, channels + 1]));
            }
            let row = Tensor::cat(values, 1).reshape([rows, width, channels]).swap_dims(1, 2).reshape([rows, channels, 1, width]);
            all.push(row.clone());
            // Nothing follows the last row.
            if i + 1 < height {
                let row = read(row, levels);
                first.push_row(row.clone());
                let mut seen = Some(row);
                layers.iter_mut().for_each(|layer| layer.push_row(seen.take()));
            }
        }
        Ok(Tensor::cat(all, 2).reshape([rows, self.image.dim()]))
    }
}
