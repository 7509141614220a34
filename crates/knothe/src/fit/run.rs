//! The loop.

use std::time::Instant;

use super::{
    Checkpoint, Checkpoints, Dataset, Epoch, FitConfig, FitReport, Observer, Progress, Schedule, Stopped,
    adam::Adam,
    average::Average,
    checkpoint::{Counters, State},
    objective,
};
use crate::{
    bijection::Given,
    density::Density,
    error::{Error, Result},
    order::Order,
    parameters,
    random::{Purpose, stream},
    values,
};
use burn::module::Module;

/// How often a fit goes back before it gives up.
const MOST_RETREATS: u32 = 5;

/// The weighted log-likelihoods of a data set's rows, log q(x) in model space, evaluated in order.
pub fn evaluate(density: &impl Density, data: &Dataset, seed: u64) -> Result<Vec<f64>> {
    let mut all = Vec::with_capacity(data.rows());
    for batch in data.in_order(data.evaluation_rows(), seed) {
        let batch = batch?;
        let given = Given { context: batch.context.as_ref(), seed };
        let start = all.len();
        all.extend(values(density.log_prob(batch.x, &given).map_err(|e| e.renumbered(|row| start + row))?));
    }
    Ok(all)
}

/// Fits a density by maximum likelihood, and returns the state that was best on the validation set, for evaluation.
///
/// The same seed, data and thread count give the same parameters, interrupted and resumed or not.
/// Steps whose loss or gradient is not finite are skipped and counted.
pub fn fit<M: Density + Module>(
    density: M,
    train: &Dataset,
    validation: &Dataset,
    config: &FitConfig,
    checkpoints: Option<&Checkpoints>,
    resume: Option<Checkpoint>,
    observer: &mut impl Observer,
) -> Result<(M, FitReport)> {
    let started = Instant::now();
    let size = config.batch.clamp(1, train.rows().max(1));
    // A last row alone joins the batch before it: a batch of one has no variance for batch norm to divide by.
    let alone = train.rows() % size == 1 && train.rows() > size;
    let epoch_steps = (train.rows().div_ceil(size) - usize::from(alone)) as u64;
    let steps = config.steps.unwrap_or(config.epochs.saturating_mul(epoch_steps));
    let mut state = match resume {
        Some(checkpoint) => checkpoint.into_state(density.train())?,
        None => {
            let mut start = density.valid();
            start.initialise(&mut { train })?;
            start.collect_statistics(&mut { train })?;
            let module = start.train();
            let average = config.average.map(|_| Average::new(&module));
            State { module, adam: Adam::default(), average, best: None, counters: Counters::default() }
        }
    };
    let before = state.counters.seconds;
    let mut written = Instant::now();
    let mut stopped = Stopped::Finished;
    let mut shuffled: Option<(u64, Vec<u32>)> = None;

    while state.counters.step < steps {
        let (epoch, at) = (state.counters.step / epoch_steps, state.counters.step % epoch_steps);
        if at == 0 && config.patience > 0 && state.counters.stale_epochs >= config.patience {
            stopped = Stopped::Patience;
            break;
        }
        if shuffled.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let mut rng = stream(config.seed, Purpose::Shuffle, epoch);
            shuffled = Some((epoch, Order::random(train.rows(), &mut rng).columns().iter().map(|&r| r as u32).collect()));
        }
        if state.counters.skipped_in_a_row >= config.skipped_limit {
            let problem = Error::Diverged { steps: state.counters.skipped_in_a_row as usize };
            state = retreat(state, config)?;
            observer.warn(&problem);
        }
        let rows = shuffled.as_ref().map_or(&[][..], |(_, rows)| rows.as_slice());
        let start = at as usize * size;
        let end = if at + 1 == epoch_steps { rows.len() } else { start + size };
        let rows = &rows[start..end];
        // On a thread of the pool: from any other, each parallel operation of a step would wake one and wait for it.
        state = rayon::scope(|_| step(state, train, rows, steps, config))?;

        let end_of_epoch = (at + 1 == epoch_steps) || state.counters.step == steps;
        if end_of_epoch {
            validate(&mut state, train, validation, config)?;
        }
        state.counters.seconds = before + started.elapsed().as_secs_f64();
        let go_on = observer.step(&progress(&state.counters, epoch, steps, train.offset()));
        if let Some(c) = checkpoints {
            let due = state.counters.step < steps && ((end_of_epoch && epoch == 0) || written.elapsed().as_secs_f64() >= c.every);
            if due || !go_on {
                written = Instant::now();
                match state.write(&c.path, &c.job) {
                    Err(problem) if go_on => observer.warn(&problem),
                    outcome => outcome?,
                }
            }
        }
        if !go_on {
            stopped = Stopped::Interrupted;
            break;
        }
    }
    if stopped == Stopped::Interrupted {
        state.best.get_or_insert_with(|| parameters::collect(&state.module.valid()));
    } else if state.best.is_none() {
        validate(&mut state, train, validation, config)?;
    }
    let counters = state.counters;
    let Some(best) = state.best else {
        let log_prob = evaluate(&state.module.valid(), validation, config.seed)?;
        let rows = log_prob.iter().enumerate().filter(|(_, l)| !l.is_finite()).map(|(row, _)| row).collect();
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

/// One step of the optimiser on the rows named.
fn step<M: Density + Module>(mut state: State<M>, train: &Dataset, rows: &[u32], steps: u64, config: &FitConfig) -> Result<State<M>> {
    let c = &mut state.counters;
    let batch = train.gather(rows, config.noise, &mut stream(config.seed, Purpose::Noise, c.step))?;
    let loss = objective::max_likelihood(&state.module, &batch)?;
    let value = loss.clone().into_scalar::<f64>();
    let mut taken = false;
    if value.is_finite() {
        let rate = config.learning_rate * config.schedule.factor(c.step, steps, c.halvings) * 0.5f64.powi(c.retreats as i32);
        let gradients = loss.backward();
        (state.module, taken) = state.adam.step(state.module, gradients, rate, config.weight_decay, config.clip);
    }
    c.step += 1;
    if taken {
        c.skipped_in_a_row = 0;
        c.loss = (c.loss.0 + value, c.loss.1 + 1);
        if let (Some(average), Some(decay)) = (&mut state.average, config.average) {
            average.update(&state.module, decay);
        }
    } else {
        c.skipped += 1;
        c.skipped_in_a_row += 1;
    }
    Ok(state)
}

/// Goes back to the best parameters, for half the learning rate from here on. The moments of the optimiser are those of steps that were taken, and stay.
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

/// Evaluates the validation set at the end of an epoch and keeps the best parameters.
fn validate<M: Density + Module>(state: &mut State<M>, train: &Dataset, validation: &Dataset, config: &FitConfig) -> Result<()> {
    let mut candidate = match &state.average {
        Some(average) => average.applied(state.module.valid()),
        None => state.module.valid(),
    };
    candidate.collect_statistics(&mut { train })?;
    let log_likelihood = validation.mean(&evaluate(&candidate, validation, config.seed)?);
    let c = &mut state.counters;
    let (sum, number) = std::mem::take(&mut c.loss);
    let train_log_likelihood = -sum / number.max(1) as f64 + train.offset();
    c.history.push(Epoch { train: train_log_likelihood, validation: log_likelihood });
    if log_likelihood.is_finite() && c.best.is_none_or(|(best, _)| log_likelihood > best) {
        c.best = Some((log_likelihood, c.history.len() as u64));
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

fn progress(c: &Counters, epoch: u64, steps: u64, offset: f64) -> Progress {
    Progress {
        step: c.step,
        steps,
        epoch: epoch + 1,
        train: match c.loss {
            (_, 0) => c.history.last().map_or(f64::NAN, |e| e.train),
            (sum, number) => -sum / number as f64 + offset,
        },
        validation: c.history.last().map(|e| e.validation),
        best: c.best.map(|(best, _)| best),
        skipped: c.skipped,
    }
}
