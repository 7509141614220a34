//! What everything trained here is.

use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    bijection::{Given, Replay},
    error::{Error, Result},
    given::refused,
    hint::Hint,
};

/// Whether `log_prob` is the log density itself or a bound below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// The log density.
    Exact,
    /// A lower bound of the log probability, as dequantisation gives it. Every report says so.
    LowerBound,
}

/// The elements that [`Density::sample_given`] draws.
#[derive(Clone, Debug)]
pub struct Drawn<'a> {
    /// 1 for the elements that are drawn, `[rows, dim]`.
    pub asked: Tensor<2>,
    /// Numbers on (0, 1), `[rows · draws, dim]`. All numbers of the first row come first. An element is drawn as the quantile at its number, so each row is drawn `draws` times.
    pub u: Tensor<2>,
    /// The largest code that each element may be drawn as; ∞ where there is no bound.
    pub most: &'a [f64],
}

impl Drawn<'_> {
    /// Checks the shapes for rows of a shape, and returns the number of draws per row.
    pub(crate) fn check(&self, [rows, dim]: [usize; 2]) -> Result<usize> {
        let [numbers, width] = self.u.dims();
        let draws = numbers / rows.max(1);
        if self.asked.dims() != [rows, dim] || width != dim || self.most.len() != dim || draws * rows != numbers {
            let found = format!("{:?}, {:?} and {}", self.asked.dims(), self.u.dims(), self.most.len());
            return Err(Error::shape(
                "mask, numbers and largest codes",
                format!("[{rows}, {dim}], [{rows} · draws, {dim}] and {dim}"),
                found,
            ));
        }
        Ok(draws)
    }
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
    /// [`Error::Unsupported`] with the name of the density or of the part that has no place for them.
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

    /// The quantity that a fit maximises, one value per row. By default it is [`Density::log_prob`]. A density whose log_prob takes many passes of a network may return an estimate of a cheaper
    /// objective, with random numbers of `given.seed`.
    fn training_log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        self.log_prob(x, given)
    }

    /// log q(x_A | x_S, context), one value per row. `known` is `[rows, dim]`, with 1 for the elements of S and 0 for the others, and `asked` is the same for A.
    /// Elements in both count as known. The parent of an asked element must be in S or in A. Elements in neither are left out of the density. Their values have no influence, but must be finite.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless the density knows its conditionals, as [`AnyOrder`](crate::AnyOrder) does.
    fn log_prob_given(&self, _x: Tensor<2>, _known: &Tensor<2>, _asked: &Tensor<2>, _given: &Given) -> Result<Tensor<1>> {
        Err(without_conditionals())
    }

    /// Draws x_A given x_S and the context: quantiles at the numbers of [`Drawn`], `[rows · draws, dim]`. The sets A and S are those of [`Density::log_prob_given`]. All other elements of `x` stay as
    /// they are.
    ///
    /// # Errors
    /// As [`Density::log_prob_given`].
    fn sample_given(&self, _x: Tensor<2>, _known: &Tensor<2>, _asked: &Drawn, _given: &Given) -> Result<Tensor<2>> {
        Err(without_conditionals())
    }

    /// `n` independent draws, `[n, dim]`; a context has `n` rows.
    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>>;

    /// The probability integral transform: `[rows, dim]`, independent and uniform on (0, 1) when x follows the density.
    ///
    /// It is Φ(z) for a normalizing flow with a normal source, and F_j(x_j | x_<j) for an autoregressive density.
    /// What [`crate::evaluate`] checks is the uniformity of these. It is ½ for a coordinate that is absent.
    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>>;
}

/// The refusal of a density that does not know its conditionals.
fn without_conditionals() -> Error {
    Error::Unsupported {
        what: "a conditional of some columns given others".into(),
        reason: "expected a model that gives every conditional, found one that gives the density of whole rows alone".into(),
        hint: Some(Hint::AnyOrder.into()),
    }
}
