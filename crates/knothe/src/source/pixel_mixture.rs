//! Images whose pixels each follow a mixture of logistic laws, given the pixels before them: PixelCNN++ (Salimans et al. 2017).

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    bijection::Given,
    conditioner::{AutoregressiveConditioner, Conditioner, PixelCnn, check_widths, checked_parameters},
    density::Density,
    error::{Error, Result},
    placement::Placement,
    random::{Purpose, stream},
    shape::check_input,
    triangular::tiles::{given_of, in_tiles, rows_of},
    univariate::CoupledLogistics,
};

/// q(x | context) = Π_p P(x_p | θ_p(x_<p, context)) over the pixels p of an image, where P is the law of all channels of a pixel.
#[derive(Module, Debug)]
pub struct PixelMixture {
    conditioner: PixelCnn,
    #[module(skip)]
    law: CoupledLogistics,
    channels: usize,
}

impl PixelMixture {
    /// Joins a network that reads whole pixels to a law of their channels.
    ///
    /// # Errors
    /// [`Error::Shape`] where the network has another number of parameters, and [`Error::Invalid`] where a channel reads others of its own pixel.
    pub fn new(conditioner: PixelCnn, law: CoupledLogistics) -> Result<Self> {
        let dim = conditioner.order().dim();
        check_widths(&conditioner, dim, law.parameters(), dim)?;
        if conditioner.config().within_pixel {
            return Err(Error::invalid("within_pixel", "false: the law couples the channels of a pixel", true));
        }
        Ok(PixelMixture { channels: conditioner.image().channels, conditioner, law })
    }

    /// Elements and parameters by channels and pixels, `[rows, channels, pixels]` and `[rows, parameters, channels, pixels]`.
    fn by_pixels(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<3>, Tensor<4>)> {
        let rows = check_input("x", &x, self.dim(), self.conditioner.dtype())?;
        given.check(rows, self.context_dim())?;
        given.refuse_absent("PixelMixture")?;
        let (channels, pixels) = (self.channels, self.dim() / self.channels);
        let theta = checked_parameters(&self.conditioner, x.clone(), given)?;
        Ok((x.reshape([rows, channels, pixels]), theta.reshape([rows, self.law.parameters(), channels, pixels])))
    }

    /// Keeps the first `known` elements of each row of x, pixel by pixel, and draws the others given them, `[rows, dim]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for rows and a context that do not fit.
    pub fn complete(&self, x: Tensor<2>, known: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let (place, dim, channels) = (self.conditioner.placement(), self.dim(), self.channels);
        let n = check_input("x", &x, dim, place.dtype())?;
        given.check(n, self.context_dim())?;
        given.refuse_absent("PixelMixture")?;
        if n == 0 {
            return Ok(x);
        }
        let pixels = dim / channels;
        let (of_component, of_value) = (place.open_uniform([n, pixels], rng), place.open_uniform([n, dim], rng));
        let tiles = in_tiles(n, self.conditioner.tile(), place.device.is_autodiff(), |tile| {
            let [x, of_component, of_value] = [&x, &of_component, &of_value].map(|t| rows_of(t, &tile));
            let own = given_of(given, &tile);
            let mut component = None;
            let mut before: Vec<Tensor<2>> = Vec::new();
            self.conditioner.solve(tile.len(), &own.given(), &place, |column, theta| {
                let (channel, pixel) = (column / pixels, column % pixels);
                let theta = theta.inner();
                if channel == 0 {
                    before.clear();
                    component = Some(self.law.component(&theta, &of_component.clone().narrow(1, pixel, 1)));
                }
                let kept = pixel * channels + channel < known;
                let value = match &component {
                    Some(component) if !kept => self.law.draw(&theta, component, &before, of_value.clone().narrow(1, column, 1).inner()),
                    _ => x.clone().narrow(1, column, 1),
                };
                before.push(value.clone().inner());
                Ok(value)
            })
        })?;
        Ok(Tensor::cat(tiles, 0))
    }
}

impl Density for PixelMixture {
    fn dim(&self) -> usize {
        self.conditioner.order().dim()
    }

    fn context_dim(&self) -> usize {
        self.conditioner.widths().context_dim
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        if x.dims()[0] == 0 {
            return Ok(Placement::of(&x).zeros([0]));
        }
        let (x, theta) = self.by_pixels(x, given)?;
        Ok(self.law.log_prob(x, &theta).sum_dim(1).squeeze_dim(1))
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        self.complete(self.conditioner.placement().zeros([n, self.dim()]), 0, given, rng)
    }

    /// F(x−) + V P(x), with V uniform from `given.seed`.
    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let [rows, dim] = x.dims();
        if rows == 0 {
            return Ok(x);
        }
        let v = Placement::of(&x.clone().inner()).uniform([rows, dim], &mut stream(given.seed, Purpose::Check, 1));
        let (x, theta) = self.by_pixels(x, given)?;
        let shape = x.dims();
        Ok(self.law.to_uniform(x, &theta, v.reshape(shape)).reshape([rows, dim]))
    }
}
