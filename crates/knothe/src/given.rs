//! The context of a call, what its rows lack, and the seed of its randomness.

use burn::tensor::{DType, Tensor};

use crate::{
    error::{Error, Result},
    shape::check_context_shape,
};

/// What a call is given beside its rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// One row of context for each row of the call: `[rows, context_dim]`. `None` is a context of width 0.
    pub context: Option<&'a Tensor<2>>,
    /// Which elements of each row are there: 1, or 0 for an element that is absent, `[rows, dim]`. `None` where all of them are.
    ///
    /// A map reads it in the order of the coordinates of its argument, and a density in the order of its columns. It has the device and the
    /// precision of the rows. A map leaves an absent coordinate at 0 with log-slope 0 in both directions, and its argument is 0 there. The
    /// density of a row is that of its present elements. Conditioners do not see it: what tells absence to them stands in the context.
    pub present: Option<&'a Tensor<2>>,
    /// Seeds what is random inside an evaluation, such as dequantisation noise.
    pub seed: u64,
}

impl<'a> Given<'a> {
    /// Given a context, and seed 0.
    pub fn context(context: Option<&'a Tensor<2>>) -> Self {
        Given { context, ..Given::default() }
    }

    /// Checks that the context has one row for each row of the call and `context_dim` columns; `None` passes for width 0.
    pub fn check(&self, rows: usize, context_dim: usize) -> Result<()> {
        check_context_shape(self.context, rows, context_dim)
    }

    /// Checks that `present`, where there is one, has the shape and the precision of the rows of the call.
    ///
    /// # Errors
    /// [`Error::Shape`] with both.
    pub fn check_present(&self, shape: [usize; 2], dtype: DType) -> Result<()> {
        match self.present.map(|present| (present.dims(), present.dtype())) {
            Some(found) if found != (shape, dtype) => {
                Err(Error::shape("elements that are present", format!("{shape:?} of type {dtype:?}"), found))
            }
            _ => Ok(()),
        }
    }

    /// Refuses elements that are absent, for a map or a density `what` that has no place for them.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where [`Given::present`] is set.
    pub fn refuse_absent(&self, what: &str) -> Result<()> {
        if self.present.is_some() { Err(refusal(what)) } else { Ok(()) }
    }

    /// The same numbers with 0 for each element that is absent, whatever stood there.
    pub fn masked(&self, t: Tensor<2>) -> Tensor<2> {
        self.filled(t, 0.0)
    }

    /// The same numbers with `number` for each element that is absent.
    pub(crate) fn filled(&self, t: Tensor<2>, number: f64) -> Tensor<2> {
        match self.present {
            // A product would let NaN through.
            Some(present) => t.mask_fill(present.clone().equal_scalar(0.0), number),
            None => t,
        }
    }

    /// The numbers of one coordinate, `[rows, 1]`, with 0 for each that is absent.
    pub(crate) fn masked_column(&self, t: Tensor<2>, column: usize) -> Tensor<2> {
        let present = self.present.map(|present| present.clone().narrow(1, column, 1));
        Given { present: present.as_ref(), ..*self }.masked(t)
    }

    /// What `rows` makes of the context and of the mask.
    pub(crate) fn map(&self, rows: impl Fn(&Tensor<2>) -> Tensor<2>) -> Owned {
        Owned { context: self.context.map(&rows), present: self.present.map(&rows), seed: self.seed }
    }
}

/// A [`Given`] that holds its tensors.
pub(crate) struct Owned {
    pub context: Option<Tensor<2>>,
    pub present: Option<Tensor<2>>,
    pub seed: u64,
}

impl Owned {
    pub(crate) fn given(&self) -> Given<'_> {
        Given { context: self.context.as_ref(), present: self.present.as_ref(), seed: self.seed }
    }
}

/// The error of a map or a density that has no place for absent elements.
fn refusal(what: &str) -> Error {
    let reason = "expected rows without absent numbers, but some columns have missing or special values".into();
    Error::Unsupported { what: what.into(), reason, hint: None }
}

/// The refusal of a type that does not say otherwise, under its own name.
pub(crate) fn refused<T: ?Sized>() -> Result<()> {
    let name = std::any::type_name::<T>();
    // Without the path of the type and without those of its parameters.
    let plain = name.split('<').next().unwrap_or(name);
    Err(refusal(plain.rsplit("::").next().unwrap_or(plain)))
}
