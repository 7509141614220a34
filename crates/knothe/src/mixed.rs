//! A density of codes and of real numbers that may be absent, depending on the codes.

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    bijection::{Batch, Given, Mapped, Replay, check_dim},
    codes::{CodesDensity, Read},
    density::{Density, Exactness},
    error::{Error, Result},
    placement::Placement,
    random::{Purpose, stream},
};

/// q(codes, reals | context) = q(codes | context) · q(reals | context, codes): a [`CodesDensity`] of the first elements of a row, and a density of the others. The context of
/// the reals is the context of the row followed by the features of its codes. log_prob is the logarithm of a mass times a density, without noise.
///
/// A real is absent if its parent has a code other than 0. log_prob does not depend on its value, and it is 0 in a sample. [`Given::present`] tells the density of the reals
/// which of them are present.
#[derive(Module, Debug)]
pub struct Mixed<D: Module> {
    codes: CodesDensity,
    reals: Option<D>,
}

/// Reals with 0 in the place of absent ones, their context and their presence.
struct Reals {
    x: Tensor<2>,
    context: Option<Tensor<2>>,
    present: Option<Tensor<2>>,
}

impl Reals {
    fn of(codes: &CodesDensity, x: Tensor<2>, read: &Read, context: Option<&Tensor<2>>) -> Self {
        let present = codes.present_reals(read);
        let x = match &present {
            Some(present) => x.mask_fill(present.clone().equal_scalar(0.0), 0.0),
            None => x,
        };
        let context = match (context.filter(|_| codes.context_dim() > 0), &read.features) {
            (Some(context), Some(features)) => Some(Tensor::cat(vec![context.clone(), features.clone()], 1)),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        };
        Reals { x, context, present }
    }

    fn given(&self, seed: u64) -> Given<'_> {
        Given { context: self.context.as_ref(), present: self.present.as_ref(), seed }
    }
}

impl<D: Density + Module> Mixed<D> {
    /// Joins a density of codes to one of reals, or to none.
    ///
    /// # Errors
    /// [`Error::Shape`] if the width of the reals' context is not that of the context plus the features of the codes.
    pub fn new(codes: CodesDensity, reals: Option<D>) -> Result<Self> {
        let expected = codes.context_dim() + codes.feature_dim();
        match reals.as_ref().map(Density::context_dim) {
            Some(found) if found != expected => Err(Error::shape("context of the reals", format!("{expected} columns"), found)),
            _ => Ok(Mixed { codes, reals }),
        }
    }

    /// The density of the codes.
    pub fn codes(&self) -> &CodesDensity {
        &self.codes
    }

    /// The density of the reals, if there are any.
    pub fn reals(&self) -> Option<&D> {
        self.reals.as_ref()
    }
}

/// The codes of rows.
fn codes_of(codes: &CodesDensity, x: &Tensor<2>) -> Tensor<2> {
    x.clone().narrow(1, 0, codes.dim())
}

/// The batch as the codes see it.
fn batch_of_codes(codes: &CodesDensity, dim: usize) -> impl Fn(&Batch) -> Result<Batch> {
    move |batch| {
        check_dim("x", &batch.x, dim)?;
        Ok(Batch { x: codes_of(codes, &batch.x), present: None, ..batch.clone() }.inner())
    }
}

/// The batch as the reals see it.
fn batch_of_reals(codes: &CodesDensity, dim: usize) -> impl Fn(&Batch) -> Result<Batch> {
    move |batch| {
        let batch = batch.clone().inner();
        check_dim("x", &batch.x, dim)?;
        let read = codes.read(codes_of(codes, &batch.x))?;
        let reals = Reals::of(codes, batch.x.narrow(1, codes.dim(), dim - codes.dim()), &read, batch.context.as_ref());
        Ok(Batch { x: reals.x, context: reals.context, present: reals.present, ..batch })
    }
}

impl<D: Density + Module> Density for Mixed<D> {
    fn dim(&self) -> usize {
        self.codes.dim() + self.reals.as_ref().map_or(0, Density::dim)
    }

    fn context_dim(&self) -> usize {
        self.codes.context_dim()
    }

    fn exactness(&self) -> Exactness {
        self.reals.as_ref().map_or(Exactness::Exact, Density::exactness)
    }

    fn starts_from_data(&self) -> bool {
        true
    }

    fn has_statistics(&self) -> bool {
        self.reals.as_ref().is_some_and(Density::has_statistics)
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        let (own, dim) = (self.codes.valid(), self.dim());
        self.codes.initialise(&mut Mapped { data: &mut *data, map: batch_of_codes(&own, dim) })?;
        match &mut self.reals {
            Some(reals) if reals.starts_from_data() => reals.initialise(&mut Mapped { data, map: batch_of_reals(&own, dim) }),
            _ => Ok(()),
        }
    }

    fn collect_statistics(&mut self, data: &mut dyn Replay) -> Result<()> {
        let (own, dim) = (self.codes.valid(), self.dim());
        match &mut self.reals {
            Some(reals) => reals.collect_statistics(&mut Mapped { data, map: batch_of_reals(&own, dim) }),
            None => Ok(()),
        }
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let rows = check_dim("x", &x, self.dim())?;
        given.check(rows, self.context_dim())?;
        // Some operations of Burn do not accept a batch without rows.
        if rows == 0 {
            return Ok(Placement::of(&x).zeros([0]));
        }
        let read = self.codes.read(codes_of(&self.codes, &x))?;
        let log_mass = self.codes.log_mass(&read, given)?;
        let Some(density) = &self.reals else { return Ok(log_mass) };
        let reals = Reals::of(&self.codes, x.narrow(1, self.codes.dim(), density.dim()), &read, given.context);
        Ok(log_mass + density.log_prob(reals.x.clone(), &reals.given(given.seed))?)
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let codes = self.codes.sample(n, given, rng)?;
        let Some(density) = &self.reals else { return Ok(codes) };
        if n == 0 {
            return Ok(Placement::of(&codes).zeros([0, self.dim()]));
        }
        let read = self.codes.read(codes.clone())?;
        let mut reals = Reals::of(&self.codes, Placement::of(&codes).zeros([n, density.dim()]), &read, given.context);
        reals.x = density.sample(n, &reals.given(given.seed), rng)?;
        let x = match &reals.present {
            Some(present) => reals.x.mask_fill(present.clone().equal_scalar(0.0), 0.0),
            None => reals.x,
        };
        Ok(Tensor::cat(vec![codes, x], 1))
    }

    /// The uniform numbers of the codes and of the reals. For absent elements they are drawn from `given.seed`.
    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let rows = check_dim("x", &x, self.dim())?;
        given.check(rows, self.context_dim())?;
        if rows == 0 {
            return Ok(x);
        }
        let of_codes = self.codes.to_uniform(codes_of(&self.codes, &x), given)?;
        let Some(density) = &self.reals else { return Ok(of_codes) };
        let read = self.codes.read(codes_of(&self.codes, &x))?;
        let reals = Reals::of(&self.codes, x.narrow(1, self.codes.dim(), density.dim()), &read, given.context);
        let u = density.to_uniform(reals.x.clone(), &reals.given(given.seed))?;
        let u = match &reals.present {
            Some(present) => {
                let v = Placement::of(&u).uniform(u.dims(), &mut stream(given.seed, Purpose::Check, 2));
                u.mask_where(present.clone().equal_scalar(0.0), v)
            }
            None => u,
        };
        Ok(Tensor::cat(vec![of_codes, u], 1))
    }
}
