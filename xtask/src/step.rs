//! Steps that say what they run, how long it took, and how to repeat the one that failed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What goes wrong, in words for the reader.
pub type Outcome = Result<(), String>;

enum Work {
    Program(Vec<String>),
    Check(fn() -> Outcome),
    Closure(Box<dyn Fn() -> Outcome>),
}

/// One command or check.
pub struct Step {
    name: &'static str,
    work: Work,
    variables: Vec<(&'static str, String)>,
}

impl Step {
    /// A cargo command, run by the cargo that runs this.
    pub fn cargo(name: &'static str, arguments: &[&str]) -> Self {
        let words = std::iter::once("cargo").chain(arguments.iter().copied());
        Step { name, work: Work::Program(words.map(str::to_owned).collect()), variables: Vec::new() }
    }

    /// A check that is written here; `name` is the command that repeats it.
    pub fn check(name: &'static str, check: fn() -> Outcome) -> Self {
        Step { name, work: Work::Check(check), variables: Vec::new() }
    }

    /// Work that is only repeated as part of its command, `name`.
    pub fn part(name: &'static str, work: impl Fn() -> Outcome + 'static) -> Self {
        Step { name, work: Work::Closure(Box::new(work)), variables: Vec::new() }
    }

    /// The same step with an environment variable set.
    pub fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((variable, value.into()));
        self
    }

    /// The line that repeats the step in a shell.
    fn command_line(&self) -> String {
        match &self.work {
            Work::Program(words) => {
                let variables = self.variables.iter().map(|(variable, value)| format!("{variable}='{value}' "));
                variables.collect::<String>() + &words.join(" ")
            }
            Work::Check(_) | Work::Closure(_) => format!("cargo xtask {}", self.name),
        }
    }

    fn run(&self) -> Outcome {
        match &self.work {
            Work::Program(words) => run(Command::new(program(&words[0])).args(&words[1..]).envs(self.variables.iter().cloned())),
            Work::Check(check) => check(),
            Work::Closure(work) => work(),
        }
    }
}

/// Runs the steps in turn; the first that fails ends it. A summary comes in either case.
pub fn run_all(steps: &[Step]) -> Outcome {
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for step in steps {
        eprintln!("\n$ {}", step.command_line());
        let start = Instant::now();
        let outcome = step.run();
        times.push((step.name, start.elapsed()));
        if let Err(reason) = outcome {
            summary(&times, steps.len());
            return Err(format!("{}: {reason}\nrepeat with: {}", step.name, step.command_line()));
        }
    }
    summary(&times, steps.len());
    Ok(())
}

fn summary(times: &[(&str, Duration)], steps: usize) {
    eprintln!("\n{} of {steps} steps run, {:.1} s:", times.len(), times.iter().map(|t| t.1).sum::<Duration>().as_secs_f64());
    for (name, time) in times {
        eprintln!("  {:>7.1} s  {name}", time.as_secs_f64());
    }
}

/// Runs a program to its end in the workspace's root.
pub fn run(command: &mut Command) -> Outcome {
    let status = command.current_dir(root()).status().map_err(|e| cannot_start(command, &e))?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

/// What a program prints.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output = command.current_dir(root()).output().map_err(|e| cannot_start(command, &e))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("cannot start {}: {error}", command.get_program().to_string_lossy())
}

/// The path of a program: cargo tells the programs that it runs which cargo it is.
pub fn program(name: &str) -> String {
    let own = if name == "cargo" { std::env::var("CARGO").ok() } else { None };
    own.unwrap_or_else(|| name.to_owned())
}

/// The workspace's root. Cargo names the package's folder to the programs that it runs. The folder of the build comes second,
/// since a folder of built programs may have been moved here from another checkout.
pub fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).join("..")
}
