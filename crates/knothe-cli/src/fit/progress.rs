//! The progress of a fit on standard error; Ctrl-C stops it.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use knothe::events::{Coding, Units};
use knothe::fit::{Observer, Progress};

use crate::{failure::say, signals, words::likelihood_name};

/// Seconds between two lines where standard error is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Draws a bar, or a line now and then, and stops the fit at Ctrl-C.
pub struct Bar {
    bar: ProgressBar,
    names: Vec<String>,
    /// "member 2 of 4 · " in an ensemble.
    member: String,
    batch: usize,
    /// The name of the likelihood.
    likelihood: &'static str,
    /// The mean number of elements per event, if the likelihood is shown in bits per element.
    elements: Option<f64>,
    /// The word for several events.
    events: &'static str,
    terminal: bool,
    started: Option<(Instant, u64)>,
    drawn: Instant,
}

impl Bar {
    /// A bar for steps of `batch` events, by members of these names. From now on the fit ends by itself at Ctrl-C.
    pub fn new<C: Coding>(coding: &C, batch: usize, names: Vec<String>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} steps · {msg} · {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        let terminal = std::io::stderr().is_terminal();
        let elements = (!matches!(coding.units(), Units::Nats(_))).then(|| coding.mean_elements());
        let (events, drawn) = (C::WORDS[1], Instant::now());
        signals::wait(true);
        let likelihood = likelihood_name(coding);
        Bar { bar, names, member: String::new(), batch, likelihood, elements, events, terminal, started: None, drawn }
    }

    /// Prints a line above the bar.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| say(text));
    }

    /// Begins a run of this name.
    pub fn title(&mut self, name: &str) {
        (self.started, self.member) = (None, format!("{name} · "));
    }

    /// Takes the bar away; what follows needs no checkpoint.
    pub fn finish(&self) {
        signals::wait(false);
        self.bar.finish_and_clear();
    }
}

impl Observer for Bar {
    fn step(&mut self, p: &Progress) -> bool {
        let now = Instant::now();
        let starts = self.started.is_none();
        let (start, first) = *self.started.get_or_insert((now, p.step));
        if starts {
            self.bar.set_length(p.steps);
            self.bar.set_position(p.step);
            self.bar.reset_eta();
        }
        let due = if self.terminal { Duration::from_millis(200) } else { LINE_EVERY };
        if now - self.drawn >= due {
            self.drawn = now;
            let rate = (p.step - first) as f64 / (now - start).as_secs_f64().max(1e-9);
            let (unit, rows) = (self.likelihood, self.events);
            let number = |value: Option<f64>| {
                let own = |v: f64| self.elements.map_or(v, |elements| -v / elements / std::f64::consts::LN_2);
                value.map_or_else(|| "–".into(), |v| format!("{:.3}", own(v)))
            };
            let skipped = if p.skipped > 0 { format!(" · {} steps skipped (not finite)", p.skipped) } else { String::new() };
            let message = format!(
                "{}epoch {} · {:.0} {rows}/s · {unit} {} · validation {} (best {}){skipped}",
                self.member,
                p.epoch,
                rate * self.batch as f64,
                number(Some(p.train)),
                number(p.validation),
                number(p.best),
            );
            if self.terminal {
                self.bar.set_message(message);
                self.bar.set_position(p.step);
            } else {
                // The first line comes before there is a rate.
                let left = if rate > 0.0 { format!(" · {:.0} s left", (p.steps - p.step) as f64 / rate) } else { String::new() };
                say(format_args!("{}/{} steps · {message}{left}", p.step, p.steps));
            }
        }
        !signals::stopped()
    }

    fn member(&mut self, index: usize, members: usize) {
        self.started = None;
        if members > 1 {
            let member = format!("member {} of {members}", index + 1);
            self.bar.suspend(|| say(format_args!("{member}: {}", self.names.get(index).map_or("", String::as_str))));
            self.member = format!("{member} · ");
        }
    }

    fn warn(&mut self, problem: &knothe::Error) {
        self.bar.suspend(|| say(format_args!("warning: {problem}")));
    }
}
