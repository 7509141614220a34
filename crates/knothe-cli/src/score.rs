//! `knothe score`: log q(x | context) of each event; of a table in memory that does not depend on its size.

use knothe::{Model, events::table::Contradiction};

use crate::{
    ahead::ahead,
    cli::ScoreArguments,
    failure::{Failure, say},
    given,
    kind::{Kind, Part, model_of, refuse_others},
    notices::note_contradictions,
    output::{Output, check_writable, column},
    words::lacking,
};

/// Scores events.
pub fn run<C: Kind>(model: &Model<C>, arguments: &ScoreArguments) -> Result<(), Failure> {
    refuse_others::<C>(&model_of::<C>(), &arguments.input.supplied())?;
    given::check(&arguments.input.given, &model.coding)?;
    if let Some(out) = &arguments.out {
        check_writable(out, &arguments.input.files(&[&arguments.model, &arguments.data]))?;
    }
    let parts = model.coding.parts(&arguments.data, &arguments.input)?;
    let mut output = Output::open(arguments.out.as_deref(), &["log_prob"])?;
    let mut contradictions = Vec::new();
    let dropped = std::thread::scope(|scope| {
        let parts = ahead(scope, parts);
        let mut dropped = 0;
        for part in ahead(scope, parts.into_iter().map(|part| score(arguments, model, part?))) {
            let (log_prob, without, more) = part?;
            output.rows(&[column("log_prob", log_prob)])?;
            dropped += without;
            add(&mut contradictions, more);
        }
        Ok::<_, Failure>(dropped)
    })?;
    output.finish()?;
    note_contradictions(&contradictions);
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

/// The log_prob of each row of a part.
type Scored = (Vec<f64>, usize, Vec<Contradiction>);

/// The log_prob of each row of a part, how many have none, and what makes rows impossible.
fn score<C: Kind>(arguments: &ScoreArguments, model: &Model<C>, part: Part<C::Events>) -> Result<Scored, Failure> {
    let mut values = vec![f64::NAN; part.rows];
    if let Some(events) = &part.events {
        for (position, value) in part.positions.iter().zip(model.log_prob(events, arguments.noise.scoring())?) {
            values[*position] = value;
        }
    }
    Ok((values, part.rows - part.positions.len(), part.contradictions))
}
