//! How long steps take, and when a race has to end.

use std::time::{Duration, Instant};

use super::run::RaceObserver;
use crate::{
    error::Error,
    fit::{Observer, Progress},
};

/// Steps that are timed.
pub(super) const PILOT: u64 = 6;

/// The seconds that a step and a validation take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    pub step: f64,
    pub validation: f64,
}

impl Pace {
    /// The steps that fit into so many seconds, with a validation at the start, at the end and after each epoch.
    pub fn steps(self, seconds: f64, per_epoch: u64) -> u64 {
        let each = self.step + self.validation / per_epoch.max(1) as f64;
        ((seconds - 2.0 * self.validation) / each.max(1e-9)).max(1.0) as u64
    }
}

/// Watches a fit for its race: it ends at the deadline, and takes the time of each step.
pub(super) struct Clock<'a> {
    observer: &'a mut dyn RaceObserver,
    deadline: Option<Instant>,
    /// Whether the deadline, and not the user, has stopped the fit.
    pub late: bool,
    last: Instant,
    steps: Vec<Duration>,
}

impl<'a> Clock<'a> {
    /// Starts.
    pub fn new(observer: &'a mut dyn RaceObserver, deadline: Option<Instant>) -> Self {
        Clock { observer, deadline, late: false, last: Instant::now(), steps: Vec::new() }
    }

    /// The pace of a fit of [`PILOT`] steps, whose first has the start in it and whose last has a validation.
    pub fn pace(&self) -> Option<Pace> {
        let [_, middle @ .., last] = self.steps.as_slice() else { return None };
        let mut middle: Vec<f64> = middle.iter().map(Duration::as_secs_f64).collect();
        middle.sort_by(f64::total_cmp);
        let step = *middle.get(middle.len() / 2)?;
        Some(Pace { step, validation: (last.as_secs_f64() - step).max(0.0) })
    }
}

impl Observer for Clock<'_> {
    fn step(&mut self, progress: &Progress) -> bool {
        let now = Instant::now();
        if self.steps.len() < PILOT as usize {
            self.steps.push(now - self.last);
        }
        self.last = now;
        let go_on = self.observer.step(progress);
        self.late = go_on && self.deadline.is_some_and(|deadline| now >= deadline);
        go_on && !self.late
    }

    fn warn(&mut self, problem: &Error) {
        self.observer.warn(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fill_the_time() {
        let pace = Pace { step: 0.01, validation: 0.1 };
        // 2 validations at the ends, and one in 10 steps: 0.02 seconds a step.
        assert_eq!(pace.steps(2.2, 10), 100);
        assert_eq!(pace.steps(0.0, 10), 1);
    }
}
