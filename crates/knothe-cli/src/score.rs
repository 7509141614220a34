//! `knothe score`: log q(x | context) of each event; of a table in memory that does not depend on its size.

use std::path::Path;

use knothe::{
    Model, Precision,
    events::{
        Events,
        table::{Contradiction, counted},
    },
};

use crate::{
    ahead::ahead,
    cli::ScoreArguments,
    failure::{Failure, say},
    kind::{Kind, Part, model_of, refuse_others},
    notices::{lacking, note_contradictions},
    output::{Output, check_writable, column},
};

/// Scores events.
pub fn run<C: Kind>(model: &Model<C>, arguments: &ScoreArguments) -> Result<(), Failure> {
    refuse_others::<C>(&model_of::<C>(), &arguments.input.supplied())?;
    model.coding.check_given(&arguments.input.given)?;
    let out = arguments.out.as_deref().unwrap_or(Path::new("-"));
    check_writable(out, &arguments.input.files(&[&arguments.model, &arguments.data]))?;
    let parts = model.coding.parts(&arguments.data, &arguments.input)?;
    let mut output = Output::open(arguments.out.as_deref(), &["log_prob"])?;
    let mut contradictions = Vec::new();
    let (dropped, far) = std::thread::scope(|scope| {
        let parts = ahead(scope, parts);
        let (mut dropped, mut far) = (0, 0);
        for part in ahead(scope, parts.into_iter().map(|part| score(arguments, model, part?))) {
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
fn add(all: &mut Vec<Contradiction>, more: Vec<Contradiction>) {
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

fn score<C: Kind>(arguments: &ScoreArguments, model: &Model<C>, part: Part<C::Events>) -> Result<Scored, Failure> {
    let (mut log_prob, mut beyond) = (vec![f64::NAN; part.rows], 0);
    if let Some(events) = &part.events {
        for (k, (position, value)) in part.positions.iter().zip(model.log_prob(events, arguments.noise.scoring())?).enumerate() {
            log_prob[*position] = value;
            beyond += usize::from(value == f64::NEG_INFINITY && events.is_possible(k));
        }
    }
    Ok(Scored { log_prob, without: part.rows - part.positions.len(), beyond, contradictions: part.contradictions })
}
