//! `knothe score`: log q(x | context) of each event; of a table in memory that does not depend on its size.

use std::path::Path;

use knothe::{
    Model, Precision,
    events::{
        Events,
        table::{Contradiction, counted, quoted},
    },
};

use crate::{
    ahead::ahead,
    cli::ScoreArguments,
    failure::{Failure, say},
    kind::{Kind, Part, model_of, refuse_others},
    notices::{lacking, note_contradictions},
    output::{Output, check_writable, column},
    partial,
};

/// Scores events.
pub fn run<C: Kind>(model: &Model<C>, arguments: &ScoreArguments) -> Result<(), Failure> {
    let own = [("known", !arguments.known.is_empty()), ("asked", !arguments.asked.is_empty())];
    refuse_others::<C>(&model_of::<C>(), &[&own[..], &arguments.input.supplied()].concat())?;
    let conditional = Conditional::of(model, arguments)?;
    let out = arguments.out.as_deref().unwrap_or(Path::new("-"));
    check_writable(out, &arguments.input.files(&[&arguments.model, &arguments.data]))?;
    let parts = model.coding.parts(&arguments.data, &arguments.input)?;
    let mut output = Output::open(arguments.out.as_deref(), &["log_prob"])?;
    let mut contradictions = Vec::new();
    let (dropped, far) = std::thread::scope(|scope| {
        let parts = ahead(scope, parts);
        let (mut dropped, mut far) = (0, 0);
        for part in ahead(scope, parts.into_iter().map(|part| score(arguments, model, &conditional, part?))) {
            let Scored { log_prob, without, beyond, contradictions: more } = part?;
            output.rows(&[column("log_prob", log_prob)])?;
            dropped += without;
            far += beyond;
            add(&mut contradictions, more);
        }
        Ok::<_, Failure>((dropped, far))
    })?;
    output.finish()?;
    note_contradictions(&contradictions);
    if far > 0 {
        let rows = counted(far, "possible row", "possible rows");
        let wider = if model.placement().precision == Precision::F32 { "; a fit with --precision f64 extends this range" } else { "" };
        say(format_args!("note: the log_prob of {rows} is below the range of the model's numbers, so it is -inf{wider}"));
    }
    if dropped > 0 {
        say(format_args!("warning: {}", lacking(dropped, "has no log_prob (NaN)", "have no log_prob (NaN)")));
    }
    Ok(())
}

/// Adds the contradictions of a part to those before it, by their columns.
pub fn add(all: &mut Vec<Contradiction>, more: Vec<Contradiction>) {
    for new in more {
        match all.iter_mut().find(|known| known.column == new.column) {
            Some(known) => known.rows += new.rows,
            None => all.push(new),
        }
    }
}

/// The scores of a part.
struct Scored {
    /// The log_prob of each row.
    log_prob: Vec<f64>,
    /// The number of rows without one, because they lack a value.
    without: usize,
    /// The number of rows that are possible and have a log_prob of −∞, which is below the numbers of the model's precision.
    beyond: usize,
    /// What makes rows impossible.
    contradictions: Vec<Contradiction>,
}

/// The columns of a conditional density.
struct Conditional {
    known: Vec<String>,
    asked: Vec<String>,
}

impl Conditional {
    /// The columns that the options name, or `None` for the density of whole events.
    fn of<C: Kind>(model: &Model<C>, arguments: &ScoreArguments) -> Result<Option<Self>, Failure> {
        let given = model.coding.check_known(&arguments.input.given, &partial::conditions(model))?;
        let all = model.coding.conditions();
        for (option, names) in [("--known", &arguments.known), ("--asked", &arguments.asked)] {
            if let Some(other) = names.iter().find(|name| !all.contains(name)) {
                let hint = format!("the modelled columns are {}", quoted(&all));
                return Err(Failure::usage(format!("{option}: expected modelled columns, found '{other}'"), hint));
            }
        }
        let known: Vec<String> = given.into_iter().map(|value| value.column).chain(arguments.known.iter().cloned()).collect();
        if let Some(both) = arguments.asked.iter().find(|name| known.contains(name)) {
            return Err(Failure::usage(
                format!("--asked: expected columns that are not known, found '{both}'"),
                "--known or --given names it",
            ));
        }
        if known.is_empty() && arguments.asked.is_empty() {
            return Ok(None);
        }
        let rest = || all.iter().filter(|name| !known.contains(name)).cloned().collect();
        let asked = if arguments.asked.is_empty() { rest() } else { arguments.asked.clone() };
        Ok(Some(Conditional { known, asked }))
    }
}

fn score<C: Kind>(
    arguments: &ScoreArguments,
    model: &Model<C>,
    conditional: &Option<Conditional>,
    mut part: Part<C::Events>,
) -> Result<Scored, Failure> {
    if let Some(Conditional { asked, .. }) = conditional {
        // Impossible values of other columns count as unknown.
        part.contradictions.retain(|c| asked.contains(&c.column));
    }
    let (mut log_prob, mut beyond) = (vec![f64::NAN; part.rows], 0);
    if let Some(events) = &part.events {
        let found = match conditional {
            Some(Conditional { known, asked }) => C::log_prob_given(model, events, known, asked)?,
            None => model.log_prob(events, arguments.noise.scoring())?,
        };
        for (k, (position, value)) in part.positions.iter().zip(found).enumerate() {
            log_prob[*position] = value;
            beyond += usize::from(value == f64::NEG_INFINITY && conditional.is_none() && events.is_possible(k));
        }
    }
    Ok(Scored { log_prob, without: part.rows - part.positions.len(), beyond, contradictions: part.contradictions })
}
