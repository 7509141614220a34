//! The race.

use serde::{Deserialize, Serialize};

use super::{
    candidates::Candidate,
    field::{Field, Outcome},
};
use crate::{
    error::{Error, Result},
    events::Coding,
    fit::{Checkpoints, FitConfig, Observer},
    model::{Fitting, LogLikelihood, Model, Resume, Split, Weighting},
    placement::Placement,
};

/// The longest budget in seconds.
const MOST_SECONDS: f64 = 1e9;

/// How much a race may use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// Seconds of wall-clock time. The result depends on the machine.
    Seconds(f64),
    /// Optimisation steps of all candidates together. The result is the same on each run, interrupted and resumed or not.
    Steps(u64),
}

/// The progress of a candidate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// The candidate, by its place in the list.
    pub candidate: usize,
    /// The rungs that it has finished.
    pub rungs: usize,
    /// The steps that it has taken.
    pub steps: u64,
    /// The validation log-likelihood; none if its fit failed.
    pub validation: Option<LogLikelihood>,
    /// The weight of the candidate in the result, once the race has ended.
    pub weight: f64,
}

/// Watches a race.
pub trait RaceObserver: Observer {
    /// Called before each run, with the standings and the candidate that runs next, and at the end without one.
    fn standings(&mut self, _standings: &[Standing], _next: Option<usize>) {}

    /// Asked before each run; `true` stops the race. A run with steps can also be stopped by [`Observer::step`].
    fn stopped(&mut self) -> bool {
        false
    }
}

impl RaceObserver for () {}

/// The result of a race.
#[derive(Clone, Debug)]
pub struct Raced<C: Coding> {
    /// The mixture.
    pub model: Model<C>,
    /// All candidates, in the order of the list.
    pub standings: Vec<Standing>,
}

/// Candidates, and the budget that they share.
///
/// Closed-form candidates are fitted first. The others run by successive halving, in rungs with equal shares of the budget. The half with the higher validation likelihood goes on to the next rung.
/// Each run starts from the parameters of the previous run and restarts the learning-rate schedule. The result is a mixture with the weights that maximise the validation likelihood. Candidates
/// with a weight below 0.02 are left out.
///
/// With few validation events, the best of many candidates is best by luck. The first candidate whose log-likelihood is within 4 nats of the best, over all validation events together, therefore
/// explains 4 more events alone when the weights are chosen. Simple candidates come first in the list of [`candidates`](super::candidates()).
pub struct Race<'a, C: Coding> {
    /// The events.
    pub split: &'a Split<C::Events>,
    /// The coding, with what it learns from the training events set.
    pub coding: &'a C,
    /// The candidates.
    pub candidates: &'a [Candidate],
    /// The budget.
    pub budget: Budget,
    /// Device and precision.
    pub place: &'a Placement,
}

impl<C: Coding> Race<'_, C> {
    /// Runs the race. Returns `None` if the observer stops it.
    ///
    /// Runs are counted from 0. The checkpoint of run 0 goes to the given path, and the checkpoint of run k to that path with `.k` appended. A finished run takes the place of its checkpoint, so
    /// [`Resume`] finds it. The caller removes all of them when the result is safe. There are at most [`Race::runs`] files.
    ///
    /// # Errors
    /// [`Error::Invalid`] without candidates or for a budget that is not positive and finite, the error of the first candidate if all fail, and those of [`Coding::encode`] and of files.
    pub fn run(
        &self,
        checkpoints: Option<&Checkpoints>,
        resume: Option<Resume>,
        observer: &mut dyn RaceObserver,
    ) -> Result<Option<Raced<C>>> {
        self.check()?;
        let settings = FitConfig::default();
        let fitting = Fitting {
            split: self.split,
            coding: self.coding,
            recipes: &[],
            weighting: Weighting::Validation,
            config: &settings,
            place: self.place,
        };
        let mut field = Field::new(self, &fitting)?;
        let mut running = resume.map(|resume| field.take(resume)).transpose()?.flatten();
        let mut first_failure = None;
        while let Some(heat) = field.next(observer) {
            if observer.stopped() {
                return Ok(None);
            }
            observer.standings(&field.standings(&[]), Some(heat.candidate));
            let is_left = running.as_ref().is_some_and(|(left, _)| *left == heat);
            let own = if is_left { running.take().map(|(_, checkpoint)| checkpoint) } else { None };
            match field.run(heat, checkpoints, own, observer) {
                Ok(Outcome::Finished(fitted)) => {
                    let (member, network) = *fitted;
                    if let Some(checkpoints) = checkpoints {
                        field.write(heat, checkpoints, &member, &network, observer);
                    }
                    if let Err(problem) = field.finish(heat, member, network) {
                        field.fail(heat, problem, &mut first_failure, observer)?;
                    }
                }
                Ok(Outcome::Stopped) => return Ok(None),
                Err(problem) => field.fail(heat, problem, &mut first_failure, observer)?,
            }
        }
        field.result(first_failure).map(|raced| {
            observer.standings(&raced.standings, None);
            Some(raced)
        })
    }

    /// The most runs of a race.
    pub fn runs(&self) -> usize {
        let trained = self.trained().count();
        self.candidates.len() + 2 * trained
    }

    /// The candidates with steps.
    pub(super) fn trained(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.candidates.len()).filter(|&k| !self.candidates[k].recipe.family().closed_form())
    }

    fn check(&self) -> Result<()> {
        if self.candidates.is_empty() {
            return Err(Error::invalid("candidates", "at least one", 0));
        }
        match self.budget {
            Budget::Seconds(seconds) if !(seconds > 0.0 && seconds <= MOST_SECONDS) => {
                Err(Error::invalid("budget", format!("more than 0 seconds, and at most {MOST_SECONDS:e}"), seconds))
            }
            Budget::Steps(0) => Err(Error::invalid("budget", "at least 1 step", 0)),
            _ => Ok(()),
        }
    }
}
