//! `knothe`: densities of tables and images from the command line. Data goes to stdout, everything else to stderr.

mod ahead;
mod allocator;
mod budget;
mod catch;
mod cli;
mod columns;
mod compare;
mod conditional_arguments;
mod context;
mod coordinates;
mod crash;
mod drawing;
mod evaluate;
mod failure;
mod family_arguments;
mod fit;
mod fit_arguments;
mod given;
mod hints;
mod identity;
mod importance;
mod impute;
mod inspect;
mod kind;
mod models;
mod moments;
mod notices;
mod options;
mod output;
mod partial;
mod plot;
mod posterior;
mod predict;
mod sample;
mod schema;
mod score;
mod signals;
mod standard;
mod target;
mod text_files;
mod words;

use std::process::ExitCode;

use clap::Parser;
use knothe::{Model, events::Coding, model::AnyModel, with_model};

use cli::{Cli, Command};
use failure::Failure;

#[global_allocator]
static MEMORY: allocator::Memory = allocator::Memory;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // Help and version come this way too.
            if message.use_stderr() {
                // The arguments are text from elsewhere.
                failure::say(message.render().to_string().trim_end());
            } else if let Err(e) = standard::check_stdout().and_then(|()| message.print()) {
                return Failure::Output(e).report();
            }
            return ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(2));
        }
    };
    match catch::defects(|| signals::watch().and_then(|()| run(cli.command))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Starts a command, reads its model of any kind and runs it. What is given is cut where the names of the model end.
macro_rules! with_file {
    ($arguments:ident.$($given:ident).+, $run:path) => {{
        $arguments.runtime.start()?;
        with_model!(AnyModel::load(&$arguments.model, &$arguments.runtime.device)?, model => {
            given::settle(&mut $arguments.$($given).+, &partial::names(&model));
            $run(&model, &$arguments)
        })
    }};
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Fit(arguments) => {
            arguments.runtime.start()?;
            fit::run(&arguments)
        }
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Score(mut arguments) => with_file!(arguments.input.given, score::run),
        Command::Sample(mut arguments) => with_file!(arguments.given, sample::run),
        Command::Evaluate(mut arguments) => with_file!(arguments.input.given, evaluate::run),
        Command::Inspect(arguments) => {
            // The header says everything but the moments.
            let read = |path| if arguments.moments { AnyModel::load(path, "cpu") } else { AnyModel::load_outline(path) };
            with_model!(read(&arguments.model)?, model => inspect::run(&model, &arguments))
        }
        Command::Plot(mut arguments) => {
            plot::check_ending(&arguments.out)?;
            with_file!(arguments.input.given, plot::run)
        }
        Command::Compare(arguments) => compare(*arguments),
        Command::Predict(arguments) => predict::run(*arguments),
        Command::Impute(arguments) => impute::run(*arguments),
        Command::Reconstruct(mut arguments) => with_file!(arguments.input.given, coordinates::reconstruct),
        Command::Interpolate(mut arguments) => with_file!(arguments.input.given, coordinates::interpolate),
        Command::Posterior(arguments) => posterior::run(&arguments),
        Command::Importance(arguments) => importance::run(&arguments),
        Command::Models(arguments) => models::run(&arguments),
        Command::Completions { shell } => models::completions(shell),
    }
}

/// Compares two models of one kind.
fn compare(mut arguments: cli::CompareArguments) -> Result<(), Failure> {
    arguments.runtime.start()?;
    let [first, second] = [&arguments.first, &arguments.second].map(|path| AnyModel::load(path, &arguments.runtime.device));
    let (first, second) = (first?, second?);
    let names = [&first, &second].map(|model| with_model!(model, model => model.coding.given())).concat();
    given::settle(&mut arguments.input.given, &names);
    match (first, second) {
        (AnyModel::Table(a), AnyModel::Table(b)) => compare::run(&[*a, *b], &arguments),
        (AnyModel::Images(a), AnyModel::Images(b)) => compare::run(&[*a, *b], &arguments),
        (AnyModel::Recordings(a), AnyModel::Recordings(b)) => compare::run(&[*a, *b], &arguments),
        (first, second) => {
            let [first, second] = [&first, &second].map(|model| with_model!(model, model => noun(model)));
            Err(Failure::usage(format!("expected two models of one kind, found a model of {first} and a model of {second}"), ""))
        }
    }
}

/// The kind of a model, in words.
fn noun<C: kind::Kind>(_: &Model<C>) -> &'static str {
    C::NOUN
}
