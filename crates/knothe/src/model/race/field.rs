//! The state of a race: its candidates, their runs, and what becomes of them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    candidates::Candidate,
    clock::{Clock, PILOT, Pace},
    plan::{self, Heat},
    run::{Budget, Race, RaceObserver, Raced, Standing},
};
use crate::{
    error::{Error, Result},
    events::{Coding, Events, in_file},
    fit::{Checkpoint, Checkpoints, Dataset, FitConfig, Stopped},
    mixture::Mixture,
    model::{
        FitRecord, Fitting, LogLikelihood, Member, Model, Resume, Scoring, Weighting, log_prob,
        member::{path_of, remove_checkpoint, replace_checkpoint, restored},
    },
    network::Network,
    simplex::likeliest_weights,
};

/// The fewest steps of a run that can tell candidates apart. A budget of seconds that has no time for them has fewer candidates.
const FEWEST: u64 = 50;
/// The least weight of a member of the result.
const LEAST: f64 = 0.02;
/// The nats by which the simplest of several candidates may be less likely on all validation events together, and the events that it explains alone in the choice of the weights.
/// The best of many candidates is better by luck on few events; about e⁴ candidates would have to be tried for 4 nats of luck.
const FAVOUR: f64 = 4.0;
/// The share of a budget of seconds that fits without steps may use.
const CLOSED: f64 = 0.25;
/// The part of a budget of seconds by which the last fit may be late.
const LATE: f64 = 0.05;

/// A candidate in the race.
#[derive(Default)]
struct Entry {
    /// Its scores, rung by rung; −∞ if a run failed.
    scores: Vec<f64>,
    /// The log-likelihood of each validation event.
    log_prob: Vec<f64>,
    fitted: Option<(Member, Network)>,
    steps: u64,
    pace: Option<Pace>,
}

/// How a run ended.
pub(super) enum Outcome {
    Finished(Box<(Member, Network)>),
    /// The user has stopped it.
    Stopped,
}

/// Whether an error is of the candidate alone, so that the others can go on.
fn is_own(error: &Error) -> bool {
    matches!(
        error,
        Error::Diverged { .. } | Error::NotFinite { .. } | Error::Invalid { .. } | Error::Unsupported { .. } | Error::NotInvertible { .. }
    )
}

/// The state of a race.
pub(super) struct Field<'a, C: Coding> {
    race: &'a Race<'a, C>,
    fitting: &'a Fitting<'a, C>,
    train: Dataset,
    validation: Dataset,
    started: Instant,
    entries: Vec<Entry>,
    /// The most candidates with steps.
    size: usize,
    /// The seconds that the candidates with steps have.
    left: Option<f64>,
    /// The runs that have finished.
    files: usize,
    /// The seconds of the last run without steps.
    closed: f64,
}

impl<'a, C: Coding> Field<'a, C> {
    /// The start of a race.
    pub fn new(race: &'a Race<'a, C>, fitting: &'a Fitting<'a, C>) -> Result<Self> {
        let started = Instant::now();
        let (train, validation) = (fitting.dataset(&race.split.train)?, fitting.dataset(&race.split.validation)?);
        let entries = race.candidates.iter().map(|_| Entry::default()).collect();
        Ok(Field { race, fitting, train, validation, started, entries, size: usize::MAX, left: None, files: 0, closed: 0.0 })
    }

    /// The candidates with steps that take part.
    fn trained(&self) -> Vec<usize> {
        self.race.trained().take(self.size).collect()
    }

    /// The next run.
    pub fn next(&mut self, observer: &mut dyn RaceObserver) -> Option<Heat> {
        let elapsed = self.started.elapsed().as_secs_f64();
        let in_time = |share: f64, next: f64| {
            matches!(self.race.budget, Budget::Steps(_)) || matches!(self.race.budget, Budget::Seconds(all) if elapsed + next < share * all)
        };
        let closed =
            (0..self.entries.len()).find(|&k| self.race.candidates[k].recipe.family().closed_form() && self.entries[k].scores.is_empty());
        // The first of them is fitted in any case. The next may take twice as long as the one before it, as a mixture of twice as many components does.
        if let Some(candidate) = closed.filter(|&k| k == 0 || in_time(CLOSED, 2.0 * self.closed)) {
            return Some(Heat { candidate, rung: 0 });
        }
        let any = self.entries.iter().any(|entry| entry.fitted.is_some());
        if any && !in_time(1.0, 0.0) {
            return None;
        }
        if let (Budget::Seconds(all), None) = (self.race.budget, self.left) {
            self.left = Some((all - elapsed).max(0.0));
            self.shrink(observer);
        }
        let trained = self.trained();
        let scores: Vec<Vec<f64>> = trained.iter().map(|&k| self.entries[k].scores.clone()).collect();
        plan::next(&scores).map(|heat| Heat { candidate: trained[heat.candidate], ..heat })
    }

    /// Leaves out candidates for which a budget of seconds has too few steps, by the pace of the first.
    fn shrink(&mut self, observer: &mut dyn RaceObserver) {
        let all = self.trained();
        let (Some(&first), Some(left)) = (all.first(), self.left) else { return };
        // A candidate that cannot be fitted says so when it runs.
        let Ok(Some(pace)) = self.pace(first, observer) else { return };
        let per_epoch = self.per_epoch(first);
        let enough = |size: &usize| pace.steps(left * plan::share(*size, 0), per_epoch) >= FEWEST;
        let seen = all.iter().rposition(|&k| !self.entries[k].scores.is_empty()).map_or(1, |at| at + 1);
        self.size = (1..=all.len()).rev().find(enough).unwrap_or(1).max(seen);
    }

    fn per_epoch(&self, candidate: usize) -> u64 {
        self.train.rows().div_ceil(self.race.candidates[candidate].config.batch.max(1)) as u64
    }

    /// The pace of a candidate, which a few steps measure. None if the observer stops them.
    fn pace(&mut self, candidate: usize, observer: &mut dyn RaceObserver) -> Result<Option<Pace>> {
        if let Some(pace) = self.entries[candidate].pace {
            return Ok(Some(pace));
        }
        let Candidate { recipe, config } = &self.race.candidates[candidate];
        let config = FitConfig { steps: Some(PILOT), patience: 0, ..config.clone() };
        let mut clock = Clock::new(observer, None);
        let (_, report, _) = self.fitting.fitted(recipe, &config, None, (&self.train, &self.validation), None, None, &mut clock)?;
        let pace = clock.pace().filter(|_| report.stopped == Stopped::Finished);
        self.entries[candidate].pace = pace;
        Ok(pace)
    }

    /// The steps of a run; none if the observer stops the measurement of its pace.
    fn steps(&mut self, heat: Heat, observer: &mut dyn RaceObserver) -> Result<Option<u64>> {
        let share = plan::share(self.trained().len(), heat.rung);
        Ok(match (self.race.budget, self.left) {
            (Budget::Steps(all), _) => Some(((all as f64 * share).round() as u64).max(1)),
            (Budget::Seconds(_), left) => {
                let per_epoch = self.per_epoch(heat.candidate);
                self.pace(heat.candidate, observer)?.map(|pace| pace.steps(left.unwrap_or(0.0) * share, per_epoch))
            }
        })
    }

    /// Runs a candidate.
    pub fn run(
        &mut self,
        heat: Heat,
        checkpoints: Option<&Checkpoints>,
        resume: Option<Checkpoint>,
        observer: &mut dyn RaceObserver,
    ) -> Result<Outcome> {
        let Candidate { recipe, config } = &self.race.candidates[heat.candidate];
        let mut config = config.clone();
        if !recipe.family().closed_form() {
            let left = resume.as_ref().and_then(|checkpoint| checkpoint.job["heat"]["steps"].as_u64());
            let Some(steps) = (if left.is_some() { left } else { self.steps(heat, observer)? }) else { return Ok(Outcome::Stopped) };
            // Each run reads the rows in an order of its own.
            config = FitConfig { steps: Some(steps), seed: config.seed.wrapping_add((heat.rung as u64) << 32), ..config };
        }
        let own =
            checkpoints.map(|c| Checkpoints { path: path_of(&c.path, self.files), job: self.job(&c.job, heat, config.steps), ..c.clone() });
        let deadline = match self.race.budget {
            Budget::Seconds(all) => Some(self.started + Duration::from_secs_f64(all * (1.0 + LATE))),
            Budget::Steps(_) => None,
        };
        let mut clock = Clock::new(observer, deadline);
        let start = self.entries[heat.candidate].fitted.as_ref().map(|(_, network)| network.clone());
        let rows = (&self.train, &self.validation);
        let begun = Instant::now();
        let (config, report, network) = self.fitting.fitted(recipe, &config, start, rows, own, resume, &mut clock)?;
        if recipe.family().closed_form() {
            self.closed = begun.elapsed().as_secs_f64();
        }
        if report.stopped == Stopped::Interrupted && !clock.late {
            return Ok(Outcome::Stopped);
        }
        let held_out = LogLikelihood::of(&[], None);
        // The record keeps the seed of the candidate, because a further fit needs it to split the rows.
        let config = FitConfig { seed: self.race.candidates[heat.candidate].config.seed, ..config };
        Ok(Outcome::Finished(Box::new((Member { recipe: recipe.clone(), config, report, held_out }, network))))
    }

    /// Replaces the checkpoint of a run by the finished run.
    pub fn write(&self, heat: Heat, checkpoints: &Checkpoints, member: &Member, network: &Network, observer: &mut dyn RaceObserver) {
        let job = self.job(&checkpoints.job, heat, member.config.steps);
        // An older fit's checkpoint of the next run is not one of this race's.
        remove_checkpoint(&path_of(&checkpoints.path, self.files + 1));
        if let Err(problem) = replace_checkpoint(&path_of(&checkpoints.path, self.files), &job, member, network) {
            observer.warn(&problem);
        }
    }

    /// Takes the result of a run.
    pub fn finish(&mut self, heat: Heat, member: Member, network: Network) -> Result<()> {
        let events = &self.race.split.validation;
        let log_prob = log_prob(self.race.coding, &network, self.race.place, events, Scoring::default())?;
        let entry = &mut self.entries[heat.candidate];
        self.files += 1;
        entry.steps += member.report.steps;
        let score = LogLikelihood::of_events(&log_prob, events).mean;
        let broken: Vec<usize> = (0..log_prob.len()).filter(|&i| log_prob[i].is_nan() || log_prob[i] == f64::INFINITY).collect();
        if !broken.is_empty() {
            return Err(in_file(Error::NotFinite { what: "the validation log-likelihood".into(), rows: broken }, events));
        }
        // A run that the deadline has cut may be worse than the one before it.
        let before = entry.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if entry.fitted.is_none() || score >= before {
            (entry.log_prob, entry.fitted) = (log_prob, Some((member, network)));
        }
        entry.scores.push(score);
        Ok(())
    }

    /// Takes a candidate whose run has failed out of the race.
    pub fn fail(&mut self, heat: Heat, problem: Error, first: &mut Option<Error>, observer: &mut dyn RaceObserver) -> Result<()> {
        if !is_own(&problem) {
            return Err(problem);
        }
        observer.warn(&problem);
        self.entries[heat.candidate].scores.push(f64::NEG_INFINITY);
        first.get_or_insert(problem);
        Ok(())
    }

    /// Restores an interrupted race: its finished runs and its unfinished run.
    pub fn take(&mut self, resume: Resume) -> Result<Option<(Heat, Checkpoint)>> {
        let elapsed = resume.jobs().filter_map(|(_, job)| job["heat"]["elapsed"].as_f64()).fold(0.0, f64::max);
        if let Some(earlier) = Duration::try_from_secs_f64(elapsed).ok().and_then(|elapsed| self.started.checked_sub(elapsed)) {
            self.started = earlier;
        }
        let heats: Vec<Option<Heat>> = resume.jobs().map(|(_, job)| serde_json::from_value(job["heat"].clone()).ok()).collect();
        let is_of = |heat: &Heat| heat.candidate < self.entries.len();
        let unknown =
            |path: &std::path::Path| Error::model_file(path, "expected a run of this race, found another fit", crate::Hint::StartAnew);
        let mut heats = heats.into_iter().map(|heat| heat.filter(is_of)).collect::<Vec<_>>().into_iter();
        for (path, member, tensors) in resume.finished {
            let heat = heats.next().flatten().ok_or_else(|| unknown(&path))?;
            let network = restored(&path, &member, tensors, self.race.place)?;
            // Runs that failed left nothing, and fail again.
            match self.finish(heat, member, network) {
                Err(problem) if is_own(&problem) => self.entries[heat.candidate].scores.push(f64::NEG_INFINITY),
                other => other?,
            }
        }
        Ok(heats.next().flatten().zip(resume.running))
    }

    /// The standings, with the weights of the result if there are any.
    pub fn standings(&self, weights: &[f64]) -> Vec<Standing> {
        let standing = |(candidate, entry): (usize, &Entry)| Standing {
            candidate,
            rungs: entry.scores.len(),
            steps: entry.steps,
            validation: entry.fitted.as_ref().map(|_| LogLikelihood::of_events(&entry.log_prob, &self.race.split.validation)),
            weight: weights.get(candidate).copied().unwrap_or(0.0),
        };
        self.entries.iter().enumerate().map(standing).collect()
    }

    /// The weights of these candidates in the likeliest mixture on the validation events. The first candidate that is about as likely as the best explains [`FAVOUR`] more events alone.
    fn likeliest(&self, of: &[usize]) -> Result<Vec<f64>> {
        let events = &self.race.split.validation;
        let mut log_prob: Vec<Vec<f64>> = of.iter().map(|&k| self.entries[k].log_prob.clone()).collect();
        let mut weights = events.weights().map_or_else(|| vec![1.0; events.len()], <[f64]>::to_vec);
        let (sum, squares) = weights.iter().fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
        // The effective number of events, so that the scale of their weights has no say.
        let scale = if squares > 0.0 { sum / squares } else { 0.0 };
        weights.iter_mut().for_each(|w| *w *= scale);
        let totals: Vec<f64> = log_prob.iter().map(|l| sum * scale * LogLikelihood::of_events(l, events).mean).collect();
        let best = totals.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let simplest = totals.iter().position(|total| *total >= best - FAVOUR);
        log_prob.iter_mut().enumerate().for_each(|(k, l)| l.push(if Some(k) == simplest { 0.0 } else { f64::NEG_INFINITY }));
        weights.push(FAVOUR);
        Ok(likeliest_weights(&log_prob, Some(&weights)).map_err(|e| in_file(e, events))?.weights)
    }

    /// The likeliest mixture of the candidates on the validation events, without those whose weight is small.
    pub fn result(mut self, failure: Option<Error>) -> Result<Raced<C>> {
        let ran: Vec<usize> = (0..self.entries.len()).filter(|&k| self.entries[k].fitted.is_some()).collect();
        if ran.is_empty() {
            return Err(failure.unwrap_or_else(|| Error::NotFinite { what: "the validation log-likelihood".into(), rows: Vec::new() }));
        }
        let weights = self.likeliest(&ran)?;
        let largest = weights.iter().copied().fold(0.0, f64::max);
        let kept: Vec<usize> = ran.iter().zip(&weights).filter(|(_, w)| **w >= LEAST.min(largest)).map(|(&k, _)| k).collect();
        let weights = self.likeliest(&kept)?;
        let mut all = vec![0.0; self.entries.len()];
        kept.iter().zip(&weights).for_each(|(&k, weight)| all[k] = *weight);
        let standings = self.standings(&all);
        let (mut members, mut networks) = (Vec::new(), Vec::new());
        for k in kept {
            if let Some((member, network)) = self.entries[k].fitted.take() {
                members.push(Member { held_out: self.fitting.judged(&network)?, ..member });
                networks.push(network);
            }
        }
        let mixture = Mixture::weighted(networks, weights)?;
        let gaussian = self.race.coding.baseline().map(|family| self.fitting.baseline(family, &self.train));
        let record = FitRecord {
            version: env!("CARGO_PKG_VERSION").into(),
            rows: (self.train.rows(), self.validation.rows(), self.race.split.held_out_len()),
            weighting: Weighting::Validation,
            held_out: self.fitting.judged(&mixture)?,
            gaussian: gaussian.and_then(Result::ok),
        };
        let model = Model { members, coding: self.race.coding.clone(), record, mixture, place: self.race.place.clone() };
        Ok(Raced { model, standings })
    }

    /// The caller's document with the run that a file is of, and the seconds that the race has taken if they count.
    fn job(&self, own: &Value, heat: Heat, steps: Option<u64>) -> Value {
        let mut job = own.as_object().cloned().unwrap_or_else(|| [("job".to_owned(), own.clone())].into_iter().collect());
        let mut document = json!({ "candidate": heat.candidate, "rung": heat.rung, "steps": steps });
        if let Budget::Seconds(_) = self.race.budget {
            document["elapsed"] = json!(self.started.elapsed().as_secs_f64());
        }
        job.insert("heat".into(), document);
        job.into()
    }
}
