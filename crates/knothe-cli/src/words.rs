//! The words for likelihoods and fits that several commands use.

use knothe::{
    Exactness, Model, bits_per_dim,
    evaluate::Verdict,
    events::{Coding, Units, table::counted},
    fit::{FitReport, Stopped},
    model::{LogLikelihood, Member},
};
use serde_json::{Value, json};

use crate::kind::Kind;

/// "exact" or "lower_bound".
pub fn exactness<C: Kind>(model: &Model<C>) -> &'static str {
    match model.exactness() {
        Exactness::Exact => "exact",
        Exactness::LowerBound => "lower_bound",
    }
}

/// The same for the likelihood of these events.
pub fn exactness_of<C: Kind>(model: &Model<C>, events: &C::Events) -> &'static str {
    match model.exactness_of(events) {
        Exactness::Exact => "exact",
        Exactness::LowerBound => "lower_bound",
    }
}

/// A mean likelihood with its error, in the units of a kind of event.
pub fn likelihood<C: Kind>(coding: &C, l: &LogLikelihood) -> String {
    match coding.units() {
        Units::Nats(_) => format!("{:.4}{} nats per {}", l.mean, error(l.two_se), C::WORDS[0]),
        Units::BitsPerDim => {
            let bits = l.bits_per_dim(coding.space().dim());
            format!("{:.4}{} bits/dim", bits.mean, error(bits.two_se))
        }
        Units::BitsPerSample => {
            let bits = l.bits_per_dim(coding.space().dim());
            format!("{:.4}{} bits/sample", bits.mean, error(bits.two_se))
        }
    }
}

/// Two standard errors; nothing where there are none, as of one event and of a mean that is not finite.
fn error(two_se: f64) -> String {
    if two_se.is_nan() { String::new() } else { format!(" ± {two_se:.4}") }
}

/// A mean log-likelihood without its error, in the units of a kind of event.
pub fn mean<C: Coding>(coding: &C, log_prob: f64) -> String {
    match coding.units() {
        Units::Nats(_) => format!("{log_prob:.4} nats per {}", C::WORDS[0]),
        Units::BitsPerDim => format!("{:.4} bits/dim", bits_per_dim(log_prob, coding.space().dim())),
        Units::BitsPerSample => format!("{:.4} bits/sample", -log_prob / coding.mean_elements() / std::f64::consts::LN_2),
    }
}

/// The name of a likelihood in those units.
pub fn likelihood_name<C: Coding>(coding: &C) -> &'static str {
    match coding.units() {
        Units::Nats(_) => "log-likelihood",
        Units::BitsPerDim => "bits/dim",
        Units::BitsPerSample => "bits/sample",
    }
}

/// What log_prob counts, in words.
pub fn units<C: Coding>(coding: &C) -> String {
    match coding.units() {
        Units::Nats(of) => format!("nats per {}: {of}", C::WORDS[0]),
        Units::BitsPerSample => format!("bits for each sample of a {}: the log mass of the levels and of the length", C::WORDS[0]),
        Units::BitsPerDim => format!("bits for each of the {} numbers of an {}", coding.space().dim(), C::WORDS[0]),
    }
}

/// What a check found, in a word.
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Undecided => "undecided",
    }
}

/// The families that members take in turn, as `--model` has them.
pub fn families<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct.join(",")
}

/// The members of a mixture, briefly, for programs.
pub fn members<C: Kind>(model: &Model<C>) -> Vec<Value> {
    let one = |(m, weight): (&Member, &f64)| {
        let (name, seed) = (m.recipe.name(), m.recipe.start_seed());
        json!({ "model": name, "seed": seed, "weight": weight, "batch": m.config.batch, "held_out": m.held_out })
    };
    model.members.iter().zip(model.mixture().weights()).map(one).collect()
}

/// How a fit went, in a line.
pub fn course(report: &FitReport) -> String {
    let stopped = match report.stopped {
        Stopped::Finished => "all steps taken",
        Stopped::Patience => "no better validation for a while",
        Stopped::Interrupted => "interrupted",
    };
    let (epochs, skipped) = (report.history.len(), report.skipped);
    let (steps, epochs) = (counted(report.steps as usize, "step", "steps"), counted(epochs, "epoch", "epochs"));
    format!("{steps}, {epochs}, {skipped} skipped; {stopped}")
}
