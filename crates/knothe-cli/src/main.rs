//! `knothe`: densities of tables from the command line. Data goes to stdout, everything else to stderr.

mod ahead;
mod catch;
mod cli;
mod evaluate;
mod failure;
mod fit;
mod fit_arguments;
mod given;
mod images;
mod inspect;
mod models;
mod output;
mod plot;
mod sample;
mod score;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::Failure;

/// A step asks for many small pieces of memory, and this gives them faster than the system does.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // Help and version come this way too; a reader that has gone away needs no message.
            let _ = message.print();
            return ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(2));
        }
    };
    match catch::defects(|| run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Fit(arguments) => {
            arguments.runtime.start()?;
            fit::run(&arguments)
        }
        Command::Score(arguments) => score::run(&arguments),
        Command::Sample(arguments) => sample::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Plot(arguments) => plot::run(&arguments),
        Command::Reconstruct(arguments) => images::reconstruct(&arguments),
        Command::Interpolate(arguments) => images::interpolate(&arguments),
        Command::Models(arguments) => models::run(&arguments),
        Command::Completions { shell } => models::completions(shell),
    }
}
