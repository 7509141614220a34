//! What everything trained here is.

use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    bijection::{Given, Replay},
    error::Result,
    given::refused,
};

/// Whether `log_prob` is the log density itself or a bound below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// The log density.
    Exact,
    /// A lower bound of the log probability, as dequantisation gives it. Every report says so.
    LowerBound,
}

/// A probability density (or mass function) on vectors of `dim` numbers, given a context of `context_dim` numbers.
///
/// A source of your own implements this trait and derives Burn's `Module`, and needs nothing else: [`crate::Flow`] takes any
/// source under any map, and a flow of it is fitted, sampled and evaluated like one of built-in parts. So is a whole density of
/// your own. Call [`check_input`](crate::bijection::check_input) on the rows that come in, since Burn panics where two precisions
/// meet. [`crate::conformance`] holds the laws that a density must obey.
///
/// The file `examples/own_source.rs` is such a source:
///
/// ```
#[doc = include_str!("../examples/own_source.rs")]
/// ```
pub trait Density {
    /// The number of coordinates.
    fn dim(&self) -> usize;

    /// The number of context columns; 0 for an unconditional density.
    fn context_dim(&self) -> usize {
        0
    }

    /// Whether [`Density::log_prob`] is exact.
    fn exactness(&self) -> Exactness {
        Exactness::Exact
    }

    /// Whether the density heeds [`Given::present`]: `log_prob` is then the density of the elements of a row that are present, and draws
    /// are 0 at the others. The default says that it does not, and a flow then refuses rows with absent elements.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) with the name of the density or of the part that has no place for them.
    fn check_absent(&self) -> Result<()> {
        refused::<Self>()
    }

    /// Whether [`Density::initialise`] does anything.
    fn starts_from_data(&self) -> bool {
        false
    }

    /// Whether [`Density::collect_statistics`] does anything.
    fn has_statistics(&self) -> bool {
        false
    }

    /// Sets the data-dependent start; see [`Bijection::initialise`](crate::Bijection::initialise).
    fn initialise(&mut self, _data: &mut dyn Replay) -> Result<()> {
        Ok(())
    }

    /// Sets statistics of the training set; see [`Bijection::collect_statistics`](crate::Bijection::collect_statistics).
    fn collect_statistics(&mut self, _data: &mut dyn Replay) -> Result<()> {
        Ok(())
    }

    /// log q(x | context), one value per row, for `x` of `[rows, dim]`. −∞ outside the support.
    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>>;

    /// `n` independent draws, `[n, dim]`; a context has `n` rows.
    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>>;

    /// The probability integral transform: `[rows, dim]`, independent and uniform on (0, 1) when x follows the density.
    ///
    /// It is Φ(z) for a normalizing flow with a normal source, and F_j(x_j | x_<j) for an autoregressive density.
    /// What [`crate::evaluate`] checks is the uniformity of these. It is ½ for a coordinate that is absent.
    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>>;
}
