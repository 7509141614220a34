//! The coupling map (Dinh et al. 2015, 2017): half of the coordinates stand still and move the other half,
//! x_A = T(z_A; θ(z_P)), x_P = z_P. Both directions are one pass. It is the autoregressive map of two groups.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use rand::Rng;

use super::of_rows;
use crate::{
    bijection::{Bijection, Given, check_input},
    conditioner::{
        Activation, Conditioner, Convolutional, ConvolutionalConfig, Dense, DenseConfig, check_widths, checked_parameters, index,
    },
    error::{Error, Result},
    kernels::{self, Kernel, Step, run},
    placement::Placement,
    space::ImageShape,
    univariate::MonotoneMap,
};

/// x_A = T(z_A; θ(z_P, context)) and x_P = z_P, with θ from a [`Dense`] network, from a [`Convolutional`] one for images, or from a
/// [`Conditioner`] of your own.
#[derive(Module, Debug)]
pub struct Coupling<C: Module = Dense> {
    conditioner: C,
    standing: Tensor<1, Int>,
    moving: Tensor<1, Int>,
    restore: Tensor<1, Int>,
    dim: usize,
    #[module(skip)]
    columns: [Columns; 2],
    #[module(skip)]
    map: Arc<dyn MonotoneMap>,
}

/// Which columns of a table stand, or move.
#[derive(Clone, Debug)]
struct Columns(Arc<[usize]>);

impl Columns {
    /// These columns of x; `index` has them for the device.
    fn of(&self, x: &Tensor<2>, index: &Tensor<1, Int>) -> Tensor<2> {
        // A run of columns need not be copied.
        if self.0.windows(2).all(|pair| pair[0] + 1 == pair[1]) {
            return x.clone().narrow(1, self.0[0], self.0.len());
        }
        x.clone().select(1, index.clone())
    }
}

/// The columns that stand still, and those that move.
fn halves(moves: &[bool]) -> Result<[Vec<usize>; 2]> {
    let (moving, standing): (Vec<usize>, Vec<usize>) = (0..moves.len()).partition(|&j| moves[j]);
    if moving.is_empty() || standing.is_empty() {
        return Err(Error::invalid("coupling", "two columns or more, of which one moves and one stands still", format!("{moves:?}")));
    }
    Ok([standing, moving])
}

impl Coupling {
    /// `moves[j]` says whether coordinate j moves; at least one must move and one stand still.
    pub fn new(
        moves: &[bool],
        context_dim: usize,
        hidden: &[usize],
        activation: Activation,
        map: Arc<dyn MonotoneMap>,
        place: &Placement,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        let [standing, moving] = halves(moves)?;
        let (inputs, outputs, parameters) = (standing.len(), moving.len(), map.parameters());
        let config = DenseConfig { inputs, context_dim, hidden: hidden.to_vec(), parameters, outputs, activation };
        Self::of(moves, Dense::new(config, place, rng)?, map)
    }
}

impl Coupling<Convolutional> {
    /// A coupling of the numbers of an image; `moves[j]` says whether number j moves, as [`ImageShape::checkerboard`] and
    /// [`ImageShape::half_of_channels`] say it.
    pub fn of_image(
        image: ImageShape,
        moves: &[bool],
        config: ConvolutionalConfig,
        map: Arc<dyn MonotoneMap>,
        place: &Placement,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        halves(moves)?;
        Self::of(moves, Convolutional::new(image, moves, map.parameters(), config, place, rng)?, map)
    }
}

impl<C: Conditioner + Module> Coupling<C> {
    /// Joins any conditioner to a univariate map. It reads the coordinates that stand still, in their order, and gives parameters
    /// to those that move; `moves[j]` says whether coordinate j moves.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless at least one coordinate moves and one stands still; [`Error::Shape`] where the conditioner's
    /// [widths](Conditioner::widths) are others than theirs or than the map's number of parameters.
    pub fn of(moves: &[bool], conditioner: C, map: Arc<dyn MonotoneMap>) -> Result<Self> {
        let [standing, moving] = halves(moves)?;
        check_widths(&conditioner, standing.len(), map.parameters(), moving.len())?;
        let device = conditioner.placement().device;
        let mut restore = vec![0; moves.len()];
        for (position, &column) in standing.iter().chain(&moving).enumerate() {
            restore[column] = position;
        }
        Ok(Coupling {
            conditioner: conditioner.between(&standing, &moving),
            standing: index(&standing, &device),
            moving: index(&moving, &device),
            restore: index(&restore, &device),
            dim: moves.len(),
            columns: [standing, moving].map(|columns| Columns(columns.into())),
            map,
        })
    }

    /// This map, or its inverse, for fused operations.
    pub(crate) fn step(&self, forward: bool, x: &Tensor<2>, given: &Given) -> Result<Option<Step>> {
        check_input(if forward { "z" } else { "x" }, x, self.dim, self.conditioner.dtype())?;
        self.kernel(forward).map_or(Ok(None), |kernel| self.conditioner.step(kernel, false, x, given))
    }

    fn kernel(&self, forward: bool) -> Option<Kernel> {
        if forward { self.map.kernel() } else { self.map.inverse_kernel() }
    }

    /// Moves one half by a `direction` of the map, with the parameters that the other half gives.
    fn apply(
        &self,
        x: Tensor<2>,
        given: &Given,
        forward: bool,
        direction: impl FnOnce(Tensor<2>, Tensor<3>) -> Result<(Tensor<2>, Tensor<2>)>,
    ) -> Result<(Tensor<2>, Tensor<1>)> {
        given.check_present(x.dims(), x.dtype())?;
        if let Some(step) = self.step(forward, &x, given)?
            && let Some(found) = run(&x, vec![step], given.present)
        {
            return Ok(found);
        }
        let [of_standing, of_moving] = &self.columns;
        let standing = of_standing.of(&x, &self.standing);
        let theta = checked_parameters(&self.conditioner, standing.clone(), given)?;
        let kernel = self.kernel(forward);
        let whole = kernel.as_ref().filter(|_| given.present.is_none());
        if let Some(found) = whole.and_then(|kernel| kernels::moved(kernel, &x, &theta, &of_moving.0)) {
            return Ok(found);
        }
        let moving = of_moving.of(&x, &self.moving);
        let present = given.present.map(|present| of_moving.of(present, &self.moving));
        let found = match kernel.and_then(|kernel| kernels::value(&kernel, &moving, &theta)) {
            Some(found) => found,
            None => direction(moving, theta)?,
        };
        let (moved, ladj) = of_rows(found, &Given { present: present.as_ref(), ..*given });
        Ok((Tensor::cat(vec![standing, moved], 1).select(1, self.restore.clone()), ladj))
    }
}

impl<C: Conditioner + Module> Bijection for Coupling<C> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn check_absent(&self) -> Result<()> {
        Ok(())
    }

    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.apply(z, given, true, |moving, theta| self.map.value(moving, theta))
    }

    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        self.apply(x, given, false, |moving, theta| self.map.inverse(moving, theta))
    }
}
