//! How a command fails: one line that says what was expected and what came, one line that says what to do, and an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::hints;

/// Why a command ends early.
#[derive(Debug)]
pub enum Failure {
    /// The library's reason.
    Knothe(knothe::Error),
    /// An option that does not fit the model or the table; exit code 2.
    Usage {
        /// What is wrong: expected and found.
        message: String,
        /// What to do about it; may be empty.
        hint: String,
    },
    /// Standard output cannot be written. A reader that has gone away is no failure.
    Output(io::Error),
    /// The user has stopped the command, which has said where it can go on; exit code 130, as shells have it.
    Interrupted,
    /// A defect of the program.
    Defect(String),
}

impl Failure {
    /// An option that does not fit.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure::Usage { message: message.into(), hint: hint.into() }
    }

    /// Says on stderr what is wrong; the exit code is 2 for options, 1 for everything else, and 0 for a reader that has gone away.
    pub fn report(&self) -> ExitCode {
        let (code, message, hint) = match self {
            Failure::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Failure::Interrupted => return ExitCode::from(130),
            Failure::Output(e) => (1, format!("cannot write standard output: {e}"), String::new()),
            Failure::Usage { message, hint } => (2, message.clone(), hint.clone()),
            Failure::Defect(what) => (1, format!("bug in knothe: {what}"), "please report it with the command and the data".into()),
            Failure::Knothe(e @ knothe::Error::Invalid { .. }) => (2, e.to_string(), e.hint().map(hints::worded).unwrap_or_default()),
            Failure::Knothe(e) => (1, e.to_string(), e.hint().map(hints::worded).unwrap_or_default()),
        };
        let mut stderr = io::stderr().lock();
        // Nobody is left to be told when stderr is gone.
        let _ = writeln!(stderr, "error: {message}");
        if !hint.is_empty() {
            let _ = writeln!(stderr, "hint: {hint}");
        }
        ExitCode::from(code)
    }
}

impl From<knothe::Error> for Failure {
    fn from(error: knothe::Error) -> Self {
        Failure::Knothe(error)
    }
}

/// Writes to stderr what the user should know; a closed stderr is no reason to fail.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
