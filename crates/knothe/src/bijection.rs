//! The one contract of a map.
//!
//! A bijection T carries the source to the data: x = T(z) is *forward*, z = T⁻¹(x) is *inverse*. Both return the
//! log-absolute determinant of the Jacobian (the *ladj*) of the call just made, so the two add to 0.

use burn::tensor::Tensor;
use rand_chacha::ChaCha12Rng;

use crate::given::refused;
pub(crate) use crate::shape::check_dim;
use crate::{
    error::{Error, Result},
    random::{Purpose, stream},
};
pub use crate::{given::Given, shape::check_input};

/// Some rows of a training set.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The rows, `[rows, dim]`.
    pub x: Tensor<2>,
    /// The context of each row, `[rows, context_dim]`. `None` is a context of width 0.
    pub context: Option<Tensor<2>>,
    /// Which elements are there: 1, or 0 for an element that is absent, `[rows, dim]`. `None` where all of them are.
    pub present: Option<Tensor<2>>,
    /// One weight per row, of mean 1 over the training set. `None` weighs all rows equally.
    pub weights: Option<Vec<f64>>,
    /// Draws of the true values, if the rows were measured with errors. Then `x` serves only for starts, and
    /// [`log_likelihood`](crate::fit::log_likelihood) gives the likelihood of the rows.
    pub draws: Option<Draws>,
    /// Seeds the random numbers of an evaluation of these rows, such as dequantisation noise.
    pub seed: u64,
}

/// Draws of the true values of rows that were measured with errors; [`Errors`](crate::fit::Errors) has the formula.
#[derive(Clone, Debug)]
pub struct Draws {
    /// How many there are of each row.
    pub number: usize,
    /// `[rows · number, dim]`; the draws of a row stand together.
    pub x: Tensor<2>,
    /// The term to add to the log density of each draw, `[rows · number]`: the log-slope of the coding and the log-probability of the support.
    pub ladj: Tensor<1>,
}

impl Draws {
    /// What stands beside each row, beside each of its draws.
    pub(crate) fn beside(&self, t: &Tensor<2>) -> Tensor<2> {
        let [rows, columns] = t.dims();
        t.clone().unsqueeze_dim::<3>(1).repeat_dim(1, self.number).reshape([rows * self.number, columns])
    }
}

impl Batch {
    /// Rows without context and without weights.
    pub fn new(x: Tensor<2>) -> Self {
        Batch { x, context: None, present: None, weights: None, draws: None, seed: 0 }
    }

    /// The context and the seed, as calls on the rows take them.
    pub fn given(&self) -> Given<'_> {
        Given { context: self.context.as_ref(), present: self.present.as_ref(), seed: self.seed }
    }

    /// The weight of a row of the batch.
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |w| w[row])
    }

    /// A generator for the random numbers of an objective. It depends on the seed of the batch alone, and no other part of a fit draws from it.
    pub fn rng(&self) -> ChaCha12Rng {
        stream(self.seed, Purpose::Objective, 0)
    }

    /// Checks that the batch has rows of `dim` columns, a context of `context_dim` columns, a mask of its own shape, one weight per row and as many draws of each row.
    pub(crate) fn check(&self, dim: usize, context_dim: usize) -> Result<()> {
        let rows = check_dim("batch", &self.x, dim)?;
        if rows == 0 {
            return Err(Error::shape("batch", format!("at least one row of {dim} columns"), self.x.dims()));
        }
        self.given().check(rows, context_dim)?;
        self.given().check_present([rows, dim], self.x.dtype())?;
        if let Some(draws) = self.draws.as_ref().filter(|d| d.x.dims() != [rows * d.number, dim] || d.ladj.dims() != [rows * d.number]) {
            let expected = format!("{} draws of each of {rows} rows of {dim} columns", draws.number);
            return Err(Error::shape("draws of a batch", expected, (draws.x.dims(), draws.ladj.dims())));
        }
        match self.weights.as_ref().map(Vec::len) {
            Some(found) if found != rows => Err(Error::shape("weights of a batch", format!("{rows} numbers, one per row"), found)),
            _ => Ok(()),
        }
    }

    /// The first rows, at most `count`, without draws.
    pub(crate) fn first(&self, count: usize) -> Self {
        let count = count.min(self.x.dims()[0]);
        Batch {
            x: self.x.clone().narrow(0, 0, count),
            context: self.context.as_ref().map(|c| c.clone().narrow(0, 0, count)),
            present: self.present.as_ref().map(|p| p.clone().narrow(0, 0, count)),
            weights: self.weights.as_ref().map(|w| w[..count].to_vec()),
            draws: None,
            seed: self.seed,
        }
    }

    /// The same rows without gradients and without draws.
    pub(crate) fn inner(self) -> Self {
        let (context, present) = (self.context.map(Tensor::inner), self.present.map(Tensor::inner));
        Batch { x: self.x.inner(), context, present, draws: None, ..self }
    }
}

/// Training rows that can be read as often as needed: data-dependent starts and statistics read them. A `&Dataset` is one, and so is a
/// reference to any [`crate::fit::Batches`].
pub trait Replay {
    /// Calls `visit` with each batch, in an order that is always the same.
    fn each(&mut self, visit: &mut dyn FnMut(&Batch) -> Result<()>) -> Result<()>;
}

/// Batches in memory, as the layers so far leave them.
pub(crate) struct Seen(pub Vec<Batch>);

impl Replay for Seen {
    fn each(&mut self, visit: &mut dyn FnMut(&Batch) -> Result<()>) -> Result<()> {
        self.0.iter().try_for_each(visit)
    }
}

/// Batches as a map leaves them.
pub(crate) struct Mapped<'a, F> {
    pub data: &'a mut dyn Replay,
    pub map: F,
}

impl<F: Fn(&Batch) -> Result<Batch>> Replay for Mapped<'_, F> {
    fn each(&mut self, visit: &mut dyn FnMut(&Batch) -> Result<()>) -> Result<()> {
        self.data.each(&mut |batch| visit(&(self.map)(batch)?))
    }
}

/// A diffeomorphism T from source to data space. Tensors are `[rows, dim]`.
///
/// A map of your own implements this trait and derives Burn's `Module`, and needs nothing else. [`crate::Layer::Own`] puts it into a
/// chain of built-in layers, [`crate::Flow`] under a source. [`crate::conformance`] holds the laws that it must obey. A chain checks
/// the shape and precision of what goes into your map and of what comes out; where your map stands alone, call [`check_input`]
/// first.
///
/// The file `examples/own_layer.rs` is such a map:
///
/// ```
#[doc = include_str!("../examples/own_layer.rs")]
/// ```
pub trait Bijection {
    /// The number of coordinates.
    fn dim(&self) -> usize;

    /// x = T(z) and log|det ∂x/∂z|, one value per row.
    fn forward_and_ladj(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)>;

    /// z = T⁻¹(x) and log|det ∂z/∂x|, one value per row.
    fn inverse_and_ladj(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)>;

    /// Whether the map heeds [`Given::present`]: it then leaves absent coordinates at 0 with log-slope 0, both ways. The default
    /// says that it does not, and a chain or a flow then refuses rows with absent elements.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the name of the map.
    fn check_absent(&self) -> Result<()> {
        refused::<Self>()
    }

    /// Which coordinates of T(z) are present where `present`, `[rows, dim]`, says it of z. Only a map that moves coordinates to other
    /// places has another answer than the mask itself.
    fn present_forward(&self, present: Tensor<2>) -> Tensor<2> {
        present
    }

    /// Which coordinates of T⁻¹(x) are present where `present`, `[rows, dim]`, says it of x.
    fn present_inverse(&self, present: Tensor<2>) -> Tensor<2> {
        present
    }

    /// Whether [`Bijection::initialise`] does anything.
    fn starts_from_data(&self) -> bool {
        false
    }

    /// Sets the data-dependent start (actnorm, a closed-form solution). A fit calls it once.
    fn initialise(&mut self, _data: &mut dyn Replay) -> Result<()> {
        Ok(())
    }

    /// Whether [`Bijection::collect_statistics`] does anything.
    fn has_statistics(&self) -> bool {
        false
    }

    /// Sets the statistics of the whole training set that evaluation uses (batch norm). A fit calls it before each validation.
    fn collect_statistics(&mut self, _data: &mut dyn Replay) -> Result<()> {
        Ok(())
    }
}
