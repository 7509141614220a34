//! The objective: the number that a fit minimises.

use burn::{module::Module, tensor::Tensor};

use crate::{
    bijection::{Batch, Draws, Given},
    density::Density,
    error::{Error, Result},
    kernels::join_graphs,
    placement::Placement,
    special::logsumexp,
};

/// The loss that a fit of densities of type `D` minimises.
///
/// `D` is a parameter of the trait, so that an objective can ask for more than a [`Density`]: an objective for [`crate::Flow`] can
/// call its `sample_and_log_prob`. The random numbers of an objective come from [`Batch::rng`], so that an interrupted fit resumes to
/// the same bytes.
///
/// The example `own_objective.rs` fits a Gaussian that outliers do not pull away:
///
/// ```no_run
#[doc = include_str!("../../examples/own_objective.rs")]
/// ```
pub trait Objective<D: Density> {
    /// The loss of a batch, a tensor of one number that carries gradients.
    ///
    /// # Errors
    /// The errors of the density on these rows.
    fn loss(&self, density: &D, batch: &Batch) -> Result<Tensor<1>>;

    /// One score per row of a validation batch, `[rows]`; higher is better. The weighted mean of the scores decides which parameters a fit
    /// keeps and when it stops early. By default the score is the [`log_likelihood`].
    ///
    /// # Errors
    /// The errors of the density on these rows.
    fn scores(&self, density: &D, batch: &Batch) -> Result<Tensor<1>> {
        log_likelihood(density, batch)
    }
}

/// The log-likelihood of each row of a batch, `[rows]`: log q(x | context). For rows that were measured with errors it is
/// log (1/K) Σ_k q(x_k | context) exp(l_k) over draws x_k of their true values, with the terms l_k of [`Draws::ladj`]. See [`Errors`](crate::fit::Errors).
///
/// # Errors
/// The errors of the density on these rows.
pub fn log_likelihood<D: Density>(density: &D, batch: &Batch) -> Result<Tensor<1>> {
    let Some(draws) = &batch.draws else { return density.log_prob(batch.x.clone(), &batch.given()) };
    Ok(logsumexp(log_shares(density, batch, draws)?, 1).squeeze_dim::<1>(1) - (draws.number as f64).ln())
}

/// What each draw of a row adds to its likelihood, as a logarithm, `[rows, draws]`.
pub(super) fn log_shares<D: Density>(density: &D, batch: &Batch, draws: &Draws) -> Result<Tensor<2>> {
    let [context, present] = [&batch.context, &batch.present].map(|t| t.as_ref().map(|t| draws.beside(t)));
    let given = Given { context: context.as_ref(), present: present.as_ref(), seed: batch.seed };
    let log_prob = density.log_prob(draws.x.clone(), &given).map_err(|e| e.renumbered(|k| k / draws.number.max(1)))?;
    Ok((log_prob + draws.ladj.clone()).reshape([batch.x.dims()[0], draws.number]))
}

/// Maximum likelihood: the negative mean log-likelihood of a batch of n rows, −Σ w log q(x | context) / n. The weights w have mean 1 over
/// the data set. For rows that were measured with errors, [`log_likelihood`] gives their likelihood.
///
/// At the optimum the loss is the entropy of the data plus KL(data ‖ q).
#[derive(Clone, Copy, Debug, Default)]
pub struct MaxLikelihood;

impl<D: Density> Objective<D> for MaxLikelihood {
    fn loss(&self, density: &D, batch: &Batch) -> Result<Tensor<1>> {
        let log_prob = match &batch.draws {
            None => density.training_log_prob(batch.x.clone(), &batch.given())?,
            Some(_) => log_likelihood(density, batch)?,
        };
        let rows = log_prob.dims()[0];
        Ok(match &batch.weights {
            None => log_prob.mean().neg(),
            Some(weights) if weights.len() != rows => return Err(Error::shape("weights", format!("{rows} numbers"), weights.len())),
            Some(weights) => {
                let weights = Placement::of(&log_prob).tensor(weights.iter().map(|w| -w / rows as f64).collect(), [rows]);
                (log_prob * weights).sum()
            }
        })
    }
}

/// The loss of a batch, checked: `backward` on the result does not panic. The steps of a fit take their gradients from it, and so can a
/// training loop of your own:
///
/// ```
/// use burn::module::Module;
/// use knothe::{Placement, Precision, families::Maf, fit::{Batch, MaxLikelihood, loss}};
///
/// let cpu = Placement::cpu(Precision::F32);
/// let flow = Maf::new(2).build(&cpu)?.train();
/// let gradients = loss(&MaxLikelihood, &flow, &Batch::new(cpu.zeros([3, 2])))?.backward();
/// # Ok::<(), knothe::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] where the batch does not have the density's dim or context_dim, has no rows, or not one weight per row, and where the
/// loss is not one number; [`Error::Invalid`] where the loss carries no gradient, for example because `.train()` was not called on the
/// density.
pub fn loss<D: Density + Module>(objective: &impl Objective<D>, density: &D, batch: &Batch) -> Result<Tensor<1>> {
    batch.check(density.dim(), density.context_dim())?;
    join_graphs(density);
    let loss = objective.loss(density, batch)?;
    if loss.dims() != [1] {
        return Err(Error::shape("loss of the objective", "one number, of shape [1]", loss.dims()));
    }
    if !loss.is_tracked() {
        let expected = "a loss with gradients (is `.train()` called on the density, and does the loss depend on its parameters?)";
        return Err(Error::invalid("loss of the objective", expected, "one without gradients"));
    }
    Ok(loss)
}
