//! The fit as its caller describes it.

use super::{Checkpoint, Checkpoints, FitConfig, Gradient, MaxLikelihood, Observer, Schedule, hook::Hook};
use crate::error::Result;

/// A fit with named settings, by default maximum likelihood with the settings of [`FitConfig::default`].
///
/// ```
/// use knothe::{Placement, Precision, families::Maf, fit::{Dataset, Fit}};
///
/// let cpu = Placement::cpu(Precision::F32);
/// let rows: [f32; 8] = [0.1, 0.3, -0.2, 0.1, 1.2, 1.7, 0.4, 0.2];
/// let data = Dataset::new(&rows[..], 2, &cpu)?;
/// let flow = Maf::new(2).build(&cpu)?;
/// let (flow, report) = Fit::new().epochs(3).batch(2).learning_rate(1e-3).seed(0).run(flow, &data, &data)?;
/// assert_eq!(report.steps, 6);
/// # Ok::<(), knothe::Error>(())
/// ```
pub struct Fit<'a, O = MaxLikelihood> {
    pub(super) config: FitConfig,
    pub(super) objective: O,
    pub(super) hook: Option<Hook<'a>>,
    pub(super) checkpoints: Option<Checkpoints>,
    pub(super) resume: Option<Checkpoint>,
    pub(super) observer: Option<&'a mut dyn Observer>,
    pub(super) as_it_is: bool,
}

impl Default for Fit<'_> {
    fn default() -> Self {
        Fit {
            config: FitConfig::default(),
            objective: MaxLikelihood,
            hook: None,
            checkpoints: None,
            resume: None,
            observer: None,
            as_it_is: false,
        }
    }
}

impl Fit<'_> {
    /// Maximum likelihood with the default settings.
    pub fn new() -> Self {
        Fit::default()
    }
}

impl<'a, O> Fit<'a, O> {
    /// Sets every setting at once.
    pub fn config(self, config: FitConfig) -> Self {
        Fit { config, ..self }
    }

    /// Starts from the parameters of the density as they are, as those of a finished fit, without a data-dependent start.
    pub fn as_it_is(self, yes: bool) -> Self {
        Fit { as_it_is: yes, ..self }
    }

    /// Sets the number of passes over the training rows; see [`FitConfig::epochs`].
    pub fn epochs(mut self, epochs: u64) -> Self {
        (self.config.epochs, self.config.steps) = (epochs, None);
        self
    }

    /// Sets the number of steps, in the place of a number of epochs.
    pub fn steps(mut self, steps: u64) -> Self {
        self.config.steps = Some(steps);
        self
    }

    /// Sets the number of rows per step.
    pub fn batch(mut self, rows: usize) -> Self {
        self.config.batch = rows;
        self
    }

    /// Sets the learning rate of Adam.
    pub fn learning_rate(mut self, rate: f64) -> Self {
        self.config.learning_rate = rate;
        self
    }

    /// Sets the number of steps over which the learning rate rises to its full value; see [`FitConfig::warm_up`].
    pub fn warm_up(mut self, steps: u64) -> Self {
        self.config.warm_up = steps;
        self
    }

    /// Sets the schedule of the learning rate.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.config.schedule = schedule;
        self
    }

    /// Sets the number of epochs without a better validation score after which the fit stops; 0 never stops early.
    pub fn patience(mut self, epochs: u32) -> Self {
        self.config.patience = epochs;
        self
    }

    /// Sets how many true values each step draws of a row that was measured with errors; see [`FitConfig::error_draws`].
    pub fn error_draws(mut self, number: usize) -> Self {
        self.config.error_draws = number;
        self
    }

    /// Sets the seed of shuffling and noise.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Sets the objective that the fit minimises.
    pub fn objective<P>(self, objective: P) -> Fit<'a, P> {
        let Fit { config, hook, checkpoints, resume, observer, as_it_is, .. } = self;
        Fit { config, objective, hook, checkpoints, resume, observer, as_it_is }
    }

    /// Calls `hook` in every step, between the gradient and the optimiser's step. It gets the gradient of each parameter in the order in which
    /// Burn visits the module, the order of the fields' declaration, and may change the numbers in place: add noise, or average
    /// them over processes that each read a part of every batch.
    ///
    /// The hook is also called where the loss is not finite, with gradients that are all NaN. A step whose gradients are not finite after the
    /// hook is skipped. So processes that average their gradients call the hook equally often and skip the same steps.
    pub fn hook(mut self, hook: impl FnMut(&mut [Gradient<'_>]) -> Result<()> + Send + 'a) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Writes checkpoints.
    pub fn checkpoints(mut self, checkpoints: impl Into<Option<Checkpoints>>) -> Self {
        self.checkpoints = checkpoints.into();
        self
    }

    /// Goes on from a checkpoint of a fit with the same settings, rows and architecture.
    pub fn resume(mut self, checkpoint: impl Into<Option<Checkpoint>>) -> Self {
        self.resume = checkpoint.into();
        self
    }

    /// Tells an observer about every step.
    pub fn observer(mut self, observer: &'a mut dyn Observer) -> Self {
        self.observer = Some(observer);
        self
    }
}
