//! `knothe sample`: events drawn from a model.

use std::path::{Path, PathBuf};

use knothe::Model;

use crate::{
    ahead::ahead,
    cli::SampleArguments,
    failure::{Failure, say},
    kind::{Kind, model_of, refuse_others},
    output::check_writable,
    partial,
};

/// Blocks of random numbers drawn and written at a time.
const BLOCKS: usize = 32;

/// Draws events.
pub fn run<C: Kind>(model: &Model<C>, arguments: &SampleArguments) -> Result<(), Failure> {
    refuse_others::<C>(&model_of::<C>(), &arguments.supplied())?;
    let known = model.coding.check_known(&arguments.given, &partial::conditions(model))?;
    if !known.is_empty() && arguments.temperature != 1.0 {
        let found = arguments.temperature;
        return Err(Failure::usage(format!("--temperature: expected 1 with --given for a modelled column, found {found}"), ""));
    }
    let inputs = [Some(&arguments.model), arguments.context.as_ref(), arguments.nearest.as_ref()];
    let out = arguments.out.as_deref().unwrap_or(Path::new("-"));
    check_writable(out, &inputs.into_iter().flatten().map(PathBuf::as_path).collect::<Vec<_>>())?;
    let context = model.coding.context(&arguments.given, arguments.context.as_deref(), &arguments.text_files)?;
    if arguments.context.is_some() && context.rows() < arguments.n {
        say(format_args!("note: the context has {} rows and is repeated to {}", context.rows(), arguments.n));
    }
    let mut sink = model.coding.sink(arguments, &context)?;
    let size = BLOCKS * C::SAMPLE_BLOCK;
    let draw = |first: usize| {
        let n = size.min(arguments.n - first);
        let context = context.part(first, n);
        if !known.is_empty() {
            return C::sample_given(model, &known, &context, first, n, arguments.seed);
        }
        Ok(model.sample_part(first, n, &context, arguments.temperature, arguments.seed)?)
    };
    std::thread::scope(|scope| {
        // An empty sample still has its columns.
        let mut parts = ahead(scope, (0..arguments.n.max(1)).step_by(size).map(draw)).into_iter();
        parts.try_for_each(|events| sink.take(events?))
    })?;
    sink.finish()
}
