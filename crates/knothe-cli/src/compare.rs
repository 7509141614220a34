//! `knothe compare`: which of two models fits the same events better, and where.

use std::fmt::Write;

use knothe::{
    Model,
    events::Events,
    model::{Better, Checks, Comparison, QUANTILES},
};
use serde_json::json;

use crate::{
    cli::CompareArguments,
    drawing::gains_of,
    failure::{Failure, say},
    kind::{Kind, Read, model_of, refuse_others},
    notices::lacking,
    output::{check_report, check_writable, is_stdout, print, print_json, write_picture},
    plot::check_ending,
    target::number,
    words::{exactness_of, likelihood, likelihood_name, units, verdict_word},
};

/// The names of the models in reports.
const NAMES: [&str; 2] = ["A", "B"];

/// What was found of two models.
struct Compared<C: Kind> {
    /// The events of each, as its coding reads them.
    events: [C::Events; 2],
    dropped: [usize; 2],
    comparison: Comparison,
    checks: [Checks; 2],
}

/// Compares two models.
pub fn run<C: Kind>(models: &[Model<C>; 2], arguments: &CompareArguments) -> Result<(), Failure> {
    for model in models {
        refuse_others::<C>(&model_of::<C>(), &arguments.input.supplied())?;
        model.coding.check_given(&arguments.input.given)?;
    }
    check_files(arguments)?;
    models[0].coding.check_comparable(&models[1].coding)?;
    let found = compared(models, arguments)?;
    let counted = found.events[0].weights().map_or(found.events[0].len(), |weights| weights.iter().filter(|w| **w > 0.0).count());
    let left_out = counted + found.dropped[0] - found.comparison.positions[0].len();
    if left_out > 0 {
        say(format_args!("warning: {}", lacking(left_out, "is left out", "are left out")));
    }
    let drawn = found.comparison.differences.iter().any(|d| d.is_finite());
    if let (Some(out), false) = (&arguments.out, drawn) {
        say(format_args!("note: no event is possible under both models, so {} is not drawn", out.display()));
    }
    if let (Some(out), true) = (&arguments.out, drawn) {
        let files = [&arguments.first, &arguments.second, &arguments.data].map(|path| path.as_path());
        let events = found.events[0].pick(&found.comparison.positions[0]);
        let facets = models[0].coding.facets(&events);
        write_picture(&gains_of(facets, &events, C::WORDS, &found.comparison, files)?, out)?;
    }
    if arguments.json { print_json(&document(models, &found, arguments)) } else { print(&report(models, &found, arguments)) }
}

/// Checks the files before any work is done.
fn check_files(arguments: &CompareArguments) -> Result<(), Failure> {
    let inputs = arguments.input.files(&[&arguments.first, &arguments.second, &arguments.data]);
    if is_stdout(&arguments.data) {
        return Err(Failure::usage(
            "expected a data file, because both models read it, found - (standard input)",
            "write the data to a file first",
        ));
    }
    check_report(&inputs)?;
    let Some(out) = &arguments.out else { return Ok(()) };
    if is_stdout(out) {
        return Err(Failure::usage("--out: expected a file, since the result goes to standard output, found -", ""));
    }
    check_ending(out)?;
    check_writable(out, &inputs)
}

fn compared<C: Kind>(models: &[Model<C>; 2], arguments: &CompareArguments) -> Result<Compared<C>, Failure> {
    let [a, b] = models;
    let Read { events, dropped } = a.coding.read(&arguments.data, &arguments.input)?;
    // Models of one table usually read it in the same way.
    let other =
        if a.coding == b.coding { Read { events: events.clone(), dropped } } else { b.coding.read(&arguments.data, &arguments.input)? };
    let comparison = a.compare(b, [&events, &other.events], arguments.noise.scoring())?;
    let check = |model: &Model<C>, events: &C::Events, k: usize| model.check(&events.pick(&comparison.positions[k]), arguments.noise.seed);
    let checks = [check(a, &events, 0)?, check(b, &other.events, 1)?];
    Ok(Compared { events: [events, other.events], dropped: [dropped, other.dropped], comparison, checks })
}

/// The report for programs.
fn document<C: Kind>(models: &[Model<C>; 2], found: &Compared<C>, arguments: &CompareArguments) -> serde_json::Value {
    let comparison = &found.comparison;
    let files = [&arguments.first, &arguments.second];
    let each: Vec<serde_json::Value> = (0..2)
        .map(|k| {
            json!({
                "file": files[k].display().to_string(),
                "log_likelihood": comparison.log_likelihood[k],
                "exactness": exactness_of(&models[k], &found.events[k]),
                "dropped": found.dropped[k],
                "impossible_under_this_model_alone": comparison.impossible_under_one[k],
                "checks": found.checks[k],
            })
        })
        .collect();
    json!({
        "kind": C::KIND,
        "units": units(&models[0].coding),
        "models": each,
        "difference": comparison.difference,
        "quantiles": QUANTILES.iter().zip(comparison.quantiles).map(|(share, value)| json!({ "share": share, "difference": number(value) })).collect::<Vec<_>>(),
        "second_is_higher": comparison.second_is_higher,
        "better": comparison.better,
    })
}

/// The report for people.
fn report<C: Kind>(models: &[Model<C>; 2], found: &Compared<C>, arguments: &CompareArguments) -> String {
    let (coding, comparison, [one, several]) = (&models[0].coding, &found.comparison, C::WORDS);
    let mut text = String::new();
    let mut line = |name: &str, words: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<15} {words}");
    };
    for (name, file) in NAMES.iter().zip([&arguments.first, &arguments.second]) {
        line(name, file.display().to_string());
    }
    let rows = comparison.positions[0].len();
    for (k, name) in NAMES.iter().enumerate() {
        let bound = if exactness_of(&models[k], &found.events[k]) == "exact" { "" } else { ", a bound" };
        let impossible = match comparison.impossible_under_one[k] {
            0 => String::new(),
            n => format!("; {n} {} impossible under {name} but possible under {}", if n == 1 { one } else { several }, NAMES[1 - k]),
        };
        let l = &comparison.log_likelihood[k];
        line(if k == 0 { likelihood_name(coding) } else { "" }, format!("{name} {}{bound}{impossible}", likelihood(coding, l)));
    }
    line("difference", format!("B − A {}; {}", likelihood(coding, &comparison.difference), verdict(comparison)));
    line("share", format!("B gives the higher likelihood to {:.1} % of {rows} {several}", 100.0 * comparison.second_is_higher + 0.0));
    line("quantiles", quantiles(comparison, one));
    let [a, b] = &found.checks;
    let verdicts = a.verdicts().into_iter().zip(b.verdicts());
    let numbers = [
        [a.ks.largest, b.ks.largest, a.ks.threshold],
        [a.energy.relative, b.energy.relative, a.energy.threshold],
        [a.tails.overall.share, b.tails.overall.share, a.tails.expected],
    ];
    for (((check, a), (_, b)), [of_a, of_b, limit]) in verdicts.zip(numbers) {
        let limit = if check == "tails" { format!("expected {limit}") } else { format!("tolerated {limit:.4}") };
        line(check, format!("A {} {of_a:.4}, B {} {of_b:.4}; {limit}", verdict_word(a), verdict_word(b)));
    }
    text
}

/// Whose likelihood is higher, in words.
fn verdict(comparison: &Comparison) -> &'static str {
    match comparison.better {
        _ if comparison.difference.mean.is_nan() => "undefined: no event is possible under either model",
        Better::First => "A is better",
        Better::Second => "B is better",
        Better::Neither if comparison.impossible_under_one == [0, 0] => "the difference is within its error",
        Better::Neither => "undecided: some events are impossible under A alone and others under B alone",
    }
}

/// The quantiles of the differences, in nats per event.
fn quantiles(comparison: &Comparison, one: &str) -> String {
    let shares: Vec<String> = QUANTILES.iter().map(|share| format!("{:.0}", 100.0 * share)).collect();
    let values: Vec<String> = comparison.quantiles.iter().map(|value| format!("{value:.4}")).collect();
    format!("{} nats per {one} at {} %", values.join(", "), shares.join(", "))
}
