//! What a fit tells while it runs.

use std::collections::VecDeque;

/// Steps whose loss is shown.
const RECENT: usize = 50;

/// What an [`Observer`] is told after every step.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Passes over the training set begun.
    pub epoch: u64,
    /// The median training log-likelihood (the negative loss) of the last 50 steps, so that single steps that explode do not hide the others.
    /// The mean over an epoch is in [`super::FitReport::history`].
    pub train: f64,
    /// The latest validation log-likelihood.
    pub validation: Option<f64>,
    /// The best validation log-likelihood.
    pub best: Option<f64>,
    /// Steps skipped because their loss or gradient was not finite.
    pub skipped: u64,
}

/// Watches a fit, and may stop it.
pub trait Observer {
    /// Called after every step; `false` stops the fit, with a checkpoint where there is a path for one.
    fn step(&mut self, progress: &Progress) -> bool;

    /// Called before the fit of each member of an ensemble of `members`, `index` from 0.
    fn member(&mut self, _index: usize, _members: usize) {}

    /// Called when something failed that the fit can do without, such as writing one checkpoint of many.
    fn warn(&mut self, _problem: &crate::Error) {}
}

impl Observer for () {
    fn step(&mut self, _: &Progress) -> bool {
        true
    }
}

/// The losses of the last steps that were taken.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<f64>);

impl Recent {
    /// Takes in the loss of a step.
    pub fn push(&mut self, loss: f64) {
        if self.0.len() == RECENT {
            self.0.pop_front();
        }
        self.0.push_back(loss);
    }

    /// The median loss, the lower one of an even number; none before the first step.
    pub fn median(&self) -> Option<f64> {
        let mut losses: Vec<f64> = self.0.iter().copied().collect();
        let middle = losses.len().checked_sub(1)? / 2;
        Some(*losses.select_nth_unstable_by(middle, f64::total_cmp).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_that_explodes_does_not_show() {
        let mut recent = Recent::default();
        assert_eq!(recent.median(), None);
        for (step, expected) in [(1e13, 1e13), (3.0, 3.0), (2.0, 3.0), (1.0, 2.0)] {
            recent.push(step);
            assert_eq!(recent.median(), Some(expected));
        }
        (0..RECENT).for_each(|step| recent.push(step as f64));
        assert_eq!(recent.median(), Some((RECENT / 2 - 1) as f64), "older steps are forgotten");
    }
}
