//! `knothe evaluate`: the likelihood of events, and whether the density can be trusted.

use std::fmt::Write;

use knothe::{
    Exactness, Model,
    evaluate::Verdict,
    events::{Events, Units},
    model::{Checks, LogLikelihood},
};
use serde_json::json;

use crate::{
    cli::EvaluateArguments,
    failure::{Failure, say},
    kind::{Kind, Read, model_of, refuse_others},
    notices::lacking,
    output::{check_report, print, print_json},
    words::{exactness_of, likelihood, likelihood_name, members, units, verdict_word},
};

/// Evaluates a model on events.
pub fn run<C: Kind>(model: &Model<C>, arguments: &EvaluateArguments) -> Result<(), Failure> {
    refuse_others::<C>(&model_of::<C>(), &arguments.input.supplied())?;
    model.coding.check_given(&arguments.input.given)?;
    check_report(&arguments.input.files(&[&arguments.model, &arguments.data]))?;
    let Read { events, dropped } = model.coding.read(&arguments.data, &arguments.input)?;
    if dropped > 0 {
        say(format_args!("warning: {}", lacking(dropped, "is left out", "are left out")));
    }
    if !arguments.input.given.is_empty() {
        say(format_args!(
            "note: --given sets its value for all {}, whatever the data say; the checks need {} of that value",
            C::WORDS[1],
            C::WORDS[1]
        ));
    }
    let log_likelihood = LogLikelihood::of_events(&model.log_prob(&events, arguments.noise.scoring())?, &events);
    let checks = model.check(&events, arguments.noise.seed)?;
    if arguments.json {
        print_json(&document(model, &events, &log_likelihood, dropped, &checks))
    } else {
        print(&report(model, &events, &log_likelihood, &checks))
    }
}

/// The report for programs.
pub fn document<C: Kind>(
    model: &Model<C>,
    judged: &C::Events,
    log_likelihood: &LogLikelihood,
    dropped: usize,
    checks: &Checks,
) -> serde_json::Value {
    let (record, dim) = (&model.record, model.coding.space().dim());
    let mut document = json!({
        "kind": C::KIND,
        "log_likelihood": log_likelihood,
        "units": units(&model.coding),
        "exactness": exactness_of(model, judged),
        "measurement_errors": judged.has_errors(),
        "dropped": dropped,
        "checks": checks,
        "fit": { "held_out": record.held_out, "gaussian": record.gaussian, "members": members(model) },
    });
    if model.coding.units() == Units::BitsPerSample {
        document["bits_per_sample"] = json!(log_likelihood.bits_per_dim(dim));
        document["fit"]["held_out_bits_per_sample"] = json!(record.held_out.bits_per_dim(dim));
    }
    if model.coding.units() == Units::BitsPerDim {
        document["bits_per_dim"] = json!(log_likelihood.bits_per_dim(dim));
        document["dim"] = json!(dim);
        document["fit"]["held_out_bits_per_dim"] = json!(record.held_out.bits_per_dim(dim));
    }
    document
}

/// The report for people; one line for each check, and what to make of those that do not pass.
pub fn report<C: Kind>(model: &Model<C>, judged: &C::Events, log_likelihood: &LogLikelihood, checks: &Checks) -> String {
    let (coding, [_, events]) = (&model.coding, C::WORDS);
    let mut text = String::new();
    let bound = match (model.exactness_of(judged), coding.units()) {
        (Exactness::Exact, _) => "",
        (Exactness::LowerBound, Units::Nats(_)) => ", a lower bound",
        (Exactness::LowerBound, Units::BitsPerDim | Units::BitsPerSample) => ", an upper bound",
    };
    // Writing to a string cannot fail.
    let _ =
        writeln!(text, "{:<15} {}{bound}; {} {events}", likelihood_name(coding), likelihood(coding, log_likelihood), log_likelihood.rows);
    let _ = writeln!(text, "units           {}", units(coding));
    if judged.has_errors() {
        let _ = writeln!(
            text,
            "errors          likelihood of the measured {events}; the checks compare draws of their true values with the model"
        );
    }
    let _ = write!(text, "{}", report_checks(checks));
    text
}

/// One line for each check, and what a failure means.
pub fn report_checks(checks: &Checks) -> String {
    let name = |j: Option<usize>| j.and_then(|j| checks.columns.get(j)).map_or("", String::as_str);
    let (ks, energy, tails) = (&checks.ks, &checks.energy, &checks.tails);
    let worst = name((0..ks.distances.len()).max_by(|&a, &b| ks.distances[a].total_cmp(&ks.distances[b])));
    let smallest = ks.p_values.iter().copied().fold(1.0, f64::min);
    let ks_line = format!(
        "largest distance to uniform {:.4}, in '{worst}'; tolerated {}, explained by chance {:.4}; smallest p-value {smallest:.1e}",
        ks.largest, ks.threshold, ks.chance
    );
    let energy_line = if energy.is_told() {
        format!(
            "samples are {:.2} times as far from the data as random halves of the data from each other; tolerated {:.2}; {} rows",
            energy.relative, energy.threshold, energy.rows
        )
    } else {
        format!("the distance cannot be determined; {} rows", energy.rows)
    };
    let odd: Vec<&str> = (0..tails.coordinates.len()).filter(|&j| !tails.coordinates[j].is_explained()).map(|j| name(Some(j))).collect();
    let of = if odd.is_empty() { String::new() } else { format!("; off in {}", odd.join(", ")) };
    let overall = &tails.overall;
    let tails_line = format!(
        "share of surprises {:.5}, expected {}, explained by chance {:.5} to {:.5}{of}",
        overall.share, tails.expected, overall.interval[0], overall.interval[1]
    );
    let meaning = |check: &str| match check {
        "ks" => {
            "the centre of that column's conditional density is off: more layers or components, another family or a longer fit may help"
        }
        "energy" => "shape, scale or dependence of the columns is off: do not rely on samples",
        _ if overall.share < overall.interval[0] => {
            "fewer surprises than expected, so the model's tails are too heavy: do not rely on log_prob of extreme rows"
        }
        _ if overall.share > overall.interval[1] => {
            "more surprises than expected, so the model's tails are too light: do not rely on log_prob of extreme rows"
        }
        _ => "the tails of these columns are off: do not rely on log_prob of extreme rows",
    };
    let mut text = String::new();
    for ((check, verdict), line) in checks.verdicts().into_iter().zip([ks_line, energy_line, tails_line]) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{check:<15} {}: {line}", verdict_word(verdict));
        let _ = match verdict {
            Verdict::Pass => Ok(()),
            Verdict::Fail => writeln!(text, "{:<15} {}", "", meaning(check)),
            Verdict::Undecided => writeln!(text, "{:<15} too few rows to tell", ""),
        };
    }
    text
}
