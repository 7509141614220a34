//! An objective of your own: a likelihood that outliers do not pull away.
//!
//! The Lq-likelihood Σ (q(x)^α − 1)/α (Ferrari & Yang 2010, with α = 1 − q) weighs ∇log q(x) of each row by q(x)^α, so that rows in the far
//! tails hardly count. As α goes to 0 it becomes the likelihood.
//!
//! `cargo run --release -p knothe --example own_objective` fits a Gaussian to rows of which one in ten is wrong.

use burn::tensor::Tensor;
use knothe::{
    Density, Flow, Given, Placement, Precision, Result,
    fit::{Batch, Dataset, Fit, MaxLikelihood, Objective},
    linear::ActNorm,
    source::Normal,
    values,
};
use rand::SeedableRng;

/// The Lq-likelihood with exponent α > 0.
struct Robust {
    alpha: f64,
}

impl<D: Density> Objective<D> for Robust {
    fn loss(&self, density: &D, batch: &Batch) -> Result<Tensor<1>> {
        Ok(self.scores(density, batch)?.mean().neg())
    }

    fn scores(&self, density: &D, batch: &Batch) -> Result<Tensor<1>> {
        let log_prob = density.log_prob(batch.x.clone(), &batch.given())?;
        Ok(((log_prob * self.alpha).exp() - 1.0) / self.alpha)
    }
}

/// The mean of a Gaussian fitted to 900 rows of N(0, 1) and 100 rows at 10.
fn fitted_mean(objective: impl Objective<Flow<Normal, ActNorm>> + Sync) -> Result<f64> {
    let place = Placement::cpu(Precision::F64);
    let mut rows = values(place.normal([900, 1], &mut rand_chacha::ChaCha12Rng::seed_from_u64(1)));
    rows.extend([10.0; 100]);
    let data = Dataset::new(rows, 1, &place)?;
    let flow = Flow::new(Normal::new(1, &place), ActNorm::new(1, &place), 0)?;
    let (flow, _) = Fit::new().objective(objective).steps(300).batch(1_000).learning_rate(0.05).run(flow, &data, &data)?;
    Ok(values(flow.from_source(place.zeros([1, 1]), &Given::default())?)[0])
}

fn main() -> Result<()> {
    println!("mean by maximum likelihood: {:.2}", fitted_mean(MaxLikelihood)?);
    println!("mean by the robust likelihood: {:.2}", fitted_mean(Robust { alpha: 0.5 })?);
    Ok(())
}

#[test]
fn outliers_pull_the_likelihood_alone() -> Result<()> {
    // 0.9 · 0 + 0.1 · 10, and 0, within four standard errors of a mean of 900.
    assert!((fitted_mean(MaxLikelihood)? - 1.0).abs() < 0.14 && fitted_mean(Robust { alpha: 0.5 })?.abs() < 0.14);
    Ok(())
}
