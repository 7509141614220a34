//! What a fit says before and after.

use knothe::{
    Model,
    events::{Coding, Events, table::counted},
    fit::{FitReport, Stopped},
    model::{Checks, Fitting, HeldOut, Member, Split, Weighting},
};

use crate::{
    evaluate,
    failure::{Failure, printable, say},
    fit_arguments::FitArguments,
    hints::file_for_shell,
    kind::Kind,
    output::print_json,
    words::{families, likelihood},
};

/// One line before the fit.
pub fn start<C: Kind>(fitting: &Fitting<C>) {
    let model = match fitting.recipes {
        [one] => one.name().into(),
        all => format!("an ensemble of {} ({})", all.len(), families(all.iter().map(|recipe| recipe.name()))),
    };
    start_with(&model, fitting.split, fitting.coding);
}

/// The same for a model in words.
pub fn start_with<C: Kind>(model: &str, split: &Split<C::Events>, coding: &C) {
    let held_out = match &split.held_out {
        HeldOut::Events(events) => format!(", {} held out", events.len()),
        HeldOut::Validation => String::new(),
    };
    let (described, validation) = (coding.described(split.train.len()), split.validation.len());
    if let Some(kinds) = coding.kinds() {
        say(kinds);
    }
    say(format_args!("fitting {model} to {described} ({validation} to validate{held_out})"));
}

/// Says how many steps were skipped, and how often a fit went back; returns the steps.
fn note_skipped(reports: &[&FitReport]) -> u64 {
    let sum = |count: fn(&FitReport) -> u64| reports.iter().map(|r| count(r)).sum::<u64>();
    let (steps, skipped, retreats) = (sum(|r| r.steps), sum(|r| r.skipped), sum(|r| r.retreats.into()));
    if skipped > 0 {
        say(format_args!("note: {skipped} of {steps} steps were skipped because their loss or gradient was not finite"));
    }
    if retreats > 0 {
        say(format_args!(
            "note: the fit diverged {}; each time it continued from its best epoch at half the learning rate",
            counted(retreats as usize, "time", "times")
        ));
    }
    steps
}

/// The result: held-out likelihood beside the Gaussian's, the checks, and what to run next. `race` describes the candidates for programs.
pub fn finish<C: Kind>(
    model: &Model<C>,
    checks: &Checks,
    split: &Split<C::Events>,
    arguments: &FitArguments,
    race: Option<serde_json::Value>,
) -> Result<(), Failure> {
    let record = &model.record;
    let reports: Vec<&FitReport> = model.members.iter().map(|m| &m.report).collect();
    let steps = note_skipped(&reports);
    let what = match model.members.as_slice() {
        [one] => course::<C>(one, split.train.len()),
        all => format!("{} members, {steps} steps in {:.1} s", all.len(), all.iter().map(|m| m.report.seconds).sum::<f64>()),
    };
    say(format_args!("{what}; on the {}:\n", judged_on::<C>(split, record.weighting)));
    let text = evaluate::report(model, split.judge(), &record.held_out, checks);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    say(format_args!("{first}\n{}{}{rest}", each_member(model, split.train.len()), beside_gaussian(model)));
    let mut next = model.coding.next(arguments);
    next.push((format!("knothe inspect {}", file_for_shell(&arguments.out)), "the contents of the file"));
    let lines: Vec<String> = next.iter().map(|(command, what)| format!("  {command}    {what}")).collect();
    // A name may hold a line feed.
    let lines: Vec<String> = lines.iter().map(|line| printable(line, false)).collect();
    say(format_args!("wrote {}; next:\n{}", printable(&arguments.out.display().to_string(), false), lines.join("\n")));
    if !arguments.json {
        return Ok(());
    }
    let mut document = evaluate::document(model, split.judge(), &record.held_out, 0, checks);
    if let Some(race) = race {
        document["race"] = race;
    }
    print_json(&document)
}

/// How a fit went, with so many training events.
fn course<C: Kind>(member: &Member, events: usize) -> String {
    let report = &member.report;
    let each = if report.steps > 0 { format!(" of {} {}", member.config.batch.min(events), C::WORDS[1]) } else { String::new() };
    let ended = if report.stopped == Stopped::Patience { ", stopped early" } else { "" };
    let epochs = report.history.len();
    let best = match report.best {
        Some((_, 0)) => format!(", none of {epochs} epochs better than the start"),
        Some((_, epoch)) => format!(", best epoch {epoch} of {epochs}"),
        None => String::new(),
    };
    format!("{} steps{each} in {:.1} s{best}{ended}", report.steps, report.seconds)
}

/// One line for each member of an ensemble, with its own likelihood; nothing for a single model.
fn each_member<C: Kind>(model: &Model<C>, events: usize) -> String {
    let line = |(k, (m, weight)): (usize, (&Member, &f64))| {
        let (own, name) = (likelihood(&model.coding, &m.held_out), m.recipe.name());
        format!("{:<15} {own}; {name}, weight {weight:.3}, {}\n", format!("member {}", k + 1), course::<C>(m, events))
    };
    let members = if model.members.len() > 1 { model.members.as_slice() } else { &[] };
    members.iter().zip(model.mixture().weights()).enumerate().map(line).collect()
}

fn judged_on<C: Coding>(split: &Split<C::Events>, weighting: Weighting) -> String {
    let [_, events] = C::WORDS;
    match (&split.held_out, weighting) {
        (HeldOut::Events(_), _) => format!("held-out {events}"),
        (HeldOut::Validation, Weighting::Uniform) => format!("validation {events}, which chose the epoch"),
        (HeldOut::Validation, Weighting::Validation) => format!("validation {events}, which chose the epochs and the weights"),
    }
}

/// The likelihood of the baseline, such as the full Gaussian, and whether the model beats it; nothing where a kind of event has none.
fn beside_gaussian<C: Kind>(model: &Model<C>) -> String {
    if model.coding.baseline().is_none() {
        return String::new();
    }
    let (record, name) = (&model.record, model.coding.baseline_name());
    let Some(gaussian) = &record.gaussian else {
        return format!("{name:<15} none: the training rows have no covariance of full rank\n");
    };
    let (gain, event) = (record.held_out.mean - gaussian.mean, C::WORDS[0]);
    let verdict = if gain > 0.0 {
        format!("the model is {gain:.3} nats per {event} better")
    } else if gain == 0.0 {
        "this model is that baseline".into()
    } else {
        format!("the model does NOT beat it: it is {:.3} nats per {event} worse", -gain)
    };
    format!("{name:<15} {}; {verdict}\n", likelihood(&model.coding, gaussian))
}
