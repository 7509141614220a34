//! A source and a bijection make a density: q(x) = p(T⁻¹(x)) |det ∇T⁻¹(x)|.

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    bijection::{Batch, Bijection, Given, Mapped, Replay, check_dim},
    density::{Density, Exactness},
    error::{Error, Result},
    placement::{Placement, dtype_of, values},
};

/// The density of x = T(z), z ~ source.
///
/// The source is any [`Density`] and T any [`Bijection`], built in or yours.
#[derive(Module, Debug)]
pub struct Flow<S: Module, B: Module> {
    source: S,
    bijection: B,
    context_dim: usize,
}

impl<S: Density + Module, B: Bijection + Module> Flow<S, B> {
    /// Joins a source and a bijection of the same dim; `context_dim` is the width of the context that either reads.
    ///
    /// # Errors
    /// [`Error::Shape`] where the two differ in dim or in the precision of their parameters, and where the source reads a context
    /// of another width.
    pub fn new(source: S, bijection: B, context_dim: usize) -> Result<Self> {
        if source.dim() != bijection.dim() {
            return Err(Error::shape("source", format!("dim {}, as the map has it", bijection.dim()), source.dim()));
        }
        if ![0, context_dim].contains(&source.context_dim()) {
            return Err(Error::shape("context of the source", format!("{context_dim} columns"), source.context_dim()));
        }
        if let (Some(expected), Some(found)) = (dtype_of(&bijection), dtype_of(&source))
            && expected != found
        {
            return Err(Error::shape("source", format!("parameters of type {expected:?}, as the map has them"), found));
        }
        Ok(Flow { source, bijection, context_dim })
    }

    /// The source density p(z).
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The map T.
    pub fn bijection(&self) -> &B {
        &self.bijection
    }

    /// z = T⁻¹(x), from which T gives x back.
    ///
    /// # Errors
    /// [`Error::NotInvertible`] with the rows that have an |x_j − T(z)_j| above √ε, or above 64 ε |x_j| where that is more, of the precision's
    /// ε: where T⁻¹ is too flat for z to hold the digits of x, far outside what a model was fitted to.
    pub fn to_source(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let (z, _) = self.inverse(x.clone(), given)?;
        // Without gradients, of which a pass that is thrown away would keep the graph.
        let context = given.context.map(|c| c.clone().inner());
        let plain = Given { context: context.as_ref(), ..*given };
        let (back, _) = self.bijection.valid().forward_and_ladj(z.clone().inner(), &plain)?;
        let epsilon = Placement::of(&x).precision.epsilon();
        let [_, dim] = x.dims();
        let back = values(back);
        // What is not a number compares as false: it does not come back.
        let comes_back = |(x, back): (f64, f64)| (x - back).abs() <= epsilon.sqrt().max(64.0 * epsilon * x.abs());
        let pairs = values(x.inner()).into_iter().zip(back).enumerate();
        let mut rows: Vec<usize> = pairs.filter(|&(_, pair)| !comes_back(pair)).map(|(at, _)| at / dim).collect();
        rows.dedup();
        if rows.is_empty() { Ok(z) } else { Err(Error::NotInvertible { what: "the map in this precision".into(), rows }) }
    }

    /// x = T(z).
    pub fn from_source(&self, z: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        given.check(z.dims()[0], self.context_dim)?;
        Ok(self.forward(z, given)?.0)
    }

    /// `n` draws from T(temperature · z): at a temperature below 1 more typical ones, with less variety.
    ///
    /// For a normal source and a T that is affine in z with a constant volume, as additive couplings give it, that is the density
    /// q(x)^(1/temperature²), scaled to integrate to 1; of other maps it is no power of q (Kingma & Dhariwal 2018, §6, where the
    /// exponent is printed as its reciprocal).
    pub fn sample_at(&self, n: usize, given: &Given, temperature: f64, rng: &mut impl Rng) -> Result<Tensor<2>> {
        if !(temperature.is_finite() && temperature >= 0.0) {
            return Err(Error::invalid("temperature", "a number from 0", temperature));
        }
        given.check(n, self.context_dim)?;
        let z = self.source.sample(n, &self.source_given(given), rng)?;
        Ok(self.forward(z * temperature, given)?.0)
    }

    /// `n` draws and their log densities, for the price of the draws.
    pub fn sample_and_log_prob(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<(Tensor<2>, Tensor<1>)> {
        given.check(n, self.context_dim)?;
        let own = self.source_given(given);
        let z = self.source.sample(n, &own, rng)?;
        let log_source = self.source.log_prob(z.clone(), &own)?;
        let (x, ladj) = self.forward(z, given)?;
        Ok((x, of_rows("log_prob of the source", log_source, &ladj)? - ladj))
    }

    /// T of rows from the source, which are checked, and so is what T makes of them.
    fn forward(&self, z: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_dim("z", &z, self.dim())?;
        self.of_map(rows, self.bijection.forward_and_ladj(z, given)?)
    }

    /// T⁻¹ of a user's rows, which are checked, and so is what T⁻¹ makes of them.
    fn inverse(&self, x: Tensor<2>, given: &Given) -> Result<(Tensor<2>, Tensor<1>)> {
        let rows = check_dim("x", &x, self.dim())?;
        given.check(rows, self.context_dim)?;
        self.of_map(rows, self.bijection.inverse_and_ladj(x, given)?)
    }

    /// Checks what the map returned, for maps that are not ours.
    fn of_map(&self, rows: usize, (y, ladj): (Tensor<2>, Tensor<1>)) -> Result<(Tensor<2>, Tensor<1>)> {
        let (dim, found) = (self.dim(), (y.dims(), ladj.dims()));
        if found == ([rows, dim], [rows]) {
            Ok((y, ladj))
        } else {
            Err(Error::shape("result of the map", format!("[{rows}, {dim}] and [{rows}]"), found))
        }
    }

    /// What the source is given: the context, if it reads one.
    fn source_given<'a>(&self, given: &Given<'a>) -> Given<'a> {
        Given { context: given.context.filter(|_| self.source.context_dim() > 0), ..*given }
    }
}

impl<S: Density + Module, B: Bijection + Module> Density for Flow<S, B> {
    fn dim(&self) -> usize {
        self.source.dim()
    }

    fn context_dim(&self) -> usize {
        self.context_dim
    }

    fn exactness(&self) -> Exactness {
        self.source.exactness()
    }

    fn starts_from_data(&self) -> bool {
        self.bijection.starts_from_data() || self.source.starts_from_data()
    }

    fn has_statistics(&self) -> bool {
        self.bijection.has_statistics() || self.source.has_statistics()
    }

    fn initialise(&mut self, data: &mut dyn Replay) -> Result<()> {
        self.bijection.initialise(data)?;
        if self.source.starts_from_data() {
            self.source.initialise(&mut Mapped { data, map: to_source(&self.bijection.valid()) })?;
        }
        Ok(())
    }

    fn collect_statistics(&mut self, data: &mut dyn Replay) -> Result<()> {
        self.bijection.collect_statistics(data)?;
        if self.source.has_statistics() {
            self.source.collect_statistics(&mut Mapped { data, map: to_source(&self.bijection.valid()) })?;
        }
        Ok(())
    }

    fn log_prob(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<1>> {
        let (z, ladj) = self.inverse(x, given)?;
        Ok(of_rows("log_prob of the source", self.source.log_prob(z, &self.source_given(given))?, &ladj)? + ladj)
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        given.check(n, self.context_dim)?;
        let z = self.source.sample(n, &self.source_given(given), rng)?;
        Ok(self.forward(z, given)?.0)
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let (z, _) = self.inverse(x, given)?;
        self.source.to_uniform(z, &self.source_given(given))
    }
}

/// Checks that `found` has one number per row in the precision of `like`: Burn panics where precisions meet, and it would add one
/// number to every row without a word.
fn of_rows(what: &str, found: Tensor<1>, like: &Tensor<1>) -> Result<Tensor<1>> {
    let [expected, came] = [like, &found].map(|t| (t.dims(), t.dtype()));
    if expected == came { Ok(found) } else { Err(Error::shape(what, format!("{:?} of type {:?}", expected.0, expected.1), came)) }
}

/// What the source sees of a batch.
fn to_source<B: Bijection>(bijection: &B) -> impl Fn(&Batch) -> Result<Batch> {
    |batch| {
        let batch = batch.clone().inner();
        let (z, _) = bijection.inverse_and_ladj(batch.x.clone(), &batch.given())?;
        Ok(Batch { x: z, ..batch })
    }
}
