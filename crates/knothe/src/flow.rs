//! A source and a bijection make a density: q(x) = p(T⁻¹(x)) |det ∇T⁻¹(x)|.

use burn::module::Module;
use burn::tensor::Tensor;
use rand::Rng;

use crate::{
    bijection::{Batch, Bijection, Given, Mapped, Replay, check_dim},
    density::{Density, Exactness},
    error::{Error, Result},
    given::Owned,
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
        let x = given.masked(x);
        // Without gradients, of which a pass that is thrown away would keep the graph.
        let plain = self.at_source(given).given().map(|t| t.clone().inner());
        let (back, _) = self.bijection.valid().forward_and_ladj(z.clone().inner(), &plain.given())?;
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
        self.check_given(z.dims()[0], given)?;
        let own = self.at_source(given);
        Ok(self.forward(own.given().masked(z), &own.given())?.0)
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
        let (z, own) = self.draw(n, given, rng)?;
        Ok(self.forward(z * temperature, &own.given())?.0)
    }

    /// `n` draws and their log densities, for the price of the draws.
    pub fn sample_and_log_prob(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<(Tensor<2>, Tensor<1>)> {
        let (z, own) = self.draw(n, given, rng)?;
        let log_source = self.source.log_prob(z.clone(), &self.source_given(&own.given()))?;
        let (x, ladj) = self.forward(z, &own.given())?;
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
        given.check_present(x.dims(), x.dtype())?;
        self.check_given(rows, given)?;
        self.of_map(rows, self.bijection.inverse_and_ladj(given.masked(x), given)?)
    }

    /// Checks the context, and whether both parts can do without what is absent.
    fn check_given(&self, rows: usize, given: &Given) -> Result<()> {
        given.check(rows, self.context_dim)?;
        let Some(present) = given.present else { return Ok(()) };
        given.check_present([rows, self.dim()], present.dtype())?;
        self.check_absent()
    }

    /// What is given on the side of the source, for a call about rows x.
    fn at_source(&self, given: &Given) -> Owned {
        let present = given.present.map(|present| self.bijection.present_inverse(present.clone()));
        Owned { present, ..given.map(Tensor::clone) }
    }

    /// Draws from the source, and what T is given with them.
    fn draw(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<(Tensor<2>, Owned)> {
        self.check_given(n, given)?;
        let own = self.at_source(given);
        let z = self.source.sample(n, &self.source_given(&own.given()), rng)?;
        Ok((own.given().masked(z), own))
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

    fn check_absent(&self) -> Result<()> {
        self.bijection.check_absent()?;
        self.source.check_absent()
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
        let own = self.at_source(given);
        let log_source = self.source.log_prob(z, &self.source_given(&own.given()))?;
        Ok(of_rows("log_prob of the source", log_source, &ladj)? + ladj)
    }

    fn sample(&self, n: usize, given: &Given, rng: &mut impl Rng) -> Result<Tensor<2>> {
        let (z, own) = self.draw(n, given, rng)?;
        Ok(self.forward(z, &own.given())?.0)
    }

    fn to_uniform(&self, x: Tensor<2>, given: &Given) -> Result<Tensor<2>> {
        let (z, _) = self.inverse(x, given)?;
        self.source.to_uniform(z, &self.source_given(&self.at_source(given).given()))
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
        let present = batch.present.map(|present| bijection.present_inverse(present));
        Ok(Batch { x: z, present, ..batch })
    }
}
