//! Fits of toy densities: standardised draws, and the gap of a model to the truth on new ones.
#![allow(dead_code, reason = "each example uses a part of it")]

use burn::module::Module;
use knothe::{
    Density, Placement, Precision, Result,
    fit::{Dataset, Fit, FitConfig, FitReport, evaluate},
    toys::Toy,
};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

/// The precision of the fits.
pub fn place() -> Placement {
    Placement::cpu(Precision::F32)
}

/// A model of a toy's columns.
pub struct Learned<M> {
    model: M,
    columns: [usize; 2],
    mean: [f64; 2],
    deviation: [f64; 2],
    /// What the fit did.
    pub report: FitReport,
    /// mean(log q_true − log q_model) over 100,000 new points.
    pub gap: f64,
    /// Two standard errors of the gap.
    pub two_se: f64,
    /// The largest log q_true − log q_model of one point.
    pub worst: f64,
}

/// Fits a model to a million draws. It sees the columns in an order: `[1, 0]` is x₂, then x₁.
pub fn learn<M: Density + Module>(toy: Toy, columns: [usize; 2], start: M, config: &FitConfig) -> Result<Learned<M>> {
    let mut rng = ChaCha12Rng::seed_from_u64(config.seed + 1);
    let [train, validation, test] = [1_000_000, 20_000, 100_000].map(|n| toy.sample(n, &mut rng));
    let n = train.len() as f64;
    let mean = [0, 1].map(|j| train.iter().map(|x| x[j]).sum::<f64>() / n);
    let deviation = [0, 1].map(|j| (train.iter().map(|x| (x[j] - mean[j]).powi(2)).sum::<f64>() / n).sqrt());
    let set = |points: &[[f64; 2]]| dataset(points, columns, mean, deviation);
    let (model, report) = Fit::new().config(config.clone()).run(start, &set(&train)?, &set(&validation)?)?;
    let mut learned = Learned { model, columns, mean, deviation, report, gap: 0.0, two_se: 0.0, worst: 0.0 };
    let gaps: Vec<f64> = test.iter().zip(learned.log_prob(&test)?).map(|(&x, q)| toy.log_prob(x) - q).collect();
    learned.gap = gaps.iter().sum::<f64>() / gaps.len() as f64;
    learned.two_se = 2.0 * gaps.iter().map(|g| (g - learned.gap).powi(2)).sum::<f64>().sqrt() / gaps.len() as f64;
    learned.worst = gaps.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok(learned)
}

impl<M: Density> Learned<M> {
    /// log q(x) in the units of the toy.
    pub fn log_prob(&self, points: &[[f64; 2]]) -> Result<Vec<f64>> {
        let ladj = -self.deviation.iter().map(|d| d.ln()).sum::<f64>();
        let data = dataset(points, self.columns, self.mean, self.deviation)?;
        Ok(evaluate(&self.model, &data, 0)?.iter().map(|l| l + ladj).collect())
    }
}

fn dataset(points: &[[f64; 2]], columns: [usize; 2], mean: [f64; 2], deviation: [f64; 2]) -> Result<Dataset> {
    let x: Vec<f64> = points.iter().flat_map(|x| columns.map(|j| (x[j] - mean[j]) / deviation[j])).collect();
    Dataset::new(x, 2, &place())
}
