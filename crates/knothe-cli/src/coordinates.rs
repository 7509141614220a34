//! `knothe reconstruct` and `knothe interpolate`.

use knothe::{Model, events::Events, memory, model::Kept};
use serde_json::json;

use crate::{
    cli::{InterpolateArguments, ReconstructArguments},
    failure::{Failure, say},
    given,
    kind::{Kind, Read, model_of, refuse_others},
    notices::lacking,
    output::{check_report, check_writable, is_stdout, print, print_json},
};

/// How far apart two numbers of a reconstruction may be, as the network sees them: reals are standardised.
const SAME: f64 = 1e-3;

/// Writes events with what the model makes of their coordinates, and counts the numbers that differ.
pub fn reconstruct<C: Kind>(model: &Model<C>, arguments: &ReconstructArguments) -> Result<(), Failure> {
    refuse_others::<C>(&model_of::<C>(), &arguments.input.supplied())?;
    model.coding.check_given(&arguments.input.given)?;
    C::check_out(&arguments.out)?;
    if is_stdout(&arguments.out) {
        return Err(Failure::usage("--out -: expected a file, because the comparison goes to standard output", ""));
    }
    let inputs = arguments.input.files(&[&arguments.model, &arguments.data]);
    check_writable(&arguments.out, &inputs)?;
    check_report(&[&inputs[..], &[&arguments.out]].concat())?;
    let Read { events, dropped } = model.coding.read(&arguments.data, &arguments.input)?;
    if dropped > 0 {
        say(format_args!("warning: {}", lacking(dropped, "is left out", "are left out")));
    }
    let events = events.pick(&(0..events.len().min(arguments.n as usize)).collect::<Vec<_>>());
    let of = model.parts();
    let parts = arguments.keep.unwrap_or(of);
    let found = model.reconstruct(&events, Kept { parts, temperature: arguments.temperature }, arguments.seed)?;
    let [before, after] = [&events, &found].map(|events| model.coding.encode(events));
    let (before, after) = (before?, after?);
    let different = before.values.iter().zip(&after.values).filter(|(a, b)| (*a - *b).abs() > SAME).count();
    model.coding.write_pairs(&events, &found, &arguments.out)?;
    let (n, numbers, [_, words]) = (events.len(), before.values.len(), C::WORDS);
    if arguments.json {
        return print_json(&json!({ words: n, "numbers": numbers, "different": different, "kept": parts }));
    }
    print(&format!("{n} {words} from {parts} of {of} {}: {different} of {numbers} numbers differ\n", model.part_words()))
}

/// Writes the events between two.
pub fn interpolate<C: Kind>(model: &Model<C>, arguments: &InterpolateArguments) -> Result<(), Failure> {
    refuse_others::<C>(&model_of::<C>(), &arguments.input.supplied())?;
    C::check_out(&arguments.out)?;
    let ends = [&arguments.from, &arguments.to].map(|end| given::indexed(end, "").map_or_else(|_| end.clone(), |(file, _)| file));
    check_writable(&arguments.out, &arguments.input.files(&[&arguments.model, &ends[0], &ends[1]]))?;
    if C::QUANTITIES {
        model.coding.check_given(&arguments.input.given)?;
    }
    let [a, b] = [model.coding.one(&arguments.from, &arguments.input)?, model.coding.one(&arguments.to, &arguments.input)?];
    let ends = model.coding.both([a, b], &arguments.input.given)?;
    let n = arguments.n as usize;
    memory::check(format!("interpolating {n} events"), memory::product(&[32, n, model.coding.space().dim()]))?;
    model.coding.write(&model.interpolate(&ends, n, arguments.seed)?, n, &arguments.out)
}
