//! The progress of `knothe posterior` on standard error.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};
use knothe::inference::{AdaptiveRound, MapStep};

use crate::failure::say;

/// Seconds between two lines where standard error is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A line that changes on a terminal, or a new line now and then.
pub struct Line {
    bar: ProgressBar,
    terminal: bool,
    written: Cell<Instant>,
}

impl Line {
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
        Line { bar: bar.with_message("map: affine"), terminal, written: Cell::new(Instant::now()) }
    }

    /// A step of the map.
    pub fn step(&self, step: &MapStep) {
        let (variance, bound) = (step.diagnostic.variance, step.diagnostic.bound.value);
        let map = if step.maps == 0 { "affine".into() } else { format!("{}, degree {}, {} terms", step.maps, step.degree, step.terms) };
        self.show(&format!("map {map}: variance diagnostic {variance:.2e} · lower bound {bound:.4} · {} evaluations", step.evaluations));
    }

    /// A round of an adaptive proposal.
    pub fn round(&self, round: &AdaptiveRound) {
        self.show(&format!(
            "adaptive proposal: k̂ {:.2} · effective sample size {:.0} · log evidence {:.4}",
            round.shape, round.effective, round.log_evidence.value
        ));
    }

    /// An iteration of Hamiltonian Monte Carlo.
    pub fn iteration(&self, iteration: usize, all: usize) {
        self.show(&format!("Hamiltonian Monte Carlo: iteration {iteration} of {all}"));
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, text: &str) {
        if self.terminal {
            self.bar.set_message(text.to_owned());
            self.bar.tick();
        } else if self.written.get().elapsed() >= LINE_EVERY {
            self.written.set(Instant::now());
            say(text);
        }
    }
}
