//! What a fit minimises.

use burn::{module::Module, tensor::Tensor};

use crate::{bijection::Batch, density::Density, error::Result, kernels::join_graphs};

/// The negative mean log-likelihood of a batch of n rows, −Σ w log q(x | context) / n, a tensor of one number; the weights w
/// have mean 1 over the data set.
///
/// Minimising it maximises the likelihood; at the optimum it is the entropy of the data plus KL(data ‖ q).
pub fn max_likelihood(density: &(impl Density + Module), batch: &Batch) -> Result<Tensor<1>> {
    join_graphs(density);
    let log_prob = density.log_prob(batch.x.clone(), &batch.given())?;
    let rows = log_prob.dims()[0];
    Ok(match &batch.weights {
        None => log_prob.mean().neg(),
        Some(weights) if weights.len() != rows => return Err(crate::Error::shape("weights", format!("{rows} of them"), weights.len())),
        Some(weights) => {
            let weights = crate::Placement::of(&log_prob).tensor(weights.iter().map(|w| -w / rows as f64).collect(), [rows]);
            (log_prob * weights).sum()
        }
    })
}
