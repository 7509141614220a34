//! The loop.

use std::time::Instant;

use burn::module::Module;

use super::{
    Batches, Epoch, EpochBatches, Fit, FitConfig, FitReport, Objective, Progress, Schedule, Step, Stopped,
    adam::{Adam, find},
    average::Average,
    batches::{Plan, mean_score, score_rows},
    checkpoint::{Counters, State},
    hook::{Hook, call},
    loss,
    progress::Recent,
    schedule::warm_up,
};
use crate::{
    bijection::Batch,
    density::Density,
    error::{Error, Result},
    parameters,
    placement::Placement,
};

/// How often a fit goes back before it gives up.
const MOST_RETREATS: u32 = 5;

impl<O> Fit<'_, O> {
    /// Fits a density to the training rows. Returns it in the state that had the best validation score, ready for evaluation, with a
    /// report.
    ///
    /// The same seed, rows and settings give the same parameters, with any number of threads, interrupted and resumed or not. Steps whose
    /// loss or gradient is not finite are skipped and counted.
    ///
    /// # Errors
    /// [`Error::Shape`] where rows do not have the columns, the precision or the device of the density; [`Error::Diverged`] after too many
    /// skipped steps; [`Error::NotFinite`] where no validation score was finite; and the errors of the objective and of the batches.
    pub fn run<M: Density + Module>(
        mut self,
        density: M,
        train: &(impl Batches + ?Sized),
        validation: &(impl Batches + ?Sized),
    ) -> Result<(M, FitReport)>
    where
        O: Objective<M> + Sync,
    {
        let started = Instant::now();
        check(&density, "training rows", train)?;
        check(&density, "validation rows", validation)?;
        let plan = Plan::new(train, self.config.batch)?;
        let steps = self.config.steps.unwrap_or(self.config.epochs.saturating_mul(plan.steps));
        let mut state = match self.resume.take() {
            Some(checkpoint) => checkpoint.into_state(density.train())?,
            None => start(density, train, &self.config, self.as_it_is)?,
        };
        if state.counters.step == 0 && steps > 0 {
            self.consider_start(&mut state, train, validation)?;
        }
        let before = state.counters.seconds;
        let mut written = Instant::now();
        let mut stopped = Stopped::Finished;
        let mut batches: Option<(u64, EpochBatches)> = None;
        let mut recent = Recent::default();

        while state.counters.step < steps {
            let (epoch, at) = (state.counters.step / plan.steps, state.counters.step % plan.steps);
            if at == 0 && self.config.patience > 0 && state.counters.stale_epochs >= self.config.patience {
                stopped = Stopped::Patience;
                break;
            }
            if state.counters.skipped_in_a_row >= self.config.skipped_limit {
                let problem = Error::Diverged { steps: state.counters.skipped_in_a_row as usize };
                state = retreat(state, &self.config)?;
                if let Some(observer) = &mut self.observer {
                    observer.warn(&problem);
                }
            }
            let batch = match &mut batches {
                Some((of, batches)) if *of == epoch => batches,
                other => &mut other.insert((epoch, train.epoch(self.config.seed, epoch)?)).1,
            };
            let FitConfig { seed, noise, error_draws: draws, .. } = self.config;
            let ask = Step { seed, step: state.counters.step, rows: plan.rows(at), noise, draws };
            // On a thread of the pool: from any other, each parallel operation of a step would wake one and wait for it.
            let (config, objective, hook) = (&self.config, &self.objective, self.hook.as_mut());
            let taken;
            (state, taken) = rayon::scope(|_| step(state, &batch(&ask)?, steps, config, objective, hook))?;
            taken.into_iter().for_each(|loss| recent.push(loss));

            let end_of_epoch = (at + 1 == plan.steps) || state.counters.step == steps;
            if end_of_epoch {
                self.validate(&mut state, train, validation)?;
            }
            state.counters.seconds = before + started.elapsed().as_secs_f64();
            let now = progress(&state.counters, &recent, epoch, steps, train.offset());
            let go_on = self.observer.as_mut().is_none_or(|observer| observer.step(&now));
            if let Some(c) = &self.checkpoints {
                let due = state.counters.step < steps && ((end_of_epoch && epoch == 0) || written.elapsed().as_secs_f64() >= c.every);
                if due || !go_on {
                    written = Instant::now();
                    match (state.write(&c.path, &c.job), &mut self.observer) {
                        (Err(problem), Some(observer)) if go_on => observer.warn(&problem),
                        (Err(_), None) if go_on => {}
                        (outcome, _) => outcome?,
                    }
                }
            }
            if !go_on {
                stopped = Stopped::Interrupted;
                break;
            }
        }
        if stopped == Stopped::Interrupted {
            if state.counters.history.is_empty() {
                // Only the start has a score so far, and what the steps have made of it goes out.
                (state.best, state.counters.best) = (None, None);
            }
            state.best.get_or_insert_with(|| parameters::collect(&state.module.valid()));
        } else if state.best.is_none() {
            self.validate(&mut state, train, validation)?;
        }
        let counters = state.counters;
        let Some(best) = state.best else {
            let module = state.module.valid();
            let scores = score_rows(&self.objective, &module, validation, self.config.seed)?;
            let rows = scores.iter().enumerate().filter(|(_, l)| !l.is_finite()).map(|(row, _)| row).collect();
            return Err(Error::NotFinite { what: "the validation log-likelihood".into(), rows });
        };
        let report = FitReport {
            steps: counters.step,
            history: counters.history,
            best: counters.best,
            skipped: counters.skipped,
            retreats: counters.retreats,
            seconds: before + started.elapsed().as_secs_f64(),
            stopped,
        };
        Ok((parameters::restore(state.module.valid(), best)?, report))
    }

    /// Takes the start for the best parameters so far, as those of epoch 0: no fit ends worse on the validation set than it starts.
    fn consider_start<M: Density + Module>(
        &self,
        state: &mut State<M>,
        train: &(impl Batches + ?Sized),
        validation: &(impl Batches + ?Sized),
    ) -> Result<()>
    where
        O: Objective<M>,
    {
        let (start, score) = self.candidate(state, train, validation)?;
        if score.is_finite() {
            state.counters.best = Some((score, 0));
            state.best = Some(parameters::collect(&start));
        }
        Ok(())
    }

    /// The parameters as they are now, for evaluation, and their score on the validation set.
    fn candidate<M: Density + Module>(
        &self,
        state: &State<M>,
        train: &(impl Batches + ?Sized),
        validation: &(impl Batches + ?Sized),
    ) -> Result<(M, f64)>
    where
        O: Objective<M>,
    {
        let mut candidate = match &state.average {
            Some(average) => average.applied(state.module.valid()),
            None => state.module.valid(),
        };
        candidate.collect_statistics(&mut { train })?;
        let score = mean_score(&self.objective, &candidate, validation, self.config.seed)?;
        Ok((candidate, score))
    }

    /// Evaluates the validation set at the end of an epoch and keeps the best parameters.
    fn validate<M: Density + Module>(
        &self,
        state: &mut State<M>,
        train: &(impl Batches + ?Sized),
        validation: &(impl Batches + ?Sized),
    ) -> Result<()>
    where
        O: Objective<M>,
    {
        let config = &self.config;
        let (candidate, score) = self.candidate(state, train, validation)?;
        let c = &mut state.counters;
        let (sum, number) = std::mem::take(&mut c.loss);
        c.history.push(Epoch { train: -sum / number.max(1) as f64 + train.offset(), validation: score });
        if score.is_finite() && c.best.is_none_or(|(best, _)| score > best) {
            c.best = Some((score, c.history.len() as u64));
            c.stale_epochs = 0;
            state.best = Some(parameters::collect(&candidate));
        } else {
            c.stale_epochs += 1;
            let plateau = (config.patience / 4).max(1);
            if config.schedule == Schedule::Plateau && c.stale_epochs.is_multiple_of(plateau) {
                c.halvings += 1;
            }
        }
        Ok(())
    }
}

/// The state before the first step, with the data-dependent start unless the density stays as it is.
fn start<M: Density + Module>(density: M, train: &(impl Batches + ?Sized), config: &FitConfig, as_it_is: bool) -> Result<State<M>> {
    let mut start = density.valid();
    if !as_it_is {
        start.initialise(&mut { train })?;
    }
    start.collect_statistics(&mut { train })?;
    let module = start.train();
    let average = config.average.map(|_| Average::new(&module));
    Ok(State { module, adam: Adam::default(), average, best: None, counters: Counters::default() })
}

/// Checks that rows have the columns, the precision and the device of a density.
fn check(density: &(impl Density + Module), what: &str, rows: &(impl Batches + ?Sized)) -> Result<()> {
    let of = |dim, context_dim| format!("{dim} columns and {context_dim} context columns");
    let (expected, found) = (of(density.dim(), density.context_dim()), of(rows.dim(), rows.context_dim()));
    if expected != found {
        return Err(Error::Shape { what: what.into(), expected: format!("{expected}, as the density has"), found });
    }
    let Some(place) = parameters::placement(density) else { return Ok(()) };
    let of = |place: &Placement| format!("{:?} on {:?}", place.dtype(), place.device.clone().inner());
    let (expected, found) = (of(&place), of(rows.placement()));
    if expected != found {
        return Err(Error::Shape { what: what.into(), expected: format!("{expected}, as the density's parameters"), found });
    }
    Ok(())
}

/// One step of the optimiser on a batch, and its loss if it was taken.
fn step<M: Density + Module>(
    mut state: State<M>,
    batch: &Batch,
    steps: u64,
    config: &FitConfig,
    objective: &impl Objective<M>,
    hook: Option<&mut Hook>,
) -> Result<(State<M>, Option<f64>)> {
    let c = &mut state.counters;
    let loss = loss(objective, &state.module, batch)?;
    let value = loss.clone().into_scalar::<f64>();
    let mut taken = false;
    // Processes that average their gradients have to call the hook equally often.
    if value.is_finite() || hook.is_some() {
        let schedule = config.schedule.factor(c.step, steps, c.halvings) * warm_up(c.step, steps, config.warm_up);
        let rate = config.learning_rate * schedule * 0.5f64.powi(c.retreats as i32);
        let mut gradients = find(&state.module, loss.backward());
        if let Some(hook) = hook {
            call(hook, &mut gradients, value.is_finite())?;
        }
        (state.module, taken) = state.adam.step_on(state.module, gradients, rate, config.weight_decay, config.clip);
    }
    c.step += 1;
    if taken {
        c.skipped_in_a_row = 0;
        if value.is_finite() {
            c.loss = (c.loss.0 + value, c.loss.1 + 1);
        }
        if let (Some(average), Some(decay)) = (&mut state.average, config.average) {
            average.update(&state.module, decay);
        }
    } else {
        c.skipped += 1;
        c.skipped_in_a_row += 1;
    }
    Ok((state, taken.then_some(value).filter(|value| value.is_finite())))
}

/// Goes back to the best parameters, and halves the learning rate from here on. The moments of the optimiser come from steps that were
/// taken, and stay.
fn retreat<M: Module>(mut state: State<M>, config: &FitConfig) -> Result<State<M>> {
    let c = &mut state.counters;
    let helps = c.retreats < MOST_RETREATS && c.step - c.since > c.skipped_in_a_row;
    let Some(best) = state.best.clone().filter(|_| helps) else {
        return Err(Error::Diverged { steps: c.skipped_in_a_row as usize });
    };
    (c.retreats, c.since, c.skipped_in_a_row) = (c.retreats + 1, c.step, 0);
    state.module = parameters::restore(state.module, best)?;
    state.average = config.average.map(|_| Average::new(&state.module));
    Ok(state)
}

/// What an observer is told after a step.
fn progress(c: &Counters, recent: &Recent, epoch: u64, steps: u64, offset: f64) -> Progress {
    Progress {
        step: c.step,
        steps,
        epoch: epoch + 1,
        train: match recent.median() {
            Some(loss) => offset - loss,
            None => c.history.last().map_or(f64::NAN, |e| e.train),
        },
        validation: c.history.last().map(|e| e.validation),
        best: c.best.map(|(best, _)| best),
        skipped: c.skipped,
    }
}
